"""A field: quiet label and value in one combo ("Time/div 5 ms")."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from widgets.controls.painting import (
    CONTROL_HEIGHT,
    DIMMED,
    RADIUS_CONTROL,
    Themed,
    draw_focus,
    draw_frame,
    draw_icon,
    draw_text,
    font,
    popup_palette,
    text_width,
)
from widgets.controls.segment import Choice, split_choices
from widgets.controls.tips import show_full_text

_LEFT, _GAP, _CHEVRON, _RIGHT = 9, 5, 16, 4


class Field(Themed, QComboBox):
    """One of several values. Wheel, arrow keys and typing choose; Space or F4 opens the list.

    changed(value): a person chose another value; setting it by code says nothing.
    """

    changed = Signal(object)

    def __init__(self, label: str, choices: Sequence[Choice] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._label = label
        self._values: list[Hashable] = []
        self._label_shown = True
        self._ring = False
        self._last: Hashable = None
        self.setAccessibleName(label)
        self.setFont(font("control-strong"))
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setMaxVisibleItems(16)
        self.activated.connect(self._on_activated)
        self.currentIndexChanged.connect(self.updateGeometry)
        self.set_choices(choices)

    @property
    def value(self) -> Hashable:
        """The value that holds, None where there are no choices."""
        return self._values[self.currentIndex()] if self._values else None

    def set_value(self, value: Hashable) -> None:
        """Show a value, without the signal. ValueError where it is not among the choices."""
        self.setCurrentIndex(self._values.index(value))
        self._last = value

    def set_choices(self, choices: Sequence[Choice]) -> None:
        """Offer other choices; the value stays where it is among them, else the first holds."""
        kept = self.value
        pairs = split_choices(choices)
        self.clear()
        self._values = [value for value, _ in pairs]
        self.addItems([text for _, text in pairs])
        if self._values:
            self.set_value(kept if kept in self._values else self._values[0])
        self.updateGeometry()

    def set_available(self, available: bool, why: str = "") -> None:
        """Enable it, or disable it with the reason as tool tip."""
        self.setEnabled(available)
        self.setToolTip("" if available else why)

    def sizeHint(self) -> QSize:
        widest = max((text_width(self.itemText(index), "control-strong") for index in range(self.count())), default=40)
        return QSize(self._before_value() + widest + _GAP + _CHEVRON + _RIGHT, CONTROL_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(self._before_value() + self._from_value(), CONTROL_HEIGHT)

    @property
    def label_width(self) -> int:
        """Room that the label takes while it is shown."""
        return text_width(self._label, "control") + _GAP if self._label else 0

    @property
    def label_shown(self) -> bool:
        """False while the label gives way to others; the tool tip has it then."""
        return self._label_shown

    def set_label_shown(self, shown: bool) -> None:
        """Show the label, or give its room to others."""
        if shown != self._label_shown:
            self._label_shown = shown
            self.updateGeometry()
            self.update()

    def _before_value(self) -> int:
        return _LEFT + (self.label_width if self._label_shown else 0)

    def _from_value(self) -> int:
        return text_width(self.currentText(), "control-strong") + _GAP + _CHEVRON + _RIGHT

    def _on_activated(self, index: int) -> None:
        value = self._values[index]
        if value != self._last:
            self._last = value
            self.changed.emit(value)

    def showPopup(self) -> None:
        palette = popup_palette(self.theme)
        view = self.view()
        view.setPalette(palette)
        view.window().setPalette(palette)
        view.setTextElideMode(Qt.TextElideMode.ElideNone)
        view.setMinimumWidth(max(self.width(), view.sizeHintForColumn(0) + 24))
        super().showPopup()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)

    def event(self, event: QEvent) -> bool:
        return show_full_text(self, event, self._hidden_text) or super().event(event)

    def _hidden_text(self) -> str:
        return "" if self._shows_all() else f"{self._label} {self.currentText()}".strip()

    def _shows_all(self) -> bool:
        return self._label_shown and self.width() >= self.minimumSizeHint().width()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        ground = "surface2" if self.underMouse() and self.isEnabled() else "surface"
        draw_frame(painter, self.rect(), theme.colour(ground), theme.colour("border"), RADIUS_CONTROL)

        def shade(token: str) -> QColor:
            colour = theme.colour(token)
            return colour if self.isEnabled() else theme.blend(colour, ground, DIMMED)

        left = _LEFT
        if self._shows_all():
            left = self._before_value()
            label = self.rect().adjusted(_LEFT, 0, left - _GAP - self.width(), 0)
            draw_text(painter, label, self._label, "control", shade("text3"))
        value = self.rect().adjusted(left, 0, -(_GAP + _CHEVRON + _RIGHT), 0)
        draw_text(painter, value, self.currentText(), "control-strong", shade("text"))
        draw_icon(
            painter,
            "chevron-down",
            shade("text2"),
            self.width() - _RIGHT - _CHEVRON,
            (self.height() - _CHEVRON) / 2,
            _CHEVRON,
        )
        if self._ring:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)
