"""Words that can be pressed."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QPainter, QPaintEvent

from widgets.controls.button import FlatButton
from widgets.controls.painting import RADIUS_CONTROL, draw_focus, draw_text, text_width


class LinkButton(FlatButton):
    """Words that can be pressed, in the colour of links."""

    def sizeHint(self) -> QSize:
        return QSize(text_width(self.text(), "label") + 2, 28)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        colour = theme.colour("accent") if self.isEnabled() else theme.colour("text3")
        draw_text(painter, self.rect(), self.text(), "label", colour)
        if self.underMouse() and self.isEnabled():
            painter.fillRect(0, self.height() - 6, self.width() - 2, 1, colour)
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)
