"""A row of choices of which one holds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QSizePolicy, QWidget

from widgets.controls.button import FlatButton
from widgets.controls.painting import (
    CONTROL_HEIGHT,
    DIMMED,
    RADIUS_CONTROL,
    Themed,
    draw_focus,
    draw_frame,
    draw_icon,
    draw_text,
    text_width,
)
from widgets.theme import Theme

Choice = str | tuple[Hashable, str]
"""A choice: its text, which is its value too, or (value, text)."""

_PADDING = 10
_ICON = 16


def split_choices(choices: Sequence[Choice]) -> list[tuple[Hashable, str]]:
    """(value, text) of each choice."""
    return [(choice, choice) if isinstance(choice, str) else choice for choice in choices]


class _Cell(FlatButton):
    """One choice. The segment paints the frame and the ground behind it."""

    def __init__(self, text: str, icon_name: str | None, parent: QWidget) -> None:
        super().__init__(text, parent)
        self._icon_name = icon_name
        self._shows_icon = True
        self.setCheckable(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_icon(self, shown: bool) -> None:
        """With its icon, if it has one, or without."""
        self._shows_icon = shown
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        mark = _ICON + 3 if self._icon_name and self._shows_icon else 0
        return QSize(text_width(self.text(), "control-strong") + mark + 2 * _PADDING, CONTROL_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        colour = theme.colour("accent" if self.isChecked() else "text" if self.underMouse() else "text2")
        if not self.isEnabled():
            colour = theme.blend(theme.colour("text2"), "surface", DIMMED)
        text, role = self.rect(), "control-strong" if self.isChecked() else "control-medium"
        if self._icon_name and self._shows_icon:
            draw_icon(painter, self._icon_name, colour, _PADDING - 2, (self.height() - _ICON) / 2, _ICON)
            text = text.adjusted(_PADDING + _ICON + 2, 0, 0, 0)
            draw_text(painter, text, self.text(), role, colour)
        else:
            draw_text(painter, text, self.text(), role, colour, Qt.AlignmentFlag.AlignHCenter)
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)


class Segment(Themed, QWidget):
    """A row of choices of which one holds. Tab reaches the row, arrow keys move the choice.

    changed(value): a person chose; setting it by code says nothing.
    """

    changed = Signal(object)

    def __init__(
        self,
        choices: Sequence[Choice],
        parent: QWidget | None = None,
        *,
        name: str = "",
        icons: Mapping[Hashable, str] | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        self._values: list[Hashable] = []
        self._cells: list[_Cell] = []
        for value, text in split_choices(choices):
            cell = _Cell(text, (icons or {}).get(value), self)
            self._group.addButton(cell, len(self._cells))
            self._values.append(value)
            self._cells.append(cell)
            row.addWidget(cell)
        self._cells[0].setChecked(True)
        self._shown = 0
        self._group.idToggled.connect(self._on_toggled)
        self._by_code = False

    @property
    def value(self) -> Hashable:
        """The choice that holds."""
        return self._values[self._group.checkedId()]

    def set_value(self, value: Hashable) -> None:
        """Make a choice hold, without the signal. ValueError where there is no such choice."""
        self._by_code = True
        try:
            self._cells[self._values.index(value)].setChecked(True)
        finally:
            self._by_code = False

    def set_available(self, value: Hashable, available: bool, why: str = "") -> None:
        """Allow a choice, or grey it with the reason as tool tip."""
        self._cells[self._values.index(value)].set_available(available, why)

    def set_tip(self, value: Hashable, tip: str) -> None:
        """Tool tip of a choice."""
        self._cells[self._values.index(value)].set_tip(tip)

    def show_icons(self, shown: bool) -> None:
        """Words with their icons, or alone where room is scarce."""
        for cell in self._cells:
            cell.show_icon(shown)

    def set_theme(self, theme: Theme) -> None:
        for cell in self._cells:
            cell.set_theme(theme)
        super().set_theme(theme)

    def _on_toggled(self, index: int, checked: bool) -> None:
        self.update()
        if checked and index != self._shown:
            self._shown = index
            if not self._by_code:
                self.changed.emit(self._values[index])

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        border = theme.colour("border")
        draw_frame(painter, self.rect(), theme.colour("surface"), border, RADIUS_CONTROL)
        chosen = self._cells[self._group.checkedId()].geometry()
        painter.setClipRect(chosen)
        draw_frame(painter, self.rect(), theme.colour("accentbg"), border, RADIUS_CONTROL)
        painter.setClipping(False)
        for cell in self._cells[1:]:
            painter.fillRect(QRect(cell.x(), 1, 1, self.height() - 2), border)
