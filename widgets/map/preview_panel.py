"""The exact bytes that would be sent, to read before anything is."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status
from widgets.controls.text_box import TextBox
from widgets.map.model import Preview
from widgets.numbers import count
from widgets.theme import Theme


class PreviewPanel(Card):
    """copy_wanted(text): put it on the clipboard."""

    copy_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What would be sent", parent)
        self._preview = Preview()
        self.chip = Chip(Status.WAITING, "Not sendable yet")
        self.copy_button = PushButton("Copy", height=28)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.chip)
        self.header_layout.addWidget(self.copy_button)
        self.topic = Label("", "hint", "text3")
        self.missing = Paragraph("", "body", "warn")
        self.note = Paragraph("", "body", "text2")
        self.box = TextBox("What would be sent", read_only=True, monospace=True)
        self.bytes_told = Label("", "hint", "text3")
        self.body_layout.setSpacing(8)
        self.body_layout.addWidget(self.missing)
        self.body_layout.addWidget(self.note)
        self.body_layout.addWidget(self.topic)
        self.body_layout.addWidget(self.box, 1)
        self.body_layout.addWidget(self.bytes_told)
        self.body_layout.addStretch(0)
        self.copy_button.clicked.connect(lambda: self.copy_wanted.emit(self.text))
        self.set_preview(Preview())

    @property
    def text(self) -> str:
        """The message as text, byte for byte."""
        return self._preview.payload.decode("utf-8", "backslashreplace")

    def set_preview(self, preview: Preview) -> None:
        """Another message."""
        self._preview = preview
        ready = bool(preview.payload) and not preview.missing
        self.chip.set_state(Status.OK if ready else Status.WAITING, "As it is sent" if ready else "Not sendable yet")
        self.missing.set_text(" ".join(preview.missing))
        self.missing.setVisible(bool(preview.missing))
        self.note.set_text(preview.note)
        self.note.setVisible(bool(preview.note))
        self.topic.set_text(f"Topic {preview.topic}" if preview.topic else "")
        self.topic.setVisible(bool(preview.topic))
        self.box.set_text(self.text)
        self.box.setVisible(bool(preview.payload))
        self.bytes_told.setVisible(bool(preview.payload))
        self.bytes_told.set_text(
            f"{count(len(preview.payload))} bytes, exactly as they leave" if preview.payload else ""
        )
        self.copy_button.set_available(bool(preview.payload), "There is nothing to copy yet.")

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for part in (self.chip, self.copy_button, self.topic, self.missing, self.note, self.box, self.bytes_told):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self.topic.setVisible(bool(self._preview.topic) and not compact)
