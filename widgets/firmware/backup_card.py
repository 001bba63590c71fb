"""The backups of a module: which are kept, what is in them, and putting one back."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status
from widgets.firmware.model import Backup
from widgets.theme import Theme

_NONE = "There is no backup of this module yet."
_NONE_YET = "None of this module yet. The whole flash is kept before anything is written."


class BackupCard(Card):
    """folder_wanted(): open the folder of the backup. restore_wanted(): put this backup back. picked(key): a person
    picked another one of those that are kept."""

    folder_wanted = Signal()
    restore_wanted = Signal()
    picked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Backup", parent)
        self.chip = Chip(Status.WAITING, "None yet")
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.chip)
        self.choice = Field("")
        self.choice.setAccessibleName("Backup")
        self.choice.setMinimumWidth(120)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(8)
        self._grid.setColumnMinimumWidth(0, 96)
        self._grid.setColumnStretch(1, 1)
        self._names = [
            Label(name, "body", "text3", gives_way=False) for name in ("Taken", "Content", "SHA-256", "Kept in")
        ]
        self._values = [Label("", "body", "text") for _ in self._names]
        for row, (name, value) in enumerate(zip(self._names, self._values, strict=True)):
            self._grid.addWidget(name, row, 0)
            self._grid.addWidget(value, row, 1)
        self._grid.addWidget(self.choice, 0, 1)
        self.nothing = Paragraph(_NONE_YET, "body", "text3")
        self.folder = PushButton("Open folder")
        self.restore = PushButton("Put this backup back")
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.folder)
        buttons.addWidget(self.restore)
        buttons.addStretch(1)
        self.body_layout.addWidget(self.nothing)
        self.body_layout.addLayout(self._grid)
        self.body_layout.addStretch(1)
        self.body_layout.addSpacing(8)
        self.body_layout.addLayout(buttons)
        self.folder.clicked.connect(self.folder_wanted)
        self.restore.clicked.connect(self.restore_wanted)
        self.choice.changed.connect(self._on_choice)
        self._busy = False
        self._backups: tuple[Backup, ...] = ()
        self._backup = Backup()
        self.set_backups(())

    def set_backups(self, backups: Sequence[Backup], picked: int = 0) -> None:
        """The backups of this module, the newest first, and which of them is shown."""
        self._backups = tuple(backups)
        several = len(backups) > 1
        self.choice.set_choices([(backup.key, backup.taken) for backup in backups] if several else [])
        if several:
            self.choice.set_value(backups[picked].key)
        for part in (*self._names, *self._values, self.folder, self.restore):
            part.setVisible(bool(backups))
        self.choice.setVisible(several)
        self._values[0].setVisible(bool(backups) and not several)
        self.nothing.setVisible(not backups)
        self._show(self._backups[picked] if backups else Backup())

    def set_busy(self, busy: bool) -> None:
        """While the module is being written nothing can be put back."""
        self._busy = busy
        self._fit()

    def _show(self, backup: Backup) -> None:
        self._backup = backup
        there = bool(backup.taken)
        digest = backup.sha256.replace(" ", "")
        short = f"{digest[:4]} {digest[4:8]} … {digest[-8:-4]} {digest[-4:]}" if len(digest) > 20 else digest
        for label, text in zip(self._values, (backup.taken, backup.content, short, backup.kept_in), strict=True):
            label.set_text(text)
        self._values[2].setToolTip(digest)
        if there:
            state = (Status.OK, "Saved and verified") if backup.verified else (Status.WARN, "Not verified")
        else:
            state = (Status.WAITING, "None yet")
        self.chip.set_state(*state)
        self._fit()

    def _on_choice(self, key: object) -> None:
        self._show(next(backup for backup in self._backups if backup.key == key))
        self.picked.emit(str(key))

    def _fit(self) -> None:
        there = bool(self._backup.taken)
        busy = "The module is being written. Stop safely first."
        self.folder.set_available(there, _NONE)
        self.restore.set_available(there and not self._busy, busy if self._busy else _NONE)
        self.choice.set_available(not self._busy, busy)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for part in (self.chip, self.nothing, self.choice, self.folder, self.restore, *self._names, *self._values):
            part.set_theme(theme)
