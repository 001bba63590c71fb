"""What lies on the map: legend, buttons of the scale, and the world with a frame around what is seen."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QVBoxLayout, QWidget

from widgets.controls.button import IconButton
from widgets.controls.painting import RADIUS_CONTROL, RADIUS_GROUP, Themed, draw_frame, draw_text, text_width
from widgets.map.cells import WORDS, CellStatus
from widgets.map.outline_painter import paint_outline
from widgets.map.projection import BOTTOM, TOP, Window
from widgets.map.tiles import draw_cell
from widgets.theme import Theme

_ROW, _PADDING, _SWATCH = 22, 12, 26
_ORDER = (CellStatus.NORMAL, CellStatus.WARNING, CellStatus.CRITICAL, CellStatus.NONE)


class Legend(Themed, QWidget):
    """The four statuses with their symbols, and what a square stands for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._hours, self._joined = 24, 1
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._fit()

    def set_content(self, hours: int, joined: int) -> None:
        """Hours of the time range; cells in a row of each square that is drawn (1: every cell by itself)."""
        if (hours, joined) != (self._hours, self._joined):
            self._hours, self._joined = hours, joined
            self._fit()
            self.update()

    @property
    def lines(self) -> tuple[str, ...]:
        """Its heading, and how cells were joined."""
        joined = f"Worst of {self._joined} × {self._joined} cells" if self._joined > 1 else "Mean of a cell"
        return (f"{joined}, last {self._hours} h",)

    def _fit(self) -> None:
        words = max(text_width(word, "body") for word in WORDS.values()) + _SWATCH + 10
        width = max(words, text_width(self.lines[0], "chip")) + 2 * _PADDING
        self.setFixedSize(QSize(width, 2 * _PADDING + 20 + _ROW * len(_ORDER)))
        self.setAccessibleName("Legend: " + ", ".join([*self.lines, *WORDS.values()]))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface"), theme.colour("border"), RADIUS_GROUP)
        inner = self.rect().adjusted(_PADDING, _PADDING, -_PADDING, -_PADDING)
        heading = QRect(inner.left(), inner.top() - 2, inner.width(), 18)
        draw_text(painter, heading, self.lines[0], "chip", theme.colour("text"))
        for index, status in enumerate(_ORDER):
            top = inner.top() + 20 + index * _ROW
            draw_cell(painter, QRectF(inner.left(), top + 2, _SWATCH, 18), status, theme)
            text = QRect(inner.left() + _SWATCH + 10, top, inner.width() - _SWATCH - 10, _ROW)
            draw_text(painter, text, WORDS[status], "body", theme.colour("text2"))


class ScaleButtons(Themed, QWidget):
    """Plus and minus. zoomed(factor)."""

    zoomed = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(1, 1, 1, 1)
        column.setSpacing(1)
        self.nearer = IconButton("plus", "Zoom in", self)
        self.farther = IconButton("minus", "Zoom out", self)
        for button, factor in ((self.nearer, 1.5), (self.farther, 1 / 1.5)):
            column.addWidget(button)
            button.clicked.connect(lambda _checked=False, by=factor: self.zoomed.emit(by))
        self.setFixedSize(34, 67)

    def set_theme(self, theme: Theme) -> None:
        for button in (self.nearer, self.farther):
            button.set_theme(theme)
        super().set_theme(theme)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface"), theme.colour("border"), RADIUS_CONTROL)
        painter.fillRect(QRect(1, 33, 32, 1), theme.colour("border"))


class WorldInset(Themed, QWidget):
    """The whole world, small. A click goes there: picked(x, y) in world units."""

    picked = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._seen = Window()
        self._picture: tuple[Theme, QPixmap] | None = None
        self.setFixedSize(QSize(206, 104))
        self.setAccessibleName("World map")
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def set_window(self, window: Window) -> None:
        """What is seen in the large map."""
        self._seen = window
        self.update()

    @property
    def _world(self) -> Window:
        # Without the far south: there is nothing but ice.
        return Window(0.5, 0.40, float(self.width() - 2), self.width() - 2, self.height() - 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        x, y = self._world.world(event.position().x() - 1, event.position().y() - 1)
        self.picked.emit(x, min(BOTTOM, max(TOP, y)))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, world = QPainter(self), self.theme, self._world
        if self._picture is None or self._picture[0] is not theme:
            ratio = self.devicePixelRatioF()
            picture = QPixmap(round(world.width * ratio), round(world.height * ratio))
            picture.setDevicePixelRatio(ratio)
            brush = QPainter(picture)
            paint_outline(brush, world, theme)
            brush.end()
            self._picture = (theme, picture)
        painter.drawPixmap(1, 1, self._picture[1])
        draw_frame(painter, self.rect(), None, theme.colour("border2"), RADIUS_CONTROL)
        seen = self._seen
        width, height = seen.width / seen.scale * world.scale, seen.height / seen.scale * world.scale
        if width >= world.width * 0.9:
            return
        x, y = (seen.x - world.left) * world.scale + 1, (seen.y - world.top) * world.scale + 1
        width, height = max(width, 10.0), max(height, 7.0)
        painter.setClipRect(self.rect().adjusted(1, 1, -1, -1))
        painter.setPen(QPen(theme.colour("accent"), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(x - width / 2, y - height / 2, width, height), 1.5, 1.5)
