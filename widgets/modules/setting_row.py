"""A line of the settings: mark of a change, label, editor by kind, unit, range."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from widgets.controls.checkbox import Switch
from widgets.controls.entry import Entry
from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.modules.model import Setting, SettingKind, SettingValue
from widgets.numbers import MINUS, NOT_AVAILABLE, THIN_SPACE, fixed
from widgets.theme import Theme

_EDITOR, _EDITOR_COMPACT = 176, 132
_HEIGHT = 38
_NEVER = 99


def number_of(text: str) -> float | None:
    """A number as people type it: decimal comma or point, any space, any minus; None where it is none."""
    plain = text.replace(MINUS, "-").replace(THIN_SPACE, "").replace(" ", "").replace("\u00a0", "").replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


class SettingRow(Themed, QWidget):
    """changed(): the value was edited."""

    changed = Signal()

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setting = setting
        self.setFixedHeight(_HEIGHT)
        self.label = Label(setting.label, "body", "text")
        self.label.setToolTip(setting.hint)
        self.unit = Label(setting.unit, "hint", "text3", gives_way=False)
        self.range = Label(self._range_text(), "hint", "text3")
        self.editor: Entry | Field | Switch = self._make_editor()
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.label, 5)
        holder = QHBoxLayout()
        holder.addWidget(self.editor)
        if isinstance(self.editor, Switch):
            holder.addStretch(1)
        holder.setContentsMargins(0, 0, 0, 0)
        self._box = QWidget()
        self._box.setLayout(holder)
        row.addWidget(self._box)
        row.addWidget(self.unit)
        row.addWidget(self.range, 4)
        self.set_compact(False)
        self.revert()

    @property
    def value(self) -> SettingValue:
        """What stands in the editor; None where it is no valid value."""
        if isinstance(self.editor, Switch):
            return self.editor.isChecked()
        if isinstance(self.editor, Field):
            value = self.editor.value
            return value if isinstance(value, str) else None
        text = self.editor.text().strip()
        return number_of(text) if self.setting.kind is SettingKind.NUMBER else text

    @property
    def is_changed(self) -> bool:
        """Whether it differs from what the module has."""
        if self.setting.read_only:
            return False
        if self.setting.value is None:
            return isinstance(self.editor, Entry) and bool(self.editor.text().strip())
        if self.setting.kind is SettingKind.NUMBER and isinstance(self.editor, Entry):
            return self.editor.text().strip() != self._number_text(self.setting.value)
        return self.value != self.setting.value

    @property
    def problem(self) -> str:
        """What is wrong with the value, "" for nothing."""
        setting = self.setting
        if setting.kind is not SettingKind.NUMBER or not self.is_changed:
            return ""
        value = self.value
        if not isinstance(value, float):
            return "Type a number."
        low, high = setting.minimum, setting.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            return f"Only {self._range_text()}."
        if round(value, setting.decimals) != value:
            return "Type a whole number." if not setting.decimals else f"At most {setting.decimals} decimals."
        return ""

    def revert(self) -> None:
        """Show what the module has."""
        setting, editor = self.setting, self.editor
        if isinstance(editor, Switch):
            editor.setChecked(bool(setting.value))
        elif isinstance(editor, Field):
            if setting.value is not None:
                editor.set_value(setting.value)
        elif setting.value is None:
            editor.setText("")
        elif setting.kind is SettingKind.NUMBER:
            editor.setText(self._number_text(setting.value))
        else:
            editor.setText(str(setting.value))
        self._on_edited()

    def mark_problem(self, sentence: str) -> None:
        """A problem that only the module knew of."""
        if isinstance(self.editor, Entry):
            self.editor.mark_wrong(sentence)
        self.range.set_text(sentence or self._range_text())
        self.range.set_token("bad" if sentence else "text3")

    def set_compact(self, compact: bool) -> None:
        """Narrower editors."""
        width = _EDITOR_COMPACT if compact else _EDITOR
        self._box.setFixedWidth(width)
        if not isinstance(self.editor, Switch):
            self.editor.setFixedWidth(width)
        self.unit.setFixedWidth(26 if compact else 40)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.label, self.editor, self.unit, self.range):
            part.set_theme(theme)
        super().set_theme(theme)

    def sizeHint(self) -> QSize:
        return QSize(520, _HEIGHT)

    def _make_editor(self) -> Entry | Field | Switch:
        setting = self.setting
        editor: Entry | Field | Switch
        if setting.kind is SettingKind.SWITCH:
            editor = Switch(setting.label)
            editor.toggled.connect(lambda _on: self._on_edited())
        elif setting.kind is SettingKind.CHOICE:
            choices = list(setting.choices)
            if setting.value is not None and setting.value not in [value for value, _ in choices]:
                choices.append((str(setting.value), str(setting.value)))
            editor = Field("", choices)
            editor.setAccessibleName(setting.label)
            editor.changed.connect(lambda _value: self._on_edited())
        else:
            editor = Entry(setting.label, NOT_AVAILABLE if setting.value is None else "")
            if setting.kind is SettingKind.NUMBER:
                editor.setAlignment(Qt.AlignmentFlag.AlignRight)
            editor.textChanged.connect(lambda _text: self._on_edited())
        editor.setEnabled(not setting.read_only)
        return editor

    def _number_text(self, value: SettingValue) -> str:
        return self._written(float(value)) if isinstance(value, int | float) else str(value)

    def _written(self, value: float) -> str:
        """What has no unit is the number of something, as of a port: written in one piece."""
        setting = self.setting
        return fixed(value, setting.decimals) if setting.unit else fixed(value, setting.decimals, group_from=_NEVER)

    def _range_text(self) -> str:
        low, high = self.setting.minimum, self.setting.maximum
        if low is not None and high is not None:
            return f"{self._written(low)} to {self._written(high)}"
        if low is not None:
            return f"from {self._written(low)}"
        if high is not None:
            return f"up to {self._written(high)}"
        return self.setting.hint

    def _on_edited(self) -> None:
        self.mark_problem(self.problem)
        state = "changed" if self.is_changed else ""
        self.setAccessibleName(f"{self.setting.label} {state}".strip())
        self.update()
        self.changed.emit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self.is_changed:
            painter = QPainter(self)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.theme.colour("accent"))
            painter.drawEllipse(2, self.height() // 2 - 3, 7, 7)
