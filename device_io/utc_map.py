"""A source's clock against UTC, from blocks that arrive late by a varying delay.

Of every ten seconds the block that arrived soonest counts; between those points the offset is interpolated, so that
crystals may drift and the computer's clock may be set.
"""

from __future__ import annotations

from collections import deque

import numpy as np

_BUCKET_S = 10.0
_BUCKETS_KEPT = 512


class UtcMap:
    """Seconds of a source to UTC nanoseconds. Late by the shortest delay on the way, some 5 to 20 ms on USB."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=_BUCKETS_KEPT)  # seconds, offset in ns from the base
        self._base_ns: int | None = None
        self._bucket = 0

    def observe(self, time_s: float, host_time_ns: int) -> None:
        """What was taken at `time_s` had arrived at `host_time_ns`."""
        if self._base_ns is None:
            self._base_ns = host_time_ns - round(time_s * 1e9)
        offset_ns = float(host_time_ns - self._base_ns) - time_s * 1e9
        bucket = int(time_s // _BUCKET_S)
        if not self._points or bucket > self._bucket:
            self._bucket = bucket
            self._points.append((time_s, offset_ns))
        elif offset_ns < self._points[-1][1]:
            self._points[-1] = (max(time_s, self._points[-1][0]), offset_ns)

    def utc_ns(self, time_s: float) -> int | None:
        """UTC nanoseconds at a time of the source; None before anything arrived."""
        if self._base_ns is None:
            return None
        points = list(self._points)
        if len(points) > 1 and points[-1][1] > points[-2][1]:
            points.pop()  # ten seconds that have just begun may not have met a quick block yet
        at_s, offset_ns = zip(*points, strict=True)
        return self._base_ns + round(time_s * 1e9 + float(np.interp(time_s, at_s, offset_ns)))
