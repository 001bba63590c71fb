"""Where newer firmware comes from: one address, or none."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.entry import Entry
from widgets.controls.paragraph import Paragraph
from widgets.firmware.dialog import ColumnDialog
from widgets.theme import Theme

_TEXT = (
    "This page then asks there for a signed list of firmware when it is opened. Nothing about you or your modules is "
    "sent. Without an address nothing is asked; firmware on this computer works all the same."
)


class SourceDialog(ColumnDialog):
    """address_wanted(text): look there from now on; "" for nowhere. Close it, or `refuse` with the reason. fixed: the
    address is given from outside, it can't be changed here."""

    address_wanted = Signal(str)

    def __init__(self, parent: QWidget, theme: Theme, address: str, *, fixed: bool = False) -> None:
        super().__init__(parent, theme, "Where newer firmware comes from")
        self.text = Paragraph(_TEXT, "lead", "text2")
        self.address = Entry("Address of the list", "https://.../index.json", height=36)
        self.address.setText(address)
        self.address.setEnabled(not fixed)
        self.wrong = Paragraph("", "body", "bad")
        self.cancel = PushButton("Cancel")
        self.look = PushButton("Look there", ButtonKind.PRIMARY)
        self.fill([self.text, self.address, self.wrong], [self.cancel, self.look])
        self.cancel.clicked.connect(self.reject)
        self.look.clicked.connect(self._tell)
        self.address.returnPressed.connect(self._tell)
        self.address.textChanged.connect(self._on_text)
        self._on_text()
        self.address.setFocus()

    def refuse(self, why: str) -> None:
        """The address is not taken; why, in one sentence."""
        self._say(why)
        self.address.mark_wrong(why)

    def _on_text(self) -> None:
        self.look.setText("Look there" if self.address.text().strip() else "Use no address")
        self.look.updateGeometry()
        self.address.mark_wrong("")
        self._say("")

    def _tell(self) -> None:
        self.address_wanted.emit(self.address.text().strip())

    def _say(self, text: str) -> None:
        self.wrong.set_text(text)
        self.wrong.setVisible(bool(text))
        self.fit()
