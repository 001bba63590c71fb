"""Text of many lines, to read or to paste into."""

from __future__ import annotations

from PySide6.QtGui import QFont, QFontDatabase, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QFrame, QPlainTextEdit, QVBoxLayout, QWidget

from widgets.controls.painting import RADIUS_GROUP, Themed, draw_focus, draw_frame, font
from widgets.controls.scroll import SlimBar
from widgets.theme import Theme


class TextBox(Themed, QWidget):
    """A framed box; long lines wrap, the box scrolls."""

    def __init__(
        self,
        name: str,
        placeholder: str = "",
        parent: QWidget | None = None,
        *,
        read_only: bool = False,
        monospace: bool = False,
    ) -> None:
        super().__init__(parent)
        self.edit = QPlainTextEdit()
        self.edit.setAccessibleName(name)
        self.edit.setPlaceholderText(placeholder)
        self.edit.setReadOnly(read_only)
        self.edit.setTabChangesFocus(True)
        self.edit.setFrameShape(QFrame.Shape.NoFrame)
        self.edit.setFont(_fixed() if monospace else font("body"))
        self._bar = SlimBar(self.edit)
        self.edit.setVerticalScrollBar(self._bar)
        self.edit.viewport().setAutoFillBackground(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 4, 6)
        column.addWidget(self.edit)
        self.setMinimumHeight(64)
        self._colour()

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.edit.toPlainText()

    def set_text(self, text: str) -> None:
        """Put another text into it."""
        if text != self.text:
            self.edit.setPlainText(text)

    def set_theme(self, theme: Theme) -> None:
        self._bar.set_theme(theme)
        super().set_theme(theme)
        self._colour()

    def _colour(self) -> None:
        palette, theme = QPalette(self.edit.palette()), self.theme
        for role, token in (
            (QPalette.ColorRole.Text, "text"),
            (QPalette.ColorRole.PlaceholderText, "text3"),
            (QPalette.ColorRole.Highlight, "accentfill"),
            (QPalette.ColorRole.Base, "surface2"),
        ):
            palette.setColor(role, theme.colour(token))
        self.edit.setPalette(palette)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface2"), theme.colour("border"), RADIUS_GROUP)
        if self.edit.hasFocus() and not self.edit.isReadOnly():
            draw_focus(painter, self.rect(), theme, RADIUS_GROUP)


def _fixed() -> QFont:
    result = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    result.setPixelSize(12)
    return result
