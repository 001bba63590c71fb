"""The Firmware page: updates, backups, WiFi and boot log of the module on the USB cable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from app.background import Background
from app.firmware_page import questions as questions
from app.firmware_page import words as words
from app.firmware_page.facts import Facts, Keeping, look_up
from app.firmware_page.job import FirmwareJob
from app.firmware_page.log import BootLog
from app.firmware_page.modules import Connected, Pause, Used, connected_module
from app.firmware_page.online import Online
from app.firmware_page.orders import Order, board_for, order_for
from app.firmware_page.stages import Kind, StageBoard
from app.firmware_page.view import Ended, headline, show_backups, show_facts, show_safety, shown_package
from app.firmware_page.wifi import WifiSetup
from app.window.module_session import ModuleSession
from device_io.discovery.module_list import KnownModule
from device_io.flashing.result import FlashOptions, FlashProgress, FlashResult, Stage
from device_io.source import LinkPhase, LinkState
from device_io.urls import parse_serial_url
from widgets.firmware import FirmwarePanel
from widgets.firmware.model import STAGES
from widgets.theme import Theme

STOP_S = 4.0
_LOOK_MS = 300
_DRAW_MS = 250
_SETTLE_MS = 10_000
"""So long after its port was given back a module that does not answer yet is still there."""
_BUSY = "Something else is being done with the module. Wait for its end."
_FILES = "Firmware (*.zip *.bin *.json);;All files (*)"


class FirmwarePage(QWidget):
    """Holds the panel and the one job at a time.

    used: what the window measures with. modules: those that are known; silent: URLs of USB ports on which nothing
    answers. options: of every job.
    """

    close_wanted = Signal()
    """The person wanted to close the window during a job, which has ended since."""

    _notified = Signal()

    def __init__(
        self,
        session: ModuleSession,
        keeping: Keeping,
        *,
        used: Callable[[], Used | None],
        modules: Callable[[], Sequence[KnownModule]] = lambda: (),
        silent: Callable[[], Iterable[str]] = lambda: (),
        options: FlashOptions | None = None,
    ) -> None:
        super().__init__()
        self._keeping, self._used, self._modules, self._silent = keeping, used, modules, silent
        self._options = options or FlashOptions()
        self._background = Background(self)
        self._pause = Pause(session, lambda why: questions.say(self.panel, "Measuring can't go on", [why]))
        self._module: Connected | None = None
        self._facts = Facts()
        self._chosen: Path | None = None
        self._picked: Path | None = None
        self._looked: tuple[Connected | None, Path | None] | None = None
        self._job: FirmwareJob | None = None
        self._order: Order | None = None
        self._board: StageBoard | None = None
        self._ended: Ended | None = None
        self._note = ""
        self._borrowed = self._stopping = self._closing = self._lost = False
        self.panel = FirmwarePanel()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.panel)
        self.boot_log = BootLog(self.panel.boot_log, self._borrow, self._give_back, self)
        self.wifi = WifiSetup(self.panel.wifi, self._borrow, self._give_back, self)
        self.online = Online(keeping.source, self.panel, self)
        self.online.arrived.connect(self._look_again)
        self._look_soon = QTimer(self, singleShot=True, interval=_LOOK_MS)
        self._look_soon.timeout.connect(self.refresh)
        self._draw = QTimer(self, interval=_DRAW_MS)
        self._draw.timeout.connect(self._show_job)
        self._settling = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._settling.timeout.connect(self._look_again)
        self._connect(session)
        self.refresh()

    def _connect(self, session: ModuleSession) -> None:
        self._notified.connect(self._look_soon.start, Qt.ConnectionType.QueuedConnection)
        session.identified.connect(lambda *_: self._look_soon.start())
        session.ended.connect(self._look_soon.start)
        session.state_changed.connect(self._on_state)
        session.text_printed.connect(self.boot_log.take)
        panel = self.panel
        panel.update_wanted.connect(lambda: self._ask(Kind.UPDATE))
        panel.retry_wanted.connect(self._retry)
        panel.repair_wanted.connect(lambda: self._ask(Kind.FINISH))
        panel.back_wanted.connect(lambda: self._ask(Kind.GO_BACK))
        panel.stop_wanted.connect(self._ask_stop)
        panel.image_wanted.connect(self._open_images)
        panel.backup.restore_wanted.connect(lambda: self._ask(Kind.RESTORE))
        panel.backup.folder_wanted.connect(self._open_folder)
        panel.backup.picked.connect(self._pick_backup)
        panel.changes.all_wanted.connect(self._show_changes)

    @property
    def is_busy(self) -> bool:
        """Whether a job runs that writes, or may."""
        return self._job is not None

    def notify(self) -> None:
        """The list of modules has changed; may be called on any thread."""
        self._notified.emit()

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        self.panel.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self.panel.set_compact(compact)

    def may_close(self) -> bool:
        """Whether the window may be closed now; else the person is asked, and `close_wanted` comes when it may."""
        if self._job is None:
            return True
        questions.ask_close(self.panel, self._board is not None and self._board.writing, self._stop_and_close)
        return False

    def end(self) -> None:
        """End what runs, within 4 s."""
        self._draw.stop()
        self._look_soon.stop()
        self._settling.stop()
        self._background.forget()
        self.boot_log.end()
        self.wifi.end()
        self.online.end()
        if self._job is not None:
            self._job.cancel()
            self._job.wait(STOP_S)

    # What there is

    def refresh(self) -> None:
        """Look which module there is, and what is kept for it."""
        if self._job is not None or self._borrowed:
            return
        used = self._used()
        measured = tuple(used.url.split()) if used is not None else ()
        silent = [*self._silent(), *(measured if self._lost else ())]
        module = connected_module(used, self._modules(), silent)
        if module is None and self._settling.isActive():
            module = self._module  # it comes back in a moment
        elif module is None and self._ended is not None and self._ended.result.unfinished:
            module = self._ended.module
        elif module is None:
            self._ended = self._board = None
        if (module, self._chosen) == self._looked:
            return
        if module is not None and self._module is not None and module.eui != self._module.eui:
            self.boot_log.forget()
        if module is not None and self._ended is not None and self._ended.module.eui not in (None, module.eui):
            self._ended = self._board = None
        self._looked, chosen = (module, self._chosen), self._chosen
        self._background.forget()
        self._background.run(
            lambda: look_up(self._keeping, module, chosen, measured),
            self._show_facts,
            lambda error: self._show_facts(Facts(module, problem=f"What is kept here could not be read ({error}).")),
            "look up firmware",
        )

    def choose_image(self, path: Path) -> None:
        """Offer this image instead of the newest one."""
        if self._job is None:
            self._chosen, self._ended, self._board = path, None, None
            self.refresh()

    def _look_again(self) -> None:
        self._looked = None
        self.refresh()

    def _on_state(self, state: LinkState) -> None:
        lost = state.phase in (LinkPhase.LOST, LinkPhase.FAILED)
        if lost != self._lost:
            self._lost = lost
            self._look_soon.start()

    def _show_facts(self, facts: Facts) -> None:
        if self._job is not None:
            return
        self._facts, self._module = facts.picking(self._picked), facts.module
        if self._module is not None:
            chip = facts.backup.chip if facts.backup is not None else None
            self.online.look(self._module.firmware, chip, self._module.type)
        show_facts(self.panel, self._facts, self._ended)
        show_safety(self.panel, facts, self._options.backup, Kind.UPDATE)
        self.panel.set_stages(self._board.stages() if self._board is not None else STAGES)
        self.panel.set_headline(headline(facts, self._ended, self._chosen is not None))

    def _show_backup(self, facts: Facts) -> None:
        """In the midst of a job: the backup that was just made."""
        if self._job is not None and self._order is not None:
            made = {"backups": facts.backups, "backup": facts.backup, "two_slots": facts.two_slots}
            self._facts = replace(self._facts, **made)
            show_backups(self.panel, facts)
            show_safety(self.panel, facts, self._options.backup, self._order.kind)

    # What a person wants

    def _ask(self, kind: Kind) -> None:
        if self._module is None or self._is_taken():
            return
        order = order_for(kind, self._module, self._facts, self._options)
        if order is not None:
            questions.ask_about(self.panel, order, self._facts, lambda: self._begin(order), self.online.postpone)

    def _retry(self) -> None:
        if self._order is not None:
            self._begin(self._order)

    def _ask_stop(self) -> None:
        if self._board is not None and self._board.writing:
            questions.ask_stop(self.panel, self._options.backup, self._stop)
        else:
            self._stop()

    def _stop(self) -> None:
        if self._job is not None:
            self._stopping = True
            self._job.cancel()
            self._show_job()

    def _stop_and_close(self) -> None:
        self._closing = True
        self._stop()
        if self._job is None:
            self.close_wanted.emit()

    def _open_images(self) -> None:
        dialog = QFileDialog(self, "Choose an image", "", _FILES)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self.choose_image(Path(path)))
        dialog.open()

    def _pick_backup(self, key: str) -> None:
        self._picked = Path(key)
        self._facts = self._facts.picking(self._picked)

    def _open_folder(self) -> None:
        if self._facts.backup is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._facts.backup.path.parent)))

    def _show_changes(self) -> None:
        package = shown_package(self._facts, self._ended)
        if package is not None:
            questions.say(self.panel, f"What changes in {package.version}", package.notes)

    # The job

    def _begin(self, order: Order) -> None:
        module = self._module
        if module is None or self._is_taken():
            return
        if (module.url, module.eui) != (order.module.url, order.module.eui):
            questions.say(
                self.panel, "Another module is connected now", ["Nothing was done. Look at it and begin anew."]
            )
            return
        self._order, self._board = order, board_for(order, self._facts)
        self._ended, self._note, self._stopping, self._picked = None, "", False, None
        store, journal = self._keeping.store, self._keeping.journal
        job = self._job = FirmwareJob(parse_serial_url(module.url), store, journal, order.options, order.work, self)
        job.progressed.connect(self._on_progress)
        job.noted.connect(self._on_note)
        job.finished.connect(self._on_finished)
        show_safety(self.panel, self._facts, order.options.backup, order.kind)
        self._pause.begin(module)
        job.start()
        self._draw.start()
        self._show_job()

    def _on_progress(self, progress: FlashProgress) -> None:
        if self._board is None or self._module is None:
            return
        if progress.stage is Stage.WRITE and not self._board.writing:
            module, measured = self._module, self._module.paused
            self._background.run(
                lambda: look_up(self._keeping, module, None, measured), self._show_backup, lambda _: None, "backup"
            )
        self._board.take(progress)

    def _on_note(self, sentence: str) -> None:
        self._note = sentence

    def _on_finished(self, result: FlashResult) -> None:
        assert self._job is not None
        assert self._board is not None
        assert self._module is not None
        assert self._order is not None
        self._draw.stop()
        self._job.deleteLater()
        self._job = None
        self._board.end(result)
        module = replace(self._module, firmware=result.version or self._module.firmware)
        self._ended = Ended(self._order.kind, module, result, self._order.package)
        self.boot_log.put(result.lines)
        self._settling.start()
        if result.result == "ok":
            self._chosen = None
        if not result.unfinished:
            self._pause.end()
            self._show_facts(replace(self._facts, module=module, unfinished=None))
        self._look_again()
        if self._closing:
            self._closing = False
            self.close_wanted.emit()

    def _show_job(self) -> None:
        if self._job is None or self._board is None or self._module is None or self._order is None:
            return
        name = self._module.name
        self.panel.set_stages(self._board.stages())
        if self._stopping:
            self.panel.set_headline(words.stopping(name, self._board.writing))
        else:
            self.panel.set_headline(words.running(self._order.kind, name, self._board.left_s(), self._note))

    # The port, for other work than flashing

    def _is_taken(self) -> bool:
        return self._job is not None or self._borrowed

    def _borrow(self) -> Connected | None:
        if self._module is None or self._is_taken():
            return None
        self._borrowed = True
        self._pause.begin(self._module)
        self._show_borrowed()
        return self._module

    def _give_back(self) -> None:
        self._borrowed = False
        self._settling.start()
        self._pause.end()
        self._show_borrowed()
        self._look_again()

    def _show_borrowed(self) -> None:
        free = not self._borrowed
        self.panel.primary.set_available(free, _BUSY)
        self.panel.backup.set_busy(self._borrowed)
        self.panel.wifi.set_available(free, _BUSY)
        self.panel.boot_log.set_available(free, _BUSY)
