"""The card with broker, map and how sharing stands."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.checkbox import CheckBox
from widgets.controls.entry import Entry
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status, StatusIcon
from widgets.theme import Theme


class AddressesCard(Card):
    """changed(): something is typed. settled(): typing has ended. log_wanted(): save the log of what was sent."""

    changed = Signal()
    settled = Signal()
    log_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Where to", parent)
        self.log_button = PushButton("Save the log...", height=28)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.log_button)
        self.broker = Entry("Broker", "mqtts://broker.example:8883")
        self.map_url = Entry("Community map", "https://map.example")
        self.backdated = CheckBox("The broker takes values of the past")
        self._labels = [Label("Broker", "body", "text2"), Label("Map", "body", "text2")]
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(8)
        for row, (label, entry) in enumerate(zip(self._labels, (self.broker, self.map_url), strict=True)):
            grid.addWidget(label, row, 0)
            grid.addWidget(entry, row, 1)
            entry.textEdited.connect(lambda _text: self.changed.emit())
            entry.editingFinished.connect(self._settle)
        grid.addWidget(self.backdated, 2, 1)
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

    def set_state(self, status: Status, words: str) -> None:
        """How sharing stands."""
        self.icon.set_status(status)
        self.state.set_text(words)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.log_button, self.broker, self.map_url, self.backdated, self.icon, self.state, *self._labels)
        for part in parts:
            part.set_theme(theme)
