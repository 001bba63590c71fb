"""Samples of one chip on their way to the windows: unbroken segments, and what is missing between them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.clock import SampleClock
from dsp.duplicates import Deduplicator, Polling

BACKLOG_S = 5.0
"""A live chip keeps at most this much; older samples are given up (a gap) while another chip does not deliver."""

ABSURD = 1e12
"""Magnitudes above it (V or A) are no samples."""

LONGEST_S = 1e12
"""Times beyond it are none."""

OTHER_RATE = 0.004
"""A measured rate that differs more from the stated one is another rate, not a crystal's error."""


class Block(NamedTuple):
    """Consecutive samples [n, channels] of one chip; the rest as `ChipStream.push` takes it."""

    first_index: int
    samples: NDArray[np.float64]
    time_s: float
    arrival_s: float


class Segment:
    """Consecutive samples of one chip: float64 [channels, n], from `first` (index) to `end` (one past the last).

    `closed`: it will not grow, because samples are missing behind it.
    """

    def __init__(self, first: int, channels: int, capacity: int) -> None:
        self.first = self.end = first
        self.closed = False
        self.channels = channels
        self._base = first
        self._data = np.empty((channels, capacity))

    def append(self, samples: NDArray[np.float64]) -> None:
        """Add samples [channels, n]."""
        count = samples.shape[1]
        used = self.end - self._base
        if used + count > self._data.shape[1]:
            kept = self.end - self.first
            old = self._data
            if 2 * (kept + count) > old.shape[1]:
                self._data = np.empty((old.shape[0], 2 * (kept + count)))
            self._data[:, :kept] = old[:, used - kept : used]
            self._base, used = self.first, kept
        self._data[:, used : used + count] = samples
        self.end += count

    def view(self, start: int, stop: int) -> NDArray[np.float64]:
        """Samples [channels, stop - start], not copied; start and stop are indices inside the segment."""
        return self._data[:, start - self._base : stop - self._base]

    def row(self, channel: int, start: int, stop: int) -> NDArray[np.float64]:
        """The same of one channel: [stop - start]."""
        return self._data[channel, start - self._base : stop - self._base]

    def forget_before(self, index: int) -> None:
        """Give up samples before an index."""
        self.first = min(max(self.first, index), self.end)


Source = tuple[Segment, int, SampleClock]
"""Samples of a chip: an unbroken segment, the first index that counts, and the chip's clock."""


class ChipStream:
    """Segments of one chip, oldest first, with the chip's clock.

    A stream that was polled faster than the chip updates is restored to the chip's own: `clock` and the segments
    then count the chip's samples, while pushes go on counting polls.
    """

    def __init__(self, nominal_rate_hz: float, channels: int, *, exact: bool) -> None:
        self.clock = SampleClock(nominal_rate_hz, exact=exact)
        self.segments: deque[Segment] = deque()
        self.channels = channels
        self.lost = 0
        self.received = 0  # samples pushed so far, repeats and what is no number as well
        self.taken = 0  # of them samples that count
        self.stepped = False  # the clock was set; whoever keeps times of it takes note and puts it back
        self._nominal_rate_hz = nominal_rate_hz
        self._repeats = None if exact else Deduplicator(channels, nominal_rate_hz)
        self._polls: SampleClock | None = None  # of a stream that is being restored
        self._polls_from = 0  # its index 0 in polls
        self._in_polls: SampleClock | None = None  # tells the chip's samples in nominal time of the polls
        self._suspect: deque[tuple[int, int]] = deque(maxlen=256)
        self._next: int | None = None
        self._first: int | None = None
        self._capacity = int(2.0 * nominal_rate_hz)

    def clear(self) -> None:
        """Forget samples and clock: the module restarted."""
        self.segments.clear()
        self.clock = SampleClock(self._nominal_rate_hz, exact=self.clock.exact)
        self._polls = None
        if self._repeats is not None:
            self._repeats.reset()
        self._suspect.clear()
        self._next = self._first = None

    @property
    def span_s(self) -> tuple[float, float] | None:
        """Times of the first sample pushed and of the end of the last, numbers or not; None before the first."""
        if self._first is None or self._next is None:
            return None
        return self._time_of_push(self._first), self._time_of_push(self._next)

    def push(self, first_index: int, samples: NDArray[np.float64], time_s: float, arrival_s: float = math.nan) -> float:
        """Add samples [n, channels]; time_s: module time of the first, NaN where the module tells none: then
        arrival_s, the host's time of it, serves (one of both must be finite). Samples that were given before are left
        out; those that are no finite number are missing. Returns the time of the first sample given, by the fit."""
        given = first_index
        self.received += samples.shape[0]
        if self._next is not None and first_index < self._next:
            seen = min(self._next - first_index, samples.shape[0])
            samples = samples[seen:]
            passed_s = seen / (self._polls or self.clock).rate_hz
            time_s, arrival_s = time_s + passed_s, arrival_s + passed_s
            first_index += seen
        if samples.shape[0] == 0:
            return self._time_of_push(given)
        if self._next is not None and first_index > self._next:
            self.flush()
            self.lost += first_index - self._next
            self._close()
        self._next = first_index + samples.shape[0]
        if self._first is None:
            self._first = first_index
        if self._repeats is None:
            self._stamp(self.clock, first_index, time_s, arrival_s)
            self._take(first_index, samples)
            return self._time_of_push(given)
        if self._polls is None:
            self._stamp(self.clock, first_index - self._repeats.removed, time_s, arrival_s)
            self._look_at_rate()
        else:
            self._stamp(self._polls, first_index - self._polls_from, time_s, arrival_s)
        self._take_restored(*self._repeats.push(first_index, samples))
        return self._time_of_push(given)

    @property
    def plain(self) -> bool:
        """Whether samples are taken as they come: nobody looks for repeats."""
        return self._repeats is None or (self._polls is None and self._repeats.passive)

    def push_together(self, blocks: Sequence[Block]) -> list[float]:
        """Add several blocks, joined where they follow on each other and nothing about them needs a closer look: the
        times of their first samples, by the fit."""
        if 0 < self.clock.opens_with < len(blocks):
            parts = blocks[: self.clock.opens_with], blocks[self.clock.opens_with :]
            return [time_s for part in parts for time_s in self.push_together(part)]
        if len(blocks) > 1 and self.plain and self._next == blocks[0].first_index and _follow_on(blocks):
            removed = self._repeats.removed if self._repeats is not None else 0
            indices = [block.first_index - removed for block in blocks]
            if self.clock.stamps(indices, [block.time_s for block in blocks]):
                self._next = blocks[-1].first_index + blocks[-1].samples.shape[0]
                if self._repeats is not None:
                    self._look_at_rate()
                joined = np.concatenate([block.samples for block in blocks])
                self.received += joined.shape[0]
                if self._repeats is not None:
                    self._take_restored(*self._repeats.push(blocks[0].first_index, joined))
                else:
                    self._take(blocks[0].first_index, joined)
                return [self.clock.time_s(index) for index in indices]
        return [self.push(*block) for block in blocks]

    def flush(self) -> None:
        """Take what is held back while it is looked for repeats: no more samples follow."""
        if self._repeats is not None:
            self._take_restored(*self._repeats.flush())

    def suspect(self, start_s: float, end_s: float) -> bool:
        """Whether samples in an interval may be repeats or follow lost ones (polls out of step with the chip)."""
        if not self._suspect:
            return False
        first, stop = self.clock.index_at(start_s), self.clock.index_at(end_s)
        return any(a < stop and b > first for a, b in self._suspect)

    def _time_of_push(self, index: int) -> float:
        """Time of a sample by the index that pushes count."""
        if self._polls is not None:
            return self._polls.time_s(index - self._polls_from)
        return self.clock.time_s(index - (self._repeats.removed if self._repeats is not None else 0))

    def _stamp(self, clock: SampleClock, index: int, time_s: float, arrival_s: float) -> bool:
        """Give a clock the time of a sample; where it jumped the samples before are given up."""
        sound = True
        if abs(time_s) <= LONGEST_S:
            sound = clock.stamp(index, time_s)
        elif math.isfinite(arrival_s) and (clock.by_arrival or not clock.started):
            clock.arrival(index, arrival_s)
        if not sound:  # what is there was timed by the clock as it was, with which nothing can be compared any more
            self.segments.clear()
            self._suspect.clear()
            self.stepped = True
        return sound

    def _look_at_rate(self) -> None:
        """Where the stamps tell another rate than was stated, repeats are looked for by that one."""
        assert self._repeats is not None
        sure = self.clock.uncertainty_ppm < 1000.0
        if sure and abs(self.clock.rate_hz / self._repeats.polled_rate_hz - 1.0) > OTHER_RATE:
            self._repeats.polled_rate_hz = self.clock.rate_hz

    def _take_restored(self, first_index: int, samples: NDArray[np.float64], state: Polling) -> None:
        repeats = self._repeats
        assert repeats is not None
        if repeats.anchors and self._polls is None:
            self._count_chip_samples(first_index)
        if self._polls is not None and self._in_polls is not None:
            for index, poll in repeats.anchors:
                if not self._in_polls.stamp(index, (poll - self._polls_from) / self._polls.nominal_rate_hz):
                    self._close()
            self.clock.compose(self._in_polls, self._polls)
        if samples.shape[0]:
            if state is Polling.SUSPECT:
                self._suspect.append((first_index, first_index + samples.shape[0]))
            self._take(first_index, samples)
        if repeats.locked and self._polls is None:
            self._count_chip_samples(first_index + samples.shape[0])
        elif not repeats.locked and self._polls is not None:
            self._count_polls(first_index + samples.shape[0])

    def _count_chip_samples(self, next_index: int) -> None:
        """From next_index on repeats are removed: a clock of the chip's own, told by the places of the repeats."""
        assert self._repeats is not None
        self._give_up()
        update_hz = self._repeats.update_rate_hz
        slip_s = 1.0 / update_hz - 1.0 / self._repeats.polled_rate_hz
        self._polls, self.clock = self.clock, SampleClock(update_hz)
        self._polls_from = self._repeats.removed - len(self._repeats.anchors)
        self._in_polls = SampleClock(update_hz, resolution_s=slip_s)
        self._in_polls.stamp(next_index, next_index / self._polls.nominal_rate_hz)
        self.clock.compose(self._in_polls, self._polls)

    def _count_polls(self, next_index: int) -> None:
        """From next_index on nothing is removed."""
        assert self._repeats is not None
        assert self._polls is not None
        self._give_up()
        self.clock, polls = SampleClock(self._repeats.polled_rate_hz), self._polls
        self.clock.stamp(next_index, polls.time_s(next_index + self._repeats.removed - self._polls_from))
        self._polls = None

    def _take(self, first_index: int, samples: NDArray[np.float64]) -> None:
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
        self.taken += samples.shape[0]
        if not self.clock.exact:
            limit = int(BACKLOG_S * self.clock.rate_hz)
            while len(self.segments) > 1 and self.segments[1].first < self.segments[-1].end - limit:
                self.segments.popleft()
            self.segments[0].forget_before(self.segments[-1].end - limit)

    def _give_up(self) -> None:
        """Give up what was counted in another way."""
        self.lost += sum(segment.end - segment.first for segment in self.segments)
        self.segments.clear()
        self._suspect.clear()

    def _close(self) -> None:
        if self.segments:
            self.segments[-1].closed = True


def _follow_on(blocks: Sequence[Block]) -> bool:
    """Whether every block begins where the one before ends."""
    return all(b.first_index == a.first_index + a.samples.shape[0] for a, b in pairwise(blocks))
