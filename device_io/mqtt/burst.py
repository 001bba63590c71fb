"""Burst mode: for 20 s a module publishes every 5 s. Any message on its config topic toggles it, so that the state must
be seen from how often messages come."""

from __future__ import annotations

import math
import time
from collections import deque

BURST_INTERVAL_S = 5.0
BURST_S = 20.0
_SLACK_S = 1.0
_KEPT = 16


class BurstWatch:
    """The intervals between a module's messages. Times in seconds of a growing clock."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._intervals: deque[float] = deque(maxlen=_KEPT)
        self._asked_until_s = -math.inf

    def note(self, now_s: float) -> None:
        """A message came."""
        if self._last_s is not None:
            self._intervals.append(now_s - self._last_s)
        self._last_s = now_s

    def forget(self) -> None:
        """The connection was cut: the next interval tells nothing."""
        self._last_s = None

    @property
    def longest_s(self) -> float:
        """Longest interval of late, 0 where none is known."""
        return max(self._intervals, default=0.0)

    def toggled(self, on: bool, now_s: float) -> None:
        """We sent a toggle, to begin a burst or to end one."""
        self._asked_until_s = now_s + BURST_S if on else -math.inf

    def needs_toggle(self, on: bool, now_s: float) -> bool:
        """Whether messages come otherwise than wanted: at least as often as in burst mode, or as they always do."""
        asked = now_s < self._asked_until_s
        if not on:
            return asked or bool(self.is_on(now_s))
        often = bool(self._intervals) and self._intervals[-1] <= BURST_INTERVAL_S + _SLACK_S
        return not (
            asked or (often and self._last_s is not None and now_s - self._last_s <= BURST_INTERVAL_S + _SLACK_S)
        )

    def is_on(self, now_s: float | None = None) -> bool | None:
        """Whether burst mode is on; None where that can't be seen: too few messages, or as frequent anyway."""
        now_s = time.monotonic() if now_s is None else now_s
        burst_s = BURST_INTERVAL_S + _SLACK_S
        if self._last_s is None or len(self._intervals) < 2 or self.longest_s <= burst_s:
            return None
        return self._intervals[-1] <= burst_s and now_s - self._last_s <= burst_s
