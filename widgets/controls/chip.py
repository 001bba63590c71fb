"""A chip: shape and word of a status on its tint."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_frame, draw_text, text_width
from widgets.controls.status_icon import Status, draw_status, status_colours
from widgets.controls.tips import show_full_text

_HEIGHT = 22
_ICON = 16
_LEFT, _GAP, _RIGHT = 4, 4, 9


class Chip(Themed, QWidget):
    """Status of one thing in a word or two; elided, the tool tip shows all of it."""

    def __init__(self, status: Status | str = Status.WAITING, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status = Status(status)
        self._text = ""
        self._terse = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.set_state(status, text)

    @property
    def status(self) -> Status:
        """Its status."""
        return self._status

    @property
    def text(self) -> str:
        """Its word."""
        return self._text

    def set_state(self, status: Status | str, text: str) -> None:
        """Show another status and word. ValueError for an unknown status."""
        self._status = Status(status)
        if text != self._text:
            self._text = text
            self.updateGeometry()
        self.setAccessibleName(text)
        self.setAccessibleDescription(self._status.value)
        self.update()

    def set_terse(self, terse: bool) -> None:
        """The shape alone where room is scarce; the tool tip has the word."""
        self._terse = terse
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        if self._terse:
            return QSize(_LEFT + _ICON + _LEFT, _HEIGHT)
        return QSize(_LEFT + _ICON + _GAP + text_width(self._text, "chip") + _RIGHT, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def event(self, event: QEvent) -> bool:
        return show_full_text(self, event, self._hidden_text) or super().event(event)

    def _hidden_text(self) -> str:
        return self._text if self._terse or self.width() < self.sizeHint().width() else ""

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        _, word, tint = status_colours(self._status, theme)
        draw_frame(painter, self.rect(), tint, None, _HEIGHT / 2)
        draw_status(painter, self._status, theme, _LEFT, (self.height() - _ICON) / 2, _ICON)
        if self._terse:
            return
        inner = self.rect().adjusted(_LEFT + _ICON + _GAP, 0, -_RIGHT, 0)
        draw_text(painter, inner, self._text, "chip", word)
