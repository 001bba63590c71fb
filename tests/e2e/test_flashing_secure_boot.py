"""A module with secure boot gets what it starts, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from device_io.flashing.backups import write_backup
from device_io.flashing.efuses import _KEYS_ALIKE, key_digests
from device_io.flashing.esptool_process import FlashIdentity
from firmware_images.maker import app_image
from firmware_images.package import FirmwarePackage
from tests.fakes import boot_signer
from tests.fakes.firmware_maker import APP_OFFSET, flash_image
from tests.fakes.flash_bench import FLASH_SIZE, FlashBench, package

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""


def signed_package(folder: Path, chip: str, *keys: object) -> FirmwarePackage:
    app = app_image(version="2.0.0", chip=chip, size=40_000, flash_size=FLASH_SIZE)
    return package(folder, chip=chip, content_changes={APP_OFFSET: boot_signer.sign(folder, app, *keys)})


@pytest.mark.parametrize(("faults", "backup"), [("secure-boot", True), ("esp32-c3,secure-boot", False)])
def test_a_firmware_of_the_modules_own_maker_is_put_on_and_taken_back(tmp_path, faults, backup):
    """On an ESP32-C3 with secure boot esptool stays in the ROM's loader, which reads 64 bytes at a time."""
    key, foreign = boot_signer.a_key(), boot_signer.a_key(number=1)
    with FlashBench(tmp_path, faults, signer=key) as bench:
        before = bench.written
        refused = bench.flasher().flash(signed_package(tmp_path, bench.chip, foreign))
        assert (refused.result, bench.written) == ("refused", before)
        assert "another key" in refused.reason
        assert bench.firmware() == "1.0.0"
        done = bench.flasher(backup=backup).flash(signed_package(tmp_path, bench.chip, key))
        assert (done.result, done.reason) == ("ok", "")
        assert bench.firmware() == "2.0.0"
        if not backup:
            return
        assert done.backup is not None
        back = bench.flasher(backup=False).restore(done.backup)
        assert (back.result, back.reason, bench.firmware()) == ("ok", "", "1.0.0")


def test_a_module_whose_fuses_do_not_tell_its_key_is_left_alone(tmp_path):
    with FlashBench(tmp_path, "secure-boot", signer=boot_signer.a_key()) as bench:
        bench.board.loader.key_digest = bytes(32)
        before = bench.written
        result = bench.flasher().flash(signed_package(tmp_path, "ESP32", boot_signer.a_key()))
        assert (result.result, bench.written) == ("refused", before)
        assert "eFuses do not tell" in result.reason


def test_a_backup_that_the_module_would_not_start_stays_where_it_is(tmp_path):
    with FlashBench(tmp_path, "secure-boot", signer=boot_signer.a_key()) as bench:
        kept = bench.flasher().back_up()
        assert kept.backup is not None
        plain = tmp_path / "plain.bin"
        plain.write_bytes(flash_image(size=FLASH_SIZE))
        mac = bench.store.list()[0].mac
        identity = FlashIdentity("ESP32", mac, 301, FLASH_SIZE, False, False, False)
        older = write_backup(tmp_path / "older.zip", plain, identity, "virtual 0.9.0", {})
        before = bench.written
        result = bench.flasher().restore(older.path)
        assert (result.result, bench.written) == ("refused", before)
        assert "signed for secure boot" in result.reason


def test_version_1_is_refused_where_nothing_shows_the_key(tmp_path):
    with FlashBench(tmp_path, "secure-boot-v1") as bench:
        before = bench.written
        app = app_image(version="2.0.0", size=40_000, flash_size=FLASH_SIZE)
        signed = boot_signer.sign(tmp_path, app, boot_signer.a_key("P-256"), version=1)
        result = bench.flasher().flash(package(tmp_path, content_changes={APP_OFFSET: signed}))
        assert (result.result, bench.written) == ("refused", before)
        assert "bootloader holds no key" in result.reason


@cache
def fuse_places() -> dict[str, list[int]]:
    """For each chip where its eFuses begin and where their blocks of keys are, from Espressif's own tools."""
    code = """if True:
        import importlib, json, sys
        found = {}
        for chip in sys.argv[1:]:
            name = chip.replace("-", "").lower()
            rom = getattr(importlib.import_module(f"esptool.targets.{name}"), f"{name.upper()}ROM")
            blocks = importlib.import_module(f"espefuse.efuse.{name}.mem_definition").EfuseDefineBlocks()
            keys = [blocks.get(row) for row in blocks.BLOCKS]
            found[chip] = [rom.EFUSE_BASE, *(key.rd_addr for key in keys if key.name.startswith("BLOCK_KEY"))]
        print(json.dumps(found))"""
    return dict(json.loads(subprocess.check_output([sys.executable, "-c", code, *_KEYS_ALIKE])))


class Fuses:
    """A chip as esptool shows it, its eFuses laid out as Espressif's own tool for them has it. digests: by block."""

    def __init__(self, chip: str, digests: dict[int, bytes], purposes: tuple[int, ...], revoked: int) -> None:
        self.CHIP_NAME = chip
        self.EFUSE_BASE, *places = fuse_places()[chip]
        self._words = {
            places[block] + at: int.from_bytes(digest[at : at + 4], "little")
            for block, digest in digests.items()
            for at in range(0, 32, 4)
        }
        self._purposes = purposes
        self._flags = {f"SECURE_BOOT_KEY_REVOKE{number}": number == revoked for number in range(3)}

    def read_reg(self, address: int) -> int:
        return self._words.get(address, 0)

    def get_security_info(self) -> dict[str, object]:
        return {"parsed_flags": self._flags, "key_purposes": self._purposes}


@pytest.mark.parametrize("chip", _KEYS_ALIKE)
def test_the_keys_of_every_chip_are_where_its_fuses_have_them(chip):
    digests = {block: bytes([block + 1]) * 32 for block in range(6)}
    purposes = (4, 11, 0, 9, 10, 9, 0)
    trusted = key_digests(Fuses(chip, digests, purposes, revoked=1))
    assert trusted == tuple(digests[block].hex() for block in (1, 3, 5))
    assert key_digests(Fuses(chip, {3: bytes(32)}, purposes, revoked=0)) == ()
