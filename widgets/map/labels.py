"""Names on the map: countries and places, the greatest first, none upon another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPainterPath, QPen

from resources import outline
from widgets.controls.painting import font
from widgets.map.projection import Window, x_of, y_of
from widgets.theme import Theme
from widgets.theme import font as theme_font

_PLACES_FROM_PX = 4000.0
"""Px a world from which places have names."""

_PX_A_PLACE = 34_000.0
"""Area that a place has to itself."""

_COUNTRY_FROM = 0.9
"""A country has a name when its largest part is so many times as wide as the name..."""

_COUNTRY_TO = 6.0
"""... and no longer when it is so many times as wide as the view."""


IsCell = Callable[[QPointF], bool]


@dataclass(frozen=True)
class _Names:
    names: tuple[str, ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


@cache
def _places() -> _Names:
    places = outline.places()
    longitude, latitude = places.longitude_deg.astype(float), places.latitude_deg.astype(float)
    return _Names(places.names, x_of(longitude), y_of(latitude))


@cache
def _countries() -> tuple[_Names, NDArray[np.float64]]:
    countries = outline.countries()
    longitude, latitude = countries.longitude_deg.astype(float), countries.latitude_deg.astype(float)
    order = np.argsort(-countries.area)
    names = tuple(countries.names[index].upper() for index in order)
    # Mercator magnifies by 1 / cos(latitude); the area is in square degrees at the equator.
    side = np.sqrt(countries.area / np.cos(np.radians(latitude)) ** 2) / 360.0
    return _Names(names, x_of(longitude[order]), y_of(latitude[order])), side[order]


@cache
def _country_font() -> QFont:
    spaced = QFont(theme_font("hint"))
    spaced.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1.4)
    return spaced


def _covered(box: QRectF, is_cell: IsCell) -> int:
    """How many of nine points of a box lie on cells."""
    across, down = (box.left(), box.center().x(), box.right()), (box.top(), box.center().y(), box.bottom())
    return sum(is_cell(QPointF(x, y)) for x in across for y in down)


class Labels:
    """Chooses names for a scale and draws them. Names keep their place while the map is dragged."""

    def draw(self, painter: QPainter, window: Window, theme: Theme, taken: list[QRectF], is_cell: IsCell) -> None:
        """Draw what has room; `taken`: boxes that are kept free; `is_cell`: whether a cell is at a px."""
        boxes = list(taken)
        if window.scale >= _PLACES_FROM_PX:
            self._draw_places(painter, window, theme, boxes, is_cell)
        self._draw_countries(painter, window, theme, boxes)

    def _draw_places(
        self, painter: QPainter, window: Window, theme: Theme, boxes: list[QRectF], is_cell: IsCell
    ) -> None:
        names = _places()
        px, py = window.pixel(names.x, names.y)
        seen = np.flatnonzero((px > 0) & (px < window.width) & (py > 0) & (py < window.height))
        room = int(window.width * window.height / _PX_A_PLACE) + 2
        text_font = font("hint-medium")
        metrics = QFontMetricsF(text_font)
        for index in seen[: 3 * room].tolist():
            if room <= 0:
                break
            text = names.names[index]
            width, height = metrics.horizontalAdvance(text), metrics.height()
            left, top = round(px[index] - width / 2), round(py[index])
            above, beside = round(-12 - height), round(-height / 2)
            steps = ((0, 12), (0, above), (width / 2 + 20, beside), (-width / 2 - 20, beside), (0, 32), (0, above - 20))
            boxes_here = [QRectF(left + dx, top + dy, width, height) for dx, dy in steps]
            free = [
                box for box in boxes_here if not any(box.adjusted(-6, -3, 6, 3).intersects(other) for other in boxes)
            ]
            # A name may stand beside cells, and upon them only where there is no other room.
            box = min(free, key=lambda place: _covered(place, is_cell), default=None)
            if box is not None:
                boxes.append(box)
                _haloed(painter, box, text, text_font, theme, "text")
                room -= 1

    def _draw_countries(self, painter: QPainter, window: Window, theme: Theme, boxes: list[QRectF]) -> None:
        names, side = _countries()
        px, py = window.pixel(names.x, names.y)
        seen = (px > -40) & (px < window.width + 40) & (py > -10) & (py < window.height + 10)
        seen &= side * window.scale < _COUNTRY_TO * window.width
        metrics = QFontMetricsF(_country_font())
        for index in np.flatnonzero(seen).tolist():
            text = names.names[index]
            width = metrics.horizontalAdvance(text)
            if side[index] * window.scale < width * _COUNTRY_FROM:
                continue
            box = QRectF(round(px[index] - width / 2), round(py[index] - metrics.height() / 2), width, metrics.height())
            if not any(box.adjusted(-8, -6, 8, 6).intersects(other) for other in boxes):
                boxes.append(box)
                _haloed(painter, box, text, _country_font(), theme, "text3")


def _haloed(painter: QPainter, box: QRectF, text: str, text_font: QFont, theme: Theme, token: str) -> None:
    """Text with a rim in the colour of the land, so that borders and cells do not run into it."""
    path = _outline_of(text, text_font.toString(), text_font)
    painter.save()
    painter.translate(QPointF(box.left(), box.top() + QFontMetricsF(text_font).ascent()))
    painter.setPen(
        QPen(theme.colour("land"), 3, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin)
    )
    painter.drawPath(path)
    painter.restore()
    painter.setFont(text_font)
    painter.setPen(theme.colour(token))
    painter.drawText(box.adjusted(-2, -2, 8, 2), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


_paths: dict[tuple[str, str], QPainterPath] = {}


def _outline_of(text: str, key: str, text_font: QFont) -> QPainterPath:
    if len(_paths) > 2000:
        _paths.clear()
    if (text, key) not in _paths:
        path = QPainterPath()
        path.addText(QPointF(2, 0), text_font, text)
        _paths[text, key] = path
    return _paths[text, key]
