"""Aggregates of 10/12-cycle measurements: 150/180 cycles, 10 minutes, 2 hours (IEC 61000-4-30, 4.4 and 4.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsp.accumulator import Accumulator, Layout
from dsp.measurement import Measurement
from resources.systems import WiringSystem

WINDOWS_OF_3S = 15
TEN_MINUTES_NS = 600 * 10**9
TWO_HOURS_NS = 12 * TEN_MINUTES_NS

SETTLED_NS = 10**6
"""A window that starts less than this before a tick starts at it."""
RESTARTED_NS = 500 * 10**6
"""A window that overlaps the one before was restarted at a tick, which lies no further from its start than this."""
TOLERANCE_S = 0.3
"""An interval is complete when less than this is missing: about one window, since windows do not end at the ticks."""

Supplement = Callable[[str, int], Mapping[str, float | None]]
"""(window, nominal start in UTC ns) -> values that are no aggregates of windows: Pst for "10min", Plt for "2h"."""


def _nothing(_window: str, _start_ns: int) -> Mapping[str, float | None]:
    return {}


class _Interval:
    """An aggregate that is being made. start_ns: where it starts by the standard."""

    def __init__(self, layout: Layout, start_ns: int, start_s: float) -> None:
        self.values = Accumulator(layout)
        self.start_ns, self.start_s = start_ns, start_s
        self.end_ns, self.end_s = start_ns, start_s
        self.parts = 0
        self.covered_s = 0.0
        self.gap_s = 0.0
        self.flags: set[str] = set()

    def count(self, measurement: Measurement, covered_s: float) -> None:
        """Note a part that measured covered_s of the interval; its values come with the block that it is in."""
        self.parts += 1
        self.covered_s += covered_s
        self.end_ns, self.end_s = measurement.end_ns, measurement.end_s

    def gap(self, measurement: Measurement, seconds: float) -> None:
        """Note missing samples, the seconds of a gap that lie in the interval."""
        whole_s = measurement.end_s - measurement.start_s
        self.values.add_gap(measurement, min(seconds / whole_s, 1.0) if whole_s > 0.0 else 1.0)
        self.gap_s += seconds

    def result(
        self, window: str, nominal_s: float, end: tuple[int, float], extra: Mapping[str, float | None]
    ) -> Measurement:
        """The aggregate. nominal_s: its whole length; end: UTC ns and source's clock."""
        missing_s = nominal_s - self.covered_s
        whole = missing_s <= TOLERANCE_S
        if missing_s - self.gap_s > TOLERANCE_S:
            self.flags.add("short")
        return self.values.result(
            window=window,
            end_ns=end[0],
            start_s=self.start_s,
            end_s=end[1],
            flags=self.flags,
            extra=extra,
            completeness=1.0 if whole and self.gap_s == 0.0 else min(self.covered_s / nominal_s, 1.0),
        )


class Aggregates:
    """Takes every measurement of the analyser, in order, and gives the aggregates that it completes.

    - 150/180 cycles: 15 windows. A new one begins at each 10-minute tick of UTC while the one under way goes on until
      it has its 15 (overlap 1 of the standard). Missing windows count by their duration.
    - 10 min: every window that started between two ticks, also the one that goes on past the tick (overlap 2).
    - 2 h: the 10-minute values from an even hour of UTC to the next.

    An aggregate has the flags of all that is in it; "gap" where samples are missing; "short" where measuring began or
    ended inside it, or the clock was set. `completeness` tells how much of it was measured. An interval without any
    window gives nothing. Its time is the tick, or the end of the last window where measuring ended before.
    """

    def __init__(self, system: WiringSystem, supplement: Supplement = _nothing) -> None:
        self._layout = Layout(system)
        self._supplement = supplement
        self._block: list[Measurement] = []
        self._threes: list[_Interval] = []
        self._ten: _Interval | None = None
        self._two: _Interval | None = None
        self._gap: Measurement | None = None  # the last one
        self._ended_ns = 0  # UTC of the last tick at which 10 minutes were complete
        self._last_end_s: float | None = None

    def add(self, measurement: Measurement) -> list[Measurement]:
        """Take the next window or gap; what it completes, shorter intervals first."""
        if measurement.window != "10/12-cycle":
            return []
        start_ns = _start_ns(measurement)
        if "gap" in measurement.flags:
            return self._add_gap(measurement, start_ns)
        tick_ns = self._tick_of(measurement, start_ns)
        done = []
        if self._ten is None or tick_ns != self._ten.start_ns:
            done = self._close_ten(tick_ns)
            self._begin(measurement, tick_ns, start_ns)
        if not self._threes:
            self._threes.append(_Interval(self._layout, start_ns, measurement.start_s))
        assert self._ten is not None
        self._block.append(measurement)
        for interval in (*self._threes, self._ten):
            interval.count(measurement, measurement.end_s - measurement.start_s)
        self._last_end_s = measurement.end_s
        done += self._full_threes()
        next_ns = self._ten.start_ns + TEN_MINUTES_NS
        if measurement.end_ns >= next_ns - SETTLED_NS:
            self._ended_ns = next_ns
            done += self._close_ten(next_ns)
        return done

    def finish(self) -> list[Measurement]:
        """The end of measuring: the intervals under way, as far as they came."""
        self._flush()
        done = [self._three(interval) for interval in self._threes]
        self._threes = []
        return done + self._close_ten(None)

    def restart(self) -> None:
        """The module's clock begins anew; UTC and what is under way go on."""
        self._last_end_s = None

    def _tick_of(self, measurement: Measurement, start_ns: int) -> int:
        """Start of the 10 minutes that a window belongs to."""
        if self._last_end_s is not None and measurement.start_s < self._last_end_s - 1e-6:
            nearest = (start_ns + TEN_MINUTES_NS // 2) // TEN_MINUTES_NS * TEN_MINUTES_NS
            if abs(start_ns - nearest) <= RESTARTED_NS:
                return nearest
        if 0 <= self._ended_ns - start_ns <= RESTARTED_NS:  # UTC is known a little better than a window ago
            return self._ended_ns
        return (start_ns + SETTLED_NS) // TEN_MINUTES_NS * TEN_MINUTES_NS

    def _begin(self, measurement: Measurement, tick_ns: int, start_ns: int) -> None:
        """Open 10 minutes, 150/180 cycles with them, and 2 hours where there are none."""
        self._ten = _Interval(self._layout, tick_ns, measurement.start_s)
        if self._gap is not None:
            from_ns, to_ns = _start_ns(self._gap), self._gap.end_ns
            gap_s = (min(to_ns, start_ns + SETTLED_NS) - max(from_ns, tick_ns)) * 1e-9
            if gap_s > SETTLED_NS * 1e-9:
                self._ten.gap(self._gap, gap_s)
        self._threes.append(_Interval(self._layout, start_ns, measurement.start_s))
        if self._two is None:
            self._two = _Interval(self._layout, tick_ns // TWO_HOURS_NS * TWO_HOURS_NS, measurement.start_s)

    def _add_gap(self, measurement: Measurement, start_ns: int) -> list[Measurement]:
        self._flush()
        seconds = measurement.end_s - measurement.start_s
        self._gap = measurement
        for interval in self._threes:
            interval.gap(measurement, seconds)
        done = self._full_threes()
        if self._ten is not None:
            end_ns = self._ten.start_ns + TEN_MINUTES_NS
            self._ten.gap(measurement, max(0.0, min(seconds, (end_ns - start_ns) * 1e-9)))
            if measurement.end_ns >= end_ns:
                done += self._close_ten(measurement.end_ns // TEN_MINUTES_NS * TEN_MINUTES_NS)
        return done

    def _flush(self) -> None:
        """Add the windows that wait to the intervals they are in: many at once cost little."""
        if not self._block:
            return
        together = Accumulator(self._layout)
        together.add(self._block)
        for interval in (*self._threes, self._ten):
            if interval is not None:
                interval.values.merge(together)
        self._block = []

    def _full_threes(self) -> list[Measurement]:
        full = [i for i in self._threes if i.parts + round(i.gap_s * i.parts / i.covered_s) >= WINDOWS_OF_3S]
        if not full:
            return []
        self._flush()
        self._threes = [interval for interval in self._threes if interval not in full]
        return [self._three(interval) for interval in full]

    def _three(self, interval: _Interval) -> Measurement:
        whole_s = WINDOWS_OF_3S * interval.covered_s / interval.parts
        return interval.result("150/180-cycle", whole_s, (interval.end_ns, interval.end_s), {})

    def _close_ten(self, next_ns: int | None) -> list[Measurement]:
        """End the 10 minutes under way, and the 2 hours unless next_ns (the next tick, None: measuring ends) is in
        them."""
        self._flush()
        ten, two, self._ten = self._ten, self._two, None
        if two is None:
            return []
        done = []
        if ten is not None:
            result = ten.result(
                "10min", 600.0, _end(ten, TEN_MINUTES_NS, next_ns), self._supplement("10min", ten.start_ns)
            )
            done.append(result)
            two.values.add([result])
            two.count(result, ten.covered_s)
            two.gap_s += ten.gap_s
        if next_ns is None or next_ns // TWO_HOURS_NS * TWO_HOURS_NS != two.start_ns:
            self._two = None
            supplement = self._supplement("2h", two.start_ns)
            done.append(two.result("2h", 7200.0, _end(two, TWO_HOURS_NS, next_ns), supplement))
        return done


def _start_ns(measurement: Measurement) -> int:
    return measurement.end_ns - round((measurement.end_s - measurement.start_s) * 1e9)


def _end(interval: _Interval, length_ns: int, next_ns: int | None) -> tuple[int, float]:
    """End of an interval (UTC ns, source's clock): the tick, or its last window where measuring ended well before."""
    tick_ns = interval.start_ns + length_ns
    left_s = (tick_ns - interval.end_ns) * 1e-9
    if next_ns is None and left_s > TOLERANCE_S:
        return interval.end_ns, interval.end_s
    return tick_ns, interval.end_s + left_s
