"""Consent to sharing: what is sent, what is chosen, from where, what was sent, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.card import Card
from widgets.controls.checkbox import CheckBox
from widgets.controls.entry import Entry
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.controls.paragraph import Paragraph
from widgets.controls.scroll import ScrollColumn
from widgets.map.model import ConsentChoice, ConsentSection, SentSoFar
from widgets.numbers import count
from widgets.theme import Theme

CHOICES = (
    ConsentChoice("harmonics", "Voltage harmonics and THD", "tells about the grid, hardly about you", True),
    ConsentChoice("power", "Power of the house", "shows when somebody is at home"),
    ConsentChoice("current", "Current harmonics and THD", "can show which devices run"),
)
"""What can be shared; only the first is chosen beforehand."""


class ConsentPanel(Card):
    """agreed(choices, position): keys that were chosen, and the position as typed. withdrawn(): sharing ends.
    choices_changed(choices, position): for the preview."""

    agreed = Signal(tuple, str)
    withdrawn = Signal()
    choices_changed = Signal(tuple, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Share with the community map", parent)
        self._shares = False
        self._sections = QVBoxLayout()
        self._sections.setSpacing(14)
        self._section_parts: list[Label | _Point] = []
        self._boxes: dict[str, CheckBox] = {}
        self._box_parts: list[Label | Paragraph] = []
        self._titles = [Label("What you share", "card-title"), Label("Where the module is", "card-title")]
        self._choices = QVBoxLayout()
        self._choices.setSpacing(0)
        self.position = Entry("Position", "46.77, 23.59 or u82f")
        self.position_hint = Paragraph("", "hint", "text3")
        self._top = QVBoxLayout()
        self._top.addWidget(self._titles[0])
        self._top.addLayout(self._choices)
        self._top.addSpacing(8)
        self._top.addWidget(self._titles[1])
        self._top.addWidget(self.position)
        self._top.addWidget(self.position_hint)
        self._line = _Line()
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 6, 0)
        column.addLayout(self._sections)
        column.addStretch(1)
        self._scroll = ScrollColumn(content)
        self.sent = Paragraph("", "hint", "text2")
        self.agree = PushButton("Agree and share", ButtonKind.PRIMARY)
        self.withdraw = PushButton("Stop sharing")
        foot = QHBoxLayout()
        foot.setSpacing(12)
        foot.addWidget(self.sent, 1)
        foot.addWidget(self.withdraw)
        foot.addWidget(self.agree)
        self.body_layout.addLayout(self._top)
        self.body_layout.addSpacing(10)
        self.body_layout.addWidget(self._line)
        self.body_layout.addSpacing(10)
        self.body_layout.addWidget(self._scroll, 1)
        self.body_layout.addSpacing(10)
        self.body_layout.addLayout(foot)
        self.agree.clicked.connect(lambda: self.agreed.emit(self.chosen, self.position.text().strip()))
        self.withdraw.clicked.connect(self.withdrawn)
        self.position.textChanged.connect(lambda _text: self._changed())
        self.set_choices(CHOICES)
        self.set_position_problem("")
        self.set_sharing(False, SentSoFar())

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the choices that are ticked."""
        return tuple(key for key, box in self._boxes.items() if box.isChecked())

    def set_sections(self, sections: Sequence[ConsentSection]) -> None:
        """The text of the consent."""
        _empty(self._sections)
        self._section_parts = []
        for section in sections:
            column = QVBoxLayout()
            column.setSpacing(4)
            parts: list[Label | _Point] = [
                Label(section.title, "card-title"),
                *(_Point(text) for text in section.points),
            ]
            for part in parts:
                part.set_theme(self.theme)
                column.addWidget(part)
            self._section_parts += parts
            self._sections.addLayout(column)

    def set_choices(self, choices: Sequence[ConsentChoice]) -> None:
        """What can be shared."""
        _empty(self._choices)
        self._boxes, self._box_parts = {}, []
        for choice in choices:
            box = CheckBox(choice.text)
            box.setChecked(choice.chosen or choice.always)
            box.set_available(not choice.always, "Part of every message.")
            box.setAccessibleDescription(choice.hint)
            box.set_theme(self.theme)
            box.toggled.connect(lambda _on: self._changed())
            hint = Label(choice.hint, "hint", "text3")
            hint.set_theme(self.theme)
            line = QHBoxLayout()
            line.setSpacing(4)
            line.addWidget(box)
            line.addWidget(hint, 1)
            self._choices.addLayout(line)
            self._boxes[choice.key] = box
            self._box_parts.append(hint)
        self._changed()

    def set_position(self, text: str) -> None:
        """Fill in the position."""
        self.position.setText(text)

    def set_position_problem(self, sentence: str, cell: str = "") -> None:
        """What is wrong with the position, or with "" which cell it gives."""
        self.position.mark_wrong(sentence)
        fine = f"Sent as the cell {cell}, nothing nearer." if cell else "Only its cell of 27 × 20 km is sent."
        self.position_hint.set_text(sentence or fine)
        self.position_hint.set_token("bad" if sentence else "text3")
        self._fit()

    def set_sharing(self, shares: bool, sent: SentSoFar) -> None:
        """Whether consent holds, and what was sent under it."""
        self._shares = shares
        if sent.messages:
            last = f", the last {sent.last}" if sent.last else ""
            messages = "1 message" if sent.messages == 1 else f"{count(sent.messages)} messages"
            text = f"Sent so far: {messages}, {count(sent.total_bytes)} bytes{last}."
        else:
            text = "Nothing was sent so far."
        if sent.forgotten:
            text += f" {count(sent.forgotten)} of them no longer in the log."
        if sent.waiting:
            text += f" {count(sent.waiting)} waiting."
        if sent.late:
            text += f" {count(sent.late)} too late for the map: kept here, not shared."
        self.sent.set_text(text)
        self.withdraw.setVisible(shares)
        self.agree.setText("Keep these choices" if shares else "Agree and share")
        self.agree.setAccessibleName(self.agree.text())
        self._fit()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.position, self.position_hint, self.sent, self.agree, self.withdraw, self._scroll, self._line)
        for part in (*parts, *self._titles, *self._section_parts, *self._boxes.values(), *self._box_parts):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self._sections.setSpacing(8 if compact else 14)
        self._top.setSpacing(2 if compact else 6)

    def _changed(self) -> None:
        self._fit()
        self.choices_changed.emit(self.chosen, self.position.text().strip())

    def _fit(self) -> None:
        why = ""
        if not self.chosen:
            why = "Choose at least one thing to share."
        elif not self.position.text().strip():
            why = "Say where the module is."
        elif self.position.is_wrong:
            why = self.position.toolTip()
        self.agree.set_available(not why, why)


class _Point(Themed, QWidget):
    """A point of a list: a dot and words that wrap."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = Paragraph(text, "body", "text2")
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 0, 0, 0)
        row.addWidget(self._text)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._text.heightForWidth(width - 14)

    def sizeHint(self) -> QSize:
        return self._text.sizeHint() + QSize(14, 0)

    def set_theme(self, theme: Theme) -> None:
        self._text.set_theme(theme)
        super().set_theme(theme)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.theme.colour("accent"))
        painter.drawEllipse(QRect(2, 6, 5, 5))


class _Line(Themed, QWidget):
    """Between what is chosen and the text that follows from it."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(1)

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self.theme.colour("border"))


def _empty(layout: QVBoxLayout) -> None:
    while (item := layout.takeAt(0)) is not None:
        widget, inner = item.widget(), item.layout()
        if widget is not None:
            widget.setParent(None)
            widget.deleteLater()
        elif isinstance(inner, QVBoxLayout | QHBoxLayout):
            _empty(inner)  # type: ignore[arg-type]
            inner.deleteLater()
