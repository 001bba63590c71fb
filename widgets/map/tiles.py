"""The look of one cell: tint, border and symbol of its status."""

from __future__ import annotations

from functools import lru_cache
from math import cos, pi, sin

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

from widgets.map.cells import CellStatus, Tiles
from widgets.theme import Theme

_BORDER_FROM_PX = 8
_SYMBOL_FROM_PX = 15
_TOKENS = {CellStatus.NORMAL: "ok", CellStatus.WARNING: "warnfill", CellStatus.CRITICAL: "bad"}


@lru_cache(maxsize=96)
def tiles(theme: Theme, width: int, height: int, ratio: float = 1.0) -> Tiles:
    """Pictures of cells of so many device px."""
    pixels = np.zeros((len(CellStatus), height, width), np.uint32)
    for status in CellStatus:
        if status is CellStatus.ABSENT:
            continue
        image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.scale(ratio, ratio)
        draw_cell(painter, QRectF(0, 0, width / ratio, height / ratio), status, theme)
        painter.end()
        pixels[status] = np.frombuffer(image.constBits(), np.uint32).reshape(height, -1)[:, :width]
    return Tiles(pixels)


def draw_cell(painter: QPainter, box: QRectF, status: CellStatus, theme: Theme) -> None:
    """A cell with border and symbol as far as they fit."""
    colour = theme.colour(_TOKENS.get(status, "hatch"))
    width, height = box.width(), box.height()
    if min(width, height) < _BORDER_FROM_PX:
        if status is CellStatus.NONE:
            colour = theme.blend(colour, "land", 0.7)
        painter.fillRect(box, colour)
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    inner = box.adjusted(0.5, 0.5, -1.5 if width > 14 else -0.5, -1.5 if width > 14 else -0.5)
    strength = (0.30, 0.85) if theme.is_dark else (0.26, 0.75)
    if status is CellStatus.NONE:
        strength = (0.12, 0.7)
    painter.setPen(QPen(theme.blend(colour, "land", strength[1]), 1))
    painter.setBrush(theme.blend(colour, "land", strength[0]))
    painter.drawRoundedRect(inner, 1.5, 1.5)
    if status is CellStatus.NONE:
        _draw_hatch(painter, inner.adjusted(1, 1, -1, -1), colour)
    elif width >= _SYMBOL_FROM_PX and height >= _SYMBOL_FROM_PX * 0.6:
        # On a whole pixel, so that the symbol is equally sharp in every cell.
        _draw_symbol(
            painter, box.topLeft() + QPointF(int(width / 2), int(height / 2)), min(1.0, height / 17), status, colour
        )


def _draw_hatch(painter: QPainter, box: QRectF, colour: QColor) -> None:
    painter.save()
    painter.setClipRect(box)
    painter.setPen(QPen(colour, 1.1))
    x = box.left() - box.height()
    while x < box.right():
        painter.drawLine(QPointF(x, box.bottom()), QPointF(x + box.height(), box.top()))
        x += 6.0
    painter.restore()


def _draw_symbol(painter: QPainter, middle: QPointF, size: float, status: CellStatus, colour: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    if status is CellStatus.NORMAL:
        painter.drawEllipse(middle, 2.2 * size, 2.2 * size)
    elif status is CellStatus.WARNING:
        points = ((0.0, -5.2), (5.8, 4.8), (-5.8, 4.8))
        painter.drawPolygon(QPolygonF([middle + QPointF(x, y) * size for x, y in points]))
    else:
        corners = [pi / 8 + pi / 4 * corner for corner in range(8)]
        painter.drawPolygon(QPolygonF([middle + QPointF(cos(angle), sin(angle)) * 6.0 * size for angle in corners]))
