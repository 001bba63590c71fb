"""Which firmware belongs on which module: a test for each rule, with a module that passes but for this one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware_images.check import Refusal, check_alone, check_package, warnings_for
from firmware_images.errors import Reason
from firmware_images.opening import open_package
from firmware_images.package import FirmwarePackage
from firmware_images.partition_table import parse_partition_table
from firmware_images.signing import TrustedKey
from firmware_images.target import Target
from tests.fakes import firmware_maker as maker
from tests.firmware_images.test_partition_table import FACTORY, NVS, table

LAYOUT = parse_partition_table(maker.partition_table())
MODULE = Target(
    chip="ESP32",
    flash_size=4 << 20,
    chip_revision=301,
    board="sensix-3pn",
    partition_table=LAYOUT,
    installed_version="2.0.0",
    secure_version=0,
    ota_data=maker.ota_data(1),
)


@pytest.fixture
def package(tmp_path: Path) -> FirmwarePackage:
    return firmware(tmp_path)


def firmware(folder: Path, **options: Any) -> FirmwarePackage:
    """A signed and trusted bundle."""
    key = maker.new_key()
    path = maker.bundle(folder / "bundle.zip", key=key, **options)
    return open_package(path, trusted_keys=[TrustedKey(key.public_key().public_bytes_raw())])


def kinds(refusals: list[Refusal]) -> set[Reason]:
    for refusal in refusals:
        assert refusal.sentence.count(".") >= 2, "what is wrong and what to do"
    return {refusal.kind for refusal in refusals}


def test_what_belongs_is_taken(package: FirmwarePackage) -> None:
    assert check_package(package, MODULE) == []
    assert warnings_for(package, MODULE) == []
    assert check_alone(package) == []
    blank = Target("esp32", 4 << 20)
    assert check_package(package, blank) == []


def test_wrong_chip(package: FirmwarePackage) -> None:
    for chip in ("ESP32-S3", "ESP32-C3", "something else"):
        assert kinds(check_package(package, replace(MODULE, chip=chip))) == {Reason.WRONG_CHIP}


def test_wrong_chip_of_a_single_application(tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(maker.app_image(chip="ESP32-S2"))
    found = check_package(open_package(tmp_path / "app.bin"), MODULE, allow_unsigned=True)
    assert kinds(found) == {Reason.WRONG_CHIP}


def test_wrong_board(tmp_path: Path) -> None:
    assert kinds(check_package(firmware(tmp_path, boards=["other"]), MODULE)) == {Reason.WRONG_BOARD}
    assert check_package(firmware(tmp_path, boards=["other", "sensix-3pn"]), MODULE) == []
    assert check_package(firmware(tmp_path, boards=[]), MODULE) == []
    unknown = replace(MODULE, board=None)
    assert check_package(firmware(tmp_path, boards=["other"]), unknown) == []
    assert "board is not known" in warnings_for(firmware(tmp_path, boards=["other"]), unknown)[0]


def test_chip_revisions(tmp_path: Path) -> None:
    content = maker.parts() | {0x10000: maker.app_image(min_revision=300, max_revision=399)}
    package = firmware(tmp_path, content=content)
    for revision, kind in ((299, Reason.CHIP_TOO_OLD), (400, Reason.CHIP_TOO_NEW)):
        assert kinds(check_package(package, replace(MODULE, chip_revision=revision))) == {kind}
    for fine in (300, 399, None):
        assert check_package(package, replace(MODULE, chip_revision=fine)) == []


def test_upper_limits_count_as_they_do_for_the_bootloader(tmp_path: Path) -> None:
    """A chip may be told not to mind them, and a bootloader's own nobody looks at."""
    content = maker.parts() | {0x10000: maker.app_image(max_revision=299)}
    free = replace(MODULE, any_newer_revision=True)
    assert check_package(firmware(tmp_path, content=content), free) == []
    bootloader = bytearray(maker.bootloader_image())
    bootloader[17:19] = (299).to_bytes(2, "little")
    bootloader[-32:] = hashlib.sha256(bootloader[:-32]).digest()
    assert check_package(firmware(tmp_path, content=maker.parts() | {0x1000: bytes(bootloader)}), MODULE) == []


def test_revisions_of_the_efuse_block(tmp_path: Path) -> None:
    app = maker.app_image(chip="ESP32-C3", block_revisions=(101, 199))
    package = firmware(tmp_path, chip="ESP32-C3", content=maker.parts("ESP32-C3") | {0x10000: app})
    module = replace(MODULE, chip="ESP32-C3", chip_revision=4)
    for revision, kind in ((100, Reason.CHIP_TOO_OLD), (200, Reason.CHIP_TOO_NEW)):
        found = check_package(package, replace(module, block_revision=revision))
        assert kinds(found) == {kind}
        assert f"eFuse block revision{'s up to v1.99' if revision == 200 else ' v1.1'}" in found[0].sentence
    for fine in (101, 199, None):
        assert check_package(package, replace(module, block_revision=fine)) == []
    assert check_package(package, replace(module, block_revision=200, any_newer_block=True)) == []
    unlimited = maker.app_image(chip="ESP32-C3", block_revisions=(0xFFFF, 0))
    package = firmware(tmp_path, chip="ESP32-C3", content=maker.parts("ESP32-C3") | {0x10000: unlimited})
    assert check_package(package, replace(module, block_revision=3)) == []


def test_not_signed_or_by_nobody_known(tmp_path: Path) -> None:
    unsigned = open_package(maker.bundle(tmp_path / "a.zip"))
    unknown = open_package(maker.bundle(tmp_path / "b.zip", key=maker.new_key()))
    for package, kind in ((unsigned, Reason.UNSIGNED), (unknown, Reason.UNKNOWN_KEY)):
        assert kinds(check_package(package, MODULE)) == {kind}
        assert kinds(check_alone(package)) == {kind}
        assert check_package(package, MODULE, allow_unsigned=True) == []


def test_larger_than_the_flash(package: FirmwarePackage, tmp_path: Path) -> None:
    small = replace(MODULE, flash_size=2 << 20)
    assert kinds(check_package(package, small)) == {Reason.TOO_LARGE}  # its layout and its header
    (tmp_path / "app.bin").write_bytes(maker.app_image(flash_size=8 << 20))
    header_says_8 = open_package(tmp_path / "app.bin")
    assert kinds(check_package(header_says_8, MODULE, allow_unsigned=True)) == {Reason.TOO_LARGE}
    (tmp_path / "app.bin").write_bytes(maker.app_image(size=(1 << 20) - 0x8000, flash_size=1 << 20))
    long = open_package(tmp_path / "app.bin")
    assert Reason.TOO_LARGE in kinds(check_package(long, replace(MODULE, flash_size=1 << 20), allow_unsigned=True))


def test_larger_than_any_slot(tmp_path: Path) -> None:
    small = parse_partition_table(table(NVS, (0, 0, 0x10000, 0x10000, "factory")))
    (tmp_path / "app.bin").write_bytes(maker.app_image(size=100_000))
    module = replace(MODULE, partition_table=small)
    found = check_package(open_package(tmp_path / "app.bin"), module, allow_unsigned=True)
    assert kinds(found) == {Reason.TOO_LARGE}


def test_a_layout_that_would_lose_settings(tmp_path: Path) -> None:
    other = table(NVS, FACTORY, (1, 2, 0x3F0000, 0x1000, "cal"))
    small = parse_partition_table(table(NVS, (0, 0, 0x10000, 0x10000, "factory"), (1, 2, 0x20000, 0x1000, "cal")))
    content = {0x1000: maker.bootloader_image(), 0x8000: other, 0x10000: maker.app_image(size=100_000)}
    package = firmware(tmp_path, content=content)
    assert kinds(check_package(package, replace(MODULE, partition_table=small))) == {Reason.LAYOUT}


@pytest.mark.parametrize("damaged", [False, True])
def test_a_blank_module_needs_everything(tmp_path: Path, damaged: bool) -> None:
    blank = replace(MODULE, partition_table=None, ota_data=None, table_damaged=damaged)
    (tmp_path / "app.bin").write_bytes(maker.app_image())
    found = check_package(open_package(tmp_path / "app.bin"), blank, allow_unsigned=True)
    assert kinds(found) == {Reason.INCOMPLETE}
    content = {0x8000: maker.partition_table(), 0x10000: maker.app_image()}
    assert kinds(check_package(firmware(tmp_path, content=content), blank)) == {Reason.INCOMPLETE}


def test_no_application(tmp_path: Path) -> None:
    (tmp_path / "table.bin").write_bytes(maker.partition_table())
    package = replace(open_package(tmp_path / "table.bin"), chip="ESP32")
    assert kinds(check_package(package, MODULE, allow_unsigned=True)) == {Reason.NO_APP}
    assert Reason.NO_APP in kinds(check_alone(package))


def test_flash_encryption(package: FirmwarePackage) -> None:
    found = check_package(package, replace(MODULE, flash_encryption=True), allow_unsigned=True)
    assert kinds(found) == {Reason.FLASH_ENCRYPTION}


def test_secure_boot(package: FirmwarePackage, tmp_path: Path) -> None:
    secure = replace(MODULE, secure_boot=True)
    assert kinds(check_package(package, secure, allow_unsigned=True)) == {Reason.SECURE_BOOT}
    looks_signed = maker.app_image() + bytes(4) + bytes(range(64))  # as the trailer of version 1
    for module in (secure, replace(secure, secure_boot_v1=True)):
        found = check_package(firmware(tmp_path, content=maker.parts(app=looks_signed)), module)
        assert kinds(found) == {Reason.SECURE_BOOT}


def test_anti_rollback(tmp_path: Path) -> None:
    package = firmware(tmp_path, content=maker.parts(secure_version=3), secure_version=3)
    for version, refused in ((2, False), (3, False), (4, True)):
        found = check_package(package, replace(MODULE, secure_version=version))
        assert kinds(found) == ({Reason.ROLLBACK} if refused else set())


def test_minimum_version(tmp_path: Path) -> None:
    package = firmware(tmp_path, minimum_version="2.0.0")
    for version, refused in (("1.9.9", True), ("2.0.0-rc.1", True), ("2.0.0", False), ("v3", False)):
        found = check_package(package, replace(MODULE, installed_version=version))
        assert kinds(found) == ({Reason.MINIMUM_VERSION} if refused else set()), version
    unknown = replace(MODULE, installed_version=None)
    assert check_package(package, unknown) == []
    assert "not known" in warnings_for(package, unknown)[0]


def test_a_downgrade_is_only_a_warning(package: FirmwarePackage) -> None:
    newer = replace(MODULE, installed_version="2.2.0")
    assert check_package(package, newer) == []
    assert "downgrade" in warnings_for(package, newer)[0]
    assert "already" in warnings_for(package, replace(MODULE, installed_version="2.1.0"))[0]


def test_all_reasons_are_told_at_once(tmp_path: Path) -> None:
    package = open_package(maker.bundle(tmp_path / "a.zip", boards=["other"], minimum_version="3.0.0"))
    found = check_package(package, replace(MODULE, flash_encryption=True, secure_version=1))
    assert kinds(found) == {
        Reason.UNSIGNED, Reason.WRONG_BOARD, Reason.MINIMUM_VERSION, Reason.FLASH_ENCRYPTION, Reason.ROLLBACK
    }  # fmt: skip
