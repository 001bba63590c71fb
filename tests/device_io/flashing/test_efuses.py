"""What the eFuses of a chip say of the images that it starts: every bit where Espressif's own tool has it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from device_io.flashing.efuses import EFUSES, limits
from firmware_images.chips import CHIPS
from firmware_images.maker import app_image
from tests.fakes.firmware_maker import APP_OFFSET
from tests.fakes.flash_bench import FLASH_SIZE, FlashBench, package

FIELDS = (
    "SECURE_VERSION",
    "BLK_VERSION_MAJOR",
    "BLK_VERSION_MINOR",
    "DISABLE_BLK_VERSION_MAJOR",
    "DISABLE_WAFER_VERSION_MAJOR",
)


@cache
def places() -> dict[str, dict[str, Any]]:
    """For each chip the address, lowest bit and width of these fields, and the base of its eFuses, from esptool and
    espefuse."""
    code = """if True:
        import importlib, json, sys
        names, chips = json.loads(sys.argv[1]), json.loads(sys.argv[2])
        found = {}
        for chip in chips:
            name = chip.replace("-", "").lower()
            module = importlib.import_module(f"espefuse.efuse.{name}.mem_definition")
            blocks = module.EfuseDefineBlocks()
            at = {block.id: block.rd_addr for block in map(blocks.get, blocks.BLOCKS)}
            defined = module.EfuseDefineFields(None)
            fields = [field for rows in vars(defined).values() if isinstance(rows, list) for field in rows]
            found[chip] = {
                field.name: (at[field.block] + 4 * field.word, field.pos, field.bit_len)
                for field in fields if getattr(field, "name", None) in names
            }
            rom = getattr(importlib.import_module(f"esptool.targets.{name}"), f"{name.upper()}ROM")
            found[chip]["base"] = getattr(rom, "EFUSE_BASE", None) or rom.EFUSE_RD_REG_BASE
        print(json.dumps(found))"""
    chips = [chip.name for chip in CHIPS]
    said = subprocess.check_output([sys.executable, "-c", code, json.dumps(FIELDS), json.dumps(chips)], timeout=55)
    return dict(json.loads(said))


class Chip:
    """A chip as esptool shows it, with these values in its eFuses."""

    def __init__(self, chip: str, values: dict[str, int]) -> None:
        self.CHIP_NAME = chip
        setattr(self, "EFUSE_RD_REG_BASE" if chip == "ESP32" else "EFUSE_BASE", places()[chip]["base"])
        self._words: dict[int, int] = {}
        for name, value in values.items():
            address, bit, width = places()[chip][name]
            assert value < 1 << width
            self._words[address] = self._words.get(address, 0) | value << bit

    def read_reg(self, address: int) -> int:
        return self._words.get(address, 0)


def test_every_known_chip_is_known_here() -> None:
    assert set(EFUSES) == {chip.name for chip in CHIPS}


@pytest.mark.parametrize("chip", [chip.name for chip in CHIPS])
def test_every_bit_is_read_where_it_is(chip: str) -> None:
    if chip == "ESP32":
        assert limits(Chip(chip, {"SECURE_VERSION": 0b1011})) == {
            "secure_version": 3,
            "block_revision": None,
            "any_newer_block": False,
            "any_newer_revision": False,
        }
        return
    facts = {"secure_version": 0, "block_revision": 0, "any_newer_block": False, "any_newer_revision": False}
    width = places()[chip]["SECURE_VERSION"][2]
    for name, value, changed in (
        ("SECURE_VERSION", (1 << width) - 1, {"secure_version": width}),
        ("BLK_VERSION_MAJOR", 3, {"block_revision": 300}),
        ("BLK_VERSION_MINOR", 7, {"block_revision": 7}),
        ("DISABLE_BLK_VERSION_MAJOR", 1, {"any_newer_block": True}),
        ("DISABLE_WAFER_VERSION_MAJOR", 1, {"any_newer_revision": True}),
    ):
        assert limits(Chip(chip, {name: value})) == facts | changed


def test_an_application_for_newer_efuses_is_refused_before_a_byte_is_written(tmp_path):
    with FlashBench(tmp_path, "esp32-c3") as bench:
        app = app_image(version="2.0.0", chip="ESP32-C3", flash_size=FLASH_SIZE, block_revisions=(104, 0xFFFF))
        before = bench.written
        result = bench.flasher().flash(package(tmp_path, chip="ESP32-C3", content_changes={APP_OFFSET: app}))
        assert (result.result, bench.written) == ("refused", before)
        assert "needs eFuse block revision v1.4 or later; the module has v1.3" in result.reason
        assert bench.firmware() == "1.0.0"
