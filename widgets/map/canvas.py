"""The map itself: pan, zoom, cells, names, and what the pointer stands on."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from resources import geohash
from widgets.controls.painting import Themed, draw_focus, draw_icon, font, text_width
from widgets.map.cells import WORDS, CellGrid, CellStatus
from widgets.map.labels import Labels
from widgets.map.outline_painter import country_at
from widgets.map.picture_cache import PictureCache
from widgets.map.projection import Window, latitude_of, longitude_of, x_of, y_of

_STEP_PX = 80
_FACTOR = 1.5
_WHEEL_FACTOR = 1.25
_CLICK_PX = 4
_CELL_PX = 28.0
"""Width of a cell of four characters after going to a place."""


class MapCanvas(Themed, QWidget):
    """Drag or arrow keys move it, wheel, double click, + and - zoom, Home shows all cells, Enter takes the middle.

    cell_chosen(geohash): a cell with data was clicked. hovered(geohash): the cell under the pointer, "" for none.
    window_changed(): another part of the world is seen.
    """

    cell_chosen = Signal(str)
    hovered = Signal(str)
    window_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = CellGrid()
        self._window = Window().fitted()
        self._pictures, self._labels = PictureCache(), Labels()
        self._chosen = self._own = self._hovered = ""
        self._own_country: int | None = None
        self._pressed: QPointF | None = None
        self._dragged = False
        self._ring = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Community map")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    @property
    def window_seen(self) -> Window:
        """What is seen of the world."""
        return self._window

    @property
    def grid(self) -> CellGrid:
        """The cells."""
        return self._grid

    @property
    def chosen(self) -> str:
        """The outlined cell, "" for none."""
        return self._chosen

    def set_cells(self, grid: CellGrid) -> None:
        """Show other cells."""
        self._grid = grid
        self._pictures.set_cells(grid)
        self._labels.forget()
        self.setAccessibleDescription(f"{len(grid)} cells")
        self.update()

    def set_chosen(self, cell: str) -> None:
        """Outline a cell, with or without data; "" for none. ValueError where it is no geohash."""
        if cell:
            geohash.bounds(cell)
        self._chosen = cell
        self.update()

    def set_own(self, cell: str) -> None:
        """Put the flag with the house on a cell; "" takes it away. ValueError where it is no geohash."""
        self._own, self._own_country = cell, None
        self._labels.forget()
        if cell:
            self._own_country = country_at(*geohash.decode(cell))
        self.update()

    def go_to(self, latitude_deg: float, longitude_deg: float, cell_px: float = _CELL_PX) -> None:
        """Show a place in the middle, at least so near that a cell is `cell_px` wide."""
        scale = max(self._window.scale, cell_px * 1024)
        window = Window(float(x_of(longitude_deg)), float(y_of(latitude_deg)), scale)
        self._show(window.resized(self.width(), self.height()))

    def show_box(self, south: float, north: float, west: float, east: float) -> None:
        """Show a whole box (deg)."""
        self._show(self._window.around(south, north, west, east))

    def show_all(self) -> None:
        """Show all cells, or the world where there are none."""
        if not len(self._grid):
            self._show(Window().resized(self.width(), self.height()))
            return
        latitude, longitude = self._grid.centres()
        self.show_box(latitude.min(), latitude.max(), longitude.min(), longitude.max())

    def zoom(self, factor: float) -> None:
        """Magnify around the middle."""
        self._show(self._window.zoomed(factor, self.width() // 2, self.height() // 2))

    def cell_at(self, position: QPoint | QPointF) -> str:
        """Geohash of the cell with data under a px, "" for none."""
        x, y = self._window.world(position.x(), position.y())
        index = self._grid.at(float(latitude_of(y)), float(longitude_of(x)))
        return "" if index is None else self._grid.names[index]

    def _show(self, window: Window) -> None:
        if window != self._window:
            self._window = window
            self.update()
            self.window_changed.emit()

    # Painting

    def sizeHint(self) -> QSize:
        return QSize(800, 560)

    def minimumSizeHint(self) -> QSize:
        return QSize(280, 220)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show(self._window.resized(self.width(), self.height()))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, window = QPainter(self), self.theme, self._window
        ratio = self.devicePixelRatioF()
        self._pictures.draw(painter, window, theme, self._own_country, ratio)
        taken = [box for box in (self._flag_box(), self._box(self._own)) if box is not None]
        overlays = self.findChildren(QWidget, options=Qt.FindChildOption.FindDirectChildrenOnly)
        taken += [QRectF(overlay.geometry()) for overlay in overlays if not overlay.isHidden()]
        self._labels.draw(painter, window, theme, self._grid, taken, ratio)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for cell, colour, width in ((self._hovered, "text2", 1.5), (self._chosen, "text", 2.0)):
            box = self._box(cell)
            if box is not None:
                painter.setPen(QPen(theme.colour(colour), width))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(box.adjusted(-1.5, -1.5, 0.5, 0.5), 3, 3)
        self._draw_flag(painter)
        if self._ring:
            draw_focus(painter, self.rect(), theme, 2)
            x, y = self.width() // 2, self.height() // 2  # what Enter takes
            painter.drawLine(x - 7, y, x + 7, y)
            painter.drawLine(x, y - 7, x, y + 7)

    def _box(self, cell: str) -> QRectF | None:
        """Px of a cell; None for none and where a cell is a point."""
        if not cell:
            return None
        south, west, north, east = geohash.bounds(cell)
        middle_x, _ = self._window.pixel(float(x_of((west + east) / 2)), 0.0)
        half = (east - west) / 720.0 * self._window.scale
        _, top = self._window.pixel(0.5, float(y_of(north)))
        _, bottom = self._window.pixel(0.5, float(y_of(south)))
        box = QRectF(middle_x - half, top, 2 * half, bottom - top)
        if box.width() < 3:
            box = QRectF(middle_x - 2, box.center().y() - 2, 4, 4)
        return QRectF(box.toAlignedRect())

    def _flag_box(self) -> QRectF | None:
        box = self._box(self._own)
        if box is None or not QRectF(self.rect()).intersects(box):
            return None
        width = text_width(self._flag_text(), "chip") + 36
        left = min(max(4.0, box.center().x() - width / 2), self.width() - width - 4.0)
        return QRectF(round(left), round(box.top() - 44 if box.top() > 52 else box.bottom() + 20), width, 24)

    def _flag_text(self) -> str:
        return f"You, {self._own}"

    def _draw_flag(self, painter: QPainter) -> None:
        flag, cell = self._flag_box(), self._box(self._own)
        if flag is None or cell is None:
            return
        theme = self.theme
        above = flag.bottom() <= cell.top()
        x = round(cell.center().x()) + 0.5
        painter.setPen(QPen(theme.colour("text"), 1))
        painter.drawLine(
            QPointF(x, flag.bottom() if above else cell.bottom()), QPointF(x, cell.top() if above else flag.top())
        )
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("text"))
        painter.drawRoundedRect(flag, 4, 4)
        draw_icon(painter, "house", theme.colour("surface"), flag.left() + 8, flag.top() + 4, 16)
        painter.setFont(font("chip"))
        painter.setPen(theme.colour("surface"))
        painter.drawText(flag.adjusted(28, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self._flag_text())

    # Pointer and keyboard

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._dragged = event.position(), False

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            self._hover(self.cell_at(event.position()))
            return
        way = event.position() - self._pressed
        if self._dragged or way.manhattanLength() >= _CLICK_PX:
            if not self._dragged:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
            self._dragged = True
            self._pressed = event.position()
            self._show(self._window.moved(way.x(), way.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or self._pressed is None:
            return
        self._pressed = None
        self.unsetCursor()
        if self._dragged:
            self._labels.forget()
            self.update()
        else:
            self._choose(self.cell_at(event.position()))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._show(self._window.zoomed(2.0, event.position().x(), event.position().y()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        notches = event.angleDelta().y() / 120.0
        if notches:
            position = event.position()
            self._show(self._window.zoomed(_WHEEL_FACTOR**notches, position.x(), position.y()))
        event.accept()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover("")
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: (_STEP_PX, 0),
            Qt.Key.Key_Right: (-_STEP_PX, 0),
            Qt.Key.Key_Up: (0, _STEP_PX),
            Qt.Key.Key_Down: (0, -_STEP_PX),
        }
        key = Qt.Key(event.key())
        if key in moves:
            self._show(self._window.moved(*moves[key]))
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal):
            self.zoom(_FACTOR)
        elif key == Qt.Key.Key_Minus:
            self.zoom(1 / _FACTOR)
        elif key == Qt.Key.Key_Home:
            self.show_all()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose(self.cell_at(QPoint(self.width() // 2, self.height() // 2)))
        else:
            super().keyPressEvent(event)

    def _choose(self, cell: str) -> None:
        if cell:
            self.set_chosen(cell)
            self.cell_chosen.emit(cell)

    def _hover(self, cell: str) -> None:
        if cell != self._hovered:
            self._hovered = cell
            self.setCursor(Qt.CursorShape.PointingHandCursor if cell else Qt.CursorShape.ArrowCursor)
            self.update()
            self.hovered.emit(cell)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)
        self.update()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            x, y = self._window.world(event.pos().x(), event.pos().y())
            index = self._grid.at(float(latitude_of(y)), float(longitude_of(x)))
            if index is None:
                QToolTip.hideText()
            else:
                status = CellStatus(int(self._grid.status[index]))
                QToolTip.showText(event.globalPos(), f"{self._grid.names[index]}: {WORDS[status].lower()}", self)
            return True
        return super().event(event)
