"""Makes images that a boot ROM and a flasher take for real: what a virtual module carries in its flash.

Standard library only, and nothing of this package: what is made here is read by the parsers and by esptool, so a shared
mistake would go unseen. The code in the images is filler; no processor runs it.
"""

from __future__ import annotations

import hashlib
import random
import struct
import zlib
from dataclasses import dataclass

SECTOR = 0x1000
TABLE_OFFSET = 0x8000
NVS_OFFSET, NVS_SIZE = 0x9000, 0x4000
OTADATA_OFFSET, OTADATA_SIZE = 0xD000, 0x2000
PHY_OFFSET, PHY_SIZE = 0xF000, 0x1000
APP_OFFSET = 0x10000
CAL_SIZE = 0x10000
IDF_VERSION = "v5.3.1"


@dataclass(frozen=True)
class _Memory:
    """Where a chip maps its flash and memories, and what its images say."""

    chip_id: int
    bootloader_offset: int
    data_in_flash: int
    data: int
    code: int
    code_in_flash: int
    frequency_code: int


_MEMORIES = {
    "ESP32": _Memory(0, 0x1000, 0x3F400000, 0x3FFB0000, 0x40080000, 0x400D0000, 0x0),
    "ESP32-S2": _Memory(2, 0x1000, 0x3F000000, 0x3FFB0000, 0x40024000, 0x40080000, 0xF),
    "ESP32-C3": _Memory(5, 0x0, 0x3C000000, 0x3FC80000, 0x40380000, 0x42000000, 0xF),
    "ESP32-S3": _Memory(9, 0x0, 0x3C000000, 0x3FC88000, 0x40374000, 0x42000000, 0xF),
    "ESP32-C6": _Memory(13, 0x0, 0x42000000, 0x40800000, 0x40810000, 0x42010000, 0x0),
}

CHIPS = tuple(_MEMORIES)
"""Chips that images can be made for."""


def bootloader_offset(chip: str) -> int:
    """Where a chip's ROM looks for the second-stage bootloader."""
    return _MEMORIES[chip].bootloader_offset


def app_image(
    version: str = "2.1.0",
    project: str = "sensix",
    chip: str = "ESP32",
    size: int = 100_000,
    secure_version: int = 0,
    seed: int = 0,
    *,
    compressible: bool = True,
    flash_size: int = 0x400000,
    min_revision: int = 0,
    max_revision: int = 0xFFFF,
    block_revisions: tuple[int, int] = (0, 0xFFFF),
) -> bytes:
    """An application image with descriptor, checksum and SHA-256.

    size: bytes of the whole image, rounded down to a multiple of 16, from 4096. seed: another seed, another filler.
    compressible: halves when compressed, as code does; else it does not shrink. Revisions: hundredths (301 = v3.1);
    block_revisions: the lowest and highest of the eFuse block.
    """
    memory = _MEMORIES[chip]
    size = max(size, 0x1000) // 16 * 16
    filler = random.Random(seed)
    descriptor = _app_descriptor(version, project, secure_version, filler.randbytes(32), block_revisions)
    blocks = [
        (memory.data_in_flash, descriptor + _fill(filler, 512, compressible)),
        (memory.data, _fill(filler, 256, compressible)),
        (memory.code, _fill(filler, 1024, compressible)),
    ]
    taken = 24 + 32 + sum(len(data) for _, data in blocks)
    code = _fill(filler, size - taken - 32 - 8, compressible)  # 32: the hash; 8: room for the checksum
    header = _header(memory, 4, flash_size, memory.code + 4, min_revision, max_revision)
    return _image(memory, header, [*blocks, (memory.code_in_flash, code)])


def bootloader_image(
    chip: str = "ESP32", *, version: int = 1, seed: int = 0, flash_size: int = 0x400000, size: int = 0x5000
) -> bytes:
    """A second-stage bootloader image with descriptor, checksum and SHA-256; about `size` bytes."""
    memory = _MEMORIES[chip]
    filler = random.Random(seed)
    descriptor = struct.pack("<B2xBI32s24s16x", 0x50, 0, version, IDF_VERSION.encode(), b"Jan  5 2026 10:00:00")
    blocks = [
        (memory.data, descriptor + _fill(filler, 512, True)),
        (memory.code, _fill(filler, max(size - 0x400, 0x400) // 16 * 16, True)),
    ]
    return _image(memory, _header(memory, 2, flash_size, memory.code + 4, 0, 0xFFFF), blocks)


def partition_table(two_slots: bool = True, size: int = 0x400000, *, moved_calibration: bool = False) -> bytes:
    """The flash layout as 0xC00 bytes: nvs, otadata, phy_init, ota_0 and ota_1 (or factory alone), calibration.

    size: bytes of the flash. moved_calibration: `cal` lies a sector further, as no update may ever do.
    """
    rows = [(1, 2, NVS_OFFSET, NVS_SIZE, "nvs")]
    room = size - APP_OFFSET - CAL_SIZE
    if two_slots:
        slot = room // 2 // 0x10000 * 0x10000
        rows += [
            (1, 0, OTADATA_OFFSET, OTADATA_SIZE, "otadata"),
            (1, 1, PHY_OFFSET, PHY_SIZE, "phy_init"),
            (0, 0x10, APP_OFFSET, slot, "ota_0"),
            (0, 0x11, APP_OFFSET + slot, slot, "ota_1"),
        ]
    else:
        rows += [(1, 1, PHY_OFFSET, PHY_SIZE, "phy_init"), (0, 0, APP_OFFSET, room // 0x10000 * 0x10000, "factory")]
    moved = SECTOR if moved_calibration else 0
    rows.append((1, 2, size - CAL_SIZE + moved, CAL_SIZE - moved, "cal"))
    packed = b"".join(
        struct.pack("<2sBBII16sI", b"\xaa\x50", kind, subtype, offset, length, label.encode(), 0)
        for kind, subtype, offset, length, label in rows
    )
    packed += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(packed, usedforsecurity=False).digest()
    return packed.ljust(0xC00, b"\xff")


def calibration_offset(size: int = 0x400000) -> int:
    """Where `partition_table` puts the calibration."""
    return size - CAL_SIZE


def ota_data(first: int | None = 1, second: int | None = None, state: int = 0xFFFFFFFF) -> bytes:
    """OTA data (two sectors) whose entries hold these sequence numbers; None leaves a sector erased."""
    return b"".join(_ota_sector(sequence, state) for sequence in (first, second))


def flash_image(
    app: bytes | None = None,
    *,
    chip: str = "ESP32",
    size: int = 0x400000,
    two_slots: bool = True,
    nvs: bytes = b"settings of this module",
    calibration: bytes = b"calibration of this module",
) -> bytes:
    """A whole flash of `size` bytes: bootloader, table, settings, OTA data, application in the first slot, calibration.

    nvs and calibration are put at the start of their partitions as they are: no real NVS, just bytes to keep.
    """
    flash = bytearray(b"\xff" * size)
    parts = [
        (bootloader_offset(chip), bootloader_image(chip, flash_size=size)),
        (TABLE_OFFSET, partition_table(two_slots, size)),
        (NVS_OFFSET, nvs),
        (APP_OFFSET, app_image(chip=chip, flash_size=size) if app is None else app),
        (calibration_offset(size), calibration),
    ]
    if two_slots:
        parts.append((OTADATA_OFFSET, ota_data(1)))
    for offset, data in parts:
        flash[offset : offset + len(data)] = data
    return bytes(flash)


def _app_descriptor(
    version: str, project: str, secure_version: int, elf_sha256: bytes, block_revisions: tuple[int, int]
) -> bytes:
    return struct.pack(
        "<II8x32s32s16s16s32s32sHHB3x72x",
        0xABCD5432,
        secure_version,
        version.encode(),
        project.encode(),
        b"10:00:00",
        b"Jan  5 2026",
        IDF_VERSION.encode(),
        elf_sha256,
        *block_revisions,
        16,
    )


def _header(memory: _Memory, segments: int, flash_size: int, entry: int, min_rev: int, max_rev: int) -> bytes:
    size_code = (flash_size >> 20).bit_length() - 1
    return struct.pack(
        "<BBBBIB3sHBHH4xB",
        0xE9,
        segments,
        2,
        size_code << 4 | memory.frequency_code,
        entry,
        0xEE,
        bytes(3),
        memory.chip_id,
        min_rev // 100,
        min_rev,
        max_rev,
        1,
    )


def _image(memory: _Memory, header: bytes, blocks: list[tuple[int, bytes]]) -> bytes:
    image, checksum = bytearray(header), 0xEF
    for address, data in blocks:
        # What is mapped from flash has the same place in its 64 KiB page in the file as in memory.
        mapped = address in (memory.data_in_flash, memory.code_in_flash)
        image += struct.pack("<II", address + (len(image) + 8 & 0xFFFF if mapped else 0), len(data)) + data
        for byte in data:
            checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes([checksum])
    return bytes(image) + hashlib.sha256(image).digest()


def _fill(filler: random.Random, size: int, compressible: bool) -> bytes:
    if not compressible:
        return filler.randbytes(size)
    words = [filler.randbytes(4) + bytes(4) for _ in range(64)]
    return b"".join(filler.choice(words) for _ in range(size // 8 + 1))[:size]


def _ota_sector(sequence: int | None, state: int) -> bytes:
    if sequence is None:
        return b"\xff" * SECTOR
    packed = struct.pack("<I", sequence)
    entry = packed + b"\xff" * 20 + struct.pack("<II", state, zlib.crc32(packed, 0xFFFFFFFF))
    return entry.ljust(SECTOR, b"\xff")
