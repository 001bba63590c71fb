"""Consent, addresses and the exact bytes of the next message, on one page: what is chosen is seen at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication, QHideEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QInputDialog, QLineEdit, QVBoxLayout, QWidget

from app.background import Background
from app.community.broker import BrokerError, keep_password, parse_broker, password_of
from app.community.consent import Choices
from app.community.map_answers import MapError
from app.community.rest import MapClient
from app.community.sent_log import LogLimits
from app.community.service import Preview
from app.sharing.addresses import AddressesCard
from app.sharing.link import SharingLink
from app.sharing.service import NO_MAP, SharingState
from app.sharing.setup import Setup
from app.sharing.words import (
    EXAMPLE,
    NO_MODULE,
    NO_PLACE,
    NOTHING_YET,
    consent_sections,
    how_it_stands,
    sent_so_far,
    shown_preview,
)
from resources.geohash import PositionError, cell_of
from widgets.controls.status_icon import Status
from widgets.map import ConsentPanel, PreviewPanel
from widgets.map.consent_panel import CHOICES
from widgets.map.model import Preview as ShownPreview
from widgets.numbers import count
from widgets.theme import Theme

SHARES = {"power": "power", "current": "current-harmonics"}
"""Choices of the panel beside the voltage's harmonics, and what consent calls them."""
NO_BROKER = "mqtts://broker.invalid"
"""Stands in for the broker of a preview: it is no part of the message."""

_SETTLE_MS = 300
_PREVIEW_MS = 2000
_GAP, _GAP_COMPACT = 12, 8


class SharingView(QWidget):
    """Shows what `link` does and asks it to begin and to end."""

    setup_changed = Signal(object)
    """Setup: another address or cell."""

    def __init__(self, link: SharingLink, setup: Setup, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._link, self._setup = link, setup
        self._background, self._previews = Background(self), Background(self)
        self._previewing = False
        self._state = link.service.state
        self._standing: tuple[Status, str] | None = None
        self._sections: tuple[object, ...] = ()
        self.consent, self.addresses, self.preview = ConsentPanel(), AddressesCard(), PreviewPanel()
        self._row, self._right = QHBoxLayout(self), QVBoxLayout()
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(self.consent, 54)
        self._row.addLayout(self._right, 46)
        self._right.addWidget(self.addresses)
        self._right.addWidget(self.preview, 1)
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settle.timeout.connect(self._look)
        self._renew = QTimer(self, interval=_PREVIEW_MS)
        self._renew.timeout.connect(self._load_preview)
        self._fill()
        self._connect()
        self.show_state(link.service.state)  # it may have changed before anybody listened
        self.set_compact(False)

    def _fill(self) -> None:
        given, setup = self._state.given, self._setup
        shared = given.choices.share if given is not None else ()
        self.consent.set_choices(
            [
                replace(choice, always=choice.key not in SHARES, chosen=SHARES.get(choice.key) in shared)
                for choice in CHOICES
            ]
        )
        self.consent.set_position(setup.cell)
        for entry, text in ((self.addresses.broker, setup.broker), (self.addresses.map_url, setup.map_url)):
            entry.setText(text)
            entry.setCursorPosition(0)
        self.addresses.backdated.setChecked(setup.accepts_backdated)
        self._look()
        self.show_state(self._state)

    def _connect(self) -> None:
        self.consent.choices_changed.connect(lambda *_: self._settle.start())
        self.consent.agreed.connect(lambda *_: self._agree())
        self.consent.withdrawn.connect(self._withdraw)
        self.consent.position.editingFinished.connect(self._keep_place)
        self.addresses.changed.connect(self._settle.start)
        self.addresses.settled.connect(self._keep)
        self.addresses.log_wanted.connect(self._ask_for_log)
        self.addresses.log_limits_chosen.connect(self._keep_log)
        self.preview.copy_wanted.connect(lambda text: QGuiApplication.clipboard().setText(text))
        self._link.state_changed.connect(self.show_state)

    @property
    def setup(self) -> Setup:
        """Addresses and cell as they are now."""
        return self._setup

    def show_state(self, state: SharingState) -> None:
        """What the link tells."""
        self._state = state
        self.consent.set_sharing(state.given is not None, sent_so_far(state))
        standing = how_it_stands(state)
        if standing != self._standing:  # else what was told of something else stays to be read
            self._standing = standing
            self.addresses.set_state(*standing)
        self.addresses.set_log_limits(*state.log)
        self.addresses.log_button.set_available(
            state.counts.sent > state.counts.forgotten, "There is nothing in the log so far."
        )

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        for part in (self.consent, self.addresses, self.preview):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        for layout in (self._row, self._right):
            layout.setSpacing(_GAP_COMPACT if compact else _GAP)
        self.consent.set_compact(compact)
        self.preview.set_compact(compact)

    # What is typed

    def _look(self) -> None:
        """Check what is typed, and show text and message for it."""
        cell, broker = self._cell(), self.addresses.broker.text().strip()
        text = self.consent.position.text().strip()
        problem = ""
        if text and not cell:
            problem = self._position_problem(text)
        self.consent.set_position_problem(problem, cell)
        self.addresses.broker.mark_wrong(_broker_problem(broker) if broker else "")
        self.addresses.map_url.mark_wrong(_map_problem(self.addresses.map_url.text().strip()))
        examples = ["the module's place"] if not cell else []
        if not broker or self.addresses.broker.is_wrong:
            examples.append("the broker's address")
            broker = EXAMPLE.broker
        sections = consent_sections(self._choices(cell or EXAMPLE.cell, broker), examples)
        if sections != self._sections:
            self._sections = sections
            self.consent.set_sections(sections)
        self._load_preview()

    def _cell(self) -> str:
        try:
            return cell_of(self.consent.position.text())
        except PositionError:
            return ""

    def _position_problem(self, text: str) -> str:
        try:
            cell_of(text)
        except PositionError as wrong:
            return str(wrong)
        return ""

    def _choices(self, cell: str, broker: str) -> Choices:
        share = tuple(SHARES[key] for key in self.consent.chosen if key in SHARES)
        return Choices(cell, broker, share, self.addresses.backdated.isChecked(), self.addresses.map_url.text().strip())

    def _keep_place(self) -> None:
        """From here on the exact place is not even in the field."""
        cell = self._cell()
        self._keep()
        if cell:
            self.consent.set_position(cell)

    def _keep(self) -> None:
        """Remember addresses and cell; what makes no sense, or holds a password, is not kept."""
        broker, url = self.addresses.broker.text().strip(), self.addresses.map_url.text().strip()
        setup = Setup(
            "" if _broker_problem(broker) else broker,
            "" if _map_problem(url) else url,
            self.addresses.backdated.isChecked(),
            self._cell(),
        )
        if setup != self._setup:
            self._setup = setup
            self.setup_changed.emit(setup)

    # Consent

    def _agree(self) -> None:
        self._look()  # what is agreed to is what stands there
        cell, broker = self._cell(), self.addresses.broker.text().strip()
        problem = _broker_problem(broker)
        if problem:
            self._fail(self.addresses.broker, problem)
            return
        url = self.addresses.map_url.text().strip()
        problem = _map_problem(url)
        if not problem and not url and not parse_broker(broker).is_loopback:
            problem = NO_MAP
        if problem:
            self._fail(self.addresses.map_url, problem)
            return
        self._keep_place()
        choices = self._choices(cell, broker)
        if self._state.is_login_refused and parse_broker(broker).user is not None:
            self._ask_password(choices, BrokerError(self._state.error or "The broker refuses this password."))
            return
        self._tell_busy("Beginning …")
        self._background.run(
            lambda: password_of(parse_broker(broker)),
            lambda password: self._give(choices, password),
            lambda error: self._ask_password(choices, error),
            "password of the broker",
        )

    def _give(self, choices: Choices, password: str | None) -> None:
        self._background.run(
            lambda: self._link.service.give(choices, password), lambda _: None, self._tell_error, "give consent"
        )

    def _ask_password(self, choices: Choices, error: Exception) -> None:
        broker = parse_broker(choices.broker)
        if not isinstance(error, BrokerError) or broker.user is None:
            self._tell_error(error)
            return
        dialog = QInputDialog(self)
        dialog.setWindowTitle("Password of the broker")
        dialog.setLabelText(f"Password of {broker.user} for {broker.address}. It is kept in the system's keyring only.")
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)

        def go_on(password: str) -> None:
            self._background.run(
                lambda: keep_password(broker, password),
                lambda _: self._give(choices, password),
                self._tell_error,
                "keyring",
            )

        dialog.textValueSelected.connect(go_on)
        dialog.rejected.connect(lambda: self._tell_error(error))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _withdraw(self) -> None:
        self._tell_busy("Ending …")
        self._background.run(self._link.service.withdraw, self._tell_withdrawn, self._tell_error, "withdraw consent")

    def _tell_withdrawn(self, deleted: int) -> None:
        told = "one message that waited is" if deleted == 1 else f"{count(deleted)} messages that waited are"
        self._standing = how_it_stands(SharingState())
        self.addresses.set_state(Status.OK, f"Sharing has ended; {told} deleted.")

    def _tell_busy(self, words: str) -> None:
        """Until it is known how sharing stands then."""
        self._standing = None
        self.addresses.set_state(Status.RUNNING, words)

    def _tell_error(self, error: Exception) -> None:
        self._standing = how_it_stands(self._state)
        self.addresses.set_state(Status.BAD, str(error))

    def _fail(self, entry: QLineEdit, problem: str) -> None:
        entry.mark_wrong(problem)  # type: ignore[attr-defined]
        entry.setFocus()
        self.addresses.set_state(Status.BAD, problem)

    # The next message

    def _load_preview(self) -> None:
        if self._previewing or not self.isVisible():
            return
        cell = self._cell()
        missing = ""
        if self._link.info is None:
            missing = NO_MODULE
        elif not cell:
            missing = NO_PLACE
        if missing:
            self.preview.set_preview(ShownPreview(missing=(missing,)))
            return
        broker = self.addresses.broker.text().strip()
        choices = self._choices(cell, NO_BROKER if _broker_problem(broker) else broker)
        self._previewing = True
        self._previews.run(
            lambda: self._link.service.preview(choices), self._show_preview, self._preview_failed, "preview"
        )

    def _show_preview(self, preview: Preview | None) -> None:
        self._previewing = False
        edit = self.preview.box.edit
        if edit.textCursor().hasSelection():
            return  # somebody is copying a part of it
        line = edit.verticalScrollBar().value()
        shown = ShownPreview(missing=(NOTHING_YET,)) if preview is None else shown_preview(preview)
        self.preview.set_preview(shown)
        edit.verticalScrollBar().setValue(line)

    def _preview_failed(self, error: Exception) -> None:
        self._previewing = False
        self.preview.set_preview(ShownPreview(missing=(str(error),)))

    # The log

    def _ask_for_log(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save the log", "sensix-sent.jsonl", "JSON lines (*.jsonl)")
        if path:
            self.save_log(Path(path))

    def _keep_log(self, days: int, mb: int) -> None:
        self._background.run(
            lambda: self._link.service.keep_log(LogLimits(days, mb)),
            lambda _: None,
            self._tell_error,
            "limits of the log",
        )

    def save_log(self, path: Path) -> None:
        """Write all that the log has."""

        def saved(number: int) -> None:
            told = "message" if number == 1 else "messages"
            self.addresses.set_state(Status.OK, f"Saved {path.name}: {count(number)} {told}, byte for byte.")

        def failed(error: Exception) -> None:
            why = getattr(error, "strerror", None) or error
            self.addresses.set_state(Status.BAD, f"{path} can't be written ({why}); choose another place.")

        self._background.run(lambda: self._link.service.export_log(path), saved, failed, "save the log")

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._renew.start()
        self._look()

    def hideEvent(self, event: QHideEvent) -> None:
        self._renew.stop()
        super().hideEvent(event)


def _broker_problem(text: str) -> str:
    try:
        parse_broker(text)
    except BrokerError as wrong:
        return str(wrong)
    return ""


def _map_problem(text: str) -> str:
    try:
        if text:
            MapClient(text)
    except MapError as wrong:
        return str(wrong)
    return ""
