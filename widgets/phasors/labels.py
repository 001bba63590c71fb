"""Places for the names of the arrows, so that none lies on another or on an arrow. No drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QPointF, QRectF, QSizeF

from widgets.phasors.model import Arrow

_KEEP = 0.6
"""An earlier place is left only for one that is this much better, so that names do not jump."""

Place = tuple[float, float, float]
"""Where along the arrow (share of its length), how far past that and how far beside it (px, + to its left)."""


def tip_of(arrow: Arrow, centre: QPointF, radius: float) -> QPointF:
    """Tip of an arrow in px."""
    angle = math.radians(arrow.angle_deg)
    length = arrow.length * radius
    return QPointF(centre.x() + length * math.cos(angle), centre.y() - length * math.sin(angle))


def place_labels(
    arrows: Sequence[Arrow],
    sizes: Mapping[str, QSizeF],
    centre: QPointF,
    radius: float,
    before: Mapping[str, Place],
) -> tuple[dict[str, QRectF], dict[str, Place]]:
    """Rectangles by channel, and the places they took (to be handed in again as `before`)."""
    tips = {arrow.channel: tip_of(arrow, centre, radius) for arrow in arrows}
    rects: dict[str, QRectF] = {}
    places: dict[str, Place] = {}
    for arrow in sorted(arrows, key=lambda entry: -entry.length):
        size = sizes[arrow.channel]
        best: tuple[float, Place, QRectF] | None = None
        candidates = list(enumerate(_candidates(arrow, size)))
        kept = before.get(arrow.channel)
        # The earlier place is looked at first: where it is free the others need not be.
        candidates.sort(key=lambda entry: entry[1] != kept)
        for rank, place in candidates:
            rect = _rect(arrow, place, size, centre, radius)
            crowding = _crowding(rect, arrow.channel, centre, radius, tips, rects)
            cost = 0.15 * rank + crowding - (_KEEP if place == kept else 0.0)
            if best is None or cost < best[0]:
                best = (cost, place, rect)
            if place == kept and crowding <= 0.0:
                break
        assert best is not None
        _, places[arrow.channel], rects[arrow.channel] = best
    return rects, places


def _candidates(arrow: Arrow, size: QSizeF) -> list[Place]:
    beside = size.width() / 2 + 5
    upward = 1.0 if math.cos(math.radians(arrow.angle_deg)) > 0 else -1.0
    along = (0.86, 0.7, 1.0, 0.55, 0.4) if arrow.is_voltage else (1.0, 0.86, 0.7, 0.55, 0.4)
    places = [(share, 0.0, side * upward * beside) for share in along for side in (1.0, -1.0)]
    return places if arrow.is_voltage else [(1.0, size.width() / 2 + 4, 0.0), *places]


def _rect(arrow: Arrow, place: Place, size: QSizeF, centre: QPointF, radius: float) -> QRectF:
    angle = math.radians(arrow.angle_deg)
    along, beside = place[0] * arrow.length * radius + place[1], place[2]
    # A label is wider than high: beside a level arrow it may stand closer than beside an upright one.
    beside *= (abs(math.sin(angle)) * size.width() + abs(math.cos(angle)) * size.height() + 8) / (size.width() + 10)
    x = centre.x() + along * math.cos(angle) - beside * math.sin(angle)
    y = centre.y() - along * math.sin(angle) - beside * math.cos(angle)
    return QRectF(round(x - size.width() / 2), round(y - size.height() / 2), size.width(), size.height())


def _crowding(
    rect: QRectF,
    channel: str,
    centre: QPointF,
    radius: float,
    tips: Mapping[str, QPointF],
    placed: Mapping[str, QRectF],
) -> float:
    """How badly a name stands there: on other names, on arrows (a quarter for each px covered), over the circle."""
    near = rect.adjusted(-2, -1, 2, 1)
    cost = sum(12.0 for other in placed.values() if other.intersects(near))
    for name, tip in tips.items():
        cost += min(8.0, (0.25 if name != channel else 0.18) * _covered(near, centre, tip))
    corners = (rect.topLeft(), rect.topRight(), rect.bottomLeft(), rect.bottomRight())
    reach = max(math.hypot(corner.x() - centre.x(), corner.y() - centre.y()) for corner in corners)
    return cost + (6.0 if reach > radius - 1 else 0.0)


def _covered(rect: QRectF, start: QPointF, end: QPointF) -> float:
    """Length of the line from start to end inside the rectangle, px (clipped side by side, Liang and Barsky)."""
    x, y = start.x(), start.y()
    dx, dy = end.x() - x, end.y() - y
    enter, leave = 0.0, 1.0
    for step, room in (
        (-dx, x - rect.left()),
        (dx, rect.right() - x),
        (-dy, y - rect.top()),
        (dy, rect.bottom() - y),
    ):
        if step == 0.0:
            if room < 0.0:
                return 0.0
        elif step < 0.0:
            enter = max(enter, room / step)
        else:
            leave = min(leave, room / step)
    return max(0.0, leave - enter) * math.hypot(dx, dy)
