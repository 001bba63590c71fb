"""U rms(1/2): the rms over one cycle, beginning at a zero crossing of the fundamental, refreshed each half cycle.

IEC 61000-4-30, 3.25 and 5.4.1: every channel by its own crossings, as `dsp.cycle_tracker` follows them. The bounds fall
between samples: the squares are summed up once and the sum is interpolated, so that a value holds exactly one cycle,
never a whole number of samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.cycle_tracker import BEYOND, Cycles, CycleTracker
from dsp.observers import RawSamples, WindowData

PAD = 2
SPARE = 64
EDGE = 2.5
"""Samples: zeros about the rows, room for longer windows, distance of a bound from the last sample that is there."""
SMALLEST_GAIN = 1e-3
LONGEST_REST_S = 1.0
"""More than what can be left behind the last window of a record."""


@dataclass(frozen=True)
class HalfCycles:
    """Values whose cycle ended in one window.

    keys: channels; the first `voltages` of them are voltages, then currents over the same cycles.
    ends_s, rms: float64 [channels, n], ascending in time, V or A at the terminals; a channel with fewer values than n
        has NaN behind them. frequency_hz: of the fundamental, in the middle of the window.
    located: the frequency is measured or carried on; False: none was ever found and the nominal one stands in.
    lowest, highest: value of each voltage (V), NaN where it has none.
    """

    keys: tuple[str, ...]
    voltages: int
    ends_s: NDArray[np.float64]
    rms: NDArray[np.float64]
    frequency_hz: float
    located: bool
    lowest: list[float]
    highest: list[float]

    def latest(self, before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Last value of each voltage (V), that of `before` where it has none here."""
        result = before.copy()
        for row, values in enumerate(self.rms[: self.voltages]):
            found = values[np.isfinite(values)]
            if found.size:
                result[row] = found[-1]
        return result


class HalfCycleListener(Protocol):
    """Takes the values of one window after another."""

    def on_half_cycles(self, values: HalfCycles, data: WindowData) -> None:
        """The values that ended in a window. `data` must not be kept."""

    def on_gap(self, start_s: float, /) -> None:
        """Samples are missing from here on; the next values come after them."""

    def on_restart(self) -> None:
        """The module restarted: times begin anew."""


class _Found(NamedTuple):
    """Cycles that end in one window: of each voltage (the cycles, number of the first end, how many)."""

    of: list[tuple[Cycles, int, int]]
    frequency_hz: float
    located: bool


class HalfCycleMeter:
    """Observer of the windows that gives the half-cycle values of all voltages to its listeners.

    nominal_frequency_hz: used until a fundamental was found. currents: give those too, each over the cycles of its
    phase's voltage (the neutral: of V1).
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        listeners: Sequence[HalfCycleListener],
        *,
        nominal_frequency_hz: float | None = None,
        currents: bool = False,
    ) -> None:
        found = {channel.key: channel for channel in channels}
        voltages = [key for key in found if found[key].unit == "V"]
        others = [key for key in found if found[key].unit == "A"] if currents else []
        self.keys = (*voltages, *others)
        self._voltages = len(voltages)
        bounds = [voltages.index("V" + key[1:]) if "V" + key[1:] in voltages else 0 for key in others]
        self._bounds = np.array([*range(len(voltages)), *bounds], dtype=np.intp)
        self._listeners = tuple(listeners)
        self._tracker = CycleTracker([found[key].floor for key in voltages], nominal_frequency_hz)
        self._rate_hz = math.inf
        self._rows = np.zeros((len(self.keys), 0))
        self._gains = np.ones((len(self.keys), 1, 1))
        self._latest: WindowData | None = None  # kept for the samples behind it, should it stay the last

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        """Observer: measure, and hand the values on."""
        if not self._voltages:
            return
        self._latest = windows[-1]
        while windows:
            with np.errstate(all="ignore"):
                measured = self._measure(windows)
            for values, data in zip(measured, windows, strict=False):
                for listener in self._listeners:
                    listener.on_half_cycles(values, data)
            windows = windows[len(measured) :]

    def finish(self) -> None:
        """End of a record: the values of the cycles behind the last window. Call it after the analyser's finish and
        before those of the listeners."""
        self._measure_rest()

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:  # noqa: ARG002
        """Observer: no value reaches over a gap; those of the cycles before it, behind the last window, are given. The
        frequency is carried on."""
        there_s = self._measure_rest()
        self._tracker.on_gap()
        for listener in self._listeners:
            listener.on_gap(max(start_s, min(there_s, end_s)))

    def _measure_rest(self) -> float:
        """The values of the cycles behind the last window; the time to which samples are there, -inf without any."""
        data, self._latest = self._latest, None
        if data is None:
            return -math.inf
        last = data.window
        raws = [data.samples(key, last.end_s, last.end_s + LONGEST_REST_S) for key in self.keys[: self._voltages]]
        if any(abs(raw.time_s - last.end_s) > 2.0 / raw.rate_hz for raw in raws):  # the clock was set
            return -math.inf
        end_s = min(raw.time_s + raw.values.size / raw.rate_hz for raw in raws)
        if not end_s > last.end_s:
            return -math.inf
        rest = copy(data)
        rest.window = replace(last, start_s=last.end_s, end_s=end_s)
        self.on_windows([rest])
        self._latest = None
        return end_s

    def on_restart(self) -> None:
        """Observer: times begin anew."""
        self._latest = None
        self._tracker.restart()
        for listener in self._listeners:
            listener.on_restart()

    def _measure(self, windows: Sequence[WindowData]) -> list[HalfCycles]:
        """Values of the first windows, as many as one tone and one look at the samples serve."""
        tracker = self._tracker
        tracker.locate(windows[0].window)
        if not tracker.located:
            windows = windows[:1]
        if tracker.off_tune:
            tracker.tune()
            gains = np.array([abs(windows[0].gain_at(key, tracker.frequency_hz)) for key in self.keys])
            self._gains = np.where(gains >= SMALLEST_GAIN, gains, np.nan)[:, None, None]
        raws, rows = self._samples(windows)
        seen = tracker.look(raws[: self._voltages], rows[: self._voltages, PAD:], [data.window for data in windows])
        found: list[_Found] = []
        for number in range(len(seen.spans)):
            window = windows[number].window
            tracker.follow(seen, number, window)
            found.append(_Found(self._cycles(raws, window.end_s), tracker.frequency_hz, tracker.located))
            if tracker.off_tune:
                break
        return self._values(raws, rows, found)

    def _samples(self, windows: Sequence[WindowData]) -> tuple[list[RawSamples], NDArray[np.float64]]:
        """What the windows need of every channel, and the same in rows [channels, PAD + n + PAD or more]."""
        first, last = windows[0], windows[-1].window
        start_s = first.window.start_s - 2.0 / self._tracker.frequency_hz
        raws = [first.samples(key, start_s, last.end_s + BEYOND / self._rate_hz) for key in self.keys]
        self._rate_hz = raws[0].rate_hz
        needed = max(raw.values.size for raw in raws) + 2 * PAD
        if self._rows.shape[1] < needed:
            self._rows = np.zeros((len(raws), needed + SPARE))
        rows = self._rows[:, :needed]
        for row, raw in zip(rows, raws, strict=True):
            stop = PAD + raw.values.size
            row[PAD:stop] = raw.values
            row[stop:] = 0.0
        return raws, rows

    def _cycles(self, raws: Sequence[RawSamples], end_s: float) -> list[tuple[Cycles, int, int]]:
        """Of each voltage those since the last one that was given, to the end of a window."""
        found = []
        half_s = 0.5 / self._tracker.frequency_hz
        last_s = self._tracker.last_s
        for row, raw in enumerate(raws[: self._voltages]):
            cycles, edge = self._tracker.cycles(row), EDGE / raw.rate_hz
            earliest = max(last_s[row] + 0.5 * half_s, raw.time_s + 2.0 * half_s + edge)
            latest = min(end_s, raw.time_s + raw.values.size / raw.rate_hz - edge)
            first = math.ceil((earliest - cycles.crossing_s) / half_s)
            count = max(0, math.floor((latest - cycles.crossing_s) / half_s + 1e-9) - first + 1)
            if count:
                last_s[row] = cycles.time_s(first + count - 1)
            found.append((cycles, first, count))
        return found

    def _values(
        self, raws: Sequence[RawSamples], rows: NDArray[np.float64], found: Sequence[_Found]
    ) -> list[HalfCycles]:
        """Ends and rms of the cycles of some windows."""
        counts = [[count for _, _, count in one.of] for one in found]
        longest = [max(own) for own in counts]
        table = np.array([[(*cycles, first) for cycles, first, _ in one.of] for one in found])
        crossing, half, bend, first = table.T[:, self._bounds, :, None]  # [channels, windows, 1] each
        h = half * (first + np.arange(-2.0, max(1, *longest)))
        times = crossing + h * (1.0 - bend * h)
        begins, rates = np.array([(raw.time_s, raw.rate_hz) for raw in raws]).T[:, :, None, None]
        places = (times - begins) * rates + PAD
        ends = times[:, :, 2:]
        square = _integrals(rows, places) / (places[:, :, 2:] - places[:, :, :-2])
        rms = np.sqrt(np.maximum(square, 0.0)) / self._gains
        if min(map(min, counts)) < rms.shape[2]:
            behind = np.arange(rms.shape[2]) >= np.array(counts).T[self._bounds, :, None]
            ends[behind] = rms[behind] = np.nan
        own = rms[: self._voltages]
        lowest, highest = np.fmin.reduce(own, axis=2).T.tolist(), np.fmax.reduce(own, axis=2).T.tolist()
        return [
            HalfCycles(
                self.keys,
                self._voltages,
                ends[:, number, : longest[number]],
                rms[:, number, : longest[number]],
                one.frequency_hz,
                one.located,
                lowest[number],
                highest[number],
            )
            for number, one in enumerate(found)
        ]


def _integrals(rows: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of the squares of rows [channels, n] from each fractional sample to the next but one: places
    [channels, windows, m], ascending in each window, give [channels, windows, m - 2].

    Midpoint rule, and between the middles of samples the cubic through the four sums around.
    """
    length = rows.shape[1]
    flat = (rows * rows).ravel()
    shifted = places + 0.5  # base: the first entry whose middle the place has not passed
    index = shifted.astype(np.intp)
    np.minimum(np.maximum(index, 1, out=index), length - 2, out=index)
    x = shifted - index
    index += length * np.arange(rows.shape[0])[:, None, None]
    whole = np.add.reduceat(flat, index.ravel()).reshape(index.shape)
    behind, here, ahead = flat.take(index - 1), flat.take(index), flat.take(index + 1)
    skew = (ahead - here - here + behind) / 6.0
    part = x * (here + (x - 1.0) * (0.5 * (here - behind) + (x + 1.0) * skew))
    return np.asarray(whole[..., :-2] + whole[..., 1:-1] + part[..., 2:] - part[..., :-2])
