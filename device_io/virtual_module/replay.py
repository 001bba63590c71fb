"""Plays a recorded wave again and again without a seam: whole cycles, at the times a chip samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_io.virtual_module.front_end import SAMPLE_RATE_HZ
from device_io.virtual_module.mains import Times

MAX_LOOP_S = 20.0
"""Longest part of a recording that is played, from its start."""
_MANY_CYCLES = 10  # a record of fewer gives none of them up for the blending
_FINE = 16  # points of the stored loop per sample of the chip
_LOWEST_HZ, _HIGHEST_HZ = 42.0, 70.0
_TAPS = np.arange(-2, 4)


@dataclass(frozen=True)
class Recording:
    """Instantaneous values of a file in V and A: {V1 V2 V3 I1 I2 I3 IN: float64 array}, all of one length and rate."""

    channels: Mapping[str, NDArray[np.float64]]
    rate_hz: float


class ReplayError(ValueError):
    """The recording can't be played; one sentence that says why and what to do."""


@dataclass(frozen=True)
class Loop:
    """Whole cycles, band-limited to half the chip's rate: float64 [points, channels], periodic."""

    keys: tuple[str, ...]
    points: NDArray[np.float64]
    duration_s: float
    cycles: int

    def values(self, keys: Sequence[str], t: Times) -> NDArray[np.float64]:
        """Instantaneous values float64 [n, keys] at times t (s), the loop repeated for ever; 0 for absent channels.

        Lagrange interpolation over 6 of the fine points: within 1e-6 of a tone at half the chip's rate.
        """
        count = len(self.points)
        position = (t / self.duration_s) % 1.0 * count
        base = np.floor(position).astype(np.intp)
        weights = _lagrange(position - base)
        taken = self.points[(base[:, None] + _TAPS) % count]
        found = np.einsum("nt,ntc->nc", weights, taken)
        columns = [self.keys.index(key) if key in self.keys else -1 for key in keys]
        return np.concatenate([found, np.zeros((len(t), 1))], axis=1)[:, columns]


def make_loop(recording: Recording) -> Loop:
    """The longest run of whole cycles at the start of a recording, 20 s at most.

    Its end is blended into what stood before its start (one cycle, or what there is), so that nothing jumps there; with
    nothing before its start, both sides of the seam give way for a quarter of a cycle.
    Raises ReplayError when there is nothing to play.
    """
    keys = tuple(recording.channels)
    if not keys or recording.rate_hz <= 0.0:
        raise ReplayError("The recording has no voltages or currents to play. Name them with --channels.")
    most = round(MAX_LOOP_S * recording.rate_hz)
    data = np.stack([np.asarray(recording.channels[key], dtype=np.float64)[:most] for key in keys], axis=1)
    if not np.isfinite(data).all():
        raise ReplayError("The recording has samples without a value. Choose another part or file.")
    period = _period_samples(data, keys, recording.rate_hz)
    start, length, cycles = _choose(len(data), period)
    loop = data[start : start + length].copy()
    if start:
        weight = 0.5 - 0.5 * np.cos(math.pi * (np.arange(start) + 0.5) / start)[:, None]
        loop[length - start :] += weight * (data[:start] - loop[length - start :])
    else:
        _close_step(loop, period)
    # The clock of the loop is that of the file: `length` samples are the loop, `cycles` whole cycles fill it.
    duration_s = length / recording.rate_hz
    return Loop(keys, _finer(loop, duration_s), duration_s, cycles)


def _period_samples(data: NDArray[np.float64], keys: Sequence[str], rate_hz: float) -> float:
    """Samples a cycle of the fundamental, from the strongest voltage (else current).

    Begins at the largest peak of a windowed spectrum between 42 and 70 Hz; then the shift by 1, 2, 4... cycles that
    makes the wave most like itself gives the period ever more closely. That holds for three cycles with harmonics.
    """
    voltages = [n for n, key in enumerate(keys) if key.startswith("V")] or list(range(len(keys)))
    wave = data[:, max(voltages, key=lambda n: float(np.std(data[:, n])))]
    wave = wave - wave.mean()
    if len(wave) < 2.0 * rate_hz / _HIGHEST_HZ or not wave.any():
        raise ReplayError("The recording is shorter than two cycles of the mains, or empty. Choose a longer one.")
    size = 1 << (8 * len(wave) - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), size))
    low, high = math.ceil(_LOWEST_HZ * size / rate_hz), math.floor(_HIGHEST_HZ * size / rate_hz)
    if spectrum[low : high + 1].max() < 0.2 * spectrum.max():
        raise ReplayError(
            "The recording shows no mains frequency between 42 and 70 Hz. Choose another channel or file."
        )
    period = size / (low + int(np.argmax(spectrum[low : high + 1])))
    cycles, reach = 1, 0.15 * period
    while cycles * period + 0.5 * period <= len(wave):
        shift, likeness = _best_shift(wave, cycles * period, reach, round(4.0 * period))
        if cycles == 1 and likeness < 0.5:
            raise ReplayError("The recording does not repeat from cycle to cycle. Choose another part or channel.")
        period = shift / cycles
        cycles, reach = 2 * cycles, max(2.0, 0.02 * period)
    if not _LOWEST_HZ <= rate_hz / period <= _HIGHEST_HZ:
        raise ReplayError(
            "The recording shows no mains frequency between 42 and 70 Hz. Choose another channel or file."
        )
    return period


def _best_shift(wave: NDArray[np.float64], near: float, reach: float, most: int) -> tuple[float, float]:
    """Shift within `reach` of `near` (samples, to a fraction) at which the wave is most like itself; how much, 0 to 1.

    Compares at most `most` samples.
    """
    first = max(1, math.floor(near - reach))
    last = min(math.ceil(near + reach), len(wave) - 8)
    length = min(most, len(wave) - last)
    still = wave[:length]
    moved = np.lib.stride_tricks.sliding_window_view(wave[first : last + length], length)
    unlike = np.mean((moved - still) ** 2, axis=1)
    best = int(np.argmin(unlike))
    offset = 0.0
    if 0 < best < len(unlike) - 1:
        left, middle, right = unlike[best - 1 : best + 2]
        bend = left - 2.0 * middle + right
        offset = float(0.5 * (left - right) / bend) if bend > 0.0 else 0.0
    power = float(np.mean(wave**2))
    return first + best + offset, max(0.0, 1.0 - float(unlike[best]) / (2.0 * power))


def _choose(total: int, period: float) -> tuple[int, int, int]:
    """Start, length and cycles of the loop: of the last ten whole numbers of cycles that fit, the one nearest to whole
    samples. What stands before the start, one cycle, is for the blending; less where a short record would lose a cycle.
    """
    whole = math.floor(total / period + 0.02)
    for blend in (round(period), round(period / 4.0), 0):
        most = whole if blend == 0 else math.floor((total - blend) / period + 1e-9)
        if most >= 1 and (most == whole or most >= _MANY_CYCLES):
            choices = range(max(1, most - 9), most + 1) if most >= _MANY_CYCLES else (most,)
            cycles = min(choices, key=lambda n: (round(abs(n * period - round(n * period)), 3), -n))
            length = min(round(cycles * period), total - blend)
            return min(blend, length), length, cycles
    raise ReplayError("The recording is shorter than one cycle of the mains. Choose a longer one.")


def _close_step(loop: NDArray[np.float64], period: float) -> None:
    """Take the step out of the seam of a loop with nothing before its start: a quarter of a cycle each side gives way.

    The step is what lies between the first sample and the last cycle going on, moved to where the loop ends.
    """
    cycle = min(round(period), len(loop) - 1)
    step = loop[-cycle] + (loop[-1] - loop[-1 - cycle]) - loop[0]
    reach = max(1, cycle // 4)
    half = 0.25 * (1.0 + np.cos(math.pi * (np.arange(reach) + 0.5) / reach))[:, None] * step
    loop[:reach] += half
    loop[-reach:] -= half[::-1]


def _finer(loop: NDArray[np.float64], duration_s: float) -> NDArray[np.float64]:
    """The loop on 16 points a sample of the chip, without what lies above half the chip's rate (periodic spectrum)."""
    count = round(duration_s * SAMPLE_RATE_HZ * _FINE)
    spectrum = np.fft.rfft(loop, axis=0)
    kept = min(len(spectrum), math.floor(0.5 * SAMPLE_RATE_HZ * duration_s))
    if kept == len(spectrum) and len(loop) % 2 == 0:
        kept -= 1  # the bin at half the file's rate has no sign
    padded = np.zeros((count // 2 + 1, loop.shape[1]), dtype=np.complex128)
    padded[:kept] = spectrum[:kept]
    return np.fft.irfft(padded, count, axis=0) * (count / len(loop))


def _lagrange(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights [n, 6] of the points at -2..3 for positions x in 0..1."""
    weights = np.ones((len(x), len(_TAPS)))
    for column, own in enumerate(_TAPS):
        for other in _TAPS:
            if other != own:
                weights[:, column] *= (x - other) / (own - other)
    return weights
