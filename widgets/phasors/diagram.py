"""The circle with its arrows and the table of angles beside it, painted."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QGuiApplication,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from widgets.numbers import NOT_AVAILABLE
from widgets.phasors.labels import Place, place_labels, tip_of
from widgets.phasors.model import Arrow, Phasors
from widgets.theme import Theme, font

EMPTY_TEXT = "No phasors yet. Choose a module at the top left."

_RIGHT_EDGE = 13
_ROW, _LEGEND = 26, 54
"""With the inset of the card 16 px beside the table."""

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_CENTRE = Qt.AlignmentFlag.AlignCenter


class PhasorDiagram(QWidget):
    """Circle and table. Ctrl+C copies the angles; up and down read the channels one by one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._scale = Theme(), 1.0
        self._phasors = Phasors()
        self._places: dict[str, Place] = {}
        self._row: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Phasor diagram")
        self.setAccessibleDescription(EMPTY_TEXT)

    def show_phasors(self, phasors: Phasors) -> None:
        """Other phasors."""
        if phasors.channels != self._phasors.channels:
            self._row, self._places = None, {}
        self._phasors = phasors
        self._describe()
        self.update()

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        self._theme, self._scale = theme, text_scale
        self.updateGeometry()
        self.update()

    def text(self) -> str:
        """Length and angle of every channel, one a line."""
        return "\n".join(self._phasors.describe(channel) for channel in self._phasors.channels)

    def image(self, ratio: float = 2.0) -> QImage:
        """The diagram as a picture on the card's ground."""
        image = QImage(self.size() * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(self._theme.colour("surface"))
        painter = QPainter(image)
        self._paint(painter, None)
        painter.end()
        return image

    def sizeHint(self) -> QSize:
        return QSize(round(430 * self._scale), round(345 * self._scale))

    def minimumSizeHint(self) -> QSize:
        return QSize(round(300 * self._scale), round(220 * self._scale))

    # Painting

    def circle(self) -> tuple[QPointF, float]:
        """(centre, radius) of the circle in px."""
        scale = self._scale
        table = 112 * scale + _RIGHT_EDGE
        left, right, above = 33 * scale, 27 * scale, 24 * scale
        radius = min((self.width() - table - left - right) / 2, (self.height() - 2 * above - 8) / 2)
        radius = max(30.0, math.floor(radius))
        free = self.width() - table - left - right - 2 * radius
        return QPointF(round(left + radius + max(0.0, free / 2)), round(self.height() / 2)), radius

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter, self._row if self.hasFocus() else None)

    def _paint(self, painter: QPainter, row: int | None) -> None:
        if not self._phasors.channels:
            painter.setFont(font("body", self._scale))
            painter.setPen(self._theme.colour("text3"))
            box = self.rect().adjusted(16, 16, -16, -16)
            painter.drawText(box, _CENTRE | Qt.TextFlag.TextWordWrap, EMPTY_TEXT)
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, radius = self.circle()
        self._paint_circle(painter, centre, radius)
        arrows = self._phasors.arrows
        if self._phasors.values and self._phasors.reference is None:
            self._paint_reference(painter, centre, radius)
        for arrow in sorted(arrows, key=lambda entry: (not entry.is_voltage, -int(entry.channel[-1] in "3N"))):
            colour = self._theme.phase(arrow.channel)
            draw_arrow(painter, centre, tip_of(arrow, centre, radius), colour, solid=arrow.is_voltage)
        self._paint_labels(painter, centre, radius, arrows)
        self._paint_table(painter, row)

    def _paint_circle(self, painter: QPainter, centre: QPointF, radius: float) -> None:
        theme = self._theme
        painter.setPen(QPen(theme.colour("grid2"), 1))
        painter.setBrush(theme.colour("plot"))
        painter.drawEllipse(centre, radius, radius)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(theme.colour("grid"), 1))
        painter.drawEllipse(centre, radius / 2, radius / 2)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.drawLine(QLineF(centre.x() - radius + 1, centre.y(), centre.x() + radius - 1, centre.y()))
        painter.drawLine(QLineF(centre.x(), centre.y() - radius + 1, centre.x(), centre.y() + radius - 1))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("grid2"), 1))
        for angle in range(0, 360, 30):
            if angle % 90:
                ray = QPointF(math.cos(math.radians(angle)), -math.sin(math.radians(angle)))
                painter.drawLine(QLineF(centre + ray * (radius - 5), centre + ray * radius))
        painter.setFont(font("tick", self._scale))
        painter.setPen(theme.colour("axis"))
        height = QFontMetricsF(painter.font()).height()
        box = QRectF(0, 0, 60, height)
        box.moveCenter(QPointF(centre.x(), centre.y() - radius - 6 - height / 2))
        painter.drawText(box, _CENTRE, "90°")
        box.moveCenter(QPointF(centre.x(), centre.y() + radius + 6 + height / 2))
        painter.drawText(box, _CENTRE, "\u221290°")
        box.moveCenter(QPointF(centre.x() + radius + 8 + 30, centre.y()))
        painter.drawText(box, _LEFT, "0°")
        box.moveCenter(QPointF(centre.x() - radius - 4 - 30, centre.y()))
        painter.drawText(box, _RIGHT, "180°")

    def _paint_reference(self, painter: QPainter, centre: QPointF, radius: float) -> None:
        pen = QPen(self._theme.colour("text3"), 1)
        pen.setDashPattern([1, 3])
        painter.setPen(pen)
        painter.drawLine(QLineF(centre, centre + QPointF(radius, 0)))

    def _paint_labels(self, painter: QPainter, centre: QPointF, radius: float, arrows: tuple[Arrow, ...]) -> None:
        fonts = {True: font("chip", self._scale), False: font("hint", self._scale)}
        sizes = {}
        for arrow in arrows:
            metrics = QFontMetricsF(fonts[arrow.is_voltage])
            sizes[arrow.channel] = QSizeF(metrics.horizontalAdvance(arrow.channel) + 2, metrics.capHeight() + 5)
        rects, self._places = place_labels(arrows, sizes, centre, radius, self._places)
        for arrow in arrows:
            painter.setFont(fonts[arrow.is_voltage])
            painter.setPen(self._theme.phase(arrow.channel))
            painter.drawText(rects[arrow.channel].adjusted(-4, -4, 4, 4), _CENTRE, arrow.channel)

    def _row_rect(self, index: int) -> QRectF:
        scale = self._scale
        channels = self._phasors.channels
        legend = _LEGEND * scale if self._has_legend() else 0.0
        row = min(_ROW * scale, (self.height() - 16.0) / max(1, len(channels)))
        top = max(8.0, (self.height() - row * len(channels) - legend) / 2)
        left = self.width() - _RIGHT_EDGE - 112 * scale
        return QRectF(round(left), round(top + index * row), round(112 * scale), round(row))

    def _has_legend(self) -> bool:
        """Where the room is short the table goes first."""
        return self.height() >= (_ROW * len(self._phasors.channels) + _LEGEND) * self._scale + 16.0

    def _paint_table(self, painter: QPainter, selected: int | None) -> None:
        theme, scale, channels = self._theme, self._scale, self._phasors.channels
        swatch = 10 * scale
        digits = font("table", scale)
        digits.setKerning(False)
        for index, channel in enumerate(channels):
            rect = self._row_rect(index)
            if index:
                section = channel.startswith("I") and channels[index - 1].startswith("V")
                height, token = (2, "border2") if section else (1, "border")
                painter.fillRect(QRectF(rect.left(), rect.top() - 1, rect.width(), height), theme.colour(token))
            if index == selected:
                painter.setPen(QPen(theme.colour("accent"), 1))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(rect.adjusted(-4.5, 1.5, 4.5, -1.5), 4, 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.phase(channel))
            painter.drawRoundedRect(QRectF(rect.left(), rect.center().y() - swatch / 2, swatch, swatch), 2, 2)
            painter.setFont(digits)
            painter.setPen(theme.colour("text2"))
            painter.drawText(rect.adjusted(16 * scale, 0, 0, 0), _LEFT, channel)
            text = self._phasors.angle_text(channel)
            painter.setPen(theme.colour("text3" if text == NOT_AVAILABLE else "text"))
            painter.drawText(rect, _RIGHT, text)
        if not self._has_legend():
            return
        rect = self._row_rect(len(channels))
        letters = {name[0] for name in channels}
        kinds = [kind for kind, letter in (("voltage", "V"), ("current", "I")) if letter in letters]
        painter.setFont(font("hint", scale))
        for index, kind in enumerate(kinds):
            y = rect.top() + (18 + 20 * index) * scale
            tip = QPointF(rect.left() + 22 * scale, y)
            draw_arrow(
                painter, QPointF(rect.left(), y), tip, theme.colour("text2"), solid=kind == "voltage", small=True
            )
            painter.setPen(theme.colour("text3"))
            painter.drawText(QRectF(rect.left() + 29 * scale, y - 10, 90 * scale, 20), _LEFT, kind)

    # Keys, pointer, clipboard

    def _describe(self) -> None:
        channels = self._phasors.channels
        if not channels:
            self.setAccessibleDescription(EMPTY_TEXT)
        elif self._row is None:
            self.setAccessibleDescription("Up and down arrow read the channels, Ctrl+C copies all.")
        else:
            self.setAccessibleDescription(self._phasors.describe(channels[self._row]))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if by_key and self._row is None and self._phasors.channels:
            self._row = 0
            self._describe()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        last = len(self._phasors.channels) - 1
        if last >= 0 and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = 1 if event.key() == Qt.Key.Key_Down else -1
            self._row = 0 if self._row is None else max(0, min(last, self._row + step))
            self._describe()
            self.update()
        elif last >= 0 and event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.text())
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy picture").triggered.connect(lambda: QGuiApplication.clipboard().setImage(self.image()))
        menu.addAction("Copy angles").triggered.connect(lambda: QGuiApplication.clipboard().setText(self.text()))
        menu.popup(event.globalPos())

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            hits = [
                channel
                for index, channel in enumerate(self._phasors.channels)
                if self._row_rect(index).contains(QPointF(event.pos()))
            ]
            QToolTip.showText(event.globalPos(), self._phasors.describe(hits[0]) if hits else "", self)
            return True
        return super().event(event)


def draw_arrow(
    painter: QPainter, start: QPointF, tip: QPointF, colour: QColor, *, solid: bool, small: bool = False
) -> None:
    """Solid 2.2 px with a filled head (voltage), or dashed 5 3 with an open one (current)."""
    delta = tip - start
    length = math.hypot(delta.x(), delta.y())
    width = (1.6 if small else 2.2) if solid else 1.6
    pen = QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap, Qt.PenJoinStyle.MiterJoin)
    if length < 3.0:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(start, 2.0, 2.0)
        return
    along = delta / length
    across = QPointF(-along.y(), along.x())
    head = min(8.0 if small else 11.0, length * 0.5)
    half = head * 0.42
    back = tip - along * head
    if solid:
        painter.setPen(pen)
        painter.drawLine(QLineF(start, back + along))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawPolygon(QPolygonF([tip, back + across * half, back - across * half]))
        return
    # Dashes count in pen widths: 5 px on, 3 px off.
    dashed = QPen(pen)
    dashed.setDashPattern([5.0 / width, 3.0 / width])
    painter.setPen(dashed)
    painter.drawLine(QLineF(start, tip))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    wing = head * 0.85
    painter.drawPolyline(QPolygonF([tip - along * wing + across * half, tip, tip - along * wing - across * half]))
