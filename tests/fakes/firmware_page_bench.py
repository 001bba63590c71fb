"""The Firmware page, and a virtual module on a pty that it is about."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.firmware_page import job
from app.firmware_page.facts import Keeping
from app.firmware_page.modules import Used
from app.firmware_page.page import FirmwarePage
from app.window.module_session import ModuleSession
from device_io.flashing.backups import BackupStore
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions, FlashProgress, Stage
from device_io.source import LinkState, ModuleInfo
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from firmware_images.maker import app_image
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker
from tests.fakes.widget_probe import shown
from widgets.firmware.model import Phase, StageState
from widgets.firmware.question import Question

FLASH = 0x100000


class Bench:
    """A virtual module on a pty, the window's session, and the page."""

    def __init__(self, folder: Path, qtbot: QtBot, options: FlashOptions) -> None:
        self.folder, self.qtbot, self.options = folder, qtbot, options
        self.key = firmware_maker.new_key()
        (folder / "bundles").mkdir()
        self.module = VirtualModule("clean")
        self.board = Esp32Board(str(self.module.info.eui), size=FLASH, path=folder / "flash.bin")
        self.port = UsbPort(self.module, transport="pty", board=self.board)
        self.url = self.port.start()
        self.store, self.journal = BackupStore(folder / "backups"), Journal(folder / "journal")
        self.session = ModuleSession()
        self._info: ModuleInfo | None = None
        self.measured = ""
        self.session.identified.connect(self._on_identity)
        self.session.state_changed.connect(self._on_state)
        self.session.ended.connect(self._on_end)
        self.page: FirmwarePage | None = None

    def open(self) -> FirmwarePage:
        trusted = TrustedKey(self.key.public_key().public_bytes_raw(), "Sensix")
        keeping = Keeping(
            self.store, self.journal, [self.folder / "bundles"], lambda: [trusted], lambda: frozenset({self.url})
        )
        page = FirmwarePage(self.session, keeping, used=self._used, options=self.options)
        self.page = shown(self.qtbot, page, 1364, 800)
        return page

    def measure(self) -> None:
        with self.qtbot.waitSignal(self.session.identified, timeout=30_000):
            self.session.connect_to(self.url)

    def bundle(self, version: str, *, signed: bool = True, name: str = "", size: int = 60_000) -> Path:
        app = app_image(version=version, size=size, compressible=False, flash_size=FLASH)
        return firmware_maker.bundle(
            self.folder / "bundles" / (name or f"{version}.zip"),
            key=self.key if signed else None,
            version=version,
            content={firmware_maker.APP_OFFSET: app},
            notes=["Samples are taken when the converter is ready. No more doubled samples.", "Power factor"],
        )

    def close(self) -> None:
        if self.page is not None:
            self.page.end()
        self.session.disconnect_module()
        self.port.stop()
        self.board.close()

    def _used(self) -> Used | None:
        return Used(self.measured, self._info) if self.measured else None

    def _on_identity(self, info: ModuleInfo, _store: object) -> None:
        self._info = info

    def _on_state(self, state: LinkState) -> None:
        self.measured = state.url

    def _on_end(self) -> None:
        self._info, self.measured = None, ""


def hold_next(patch: pytest.MonkeyPatch, stage: Stage) -> None:
    """Let the next job stay in this stage, of writing after its first bytes, until it is stopped."""

    class Held(Flasher):
        def __init__(self, *arguments: Any, progress: Callable[[FlashProgress], None], cancelled: Event, **more: Any):
            def told(what: FlashProgress) -> None:
                progress(what)
                if what.stage is stage and (what.done or stage is not Stage.WRITE):
                    cancelled.wait(60.0)

            patch.setattr(job, "Flasher", Flasher)
            super().__init__(*arguments, progress=told, cancelled=cancelled, **more)

    patch.setattr(job, "Flasher", Held)


def until_phase(bench: Bench, phase: Phase, timeout_ms: int = 30_000) -> None:
    assert bench.page is not None
    panel = bench.page.panel
    bench.qtbot.waitUntil(lambda: panel.phase is phase, timeout=timeout_ms)


def question() -> Question:
    """The one dialog that is open."""
    (box,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, Question) and one.isVisible()]
    return box


def stage_runs(page: FirmwarePage, index: int) -> bool:
    return page.panel.stages.stages[index].state is StageState.RUNNING
