"""The last samples of one front-end chip, with one level of extremes.

Positions count samples for ever: the sample at position p stays at slot p modulo capacity until it is overwritten.
Missing samples are NaN. One level of min/max over 64 samples, anchored to the position, is enough at 4 ksps.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVEL = 64
"""Samples in one min/max bin."""

FloatArray = NDArray[np.float32]


class ChipRing:
    """Float32 samples [channels, capacity] of one chip. Not thread-safe; its owner locks.

    start, end: positions of the first sample ever and one past the newest.
    """

    def __init__(self, channels: int, capacity: int) -> None:
        self.capacity = -(-capacity // LEVEL) * LEVEL
        self._data = np.empty((channels, self.capacity), np.float32)
        self._low = np.empty((channels, self.capacity // LEVEL), np.float32)
        self._high = np.empty_like(self._low)
        self.start = 0
        self.end = 0
        self._levelled = 0  # bins before this one are in _low and _high
        self._empty = True

    @property
    def oldest(self) -> int:
        """Position of the oldest sample still there."""
        return max(self.start, self.end - self.capacity)

    def write(self, position: int, counts: NDArray[np.int32], scale: FloatArray) -> None:
        """Append counts [n, channels] times scale [channels, 1] at `position` >= end; what lies between is missing."""
        if self._empty:
            self._begin(position)
        if position > self.end:
            self._skip_to(position)
        n = len(counts)
        if n > self.capacity:
            counts = counts[n - self.capacity :]
            self.end += n - self.capacity
            self._levelled = max(self._levelled, self.end // LEVEL)
            n = self.capacity
        while len(counts):
            slot = self.end % self.capacity
            fits = min(len(counts), self.capacity - slot)
            place = self._data[:, slot : slot + fits]
            place[:] = counts[:fits].T  # faster than one multiplication with a cast
            place *= scale
            counts = counts[fits:]
            self.end += fits
        self._update_level()

    def _begin(self, position: int) -> None:
        self._empty = False
        self.start = self.end = position
        self._levelled = position // LEVEL
        slot = position % self.capacity
        self._data[:, slot - position % LEVEL : slot] = np.nan

    def _skip_to(self, position: int) -> None:
        missing = position - self.end
        if missing >= self.capacity:
            self._data.fill(np.nan)
            self._low.fill(np.nan)
            self._high.fill(np.nan)
            self._levelled = position // LEVEL
            self.end = position
            return
        while self.end < position:
            slot = self.end % self.capacity
            fits = min(position - self.end, self.capacity - slot)
            self._data[:, slot : slot + fits] = np.nan
            self.end += fits

    def _update_level(self) -> None:
        complete = self.end // LEVEL
        bins = self.capacity // LEVEL
        first = max(self._levelled, complete - bins)
        while first < complete:
            slot = first % bins
            fits = min(complete - first, bins - slot)
            data = self._data[:, slot * LEVEL : (slot + fits) * LEVEL].reshape(len(self._data), fits, LEVEL)
            np.fmin.reduce(data, axis=2, out=self._low[:, slot : slot + fits])
            np.fmax.reduce(data, axis=2, out=self._high[:, slot : slot + fits])
            first += fits
        self._levelled = complete

    def copy(self, first: int, stop: int) -> FloatArray:
        """Samples [channels, stop - first] of positions first..stop-1; NaN where there are none."""
        return self._copy(self._data, first, stop, self.oldest, self.end)

    def copy_level(self, first: int, stop: int) -> tuple[FloatArray, FloatArray]:
        """Extremes [channels, stop - first] of bins first..stop-1 of 64 samples; NaN where there are none.

        The bin that is still filling counts with what it has.
        """
        oldest = -(-self.oldest // LEVEL) if self.end - self.capacity > self.start else self.start // LEVEL
        low = self._copy(self._low, first, stop, oldest, self._levelled)
        high = self._copy(self._high, first, stop, oldest, self._levelled)
        if first <= self._levelled < stop and self._levelled * LEVEL < self.end:
            rest = self.copy(self._levelled * LEVEL, self.end)
            low[:, self._levelled - first] = np.fmin.reduce(rest, axis=1)
            high[:, self._levelled - first] = np.fmax.reduce(rest, axis=1)
        return low, high

    @staticmethod
    def _copy(ring: FloatArray, first: int, stop: int, oldest: int, end: int) -> FloatArray:
        size = ring.shape[1]
        out = np.empty((len(ring), max(stop - first, 0)), np.float32)
        begin, finish = min(max(first, oldest), stop), max(min(stop, end), first)
        if begin >= finish:
            out.fill(np.nan)
            return out
        out[:, : begin - first] = np.nan
        out[:, finish - first :] = np.nan
        slot, n = begin % size, finish - begin
        fits = min(n, size - slot)
        out[:, begin - first : begin - first + fits] = ring[:, slot : slot + fits]
        out[:, begin - first + fits : finish - first] = ring[:, : n - fits]
        return out
