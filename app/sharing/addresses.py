"""The card with broker, map, how sharing stands, and how long the log of it is kept."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.checkbox import CheckBox
from widgets.controls.entry import Entry
from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status, StatusIcon
from widgets.theme import Theme

_DAYS = ((30, "1 month"), (365, "1 year"), (3650, "10 years"))
_MB = ((10, "10 MB"), (100, "100 MB"), (1000, "1000 MB"))


class AddressesCard(Card):
    """changed(): something is typed. settled(): typing has ended. log_wanted(): save the log of what was sent.
    log_limits_chosen(days, mb): keep so much of it."""

    changed = Signal()
    settled = Signal()
    log_wanted = Signal()
    log_limits_chosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Where to", parent)
        self.log_button = PushButton("Save the log...", height=28)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.log_button)
        self.broker = Entry("Broker", "mqtts://broker.example:8883")
        self.map_url = Entry("Community map", "https://map.example")
        self.backdated = CheckBox("The broker takes values of the past")
        self._labels = [Label(word, "body", "text2") for word in ("Broker", "Map", "Log")]
        self.log_days, self.log_mb = Field("Keep", _DAYS), Field("at most", _MB)
        for field, why in ((self.log_days, "How long"), (self.log_mb, "How much")):
            field.setAccessibleName(f"{why} of the log of what was sent is kept")
            field.changed.connect(lambda _value: self._tell_limits())
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        for row, (label, entry) in enumerate(zip(self._labels, (self.broker, self.map_url), strict=False)):
            grid.addWidget(label, row, 0)
            grid.addWidget(entry, row, 1)
            entry.textEdited.connect(lambda _text: self.changed.emit())
            entry.editingFinished.connect(self._settle)
        grid.addWidget(self.backdated, 2, 1)
        limits = QHBoxLayout()
        limits.setSpacing(8)
        limits.addWidget(self.log_days)
        limits.addWidget(self.log_mb)
        limits.addStretch(1)
        grid.addWidget(self._labels[2], 3, 0)
        grid.addLayout(limits, 3, 1)
        grid.setColumnStretch(1, 1)
        self.icon, self.state = StatusIcon(Status.INFO, 18), Paragraph("", "body", "text2")
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self.state, 1)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addLayout(grid)
        column.addLayout(line)
        self.body_layout.addLayout(column)
        self.backdated.toggled.connect(lambda _on: self.changed.emit())
        self.log_button.clicked.connect(self.log_wanted)

    def _settle(self) -> None:
        for entry in (self.broker, self.map_url):
            if not entry.hasFocus():
                entry.setCursorPosition(0)  # the host is what tells them apart
        self.settled.emit()

    def set_log_limits(self, days: int, mb: int) -> None:
        """How much of the log is kept."""
        for field, usual, value, word in (
            (self.log_days, _DAYS, days, "1 day" if days == 1 else f"{days} days"),
            (self.log_mb, _MB, mb, f"{mb} MB"),
        ):
            if value == field.value:
                continue
            known = value in [choice[0] for choice in usual]
            field.set_choices(usual if known else sorted([*usual, (value, word)]))
            field.set_value(value)

    def _tell_limits(self) -> None:
        self.log_limits_chosen.emit(self.log_days.value, self.log_mb.value)

    def set_state(self, status: Status, words: str) -> None:
        """How sharing stands."""
        self.icon.set_status(status)
        self.state.set_text(words)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (
            self.log_days,
            self.log_mb,
            self.log_button,
            self.broker,
            self.map_url,
            self.backdated,
            self.icon,
            self.state,
            *self._labels,
        )
        for part in parts:
            part.set_theme(theme)
