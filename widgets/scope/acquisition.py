"""What the oscilloscope shows: run state, trigger, span of time. No Qt, no drawing.

Times of the view (`start_s`, `stop_s`, cursors) are relative to `origin_s`: the trigger's instant, or the right edge
while rolling. The origin moves, the view stands still.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from widgets.scope.scales import ROLLING_FROM_S, TIME_DIVISIONS, TIME_STEPS_S, nearest_step
from widgets.scope.source import RAW_POINTS, Trace, WaveformSource
from widgets.scope.trigger import Trigger, TriggerSettings, TriggerState

TRIGGER_DIVISION = 2
"""Divisions from the left edge to the trigger."""
SHORTEST_S = 0.5e-3
LONGEST_S = 600.0
"""Spans that a frozen view can be zoomed to."""
SETTLE_S = 1e-3
"""Read beyond the view at both ends, so that curves reach its edges."""
SILENT_S = 0.1


class RunMode(StrEnum):
    """Run, wait for one trigger and stop, or stand still."""

    RUN = "run"
    SINGLE = "single"
    STOP = "stop"


@dataclass(frozen=True)
class Frame:
    """What one picture is drawn from. `gaps`: absolute seconds."""

    traces: Sequence[Trace]
    gaps: Sequence[tuple[float, float]]
    origin_s: float


def complete_until_s(source: WaveformSource, channels: Sequence[str]) -> float | None:
    """Time of the newest sample that all of the channels have; None before the first.

    The blocks of a module's chips arrive one after the other: without this the right end of some curves would flicker.
    A channel that has been silent for longer than `SILENT_S` is not waited for.
    """
    latest_s = source.latest_s()
    if latest_s is None:
        return None
    traces = source.read(latest_s - SILENT_S, latest_s + SETTLE_S, RAW_POINTS, channels=tuple(channels))
    return min((float(trace.time_s[-1]) for trace in traces if len(trace.time_s)), default=latest_s)


class Acquisition:
    """Decides for each frame which span of the source is shown."""

    def __init__(self) -> None:
        self.source: WaveformSource | None = None
        self.mode = RunMode.RUN
        self.state = TriggerState.WAITING
        self.time_per_division_s = 5e-3
        self.start_s, self.stop_s = 0.0, 0.0
        self.origin_s: float | None = None
        self.rolled = False
        """The origin is the right edge of a rolling picture, not a trigger."""
        self.trigger = Trigger()
        self._latest_s: float | None = None
        self._changed = True
        self.reset_view()

    @property
    def span_s(self) -> float:
        """Width of the view."""
        return self.stop_s - self.start_s

    @property
    def latest_s(self) -> float | None:
        """Newest sample that was looked at."""
        return self._latest_s

    @property
    def rolling(self) -> bool:
        """True where the picture rolls instead of waiting for a trigger."""
        return self.time_per_division_s >= ROLLING_FROM_S * (1 - 1e-9)

    def set_source(self, source: WaveformSource | None) -> None:
        """Another source, or none: its clock is another one, so nothing of the last picture stays."""
        self.source = source
        self.origin_s = self._latest_s = None
        self.state = TriggerState.WAITING
        self.trigger.reset()
        if self.mode is RunMode.STOP:
            self.mode = RunMode.RUN
        self.reset_view()

    def set_mode(self, mode: RunMode) -> None:
        """Run begins anew with a view of ten divisions; single looks at samples from now on; stop keeps the view."""
        was, self.mode = self.mode, mode
        if mode is RunMode.STOP:
            self.state = TriggerState.STOPPED
        else:
            self.trigger.reset(self._latest_s if mode is RunMode.SINGLE else None)
            self.state = TriggerState.WAITING
            if was is RunMode.STOP:
                self.time_per_division_s = nearest_step(TIME_STEPS_S, self.span_s / TIME_DIVISIONS)
                self.reset_view()
        self._changed = True

    def set_trigger(self, settings: TriggerSettings) -> None:
        """Another condition: what was found under the last one no longer counts."""
        self.trigger.settings = settings
        if self.mode is not RunMode.STOP:
            self.trigger.reset(self._latest_s if self.mode is RunMode.SINGLE else None)
        self._changed = True

    def set_time_per_division(self, step_s: float) -> None:
        """A new scale: around the trigger while running, around the trigger or the centre when stopped."""
        if self.mode is RunMode.STOP:
            at_s = 0.0 if self.start_s <= 0 <= self.stop_s else (self.start_s + self.stop_s) / 2
            self.zoom(step_s * TIME_DIVISIONS / self.span_s, at_s)
            return
        self.time_per_division_s = step_s
        self.reset_view()

    def reset_view(self) -> None:
        """Ten divisions with the trigger in its usual place, or the last ten divisions while rolling."""
        left = TIME_DIVISIONS if self.rolling else TRIGGER_DIVISION
        self._set_view(-left * self.time_per_division_s, (TIME_DIVISIONS - left) * self.time_per_division_s)

    def pan(self, shift_s: float) -> None:
        """Move the view. While running the trigger stays on screen; stopped, something of the history does."""
        if self.mode is not RunMode.STOP:
            if self.rolling:
                return
            start_s = min(max(self.start_s + shift_s, -0.9 * self.span_s), -0.1 * self.span_s)
        else:
            start_s = self.start_s + shift_s
            oldest_s = self.source.oldest_s() if self.source else None
            if self.origin_s is not None and oldest_s is not None and self._latest_s is not None:
                first = oldest_s - self.origin_s - self.span_s / 2
                last = self._latest_s - self.origin_s - self.span_s / 2
                start_s = min(max(start_s, first), last)
        self._set_view(start_s, start_s + self.span_s)

    def zoom(self, factor: float, at_s: float) -> None:
        """Stretch a stopped view around `at_s`; factor < 1 shows less time."""
        span_s = min(max(self.span_s * factor, SHORTEST_S), LONGEST_S)
        part = (at_s - self.start_s) / self.span_s
        start_s = at_s - part * span_s
        self.time_per_division_s = span_s / TIME_DIVISIONS
        self._set_view(start_s, start_s + span_s)
        self.pan(0.0)

    def _set_view(self, start_s: float, stop_s: float) -> None:
        self.start_s, self.stop_s = start_s, stop_s
        self._changed = True

    def touch(self) -> None:
        """The next frame is drawn even without new samples."""
        self._changed = True

    def frame(self, columns: int, channels: Sequence[str]) -> Frame | None:
        """The next picture for that many pixel columns; None where nothing changed or there is nothing to show."""
        source = self.source
        if source is None:
            return None
        if self.mode is RunMode.STOP:
            if not self._changed:
                return None
            if self._latest_s is None:
                self._latest_s = source.latest_s()
        else:
            latest_s = complete_until_s(source, channels)
            if latest_s is None or (latest_s == self._latest_s and not self._changed):
                return None
            if self._latest_s is not None and latest_s < self._latest_s:
                self.trigger.reset()  # the module restarted: its clock began anew
            self._latest_s = latest_s
            before = self.origin_s
            self._place_origin(latest_s, columns)
            if self.origin_s == before and not self._changed:
                return None
        self._changed = False
        if self.origin_s is None:
            return None
        start_s, stop_s = self.origin_s + self.start_s, self.origin_s + self.stop_s
        margin_s = SETTLE_S + self.span_s / max(columns, 1)
        traces = source.read(start_s - margin_s, stop_s + margin_s, max(2 * columns, 2), channels=tuple(channels))
        return Frame(traces, source.gaps(start_s, stop_s), self.origin_s)

    def _place_origin(self, latest_s: float, columns: int) -> None:
        self.rolled = self.rolling
        if self.rolled:
            # By whole pixels, so that a curve does not shimmer while it moves.
            column_s = self.span_s / max(columns, 1)
            self.origin_s = math.floor(latest_s / column_s) * column_s
            self.state = TriggerState.ROLLING
            if self.mode is RunMode.SINGLE:
                self.set_mode(RunMode.STOP)
            return
        until_s = latest_s - self.stop_s
        single = self.mode is RunMode.SINGLE
        found_s = self.trigger.find(self.source, until_s, every=single) if self.source else None
        if single:
            self.state = TriggerState.WAITING
            if found_s is not None:
                self.origin_s = found_s
                self.set_mode(RunMode.STOP)
            return
        instant_s, self.state = self.trigger.shown(until_s)
        if instant_s is not None:
            self.origin_s = instant_s
