"""The front-end chip of a phase (ADE9153A): a clock of its own, response, noise, 24-bit waveform samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_io.source import ChannelInfo, ResponseSection
from device_io.virtual_module.mains import Mains, Times, Tone, Wave
from device_io.virtual_module.wiring import Row

SAMPLE_RATE_HZ = 4000.0
SHIFT = 4
FULL_SCALE_CODES = 74_560_000
"""Waveform register at full scale (1 V or 62.5 mV peak at the pins): its shield's register constants times sqrt 2."""
FULL_SCALE_V = 1000.0
"""Peak voltage at full scale behind the 1000:1 divider."""
FULL_SCALE_A = 62.5
"""Peak current at full scale: 62.5 mV on a 1 milliohm shunt at gain 16."""
NOISE_DB = 88.0
"""Signal-to-noise ratio: rms noise over 0..2 kHz below a full-scale sine."""

RESPONSE = (
    ResponseSection("highpass1", corner_hz=0.3125),
    # Through -0.1 dB at 672 Hz and -3 dB at 1600 Hz.
    ResponseSection("lowpass2", corner_hz=1581.32, q=0.716418),
)


def response_at(sections: Sequence[ResponseSection], frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Complex response of the sections at the frequencies (Hz); their kinds as in `ResponseSection`."""
    total = np.ones(np.shape(frequency_hz), dtype=np.complex128)
    for section in sections:
        if section.kind == "delay":
            total *= np.exp(-2j * math.pi * frequency_hz * section.delay_us * 1e-6)
            continue
        x = frequency_hz / section.corner_hz
        if section.kind == "highpass1":
            total *= 1j * x / (1.0 + 1j * x)
        elif section.kind == "lowpass1":
            total /= 1.0 + 1j * x
        elif section.kind == "lowpass2":
            total /= 1.0 - x * x + 1j * x / section.q
        else:
            raise ValueError(f"unknown response section {section.kind!r}")
    return total


def input_channel(key: str, *, full_scale: float | None = None, flat: bool = False) -> ChannelInfo:
    """The input of a chip: V inputs to 1000 V peak, I inputs to 62.5 A peak, or a full scale of its own."""
    unit = "V" if key.startswith("V") else "A"
    peak = full_scale or (FULL_SCALE_V if unit == "V" else FULL_SCALE_A)
    return ChannelInfo(key, unit, peak * 2**SHIFT / FULL_SCALE_CODES, peak, () if flat else RESPONSE)


def noise_rms(channel: ChannelInfo) -> float:
    """Rms noise of an input in its unit: 88 dB below a full-scale sine."""
    return channel.full_scale / math.sqrt(2.0) * math.pow(10.0, -NOISE_DB / 20.0)


@dataclass(frozen=True)
class ChipClock:
    """Sample k of the chip is taken at skew_us 1e-6 + k / (4000 (1 + ppm 1e-6)) seconds of true time."""

    ppm: float = 0.0
    skew_us: float = 0.0

    @property
    def rate_hz(self) -> float:
        """True sample rate."""
        return SAMPLE_RATE_HZ * (1.0 + self.ppm * 1e-6)

    def first_index_at(self, t: float) -> int:
        """Index of the first sample at or after t (s)."""
        return max(0, math.ceil((t - self.skew_us * 1e-6) * self.rate_hz - 1e-6))

    def times(self, first_index: int, count: int) -> Times:
        """True times (s) of consecutive samples."""
        return np.arange(first_index, first_index + count) / self.rate_hz + self.skew_us * 1e-6


class Quantiser:
    """Adds noise, clips at full scale and makes 24-bit counts: the register, rounded, shifted right by 4 bits."""

    def __init__(self, channels: Sequence[ChannelInfo], sigma: Sequence[float], rng: np.random.Generator) -> None:
        self._codes_per_unit = np.array([2**SHIFT / channel.unit_per_count for channel in channels])
        self._sigma_codes = np.array(sigma) * self._codes_per_unit
        self._rng = rng

    def counts(self, values: NDArray[np.float64]) -> NDArray[np.int32]:
        """Counts int32 [n, channels] of values [n, channels] in V or A at the converter."""
        codes = values * self._codes_per_unit
        codes += self._rng.standard_normal(codes.shape) * self._sigma_codes
        np.clip(np.rint(codes, out=codes), -FULL_SCALE_CODES, FULL_SCALE_CODES, out=codes)
        register: NDArray[np.int32] = codes.astype(np.int32)
        return np.right_shift(register, SHIFT)


class MainsInputs:
    """The inputs of one chip on the mains: every tone weighted by the wiring and by the response at its frequency.

    Envelopes are slow against the response, so a tone keeps the gain and phase of its carrier; the steps of events stay
    steps. Where the mains frequency moves, the response is taken anew for each call.
    """

    def __init__(self, mains: Mains, rows: Sequence[Row], channels: Sequence[ChannelInfo]) -> None:
        self._mains = mains
        self._columns = [(n, key, weight) for n, row in enumerate(rows) for key, weight in row.items()]
        self._sections = [channels[n].response for n, _, _ in self._columns]
        waves = [mains.waves.get(key, Wave()) for _, key, _ in self._columns]
        harmonics = {int(tone.order) for w in waves for tone in w.tones if _is_harmonic(tone)}
        others = {(tone.order, tone.frequency_hz) for w in waves for tone in w.tones if not _is_harmonic(tone)}
        self._orders = np.arange(1, max(harmonics, default=1) + 1)
        self._others = np.array(sorted(others)).reshape(-1, 2)
        rows_of = {(float(order), 0.0): n for n, order in enumerate(self._orders)}
        rows_of |= {(order, hz): len(self._orders) + n for n, (order, hz) in enumerate(self._others)}
        self._phasors = np.zeros((len(rows_of), len(self._columns)), dtype=np.complex128)
        for column, ((_, _, weight), source) in enumerate(zip(self._columns, waves, strict=True)):
            for tone in source.tones:
                self._phasors[rows_of[tone.order, tone.frequency_hz], column] += weight * tone.phasor
        at_dc = [response_at(s, np.zeros(1))[0].real for s in self._sections]
        self._dc = np.array([w[2] * s.dc for w, s in zip(self._columns, waves, strict=True)]) * np.array(at_dc)
        self._sum = np.zeros((len(self._columns), len(rows)))
        for column, (n, _, _) in enumerate(self._columns):
            self._sum[column, n] = 1.0
        self._varying = any(key in mains.varying for _, key, _ in self._columns)
        self._frequency_hz = math.nan
        self._matrix = np.zeros((0, 0))
        self._summed = np.zeros((0, 0))

    def values(self, t: Times) -> NDArray[np.float64]:
        """Instantaneous values float64 [n, inputs] behind the response at ascending times (s)."""
        self._tune(self._mains.frequency.at(float(t[len(t) // 2])))
        carriers = self._carriers(t).view(np.float64)
        envelopes = self._envelopes(t)
        if not envelopes:
            return np.asarray(carriers @ self._summed + self._dc @ self._sum)
        parts = carriers @ self._matrix + self._dc
        for column, envelope in envelopes.items():
            parts[:, column] *= envelope
        return np.asarray(parts @ self._sum)

    def _envelopes(self, t: Times) -> Mapping[int, Times]:
        if not self._varying:
            return {}
        known = {key: self._mains.envelope(key, t) for key in {key for _, key, _ in self._columns}}
        found = ((column, known[key]) for column, (_, key, _) in enumerate(self._columns))
        return {column: envelope for column, envelope in found if envelope is not None}

    def _carriers(self, t: Times) -> NDArray[np.complex128]:
        """exp(j phase) of each tone, complex [n, tones]: powers of the fundamental's, doubled up, then the others."""
        turns = self._mains.frequency.turns(t)
        highest = len(self._orders)
        out = np.empty((len(t), highest + len(self._others)), dtype=np.complex128)
        np.exp((2j * math.pi) * (turns % 1.0), out=out[:, 0])
        done = 1
        while done < highest:
            more = min(done, highest - done)
            np.multiply(out[:, :more], out[:, done - 1 : done], out=out[:, done : done + more])
            done += more
        if len(self._others):
            phase = np.outer(turns, self._others[:, 0]) % 1.0 + np.outer(t, self._others[:, 1]) % 1.0
            np.exp((2j * math.pi) * phase, out=out[:, highest:])
        return out

    def _tune(self, frequency_hz: float) -> None:
        if frequency_hz == self._frequency_hz:
            return
        self._frequency_hz = frequency_hz
        own = self._others[:, 0] * frequency_hz + self._others[:, 1]
        tones_hz = np.concatenate([self._orders * frequency_hz, own])
        phasors = self._phasors.copy()
        known: dict[tuple[ResponseSection, ...], NDArray[np.complex128]] = {}
        for column, sections in enumerate(self._sections):
            if sections not in known:
                known[sections] = response_at(sections, tones_hz)
            phasors[:, column] *= known[sections]
        # Re(e z) = Re e Re z - Im e Im z, with real and imaginary parts interleaved as in the view of the carriers.
        matrix = np.empty((2 * len(tones_hz), len(self._columns)))
        matrix[0::2] = math.sqrt(2.0) * phasors.real
        matrix[1::2] = -math.sqrt(2.0) * phasors.imag
        self._matrix = matrix
        self._summed = matrix @ self._sum


def _is_harmonic(tone: Tone) -> bool:
    return tone.frequency_hz == 0.0 and tone.order >= 1.0 and tone.order == int(tone.order)
