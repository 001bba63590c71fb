"""What the page's dialogues have in common: a title over a column of parts, and buttons at the foot."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.painting import Themed
from widgets.controls.paragraph import Paragraph
from widgets.theme import Theme

_WIDTH = 520


class ColumnDialog(QDialog):
    """A subclass calls `fill` once, and `fit` whenever the height of its parts may have changed."""

    def __init__(self, parent: QWidget, theme: Theme, title: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sensix")
        self.setAccessibleName(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(_WIDTH)
        self._theme = theme
        self.title = Paragraph(title, "h1")
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(24, 22, 24, 20)
        self._column.setSpacing(12)

    def fill(self, parts: list[Themed], buttons: list[Themed]) -> None:
        """Lay the title, the parts and the buttons (left to right) out, in the theme."""
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        for part in (self.title, *parts):
            self._column.addWidget(part)  # type: ignore[arg-type]
            part.set_theme(self._theme)
        for button in buttons:
            row.addWidget(button)  # type: ignore[arg-type]
            button.set_theme(self._theme)
        self._column.addSpacing(6)
        self._column.addLayout(row)

    def fit(self) -> None:
        """Labels that wrap have a height for the width; a dialog does not ask them."""
        self.setFixedHeight(self._column.heightForWidth(_WIDTH))

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self._theme.colour("surface"))
