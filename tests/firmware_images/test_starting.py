"""What really boots: the bootloader's order, and that an update never goes over it while there is another place."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import replace
from random import Random

import pytest

from device_io.virtual_module.esp32.boot import boot
from device_io.virtual_module.esp32.chip import ESP32
from device_io.virtual_module.esp32.flash import Flash
from firmware_images.package import FirmwarePackage, Part
from firmware_images.partition_table import parse_partition_table
from firmware_images.plan import plan_writes
from firmware_images.starting import running_partition
from firmware_images.target import Target
from tests.fakes import firmware_maker as maker

SIZE = 1 << 20
STATES = (0, 1, 2, 2, 3, 4, 0xFFFFFFFF, 0xFFFFFFFF)


def layout(chance: Random) -> bytes:
    """A table with a factory image, slots, both or hardly any of them."""
    rows = [(1, 2, 0x9000, 0x4000, b"nvs")] + [(1, 0, 0xD000, 0x2000, b"otadata")] * (chance.random() < 0.85)
    apps = [0] * (chance.random() < 0.5) + [0x10 + number for number in range(chance.choice((1, 2, 2, 3, 4)))]
    rows += [(0, kind, 0x10000 * (n + 1), 0x10000, b"app%d" % kind) for n, kind in enumerate(apps)]
    packed = b"".join(struct.pack("<2sBBII16sI", b"\xaa\x50", *row, 0) for row in rows)
    return packed + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(packed).digest()


def choice(chance: Random) -> bytes:
    """A sector of OTA data, not always one that counts."""
    sequence = struct.pack("<I", chance.choice((1, 2, 3, 4, 5, 6, 7, 0xFFFFFFFE)))
    crc = zlib.crc32(sequence, 0xFFFFFFFF) ^ (chance.random() < 0.1)
    entry = sequence + b"\xff" * 20 + struct.pack("<II", chance.choice(STATES), crc)
    return entry.ljust(0x1000, b"\xff") if chance.random() < 0.7 else b"\xff" * 0x1000


def module(chance: Random) -> Flash:
    """Some of its applications are damaged or missing."""
    table = layout(chance)
    flash = Flash(SIZE)
    flash.write(0x1000, maker.bootloader_image(flash_size=SIZE))
    flash.write(0x8000, table)
    for place in parse_partition_table(table.ljust(0xC00, b"\xff")).partitions:
        if place.is_ota_data:
            flash.write(place.offset, choice(chance) + choice(chance))
        elif place.is_app and chance.random() < 0.8:
            app = bytearray(maker.app_image(str(chance.randrange(1, 9)), size=5000, flash_size=SIZE))
            app[3000] ^= chance.random() < 0.3
            flash.write(place.offset, bytes(app))
    return flash


@pytest.mark.parametrize("seed", [*range(60), *(pytest.param(n, marks=pytest.mark.soak) for n in range(60, 1000))])
def test_an_update_goes_over_what_runs_only_where_there_is_no_other_place(seed: int) -> None:
    flash = module(Random(seed))
    before = boot(flash, ESP32)
    table = parse_partition_table(flash.read(0x8000, 0xC00))
    ota_data = flash.read(0xD000, 0x2000) if table.ota_data is not None else None
    target = Target("ESP32", SIZE, partition_table=table, ota_data=ota_data, bootloader=flash.read(0x1000, 0x7000))
    running = running_partition(target, flash.read)
    names = {table.factory: "factory", **{slot: f"ota_{slot.subtype - 0x10}" for slot in table.slots}}
    assert before.slot == (names[running] if running is not None else "")
    app = maker.app_image("99.0", size=9000, flash_size=SIZE)
    package = FirmwarePackage("image", "x", "ESP32", "99.0", "x", (Part(0x10000, app, "app", "app"),))
    for write in plan_writes(package, replace(target, running=running)):
        alone = ota_data is None or table.slots == (running,)
        assert alone or running is None or write.offset != running.offset
        flash.erase(write.offset, len(write.data))
        if before.kind == "app" and not alone:
            assert boot(flash, ESP32).version in (before.version, "99.0")  # the power may go at any time
        flash.write(write.offset, write.data)
    assert boot(flash, ESP32).version == "99.0"
