"""A virtual module with a flash memory, flashed by unmodified esptool through our own stages."""

from __future__ import annotations

import threading

import pytest

from device_io.boot_log import GUIDE
from device_io.discovery.identify import identify
from device_io.flashing.backups import flash_of
from device_io.flashing.result import FlashProgress, Stage
from device_io.port_lease import leased
from device_io.source import LinkError
from device_io.urls import parse_serial_url
from device_io.usb_link import UsbLink
from device_io.virtual_module.esp32 import chip as virtual_chip
from device_io.virtual_module.settings import SettingError
from firmware_images.maker import app_image
from firmware_images.opening import open_package
from tests.fakes.flash_bench import FLASH_SIZE, NAME, FlashBench, package

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""


@pytest.fixture
def bench(tmp_path):
    with FlashBench(tmp_path) as bench:
        yield bench


def test_flash_then_restore(bench, tmp_path):
    bench.name_it()
    before = bench.firmware()
    result = bench.flasher().flash(package(tmp_path))
    assert (result.result, result.reason, result.differences) == ("ok", "", ())
    assert (bench.firmware(), bench.module.settings["name"]) == ("2.0.0", NAME)
    assert bench.stages == list(Stage)
    assert all(0 <= told.done <= told.total for told in bench.progress)
    assert bench.journal.pending() == []
    (backup,) = bench.store.list()
    assert (backup.path, backup.firmware, backup.told["settings"]["name"]) == (result.backup, before, NAME)
    bench.name_it("Attic")
    result = bench.flasher().restore(backup.path)
    assert (result.result, result.reason, result.differences) == ("ok", "", ())
    assert (bench.firmware(), bench.module.settings["name"]) == (before, NAME)
    assert bench.board.flash.read(0, backup.size) == flash_of(backup.path)
    assert len(bench.store.list()) == 2  # the way back from the restoring


def test_settings_alone_go_back_over_the_link(bench):
    bench.name_it()
    path = bench.folder / "kept.zip"
    assert bench.flasher().back_up(path).backup == path
    bench.name_it("Attic")
    flashed = bench.board.loader.bytes_received
    result = bench.flasher().restore_settings(path)
    assert (result.result, result.reason, result.differences) == ("ok", "", ())
    assert bench.module.settings["name"] == NAME
    assert bench.board.loader.bytes_received == flashed
    bench.name_it("Attic")
    cancelled = threading.Event()
    on_progress = lambda told: told.stage is Stage.WRITE and cancelled.set()  # noqa: E731
    result = bench.flasher(cancelled=cancelled, on_progress=on_progress).restore_settings(path)
    assert (result.result, result.reason[:8], bench.module.settings["name"]) == ("failed", "Stopped.", "Attic")


def test_a_setting_that_the_firmware_refuses_keeps_no_other_back(bench, monkeypatch):
    bench.name_it()
    path = bench.folder / "kept.zip"
    bench.flasher().back_up(path)
    bench.module.settings.write({"name": "Attic", "nominal_voltage_v": 120.0})
    write = bench.module.settings.write

    def refusing(changes):
        if "nominal_voltage_v" in changes:
            raise SettingError("bad-value", "This firmware knows 120 V alone.")
        write(changes)

    monkeypatch.setattr(bench.module.settings, "write", refusing)
    result = bench.flasher().restore_settings(path)
    assert (result.result, bench.module.settings["name"]) == ("ok", NAME)
    assert result.differences == ("Nominal voltage was 230.0 and is 120.0 now.",)


def test_what_is_not_as_it_was_is_told(bench):
    path = bench.folder / "kept.zip"
    bench.flasher().back_up(path)
    bench.module.settings.write({"wifi_password": "of nobody's business", "name": "x" * 30, "confirm": True})
    bench.module._info = bench.module._info._replace(calibrated="2026-01-05")
    result = bench.flasher().restore_settings(path)
    assert result.result == "ok"
    assert [text for text in result.differences if "calibration" in text] == list(result.differences)
    assert len(result.differences) == 1


def test_a_backup_of_another_module_is_refused(bench, tmp_path):
    path = tmp_path / "kept.zip"
    bench.flasher().back_up(path)
    other = tmp_path / "other"
    other.mkdir()
    with FlashBench(other) as stranger:
        stranger.board.loader._mac = bytes(6)
        stranger.board.loader.reset()
        before = stranger.written
        result = stranger.flasher().restore(path)
        assert (result.result, stranger.written) == ("refused", before)
        assert "calibration" in result.reason


def test_a_module_that_does_not_start_is_flashed(tmp_path):
    bench = FlashBench(tmp_path)
    bench.board.flash.erase(0, 0x9000)  # bootloader and partition table are gone
    with bench:
        assert bench.board.state == "boot-loop"
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.reason) == ("ok", "")
        assert bench.firmware() == "2.0.0"


def test_what_the_module_prints_names_why_it_does_not_start(bench, tmp_path):
    def spoil(told: FlashProgress) -> None:
        if told.stage is Stage.RESET:  # verified: what comes now is the hardware's fault
            bench.board.flash.write(0x1000, bytes(4096))

    result = bench.flasher(backup=False, on_progress=spoil, confirm_s=1.0).flash(package(tmp_path))
    assert (result.result, result.stage, result.unfinished) == ("failed", Stage.CONFIRM, True)
    assert "no-bootloader" in [finding.key for finding in result.findings]
    assert "finds no bootloader" in result.reason
    assert len(bench.journal.pending()) == 1


def test_a_module_that_starts_something_else_is_not_done(bench, tmp_path):
    def spoil(told: FlashProgress) -> None:
        if told.stage is Stage.RESET:  # verified; the choice of the slot gets lost
            bench.board.flash.erase(0xD000, 0x2000)

    result = bench.flasher(backup=False, on_progress=spoil).flash(package(tmp_path))
    assert (result.result, result.unfinished) == ("failed", True)
    assert "runs 1.0.0 instead of 2.0.0" in result.reason
    (pending,) = bench.journal.pending()
    assert bench.flasher().finish(pending).result == "ok"
    assert bench.firmware() == "2.0.0"


def test_nothing_is_finished_or_restored_on_the_wrong_module(bench, tmp_path):
    cancelled = threading.Event()
    on_progress = lambda told: told.stage is Stage.VERIFY and cancelled.set()  # noqa: E731
    assert bench.flasher(cancelled=cancelled, on_progress=on_progress).flash(package(tmp_path)).unfinished
    (pending,) = bench.journal.pending()
    other = tmp_path / "other"
    other.mkdir()
    with FlashBench(other) as stranger:
        stranger.board.loader._mac = bytes(6)
        stranger.board.loader.reset()
        before = stranger.written
        for result in (stranger.flasher().finish(pending), stranger.flasher().go_back(pending)):
            assert (result.result, stranger.written) == ("refused", before)
    assert bench.journal.pending() == [pending]
    third = tmp_path / "third"
    third.mkdir()
    with FlashBench(third, "flash-encryption") as sealed:
        before = sealed.written
        for result in (sealed.flasher().finish(pending), sealed.flasher().restore(pending.backup)):
            assert (result.result, sealed.written) == ("refused", before)
            assert "encrypted" in result.reason
        assert sealed.flasher().back_up().result == "ok"
        assert "can't be put back" in sealed.notes[-1]


def test_a_port_that_goes_and_comes_with_the_restart_is_waited_for(tmp_path):
    with FlashBench(tmp_path, "flash-unplug@999999999:1.5") as bench:

        def leave(told: FlashProgress) -> None:
            if told.stage is Stage.CONFIRM:
                bench.board.loader.unplugged = True

        result = bench.flasher(backup=False, on_progress=leave).flash(package(tmp_path))
        assert (result.result, result.version) == ("ok", "2.0.0")


@pytest.mark.parametrize(
    "transport",
    ["tcp", pytest.param("rfc2217", marks=[pytest.mark.soak, pytest.mark.timeout(180)])],  # 0.1 s a change of a line
)
@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # what pyserial 3.5 calls to open rfc2217
def test_over_other_ports(tmp_path, transport):
    with FlashBench(tmp_path, transport=transport) as bench:
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.reason, result.version) == ("ok", "", "2.0.0")


def test_a_port_is_flashed_or_streamed_never_both(bench, tmp_path):
    port = parse_serial_url(bench.url).port
    with leased(port):
        result = bench.flasher().flash(package(tmp_path))
        assert (result.result, bench.stages) == ("refused", [])
    refused = []

    def look(told: FlashProgress) -> None:
        if told.stage is Stage.IDENTIFY:
            try:
                identify(UsbLink(parse_serial_url(bench.url), reconnect=False), 2.0)
            except LinkError as error:
                refused.append(str(error))

    assert bench.flasher(backup=False, on_progress=look).flash(package(tmp_path)).result == "ok"
    assert "being flashed" in refused[0]


def test_a_module_outside_of_its_loader_comes_with_a_guide(tmp_path):
    with FlashBench(tmp_path) as bench:
        bench.board.lines = True  # a SYNC means nothing to it, and the pty has no line to reset it by
        before = bench.written
        result = bench.flasher(attempts=1).flash(package(tmp_path))
        assert (result.result, result.stage, bench.written) == ("failed", Stage.IDENTIFY, before)
        assert result.guide == GUIDE
        assert "BOOT" in result.reason


def test_cancelling_before_the_first_byte_leaves_the_module_running(bench, tmp_path):
    cancelled, before = threading.Event(), bench.written

    def stop(told: FlashProgress) -> None:
        if told.stage is Stage.BACKUP:
            cancelled.set()

    result = bench.flasher(cancelled=cancelled, on_progress=stop).flash(package(tmp_path))
    assert (result.result, result.unfinished, bench.written) == ("failed", False, before)
    assert "Nothing was written" in result.reason
    assert bench.firmware() == "1.0.0"
    assert bench.store.list() == bench.journal.pending() == []


def test_a_backup_that_fails_stops_the_flashing(bench, tmp_path, monkeypatch):
    before = bench.written
    monkeypatch.setattr(bench.store, "room_for", lambda *_: False)
    result = bench.flasher().flash(package(tmp_path))
    assert (result.result, result.stage, bench.written) == ("failed", Stage.BACKUP, before)
    assert "--no-backup" in result.reason
    assert bench.flasher(backup=False).flash(package(tmp_path)).result == "ok"


def test_the_fuses_of_the_chip_count(tmp_path, monkeypatch):
    words = virtual_chip._esp32_words
    monkeypatch.setattr(virtual_chip, "_esp32_words", lambda *args: {**words(*args), 0x3FF5A088: 0b111})
    with FlashBench(tmp_path) as bench:
        before = bench.written
        result = bench.flasher(backup=False).flash(package(tmp_path, secure_version=2))
        assert (result.result, bench.written) == ("refused", before)
        assert "secure version 2; the module starts only 3" in result.reason
        assert bench.flasher(backup=False).flash(package(tmp_path, secure_version=3)).result == "ok"


def test_the_running_application_counts_too(bench, tmp_path):
    flasher = bench.flasher(backup=False)
    assert flasher.flash(package(tmp_path, "2.0.0", secure_version=4)).result == "ok"
    before = bench.written
    result = flasher.flash(package(tmp_path, "2.1.0", secure_version=3))
    assert (result.result, bench.written) == ("refused", before)
    assert "starts only 4" in result.reason


def test_an_application_that_fits_no_slot_is_refused(bench, tmp_path):
    (tmp_path / "app.bin").write_bytes(app_image(size=0x70000 + 16, flash_size=FLASH_SIZE))
    before = bench.written
    result = bench.flasher(allow_unsigned=True).flash(open_package(tmp_path / "app.bin"))
    assert (result.result, bench.written) == ("refused", before)
    assert "458768 bytes" in result.reason


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("secure-boot", "signed for secure boot"),
        ("secure-boot-v1", "signed for version 1 of secure boot"),
        ("flash-encryption", "encrypts its flash"),
        ("esp32-c3,secure-boot", "signed for secure boot"),
        ("esp32-c3,flash-encryption", "encrypts its flash"),
        ("esp32-c3", "has an ESP32-C3"),
    ],
)
def test_chips_that_would_not_start_it_are_left_alone(tmp_path, faults, words):
    with FlashBench(tmp_path, faults) as bench:
        before, firmware = bench.written, bench.firmware()
        chip = "ESP32" if faults == "esp32-c3" else bench.chip
        result = bench.flasher().flash(package(tmp_path, chip=chip))
        assert (result.result, bench.written) == ("refused", before)
        assert words in result.reason
        assert bench.firmware() == firmware  # it was let go


def test_the_other_chip_is_flashed_too(tmp_path):
    with FlashBench(tmp_path, "esp32-c3") as bench:
        assert bench.flasher(backup=False).flash(package(tmp_path, chip="ESP32-C3")).result == "ok"
        assert bench.firmware() == "2.0.0"
