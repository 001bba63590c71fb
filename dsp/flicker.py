"""Flickermeter of IEC 61000-4-15 ed. 2: instantaneous sensation Pinst, short-term severity Pst, long-term Plt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dsp.flicker_filters import MOST_BLOCKS, Lamp, Mains, block_filter

REFERENCE_S = 27.3
"""Time constant of the mean that the voltage is related to (10 to 90 % of a step in 1 min)."""

PINST_SETTLING_S = 20.0
"""After a beginning or a gap Pinst is not shown for so long."""
PST_SETTLING_S = 60.0
"""After a beginning or a gap an interval for Pst may begin this much later."""

SHORT_TERM_S = 600.0
SHORT_TERMS = 12
"""Pst in a Plt."""

COVERAGE = 0.999
"""Part of an interval's Pinst that must be there: the end of a window and of a block may not have come yet."""

RETURN_RATIO = 100.0
"""A voltage whose square comes back this many times above its slow mean was away for minutes: settle again."""

BEGINNING = 4
"""Blocks that give the first value of the mean."""

SMALL_PRODUCT = 2**18
"""Multiplications up to which the usual library (OpenBLAS) does a matrix product in the calling thread; waking others
costs more than it saves, and very much on a busy machine."""

PERCENTS = np.array([0.1, 0.7, 1.0, 1.5, 2.2, 3.0, 4.0, 6.0, 8.0, 10.0, 13.0, 17.0, 30.0, 50.0, 80.0])
"""Parts of the time (%) during which the levels P0.1 ... P80 are exceeded."""
WEIGHTS = np.array([0.0314, *[0.0525 / 3] * 3, *[0.0657 / 3] * 3, *[0.28 / 5] * 5, *[0.08 / 3] * 3])


def short_term_severity(pinst: ArrayLike) -> float:
    """Pst from the Pinst of an interval [n], equally spaced in time; NaN where there is none (5.7.2)."""
    values = np.asarray(pinst)
    if values.size == 0:
        return math.nan
    levels = np.quantile(values, 1.0 - PERCENTS / 100.0)
    return math.sqrt(max(float(WEIGHTS @ levels), 0.0))


def long_term_severity(pst: Sequence[float | None]) -> float | None:
    """Plt: cubic mean of 12 consecutive Pst, of the two hours from an even hour on (5.7.3). None where there are not
    12 or one of them is not known."""
    known = [value for value in pst if value is not None and math.isfinite(value)]
    if len(pst) != SHORT_TERMS or len(known) != SHORT_TERMS:
        return None
    return math.cbrt(sum(value**3 for value in known) / SHORT_TERMS)


class Flickermeter:
    """Flicker of several voltages that are sampled at one nominal rate, each by a clock of its own.

    rate_hz: at least 900 (ValueError else); a difference of some 100 ppm to the true rate does not matter. lamp: 230
    or 120 V; mains: 50 or 60 Hz. floor_v: rms under which there is no voltage, hence no flicker. Keeps the Pinst of
    `memory_s`, about 200 a second and voltage.
    """

    def __init__(
        self,
        channels: int,
        rate_hz: float,
        lamp: Lamp = 230,
        mains: Mains = 50,
        *,
        floor_v: float = 0.1,
        memory_s: float = SHORT_TERM_S + 5.0,
    ) -> None:
        self.rate_hz = rate_hz
        f = self._filter = block_filter(rate_hz, lamp, mains)
        self._block_s = f.length / rate_hz
        self._fade = math.exp(-self._block_s / REFERENCE_S)
        self._most = min(MOST_BLOCKS, max(1, SMALL_PRODUCT // f.u_all.size))
        self._numbers = np.arange(self._most)
        self._rise = np.arange(f.length) / f.length
        self._first_weights = np.hanning(BEGINNING * f.length + 2)[1:-1]
        self._first_weights /= self._first_weights.sum()
        self._least = floor_v * floor_v
        kept = math.ceil(memory_s / self._block_s)
        per_block = len(f.decay)
        self._offsets_s = 2 * f.length / f.outputs / rate_hz * np.arange(1, per_block + 1)
        self._pinst = np.zeros((channels, kept, per_block), dtype=np.float32)
        self._times_s = np.zeros((channels, kept))  # of each block's first sample
        self._stored = [0] * channels  # blocks since the voltage's last beginning
        self._pending: list[list[NDArray[np.float64]]] = [[] for _ in range(channels)]
        self._count = [0] * channels  # pending samples
        self._next_s = [0.0] * channels  # time of the first pending sample
        self._begin_s = [math.nan] * channels
        self._state = np.tile(f.start, (channels, 1))
        self._mean = [0.0] * channels  # of Pinst's smoothing
        self._reference = [0.0] * channels  # slow mean of the squared voltage, V^2; 0: none yet

    @property
    def channels(self) -> int:
        """Number of voltages."""
        return len(self._pending)

    def restart(self, channel: int) -> None:
        """Samples of a voltage are missing: settle again, and forget what was."""
        self._pending[channel].clear()
        self._count[channel] = 0
        self._forget(channel)

    def _forget(self, channel: int) -> None:
        self._stored[channel] = 0
        self._begin_s[channel] = math.nan
        self._state[channel] = self._filter.start
        self._mean[channel] = 0.0
        self._reference[channel] = 0.0

    def push(self, samples: Sequence[NDArray[np.float64]], times_s: Sequence[float]) -> None:
        """Take the next samples (V) of every voltage, each [n] of its own length, that follow on those before;
        times_s: of the first of each, on the caller's clock. A sample that is no finite number restarts its voltage.

        They are worked through when there is a second of them, or when a result is asked for."""
        for channel, (fresh, time_s) in enumerate(zip(samples, times_s, strict=True)):
            if fresh.size:
                self._next_s[channel] = time_s - self._count[channel] / self.rate_hz
                self._pending[channel].append(np.array(fresh, dtype=np.float64))
                self._count[channel] += fresh.size
        self._advance(math.ceil(self.rate_hz))

    def _advance(self, least: int) -> None:
        """Work through whole blocks, as many voltages together as have them, while one has `least` samples."""
        length = self._filter.length
        while max(self._count) >= least:
            rows = [c for c in range(self.channels) if self._count[c] >= length and self._begun(c)]
            if not rows:
                return
            blocks = min(self._most, min(self._count[c] for c in rows) // length)
            batch = np.stack([self._take(c, blocks * length) for c in rows])
            self._run(rows, batch.reshape(len(rows), blocks, length))

    def _take(self, channel: int, count: int) -> NDArray[np.float64]:
        """The next samples of a voltage, which are then no longer pending."""
        joined = np.concatenate(self._pending[channel])
        self._pending[channel] = [joined[count:]]
        self._count[channel] -= count
        return joined[:count]

    def _begun(self, channel: int) -> bool:
        """Whether a voltage is measured; begins it once there are samples enough for a first value of its mean."""
        count = BEGINNING * self._filter.length
        while self._reference[channel] == 0.0 and self._count[channel] >= count:
            first = self._take(channel, count)
            square = float(np.square(first) @ self._first_weights)
            if self._least < square < math.inf:
                self._reference[channel] = square
                self._begin_s[channel] = self._next_s[channel]
                self._pending[channel].insert(0, first)
                self._count[channel] += count
            else:  # no voltage, or no numbers: wait for it
                self._next_s[channel] += count / self.rate_hz
        return self._reference[channel] > 0.0

    def pinst(self) -> NDArray[np.float64]:
        """The latest Pinst [channels]; NaN before it has settled."""
        self._advance(self._filter.length)
        latest = [self._pinst[c, (n - 1) % self._pinst.shape[1], -1] for c, n in enumerate(self._stored)]
        settled = [n * self._block_s >= PINST_SETTLING_S for n in self._stored]
        return np.where(settled, np.array(latest, dtype=np.float64), np.nan)

    def pinst_between(self, channel: int, start_s: float, end_s: float) -> NDArray[np.float32]:
        """Pinst [n] of a voltage in an interval of the caller's clock, as far as it is kept, oldest first."""
        self._advance(self._filter.length)
        count, size = self._stored[channel], self._pinst.shape[1]
        order = np.arange(max(0, count - size), count) % size
        times = self._times_s[channel, order][:, None] + self._offsets_s
        wanted = (times > start_s) & (times <= end_s)
        return np.asarray(self._pinst[channel, order][wanted])

    def pst(self, start_s: float, end_s: float) -> NDArray[np.float64]:
        """Pst [channels] of an interval of the caller's clock, normally 600 s; NaN where the voltage had not settled
        when it began, or samples are missing in it. Dips and interruptions do not hinder: the caller flags them."""
        result = np.full(self.channels, np.nan)
        for channel, begin_s in enumerate(self._begin_s):
            if not begin_s + PST_SETTLING_S <= start_s + 0.5 * self._block_s:
                continue
            values = self.pinst_between(channel, start_s, end_s)
            if values.size >= COVERAGE * (end_s - start_s) * self._filter.pinst_hz:
                result[channel] = short_term_severity(values)
        return result

    def _run(self, rows: list[int], u: NDArray[np.float64]) -> None:
        """Process blocks u [rows, blocks, length], which is overwritten."""
        f = self._filter
        blocks = u.shape[1]
        with np.errstate(all="ignore"):  # samples that are no numbers
            power = np.square(u, out=u)
            gains, lost = self._relate(rows, (power.sum(axis=2) / f.length).tolist())
            power *= gains[:, :-1, None] + (gains[:, 1:] - gains[:, :-1])[:, :, None] * self._rise
            driven = power @ f.u_all
            states = np.empty((len(rows), blocks + 1, f.start.size))
            states[:, 0] = self._state[rows]
            states[:, 1:] = driven[:, :, f.outputs :]
            for n, over in enumerate(f.state_over):  # prefix sums: step n reaches 2^n blocks back
                if 1 << n > blocks:
                    break
                states[:, 1 << n :] += states[:, : -(1 << n)] @ over
            self._state[rows] = states[:, -1]
            weighted = driven[:, :, : f.outputs] + states[:, :-1] @ f.state_to_output
            pinst = (f.scale * np.square(weighted)) @ f.smoothing
            pinst += self._means(rows, pinst[:, :, -1].tolist())[:, :, None] * f.decay
        for i, c in enumerate(rows):
            if i in lost:
                self._forget(c)
            else:
                self._store(c, pinst[i])
            self._next_s[c] += blocks * self._block_s

    def _relate(self, rows: list[int], squares: list[list[float]]) -> tuple[NDArray[np.float64], set[int]]:
        """1 / slow mean of the squared voltage at the bounds of blocks [rows, blocks + 1], from each block's mean
        square; and the rows where there is no voltage to relate to."""
        gains, lost = [], set()
        for i, c in enumerate(rows):
            reference = self._reference[c]
            gain = [1.0 / reference]
            for square in squares[i]:
                if not square <= RETURN_RATIO * reference or reference <= self._least:
                    lost.add(i)
                    break
                reference = square + (reference - square) * self._fade
                gain.append(1.0 / reference)
            self._reference[c] = reference
            gains.append(gain + [0.0] * (len(squares[i]) + 1 - len(gain)))
        return np.array(gains), lost

    def _means(self, rows: list[int], last: list[list[float]]) -> NDArray[np.float64]:
        """Smoothed value before each block [rows, blocks], from what each adds to it by its end."""
        fade = float(self._filter.decay[-1])
        before = []
        for i, c in enumerate(rows):
            means = [self._mean[c]]
            for added in last[i]:
                means.append(fade * means[-1] + added)
            self._mean[c] = means.pop()
            before.append(means)
        return np.array(before)

    def _store(self, channel: int, pinst: NDArray[np.float64]) -> None:
        """Keep the Pinst [blocks, n] of a voltage."""
        blocks, kept = pinst.shape[0], self._pinst.shape[1]
        place = self._stored[channel] % kept
        head = min(blocks, kept - place)
        times = self._next_s[channel] + self._block_s * self._numbers[:blocks]
        self._pinst[channel, place : place + head] = pinst[:head]
        self._times_s[channel, place : place + head] = times[:head]
        if head < blocks:
            self._pinst[channel, : blocks - head] = pinst[head:]
            self._times_s[channel, : blocks - head] = times[head:]
        self._stored[channel] += blocks
