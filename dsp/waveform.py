"""The waveform of a window: all channels at the same instants, whatever the clocks of their chips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.harmonic_model import continue_signal
from dsp.phase import advance_times
from dsp.resample import MARGIN, resample
from dsp.stream import Segment, Source
from dsp.window import Window

LONGEST_WINDOW_S = 12 / 50.9
"""12 cycles at the low end of a 60 Hz system."""
REACH = 8
"""Instants taken before the first and after the last of a window: from them the spectrum tells how it goes on."""
ROOM = MARGIN + REACH
"""Samples needed on each side of a window."""
CLIPPED = 1.0 - 1e-6
TOUCHED_S = 2e-4
"""Rounded to 12 bits, the crest of a sine of 50 Hz stands at its peak for 0.14 ms."""
TOGETHER = 4096
"""Samples that are resampled in one go: what the transforms need stays in the processor's cache."""


@dataclass(frozen=True)
class Waveforms:
    """Several windows. samples [windows, channels, m] at the m instants; still [windows, channels]: does not move at
    all. rates_hz [windows, channels]: the sample rate they came from. clipped, of each window: samples at the end of
    the range, over all channels. continued, of each: samples lacked at one end and follow from the harmonics there."""

    samples: NDArray[np.float64]
    still: NDArray[np.bool_]
    rates_hz: NDArray[np.float64]
    clipped: Sequence[int]
    continued: Sequence[bool]


def points_for(rate_hz: float) -> int:
    """Instants in a window: a power of two that leaves no line below half the sample rate out, at any frequency."""
    return 1 << int(np.ceil(np.log2(max(64.0, rate_hz * LONGEST_WINDOW_S))))


def limits_of(channels: Sequence[ChannelSpec]) -> NDArray[np.float64]:
    """Magnitude [channels] from which on a sample is clipped; infinite where the range is not known."""
    return np.array([CLIPPED * channel.full_scale if channel.full_scale else np.inf for channel in channels])


def take_waveforms(
    windows: Sequence[Window], sources: Sequence[Sequence[Source]], limits: NDArray[np.float64], points: int
) -> Waveforms:
    """Resample windows at `points` equal steps of the fundamental's phase (without one: of time), REACH more before and
    after them.

    sources: of each window those of all chips, which have like channels for all windows. limits: of `limits_of` for
    them. Where a segment ends within the resampler's margin, the signal is continued by its harmonics. Window.stretches
    apply to each chip's samples about the middle.
    """
    instants_s = _instants(windows, points)
    edges_s = instants_s[:, :: points + 2 * REACH].tolist()
    shape = len(windows), limits.size
    low, high = np.empty(shape), np.empty(shape)
    stretches, of = _Stretches(), []
    begins, paces, rates, continued = [], [], [], []
    for number, (window, (before_s, after_s)) in enumerate(zip(windows, edges_s, strict=True)):
        views, places, row, lacking = [], [], 0, False
        for chip, (segment, earliest, clock) in enumerate(sources[number]):
            begin, pace = clock.index_at(window.start_s), clock.rate_hz
            if window.stretches:
                stretch = window.stretches[chip]
                begin += (1.0 - stretch) * pace * 0.5 * (before_s + after_s)
                pace *= stretch
            first = math.floor(begin + pace * before_s) - MARGIN
            stop = math.floor(begin + pace * after_s) + MARGIN + 2
            before, after = max(0, earliest - first), max(0, stop - segment.end)
            samples = segment.view(first + before, stop - after)
            within = samples[:, max(MARGIN - before, 0) : samples.shape[1] - max(MARGIN - after, 0)]
            rows = slice(row, row + len(samples))
            np.minimum.reduce(within, axis=1, out=low[number, rows])
            np.maximum.reduce(within, axis=1, out=high[number, rows])
            row = rows.stop
            if before or after:
                lacking = True
                frequency_hz = max(window.cycles, 1) / (window.end_s - window.start_s)
                samples = continue_signal(samples, clock.rate_hz, frequency_hz, before, after)
            views.append(samples)
            places.append((segment, first, stop))
            begins.append(begin)
            paces.append(pace)
            rates += [clock.rate_hz] * len(samples)
        of.append(stretches.add(views, places, lacking))
        continued.append(lacking)
    chips = len(views)
    firsts = [first for which in of for first in stretches.firsts[which]]
    offsets = (np.array(begins) - firsts).reshape(-1, chips, 1)
    positions = instants_s[:, None] * np.array(paces).reshape(-1, chips, 1) + offsets
    values = resample(stretches.samples, of, positions)
    over: list[bool] = np.any(np.maximum(high, -low) >= limits, axis=1).tolist()
    clipped = [
        _clipped(window, of, limits) if near else 0 for near, window, of in zip(over, windows, sources, strict=True)
    ]
    return Waveforms(values, high <= low, np.array(rates).reshape(shape), clipped, continued)


class _Stretches:
    """Samples of windows that follow each other, taken together as far as TOGETHER allows: windows overlap by what the
    resampler needs beyond their ends, which is then worked through once.

    samples, firsts: of each chip of each stretch, its samples [channels, n] and the index of the first one."""

    def __init__(self) -> None:
        self.samples: list[list[NDArray[np.float64]]] = []
        self.firsts: list[list[int]] = []
        self._open: list[tuple[Segment, int, int]] = []

    def add(self, views: list[NDArray[np.float64]], places: list[tuple[Segment, int, int]], lacking: bool) -> int:
        """The stretch of a window with these samples from `first` to `stop` of each chip's segment. lacking: they are
        not all there, so that it has one of its own."""
        joined = [
            (segment, first, stop)
            for (segment, first, last), (own, start, stop) in zip(self._open, places, strict=False)
            if own is segment and first <= start <= last <= stop and stop - first <= TOGETHER
        ]
        if len(joined) == len(places) and not lacking:
            self.samples[-1] = [segment.view(first, stop) for segment, first, stop in joined]
            self._open = joined
        else:
            self.samples.append(views)
            self.firsts.append([first for _, first, _ in places])
            self._open = [] if lacking else places
        return len(self.samples) - 1


def _instants(windows: Sequence[Window], points: int) -> NDArray[np.float64]:
    """Seconds [windows, points + 2 REACH + 1] after the start of each window, REACH of them before and REACH + 1 from
    its end on."""
    terms = []
    for window in windows:
        model = window.model
        if model is None:
            terms.append((2.0 * math.pi, 2.0 * math.pi / (window.end_s - window.start_s), 0.0))
        else:
            speed = model.c1 + 2.0 * model.c2 * (window.start_s - model.reference_s)
            terms.append((2.0 * math.pi * window.cycles, speed, model.c2))
    turns, speed, bend = np.array(terms).T[:, :, None]
    return advance_times(turns * (np.arange(-REACH, points + REACH + 1) / points), speed, bend)


def _clipped(window: Window, sources: Sequence[Source], limits: NDArray[np.float64]) -> int:
    """Clipped samples in a window, over the channels. In a file those that stay at the end of the range for TOUCHED_S:
    many a record is scaled to its own peak, which then only touches it."""
    count, row = 0, 0
    for segment, earliest, clock in sources:
        first = max(earliest, math.ceil(clock.index_at(window.start_s) - 1e-6))
        stop = min(segment.end, math.ceil(clock.index_at(window.end_s) - 1e-6))
        own = limits[row : row + segment.channels, None]
        row += segment.channels
        least = math.ceil(TOUCHED_S * clock.nominal_rate_hz) + 1 if clock.exact else 1
        before, after = min(least - 1, first - earliest), min(least - 1, segment.end - stop)
        over = np.abs(segment.view(first - before, stop + after)) >= own
        if least > 1:
            over = _in_runs(over, least)
        count += int(np.count_nonzero(over[:, before : over.shape[1] - after]))
    return count


def _in_runs(there: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """What is there [rows, n] in runs of at least so many."""
    run = np.ones(least, dtype=np.intp)
    found = np.zeros_like(there)
    for row, of in zip(found, there, strict=True):
        if of.sum() >= least:
            whole = np.convolve(of, run, "valid") == least
            row[:] = np.convolve(whole, run) > 0
    return found
