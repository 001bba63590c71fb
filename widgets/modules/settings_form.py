"""The settings of a module: edit, see what changed, apply, keep or go back."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.label import Label
from widgets.controls.painting import RADIUS_GROUP, Themed, draw_frame, draw_icon
from widgets.controls.paragraph import Paragraph
from widgets.controls.progress_bar import ProgressBar
from widgets.controls.scroll import ScrollColumn
from widgets.controls.status_icon import Status, StatusIcon
from widgets.modules.model import Setting, SettingValue
from widgets.modules.setting_row import SettingRow
from widgets.theme import Theme

CUT_TEXT = "This cuts the link that is used now. The module goes back to the old settings unless you confirm in time."
EMPTY_TEXT = "Choose a module to see its settings."


class SettingsForm(Themed, QWidget):
    """apply_wanted({key: value}): write what changed. confirm_wanted(): keep it. undo_wanted(): go back at once."""

    apply_wanted = Signal(dict)
    confirm_wanted = Signal()
    undo_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: dict[str, SettingRow] = {}
        self._titles: list[Label] = []
        self._available, self._why = True, ""
        self._compact = False
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 12, 0)
        self._column.setSpacing(0)
        self._scroll = ScrollColumn(content)
        self.empty = Paragraph(EMPTY_TEXT, "body", "text3")
        self.warning = _Warning()
        self.countdown = _Countdown()
        self.icon, self.told = StatusIcon(Status.INFO, 20), Paragraph("", "body", "text2")
        self.revert = PushButton("Revert")
        self.apply = PushButton("Apply", ButtonKind.PRIMARY)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.icon)
        foot.addWidget(self.told, 1)
        foot.addWidget(self.revert)
        foot.addWidget(self.apply)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(10)
        outer.addWidget(self.empty)
        outer.addWidget(self._scroll, 1)
        outer.addWidget(self.warning)
        outer.addWidget(self.countdown)
        outer.addLayout(foot)
        self.revert.clicked.connect(self.revert_all)
        self.apply.clicked.connect(lambda: self.apply_wanted.emit(self.changes()))
        self.countdown.keep.clicked.connect(self.confirm_wanted)
        self.countdown.undo.clicked.connect(self.undo_wanted)
        self.set_settings(())
        self.set_told(None, "")
        self.set_countdown(None)

    @property
    def rows(self) -> dict[str, SettingRow]:
        """The line of each setting by key."""
        return dict(self._rows)

    def set_settings(self, settings: Sequence[Setting]) -> None:
        """The settings that the module has; edits are forgotten."""
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.setParent(None)
                widget.deleteLater()
        self._rows, self._titles = {}, []
        section = ""
        for setting in settings:
            if setting.section != section:
                section = setting.section
                if self._titles:
                    self._column.addSpacing(12)
                title = Label(section, "card-title", "text")
                self._titles.append(title)
                self._column.addWidget(title)
            row = SettingRow(setting)
            row.changed.connect(self._fit)
            row.set_compact(self._compact)
            self._rows[setting.key] = row
            self._column.addWidget(row)
        self._column.addStretch(1)
        self.empty.setVisible(not settings)
        self._scroll.setVisible(bool(settings))
        self.set_theme(self.theme)
        self._fit()

    def changes(self) -> dict[str, SettingValue]:
        """{key: new value} of what was edited."""
        return {key: row.value for key, row in self._rows.items() if row.is_changed}

    def revert_all(self) -> None:
        """Forget all edits."""
        for row in self._rows.values():
            row.revert()
        self.set_told(None, "")

    def set_problem(self, key: str, sentence: str) -> None:
        """What the module says against a value. KeyError for an unknown setting."""
        self._rows[key].mark_problem(sentence)

    def set_told(self, status: Status | str | None, text: str) -> None:
        """How it went, in a sentence; None for nothing."""
        self.icon.setVisible(status is not None)
        if status is not None:
            self.icon.set_status(status)
        self.told.set_text(text)

    def set_countdown(self, left_s: float | None, of_s: float = 60.0) -> None:
        """Seconds until the module goes back by itself, unless it is confirmed; None: nothing is counted."""
        self.countdown.setVisible(left_s is not None)
        if left_s is not None:
            self.countdown.set_left(left_s, of_s)
        self._fit()

    def set_available(self, available: bool, why: str = "") -> None:
        """Whether settings can be written now."""
        self._available, self._why = available, why
        self._fit()

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self._compact = compact
        for row in self._rows.values():
            row.set_compact(compact)

    def set_theme(self, theme: Theme) -> None:
        parts = (self.empty, self.warning, self.countdown, self.icon, self.told, self.revert, self.apply, self._scroll)
        for part in (*parts, *self._titles, *self._rows.values()):
            part.set_theme(theme)
        super().set_theme(theme)

    def _fit(self) -> None:
        changed = [row for row in self._rows.values() if row.is_changed]
        wrong = next((row for row in changed if row.problem), None)
        counting = not self.countdown.isHidden()
        self.warning.setVisible(any(row.setting.cuts_link for row in changed) and not counting)
        why = ""
        if not self._available:
            why = self._why
        elif counting:
            why = "Confirm or go back first."
        elif not changed:
            why = "Nothing was changed."
        elif wrong is not None:
            why = f"{wrong.setting.label}: {wrong.problem}"
        self.apply.set_available(not why, why)
        self.apply.setText(f"Apply {len(changed)}" if len(changed) > 1 else "Apply")
        self.revert.set_available(bool(changed) and not counting, "Nothing was changed.")


class _Warning(Themed, QWidget):
    """A sentence on amber."""

    def __init__(self) -> None:
        super().__init__()
        self.text = Paragraph(CUT_TEXT, "body", "text")
        row = QHBoxLayout(self)
        row.setContentsMargins(42, 10, 12, 10)
        row.addWidget(self.text)

    def set_theme(self, theme: Theme) -> None:
        self.text.set_theme(theme)
        super().set_theme(theme)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("warnbg"), None, RADIUS_GROUP)
        draw_icon(painter, "status-warn", theme.colour("warnfill"), 12, 10, 20)


class _Countdown(Themed, QWidget):
    """The module waits to be told that the new settings are to be kept."""

    def __init__(self) -> None:
        super().__init__()
        self.text = Paragraph("", "label", "text")
        self.bar = ProgressBar("Time to confirm", height=6, track="surface")
        self.undo = PushButton("Go back now")
        self.keep = PushButton("Keep the new settings", ButtonKind.PRIMARY)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.setSpacing(10)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addStretch(1)
        row.addWidget(self.undo)
        row.addWidget(self.keep)
        column.addWidget(self.text)
        column.addWidget(self.bar)
        column.addLayout(row)

    def set_left(self, left_s: float, of_s: float) -> None:
        whole = max(0, int(left_s + 0.999))
        self.text.set_text(f"The module goes back to the old settings in {whole} s, unless you keep the new ones.")
        self.bar.set_fraction(left_s / of_s if of_s > 0 else 0.0)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.text, self.bar, self.undo, self.keep):
            part.set_theme(theme)
        super().set_theme(theme)

    def paintEvent(self, _event: QPaintEvent) -> None:
        box = QRect(0, 0, self.width(), self.height())
        draw_frame(QPainter(self), box, self.theme.colour("accentbg"), None, RADIUS_GROUP)
