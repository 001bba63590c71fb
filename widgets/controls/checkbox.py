"""A choice to tick, or a switch to throw."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.button import FlatButton
from widgets.controls.painting import DIMMED, draw_focus, draw_frame, draw_text, text_width

_BOX, _GAP = 18, 10
_SWITCH_WIDTH, _SWITCH_HEIGHT = 36, 20


class CheckBox(FlatButton):
    """A box with a tick and its words; `toggled` tells of changes."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setCheckable(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(_BOX + _GAP + text_width(self.text(), "body") + 8, 28)

    def minimumSizeHint(self) -> QSize:
        return QSize(_BOX + _GAP + 40, 28)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        box = QRect(2, (self.height() - _BOX) // 2, _BOX, _BOX)
        on = self.isChecked()
        if on:
            fill = theme.colour("accentfill")
            draw_frame(painter, box, fill if self.isEnabled() else theme.blend(fill, "surface", DIMMED), None, 4)
            painter.setPen(QPen(QColor("#FFFFFF"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
            corner = QPointF(box.topLeft())
            painter.drawPolyline([corner + QPointF(x, y) for x, y in ((4.5, 9.5), (7.8, 12.8), (13.5, 5.8))])
        else:
            border = theme.colour("text3" if self.underMouse() and self.isEnabled() else "border2")
            draw_frame(painter, box, theme.colour("surface"), border, 4)
        text = theme.colour("text")
        if not self.isEnabled():
            text = theme.blend(text, "surface", DIMMED)
        draw_text(painter, self.rect().adjusted(2 + _BOX + _GAP, 0, 0, 0), self.text(), "body", text)
        if self.shows_focus:
            draw_focus(painter, box.adjusted(-2, -2, 2, 2), theme, 6)


class Switch(FlatButton):
    """On or off; `toggled` tells of changes. The word stands beside it, `name` is for a screen reader."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self.setAccessibleName(name)
        self.setCheckable(True)
        self.setFixedSize(_SWITCH_WIDTH + 4, _SWITCH_HEIGHT + 4)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        track = QRect(2, 2, _SWITCH_WIDTH, _SWITCH_HEIGHT)
        on = self.isChecked()
        fill = theme.colour("accentfill" if on else "border2")
        if not self.isEnabled():
            fill = theme.blend(fill, "surface", DIMMED)
        draw_frame(painter, track, fill, None, _SWITCH_HEIGHT / 2)
        painter.setBrush(QColor("#FFFFFF"))
        side = _SWITCH_HEIGHT - 6.0
        left = track.right() + 1 - 3 - side if on else track.left() + 3.0
        painter.drawEllipse(QRectF(left, track.top() + 3.0, side, side))
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, _SWITCH_HEIGHT / 2 + 2)
