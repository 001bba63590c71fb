"""From the map's answer for a cell and the own values to what the side panel shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from app.community.map_answers import MapDetail, MapMetric
from app.map.cells import STATUS_CODES
from app.map.own import ORDERS, Own
from resources import outline
from resources.geohash import bounds
from resources.parameters import table
from widgets.map.cells import CellStatus
from widgets.map.model import CellDetail, Comparison, Harmonics, Trend
from widgets.numbers import ordinal

KM_A_DEG = 111.2
"""Of latitude."""
NO_PLACE = "Say under Sharing where you are."
NOT_HERE = "Your module is not in this cell."

_NEAR_KM = 60.0
_NEAR_LIMIT = 0.8
_TITLES = {"THV": "voltage distortion, %", "THI": "current distortion, %"}


def cell_detail(detail: MapDetail, own: Own, own_cell: str, around: Sequence[MapDetail]) -> CellDetail:
    """All that is shown of a cell. own_cell: "" where it is not known. around: what is known of the cells beside it."""
    metrics = {metric.key: metric for metric in detail.metrics}
    limits = {order: limit_pct(f"1V{order}") for order in ORDERS}
    cell_pct = {harmonic.order: harmonic.voltage_pct for harmonic in detail.harmonics}
    return CellDetail(
        detail.geohash,
        place_of(detail.geohash),
        size_of(detail.geohash),
        CellStatus(STATUS_CODES[detail.status]),
        _status_text(detail.status, metrics.get("THV"), cell_pct),
        _words(detail.text, own),
        (
            Comparison("THV, voltage", own.thv_pct, _value(detail, "THV"), _mean_of(around, "THV")),
            Comparison("5th harmonic", own.harmonics_pct.get(5), cell_pct.get(5), _mean_order(around, 5)),
            Comparison("THI, current", own.thi_pct, _value(detail, "THI"), _mean_of(around, "THI"), 0),
        ),
        tuple(_trend(key, metrics.get(key), own) for key in _TITLES),
        Harmonics(
            "Odd harmonics of the voltage",
            ORDERS,
            [cell_pct.get(order) for order in ORDERS],
            [own.harmonics_pct.get(order) for order in ORDERS] if own.basis else (),
            [limits[order] for order in ORDERS],
        ),
        NO_PLACE if not own_cell else NOT_HERE if own_cell != detail.geohash else "",
    )


def size_of(cell: str) -> str:
    """Width and height of a cell in words."""
    box = bounds(cell)
    middle_deg = box.centre[0]
    height_km = (box.north_deg - box.south_deg) * KM_A_DEG
    width_km = (box.east_deg - box.west_deg) * KM_A_DEG * math.cos(math.radians(middle_deg))
    return f"{width_km:.0f} × {height_km:.0f} km"


def place_of(cell: str) -> str:
    """The nearest town that the outline knows, "" where there is none within 60 km."""
    latitude_deg, longitude_deg = bounds(cell).centre
    places = outline.places()
    north_km = (places.latitude_deg - latitude_deg) * KM_A_DEG
    east_deg = (places.longitude_deg - longitude_deg + 180.0) % 360.0 - 180.0
    distance_km = np.hypot(north_km, east_deg * KM_A_DEG * math.cos(math.radians(latitude_deg)))
    nearest = int(np.argmin(distance_km))
    return places.names[nearest] if distance_km[nearest] <= _NEAR_KM else ""


@cache
def limit_pct(key: str) -> float | None:
    """From where on the map calls a value critical; None where it has no limit."""
    found = [threshold.low for threshold in table()[key].map_thresholds if threshold.level == "critical"]
    return min(found, default=None)


def _status_text(status: str | None, thv: MapMetric | None, harmonics_pct: dict[int, float | None]) -> str:
    """Which value makes the status; "" where the plain words say all."""
    if status not in ("warning", "critical"):
        return ""
    shares = [
        (value / limit, ordinal(order))
        for order, value in harmonics_pct.items()
        if order in ORDERS and value is not None and (limit := limit_pct(f"1V{order}")) is not None
    ]
    limit = limit_pct("THV1")
    if thv is not None and thv.value is not None and limit is not None:
        shares.append((thv.value / limit, "THV"))
    share, name = max(shares, default=(0.0, ""))
    if share >= 1.0:
        return f"{name} over its limit"
    return f"{name} near its limit" if share >= _NEAR_LIMIT and status == "warning" else ""


def _words(text: str, own: Own) -> str:
    """A line: the own values' first, which the map's words can't replace."""
    yours = f"You: {own.basis}." if own.basis else ""
    return " ".join(filter(None, (yours, text.strip())))


def _value(detail: MapDetail, key: str) -> float | None:
    """The present value, else the last of the trend that there is."""
    metric = next((metric for metric in detail.metrics if metric.key == key), None)
    if metric is None:
        return None
    if metric.value is not None:
        return metric.value
    return next((point.value for point in reversed(metric.trend) if point.value is not None), None)


def _mean_of(details: Sequence[MapDetail], key: str) -> float | None:
    return _mean([_value(detail, key) for detail in details])


def _mean_order(details: Sequence[MapDetail], order: int) -> float | None:
    return _mean([h.voltage_pct for detail in details for h in detail.harmonics if h.order == order])


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return sum(known) / len(known) if known else None


def _trend(key: str, metric: MapMetric | None, own: Own) -> Trend:
    points = sorted(metric.trend) if metric is not None else []
    times_s = [point.time_s for point in points]
    steps_s = np.diff(times_s)
    half_s = max(300.0, float(np.median(steps_s)) / 2) if len(steps_s) else 300.0
    return Trend(
        key,
        _TITLES[key],
        times_s,
        [point.value for point in points],
        [point.lowest for point in points],
        [point.highest for point in points],
        [_own_at(own, key, time_s, half_s) for time_s in times_s],
        limit_pct("THV1") if key == "THV" else None,
    )


def _own_at(own: Own, key: str, time_s: float, half_s: float) -> float | None:
    """The mean of the own 10 minutes in a window of the map."""
    near = [point for point in own.trend if abs(point.middle_s - time_s) <= half_s]
    return _mean([point.thv_pct if key == "THV" else point.thi_pct for point in near])
