"""A field to type into: quiet placeholder, frame and focus like the other controls."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from widgets.controls.painting import CONTROL_HEIGHT, RADIUS_CONTROL, Themed, draw_focus, draw_frame, draw_icon, font
from widgets.theme import Theme

_ICON = 16


class Entry(Themed, QLineEdit):
    """One line of text. `name` is what a screen reader says; `mark_wrong` frames it in the colour of a fault."""

    def __init__(
        self,
        name: str,
        placeholder: str = "",
        parent: QWidget | None = None,
        *,
        icon_name: str = "",
        height: int = CONTROL_HEIGHT,
    ) -> None:
        super().__init__(parent)
        self._icon_name, self._height, self._wrong = icon_name, height, False
        self.setAccessibleName(name)
        self.setPlaceholderText(placeholder)
        self.setFrame(False)
        self.setFont(font("control"))
        self.setTextMargins(9 + (_ICON + 4 if icon_name else 0) - 2, 0, 7, 0)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._colour()

    @property
    def is_wrong(self) -> bool:
        """Whether it is marked as faulty."""
        return self._wrong

    def mark_wrong(self, why: str) -> None:
        """Frame it as faulty with the reason as tool tip; "" takes the mark away."""
        self._wrong = bool(why)
        self.setToolTip(why)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._colour()

    def _colour(self) -> None:
        palette, theme = QPalette(self.palette()), self.theme
        for role, token in (
            (QPalette.ColorRole.Text, "text"),
            (QPalette.ColorRole.PlaceholderText, "text3"),
            (QPalette.ColorRole.Highlight, "accentfill"),
        ):
            palette.setColor(role, theme.colour(token))
        palette.setColor(QPalette.ColorRole.HighlightedText, Qt.GlobalColor.white)
        palette.setColor(QPalette.ColorRole.Base, Qt.GlobalColor.transparent)
        palette.setColor(QPalette.ColorGroup.Disabled, QPalette.ColorRole.Text, theme.colour("text3"))
        self.setPalette(palette)

    def sizeHint(self) -> QSize:
        return QSize(220, self._height)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, self._height)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        ground = "surface" if self.isEnabled() else "surface2"
        border = theme.colour("bad" if self._wrong else "border2")
        draw_frame(painter, self.rect(), theme.colour(ground), border, RADIUS_CONTROL)
        if self.hasFocus() and not self._wrong:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)
        if self._icon_name:
            box = QRect(9, (self.height() - _ICON) // 2, _ICON, _ICON)
            draw_icon(painter, self._icon_name, theme.colour("text3"), box.x(), box.y(), _ICON)
        painter.end()
        super().paintEvent(event)
