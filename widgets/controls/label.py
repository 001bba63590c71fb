"""A line of text that elides instead of being cut, and shows all of it in a tool tip."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_text, font, text_width
from widgets.controls.tips import show_full_text


class Label(Themed, QWidget):
    """One line in a role of the style and a colour token. `gives_way`: a layout that is short of room may elide it."""

    def __init__(
        self,
        text: str = "",
        role: str = "body",
        token: str = "text",
        parent: QWidget | None = None,
        *,
        align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
        gives_way: bool = True,
    ) -> None:
        super().__init__(parent)
        self._text = ""
        self._role, self._token, self._align, self._gives_way = role, token, align, gives_way
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_text(text)

    @property
    def text(self) -> str:
        """The whole text."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.updateGeometry()
            self.update()

    def set_token(self, token: str) -> None:
        """Draw in another colour."""
        self._token = token
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(text_width(self._text, self._role), QFontMetrics(font(self._role)).height())

    def minimumSizeHint(self) -> QSize:
        whole = self.sizeHint()
        least = min(whole.width(), text_width("…", self._role)) if self._gives_way else whole.width()
        return QSize(least, whole.height())

    def event(self, event: QEvent) -> bool:
        return show_full_text(self, event, self._hidden_text) or super().event(event)

    def _hidden_text(self) -> str:
        return self._text if self.width() < self.sizeHint().width() else ""

    def paintEvent(self, _event: QPaintEvent) -> None:
        draw_text(QPainter(self), self.rect(), self._text, self._role, self.theme.colour(self._token), self._align)
