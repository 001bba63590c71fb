"""A virtual module with a flash memory, flashed by unmodified esptool through our own stages."""

from __future__ import annotations

import random

import pytest

from device_io.discovery.identify import identify
from device_io.flashing.backups import BackupStore, flash_of
from device_io.flashing.flasher import Flasher, FlashOptions, Stage
from device_io.flashing.journal import Journal
from device_io.source import LinkError
from device_io.urls import parse_serial_url
from device_io.usb_link import UsbLink
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from firmware_images.maker import app_image
from firmware_images.opening import open_package
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker

QUICK = FlashOptions(baud=115_200)


class Bench:
    """A virtual module on a pty, and what the application keeps of it."""

    def __init__(self, folder, **board) -> None:
        self.module = VirtualModule("clean")
        self.board = Esp32Board(self.module.info.eui, path=folder / "flash.bin", **board)
        self.port = UsbPort(self.module, transport="pty", board=self.board)
        self.url = parse_serial_url(self.port.start())
        self.store, self.journal = BackupStore(folder / "backups"), Journal(folder / "journal")
        self.stages: list[Stage] = []
        self.notes: list[str] = []

    def flasher(self, **options) -> Flasher:
        return Flasher(
            self.url,
            self.store,
            self.journal,
            QUICK if not options else FlashOptions(baud=115_200, **options),
            progress=self._progress,
            note=self.notes.append,
        )

    def _progress(self, progress) -> None:
        if progress.stage not in self.stages:
            self.stages.append(progress.stage)
        assert 0 <= progress.done <= max(progress.total, progress.done)

    def firmware(self) -> str:
        return identify(UsbLink(self.url, reconnect=False), 15.0).firmware

    def close(self) -> None:
        self.port.stop()
        self.board.close()


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def package(folder, version: str = "2.0.0", size: int = 60_000, *, trusted: bool = True, **changes):
    key = firmware_maker.new_key()
    app = app_image(version=version, size=size, compressible=False)
    path = firmware_maker.bundle(
        folder / f"{version}.zip", key=key, version=version, content=firmware_maker.parts(app=app), **changes
    )
    keys = [TrustedKey(key.public_key().public_bytes_raw(), "Test")] if trusted else []
    return open_package(path, trusted_keys=keys)


def test_flash_then_restore(bench, tmp_path):
    before = bench.firmware()
    result = bench.flasher().flash(package(tmp_path))
    assert (result.result, result.reason) == ("ok", "")
    assert bench.firmware() == "2.0.0"
    assert bench.stages == list(Stage)
    assert bench.journal.pending() == []
    (backup,) = bench.store.list()
    assert backup.path == result.backup
    assert backup.firmware == before
    assert backup.told["settings"]["nominal_voltage_v"] == 230.0
    result = bench.flasher().restore(backup.path)
    assert (result.result, result.reason) == ("ok", "")
    assert bench.firmware() == before
    assert bench.board.flash.read(0, backup.size) == flash_of(backup.path)
