"""Looking for newer firmware on the network, in the background: once an opening of the page, and when a person asks."""

from __future__ import annotations

from datetime import datetime

from PySide6.QtCore import QObject, Signal

from app.background import Background
from app.firmware.source import Source
from app.firmware.updates import UpdateError
from app.firmware_page.words import bare_version
from widgets.firmware import FirmwarePanel
from widgets.firmware.source_dialog import SourceDialog


class Online(QObject):
    """Asks the source at the address that the user has set; without one it is silent. The page shows what arrives as it
    shows what lies on this computer."""

    arrived = Signal()
    """Something was asked and answered: look again at what is there."""

    def __init__(self, source: Source | None, panel: FirmwarePanel, parent: QObject) -> None:
        super().__init__(parent)
        self._source, self._panel = source, panel
        self._background = Background(self)
        self._asked: tuple[str, str, str | None, str] | None = None
        self._module: tuple[str, str | None, str] | None = None
        self._told = ""
        panel.changes.source_wanted.connect(self._choose)
        self._show()

    def look(self, firmware: str, chip: str | None, kind: str) -> None:
        """Ask for what is newer than the firmware of a module; once for each. chip: None where it is not known. kind:
        what the module says it is."""
        self._module = (bare_version(firmware), chip, kind)
        source = self._source
        if source is None or not source.address:
            return
        asked = (source.address, *self._module)
        if asked == self._asked:
            return
        self._asked, self._told = asked, f"Asking {source.host} ..."
        self._show()
        version = bare_version(firmware) or None
        self._background.forget()
        self._background.run(
            lambda: source.ask(version, chip, kind), self._on_answer, self._on_failure, "look for firmware"
        )

    def postpone(self, version: str) -> None:
        """A person said "not now" to this version."""
        if self._source is not None and version:
            source = self._source
            self._background.run(
                lambda: source.updates().not_now(version), lambda _: self.arrived.emit(), lambda _: None, "put it off"
            )

    def end(self) -> None:
        """Nothing is of interest any more."""
        self._background.forget()

    def _on_answer(self, _: object) -> None:
        assert self._source is not None
        self._told = f"{self._source.host} was asked at {datetime.now():%H:%M}."
        self._show()
        self.arrived.emit()

    def _on_failure(self, error: Exception) -> None:
        assert self._source is not None
        known = isinstance(error, UpdateError)
        self._told = str(error) if known else f"{self._source.host} could not be asked. Try again later."
        self._show()

    def _show(self) -> None:
        there = self._source is not None
        address = self._source.address if self._source is not None else ""
        self._panel.changes.set_source(
            self._told, ("Online source..." if address else "Look online...") if there else ""
        )

    def _choose(self) -> None:
        source = self._source
        if source is None:
            return
        dialog = SourceDialog(self._panel, self._panel.theme, source.address, fixed=source.is_given)
        dialog.address_wanted.connect(lambda address: self._take(dialog, address))
        dialog.open()

    def _take(self, dialog: SourceDialog, address: str) -> None:
        assert self._source is not None
        try:
            if not self._source.is_given:
                self._source.set_address(address)
        except UpdateError as wrong:
            dialog.refuse(str(wrong))
            return
        dialog.accept()
        self._asked, self._told = None, ""
        self._background.forget()
        self._show()
        if self._module is not None:
            self.look(*self._module)
