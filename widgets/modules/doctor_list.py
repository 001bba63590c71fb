"""What the doctor found: the chain of checks from the computer to the module."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.controls.paragraph import Paragraph
from widgets.controls.scroll import ScrollColumn
from widgets.controls.status_icon import Status, StatusIcon
from widgets.modules.model import CHECK_WORDS, Check, CheckState
from widgets.theme import Theme

EMPTY_TEXT = "The check goes from the computer to the module, one link after the other, and says where it breaks."

_STATUS = {
    CheckState.OK: Status.OK,
    CheckState.WARN: Status.WARN,
    CheckState.BAD: Status.BAD,
    CheckState.RUNNING: Status.RUNNING,
    CheckState.WAITING: Status.WAITING,
}
_TOKEN = {CheckState.OK: "ok", CheckState.WARN: "warn", CheckState.BAD: "bad", CheckState.RUNNING: "accent"}


class DoctorList(Themed, QWidget):
    """start_wanted(): check. cancel_wanted(): stop checking."""

    start_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._checks: tuple[Check, ...] = ()
        self._rows: list[_CheckRow] = []
        self.verdict = Paragraph(EMPTY_TEXT, "body", "text2")
        self.start = PushButton("Check the links")
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(0, 0, 10, 0)
        self._column.setSpacing(14)
        self._column.addStretch(1)
        self._scroll = ScrollColumn(content)
        head = QHBoxLayout()
        head.setSpacing(12)
        head.addWidget(self.verdict, 1)
        head.addWidget(self.start)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(14)
        outer.addLayout(head)
        outer.addWidget(self._scroll, 1)
        self.start.clicked.connect(lambda: (self.cancel_wanted if self.is_running else self.start_wanted).emit())

    @property
    def is_running(self) -> bool:
        """Whether a check is being made."""
        return any(check.state is CheckState.RUNNING for check in self._checks)

    def set_checks(self, checks: Sequence[Check]) -> None:
        """The chain, in order."""
        self._checks = tuple(checks)
        while len(self._rows) > len(checks):
            row = self._rows.pop()
            row.setParent(None)
            row.deleteLater()
        while len(self._rows) < len(checks):
            row = _CheckRow()
            row.set_theme(self.theme)
            self._column.insertWidget(len(self._rows), row)
            self._rows.append(row)
        for row, check in zip(self._rows, checks, strict=True):
            row.set_check(check)
        self.verdict.set_text(self._verdict())
        self.start.setText("Stop" if self.is_running else "Check the links" if not checks else "Check again")
        self.start.setAccessibleName(self.start.text())
        self.start.updateGeometry()

    def _verdict(self) -> str:
        if not self._checks:
            return EMPTY_TEXT
        if self.is_running:
            return "The links are being checked."
        broken = next((check for check in self._checks if check.state is CheckState.BAD), None)
        if broken is not None:
            return f"It breaks here: {broken.title}."
        doubtful = sum(check.state is CheckState.WARN for check in self._checks)
        return f"It works; {doubtful} to look at." if doubtful else "Every link works."

    def set_theme(self, theme: Theme) -> None:
        for part in (self.verdict, self.start, self._scroll, *self._rows):
            part.set_theme(theme)
        super().set_theme(theme)


class _CheckRow(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.icon = StatusIcon(Status.WAITING, 22)
        self.title, self.word = Label("", "label", "text"), Label("", "hint-medium", "text3", gives_way=False)
        self.detail, self.advice = Paragraph("", "body", "text2"), Paragraph("", "body", "text")
        words = QVBoxLayout()
        words.setSpacing(3)
        head = QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.word)
        words.addLayout(head)
        words.addWidget(self.detail)
        words.addWidget(self.advice)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)

    def set_check(self, check: Check) -> None:
        self.icon.set_status(_STATUS[check.state])
        self.title.set_text(check.title)
        self.title.set_token("text3" if check.state is CheckState.WAITING else "text")
        self.word.set_text(CHECK_WORDS[check.state])
        self.word.set_token(_TOKEN.get(check.state, "text3"))
        self.detail.set_text(check.detail)
        self.detail.setVisible(bool(check.detail))
        self.advice.set_text(check.advice)
        self.advice.setVisible(bool(check.advice))

    def set_theme(self, theme: Theme) -> None:
        for part in (self.icon, self.title, self.word, self.detail, self.advice):
            part.set_theme(theme)
