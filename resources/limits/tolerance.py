"""What events are held against: ITIC, SEMI F47, and the classes in which EN 50160 counts them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from resources.limits.document import Status, load, sources, worst_status

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Curve:
    """Residual voltage over duration.

    points: (duration in s, residual in % of the reference voltage), durations rising; two points of the same duration
    are a step, between others the line is straight over the logarithm of the duration.
    """

    points: Points
    status: Status
    source: str


@dataclass(frozen=True)
class Itic:
    """Envelope of the ITI (CBEMA) curve: at or below `upper` and at or above `lower` equipment goes on working."""

    name: str
    edition: str
    upper: Curve
    lower: Curve


@dataclass(frozen=True)
class SemiF47:
    """Sags on or above `required` (up to its last duration) and `recommended` have to be, should be ridden through."""

    name: str
    edition: str
    required: Curve
    recommended: Curve


@dataclass(frozen=True)
class EventGrid:
    """Classes of EN 50160 for dips or swells, residual voltage in rows, duration in columns.

    bound_pct: a dip is below, a swell above it, % of the reference. residual_from_pct: lower end of each row, itself
    included, falling. from_s: shortest duration that counts. up_to_s: upper end of each column, itself included.
    """

    kind: Literal["dips", "swells"]
    bound_pct: float
    residual_from_pct: tuple[float, ...]
    from_s: float
    up_to_s: tuple[float, ...]
    status: Status
    source: str


@cache
def itic() -> Itic:
    """The ITI (CBEMA) curve."""
    document = load("itic")
    return Itic(document["name"], document["edition"], _curve(document["upper"]), _curve(document["lower"]))


@cache
def semi_f47(nominal_frequency_hz: float = 50.0) -> SemiF47:
    """SEMI F47; one part of the recommendation is given in cycles. ValueError for a frequency that is not above 0."""
    if not nominal_frequency_hz > 0:
        raise ValueError("Give the nominal frequency in hertz, above 0.")
    document = load("semi-f47")
    required = _curve(document["required"])
    short, long = document["recommended"], document["recommended_long"]
    short_s = float(short["zero_for_cycles"]) / nominal_frequency_hz
    points = ((0.0, 0.0), (short_s, 0.0), (short_s, required.points[0][1]), *required.points[1:])
    parts = [short, document["required"], long]
    recommended = Curve(points + _points(long), worst_status(parts), sources(parts))
    return SemiF47(document["name"], document["edition"], required, recommended)


@cache
def event_grid(kind: Literal["dips", "swells"]) -> EventGrid:
    """Classes of EN 50160. ValueError for another kind."""
    if kind not in ("dips", "swells"):
        raise ValueError(f'There are no classes for "{kind}"; choose dips or swells.')
    part = load("en50160-lv")["events"][kind]
    return EventGrid(
        kind=kind,
        bound_pct=float(part["below_pct" if kind == "dips" else "above_pct"]),
        residual_from_pct=tuple(float(value) for value in part["residual_from_pct"]),
        from_s=float(part["longer_than_s"][0]),
        up_to_s=tuple(float(value) for value in part["up_to_s"]),
        status=worst_status(part),
        source=sources(part),
    )


@cache
def short_interruption_s() -> float:
    """Longest short interruption by EN 50160, s."""
    return float(load("en50160-lv")["events"]["interruptions"]["short_up_to_s"])


def _curve(part: dict[str, Any]) -> Curve:
    return Curve(_points(part), worst_status(part), sources(part))


def _points(part: dict[str, Any]) -> Points:
    """Points of a part, or of the parts within it one after the other."""
    if "points_s_pct" not in part:
        return tuple(point for inner in part.values() for point in _points(inner))
    return tuple((float(duration_s), float(residual_pct)) for duration_s, residual_pct in part["points_s_pct"])
