"""Phase of the fundamental: coarse search in a spectrum, then complex demodulation and a quadratic fit.

All inputs of a group (the voltages, else the currents) are demodulated with the predicted phase under a Hann kernel
of four cycles, which puts its zeros on the harmonics and on the mirror image; their phasors are added in phase
(which is the positive sequence of a sound three-phase system) and a quadratic is fitted to the phase that remains.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.clock import SampleClock
from dsp.sidebands import phase_without_tones
from dsp.stream import Segment

Floats = NDArray[np.float64]

LOWEST_HZ = 42.4
HIGHEST_HZ = 69.1
"""Fundamentals are found from 42.5 to 69 Hz; the rest is tolerance for the search itself."""

SHARE = 0.15
"""A fundamental holds at least this share of an input's power without DC; noise and other tones do not."""

KERNEL_CYCLES = 2.0
"""Half the length of the demodulation kernel."""
KERNEL_STEPS = 16
"""Kernels are made for cycles of whole sixteenths of a sample."""
HISTORY_CYCLES = 2.5
"""Phase points are taken from so many cycles before the window to so many after it: all that the delay allows."""
AHEAD_CYCLES = 0.5
FEWEST_CYCLES = 4.0
"""Span of the phase points under which no quadratic is fitted."""
SAME_RATE = 1e-3
"""Chips whose rates differ by less share a kernel."""
UNEXPLAINED_RAD = 3e-5
"""Rms deviation of the phase from the fit above which tones beside the fundamental are looked for: four times what
noise 80 dB below it leaves."""
SLOPE_SHARE = 0.04
"""Relative uncertainty (95 %) of a frequency for each radian of the phase's rms deviation from the fit: 26 phasors, of
which every fourth is independent, over 13 cycles."""
STEADY = 0.7
"""Smallest phasor over the largest, of inputs that are looked at for tones beside: dips and steps are none."""


def advance_times(advance_rad: NDArray[np.float64], speed: Floats | float, bend: Floats | float) -> NDArray[np.float64]:
    """Times x (s) with speed x + bend x^2 = advance_rad, in the form that stays exact for a vanishing bend (rad/s^2);
    speed and bend: numbers, or arrays that fit."""
    least = 0.25 * speed * speed
    root = np.sqrt(np.maximum(4.0 * (least + bend * advance_rad), least))
    return np.asarray(2.0 * advance_rad / (speed + root))


@dataclass(frozen=True)
class PhaseModel:
    """Phase of the fundamental, rad: c0 + c1 tau + c2 tau^2 with tau = t - reference_s."""

    reference_s: float
    c0: float
    c1: float
    c2: float = 0.0

    @staticmethod
    def of_frequency(reference_s: float, frequency_hz: float) -> PhaseModel:
        """A steady frequency."""
        return PhaseModel(reference_s, 0.0, 2.0 * np.pi * frequency_hz)

    def frequency_hz(self, time_s: float) -> float:
        """Frequency at a time."""
        return (self.c1 + 2.0 * self.c2 * (time_s - self.reference_s)) / (2.0 * np.pi)

    def times_after(self, start_s: float, cycles: NDArray[np.float64]) -> NDArray[np.float64]:
        """Times at which the phase has advanced by `cycles` (any shape) since start_s."""
        speed = self.c1 + 2.0 * self.c2 * (start_s - self.reference_s)
        return start_s + advance_times(2.0 * np.pi * cycles, speed, self.c2)


@dataclass(frozen=True)
class PhaseInput:
    """Inputs of one chip that take part: an unbroken segment, the chip's clock, rows of the channels, and the rms
    below which their fundamental is noise."""

    segment: Segment
    clock: SampleClock
    rows: tuple[int, ...]
    floors: tuple[float, ...]


@dataclass(frozen=True)
class PhaseFit:
    """Outcome of a fit.

    model: of the group. residual_rad: rms deviation from it. frequencies_hz: of each input over the interval asked
    for; NaN where an input's fundamental is noise or vanishes for a while. support: share of the phase points that
    carry signal. present: at least one input carries a fundamental. stretches: of each of the inputs, by how much more
    of its samples a whole number of cycles takes than its clock says (see _stretches).
    """

    model: PhaseModel
    residual_rad: float
    frequencies_hz: tuple[float, ...]
    support: float
    present: bool
    stretches: tuple[float, ...] = ()


def coarse_frequency(inputs: Sequence[PhaseInput], start_s: float, length_s: float) -> float | None:
    """Frequency of the strongest fundamental in [start_s, start_s + length_s] (0.1 s at least), within about 0.1 Hz;
    None where no input has one."""
    best, found = 0.0, None
    for part in inputs:
        first = max(part.segment.first, int(np.ceil(part.clock.index_at(start_s))))
        stop = min(part.segment.end, int(np.ceil(part.clock.index_at(start_s + length_s))))
        count = stop - first
        if not part.rows or count < 16:
            continue
        samples = part.segment.view(first, stop)[list(part.rows)]
        window = np.hanning(count + 2)[1:-1]
        window /= window.sum()
        samples = samples - (samples @ window)[:, None]
        power = (samples * samples) @ window
        points = 1 << int(np.ceil(np.log2(8 * count)))
        step = part.clock.rate_hz / points
        low, high = int(38.0 / step), min(int(74.0 / step) + 2, points // 2)
        if high - low < 3:
            continue
        magnitude = np.abs(np.fft.rfft(samples * window, n=points, axis=1)[:, low:high])
        for row, floor in enumerate(part.floors):
            peak = int(magnitude[row].argmax())
            if not 0 < peak < high - low - 1:
                continue
            left, middle, right = np.log(np.maximum(magnitude[row, peak - 1 : peak + 2], 1e-300)).tolist()
            bend = left - 2.0 * middle + right
            offset = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
            frequency = (low + peak + offset) * step
            rms = float(np.sqrt(2.0) * magnitude[row, peak])
            sound = rms >= floor and rms * rms >= SHARE * power[row] and LOWEST_HZ <= frequency <= HIGHEST_HZ
            if sound and rms / floor > best:
                best, found = rms / floor, frequency
    return found


@lru_cache(maxsize=64)
def _kernel(sixteenths: int, hop: int) -> tuple[NDArray[np.float64], int]:
    """Hann kernel times the conjugate carrier for a cycle of so many sixteenths of a sample, gain sqrt(2) for a
    cosine, so that phasors are rms; cut into blocks of `hop` samples: [hop, blocks x (real, imaginary)]. And half its
    length.

    The carrier misses the momentary frequency by 1 in 2500 at most. The kernel is symmetric, so that this turns no
    phase, and moves its zeros off the harmonics by as little.
    """
    cycle = sixteenths / KERNEL_STEPS
    half = int(KERNEL_CYCLES * cycle)
    offsets = np.arange(-half, half + 1)
    window = 1.0 + np.cos(np.pi * offsets / (KERNEL_CYCLES * cycle))
    window *= np.sqrt(2.0) / window.sum()
    angle = 2.0 * np.pi * offsets / cycle
    blocks = -(-offsets.size // hop)
    kernel = np.zeros((blocks * hop, 2))
    kernel[: offsets.size] = np.stack([window * np.cos(angle), -window * np.sin(angle)], axis=1)
    return np.ascontiguousarray(kernel.reshape(blocks, hop, 2).transpose(1, 0, 2).reshape(hop, -1)), half


def _hop(cycle_s: float, rate_hz: float) -> int:
    """Samples between phasors: half a cycle, or the few more that cut a kernel into eight blocks."""
    half = int(KERNEL_CYCLES * round(KERNEL_STEPS * cycle_s * rate_hz) / KERNEL_STEPS)
    return max(1, -(-(2 * half + 1) // 8))


def demodulate(
    inputs: Sequence[PhaseInput], model: PhaseModel, centres_s: NDArray[np.float64], cycle_s: float
) -> NDArray[np.complex128]:
    """Complex rms phasors [channels, centres] against the model's phase. The centres must be evenly spaced; each chip
    takes the sample next to the first and goes on by whole samples. The kernel must fit inside the segments.

    Every sample is multiplied once for each place it has in a kernel, and the blocks of a kernel are added up
    afterwards: nothing is copied for kernels that overlap.
    """
    count = centres_s.size
    spacing_s = float(centres_s[-1] - centres_s[0]) / max(count - 1, 1)
    used = [part for part in inputs if part.rows]
    results = []
    while used:
        rate = used[0].clock.rate_hz
        others = (i for i, part in enumerate(used) if abs(part.clock.rate_hz - rate) > SAME_RATE * rate)
        alike = next(others, len(used))
        hop = max(1, round(spacing_s * rate))
        kernel, half = _kernel(round(KERNEL_STEPS * cycle_s * rate), hop)
        results.append(_demodulate(used[:alike], model, float(centres_s[0]), count, hop, kernel, half))
        used = used[alike:]
    return results[0] if len(results) == 1 else np.concatenate(results)


def _demodulate(
    inputs: Sequence[PhaseInput],
    model: PhaseModel,
    centre_s: float,
    count: int,
    hop: int,
    kernel: NDArray[np.float64],
    half: int,
) -> NDArray[np.complex128]:
    """Phasors of inputs that share a kernel."""
    blocks = kernel.shape[1] // 2
    length = (count + blocks - 1) * hop
    laid = np.zeros((sum(len(part.rows) for part in inputs), length))
    begins, rates, places, row = [], [], [], 0
    for number, part in enumerate(inputs):
        segment, clock = part.segment, part.clock
        latest = segment.end - 1 - half - (count - 1) * hop
        centre = max(min(round(clock.index_at(centre_s)), latest), segment.first + half)
        samples = segment.view(centre - half, min(centre - half + length, segment.end))
        for source in part.rows:
            laid[row, : samples.shape[1]] = samples[source]
            row += 1
        begins.append(clock.time_s(centre) - model.reference_s)
        rates.append(clock.rate_hz)
        places += [number] * len(part.rows)
    pieces = (laid.reshape(-1, hop) @ kernel).view(np.complex128).reshape(row, -1, blocks)
    across, down, along = pieces.strides
    diagonal = np.lib.stride_tricks.as_strided(pieces, (row, count, blocks), (across, down, down + along))
    tau = np.array(begins)[:, None] + np.arange(0.0, count * hop, hop) / np.array(rates)[:, None]
    turn = np.exp(-1j * (model.c0 + tau * (model.c1 + tau * model.c2)))
    return np.asarray(np.add.reduce(diagonal, axis=2) * (turn if row == len(inputs) else turn[places]))


@lru_cache(maxsize=32)
def _basis(count: int) -> NDArray[np.float64]:
    """[3, count]: 1, x, x^2 for x from -1 to 1."""
    x = np.linspace(-1.0, 1.0, count)
    return np.stack([np.ones(count), x, x * x])


def _late_s(inputs: Sequence[PhaseInput], centre_s: float) -> float:
    """How much later than a centre the samples next to it are, on the average of all channels (s)."""
    late = [
        (len(part.rows), (round(index) - index) / part.clock.rate_hz)
        for part in inputs
        for index in [part.clock.index_at(centre_s)]
    ]
    return sum(rows * late_s for rows, late_s in late) / sum(rows for rows, _ in late)


def _unwrap(phase_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Phases [rows, n] without jumps of more than half a turn."""
    turns = np.rint((phase_rad[:, 1:] - phase_rad[:, :-1]) / (2.0 * np.pi))
    if turns.any():
        phase_rad[:, 1:] -= 2.0 * np.pi * np.cumsum(turns, axis=1)
    return phase_rad


def _stretches(inputs: Sequence[PhaseInput], excess: Sequence[float], squares: Sequence[float]) -> tuple[float, ...]:
    """True samples of a whole number of cycles over those that a chip's clock gives them, of each input.

    All chips are on the same mains: where one of them sees another frequency (excess [channels], relative to the
    group's) it is its clock that errs, as time stamps of whole microseconds make it in the first half second. How much
    of that is believed follows from both uncertainties: of the clock, beyond which it never goes, and of the
    frequencies (squares [channels], relative; infinite where the phase is not steady).
    """
    stretches, row = [], 0
    for part in inputs:
        rows = slice(row, row + len(part.rows))
        row += len(part.rows)
        known = 1e-6 * part.clock.uncertainty_ppm
        worst = max(squares[rows], default=math.inf)
        if known == 0.0 or not math.isfinite(worst):
            stretches.append(1.0)
            continue
        seen = sum(excess[rows]) / len(part.rows)
        believed = known * known / (known * known + worst) * min(max(seen, -known), known)
        stretches.append(1.0 / (1.0 + believed))
    return tuple(stretches)


def fit_phase(
    inputs: Sequence[PhaseInput], model: PhaseModel, start_s: float, end_s: float, available_s: tuple[float, float]
) -> PhaseFit | None:
    """Refine the model about the window [start_s, end_s] from the samples in available_s; None where they are too
    few."""
    expected_hz = model.frequency_hz(0.5 * (start_s + end_s))
    if not 0.5 * LOWEST_HZ <= expected_hz <= 2.0 * HIGHEST_HZ:  # the fit before followed garbage
        return PhaseFit(model, math.inf, (math.nan,) * sum(len(part.rows) for part in inputs), 0.0, False)
    cycle_s = 1.0 / expected_hz
    low = max(start_s - HISTORY_CYCLES * cycle_s, available_s[0] + KERNEL_CYCLES * cycle_s)
    high = min(end_s + AHEAD_CYCLES * cycle_s, available_s[1] - KERNEL_CYCLES * cycle_s)
    if not high - low >= FEWEST_CYCLES * cycle_s:
        return None
    spacing_s = max(_hop(cycle_s, part.clock.rate_hz) / part.clock.rate_hz for part in inputs if part.rows)
    count = int((high - low) / spacing_s * (1.0 + 1e-9)) + 1
    low = high - (count - 1) * spacing_s
    phasors = demodulate(inputs, model, low + spacing_s * np.arange(0.0, count), cycle_s)
    size = np.abs(phasors)
    least, most = np.minimum.reduce(size, axis=1).tolist(), np.maximum.reduce(size, axis=1).tolist()
    totals = np.add.reduce(size, axis=1)
    total = totals.tolist()
    floors = [floor for part in inputs for floor in part.floors]
    sound = [a >= 0.2 * b and c >= f * count for a, b, c, f in zip(least, most, total, floors, strict=True)]
    turn = phasors @ phasors[total.index(max(total))].conj()
    joined = np.empty((len(total) + 1, count), dtype=np.complex128)
    joined[1:] = phasors
    np.matmul(turn.conj() / max(float(np.abs(turn).sum()), 1e-300), phasors, out=joined[0])
    weight = np.abs(joined[0])
    largest = float(weight.max())
    weight /= max(largest, 1e-300)
    lightest = float(weight.min())

    phase = _unwrap(np.arctan2(joined.imag, joined.real))
    # Where the phasors are on the average: each chip's were taken at samples next to the centres.
    middle, scale = 0.5 * (low + high) + _late_s(inputs, low), 0.5 * (high - low)
    basis = _basis(count)
    squares = weight * weight
    weighted = basis * squares
    normal = weighted @ basis.T
    normal.flat[::4] += 1e-9
    fits = np.linalg.solve(normal, weighted @ phase.T)  # [3, 1 + channels]
    rests = phase - fits.T @ basis
    rests *= rests
    off = math.sqrt(float(squares @ rests[0]) / float(squares.sum())) if largest > 0.0 else math.inf
    scatter = (np.add.reduce(rests[1:], axis=1) / count).tolist()
    if off > UNEXPLAINED_RAD and lightest >= STEADY:
        steady = np.array([s and a >= STEADY * b for s, a, b in zip(sound, least, most, strict=True)])
        bend = float(model.c2 * scale * scale + fits[2, 0])
        rest = phasors[steady] * np.exp(-1j * (fits[:, 0] @ basis))
        apart = phase_without_tones(rest, (high - low) / cycle_s, bend) if steady.any() else None
        if apart is not None:
            change, off = apart
            share = totals[steady] ** 2
            fits[:, 1:][:, steady] = fits[:, :1] + change
            fits[:, 0] += change @ (share / share.sum())
            scatter = [off * off] * len(total)

    # The refined model: the old one, moved to `middle`, plus the fit.
    tau = middle - model.reference_s
    first, second, third = fits.tolist()
    refined = PhaseModel(
        middle, first[0], model.c1 + 2.0 * model.c2 * tau + second[0] / scale, model.c2 + third[0] / scale**2
    )
    x = (start_s + end_s - 2.0 * middle) / scale
    speeds = [(b + c * x) / scale for b, c in zip(second, third, strict=True)]  # mean excess, rad/s
    base = 0.5 * (model.frequency_hz(start_s) + model.frequency_hz(end_s))
    turns = 2.0 * math.pi
    return PhaseFit(
        refined,
        off,
        tuple(base + own / turns if s else math.nan for own, s in zip(speeds[1:], sound, strict=True)),
        1.0 if lightest > 0.1 else np.count_nonzero(weight > 0.1) / count,
        any(map(operator.ge, least, floors))
        or bool((np.count_nonzero(size >= np.array(floors)[:, None], axis=1) >= 0.5 * count).any()),
        _stretches(
            inputs,
            [(own - speeds[0]) / (turns * base) for own in speeds[1:]],
            [SLOPE_SHARE * SLOPE_SHARE * of if s else math.inf for of, s in zip(scatter, sound, strict=True)],
        ),
    )
