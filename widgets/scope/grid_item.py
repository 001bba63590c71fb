"""What lies under the curves of a pane: grid, zero line, frame, hatched gaps; and the title above them.

The ground is the view's.

pyqtgraph's own grid is translucent and dominates the cost of a frame; these lines are opaque and not antialiased.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyqtgraph import GraphicsObject
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPen

from widgets.controls.painting import font
from widgets.scope.scales import duration_text
from widgets.theme import Theme

HATCH_PITCH_PX = 6.0
HATCH_WIDTH_PX = 1.2


class GridItem(GraphicsObject):
    """Child of a pane's ViewBox, in its pixel coordinates."""

    def __init__(self, view_box) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.setParentItem(view_box)
        self.setZValue(-10)
        self._theme = Theme()
        self._bounds = QRectF()
        self._vertical_px: list[float] = []
        self._horizontal_px: list[float] = []
        self._zero_px: float | None = None
        self._gaps_px: list[tuple[float, float, str]] = []

    def set_theme(self, theme: Theme) -> None:
        """Colours of what is drawn from now on."""
        self._theme = theme
        self.update()

    def set_bounds(self, bounds: QRectF) -> None:
        """The pane's inside, in pixels of the ViewBox."""
        self.prepareGeometryChange()
        self._bounds = QRectF(bounds)

    def set_lines(self, vertical_px: Sequence[float], horizontal_px: Sequence[float], zero_px: float | None) -> None:
        """Places of the grid lines and of the zero line (None: out of sight), in pixels of the ViewBox."""
        self._vertical_px, self._horizontal_px, self._zero_px = list(vertical_px), list(horizontal_px), zero_px
        self.update()

    def set_gaps(self, gaps_px: Sequence[tuple[float, float, float]]) -> None:
        """(left, right, length in seconds) of each span without samples, cut to the pane."""
        gaps = [(left, right, f"gap {duration_text(length_s)}") for left, right, length_s in gaps_px]
        if gaps != self._gaps_px:
            self._gaps_px = gaps
            self.update()

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, *_: object) -> None:
        bounds, theme = self._bounds, self._theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        left, right, top, bottom = bounds.left(), bounds.right(), bounds.top(), bounds.bottom()
        pen = QPen(theme.colour("grid"), 1)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        lines = [QLineF(x, top, x, bottom) for x in map(_snap, self._vertical_px)]
        lines += [QLineF(left, y, right, y) for y in map(_snap, self._horizontal_px)]
        if lines:
            painter.drawLines(lines)
        for gap_left, gap_right, text in self._gaps_px:
            self._draw_gap(painter, gap_left, gap_right, text)
        pen.setColor(theme.colour("grid2"))
        painter.setPen(pen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        if self._zero_px is not None:
            zero = _snap(self._zero_px)
            painter.drawLine(QLineF(left, zero, right, zero))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(QRectF(left + 0.5, top + 0.5, bounds.width() - 1, bounds.height() - 1))

    def _draw_gap(self, painter: QPainter, left: float, right: float, text: str) -> None:
        bounds, theme = self._bounds, self._theme
        area = QRectF(left, bounds.top(), max(1.0, right - left), bounds.height()).intersected(bounds)
        if area.isEmpty():
            return
        painter.save()
        painter.setClipRect(area, Qt.ClipOperation.IntersectClip)
        painter.fillRect(area, theme.colour("plot"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        pen = QPen(theme.colour("hatch"), HATCH_WIDTH_PX)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        # Anchored to the gap, so that the hatch moves along with it.
        height, pitch = bounds.height(), HATCH_PITCH_PX * 2**0.5
        indices = range(math.ceil((area.left() - height - left) / pitch), math.ceil((area.right() - left) / pitch))
        starts = [left + pitch * index for index in indices]
        painter.drawLines([QLineF(x, bounds.bottom(), x + height, bounds.top()) for x in starts])
        painter.restore()
        metrics = QFontMetricsF(font("tick"))
        plate = QRectF(0, 0, metrics.horizontalAdvance(text) + 12, metrics.height() + 4)
        if area.width() < plate.height() + 4:
            return
        painter.save()
        painter.setFont(font("tick"))
        # Clear of the zero line and of a trigger level near it.
        painter.translate(area.center().x(), area.top() + 0.74 * area.height())
        if area.width() < plate.width() + 8:
            painter.rotate(-90)
        plate.moveCenter(QPointF(0, 0))
        painter.fillRect(plate, theme.colour("plot"))
        painter.setPen(theme.colour("text2"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)
        painter.restore()


class TitlePlate(GraphicsObject):
    """The pane's title inside its top left corner, on a plate that keeps it readable over the curves."""

    def __init__(self, view_box, text: str) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.setParentItem(view_box)
        self.setZValue(20)
        self._theme = Theme()
        self._text = text
        self._size = QFontMetricsF(font("pane-title")).size(0, text)

    def set_theme(self, theme: Theme) -> None:
        """Colours of what is drawn from now on."""
        self._theme = theme
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(4, 4, self._size.width() + 8, self._size.height() + 4)

    def paint(self, painter: QPainter, *_: object) -> None:
        plate = self._theme.colour("plot")
        plate.setAlphaF(0.85)
        painter.fillRect(self.boundingRect(), plate)
        painter.setFont(font("pane-title"))
        painter.setPen(self._theme.colour("text2"))
        painter.drawText(self.boundingRect(), Qt.AlignmentFlag.AlignCenter, self._text)


def _snap(position_px: float) -> float:
    return math.floor(position_px) + 0.5
