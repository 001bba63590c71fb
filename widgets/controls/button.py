"""Buttons: the base of all that can be pressed, the push button, and the icon button."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from widgets.controls.painting import (
    DIMMED,
    RADIUS_CONTROL,
    RADIUS_GROUP,
    Themed,
    draw_focus,
    draw_frame,
    draw_icon,
    draw_text,
    text_width,
)

# Only these reasons draw the ring: a click of the mouse shows by itself where it went.
_KEYBOARD = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class FlatButton(Themed, QAbstractButton):
    """A button that paints itself. Space and Enter press it; disabled, its tool tip says why."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ring = False
        self._tip = ""
        self.setText(text)
        self.setAccessibleName(text)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)

    def set_tip(self, tip: str) -> None:
        """Tool tip while it is enabled."""
        self._tip = tip
        if self.isEnabled():
            self.setToolTip(tip)

    def set_available(self, available: bool, why: str = "") -> None:
        """Enable it, or disable it with the reason `why` as tool tip."""
        self.setEnabled(available)
        self.setToolTip(self._tip if available else why)

    @property
    def shows_focus(self) -> bool:
        """True while it has the focus of the keyboard."""
        return self._ring

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in _KEYBOARD
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)


class ButtonKind(StrEnum):
    """Look of a push button: one primary a page at most."""

    PRIMARY = "primary"
    OUTLINED = "outlined"


class PushButton(FlatButton):
    """A button with a word on it, 36 px high."""

    def __init__(
        self,
        text: str,
        kind: ButtonKind | str = ButtonKind.OUTLINED,
        parent: QWidget | None = None,
        *,
        height: int = 36,
    ) -> None:
        super().__init__(text, parent)
        self.kind = ButtonKind(kind)
        self._height = height
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(text_width(self.text(), "label") + 32, self._height)

    def minimumSizeHint(self) -> QSize:
        return QSize(64, self._height)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        primary = self.kind is ButtonKind.PRIMARY
        surface = "surface2" if self.underMouse() and self.isEnabled() else "surface"
        if primary:
            fill = theme.colour("accentfill" if self.isEnabled() else "surface2")
            if self.isDown():
                fill = fill.darker(115)
            text = theme.colour("text3") if not self.isEnabled() else QColor("#FFFFFF")
            draw_frame(painter, self.rect(), fill, None, RADIUS_GROUP)
        else:
            text = theme.colour("text")
            if not self.isEnabled():
                text = theme.blend(text, surface, DIMMED)
            fill = theme.colour("surface2" if self.isDown() else surface)
            draw_frame(painter, self.rect(), fill, theme.colour("border2"), RADIUS_GROUP)
        inner = self.rect().adjusted(8, 0, -8, 0)
        draw_text(painter, inner, self.text(), "label", text, Qt.AlignmentFlag.AlignHCenter)
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, RADIUS_GROUP)


class IconButton(FlatButton):
    """A bare icon to press; `name` is what a screen reader and the tool tip say."""

    def __init__(self, icon_name: str, name: str, parent: QWidget | None = None, *, size: int = 32) -> None:
        super().__init__("", parent)
        self._icon_name = icon_name
        self.setFixedSize(size, size)
        self.setAccessibleName(name)
        self.set_tip(name)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        if self.isEnabled() and (self.underMouse() or self.isDown()):
            draw_frame(painter, self.rect(), theme.colour("surface2"), None, RADIUS_CONTROL)
        colour = theme.colour("text2")
        if not self.isEnabled():
            colour = theme.blend(colour, "surface", DIMMED)
        edge = (self.width() - 20) / 2
        draw_icon(painter, self._icon_name, colour, edge, edge, 20)
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)
