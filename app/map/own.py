"""What the own module measured, in the quantities of the community map: means of 10 minutes, else the last windows."""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dsp.measurement import Measurement

ORDERS = tuple(range(3, 41, 2))
"""Odd harmonics that the map shows."""
FRESH_S = 900.0
"""Means of 10 minutes that ended longer ago are no present any more."""

_WINDOWS = 50
_WINDOWS_NS = 10 * 10**9
"""Windows, or readings, whose median stands in for 10 minutes: those of the last 10 s."""
_TENS = 288
"""Means of 10 minutes that are remembered: two days, as far back as the map's trends reach."""
_UNUSABLE = frozenset(["gap", "no-fundamental", "dead-channel"])


class OwnPoint(NamedTuple):
    """A mean of 10 minutes. middle_s: of its interval, epoch seconds; distortions in % of the fundamental."""

    middle_s: float
    thv_pct: float | None
    thi_pct: float | None


@dataclass(frozen=True)
class Own:
    """Present values in %, the mean of all phases; None where not measured. basis: what they are, "" for nothing.
    trend: what there is of the last two days."""

    thv_pct: float | None = None
    thi_pct: float | None = None
    harmonics_pct: Mapping[int, float | None] = field(default_factory=dict)
    basis: str = ""
    trend: tuple[OwnPoint, ...] = ()


class OwnValues:
    """Keeps the last windows and the means of 10 minutes of one module. Safe from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: deque[Measurement] = deque(maxlen=_WINDOWS)
        self._tens: deque[Measurement] = deque(maxlen=_TENS)

    def clear(self) -> None:
        """Another module, or none."""
        with self._lock:
            self._windows.clear()
            self._tens.clear()

    def add(self, measurement: Measurement) -> None:
        """Take a window or 10 minutes; without a fundamental there is nothing to compare."""
        if _UNUSABLE.intersection(measurement.flags) and measurement.window != "10min":
            return
        with self._lock:
            if measurement.window == "10min":
                self._tens.append(measurement)
            elif measurement.window == "10/12-cycle":
                self._windows.append(measurement)

    def present(self, now_s: float) -> Own:
        """The values at this time (epoch seconds)."""
        with self._lock:
            windows, tens = list(self._windows), list(self._tens)
        trend = tuple(_point(ten) for ten in tens)
        if tens and now_s - tens[-1].end_ns * 1e-9 < FRESH_S and tens[-1].completeness > 0.9:
            return _own(tens[-1:], "mean of the last 10 minutes", trend)
        if windows:
            since_ns = windows[-1].end_ns - _WINDOWS_NS
            windows = [window for window in windows if window.end_ns > since_ns]
            return _own(windows, "median of the last 10 s, no full 10 minutes yet", trend)
        return Own(trend=trend)


def _own(measurements: list[Measurement], basis: str, trend: tuple[OwnPoint, ...]) -> Own:
    def median(numbers: Iterable[float | None]) -> float | None:
        known = [number for number in numbers if number is not None]
        return statistics.median(known) if known else None

    return Own(
        median(_mean(measurement, "THV") for measurement in measurements),
        median(_mean(measurement, "THI") for measurement in measurements),
        {order: median(_mean_order(measurement, order) for measurement in measurements) for order in ORDERS},
        basis,
        trend,
    )


def _point(ten: Measurement) -> OwnPoint:
    return OwnPoint(ten.end_ns * 1e-9 - 300.0, _mean(ten, "THV"), _mean(ten, "THI"))


def _mean(measurement: Measurement, key: str) -> float | None:
    return _of(measurement.values.get(f"{key}{phase}") for phase in "123")


def _mean_order(measurement: Measurement, order: int) -> float | None:
    return _of(measurement.values.get(f"{phase}V{order}") for phase in "123")


def _of(numbers: Iterable[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None
