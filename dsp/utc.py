"""UTC of the module's clock, from the UTC that came with the blocks."""

from __future__ import annotations

import math

TICK_NS = 600_000_000_000
"""The windows of IEC 61000-4-30 are brought to UTC at every full ten minutes."""
SMOOTHING = 1.0 / 32.0
STEP_S = 0.1
"""A difference above it is a step of the host's clock and is followed at once."""


class UtcMap:
    """UTC = module time + offset; the offset is averaged, because blocks arrive with a delay that varies."""

    def __init__(self) -> None:
        self._base_ns: int | None = None
        self._offset_s = 0.0

    def note(self, time_s: float, utc_ns: int) -> None:
        """A sample at module time time_s was taken at utc_ns."""
        if self._base_ns is None:
            self._base_ns = utc_ns
            self._offset_s = -time_s
            return
        offset = (utc_ns - self._base_ns) * 1e-9 - time_s
        change = offset - self._offset_s
        self._offset_s = offset if abs(change) > STEP_S else self._offset_s + SMOOTHING * change

    def tick_after(self, time_s: float) -> float:
        """Module time of the first full ten minutes of UTC later than time_s; infinite where UTC is not known."""
        if self._base_ns is None or self._base_ns <= 0:
            return math.inf
        past_ns = self.utc_ns(time_s) % TICK_NS
        return time_s + (TICK_NS - past_ns) * 1e-9

    def utc_ns(self, time_s: float) -> int:
        """UTC nanoseconds of a module time; 0 before any block."""
        if self._base_ns is None:
            return 0
        return self._base_ns + round((time_s + self._offset_s) * 1e9)
