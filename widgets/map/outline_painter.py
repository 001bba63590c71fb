"""Land, coasts and borders, painted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from resources import outline
from widgets.map.projection import Window, x_of, y_of
from widgets.theme import Theme

_FINE_FROM_PX = 5000.0
"""Px a world from which the finer outline is used."""

_NEIGHBOUR = 0.55
"""Strength of the borders that are not those of one's own country."""


@dataclass(frozen=True)
class _Lines:
    """Lines in world units with the box of each (left, top, right, bottom)."""

    points: tuple[NDArray[np.float64], ...]
    boxes: NDArray[np.float64]

    @classmethod
    def of(cls, lines: Sequence[NDArray[np.float64]]) -> _Lines:
        points = tuple(np.column_stack([x_of(line[:, 0]), y_of(line[:, 1])]) for line in lines)
        boxes = np.array([[*line.min(axis=0), *line.max(axis=0)] for line in points])
        return cls(points, boxes)

    def polygons(self, window: Window) -> Iterator[QPolygonF]:
        """What is seen of them, in px. Points that fall on one pixel are left out."""
        right = window.left + window.width / window.scale
        bottom = window.top + window.height / window.scale
        x0, y0, x1, y1 = self.boxes.T
        size = np.maximum(x1 - x0, y1 - y0) * window.scale
        for turn in (-1.0, 0.0, 1.0):
            seen = (x1 + turn > window.left) & (x0 + turn < right) & (y1 > window.top) & (y0 < bottom) & (size > 0.6)
            for index in np.flatnonzero(seen):
                line = self.points[index]
                x = (line[:, 0] + turn - window.left) * window.scale
                y = (line[:, 1] - window.top) * window.scale
                keep = _apart(x, y)
                yield arrayToQPolygonF(x[keep], y[keep])


def _apart(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    column, row = np.rint(x), np.rint(y)
    keep = np.ones(len(x), bool)
    keep[1:-1] = (column[1:-1] != column[:-2]) | (row[1:-1] != row[:-2])
    return keep


@cache
def _level(level: int) -> tuple[_Lines, _Lines, _Lines]:
    world = outline.outline(level)
    return _Lines.of(world.rings), _Lines.of(world.coasts), _Lines.of(world.borders)


@cache
def _country_rings(country: int) -> _Lines:
    world = outline.outline(50)
    return _Lines.of([ring for ring, owner in zip(world.rings, world.ring_countries, strict=True) if owner == country])


@cache
def country_at(latitude_deg: float, longitude_deg: float) -> int | None:
    """The country around a point, an index into `outline.countries().names`; None at sea."""
    world = outline.outline(50)
    for ring, owner in zip(world.rings, world.ring_countries, strict=True):
        for turn in (0.0, 360.0, -360.0):
            longitude = longitude_deg + turn
            if not ring[:, 0].min() <= longitude <= ring[:, 0].max():
                continue
            x, y = ring[:, 0], ring[:, 1]
            crosses = np.flatnonzero((y[:-1] > latitude_deg) != (y[1:] > latitude_deg))
            slope = (x[crosses + 1] - x[crosses]) / (y[crosses + 1] - y[crosses])
            if np.count_nonzero(x[crosses] + (latitude_deg - y[crosses]) * slope > longitude) % 2:
                return int(owner)
    return None


def paint_outline(painter: QPainter, window: Window, theme: Theme, home: int | None = None) -> None:
    """Sea, land, coasts, borders; the borders of the country `home` are stronger."""
    painter.fillRect(0, 0, window.width, window.height, theme.colour("sea"))
    fine = window.scale >= _FINE_FROM_PX
    land, coasts, borders = _level(50 if fine else 110)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # One by one: a path of all of them costs ten times as much. The borders cover the seams.
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.colour("land"))
    for polygon in land.polygons(window):
        painter.drawPolygon(polygon)
    line = theme.colour("coast")
    painter.setPen(QPen(theme.blend(line, "land", _NEIGHBOUR), 1))
    for lines in (borders, coasts):
        for polygon in lines.polygons(window):
            painter.drawPolyline(polygon)
    if home is not None and fine:
        painter.setPen(QPen(theme.blend(theme.colour("text3"), "land", 0.9), 1))
        for polygon in _country_rings(home).polygons(window):
            painter.drawPolyline(polygon)
