"""Windows on their way to measurements: those of like modules are measured in one go, which costs less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from dsp.phase_fit import FitTask, PhaseFit, fit_phases
from dsp.quantities import Quantities, QuantityTable
from dsp.spectrum import FrontEnd, Spectrum, spectra_of
from dsp.stream import Source
from dsp.waveform import take_waveforms
from dsp.window import Window
from dsp.windows import Fitting, Result

MOST_TOGETHER = 16
"""Windows that are measured in one go."""
MOST_SAMPLES = 1 << 17
"""Samples that are resampled in one go: bounds the memory that records of high rates take."""


@dataclass(frozen=True)
class Setup:
    """How the windows of an analyser are measured. chips: number of channels of each; limits: of dsp.waveform; points:
    instants in a window."""

    table: QuantityTable
    front_end: FrontEnd
    chips: tuple[int, ...]
    limits: NDArray[np.float64]
    points: int


@dataclass(frozen=True)
class Taken:
    """A window with the samples of every chip. measurable: whether there is anything to measure."""

    setup: Setup
    window: Window
    kind: str
    flags: tuple[str, ...]
    sources: list[Source]
    measurable: bool = True


@dataclass(frozen=True)
class Measured:
    """What a window gives. clipped: number of samples; still [channels]: those that do not move."""

    spectrum: Spectrum
    quantities: Quantities
    clipped: int
    still: NDArray[np.bool_]


def fit_together(fittings: Sequence[Fitting[Result]]) -> list[Result]:
    """What each gives, the fits that they wait for made in one go."""
    results: dict[int, Result] = {}
    going = dict(enumerate(fittings))
    fits: dict[int, Sequence[PhaseFit | None]] = {}
    while going:
        asked: dict[int, Sequence[FitTask]] = {}
        for number, fitting in going.items():
            try:
                asked[number] = fitting.send(fits[number]) if number in fits else next(fitting)
            except StopIteration as ended:
                results[number] = ended.value
        made = iter(fit_phases([task for tasks in asked.values() for task in tasks]))
        fits = {number: list(islice(made, len(tasks))) for number, tasks in asked.items()}
        going = {number: fittings[number] for number in asked}
    return [results[number] for number in range(len(fittings))]


def measure_together(windows: Sequence[Taken]) -> list[Measured | None]:
    """What each window gives; None for one that is not measurable."""
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, taken in enumerate(windows):
        if taken.measurable:
            setup = taken.setup
            alike.setdefault((id(setup.table), setup.chips, setup.points), []).append(number)
    found: list[Measured | None] = [None] * len(windows)
    for group in alike.values():
        for start in range(0, len(group), MOST_TOGETHER):
            part = group[start : start + MOST_TOGETHER]
            for number, measured in zip(part, _measure([windows[number] for number in part]), strict=True):
                found[number] = measured
    return found


def _measure(batch: Sequence[Taken]) -> list[Measured]:
    """Windows with like channels."""
    setup = batch[0].setup
    spectra: list[Spectrum] = []
    clipped: list[int] = []
    still: list[NDArray[np.bool_]] = []
    count = max(1, MOST_SAMPLES // (sum(setup.chips) * setup.points))
    for start in range(0, len(batch), count):
        part = batch[start : start + count]
        windows = [taken.window for taken in part]
        waveforms = take_waveforms(windows, [taken.sources for taken in part], setup.limits, setup.points)
        spectra += spectra_of(waveforms, windows, [taken.setup.front_end for taken in part])
        clipped += waveforms.clipped
        still += list(waveforms.still)
    return [Measured(*of) for of in zip(spectra, setup.table.measure_each(spectra), clipped, still, strict=True)]
