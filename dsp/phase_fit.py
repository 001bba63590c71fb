"""Phase of the fundamental about a window: complex demodulation and a quadratic fit.

All inputs of a group (the voltages, else the currents) are demodulated with the predicted phase under a Hann kernel
of four cycles, which puts its zeros on the harmonics and on the mirror image; their phasors are added in phase
(which is the positive sequence of a sound three-phase system) and a quadratic is fitted to the phase that remains.
Windows of several modules are fitted in one go, which costs less.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.phase import HIGHEST_HZ, LOWEST_HZ, PhaseInput, PhaseModel
from dsp.sidebands import phase_without_tones

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


class FitTask(NamedTuple):
    """A model to refine about the window [start_s, end_s] from the samples in available_s."""

    inputs: Sequence[PhaseInput]
    model: PhaseModel
    start_s: float
    end_s: float
    available_s: tuple[float, float]


class Centres(NamedTuple):
    """Where phasors are taken: so many `points`, evenly spaced, under a kernel for cycles of cycle_s."""

    first_s: float
    spacing_s: float
    points: int
    cycle_s: float


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
    series: Sequence[tuple[Sequence[PhaseInput], PhaseModel, Centres]],
) -> list[NDArray[np.complex128]]:
    """Complex rms phasors [channels, centres] of each series of inputs, against its model's phase. Each chip takes the
    sample next to the first centre and goes on by whole samples. The kernel must fit inside the segments."""
    alike: dict[tuple[int, int, int], list[_Piece]] = {}
    results = []
    for inputs, model, at in series:
        phasors = np.empty((sum(len(part.rows) for part in inputs), at.points), dtype=np.complex128)
        results.append(phasors)
        rate, row = 0.0, 0
        for part in inputs:
            if abs(part.clock.rate_hz - rate) > SAME_RATE * rate:
                rate = part.clock.rate_hz
            key = round(KERNEL_STEPS * at.cycle_s * rate), max(1, round(at.spacing_s * rate)), at.points
            own = phasors[row : row + len(part.rows)]
            row += len(part.rows)
            alike.setdefault(key, []).append(_Piece(part, model, at.first_s, own))
    for (sixteenths, hop, count), pieces in alike.items():
        _demodulate(pieces, *_kernel(sixteenths, hop), hop, count)
    return results


class _Piece(NamedTuple):
    """One chip's part of a series; where its phasors go."""

    part: PhaseInput
    model: PhaseModel
    centre_s: float
    phasors: NDArray[np.complex128]


def _demodulate(pieces: Sequence[_Piece], kernel: NDArray[np.float64], half: int, hop: int, count: int) -> None:
    """Fill in phasors that share a kernel.

    Every sample is multiplied once for each place it has in a kernel, and the blocks of a kernel are added up
    afterwards: nothing is copied for kernels that overlap.
    """
    blocks = kernel.shape[1] // 2
    length = (count + blocks - 1) * hop
    laid = np.zeros((sum(len(piece.phasors) for piece in pieces), length))
    terms, row = [], 0
    for part, model, centre_s, _ in pieces:
        segment, clock = part.segment, part.clock
        latest = segment.end - 1 - half - (count - 1) * hop
        centre = max(min(round(clock.index_at(centre_s)), latest), segment.first + half)
        samples = segment.view(centre - half, min(centre - half + length, segment.end))
        for source in part.rows:
            laid[row, : samples.shape[1]] = samples[source]
            row += 1
        terms.append((clock.time_s(centre) - model.reference_s, 1.0 / clock.rate_hz, model.c0, model.c1, model.c2))
    products = (laid.reshape(-1, hop) @ kernel).view(np.complex128).reshape(row, -1, blocks)
    across, down, along = products.strides
    diagonal = np.lib.stride_tricks.as_strided(products, (row, count, blocks), (across, down, down + along))
    sums = np.add.reduce(diagonal, axis=2)
    begins, steps, c0, c1, c2 = np.array(terms).T[:, :, None]
    tau = begins + steps * np.arange(0.0, count * hop, hop)
    turns = np.exp(-1j * (c0 + tau * (c1 + tau * c2)))
    row = 0
    for piece, turn in zip(pieces, turns, strict=True):
        np.multiply(sums[row : row + len(piece.phasors)], turn, out=piece.phasors)
        row += len(piece.phasors)


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
    """Phases [..., n] without jumps of more than half a turn."""
    turns = np.rint((phase_rad[..., 1:] - phase_rad[..., :-1]) / (2.0 * np.pi))
    if turns.any():
        phase_rad[..., 1:] -= 2.0 * np.pi * np.cumsum(turns, axis=-1)
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


def fit_phases(tasks: Sequence[FitTask]) -> list[PhaseFit | None]:
    """What each task gives; None where the samples are too few."""
    found: list[PhaseFit | None] = [None] * len(tasks)
    alike: dict[tuple[int, int], list[tuple[int, Centres]]] = {}
    for number, task in enumerate(tasks):
        expected_hz = task.model.frequency_hz(0.5 * (task.start_s + task.end_s))
        channels = sum(len(part.rows) for part in task.inputs)
        if not 0.5 * LOWEST_HZ <= expected_hz <= 2.0 * HIGHEST_HZ:  # the fit before followed garbage
            found[number] = PhaseFit(task.model, math.inf, (math.nan,) * channels, 0.0, False)
            continue
        centres = _centres(task, 1.0 / expected_hz)
        if centres is not None:
            alike.setdefault((channels, centres.points), []).append((number, centres))
    for group in alike.values():
        numbers = [number for number, _ in group]
        for number, fit in zip(numbers, _fit([tasks[n] for n in numbers], [c for _, c in group]), strict=True):
            found[number] = fit
    return found


def _centres(task: FitTask, cycle_s: float) -> Centres | None:
    """Where the phase is taken for a fit; None where the samples are too few."""
    low = max(task.start_s - HISTORY_CYCLES * cycle_s, task.available_s[0] + KERNEL_CYCLES * cycle_s)
    high = min(task.end_s + AHEAD_CYCLES * cycle_s, task.available_s[1] - KERNEL_CYCLES * cycle_s)
    if not high - low >= FEWEST_CYCLES * cycle_s:
        return None
    rates = [part.clock.rate_hz for part in task.inputs]
    spacing_s = max(_hop(cycle_s, rate) / rate for rate in rates)
    count = int((high - low) / spacing_s * (1.0 + 1e-9)) + 1
    return Centres(high - (count - 1) * spacing_s, spacing_s, count, cycle_s)


def _fit(tasks: Sequence[FitTask], centres: Sequence[Centres]) -> list[PhaseFit]:
    """Tasks with as many channels and phasors."""
    count = centres[0].points
    each = demodulate([(task.inputs, task.model, at) for task, at in zip(tasks, centres, strict=True)])
    channels = len(each[0])
    joined = np.empty((len(tasks), channels + 1, count), dtype=np.complex128)  # those of the group, of each channel
    joined[:, 1:] = each
    phasors = joined[:, 1:]
    size = np.abs(phasors)
    total = np.add.reduce(size, axis=2)
    strongest = phasors[np.arange(len(tasks)), total.argmax(axis=1)]
    turn = phasors @ strongest.conj()[:, :, None]
    turn /= np.maximum(np.add.reduce(np.abs(turn), axis=1), 1e-300)[:, None]
    np.matmul(turn.conj().swapaxes(1, 2), phasors, out=joined[:, :1])
    weight = np.abs(joined[:, 0])
    largest = np.maximum.reduce(weight, axis=1)
    weight /= np.maximum(largest, 1e-300)[:, None]

    phase = _unwrap(np.arctan2(joined.imag, joined.real))
    basis = _basis(count)
    squares = weight * weight
    weighted = basis * squares[:, None]
    normal = weighted @ basis.T
    normal.reshape(-1, 9)[:, ::4] += 1e-9
    fits = np.linalg.solve(normal, weighted @ phase.swapaxes(1, 2))  # [tasks, 3, 1 + channels]
    rests = phase - fits.swapaxes(1, 2) @ basis
    rests *= rests
    scatter = np.add.reduce(rests, axis=2) / count
    scatter[:, 0] = np.einsum("wn,wn->w", squares, rests[:, 0]) / np.add.reduce(squares, axis=1)
    scatter[largest == 0.0, 0] = np.inf
    rows = zip(
        tasks,
        centres,
        phasors,
        size,
        np.minimum.reduce(size, axis=2).tolist(),
        np.maximum.reduce(size, axis=2).tolist(),
        total.tolist(),
        weight,
        fits,
        scatter.tolist(),
        strict=True,
    )
    return [_outcome(*row) for row in rows]


def _outcome(
    task: FitTask,
    at: Centres,
    phasors: NDArray[np.complex128],
    size: NDArray[np.float64],
    least: list[float],
    most: list[float],
    total: list[float],
    weight: NDArray[np.float64],
    fits: NDArray[np.float64],
    scatter: list[float],
) -> PhaseFit:
    """From the fits [3, 1 + channels] of a task, and their mean squared deviations."""
    inputs, model = task.inputs, task.model
    floors = [floor for part in inputs for floor in part.floors]
    sound = [a >= 0.2 * b and c >= f * at.points for a, b, c, f in zip(least, most, total, floors, strict=True)]
    half_s = 0.5 * (at.points - 1) * at.spacing_s
    # Where the phasors are on the average: each chip's were taken at samples next to the centres.
    middle = at.first_s + half_s + _late_s(inputs, at.first_s)
    lightest = float(weight.min())
    off, scatter = math.sqrt(scatter[0]), scatter[1:]
    if off > UNEXPLAINED_RAD and lightest >= STEADY:
        steady = np.array([s and a >= STEADY * b for s, a, b in zip(sound, least, most, strict=True)])
        bend = float(model.c2 * half_s * half_s + fits[2, 0])
        rest = phasors[steady] * np.exp(-1j * (fits[:, 0] @ _basis(at.points)))
        apart = phase_without_tones(rest, 2.0 * half_s / at.cycle_s, bend) if steady.any() else None
        if apart is not None:
            change, off = apart
            share = np.array(total)[steady] ** 2
            fits[:, 1:][:, steady] = fits[:, :1] + change
            fits[:, 0] += change @ (share / share.sum())
            scatter = [off * off] * len(total)

    # The refined model: the old one, moved to `middle`, plus the fit.
    tau = middle - model.reference_s
    first, second, third = fits.tolist()
    refined = PhaseModel(
        middle, first[0], model.c1 + 2.0 * model.c2 * tau + second[0] / half_s, model.c2 + third[0] / half_s**2
    )
    x = (task.start_s + task.end_s - 2.0 * middle) / half_s
    speeds = [(b + c * x) / half_s for b, c in zip(second, third, strict=True)]  # mean excess, rad/s
    base = 0.5 * (model.frequency_hz(task.start_s) + model.frequency_hz(task.end_s))
    turns = 2.0 * math.pi
    present = any(map(operator.ge, least, floors))
    if not present:
        there = np.count_nonzero(size >= np.array(floors)[:, None], axis=1)
        present = bool((there >= 0.5 * at.points).any())
    return PhaseFit(
        refined,
        off,
        tuple(base + own / turns if s else math.nan for own, s in zip(speeds[1:], sound, strict=True)),
        1.0 if lightest > 0.1 else np.count_nonzero(weight > 0.1) / at.points,
        present,
        _stretches(
            inputs,
            [(own - speeds[0]) / (turns * base) for own in speeds[1:]],
            [SLOPE_SHARE * SLOPE_SHARE * of if s else math.inf for of, s in zip(scatter, sound, strict=True)],
        ),
    )
