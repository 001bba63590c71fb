"""Images and partition tables as the chip's own bootloader reads them: strict, and independent of `firmware_images`.

Formats: ESP-IDF `esp_app_format.h`, `esp_flash_partitions.h`. Messages are those that the chip prints.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from device_io.virtual_module.esp32.chip import Chip
from device_io.virtual_module.esp32.machine import checksum
from device_io.virtual_module.esp32.secure_boot import BLOCK_SIZE, SECTOR, starts

HEADER_SIZE = 24
MAX_SEGMENTS = 16
TABLE_OFFSET, TABLE_SIZE, ROW = 0x8000, 0xC00, 32
_DESCRIPTOR_SIZE, _NO_LIMIT = 256, 0xFFFF

Read = Callable[[int, int], bytes]
"""Bytes of the flash memory at (offset, length), as the chip sees them."""


class ImageError(Exception):
    """The image can't be started; the text is the line the chip prints."""


@dataclass(frozen=True)
class Image:
    """A sound image. size: bytes with checksum and hash. version, project: of its descriptor, empty if it has none."""

    size: int
    version: str
    project: str


@dataclass(frozen=True)
class Partition:
    """A row of the partition table."""

    type: int
    subtype: int
    offset: int
    size: int
    label: str
    encrypted: bool


def read_image(read: Read, offset: int, room: int, chip: Chip, *, app: bool, trusted: bytes | None = None) -> Image:
    """Check the image at an offset with `room` bytes for it. app: it is an application, which has upper limits too.
    trusted: digest of the key that secure boot asks for. Raises ImageError."""
    header = read(offset, HEADER_SIZE)
    magic, segments, _, _, _ = struct.unpack_from("<BBBBI", header)
    image_chip, _, lowest, highest = struct.unpack_from("<HBHH", header, 12)
    if magic != 0xE9:
        raise ImageError(f"esp_image: image at {offset:#x} has invalid magic byte (nothing flashed here?)")
    if image_chip != chip.chip_id:
        raise ImageError(f"boot_comm: mismatch chip ID, expected {chip.chip_id}, found {image_chip}")
    _check_revision("chip rev", chip.revision, lowest, highest if app else 0)
    if not 0 < segments <= MAX_SEGMENTS:
        raise ImageError(f"esp_image: image at {offset:#x} segment count {segments} exceeds max {MAX_SEGMENTS}")
    position, xor, first = HEADER_SIZE, 0xEF, b""
    for number in range(segments):
        _address, length = struct.unpack("<2I", read(offset + position, 8))
        if length % 4 or position + 8 + length > room:
            raise ImageError(f"esp_image: invalid segment length {length:#x}")
        data = read(offset + position + 8, length)
        xor = checksum(data, xor)
        first = data if number == 0 else first
        position += 8 + length
    if app and chip.block_revision is not None and len(first) >= _DESCRIPTOR_SIZE:
        lowest, highest = struct.unpack_from("<HH", first, 176)
        _check_revision("efuse blk rev", chip.block_revision, lowest if lowest != _NO_LIMIT else 0, highest)
    size = position + 16 - position % 16
    stored = read(offset + size - 1, 1)[0]
    if stored != xor:
        raise ImageError(f"esp_image: Checksum failed. Calculated {xor:#x} read {stored:#x}")
    digest = hashlib.sha256(read(offset, size)).digest()
    if header[23]:  # ESP-IDF asks for "not zero" (esp_image_format.c)
        if read(offset + size, 32) != digest:
            raise ImageError("esp_image: Image hash failed - image is corrupt")
        size += 32
    if trusted is not None:
        sector = offset + (size + SECTOR - 1) // SECTOR * SECTOR
        if not starts(read(offset, sector - offset), read(sector, BLOCK_SIZE), trusted):
            raise ImageError("secure_boot_v2: Secure boot V2 verification failed.")
    return Image(size, *_descriptor(first))


def read_table(read: Read) -> list[Partition]:
    """The partition table. Raises ImageError."""
    table = read(TABLE_OFFSET, TABLE_SIZE)
    partitions: list[Partition] = []
    for at in range(0, TABLE_SIZE, ROW):
        row = table[at : at + ROW]
        magic = row[:2]
        if magic == b"\xaa\x50":
            kind, subtype, offset, size, label, flags = struct.unpack("<2xBBII16sI", row)
            partitions.append(Partition(kind, subtype, offset, size, _text(label), bool(flags & 1)))
        elif magic == b"\xeb\xeb":
            if hashlib.md5(table[:at], usedforsecurity=False).digest() != row[16:]:
                raise ImageError("flash_parts: partitions MD5 check failed")
        elif row == b"\xff" * ROW and partitions:
            return partitions
        else:
            found = int.from_bytes(magic, "little")
            raise ImageError(f"flash_parts: partition {len(partitions)} invalid magic number {found:#x}")
    return partitions


def read_ota_sequence(entry: bytes) -> int | None:
    """Sequence number of one of the two entries of otadata, None if it does not count."""
    sequence, _label, state, crc = struct.unpack_from("<I20sII", entry)
    if sequence in (0, 0xFFFFFFFF) or crc != zlib.crc32(entry[:4], 0xFFFFFFFF):
        return None
    unproven, invalid, aborted = 1, 3, 4
    return None if state in (unproven, invalid, aborted) else sequence


def _check_revision(kind: str, revision: int, lowest: int, highest: int) -> None:
    if revision < lowest or (highest not in (0, _NO_LIMIT) and revision > highest):
        need = f">= v{lowest // 100}.{lowest % 100}" if revision < lowest else f"<= v{highest // 100}.{highest % 100}"
        have = f"v{revision // 100}.{revision % 100}"
        raise ImageError(f"boot_comm: Image requires {kind} {need}, but chip is {have}")


def _descriptor(first: bytes) -> tuple[str, str]:
    if len(first) < _DESCRIPTOR_SIZE or first[:4] != b"\x32\x54\xcd\xab":
        return "", ""
    return _text(first[16:48]), _text(first[48:80])


def _text(data: bytes) -> str:
    return data.split(b"\0")[0].decode("utf-8", "replace")
