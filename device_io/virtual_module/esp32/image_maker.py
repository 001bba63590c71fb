"""The default contents of the flash memory: bootloader, partition table, choice of the slot, application, calibration.

The images are valid by every check of the chip and of flashing tools, but their code does nothing.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

from device_io.virtual_module.esp32.chip import Chip
from device_io.virtual_module.esp32.flash import Flash
from device_io.virtual_module.esp32.image_reader import TABLE_OFFSET, TABLE_SIZE, Partition
from device_io.virtual_module.esp32.machine import Cipher, checksum
from device_io.virtual_module.esp32.secure_boot import sign
from device_io.virtual_module.esp32.store import save

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

PROJECT = "sensix"
VERSION = "1.0.0"
IDF_VERSION = "v5.1.4"
APP_OFFSET = 0x10000
OTADATA_OFFSET = 0xD000
_CAL_SIZE = 0x10000
_ADDRESSES = {0: (0x3F400020, 0x400D0020), 5: (0x3C000020, 0x42000020)}  # of data and code, by chip


def make_image(chip: Chip, data: bytes, code: bytes = b"\0" * 1024, *, key: RSAPrivateKey | None = None) -> bytes:
    """An image of two segments; `data` holds the descriptor. key: signs it for Secure Boot V2."""
    data_at, code_at = _ADDRESSES[chip.chip_id]
    header = struct.pack("<BBBBIB3sHBHH4sB", 0xE9, 2, 2, 0x20, code_at, 0xEE, b"", chip.chip_id, 0, 0, 0xFFFF, b"", 1)
    segments = b"".join(
        struct.pack("<2I", address, len(content)) + content for address, content in ((data_at, data), (code_at, code))
    )
    image = header + segments
    image += b"\0" * (15 - len(image) % 16) + bytes([checksum(code, checksum(data))])
    image += hashlib.sha256(image).digest()
    return sign(image, key) if key is not None else image


def make_app(
    chip: Chip, version: str = VERSION, project: str = PROJECT, size: int = 65_536, *, key: RSAPrivateKey | None = None
) -> bytes:
    """An application of about `size` bytes, half of it hard to compress."""
    code = b"".join(hashlib.sha256(struct.pack("<I", number)).digest() for number in range(size // 64))
    descriptor = struct.pack(
        "<II8s32s32s16s16s32s32s80s",
        0xABCD5432,
        0,
        b"",
        version.encode(),
        project.encode(),
        b"12:00:00",
        b"Jan  1 2026",
        IDF_VERSION.encode(),
        hashlib.sha256(code).digest(),
        b"",
    )
    return make_image(chip, descriptor + b"\0" * (size // 2), code, key=key)


def make_bootloader(chip: Chip, *, key: RSAPrivateKey | None = None) -> bytes:
    """A second-stage bootloader."""
    descriptor = struct.pack("<B3sI32s24s16s", 0x50, b"", 1, IDF_VERSION.encode(), b"Jan  1 2026 12:00:00", b"")
    return make_image(chip, descriptor + b"\0" * 4096, key=key)


def layout(flash_size: int) -> list[Partition]:
    """The partitions of a module: settings, choice of the slot, radio data, two equal slots, calibration at the end."""
    slot = (flash_size - APP_OFFSET - _CAL_SIZE) // 2 // 0x10000 * 0x10000
    return [
        Partition(1, 0x02, 0x9000, 0x4000, "nvs", False),
        Partition(1, 0x00, OTADATA_OFFSET, 0x2000, "otadata", False),
        Partition(1, 0x01, 0xF000, 0x1000, "phy_init", False),
        Partition(0, 0x10, APP_OFFSET, slot, "ota_0", False),
        Partition(0, 0x11, APP_OFFSET + slot, slot, "ota_1", False),
        Partition(1, 0x02, flash_size - _CAL_SIZE, _CAL_SIZE, "cal", False),
    ]


def make_table(flash_size: int) -> bytes:
    """The partition table of a module."""
    rows = b"".join(
        struct.pack("<2sBBII16sI", b"\xaa\x50", p.type, p.subtype, p.offset, p.size, p.label.encode(), p.encrypted)
        for p in layout(flash_size)
    )
    rows += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(rows, usedforsecurity=False).digest()
    return rows.ljust(TABLE_SIZE, b"\xff")


def make_otadata(slot: int = 0) -> bytes:
    """Two sectors that choose a slot."""
    sequence = struct.pack("<I", slot + 1)
    entry = sequence + b"\xff" * 20 + struct.pack("<II", 2, zlib.crc32(sequence, 0xFFFFFFFF))
    return entry.ljust(0x1000, b"\xff") + b"\xff" * 0x1000


def fill(flash: Flash, chip: Chip, eui: str, *, key: RSAPrivateKey | None = None, cipher: Cipher | None = None) -> None:
    """Write the default contents of a module into a blank memory. cipher: all but the data is stored encrypted."""
    parts = {
        chip.bootloader_offset: make_bootloader(chip, key=key),
        TABLE_OFFSET: make_table(flash.size),
        OTADATA_OFFSET: make_otadata(),
        APP_OFFSET: make_app(chip, key=key),
    }
    for offset, data in parts.items():
        flash.write(offset, cipher.apply(offset, data) if cipher else data)
    calibration = next(partition for partition in layout(flash.size) if partition.label == "cal")
    save(flash, calibration, {"module": eui, "gain_v": 1.0, "gain_a": 1.0, "phase_deg": 0.0})
