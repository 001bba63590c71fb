"""What lies over both panes: cursors A and B, trigger level and trigger instant, words where there is no picture."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pyqtgraph import GraphicsObject
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen, QPolygonF

from widgets.controls.painting import font
from widgets.scope.scales import short_number, time_text
from widgets.theme import Theme

FLAG_PX = 17.0
GRAB_PX = 5.0
LEVEL_FLAG_PX = 40.0


class Overlay(GraphicsObject):
    """Painted in the coordinates of the scene. Emits what the user drags; changes nothing by itself."""

    cursor_moved = Signal(str, float)
    """"A" or "B", place in the scene."""
    cursor_pressed = Signal(str)
    level_moved = Signal(float)
    """Height in the scene."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(1000)
        self._theme = Theme()
        self._panes: list[QRectF] = []
        self._bounds = QRectF()
        self._cursors: dict[str, float] = {}
        self._selected: str | None = None
        self._delta = ""
        self._level: tuple[int, float, str] | None = None
        self._trigger_px: float | None = None
        self._words = ""
        self._hover: tuple[QPointF, list[tuple[QColor | None, str, str]]] | None = None
        self._dragged: str | None = None

    def set_theme(self, theme: Theme) -> None:
        """Colours of what is drawn from now on."""
        self._theme = theme
        self.update()

    def set_places(self, panes: Sequence[QRectF], bounds: QRectF) -> None:
        """Insides of the panes, top first, and all that may be painted, in the scene."""
        self.prepareGeometryChange()
        self._panes, self._bounds = list(panes), QRectF(bounds)

    def set_cursors(self, places_px: dict[str, float], selected: str | None, delta_s: float, span_s: float) -> None:
        """Places of the cursors in the scene (left out: not shown), the one that keys move, B - A."""
        self._cursors, self._selected = dict(places_px), selected
        self._delta = f"Δt {time_text(delta_s, span_s)}"
        self.update()

    def set_trigger(self, level: tuple[int, float, float] | None, instant_px: float | None) -> None:
        """(pane, height in the scene, level) of the level, and the place of the trigger's instant; None: not shown."""
        self._level = None if level is None else (level[0], level[1], short_number(level[2]))
        self._trigger_px = instant_px
        self.update()

    def set_words(self, words: str) -> None:
        """A sentence instead of a picture; empty: there is one."""
        if words != self._words:
            self._words = words
            self.update()

    def set_hover(self, hover: tuple[QPointF, list[tuple[QColor | None, str, str]]] | None) -> None:
        """Place of the pointer and lines (swatch, name, value) of its read-out."""
        self._hover = hover
        self.update()

    # What can be grabbed

    def _flag(self, name: str) -> QRectF:
        """Flag over the line; two that would cover each other stand side by side."""
        place = self._cursors[name]
        other = self._cursors.get("B" if name == "A" else "A", math.inf)
        lack = FLAG_PX + 1 - abs(place - other)
        if lack > 0:
            left = place < other or (place == other and name == "A")
            place += -lack / 2 if left else lack / 2
        return QRectF(round(place) + 0.5 - FLAG_PX / 2, self._panes[0].top() - FLAG_PX - 1, FLAG_PX, FLAG_PX)

    def _grab_area(self, name: str) -> QRectF:
        if name == "T":
            assert self._level is not None
            left = self._panes[self._level[0]].left()
            return QRectF(left - LEVEL_FLAG_PX - 4, self._level[1] - 9, LEVEL_FLAG_PX + 6, 18)
        line = QRectF(self._cursors[name] - GRAB_PX, self._panes[0].top(), 2 * GRAB_PX, 0)
        line.setBottom(self._panes[-1].bottom())
        return line

    def _handle_at(self, place: QPointF) -> str | None:
        if not self._panes:
            return None
        for name in self._cursors:
            if self._flag(name).contains(place):
                return name
        if self._level is not None and self._grab_area("T").contains(place):
            return "T"
        near = [name for name in self._cursors if self._grab_area(name).contains(place)]
        return min(near, key=lambda name: abs(self._cursors[name] - place.x()), default=None)

    def boundingRect(self) -> QRectF:
        return self._bounds

    def shape(self) -> QPainterPath:
        path = QPainterPath()
        path.setFillRule(Qt.FillRule.WindingFill)
        if self._panes:
            for name in self._cursors:
                path.addRect(self._flag(name))
                path.addRect(self._grab_area(name))
            if self._level is not None:
                path.addRect(self._grab_area("T"))
        return path

    def hoverEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        handle = None if event.isExit() else self._handle_at(event.scenePos())
        if handle is None:
            self.unsetCursor()
        else:
            self.setCursor(Qt.CursorShape.SizeVerCursor if handle == "T" else Qt.CursorShape.SizeHorCursor)

    def mouseClickEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        handle = self._handle_at(event.scenePos())
        if event.button() != Qt.MouseButton.LeftButton or handle in (None, "T") or event.double():
            event.ignore()
            return
        event.accept()
        self.cursor_pressed.emit(handle)

    def mouseDragEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        if event.isStart():
            self._dragged = self._handle_at(event.buttonDownScenePos())
            if self._dragged in ("A", "B"):
                self.cursor_pressed.emit(self._dragged)
        if self._dragged is None or event.button() != Qt.MouseButton.LeftButton:
            event.ignore()
            return
        event.accept()
        if self._dragged == "T":
            self.level_moved.emit(event.scenePos().y())
        else:
            self.cursor_moved.emit(self._dragged, event.scenePos().x())
        if event.isFinish():
            self._dragged = None

    # Painting

    def paint(self, painter: QPainter, *_: object) -> None:
        if not self._panes:
            return
        self._paint_trigger(painter)
        self._paint_cursors(painter)
        if self._words:
            self._paint_words(painter)
        if self._hover is not None:
            self._paint_hover(painter, *self._hover)

    def _paint_trigger(self, painter: QPainter) -> None:
        accent, fill = self._theme.colour("accent"), self._theme.colour("accentfill")
        if self._trigger_px is not None:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            x = round(self._trigger_px) + 0.5
            pen = QPen(accent, 1)
            pen.setDashPattern([2, 3])
            painter.setPen(pen)
            for pane in self._panes:
                painter.drawLine(QLineF(x, pane.top(), x, pane.bottom()))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(accent)
            tip = self._panes[0].top() - 1
            painter.drawPolygon(QPolygonF([QPointF(x - 5, tip - 7), QPointF(x + 5, tip - 7), QPointF(x, tip)]))
        if self._level is None:
            return
        number, height, text = self._level
        pane = self._panes[number]
        y = round(min(max(height, pane.top()), pane.bottom() - 1)) + 0.5
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        pen = QPen(accent, 1)
        pen.setDashPattern([5, 4])
        painter.setPen(pen)
        painter.drawLine(QLineF(pane.left(), y, pane.right(), y))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        left, tip = pane.left() - LEVEL_FLAG_PX - 3, pane.left() - 1
        path = QPainterPath()
        path.addRoundedRect(QRectF(left, y - 8.5, LEVEL_FLAG_PX - 4, 17), 3, 3)
        path.addPolygon(QPolygonF([QPointF(tip - 8, y - 8.5), QPointF(tip, y), QPointF(tip - 8, y + 8.5)]))
        path.setFillRule(Qt.FillRule.WindingFill)
        painter.drawPath(path)
        painter.setPen(QColor("white"))
        painter.setFont(font("chip"))
        area = QRectF(left, y - 9, LEVEL_FLAG_PX - 3, 18)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, f"T {text}")

    def _paint_cursors(self, painter: QPainter) -> None:
        colour = self._theme.colour("text")
        painter.setFont(font("chip"))
        for name, place in self._cursors.items():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(colour, 1))
            x = round(place) + 0.5
            for pane in self._panes:
                painter.drawLine(QLineF(x, pane.top(), x, pane.bottom()))
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            flag = self._flag(name)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(flag, 3, 3)
            if name == self._selected:
                painter.setPen(QPen(self._theme.colour("accent"), 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(flag.adjusted(-2, -2, 2, 2), 4, 4)
            painter.setPen(self._theme.colour("plot"))
            painter.drawText(flag, Qt.AlignmentFlag.AlignCenter, name)
        if len(self._cursors) == 2:
            self._paint_delta(painter)

    def _paint_delta(self, painter: QPainter) -> None:
        painter.setFont(font("tick"))
        metrics = QFontMetricsF(font("tick"))
        width = metrics.horizontalAdvance(self._delta) + 12
        first, last = sorted(self._flag(name).center().x() for name in self._cursors)
        left, right = first + FLAG_PX / 2 + 2, last - FLAG_PX / 2 - 2
        flag = self._flag("A")
        painter.setPen(self._theme.colour("text"))
        if right - left < width:
            # No room between the flags: to the right of them, or to the left at the edge.
            inside = last + FLAG_PX / 2 + width <= self._panes[0].right()
            start = last + FLAG_PX / 2 if inside else first - FLAG_PX / 2 - width
            painter.drawText(QRectF(start, flag.top(), width, FLAG_PX), Qt.AlignmentFlag.AlignCenter, self._delta)
            return
        area = QRectF((left + right - width) / 2, flag.top(), width, FLAG_PX)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, self._delta)
        painter.setPen(QPen(self._theme.colour("text3"), 1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        middle = round(flag.center().y()) + 0.5
        for start, stop in ((left + 1, area.left()), (area.right(), right - 1)):
            if stop > start:
                painter.drawLine(QLineF(start, middle, stop, middle))

    def _paint_words(self, painter: QPainter) -> None:
        painter.setFont(font("lead"))
        size = QFontMetricsF(font("lead")).size(0, self._words)
        plate = QRectF(0, 0, size.width() + 32, size.height() + 20)
        plate.moveCenter(self._panes[0].center())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QPen(self._theme.colour("border2"), 1))
        painter.setBrush(self._theme.colour("surface"))
        painter.drawRoundedRect(plate, 8, 8)
        painter.setPen(self._theme.colour("text2"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self._words)

    def _paint_hover(self, painter: QPainter, place: QPointF, lines: Sequence[tuple[QColor | None, str, str]]) -> None:
        metrics = QFontMetricsF(font("tick"))
        values = max(metrics.horizontalAdvance(value) for _, _, value in lines)
        plate = QRectF(0, 0, 58 + values, 17 * len(lines) + 12)
        panes = self._panes[0].united(self._panes[-1])
        right = place.x() + 14 + plate.width() < panes.right()
        plate.moveLeft(place.x() + 14 if right else place.x() - 14 - plate.width())
        plate.moveTop(min(max(place.y() - plate.height() / 2, panes.top() + 2), panes.bottom() - plate.height() - 2))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self._theme.colour("text3"), 1))
        x = round(place.x()) + 0.5
        for pane in self._panes:
            painter.drawLine(QLineF(x, pane.top(), x, pane.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QPen(self._theme.colour("border2"), 1))
        painter.setBrush(self._theme.colour("surface"))
        painter.drawRoundedRect(plate, 4, 4)
        painter.setFont(font("tick"))
        for row, (swatch, name, value) in enumerate(lines):
            line = QRectF(plate.left() + 8, plate.top() + 6 + 17 * row, plate.width() - 16, 17)
            if swatch is not None:
                painter.fillRect(QRectF(line.left(), line.top() + 4, 9, 9), swatch)
                line.setLeft(line.left() + 15)
            painter.setPen(self._theme.colour("text2"))
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
            painter.setPen(self._theme.colour("text"))
            painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, value)
