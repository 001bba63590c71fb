"""Outline and cells as square pictures that are painted once, so that a drag paints only what comes into view."""

from __future__ import annotations

from collections import OrderedDict

from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter, QPixmap

from widgets.map.cells import CellGrid
from widgets.map.outline_painter import paint_outline
from widgets.map.projection import Window
from widgets.map.tiles import tiles
from widgets.theme import Theme

_SIDE_PX = 320


class PictureCache:
    """Keeps about three times as many squares as are seen."""

    def __init__(self) -> None:
        self._grid = CellGrid()
        self._pictures: OrderedDict[tuple[object, ...], QPixmap] = OrderedDict()

    def set_cells(self, grid: CellGrid) -> None:
        """Other cells: everything is painted anew."""
        self._grid = grid
        self._pictures.clear()

    def draw(self, painter: QPainter, window: Window, theme: Theme, home: int | None, ratio: float) -> None:
        """Draw what the window shows."""
        left, top = round(window.left * window.scale), round(window.top * window.scale)
        for row in range(top // _SIDE_PX, (top + window.height - 1) // _SIDE_PX + 1):
            for column in range(left // _SIDE_PX, (left + window.width - 1) // _SIDE_PX + 1):
                key = (window.scale, column, row, theme, home, ratio)
                picture = self._pictures.get(key)
                if picture is None:
                    picture = self._pictures[key] = self._painted(window.scale, column, row, theme, home, ratio)
                self._pictures.move_to_end(key)
                painter.drawPixmap(column * _SIDE_PX - left, row * _SIDE_PX - top, picture)
        enough = 3 * (window.width // _SIDE_PX + 2) * (window.height // _SIDE_PX + 2)
        while len(self._pictures) > enough:
            self._pictures.popitem(last=False)

    def _painted(self, scale: float, column: int, row: int, theme: Theme, home: int | None, ratio: float) -> QPixmap:
        x, y = (column + 0.5) * _SIDE_PX / scale, (row + 0.5) * _SIDE_PX / scale
        picture = QPixmap(round(_SIDE_PX * ratio), round(_SIDE_PX * ratio))
        picture.setDevicePixelRatio(ratio)
        painter = QPainter(picture)
        paint_outline(painter, Window(x, y, scale, _SIDE_PX, _SIDE_PX), theme, home)
        # Cells fall on whole device px.
        self._draw_cells(painter, Window(x, y, scale * ratio, picture.width(), picture.height()), theme, ratio)
        painter.end()
        return picture

    def _draw_cells(self, painter: QPainter, window: Window, theme: Theme, ratio: float) -> None:
        if not len(self._grid):
            return
        found = self._grid.picture(window, tiles(theme, *self._grid.tile_size(window), ratio))
        if found is not None:
            left, top, pixels = found
            height, width = pixels.shape
            image = QImage(pixels.data, width, height, width * 4, QImage.Format.Format_ARGB32_Premultiplied)
            image.setDevicePixelRatio(ratio)
            painter.drawImage(QPointF(left / ratio, top / ratio), image)
