"""What the oscilloscope asks for its samples. It pulls; nobody pushes samples through signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

RAW_POINTS = 1 << 30
"""A `max_points` that never asks for an envelope."""


class Trace(Protocol):
    """One channel over a span.

    key: "V1" ... "IN". time_s: float64 [m], module clock, ascending. value: float32 [m] in V or A, NaN where samples
    are missing. envelope: the points are the extremes of bins, anchored to the absolute sample index, in the order
    of time; then low, high: float32 [bins] (NaN for an empty bin), m = 2 bins; else both are None.
    """

    @property
    def key(self) -> str: ...
    @property
    def time_s(self) -> NDArray[np.float64]: ...
    @property
    def value(self) -> NDArray[np.float32]: ...
    @property
    def envelope(self) -> bool: ...
    @property
    def low(self) -> NDArray[np.float32] | None: ...
    @property
    def high(self) -> NDArray[np.float32] | None: ...


class WaveformSource(Protocol):
    """The last minutes of all channels. All times are seconds of the module's clock."""

    def latest_s(self) -> float | None:
        """Time of the newest sample that all channels have; None before the first."""

    def oldest_s(self) -> float | None:
        """Time of the oldest sample kept; None before the first."""

    def read(
        self, start_s: float, stop_s: float, max_points: int, channels: Sequence[str] | None = None
    ) -> Sequence[Trace]:
        """The channels (all if None) from start to stop, at most `max_points` points each: samples, else extremes."""

    def gaps(self, start_s: float, stop_s: float) -> list[tuple[float, float]]:
        """Spans without samples that touch start to stop."""
