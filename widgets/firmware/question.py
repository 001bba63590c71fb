"""A question in plain words before something is done, and a message."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.checkbox import CheckBox
from widgets.controls.paragraph import Paragraph
from widgets.firmware.dialog import ColumnDialog
from widgets.theme import Theme


class Question(ColumnDialog):
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
        super().__init__(parent, theme, question)
        self.paragraphs = [Paragraph(part, "lead", "text2") for part in text]
        self.tick = CheckBox(second_act)
        quiet = risky or bool(second_act)
        self.yes = PushButton(yes, ButtonKind.OUTLINED if quiet else ButtonKind.PRIMARY)
        self.no = PushButton(no, ButtonKind.PRIMARY if quiet or not yes else ButtonKind.OUTLINED)
        self.fill([*self.paragraphs, self.tick], [self.no, self.yes])
        self.tick.setVisible(bool(second_act))
        self.yes.setVisible(bool(yes))
        self.yes.set_available(not second_act, "Tick the box first.")
        self.tick.toggled.connect(lambda on: self.yes.set_available(on, "Tick the box first."))
        self.yes.clicked.connect(self.accept)
        self.no.clicked.connect(self.reject)
        self.fit()
        self.no.setFocus()
