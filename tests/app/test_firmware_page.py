"""The Firmware page against a virtual module whose chip is flashed by unmodified esptool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.firmware_facts import Keeping
from app.firmware_modules import Used
from app.firmware_page import FirmwarePage
from app.module_session import ModuleSession
from device_io.flashing.backups import BackupStore
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions
from device_io.source import LinkState, ModuleInfo
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.esp32.faults import NO_BOARD_FAULTS, BoardFaults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from firmware_images.maker import app_image
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker
from tests.fakes.widget_probe import shown
from widgets.firmware.model import Phase, StageState
from widgets.firmware.question import Question

LEFT = Qt.MouseButton.LeftButton
QUICK = FlashOptions(baud=115_200)
LONG_MS = 40_000


class Bench:
    """A virtual module on a pty, the window's session, and the page."""

    def __init__(self, folder: Path, qtbot: QtBot, options: FlashOptions, faults: BoardFaults) -> None:
        self.folder, self.qtbot, self.options = folder, qtbot, options
        self.key = firmware_maker.new_key()
        (folder / "bundles").mkdir()
        self.module = VirtualModule("clean")
        self.board = Esp32Board(self.module.info.eui or "", path=folder / "flash.bin", faults=faults)
        self.port = UsbPort(self.module, transport="pty", board=self.board)
        self.url = self.port.start()
        self.store, self.journal = BackupStore(folder / "backups"), Journal(folder / "journal")
        self.session = ModuleSession()
        self._info: ModuleInfo | None = None
        self._measured = ""
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
        with self.qtbot.waitSignal(self.session.identified, timeout=15_000):
            self.session.connect_to(self.url)

    def bundle(self, version: str, *, signed: bool = True, name: str = "", size: int = 60_000) -> Path:
        app = app_image(version=version, size=size, compressible=False)
        return firmware_maker.bundle(
            self.folder / "bundles" / (name or f"{version}.zip"),
            key=self.key if signed else None,
            version=version,
            content=firmware_maker.parts(app=app),
            notes=["Samples are taken when the converter is ready. No more doubled samples.", "Power factor"],
        )

    def close(self) -> None:
        if self.page is not None:
            self.page.end()
        self.session.disconnect_module()
        self.port.stop()
        self.board.close()

    def _used(self) -> Used | None:
        return Used(self._measured, self._info) if self._measured else None

    def _on_identity(self, info: ModuleInfo, _store: object) -> None:
        self._info = info

    def _on_state(self, state: LinkState) -> None:
        self._measured = state.url

    def _on_end(self) -> None:
        self._info, self._measured = None, ""


@pytest.fixture
def make_bench(tmp_path: Path, qtbot: QtBot) -> Iterator:
    made: list[Bench] = []

    def make(options: FlashOptions = QUICK, faults: BoardFaults = NO_BOARD_FAULTS) -> Bench:
        made.append(Bench(tmp_path, qtbot, options, faults))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def until_phase(bench: Bench, phase: Phase, timeout_ms: int = 10_000) -> None:
    assert bench.page is not None
    panel = bench.page.panel
    bench.qtbot.waitUntil(lambda: panel.phase is phase, timeout=timeout_ms)


def question() -> Question:
    """The one dialog that is open."""
    (box,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, Question) and one.isVisible()]
    return box


def test_an_update_from_the_page_and_back(make_bench) -> None:
    bench = make_bench()
    bench.bundle("2.0.0")
    bench.measure()
    page = bench.open()
    until_phase(bench, Phase.READY)
    before = page._module.firmware
    assert "2.0.0" in page.panel.title.text
    QTest.mouseClick(page.panel.primary, LEFT)
    box = question()
    assert "from 1.0.0 to 2.0.0" in box.question.text
    assert not box.tick.isVisible()
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS) as told:
        QTest.mouseClick(box.yes, LEFT)
        assert not bench.session.is_connected
    assert told.args[0].firmware.endswith("2.0.0")
    until_phase(bench, Phase.DONE)
    assert page.panel.title.text.endswith("runs 2.0.0")
    assert all(stage.state is StageState.DONE for stage in page.panel.stages.stages), page.panel.stages.stages
    assert before
