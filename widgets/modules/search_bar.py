"""The search for modules: progress of each link, cancel, and an address to type."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import IconButton, PushButton
from widgets.controls.entry import Entry
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.controls.progress_bar import ProgressBar
from widgets.modules.model import LINK_WORDS, LinkKind, Search
from widgets.theme import Theme


class _SearchRow(QWidget):
    def __init__(self, kind: LinkKind) -> None:
        super().__init__()
        self.word = Label(LINK_WORDS[kind], "body", "text2", gives_way=False)
        self.word.setFixedWidth(48)
        self.bar = ProgressBar(f"Search on {LINK_WORDS[kind]}", height=6)
        self.told = Label("", "hint", "text3")
        self.told.setFixedWidth(156)
        self.cancel = IconButton("close", f"Stop searching on {LINK_WORDS[kind]}", size=24)
        policy = self.cancel.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.cancel.setSizePolicy(policy)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        for part in (self.word, self.bar, self.told, self.cancel):
            row.addWidget(part)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.word, self.bar, self.told, self.cancel):
            part.set_theme(theme)


class SearchBar(Themed, QWidget):
    """search_wanted(): look on all links. cancel_wanted(kind). add_wanted(address): a module by its address."""

    search_wanted = Signal()
    cancel_wanted = Signal(object)
    add_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = {kind: _SearchRow(kind) for kind in LinkKind}
        self.address = Entry("Address of a module", "usb:COM5, rs485:COM7?unit=3, mqtts://broker/...")
        self.add = PushButton("Add", height=28)
        self.search = PushButton("Search all links", height=28)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for kind, row in self.rows.items():
            column.addWidget(row)
            row.hide()
            row.cancel.clicked.connect(lambda _checked=False, which=kind: self.cancel_wanted.emit(which))
        line = QHBoxLayout()
        line.setSpacing(8)
        line.addWidget(self.address, 1)
        line.addWidget(self.add)
        line.addWidget(self.search)
        column.addLayout(line)
        self.address.textChanged.connect(lambda _text: self._fit())
        self.address.returnPressed.connect(self._add)
        self.add.clicked.connect(self._add)
        self.search.clicked.connect(self.search_wanted)
        self._fit()

    def set_searches(self, searches: Sequence[Search]) -> None:
        """How far the search is; a link that is not named is not shown."""
        known = {search.kind: search for search in searches}
        for kind, row in self.rows.items():
            search = known.get(kind)
            row.setVisible(search is not None)
            if search is not None:
                row.bar.set_fraction(search.fraction)
                row.told.set_text(search.text)
                row.cancel.setVisible(search.running)
        running = any(search.running for search in searches)
        self.search.set_available(not running, "The search is running.")

    def set_address_problem(self, sentence: str) -> None:
        """What is wrong with the address; "" for nothing."""
        self.address.mark_wrong(sentence)

    def set_theme(self, theme: Theme) -> None:
        for part in (*self.rows.values(), self.address, self.add, self.search):
            part.set_theme(theme)
        super().set_theme(theme)

    def _add(self) -> None:
        address = self.address.text().strip()
        if address:
            self.add_wanted.emit(address)

    def _fit(self) -> None:
        self.address.mark_wrong("")
        self.add.set_available(bool(self.address.text().strip()), "Type an address first.")
