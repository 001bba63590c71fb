"""Dips, swells and interruptions from half-cycle values, by the polyphase rules of IEC 61000-4-30, 5.4 and 5.5.

A dip begins when one channel falls below its threshold and ends when all are back above it by the hysteresis; a
swell likewise upward; an interruption begins when all channels are below its threshold and ends when one is back.
The time of a value is the end of its cycle. A dip that becomes an interruption is reported as both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.excerpt import ExcerptTaker, Trace
from dsp.half_cycle import HalfCycles
from dsp.observers import WindowData
from resources.event_thresholds import EventThresholds, default_thresholds

KINDS = ("dip", "swell", "interruption")

MOST_EVENTS = 1000
"""Finished events that wait to be taken; the oldest are given up beyond it (`events_lost` counts them)."""
MOST_REMEMBERED = 10000
"""Intervals that `active_between` knows; the oldest are forgotten beyond it."""


@dataclass(frozen=True)
class Event:
    """A dip, swell or interruption.

    event: one of KINDS. start_ns: UTC of its start; start_s, end_s: the same on the clock of the windows.
    residual_v: lowest value on any channel (a swell: the highest). depth_pct: how far that lies below the reference,
    in % of it (a swell: negative). channels: those that crossed the threshold.
    flags: "gap": samples are missing from its end on; "unfinished": the record ends in it. excerpt: see dsp.excerpt.
    """

    event: str
    start_ns: int
    start_s: float
    end_s: float
    residual_v: float
    depth_pct: float
    reference_v: float
    channels: tuple[str, ...]
    flags: tuple[str, ...]
    excerpt: tuple[Trace, ...]

    @property
    def duration_s(self) -> float:
        """Time between start and end."""
        return self.end_s - self.start_s


@dataclass
class _Running:
    """An event that has begun. extreme: furthest ratio to the reference, of channel `worst`."""

    kind: str
    start_s: float
    start_ns: int
    references_v: NDArray[np.float64]
    excerpt: ExcerptTaker
    extreme: float
    worst: int
    crossed: NDArray[np.bool_]
    end_s: float = np.inf
    flags: tuple[str, ...] = field(default=())


class EventDetector:
    """Listener of half-cycle values that finds events. Events reach over windows; a gap ends them.

    nominal_voltage_v: the declared voltage, reference of all thresholds; sliding_reference: the voltage of the last
    minute instead, for each channel (IEC 61000-4-30, 5.4.4; for medium voltage), held while an event lasts.
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        nominal_voltage_v: float,
        *,
        thresholds: EventThresholds | None = None,
        sliding_reference: bool = False,
    ) -> None:
        if not nominal_voltage_v > 0.0:
            raise ValueError("The nominal voltage must be above 0 V.")
        self.events_lost = 0
        self._all_keys = tuple(channel.key for channel in channels)
        self._keys = tuple(channel.key for channel in channels if channel.unit == "V")
        self._limits = thresholds or default_thresholds()
        self._sliding = sliding_reference
        self._running: dict[str, _Running] = {}
        self._ending: list[_Running] = []
        self._finished: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._past: deque[tuple[str, float, float]] = deque(maxlen=MOST_REMEMBERED)
        self._latest = np.full(len(self._keys), np.nan)
        self._previous: HalfCycles | None = None
        self._latest_s = -np.inf
        self._set_references(np.full(len(self._keys), float(nominal_voltage_v)))

    def take_events(self) -> list[Event]:
        """The events that ended, with their excerpts complete, oldest end first; each is given once."""
        events = list(self._finished)
        self._finished.clear()
        return events

    def active_between(self, start_s: float, end_s: float) -> tuple[str, ...]:
        """Kinds of event that were present in an interval (clock of the windows): what flags its measurement."""
        found = {running.kind for running in self._running.values() if running.start_s < end_s}
        for kind, begin, end in reversed(self._past):
            if end <= start_s:
                break  # in order of their ends
            if begin < end_s:
                found.add(kind)
        return tuple(kind for kind in KINDS if kind in found)

    def finish(self) -> None:
        """End of a record: what runs ends with the flag "unfinished"."""
        self._cut(self._latest_s, "unfinished")

    def on_gap(self, start_s: float, /) -> None:
        """Listener: what runs ends at the gap."""
        self._cut(start_s, "gap")

    def on_restart(self) -> None:
        """Listener: what runs ends; the clock begins anew."""
        self._cut(self._latest_s, "gap")
        self._past.clear()
        self._latest_s = -np.inf

    def on_half_cycles(self, values: HalfCycles, data: WindowData) -> None:
        """Listener: the values that ended in one window."""
        rms = values.rms[: values.voltages]
        if rms.shape[1]:
            lows, highs = values.lowest, values.highest
            if self._running or not (min(lows) >= self._sound_v[0] and max(highs) <= self._sound_v[1]):
                self._look(values, rms, data)
            self._previous = values
            self._latest_s = data.window.end_s
        if self._running or self._ending:
            self._take_excerpts(data)
        if self._sliding and not self.active_between(data.window.start_s, data.window.end_s):
            self._slide(data)

    def _look(self, values: HalfCycles, rms: NDArray[np.float64], data: WindowData) -> None:
        """Values of a window in which something runs, or may begin."""
        if self._previous is not None:
            self._latest = self._previous.latest(self._latest)
        lows = np.fmin(values.lowest, self._latest)
        highs = np.fmax(values.highest, self._latest)
        if not self._quiet(lows, highs, values.located):
            self._follow(values, rms, data)
            return
        for running in self._running.values():
            self._deepen(running, lows, highs)

    def _set_references(self, references_v: NDArray[np.float64]) -> None:
        limits = self._limits
        self._references = references_v
        self._begin = {
            "dip": 0.01 * limits.dip_pct * references_v,
            "swell": 0.01 * limits.swell_pct * references_v,
            "interruption": 0.01 * limits.interruption_pct * references_v,
        }
        self._sound_v = float(self._begin["dip"].max(initial=0.0)), float(self._begin["swell"].min(initial=np.inf))
        step = 0.01 * limits.hysteresis_pct * references_v
        self._end = {kind: begin - step if kind == "swell" else begin + step for kind, begin in self._begin.items()}

    def _slide(self, data: WindowData) -> None:
        """Reference of the next window (IEC 61000-4-30, 5.4.4)."""
        found = [data.measurement.values.get(f"{key}r") for key in self._keys]
        now = np.array([np.nan if value is None else value for value in found])
        step = self._limits.sliding_share * (now - self._references)
        self._set_references(self._references + np.where(np.isfinite(step), step, 0.0))

    def _begins(self, kind: str, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> bool:
        if kind == "dip":
            return bool((lows < self._begin[kind]).any())
        if kind == "swell":
            return bool((highs > self._begin[kind]).any())
        return bool((lows < self._begin[kind]).all())

    def _ends(self, kind: str, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> bool:
        if kind == "dip":
            return bool((highs >= self._end[kind]).all())
        if kind == "swell":
            return bool((lows <= self._end[kind]).all())
        return bool((highs >= self._end[kind]).any())

    def _quiet(self, lows: NDArray[np.float64], highs: NDArray[np.float64], located: bool) -> bool:
        """Whether nothing can begin or end among values between these, channel by channel."""
        for kind in KINDS if located else KINDS[2:]:
            change = self._ends if kind in self._running else self._begins
            if change(kind, lows, highs):
                return False
        return True

    def _deepen(self, running: _Running, lows: NDArray[np.float64], highs: NDArray[np.float64]) -> None:
        """Take values, channel by channel, into an event (NaN: none)."""
        if running.kind == "swell":
            ratios = highs / running.references_v
            worst = int(np.where(np.isnan(ratios), -np.inf, ratios).argmax())
            further = ratios[worst] > running.extreme
            running.crossed |= highs > self._begin[running.kind]
        else:
            ratios = lows / running.references_v
            worst = int(np.where(np.isnan(ratios), np.inf, ratios).argmin())
            further = ratios[worst] < running.extreme
            running.crossed |= lows < self._begin[running.kind]
        if further:
            running.extreme, running.worst = float(ratios[worst]), worst

    def _follow(self, values: HalfCycles, rms: NDArray[np.float64], data: WindowData) -> None:
        """All channels' values one after another, in order of time."""
        ends = values.ends_s[: values.voltages]
        rows, columns = np.nonzero(np.isfinite(rms))
        order = np.argsort(ends[rows, columns], kind="stable")
        cycle_s = 1.0 / values.frequency_hz
        alone = np.full(rms.shape[0], np.nan)
        self._latest = latest = self._latest.copy()
        for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
            time_s = float(ends[row, column])
            latest[row] = alone[row] = rms[row, column]
            for kind in KINDS if values.located else KINDS[2:]:
                running = self._running.get(kind)
                if running is None:
                    if self._begins(kind, self._latest, self._latest):
                        self._start(kind, time_s, cycle_s, data)
                elif self._ends(kind, self._latest, self._latest):
                    self._stop(running, time_s, cycle_s)
                else:
                    self._deepen(running, alone, alone)
            alone[row] = np.nan

    def _start(self, kind: str, time_s: float, cycle_s: float, data: WindowData) -> None:
        if kind == "interruption" and "dip" not in self._running:
            self._start("dip", time_s, cycle_s, data)
        running = self._running[kind] = _Running(
            kind,
            time_s,
            data.utc_ns_of(time_s),
            self._references,
            ExcerptTaker(self._all_keys, time_s, cycle_s),
            -np.inf if kind == "swell" else np.inf,
            0,
            np.zeros(len(self._keys), dtype=bool),
        )
        self._deepen(running, self._latest, self._latest)

    def _stop(self, running: _Running, time_s: float, cycle_s: float) -> None:
        del self._running[running.kind]
        running.end_s = time_s
        running.excerpt.end_at(time_s, cycle_s)
        self._past.append((running.kind, running.start_s, time_s))
        self._ending.append(running)

    def _take_excerpts(self, data: WindowData) -> None:
        for running in self._running.values():
            running.excerpt.take(data)
        for running in list(self._ending):
            if running.excerpt.take(data):
                self._ending.remove(running)
                self._report(running)

    def _cut(self, time_s: float, flag: str) -> None:
        """Samples end: report what waits for its excerpt, and what runs with a flag."""
        for running in self._ending:
            self._report(running)
        for running in self._running.values():
            running.end_s, running.flags = max(time_s, running.start_s), (flag,)
            self._past.append((running.kind, running.start_s, running.end_s))
            self._report(running)
        self._ending.clear()
        self._running.clear()
        self._latest = np.full(len(self._keys), np.nan)
        self._previous = None

    def _report(self, running: _Running) -> None:
        if len(self._finished) == MOST_EVENTS:
            self.events_lost += 1
        reference = float(running.references_v[running.worst])
        self._finished.append(
            Event(
                running.kind,
                running.start_ns,
                running.start_s,
                running.end_s,
                running.extreme * reference,
                100.0 * (1.0 - running.extreme),
                reference,
                tuple(key for key, crossed in zip(self._keys, running.crossed.tolist(), strict=True) if crossed),
                running.flags,
                running.excerpt.traces(),
            )
        )
