"""A question in plain words before something is done, and a message."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QDialog, QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.checkbox import CheckBox
from widgets.controls.paragraph import Paragraph
from widgets.theme import Theme

_WIDTH = 520


class Question(QDialog):
    """`accepted` tells of "yes"; Escape and closing mean "no". yes: "" for a message that has nothing to decide.

    second_act: words of a box that has to be ticked before "yes" can be pressed. risky: "yes" is not the button that
    stands out, and Enter means "no".
    """

    def __init__(
        self,
        parent: QWidget,
        theme: Theme,
        question: str,
        text: Sequence[str],
        yes: str,
        no: str,
        *,
        second_act: str = "",
        risky: bool = False,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Sensix")
        self.setAccessibleName(question)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setFixedWidth(_WIDTH)
        self._theme = theme
        self.question = Paragraph(question, "h1")
        self.paragraphs = [Paragraph(part, "lead", "text2") for part in text]
        self.tick = CheckBox(second_act)
        quiet = risky or bool(second_act)
        self.yes = PushButton(yes, ButtonKind.OUTLINED if quiet else ButtonKind.PRIMARY)
        self.no = PushButton(no, ButtonKind.PRIMARY if quiet or not yes else ButtonKind.OUTLINED)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(24, 22, 24, 20)
        column.setSpacing(12)
        column.addWidget(self.question)
        for paragraph in self.paragraphs:
            column.addWidget(paragraph)
        column.addWidget(self.tick)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        buttons.addWidget(self.no)
        buttons.addWidget(self.yes)
        column.addSpacing(6)
        column.addLayout(buttons)
        self.tick.setVisible(bool(second_act))
        self.yes.setVisible(bool(yes))
        self.yes.set_available(not second_act, "Tick the box first.")
        self.tick.toggled.connect(lambda on: self.yes.set_available(on, "Tick the box first."))
        self.yes.clicked.connect(self.accept)
        self.no.clicked.connect(self.reject)
        for paragraph in (self.question, *self.paragraphs):
            paragraph.set_theme(theme)
        for button in (self.tick, self.yes, self.no):
            button.set_theme(theme)
        self.setFixedHeight(self._height())
        self.no.setFocus()

    def _height(self) -> int:
        """Labels that wrap have a height for the width; a dialog does not ask them."""
        return self._column.heightForWidth(_WIDTH)

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self._theme.colour("surface"))
