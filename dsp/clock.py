"""The clock of a front-end chip, fitted from the time stamps of its blocks: rate, offset, and how sure they are."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.timebase import ArrivalFit

MEMORY_S = 5.0
"""Time constant of the fit: averages the 1 us resolution of the stamps, follows the crystal's temperature (a drift of
1 ppm a minute displaces the time by 0.4 us)."""

RATE_TOLERANCE = 0.03
JUMP_S = 5e-3
"""A stamp further off than this, and 3 % of the time since the last, is no error of a stamp: the clock was set."""
FIT_SPAN_S = 0.05
"""Span of the stamps under which the nominal rate holds."""

OPENING = 16
"""Stamps from which the fit is opened, robustly: by the medians of slopes and offsets (Theil-Sen)."""
GATE_S = 3e-6
"""A stamp further off the fit than this, twice the resolution and six times their usual scatter is left out."""
STEP_STAMPS = 5
"""So many stamps left out in a row that agree with each other are a step of the clock."""
STRAY_STAMPS = 15
"""So many left out in a row, agreeing or not: the fit has lost the clock."""
DRIFT = 2e-6
"""Change of rate while there are no stamps (s/s)."""
SCATTER_SHARE = 1.0 / 32.0


@lru_cache(maxsize=64)
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of all pairs of `count` things."""
    one, other = np.triu_indices(count, 1)
    return one, other


def _median(values: NDArray[np.float64]) -> float:
    """Median of a few values: what numpy's gives, at a tenth of its cost."""
    ordered = np.sort(values)
    return 0.5 * float(ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2])


class SampleClock:
    """time = anchor + (index - anchor index) / rate, by least squares with exponential forgetting.

    Until the stamps span 50 ms, and always where `exact`, the nominal rate holds. A clock is fed by `stamp` (the
    module's clock) or by `arrival` (the host's). rate_hz: of the samples by that clock; uncertainty_ppm: of it, about
    95 %, by the scatter of the stamps and what their resolution_s can do to both ends of a span; the clock that gives
    them is taken for true.
    """

    def __init__(self, nominal_rate_hz: float, *, exact: bool = False, resolution_s: float = 1e-6) -> None:
        self.nominal_rate_hz = nominal_rate_hz
        self.exact = exact
        self.resolution_s = resolution_s
        self.reset()

    def reset(self) -> None:
        """Forget every stamp."""
        self.started = False
        self.by_arrival = False
        self.rate_hz = self.nominal_rate_hz
        self.uncertainty_ppm = 0.0 if self.exact else 1e6 * RATE_TOLERANCE
        self._anchor_index = 0
        self._anchor_s = 0.0
        self._first_index = self._last_index = 0
        self._last_s = 0.0
        self._scatter_s = 0.0
        self._opening: list[tuple[int, float]] = []
        self._left_out: deque[tuple[int, float, float]] = deque(maxlen=STRAY_STAMPS)
        self._arrivals: ArrivalFit | None = None
        # Sums over the stamps of 1, x, y, xx, xy with weights; x in s by the nominal rate and y the stamp's excess
        # over x, both relative to the last stamp, so that nothing large is subtracted.
        self._sums = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def ppm(self) -> float:
        """Deviation of the rate from the nominal one."""
        return 1e6 * (self.rate_hz / self.nominal_rate_hz - 1.0)

    def stamp(self, index: int, time_s: float) -> bool:
        """Take the time of a sample on the module's clock (s, finite).

        A stamp that lies off the others is left out. False where the clock jumped, was set, or began anew: the fit
        then begins with this stamp.
        """
        if not self.started or self.by_arrival:
            began = not self.started
            self._begin(index, time_s)
            return began
        if self.exact:
            return True
        dx = (index - self._last_index) / self.nominal_rate_hz
        if abs(time_s - self._last_s - dx) > JUMP_S + RATE_TOLERANCE * abs(dx):
            self._begin(index, time_s)
            return False
        if dx <= 0.0:
            return True
        if self._opening:
            if dx >= FIT_SPAN_S / OPENING and not self._open(index, time_s):
                self._begin(index, time_s)
                return False
            return True
        off = time_s - self.time_s(index)
        gate = GATE_S + 2.0 * self.resolution_s + 6.0 * self._scatter_s + dx * (DRIFT + 1e-6 * self.uncertainty_ppm)
        if abs(off) > gate:
            return self._leave_out(index, time_s, off, gate)
        self._left_out.clear()
        self._scatter_s = math.sqrt(self._scatter_s**2 + SCATTER_SHARE * (off * off - self._scatter_s**2))
        self._add(index, time_s)
        return True

    def stamps(self, indices: Sequence[int], times_s: Sequence[float]) -> bool:
        """Take the times of several samples, ascending, as `stamp` would one after another: False, and nothing is
        taken, where one of them needs a closer look (the first of a stream, one that lies off the others)."""
        if not self.started or self.by_arrival or not indices:
            return False
        if self.exact:
            return True
        if self._opening:
            return self._open_together(indices, times_s)
        if self._left_out or indices[0] <= self._last_index:
            return False
        rate, last_x = self.nominal_rate_hz, (indices[-1] - self._last_index) / self.nominal_rate_hz
        gate = GATE_S + 2.0 * self.resolution_s + 6.0 * self._scatter_s
        drift = DRIFT + 1e-6 * self.uncertainty_ppm
        last_y = times_s[-1] - self._last_s - last_x
        square = self._scatter_s**2
        # Sums of the new stamps about the last of them, each faded by its distance from it.
        n = x = y = xx = xy = 0.0
        before = self._last_index
        anchor_index, anchor_s, rate_hz = self._anchor_index, self._anchor_s, self.rate_hz
        for index, time_s in zip(indices, times_s, strict=True):
            off = time_s - anchor_s - (index - anchor_index) / rate_hz
            if not abs(off) <= gate + drift * (index - before) / rate:
                return False
            square += SCATTER_SHARE * (off * off - square)
            own_x = (index - indices[-1]) / rate
            own_y = time_s - times_s[-1] - own_x
            weight = math.exp(own_x / MEMORY_S)
            n += weight
            x += weight * own_x
            y += weight * own_y
            xx += weight * own_x * own_x
            xy += weight * own_x * own_y
            before = index
        self._scatter_s = math.sqrt(square)
        old = self._moved(last_x, last_y)
        self._sums = (old[0] + n, old[1] + x, old[2] + y, old[3] + xx, old[4] + xy)
        self._last_index, self._last_s = indices[-1], times_s[-1]
        self._solve(times_s[-1])
        return True

    def arrival(self, index: int, time_s: float) -> bool:
        """Take the time (s, host's clock) at which a sample is known to have been taken at the latest.

        The time never jumps by it: it goes on from where it was, at the rate of the earliest arrivals, and draws near
        to them no faster than the rate is uncertain. False where stamps came before.
        """
        if not self.started or not self.by_arrival:
            began = not self.started
            self._begin(index, time_s)
            self.by_arrival, self._arrivals, self._opening = True, ArrivalFit(), []
            self._last_s = 0.0
        else:
            began = True
        if self.exact or self._arrivals is None:
            return began
        fit = self._arrivals
        x = (index - self._first_index) / self.nominal_rate_hz
        if index < self._last_index:
            return began
        now = self.time_s(index)
        fit.note(x, time_s - x)
        slope = fit.slope if math.isfinite(fit.uncertainty) and abs(fit.slope) < RATE_TOLERANCE else 0.0
        self.uncertainty_ppm = min(1e6 * fit.uncertainty, 1e6 * RATE_TOLERANCE)
        self.rate_hz = self.nominal_rate_hz / (1.0 + slope)
        passed_s = (index - self._last_index) / self.nominal_rate_hz
        if math.isfinite(fit.uncertainty):
            most = 0.5 * passed_s * min(fit.uncertainty, 1e-3)
            now += min(max(x + fit.at(x) - now, -most), most)
        self._anchor_index = self._last_index = index
        self._anchor_s = now
        return began

    def compose(self, inner: SampleClock, outer: SampleClock) -> None:
        """Take the times that follow from two clocks: inner tells the samples in nominal time of outer's, and outer
        when those were. The uncertainties add up."""
        self.started, self.by_arrival = True, outer.by_arrival
        self.rate_hz = inner.rate_hz * (outer.rate_hz / outer.nominal_rate_hz)
        self.uncertainty_ppm = min(inner.uncertainty_ppm + outer.uncertainty_ppm, 1e6 * RATE_TOLERANCE)
        self._anchor_index = inner._anchor_index
        self._anchor_s = outer.time_s(inner._anchor_s * outer.nominal_rate_hz)

    def _begin(self, index: int, time_s: float) -> None:
        self.reset()
        self.started = True
        self._first_index = self._last_index = self._anchor_index = index
        self._last_s = self._anchor_s = time_s
        self._opening = [(index, time_s)]

    def _open(self, index: int, time_s: float) -> bool:
        """The first stamps: a robust line through all of them, so that not even the first may mislead. False where
        they tell a rate that cannot be."""
        self._opening.append((index, time_s))
        self._last_index, self._last_s = index, time_s
        stamps = np.array([((i - index) / self.nominal_rate_hz, t - time_s) for i, t in self._opening])
        x, y = stamps[:, 0], stamps[:, 1] - stamps[:, 0]
        slope = 0.0
        if -x[0] >= FIT_SPAN_S:
            one, other = _pairs(x.size)
            slope = _median((y[other] - y[one]) / (x[other] - x[one]))
            if abs(slope) > RATE_TOLERANCE:
                return False
        rest = y - slope * x
        middle = _median(rest)
        self._scatter_s = max(1.5 * _median(np.abs(rest - middle)), 0.3 * self.resolution_s)
        sound = np.abs(rest - middle) <= GATE_S + 2.0 * self.resolution_s + 6.0 * self._scatter_s
        if -x[0] >= FIT_SPAN_S and x.size >= 4:
            # Among stamps that agree least squares are the better fit.
            self._first_index, self._last_index = self._opening[0][0], index
            self._sums = (
                float(sound.sum()),
                float(x[sound].sum()),
                float(y[sound].sum()),
                float(x[sound] @ x[sound]),
                float(x[sound] @ y[sound]),
            )
            self._solve(time_s)
        else:
            self._set(slope, index, time_s + middle)
            span = -float(x[0])
            if span >= FIT_SPAN_S:
                self.uncertainty_ppm = 1e6 * min(RATE_TOLERANCE, 2.0 * (self._scatter_s + self.resolution_s) / span)
        if len(self._opening) >= OPENING and -x[0] >= FIT_SPAN_S:
            self._opening = []
        return True

    @property
    def opens_with(self) -> int:
        """Stamps that the opening still takes: more than these cannot be taken together; 0 behind it."""
        return max(1, OPENING - len(self._opening)) if self._opening else 0

    def _open_together(self, indices: Sequence[int], times_s: Sequence[float]) -> bool:
        """`stamps` of the opening, `opens_with` at most: one fit does for all."""
        before = self._opening, self._last_index, self._last_s
        fresh = list(zip(indices, times_s, strict=True))
        last, last_s = self._last_index, self._last_s
        for index, time_s in fresh:
            dx = (index - last) / self.nominal_rate_hz
            sound = abs(time_s - last_s - dx) <= JUMP_S + RATE_TOLERANCE * dx  # False for NaN too
            if dx < FIT_SPAN_S / OPENING or not sound:
                return False
            last, last_s = index, time_s
        if len(fresh) > self.opens_with:
            return False
        self._opening = [*self._opening, *fresh[:-1]]
        if self._open(*fresh[-1]):
            return True
        self._opening, self._last_index, self._last_s = before
        return False

    def _add(self, index: int, time_s: float) -> None:
        """Move the origin of x and y to the stamp, fade, add it (at the origin only n grows)."""
        dx = (index - self._last_index) / self.nominal_rate_hz
        n, x, y, xx, xy = self._moved(dx, time_s - self._last_s - dx)
        self._sums = (n + 1.0, x, y, xx, xy)
        self._last_index, self._last_s = index, time_s
        self._solve(time_s)

    def _moved(self, dx: float, dy: float) -> tuple[float, float, float, float, float]:
        """The sums about an origin that is dx, dy further on, faded."""
        n, x, y, xx, xy = self._sums
        xy += -dx * y - dy * x + dx * dy * n
        xx += -2.0 * dx * x + dx * dx * n
        fade = math.exp(-dx / MEMORY_S)
        return n * fade, (x - dx * n) * fade, (y - dy * n) * fade, xx * fade, xy * fade

    def _solve(self, time_s: float) -> None:
        n, x, y, xx, xy = self._sums
        spread = xx - x * x / n
        if spread <= 0.0:
            return
        slope = (xy - x * y / n) / spread
        slope = min(max(slope, -RATE_TOLERANCE), RATE_TOLERANCE)
        self._set(slope, self._last_index, time_s + (y - slope * x) / n)
        span = min((self._last_index - self._first_index) / self.nominal_rate_hz, 2.0 * MEMORY_S)
        # Stamps in whole microseconds err alike for a while: the second term is what that can do.
        own = 2.0 * self._scatter_s / math.sqrt(spread) + 2.0 * self.resolution_s / max(span, 1e-3)
        self.uncertainty_ppm = 1e6 * min(own, RATE_TOLERANCE)

    def _set(self, slope: float, index: int, time_s: float) -> None:
        self.rate_hz = self.nominal_rate_hz / (1.0 + slope)
        self._anchor_index, self._anchor_s = index, time_s

    def _leave_out(self, index: int, time_s: float, off_s: float, gate_s: float) -> bool:
        self._left_out.append((index, time_s, off_s))
        latest = [off for _, _, off in self._left_out][-STEP_STAMPS:]
        stepped = len(latest) == STEP_STAMPS and max(latest) - min(latest) <= gate_s
        if not stepped and len(self._left_out) < STRAY_STAMPS:
            return True
        again = list(self._left_out)[-STEP_STAMPS:]
        self._begin(*again[0][:2])
        for late_index, late_s, _ in again[1:]:
            if late_index - self._last_index >= FIT_SPAN_S / OPENING * self.nominal_rate_hz:
                self._open(late_index, late_s)
        return False

    def time_s(self, index: float) -> float:
        """Time of a sample, which may lie between two (s)."""
        return self._anchor_s + (index - self._anchor_index) / self.rate_hz

    def index_at(self, time_s: float) -> float:
        """Sample, fractional, at a time (s)."""
        return self._anchor_index + (time_s - self._anchor_s) * self.rate_hz

    def times_s(self, first: int, count: int) -> NDArray[np.float64]:
        """Times of `count` samples from `first` on (s)."""
        start = self.time_s(first)
        return start + np.arange(count) / self.rate_hz

    def indices_at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Samples, fractional, at times (s)."""
        return self._anchor_index + (times_s - self._anchor_s) * self.rate_hz
