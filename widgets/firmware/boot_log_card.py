"""A boot log to paste, and what it means."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.scroll import ScrollColumn
from widgets.controls.status_icon import Status, StatusIcon
from widgets.controls.text_box import TextBox
from widgets.firmware.model import Finding, Severity
from widgets.theme import Theme

EMPTY_TEXT = "Paste what the module prints when it starts, or read it from the module. Its meaning appears here."

_STATUS = {Severity.OK: Status.OK, Severity.INFO: Status.INFO, Severity.WARN: Status.WARN, Severity.BAD: Status.BAD}


class BootLogCard(Card):
    """explain_wanted(text): say what a log means. read_wanted(): restart the module and read its log."""

    explain_wanted = Signal(str)
    read_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What the module says when it starts", parent)
        self.read = PushButton("Read from the module", height=28)
        self.explain = PushButton("Explain", height=28)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.read)
        self.header_layout.addWidget(self.explain)
        self.box = TextBox("Boot log", "rst:0x1 (POWERON_RESET) ...", monospace=True)
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 8, 0)
        self._column.setSpacing(12)
        self._scroll = ScrollColumn(content)
        self._empty = Paragraph(EMPTY_TEXT, "body", "text3")
        self._column.addWidget(self._empty)
        self._column.addStretch(1)
        self._parts: list[StatusIcon | Label | Paragraph] = []
        self._rows: list[QWidget] = []
        self.body_layout.addWidget(self.box, 3)
        self.body_layout.addSpacing(14)
        self.body_layout.addWidget(self._scroll, 2)
        self.box.edit.textChanged.connect(self._fit)
        self.explain.clicked.connect(lambda: self.explain_wanted.emit(self.box.text))
        self.read.clicked.connect(self.read_wanted)
        self._fit()

    def set_log(self, text: str) -> None:
        """Put a log into the box."""
        self.box.set_text(text)

    def set_findings(self, findings: Sequence[Finding]) -> None:
        """What the log means, the most important first."""
        for row in self._rows:
            row.setParent(None)
            row.deleteLater()
        self._rows, self._parts = [], []
        self._empty.setVisible(not findings)
        for index, finding in enumerate(findings):
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.setSpacing(10)
            icon, title = StatusIcon(_STATUS[finding.severity], 20), Paragraph(finding.title, "label", "text")
            advice = Paragraph(finding.advice, "body", "text2")
            words = QVBoxLayout()
            words.setSpacing(2)
            words.addWidget(title)
            words.addWidget(advice)
            line.addWidget(icon, 0, Qt.AlignmentFlag.AlignTop)
            line.addLayout(words, 1)
            self._column.insertWidget(index + 1, row)
            self._rows.append(row)
            self._parts += [icon, title, advice]
        self.set_theme(self.theme)

    def set_available(self, available: bool, why: str = "") -> None:
        """Whether a module can be read."""
        self.read.set_available(available, why)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for part in (self.read, self.explain, self.box, self._scroll, self._empty, *self._parts):
            part.set_theme(theme)

    def _fit(self) -> None:
        self.explain.set_available(bool(self.box.text.strip()), "Paste a log first.")
