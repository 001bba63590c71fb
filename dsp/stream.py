"""Samples of one chip on their way to the windows: unbroken segments, and what is missing between them."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from dsp.clock import ChipClock

BACKLOG_S = 5.0
"""A live chip keeps at most this much; older samples are given up (a gap) while another chip does not deliver."""

ABSURD = 1e12
"""Magnitudes above it (V or A) are no samples."""


class Segment:
    """Consecutive samples of one chip: float64 [channels, n], from `first` (index) to `end` (one past the last).

    `closed`: it will not grow, because samples are missing behind it.
    """

    def __init__(self, first: int, channels: int, capacity: int) -> None:
        self.first = self.end = first
        self.closed = False
        self._base = first
        self._data = np.empty((channels, capacity))

    def append(self, samples: NDArray[np.float64]) -> None:
        """Add samples [channels, n]."""
        count = samples.shape[1]
        used = self.end - self._base
        if used + count > self._data.shape[1]:
            kept = self.end - self.first
            fresh = np.empty((self._data.shape[0], max(self._data.shape[1], 2 * (kept + count))))
            fresh[:, :kept] = self._data[:, used - kept : used]
            self._data, self._base, used = fresh, self.first, kept
        self._data[:, used : used + count] = samples
        self.end += count

    def view(self, start: int, stop: int) -> NDArray[np.float64]:
        """Samples [channels, stop - start], not copied; start and stop are indices inside the segment."""
        return self._data[:, start - self._base : stop - self._base]

    def forget_before(self, index: int) -> None:
        """Give up samples before an index."""
        self.first = min(max(self.first, index), self.end)


class ChipStream:
    """Segments of one chip, oldest first, with the chip's clock."""

    def __init__(self, nominal_rate_hz: float, channels: int, *, exact: bool) -> None:
        self.clock = ChipClock(nominal_rate_hz, exact=exact)
        self.segments: deque[Segment] = deque()
        self.channels = channels
        self.lost = 0
        self._next: int | None = None
        self._capacity = int(2.0 * nominal_rate_hz)

    def clear(self) -> None:
        """Forget samples and clock: the module restarted."""
        self.segments.clear()
        self.clock.reset()
        self._next = None

    def push(self, first_index: int, samples: NDArray[np.float64], time_s: float) -> None:
        """Add samples [n, channels]; time_s: module time of the first. Samples that were given before are left out;
        those that are no finite number are missing."""
        if self._next is not None and first_index < self._next:
            seen = min(self._next - first_index, samples.shape[0])
            samples = samples[seen:]
            time_s += seen / self.clock.rate_hz
            first_index += seen
        if samples.shape[0] == 0:
            return
        if not self.clock.stamp(first_index, time_s):
            self._close()
        if self._next is not None and first_index > self._next:
            self.lost += first_index - self._next
            self._close()
        self._next = first_index + samples.shape[0]
        size = np.abs(samples)
        if size.max() <= ABSURD:  # False for NaN too
            self._append(first_index, samples)
            return
        good: NDArray[np.bool_] = np.asarray((size <= ABSURD).all(axis=1))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
        self.lost += int(samples.shape[0] - good.sum())
        if not good[0]:
            self._close()
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            self._append(first_index + start, samples[start:stop])
            if stop < samples.shape[0]:
                self._close()

    def _append(self, first_index: int, samples: NDArray[np.float64]) -> None:
        if not self.segments or self.segments[-1].closed:
            self.segments.append(Segment(first_index, self.channels, max(self._capacity, samples.shape[0])))
        self.segments[-1].append(samples.T)
        if not self.clock.exact:
            limit = int(BACKLOG_S * self.clock.rate_hz)
            while len(self.segments) > 1 and self.segments[1].first < self.segments[-1].end - limit:
                self.segments.popleft()
            self.segments[0].forget_before(self.segments[-1].end - limit)

    def _close(self) -> None:
        if self.segments:
            self.segments[-1].closed = True
