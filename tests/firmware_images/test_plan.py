"""What is written where: applied to a whole flash, and looked at as the bootloader would."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from firmware_images.errors import ImageError, Reason
from firmware_images.image import parse_image
from firmware_images.opening import open_package
from firmware_images.package import FirmwarePackage
from firmware_images.partition_table import parse_partition_table
from firmware_images.plan import Write, booting_partition, plan_writes
from firmware_images.target import Target
from tests.fakes import firmware_maker as maker
from tests.firmware_images.test_partition_table import NVS, table

NEW = maker.parts(version="3.0.0", size=150_000, seed=7)


def package(folder: Path, content: dict[int, bytes] | None = None) -> FirmwarePackage:
    return open_package(maker.bundle(folder / "a.zip", content=NEW if content is None else content, version="3.0.0"))


def module(flash: bytes, chip: str = "ESP32") -> Target:
    """What a flasher finds out by reading the flash."""
    start = maker.bootloader_offset(chip)
    try:
        layout = parse_partition_table(flash[0x8000:0x8C00])
    except ImageError:
        return Target(chip, len(flash))
    place = layout.ota_data
    return Target(
        chip,
        len(flash),
        partition_table=layout,
        ota_data=flash[place.offset : place.end] if place is not None else None,
        bootloader=flash[start:0x8000],
    )


def written(flash: bytes, writes: tuple[Write, ...]) -> bytes:
    done = bytearray(flash)
    for write in writes:
        assert write.offset % 0x1000 == 0
        assert len(write.data) % 0x1000 == 0
        done[write.offset : write.offset + len(write.data)] = write.data
    assert len(done) == len(flash)
    return bytes(done)


def version_that_boots(flash: bytes, chip: str = "ESP32") -> str:
    target = module(flash, chip)
    assert target.partition_table is not None
    assert parse_image(flash[maker.bootloader_offset(chip) : 0x8000]).chip.name == chip
    place = booting_partition(target.partition_table, target.ota_data)
    assert place is not None
    app = parse_image(flash[place.offset : place.end]).app
    assert app is not None
    return app.version


def kept(before: bytes, after: bytes) -> bool:
    cal = maker.calibration_offset()
    return before[0x9000:0xD000] == after[0x9000:0xD000] and before[cal:] == after[cal:]


def test_an_update_goes_to_the_other_slot_and_keeps_the_rest(tmp_path: Path) -> None:
    flash = maker.flash_image(nvs=Random(1).randbytes(0x4000), calibration=Random(2).randbytes(0x10000))
    writes = plan_writes(package(tmp_path), module(flash))
    assert [write.label for write in writes] == ["ota_1", "otadata"]
    after = written(flash, writes)
    assert kept(flash, after)
    assert version_that_boots(after) == "3.0.0"
    assert after[0x10000:0x200000] == flash[0x10000:0x200000]  # what booted before is still there
    assert after[0x1000:0x9000] == flash[0x1000:0x9000]


def test_broken_off_anywhere_the_module_still_boots(tmp_path: Path) -> None:
    flash = maker.flash_image()
    writes = plan_writes(package(tmp_path), module(flash))
    sectors = [
        Write(write.offset + at, write.data[at : at + 0x1000], write.label)
        for write in writes
        for at in range(0, len(write.data), 0x1000)
    ]
    for done in range(len(sectors)):
        half = written(flash, tuple(sectors[:done]))
        # The next sector is erased, and not written yet.
        half = written(half, (Write(sectors[done].offset, b"\xff" * 0x1000, ""),))
        assert version_that_boots(half) in ("2.1.0", "3.0.0"), done


def test_updates_take_turns(tmp_path: Path) -> None:
    flash = maker.flash_image()
    for n in range(6):
        content = maker.parts(version="3.0.0", seed=n)
        slot = plan_writes(package(tmp_path, content), module(flash))[0]
        assert slot.label == ("ota_1" if n % 2 == 0 else "ota_0")
        flash = written(flash, plan_writes(package(tmp_path, content), module(flash)))
        assert version_that_boots(flash) == "3.0.0"


@pytest.mark.parametrize("chip", ["ESP32", "ESP32-C3", "ESP32-S3"])
def test_a_blank_module_gets_everything(chip: str, tmp_path: Path) -> None:
    path = maker.bundle(tmp_path / "a.zip", chip=chip, version="3.0.0")
    after = written(b"\xff" * (4 << 20), plan_writes(open_package(path), Target(chip, 4 << 20)))
    assert version_that_boots(after, chip) == "3.0.0"


def test_files_of_a_bundle_go_to_a_blank_module_but_not_over_those_of_a_damaged_one(tmp_path: Path) -> None:
    content = NEW | {0xF000: b"radio" * 100}
    blank = Target("ESP32", 4 << 20)
    labels = {write.label for write in plan_writes(package(tmp_path, content), blank)}
    kept_back = {write.label for write in plan_writes(package(tmp_path, content), replace(blank, table_damaged=True))}
    assert labels - kept_back == {"phy_init"}


def test_secure_boot_keeps_its_sound_bootloader_though_the_table_is_gone(tmp_path: Path) -> None:
    target = replace(module(maker.flash_image()), partition_table=None, ota_data=None, table_damaged=True)
    for secure_boot in (False, True):
        writes = plan_writes(package(tmp_path, NEW), replace(target, secure_boot=secure_boot))
        assert ("bootloader" in [write.label for write in writes]) is not secure_boot
        assert "partition-table" in [write.label for write in writes]


def test_a_dump_brings_no_settings_to_a_blank_module(tmp_path: Path) -> None:
    (tmp_path / "dump.bin").write_bytes(maker.flash_image())
    blank = b"\xff" * (4 << 20)
    after = written(blank, plan_writes(open_package(tmp_path / "dump.bin"), Target("ESP32", 4 << 20)))
    assert kept(blank, after)
    assert version_that_boots(after) == "2.1.0"


def test_a_bootloader_that_is_sound_stays(tmp_path: Path) -> None:
    """While one is being written nothing boots: it is renewed only where that is lost already."""
    content = NEW | {0x1000: maker.bootloader_image(version=2, seed=3)}
    flash = maker.flash_image()
    target = module(flash)
    old = maker.bootloader_image()
    for careful in (target, replace(target, secure_boot=True), replace(target, bootloader=None)):
        assert [write.label for write in plan_writes(package(tmp_path, content), careful)] == ["ota_1", "otadata"]
    without_hash = bytearray(old[:-32])  # as older builds leave it
    without_hash[23] = 0
    for silent in (bytes(without_hash), old + b"\xff" * 100):
        labels = [write.label for write in plan_writes(package(tmp_path, content), replace(target, bootloader=silent))]
        assert labels == ["ota_1", "otadata"]
    for broken in (b"\xff" * 0x7000, old[:500], maker.bootloader_image("ESP32-C3")):
        writes = plan_writes(package(tmp_path, content), replace(target, bootloader=broken))
        assert [write.label for write in writes] == ["bootloader", "ota_1", "otadata"]
        after = written(flash, writes)
        assert parse_image(after[0x1000:0x8000]).bootloader is not None
        assert kept(flash, after)


def test_a_bootloader_that_differs_in_flash_settings_stays(tmp_path: Path) -> None:
    content = NEW | {0x1000: maker.bootloader_image(flash_size=2 << 20)}
    labels = [write.label for write in plan_writes(package(tmp_path, content), module(maker.flash_image()))]
    assert labels == ["ota_1", "otadata"]


def test_a_module_with_one_place_gets_it_replaced(tmp_path: Path) -> None:
    flash = maker.flash_image(two_slots=False)
    writes = plan_writes(package(tmp_path), module(flash))
    assert [write.label for write in writes] == ["factory"]
    after = written(flash, writes)
    assert version_that_boots(after) == "3.0.0"
    assert kept(flash, after)


def test_a_new_layout_only_where_needed_and_safe(tmp_path: Path) -> None:
    cal = (1, 2, 0x3F0000, 0x10000, "cal")
    old = table(NVS, (1, 0, 0x3E0000, 0x2000, "otadata"), (0, 0x10, 0x10000, 0x10000, "ota_0"),
                (0, 0x11, 0x20000, 0x10000, "ota_1"), cal)  # fmt: skip
    new = table(NVS, (1, 0, 0x3E0000, 0x2000, "otadata"), (0, 0x10, 0x10000, 0x80000, "ota_0"),
                (0, 0x11, 0x90000, 0x80000, "ota_1"), cal)  # fmt: skip
    flash = bytearray(maker.flash_image(two_slots=False, calibration=Random(5).randbytes(0x10000)))
    flash[0x8000:0x8C00] = old
    flash[0x3E0000:0x3E2000] = maker.ota_data(7, 8)
    content = {0x1000: maker.bootloader_image(), 0x8000: new, 0x10000: maker.app_image("3.0.0", size=100_000)}
    writes = plan_writes(package(tmp_path, content), module(bytes(flash)))
    assert [write.label for write in writes] == ["ota_0", "partition-table", "otadata", "otadata"]
    other = plan_writes(package(tmp_path, content | {0x1000: maker.bootloader_image(seed=3)}), module(bytes(flash)))
    assert [write.label for write in other] == ["bootloader", *(write.label for write in writes)]
    after = written(bytes(flash), writes)
    assert version_that_boots(after) == "3.0.0"
    assert after[0x9000:0xF000] == flash[0x9000:0xF000]
    assert after[0x3F0000:] == flash[0x3F0000:]
    # A small application needs no other layout.
    content[0x10000] = maker.app_image("3.0.0", size=50_000)
    labels = [write.label for write in plan_writes(package(tmp_path, content), module(bytes(flash)))]
    assert "partition-table" not in labels


def test_no_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(maker.app_image())
    with pytest.raises(ImageError) as caught:
        plan_writes(open_package(tmp_path / "app.bin"), Target("ESP32", 4 << 20))
    assert caught.value.kind is Reason.INCOMPLETE
