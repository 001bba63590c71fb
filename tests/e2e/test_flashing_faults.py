"""What else goes wrong on the way, and that it ends in one sentence and a way on."""

from __future__ import annotations

import os

import pytest

from device_io.flashing.result import Stage
from device_io.transport import open_transport
from device_io.urls import parse_serial_url
from firmware_images.maker import bootloader_image, partition_table
from firmware_images.opening import open_package
from tests.fakes import firmware_maker as maker
from tests.fakes.flash_bench import FLASH_SIZE, NAME, FlashBench, package

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""
SLOT = 0x10000 + 0x70000  # where an update goes: the second slot of 1 MiB


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (f"flash-write-error@{SLOT + 0x2000:#x}", "could not be written"),
        (f"worn@{SLOT + 0x2000:#x}", "not what was written"),
        ("flash-stall@40000", "fell silent"),
    ],
)
def test_a_fault_of_the_chip_ends_in_a_sentence_and_can_be_finished(tmp_path, fault, words):
    with FlashBench(tmp_path, fault) as bench:
        bench.name_it()
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.unfinished) == ("failed", True)
        assert result.stage in (Stage.WRITE, Stage.VERIFY)
        assert words in result.reason
        assert result.reason.endswith(".")
        (pending,) = bench.journal.pending()
    with FlashBench(tmp_path) as bench:  # the same module, repaired
        assert bench.firmware() == "1.0.0"
        result = bench.flasher().finish(pending)
        assert (result.result, result.reason) == ("ok", "")
        assert (bench.firmware(), bench.identity().name) == ("2.0.0", NAME)
        assert bench.journal.pending() == []


@pytest.mark.parametrize("fault", ["flash-drop@40000", "flash-unplug@40000:0.5"])
def test_what_esptool_gets_over_is_no_failure(tmp_path, fault):
    with FlashBench(tmp_path, fault) as bench:
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.reason, result.version) == ("ok", "", "2.0.0")
        assert bench.board.loader.bytes_received > 45_000  # it happened


def test_a_chip_that_reads_wrongly_is_not_written_to(tmp_path):
    with FlashBench(tmp_path, "flash-wrong-digest") as bench:
        before = bench.written
        result = bench.flasher().flash(package(tmp_path))
        assert (result.result, result.unfinished, bench.written) == ("failed", False, before)
        assert "not what was written" not in result.reason


def test_without_a_record_nothing_is_written(tmp_path):
    with FlashBench(tmp_path) as bench:
        (tmp_path / "journal").write_text("a file where the folder should be")
        before = bench.written
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.unfinished, bench.written) == ("failed", False, before)
        assert "disk" in result.reason
        assert bench.firmware() == "1.0.0"


def test_a_port_that_another_program_has_is_refused(tmp_path):
    with FlashBench(tmp_path) as bench:
        other = open_transport(parse_serial_url(bench.url).port, 115_200)
        before = bench.written
        try:
            result = bench.flasher(backup=False).flash(package(tmp_path))
        finally:
            other.close()
        assert (result.result, bench.written) == ("refused", before)
        assert "in use by another program" in result.reason


def test_a_damaged_layout_is_written_anew_once_all_is_kept(tmp_path):
    """Nothing boots by it, and there may be no older backup: a complete bundle is the way on."""
    bench = FlashBench(tmp_path)
    with bench:
        bench.name_it()
    bench = FlashBench(tmp_path)
    bench.board.flash.write(0x8044, bytes(4))
    with bench:
        before = bench.written
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, bench.written) == ("refused", before)
        assert "Restore the last backup" in result.reason
        result = bench.flasher().flash(package(tmp_path))
        assert (result.result, result.reason, result.version) == ("ok", "", "2.0.0")
        assert result.backup is not None
        assert any("partition table of the module is damaged" in note for note in bench.notes)
        assert (bench.firmware(), bench.identity().name) == ("2.0.0", NAME)


@pytest.mark.parametrize("backup", [True, False])
def test_what_runs_stays_though_it_is_not_what_was_chosen(tmp_path, backup):
    """The slot of the last update is damaged, and the bootloader has fallen back to the other."""
    with FlashBench(tmp_path) as bench:
        assert bench.flasher(backup=False).flash(package(tmp_path)).result == "ok"
        assert bench.board.last_boot.slot == "ota_1"
    bench = FlashBench(tmp_path)
    bench.board.flash.write(SLOT + 0x8000, bytes(16))
    with bench:
        assert (bench.firmware(), bench.board.last_boot.slot) == ("1.0.0", "ota_0")
        first = bench.board.flash.read(0x10000, 0x70000)
        result = bench.flasher(backup=backup).flash(package(tmp_path, "3.0.0"))
        assert (result.result, result.reason, bench.firmware()) == ("ok", "", "3.0.0")
        assert bench.board.last_boot.slot == "ota_1"
        assert bench.board.flash.read(0x10000, 0x70000) == first


def built(version):
    """The parts of a build for this module."""
    parts = maker.parts(app=maker.app_image(version=version, size=40_000, flash_size=FLASH_SIZE))
    parts[maker.bootloader_offset("ESP32")] = bootloader_image(flash_size=FLASH_SIZE)
    parts[maker.TABLE_OFFSET] = partition_table(size=FLASH_SIZE)
    return parts


def test_a_build_folder_and_a_single_application_are_flashed_as_well(tmp_path):
    folder = maker.build_folder(tmp_path / "build", content=built("3.0.0-dev"))
    app = tmp_path / "app.bin"
    app.write_bytes(maker.app_image(version="3.1.0 of mine", size=40_000, flash_size=FLASH_SIZE))
    merged = tmp_path / "merged.bin"
    merged.write_bytes(maker.merged_image(content=built("3.2.0")))
    with FlashBench(tmp_path) as bench:
        bench.name_it()
        slots = []
        for path, version in ((folder, "3.0.0-dev"), (app, "3.1.0 of mine"), (merged, "3.2.0")):
            result = bench.flasher(backup=False, allow_unsigned=True).flash(open_package(path))
            assert (result.result, result.reason, result.version) == ("ok", "", version)
            slots.append(bench.board.last_boot.slot)
            assert bench.identity().name == NAME
        assert slots == ["ota_1", "ota_0", "ota_1"]


def test_a_worn_sector_does_not_take_its_neighbours_with_it(tmp_path):
    """The choice of the slot is worn: going back must not touch bootloader and table beside it."""
    with FlashBench(tmp_path, "flash-write-error@0xdb5d,flash-write-error@0xe9ab") as bench:
        bench.name_it()
        bench.board.flash.write(0xE000, bytes(32))  # an entry that does not count, and is to be put back
        head = bench.board.flash.read(0, 0x9000)
        result = bench.flasher().flash(package(tmp_path))
        assert (result.result, result.unfinished, bench.firmware()) == ("failed", True, "1.0.0")
        back = bench.flasher().go_back(bench.journal.pending()[0])
        assert (back.result, back.unfinished) == ("failed", True)
        assert bench.board.flash.read(0, 0x9000) == head
        assert (bench.firmware(), bench.identity().name) == ("1.0.0", NAME)


@pytest.mark.parametrize(
    ("fault", "words"),
    # A byte of the stub that is no mark of SLIP, also when up to 35 frames of SYNC came before it.
    [("flash-drop@4398", "lost on the way to"), ("flash-wrong-digest", "lost on the way from")],
)
def test_a_bad_cable_is_not_called_a_worn_flash(tmp_path, fault, words):
    with FlashBench(tmp_path, fault) as bench:
        before = bench.written
        result = bench.flasher(backup=False).flash(package(tmp_path))
        assert (result.result, result.stage, bench.written) == ("failed", Stage.IDENTIFY, before)
        assert words in result.reason


def away_at_the_restart(bench):
    def pull(told):
        if told.stage is Stage.RESET:
            bench.board.loader.unplugged = True
            bench.wait(lambda: not os.path.exists(bench.url.removeprefix("usb:")))

    return pull


def test_a_cable_pulled_after_the_last_digest_and_put_back(tmp_path):
    with FlashBench(tmp_path, "flash-unplug@999999999:2") as bench:
        result = bench.flasher(backup=False, on_progress=away_at_the_restart(bench)).flash(package(tmp_path))
        assert (result.result, result.reason, result.version) == ("ok", "", "2.0.0")
        assert bench.journal.pending() == []


def test_a_module_that_stays_away_is_written_and_verified_all_the_same(tmp_path):
    with FlashBench(tmp_path, "flash-unplug@999999999:60") as bench:
        flasher = bench.flasher(backup=False, confirm_s=1.0, on_progress=away_at_the_restart(bench))
        result = flasher.flash(package(tmp_path))
        assert (result.result, result.stage, result.unfinished) == ("failed", Stage.CONFIRM, True)
        assert result.reason.startswith("Written and verified, but the module did not answer.")
        assert len(bench.journal.pending()) == 1
