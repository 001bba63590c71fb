"""Polled streams: a register read faster than the chip fills it gives some samples twice. Finds and removes them.

A timer of 244 us on a register of 4000 samples/s reads every sample once and, each 41.67 polls, one of them twice. The
repeats hold the signal still and fold images of every tone to 98 Hz -+ f; without them the chip's own stream is back,
bit by bit. Equal neighbours alone prove nothing (a peak, no load, a dead input): only those that come at the pace
that the two rates demand, and without which the signal is as smooth as elsewhere, are repeats.
"""

from __future__ import annotations

import math
from collections import deque
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UPDATE_RATES_HZ = (4000.0, 8000.0)
"""Rates at which the supported front-end chips fill their waveform registers (ADE9153A, ADE9000 families)."""
RATE_TOLERANCE = 3e-4
"""Both crystals together."""
SHORTEST_PACE, LONGEST_PACE = 25.0, 100.0
"""Polls from repeat to repeat that are looked for: rates that differ by 1 to 4 %."""

REPEATS_NEEDED = 6
HOLD_PACES = 7
"""A stream that begins with equal neighbours is held back for so many paces until it is known what it is."""
STILL = 8.0
"""A fourth difference whose mean square is this many times the usual one stands out."""
ROUNDING = 64.0
"""The largest square of a fourth difference that rounding alone can make, in squared steps of the converter."""
CREEP = 2.5
"""Steps of the converter by which a signal that has equal neighbours may move before and behind them."""
PLAY = 4
"""Polls by which a repeat may stand beside its place: a timer's jitter of some 25 us."""
OUT_OF_LINE = 1.5
"""Polls by which repeats may stand beside a straight line when they are looked for."""
MISSES_ALLOWED = 3
LONGEST_GAP_S = 4.0
"""Behind a longer gap the places of the repeats are searched anew."""
PULL, BEND = 0.3, 0.02
"""Share of a deviation by which the place and the pace of the repeats are corrected."""


class Polling(StrEnum):
    """What a stream is: undecided (held back), the chip's own samples, polled and restored, or polled with repeats out
    of step, so that some samples may be repeated or lost."""

    UNDECIDED = "undecided"
    OWN = "own"
    POLLED = "polled"
    SUSPECT = "suspect"


class _Roughness(NamedTuple):
    """For each channel that moves: whether it is rougher at the repeats than elsewhere, and whether it is so without
    them."""

    rough: NDArray[np.bool_]
    rough_without: NDArray[np.bool_]


class _Line(NamedTuple):
    """Places at a constant pace, to the last one."""

    last: float
    pace: float

    @classmethod
    def through(cls, polls: NDArray[np.intp]) -> _Line:
        """The line nearest to these."""
        number = np.arange(polls.size) - 0.5 * (polls.size - 1)
        pace = float(number @ polls / (number @ number))
        return cls(float(polls.mean() + pace * number[-1]), pace)

    def places(self, count: int) -> NDArray[np.float64]:
        """The last `count` places."""
        return self.last - self.pace * np.arange(count - 1.0, -1.0, -1.0)


class Deduplicator:
    """Restores the stream of one chip from its polls.

    polled_rate_hz: rate of the polls as stated or measured; it may be set anew at any time. Where no chip's update
    rate lies 1 to 4 % below it, samples pass through untouched at no cost.
    locked: repeats are being removed. removed: how many so far, those in gaps included.
    anchors: after each push, for each repeat removed (index of a sample, the poll, fractional, at which the chip
    filled its register with it), unbiased within half a poll's slip (3 us).
    """

    def __init__(self, channels: int, polled_rate_hz: float) -> None:
        self.channels = channels
        self.polled_rate_hz = polled_rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget everything: the stream begins anew."""
        self.locked = False
        self.anchors: list[tuple[int, float]] = []
        self._state = Polling.UNDECIDED
        self.removed = 0
        self._next: int | None = None
        self._last: NDArray[np.float64] | None = None
        self._held = np.empty((0, self.channels))
        self._recent = np.empty((0, self.channels))
        self._equal: deque[int] = deque(maxlen=512)  # polls that equal the one before
        self._place = self._pace = 0.0
        self._quantum = np.full(self.channels, np.inf)  # smallest difference between values: a converter's step
        self._misses = 0

    @property
    def passive(self) -> bool:
        """Whether samples pass through untouched."""
        return self.update_rate_hz == 0.0 and not self.locked and not len(self._held)

    @property
    def polled_rate_hz(self) -> float:
        """Rate of the polls."""
        return self._polled_rate_hz

    @polled_rate_hz.setter
    def polled_rate_hz(self, rate_hz: float) -> None:
        self._polled_rate_hz = rate_hz
        self.update_rate_hz = 0.0
        for update_hz in UPDATE_RATES_HZ:
            if rate_hz > update_hz and SHORTEST_PACE <= rate_hz / (rate_hz - update_hz) <= LONGEST_PACE:
                self.update_rate_hz = update_hz
                self._paces = tuple(
                    rate_hz / (rate_hz - update_hz * (1.0 + slip)) for slip in (-RATE_TOLERANCE, RATE_TOLERANCE)
                )

    def push(self, first_index: int, samples: NDArray[np.float64]) -> tuple[int, NDArray[np.float64], Polling]:
        """Take polls [n, channels] from first_index on; give samples [m, channels], the index of the first of them
        (polls less repeats) and what they are. m may be 0 while polls are held back.

        A jump of first_index needs a `flush` before it, else what is held back is lost."""
        self.anchors = []
        if self.passive:
            self._next = None
            return first_index - self.removed, samples, Polling.OWN
        if self._next != first_index:
            self._begin(first_index)
        if samples.shape[0] == 0:
            return first_index - self._held.shape[0] - self.removed, samples, self._state
        noted = self._note_equal(first_index, samples)
        self._next = first_index + samples.shape[0]
        if self.locked:
            return self._restore(samples)
        self._recent = np.concatenate([self._recent, samples])[-int(HOLD_PACES * self._paces[1]) - 8 :]
        if self._state is Polling.UNDECIDED:
            return self._decide(samples)
        if not noted:
            if self._state is Polling.SUSPECT and not self._equal_since(self._next - self._recent.shape[0]):
                self._state = Polling.OWN
            return first_index - self.removed, samples, self._state
        if self._recognised():
            self.locked, self._state = True, Polling.POLLED
            self._skip_to(self._next)
            return first_index - self.removed, samples, Polling.SUSPECT
        self._state = self._unlocked_state()
        return first_index - self.removed, samples, self._state

    def flush(self) -> tuple[int, NDArray[np.float64], Polling]:
        """What is held back, because samples are missing behind it or the stream ends."""
        self.anchors = []
        first = (self._next or 0) - self._held.shape[0]
        if not self.locked or not self._held.shape[0]:
            held, self._held = self._held, self._held[:0]
            return first - self.removed, held, self._state if self.locked else Polling.OWN
        return self._restore(self._held[:0], final=True)

    def _begin(self, first_index: int) -> None:
        """The stream starts, or starts again behind a gap."""
        if (
            self._next is not None
            and self.locked
            and 0 < first_index - self._next < LONGEST_GAP_S * self.polled_rate_hz
        ):
            self._skip_to(first_index, gap=True)
        elif self._next is not None:
            self.locked = False
            self._state = Polling.OWN if self._state is not Polling.UNDECIDED else self._state
        self._last = None
        self._held, self._recent = self._held[:0], self._recent[:0]
        self._equal.clear()

    def _skip_to(self, poll: int, *, gap: bool = False) -> None:
        """Move the next place to `poll` or behind it; in a gap the repeats passed over were there."""
        passed = max(0, math.ceil((poll - self._place) / self._pace))
        self._place += passed * self._pace
        if gap:
            self.removed += passed

    def _note_equal(self, first: int, samples: NDArray[np.float64]) -> bool:
        """Note the polls that equal the one before; whether there are any."""
        before = len(self._equal)
        column = samples[:, 0]
        candidates = np.flatnonzero(column[1:] == column[:-1]) + 1
        if candidates.size:
            candidates = candidates[(samples[candidates] == samples[candidates - 1]).all(axis=1)]
        if self._last is not None and (samples[0] == self._last).all():
            self._equal.append(first)
        self._equal.extend((candidates + first).tolist())
        self._last = samples[-1].copy()
        return len(self._equal) > before or before == self._equal.maxlen

    def _equal_since(self, poll: int) -> list[int]:
        return [k for k in self._equal if k >= poll]

    def _decide(self, samples: NDArray[np.float64]) -> tuple[int, NDArray[np.float64], Polling]:
        """The beginning of a stream: held back until it is known whether it is polled."""
        assert self._next is not None
        self._held = np.concatenate([self._held, samples])
        held, first = self._held, self._next - self._held.shape[0]
        if self._recognised():
            self.locked, self._state = True, Polling.POLLED
            self._place -= math.floor((self._place + PLAY - first) / self._pace) * self._pace
            return self._restore(self._held[:0])
        edges = [first, *self._equal_since(first), self._next]
        unbroken = max(b - a for a, b in pairwise(edges))
        if unbroken > self._paces[1] + PLAY or held.shape[0] >= HOLD_PACES * self._paces[1]:
            self._state, self._held = self._unlocked_state(), held[:0]
            return first - self.removed, held, self._state
        return first - self.removed, held[:0], Polling.UNDECIDED

    def _recognised(self) -> bool:
        """Whether the last equal neighbours are repeats; sets place (of the last) and pace."""
        assert self._next is not None
        first = self._next - self._recent.shape[0]
        equal = self._equal_since(first)
        if not REPEATS_NEEDED <= len(equal) <= 2 * HOLD_PACES:  # more: too coarse or too still to tell
            return False
        known = np.array(equal)
        for polls in self._chains(known):
            line = _Line.through(polls)
            straight = np.abs(polls - line.places(polls.size)).max() <= OUT_OF_LINE
            if straight and self._stand_still(polls - first, known - first):
                while np.abs(known - (before := line.places(polls.size + 1)[0])).min() <= OUT_OF_LINE:
                    polls = np.append(known[np.abs(known - before).argmin()], polls)
                    line = _Line.through(polls)
                self._place = line.last
                self._pace = min(max(line.pace, self._paces[0]), self._paces[1])
                return True
        return False

    def _chains(self, equal: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Equal neighbours that stand on a line, one at each of the last places; those nearest to their line first.

        Where one stands beside a place by chance it is the line that tells which of them is the repeat."""
        assert self._next is not None
        paces = np.linspace(self._paces[0] - 0.2, self._paces[1] + 0.2, 16)
        back = np.arange(REPEATS_NEEDED - 1.0, -1.0, -1.0)
        chains: list[tuple[float, NDArray[np.intp]]] = []
        for last in equal[equal >= self._next - self._paces[1] - PLAY]:
            places = last - paces[:, None] * back
            nearest = np.abs(equal - places[..., None]).argmin(axis=-1)
            beside = np.abs(equal[nearest] - places)
            best = int((beside**2).sum(axis=1).argmin())
            if beside[best].max() <= OUT_OF_LINE + 0.5:  # the last one may be beside its place itself
                chains.append((float((beside[best] ** 2).sum()), equal[nearest[best]]))
        chains.sort(key=lambda chain: chain[0])
        return [polls for _, polls in chains]

    def _unlocked_state(self) -> Polling:
        """OWN, or SUSPECT where the signal stands still about as often as the rates demand, yet out of step."""
        assert self._next is not None
        first = self._next - self._recent.shape[0]
        equal = self._equal_since(first)
        usual_number = self._recent.shape[0] / self._paces[0]
        if len(equal) < REPEATS_NEEDED or not 0.5 * usual_number <= len(equal) <= 10.0 * usual_number:
            return Polling.OWN
        rows = np.array(equal) - first
        found = self._roughness(rows, rows)
        return Polling.SUSPECT if found is not None and found.rough.any() else Polling.OWN

    def _roughness(self, repeats: NDArray[np.intp], equal: NDArray[np.intp]) -> _Roughness | None:
        """How rough the channels that move are at the repeats, by the squared fourth difference. None where too little
        is known.

        Counted, not averaged: of the true repeats up to half may lie on peaks, where they show little, and a current
        that toggles its last bit now and then is rough at one or two of them by chance; accidents on the peaks of the
        mains would be rough at nearly all once removed.
        """
        rows = self._recent
        rough = np.diff(rows, 4, axis=0) ** 2  # [i]: rows i..i+4
        clean = np.ones(rough.shape[0], dtype=np.bool_)
        for offset in range(1, 5):
            near = equal - offset
            clean[near[(near >= 0) & (near < clean.size)]] = False
        repeats = repeats[(repeats >= 3) & (repeats + 2 < rows.shape[0])]
        if clean.sum() < 40 or repeats.size < REPEATS_NEEDED - 2:
            return None
        # Without the roughest tenth, which may be where samples were lost.
        usual = np.sort(rough[clean], axis=0)[: int(0.9 * clean.sum())]
        limit = np.maximum(STILL * usual.mean(axis=0), usual[-1])
        gaps = np.diff(np.sort(rows, axis=0), axis=0)
        self._quantum = np.where(gaps > 0.0, gaps, np.inf).min(axis=0)
        kept = 0.5 * (rough[repeats - 3] + rough[repeats - 2])
        a, b, c, d, e = (rows[repeats + offset] for offset in (-3, -2, -1, 1, 2))
        removed = (a - 4.0 * b + 6.0 * c - 4.0 * d + e) ** 2
        rough_kept = np.sort(kept, axis=0)[repeats.size // 2]
        rough_removed = np.sort(removed, axis=0)[repeats.size // 4]
        moving = usual[-1] > 0.0
        return _Roughness(
            (rough_kept > np.maximum(limit, ROUNDING * self._quantum**2))[moving], (rough_removed > limit)[moving]
        )

    def _stand_still(self, repeats: NDArray[np.intp], equal: NDArray[np.intp]) -> bool:
        """Whether the signal stands still at the repeats: without them it is as rough as elsewhere, and with them
        rougher, or so lively that neighbours are never nearly equal."""
        found = self._roughness(repeats, equal)
        if found is None or not found.rough.size or found.rough_without.any():
            return False
        if found.rough.any():
            return True
        steps = np.abs(np.diff(self._recent, axis=0))
        smallest = np.where(steps > 0.0, steps, np.inf).min(axis=0)
        nearly = (steps <= 2.0 * np.where(np.isfinite(smallest), smallest, 0.0)).all(axis=1)
        return int(nearly.sum()) - equal.size < REPEATS_NEEDED // 2

    def _restore(
        self, samples: NDArray[np.float64], *, final: bool = False
    ) -> tuple[int, NDArray[np.float64], Polling]:
        """Remove the repeats from what is held and the new polls, up to a place that is not yet seen to its end."""
        assert self._next is not None
        polls = np.concatenate([self._held, samples]) if self._held.shape[0] else samples
        first, end = self._next - polls.shape[0], self._next
        out_index = first - self.removed
        self._state = Polling.POLLED
        remove: list[int] = []
        while final or self._place + PLAY + 1 <= end:
            if final and self._place - PLAY >= end:
                break
            seen = self._place + PLAY + 1 <= end
            # Where the polls end before the place does, the repeat may be behind them.
            repeat = self._repeat_at(polls, first, remove[-1] + 1 if remove else first, PLAY if seen else OUT_OF_LINE)
            if repeat is not None and self._twice(repeat, polls, first):
                self._state = Polling.SUSPECT
            if repeat is None and not seen:
                break
            if repeat is None:
                self._state = Polling.SUSPECT
                self._misses += 1
                self._place += self._pace
                if self._misses >= MISSES_ALLOWED:
                    self.locked, self._recent = False, self._recent[:0]
                    break
                continue
            self._misses = 0
            self.anchors.append((repeat - 1 - self.removed, repeat - 1 - 0.5 / (self._pace - 1.0)))
            self.removed += 1
            remove.append(repeat - first)
            still = repeat - 1 in self._equal or repeat + 1 in self._equal
            off = 0.0 if still else repeat - self._place
            self._pace = min(max(self._pace + BEND * off, self._paces[0] - 0.2), self._paces[1] + 0.2)
            self._place += self._pace + PULL * off
        stop = end
        if self.locked and not final:
            stop = min(end, max(first, math.floor(self._place - PLAY)))
        self._held = polls[stop - first :].copy()
        while self._equal and self._equal[0] < stop - 1:
            self._equal.popleft()
        return out_index, np.delete(polls[: stop - first], remove, axis=0), self._state

    def _repeat_at(self, polls: NDArray[np.float64], first: int, start: int, reach: float) -> int | None:
        """The poll from `start` on that repeats the one before, near the next place; None where there is none. Of two
        that are equally near, the one without which the signal is smoother; polls: from `first` on."""
        near = [k for k in self._equal if k >= start and abs(k - self._place) <= reach]
        if not near:
            return None
        nearest = min(abs(k - self._place) for k in near)
        near = [k for k in near if abs(k - self._place) < nearest + 1.0]
        if near[-1] - near[0] <= 1:
            return near[0]
        window = slice(max(near[0] - 5 - first, 0), near[-1] + 5 - first)
        rows = polls[window] / self._quantum

        def rough(k: int) -> float:
            return float((np.diff(np.delete(rows, k - first - window.start, axis=0), 4, axis=0) ** 2).sum())

        return min(near, key=rough)

    def _twice(self, repeat: int, polls: NDArray[np.float64], first: int) -> bool:
        """Whether the signal stood still twice in one place: a jittery timer, and between them a sample was lost.
        Equal neighbours on a peak are none of it: there the signal turns, or creeps within its converter's steps."""
        for other in self._equal:
            at = other - first
            if 1 < abs(other - repeat) <= 2 * PLAY and 2 <= at < polls.shape[0] - 1:
                before, after = polls[at - 1] - polls[at - 2], polls[at + 1] - polls[at]
                if ((before * after > 0.0) & (np.minimum(abs(before), abs(after)) > CREEP * self._quantum)).any():
                    return True
        return False
