"""The clock of one front-end chip: sample index to seconds on the module's clock.

Each chip samples on a crystal of its own, tens of ppm off, and starts up to 250 us beside the others. Every block
tells the module's time of its first sample. A two-state Kalman filter (time offset and period, random-walk period)
follows them; once a second its estimate is frozen as an anchor, and times are interpolated between anchors. So the
past never moves, a trace never jumps, and chips line up however their crystals drift.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ANCHOR_EVERY_S = 1.0
_ANCHORS_KEPT = 4096
_PERIOD_SIGMA = 60e-6  # crystals: relative, before anything is known
_PERIOD_WALK = 1e-7  # relative, per square root of a second: a crystal that warms up
_TIME_FLOOR_S = 1e-6  # resolution of device_time_us
_TIME_SIGMA_S = 10e-6  # jitter of the time stamps, before it was seen
_OUTLIER_SIGMAS = 8.0
_OUTLIERS_BELIEVED = 5  # that many in a row are the clock's, not the stamp's fault


class ChipClock:
    """Maps the sample index of one chip to seconds. Not thread-safe; its owner locks.

    Indices only grow, and so do the times: where stamps go back, time goes on from where it was.
    """

    def __init__(self, nominal_rate_hz: float) -> None:
        self._nominal_period_s = 1.0 / nominal_rate_hz
        self._period_s = self._nominal_period_s
        self._index = np.empty(_ANCHORS_KEPT)
        self._time_s = np.empty(_ANCHORS_KEPT)
        self._count = 0
        self._last_index, self._last_s = 0.0, 0.0
        self._observed = False

    @property
    def period_s(self) -> float:
        """The best estimate of the time between two samples."""
        return self._period_s

    def pin(self, index: float) -> None:
        """Freeze the map up to `index`, whatever comes after it."""
        self._anchor(index, self.time(index))

    def begin(self, index: float, time_s: float) -> None:
        """Set a point of the map, and forget what was learnt of the crystal (start, restart, step of the clock)."""
        if self._count:
            # Only ever forward, by at least a part of a sample.
            nearest_s = self._last_s + 0.01 * self._nominal_period_s
            time_s = max(time_s, nearest_s)
        self._period_s = self._nominal_period_s
        self._at_index, self._at_s = index, time_s
        self._var_time = _TIME_SIGMA_S**2
        self._cov = 0.0
        self._var_period = (_PERIOD_SIGMA * self._nominal_period_s) ** 2
        self._var_stamp = _TIME_SIGMA_S**2
        self._outliers = 0
        self._observed = False
        self._anchor(index, time_s)

    def observe(self, index: float, time_s: float, count: int) -> None:
        """Take in the stamps of `count` blocks, summed up as one: sample `index` was taken at `time_s`."""
        if not self._count:
            self.begin(index, time_s)
        n = index - self._at_index
        if n < 0:
            return
        elapsed_s = n * self._nominal_period_s
        walk = (_PERIOD_WALK * self._nominal_period_s) ** 2 * elapsed_s
        # Predict at `index`.
        predicted_s = self._at_s + n * self._period_s
        var_time = self._var_time + 2.0 * n * self._cov + n * n * (self._var_period + walk / 3.0)
        cov = self._cov + n * (self._var_period + 0.5 * walk)
        var_period = self._var_period + walk
        var_stamp = self._var_stamp / count
        innovation_s = time_s - predicted_s
        expected = var_time + var_stamp
        if self._observed and innovation_s * innovation_s > _OUTLIER_SIGMAS**2 * expected + _TIME_FLOOR_S**2:
            self._outliers += 1
            self._var_stamp *= 2.0  # else stamps that scatter much would all be outliers
            if self._outliers >= _OUTLIERS_BELIEVED:
                self.begin(index, time_s)
            return
        self._outliers = 0
        self._observed = True
        gain_time, gain_period = var_time / expected, cov / expected
        self._at_index, self._at_s = index, predicted_s + gain_time * innovation_s
        self._period_s += gain_period * innovation_s
        self._var_time = (1.0 - gain_time) * var_time
        self._var_period = max(var_period - gain_period * cov, 0.0)
        self._cov = (1.0 - gain_time) * cov
        # What the stamps really scatter by, slowly learnt, so that good stamps are trusted and bad ones averaged.
        self._var_stamp += 0.02 * (max(count * innovation_s * innovation_s, _TIME_FLOOR_S**2 / 12) - self._var_stamp)
        if (self._at_index - self._last_index) * self._nominal_period_s >= ANCHOR_EVERY_S:
            self._anchor(self._at_index, self._at_s)

    def _anchor(self, index: float, time_s: float) -> None:
        if self._count and index <= self._last_index:
            self._count -= 1  # the same sample again: the newer word counts
        elif self._count and time_s <= self._last_s:
            return
        if self._count == _ANCHORS_KEPT:
            half = _ANCHORS_KEPT // 2
            self._index[:half] = self._index[half:]
            self._time_s[:half] = self._time_s[half:]
            self._count = half
        self._index[self._count], self._time_s[self._count] = index, time_s
        self._last_index, self._last_s = float(index), float(time_s)
        self._count += 1

    def times(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Seconds of sample indices (float64 [n], ascending; fractions allowed). Beyond the anchors: extrapolated."""
        first, last = self._index[0], self._last_index
        if len(index) == 0:
            return index.copy()
        low = max(int(np.searchsorted(self._index[: self._count], index[0], side="right")) - 1, 0)
        high = int(np.searchsorted(self._index[: self._count], index[-1], side="right")) + 1
        time_s = np.interp(index, self._index[low : min(high, self._count)], self._time_s[low : min(high, self._count)])
        if index[0] < first:
            before = index < first
            time_s[before] = self._time_s[0] + (index[before] - first) * self._period_s
        if index[-1] > last:
            after = index > last
            time_s[after] = self._last_s + (index[after] - last) * self._period_s
        return time_s

    def time(self, index: float) -> float:
        """Seconds of one sample index."""
        if index >= self._last_index:
            return self._last_s + (index - self._last_index) * self._period_s
        return float(self.times(np.array([float(index)]))[0])

    def index(self, time_s: float) -> float:
        """The sample index, with fraction, at a time in seconds: the inverse of `time`."""
        if time_s <= self._time_s[0]:
            return float(self._index[0] + (time_s - self._time_s[0]) / self._period_s)
        if time_s >= self._last_s:
            return self._last_index + (time_s - self._last_s) / self._period_s
        after = int(np.searchsorted(self._time_s[: self._count], time_s, side="right"))
        return float(np.interp(time_s, self._time_s[after - 1 : after + 1], self._index[after - 1 : after + 1]))
