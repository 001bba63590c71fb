"""Names on the map: countries and places, the greatest first, none upon another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPainterPath, QPen, QPixmap

from resources import outline
from widgets.controls.painting import font
from widgets.map.cells import CellGrid, Covered
from widgets.map.projection import Window, x_of, y_of
from widgets.theme import Theme

_PLACES_FROM_PX = 4000.0
"""Px a world from which places have names."""

_MARGIN_PX = 120
_RIM = 3
_PX_A_PLACE = 24_000.0
"""Area that a place has to itself."""

_COUNTRY_FROM = 0.9
"""A country has a name when its largest part is so many times as wide as the name..."""

_COUNTRY_TO = 6.0
"""... and no longer when it is so many times as wide as the view."""

_SHORT = {"United States of America": "United States"}
"""Names that are wider than need be."""


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
    names = tuple(_SHORT.get(countries.names[index], countries.names[index]).upper() for index in order)
    # Mercator magnifies by 1 / cos(latitude); the area is in square degrees at the equator.
    side = np.sqrt(countries.area / np.cos(np.radians(latitude)) ** 2) / 360.0
    return _Names(names, x_of(longitude[order]), y_of(latitude[order])), side[order]


@cache
def _font(is_country: bool) -> QFont:
    if not is_country:
        return font("hint-medium")
    spaced = QFont(font("hint"))
    spaced.setLetterSpacing(QFont.SpacingType.AbsoluteSpacing, 1.4)
    return spaced


@dataclass(frozen=True)
class _Placed:
    """A name with its upper left corner in px of the window it was placed for."""

    text: str
    is_country: bool
    corner: QPointF


class Labels:
    """Chooses names and places for them, and keeps both while the map is dragged over a short way."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._window: Window | None = None

    def forget(self) -> None:
        """Place all names anew the next time."""
        self._window = None

    def draw(
        self, painter: QPainter, window: Window, theme: Theme, grid: CellGrid, taken: list[QRectF], ratio: float
    ) -> None:
        """Draw what has room; `taken`: boxes that are kept free."""
        shift = self._shift(window)
        if shift is None:
            self._place(window, grid, taken)
            shift = QPointF(0, 0)
        for name in self._placed:
            painter.drawPixmap(name.corner + shift, _picture(name.text, name.is_country, theme, ratio))

    def _shift(self, window: Window) -> QPointF | None:
        """Way since the names were placed; None where they have to be placed anew."""
        old = self._window
        if old is None or (old.scale, old.width, old.height) != (window.scale, window.width, window.height):
            return None
        east = ((window.x - old.x + 0.5) % 1.0 - 0.5) * window.scale
        south = (window.y - old.y) * window.scale
        return None if max(abs(east), abs(south)) > _MARGIN_PX else QPointF(-round(east), -round(south))

    def _place(self, window: Window, grid: CellGrid, taken: list[QRectF]) -> None:
        self._window = window
        self._placed = []
        # Names beyond the edge are placed too: they come into view by dragging.
        wide = replace(window, width=window.width + 2 * _MARGIN_PX, height=window.height + 2 * _MARGIN_PX)
        boxes = [box.translated(_MARGIN_PX, _MARGIN_PX) for box in taken]
        # ... but none upon it: half a name is no name.
        left, top = float(_MARGIN_PX), float(_MARGIN_PX)
        right, bottom = left + window.width, top + window.height
        boxes += [QRectF(left - 1, top, 2, window.height), QRectF(right - 1, top, 2, window.height)]
        boxes += [QRectF(left, top - 1, window.width, 2), QRectF(left, bottom - 1, window.width, 2)]
        if window.scale >= _PLACES_FROM_PX:
            self._place_places(wide, grid.covered(wide), boxes)
        self._place_countries(wide, boxes)

    def _place_places(self, window: Window, covered: Covered, boxes: list[QRectF]) -> None:
        names = _places()
        px, py = window.pixel(names.x, names.y)
        seen = np.flatnonzero((px > 0) & (px < window.width) & (py > 0) & (py < window.height))
        room = int(window.width * window.height / _PX_A_PLACE) + 2
        metrics = QFontMetricsF(_font(False))
        height = metrics.height()
        for index in seen[: 3 * room].tolist():
            if room <= 0:
                break
            text = names.names[index]
            width = metrics.horizontalAdvance(text)
            left, top = round(px[index] - width / 2), round(py[index])
            above, beside = round(-12 - height), round(-height / 2)
            steps = ((0, 12), (0, above), (width / 2 + 20, beside), (-width / 2 - 20, beside))
            # A name may stand beside cells, and upon them only where there is no other room.
            best, least = None, 0
            for dx, dy in steps:
                box = QRectF(left + dx, top + dy, width, height)
                if not _has_room(box.adjusted(-6, -3, 6, 3), boxes):
                    continue
                count = covered(int(box.left()) - 3, int(box.top()), int(box.right()) + 5, int(box.bottom()) + 2)
                if best is None or count < least:
                    best, least = box, count
                if not count:
                    break
            if best is not None:
                self._add(text, False, best, boxes)
                room -= 1

    def _place_countries(self, window: Window, boxes: list[QRectF]) -> None:
        names, side = _countries()
        px, py = window.pixel(names.x, names.y)
        seen = (px > 0) & (px < window.width) & (py > 0) & (py < window.height)
        seen &= side * window.scale < _COUNTRY_TO * window.width
        metrics = QFontMetricsF(_font(True))
        for index in np.flatnonzero(seen).tolist():
            text = names.names[index]
            width, height = metrics.horizontalAdvance(text), metrics.height()
            box = QRectF(round(px[index] - width / 2), round(py[index] - height / 2), width, height)
            if side[index] * window.scale >= width * _COUNTRY_FROM and _has_room(box.adjusted(-8, -6, 8, 6), boxes):
                self._add(text, True, box, boxes)

    def _add(self, text: str, is_country: bool, box: QRectF, boxes: list[QRectF]) -> None:
        boxes.append(box)
        corner = box.topLeft() - QPointF(_MARGIN_PX + _RIM, _MARGIN_PX + _RIM)
        self._placed.append(_Placed(text, is_country, corner))


def _has_room(box: QRectF, boxes: list[QRectF]) -> bool:
    return not any(box.intersects(other) for other in boxes)


@lru_cache(maxsize=1500)
def _picture(text: str, is_country: bool, theme: Theme, ratio: float) -> QPixmap:
    """A name with a rim in the colour of the land, so that borders and cells do not run into it."""
    text_font = _font(is_country)
    metrics = QFontMetricsF(text_font)
    width, height = ceil(metrics.horizontalAdvance(text)) + 2 * _RIM, ceil(metrics.height()) + 2 * _RIM
    picture = QPixmap(round(width * ratio), round(height * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    base = QPointF(_RIM, _RIM + metrics.ascent())
    path = QPainterPath()
    path.addText(base, text_font, text)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    rim = QPen(theme.colour("land"), 3)
    rim.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.strokePath(path, rim)
    painter.setFont(text_font)
    painter.setPen(theme.colour("text3" if is_country else "text"))
    painter.drawText(base, text)
    painter.end()
    return picture
