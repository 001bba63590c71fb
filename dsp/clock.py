"""The clock of a front-end chip against the module's clock, fitted from the time stamps of its blocks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

MEMORY_S = 10.0
"""Time constant of the fit: averages the 1 us resolution of the stamps, follows the crystal's temperature."""

RATE_TOLERANCE = 0.03
STAMP_TOLERANCE_S = 0.5e-3
FIT_SPAN_S = 0.05


class ChipClock:
    """time = anchor + (index - anchor index) / rate, by least squares with exponential forgetting.

    Until the stamps span 50 ms, and always where `exact`, the nominal rate holds.
    """

    def __init__(self, nominal_rate_hz: float, *, exact: bool = False) -> None:
        self.nominal_rate_hz = nominal_rate_hz
        self.exact = exact
        self.reset()

    def reset(self) -> None:
        """Forget every stamp."""
        self.started = False
        self.rate_hz = self.nominal_rate_hz
        self._anchor_index = 0
        self._anchor_s = 0.0
        self._last_index = 0
        self._last_s = 0.0
        self._first_index = 0
        # Sums over the stamps of 1, x, y, xx, xy with weights; x in s by the nominal rate and y the stamp's excess
        # over x, both relative to the last stamp, so that nothing large is subtracted.
        self._sums = np.zeros(5)

    def stamp(self, index: int, time_s: float) -> bool:
        """Take the time of a sample on the module's clock (s, finite).

        False where it contradicts the stamps so far (the clock jumped): the fit then begins anew with it.
        """
        if not self.started:
            self._begin(index, time_s)
            return True
        if self.exact:
            return True
        dx = (index - self._last_index) / self.nominal_rate_hz
        dt = time_s - self._last_s
        if abs(dt - dx) > STAMP_TOLERANCE_S + RATE_TOLERANCE * abs(dx):
            self.reset()
            self._begin(index, time_s)
            return False
        if dx <= 0.0:
            return True
        n, x, y, xx, xy = self._sums.tolist()
        dy = dt - dx
        # Move the origin of x and y to the new stamp, fade, and add it (at the origin: only n grows).
        xy += -dx * y - dy * x + dx * dy * n
        xx += -2.0 * dx * x + dx * dx * n
        x -= dx * n
        y -= dy * n
        fade = math.exp(-dx / MEMORY_S)
        n, x, y, xx, xy = n * fade + 1.0, x * fade, y * fade, xx * fade, xy * fade
        self._sums[:] = n, x, y, xx, xy
        self._last_index, self._last_s = index, time_s
        slope = 0.0
        if (index - self._first_index) / self.nominal_rate_hz >= FIT_SPAN_S:
            spread = n * xx - x * x
            slope = (n * xy - x * y) / spread if spread > 1e-9 * n * dx * dx else 0.0
            slope = min(max(slope, -RATE_TOLERANCE), RATE_TOLERANCE)
        self.rate_hz = self.nominal_rate_hz / (1.0 + slope)
        self._anchor_index = index
        self._anchor_s = time_s + (y - slope * x) / n
        return True

    def _begin(self, index: int, time_s: float) -> None:
        self.started = True
        self._first_index = self._last_index = self._anchor_index = index
        self._last_s = self._anchor_s = time_s
        self._sums[0] = 1.0

    def time_s(self, index: float) -> float:
        """Module time of a sample, which may lie between two (s)."""
        return self._anchor_s + (index - self._anchor_index) / self.rate_hz

    def index_at(self, time_s: float) -> float:
        """Sample, fractional, at a module time (s)."""
        return self._anchor_index + (time_s - self._anchor_s) * self.rate_hz

    def times_s(self, first: int, count: int) -> NDArray[np.float64]:
        """Module times of `count` samples from `first` on (s)."""
        start = self.time_s(first)
        return start + np.arange(count) / self.rate_hz

    def indices_at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Samples, fractional, at module times (s)."""
        return self._anchor_index + (times_s - self._anchor_s) * self.rate_hz
