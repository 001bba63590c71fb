"""Named values in a data partition: one sector a version, the newest sound one counts, the sectors take turns."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

from device_io.virtual_module.esp32.flash import SECTOR, Flash, FlashError
from device_io.virtual_module.esp32.image_reader import Partition

_HEAD = struct.Struct("<4sIII")  # magic, number, length, CRC-32 of number, length and text
_MAGIC = b"SXKV"

Values = Mapping[str, str | int | float | bool | None]


def load(flash: Flash, partition: Partition) -> dict[str, str | int | float | bool | None] | None:
    """The values, or None if there are none that are sound."""
    newest = _newest(flash, partition)
    return None if newest is None else dict(newest[2])


def save(flash: Flash, partition: Partition, values: Values) -> bool:
    """Write the values into the next sector; the version before stays until its turn. False if that failed."""
    newest = _newest(flash, partition)
    number, sector = (0, -1) if newest is None else newest[:2]
    text = json.dumps(dict(values), separators=(",", ":")).encode()
    if _HEAD.size + len(text) > SECTOR:
        return False
    at = partition.offset + (sector + 1) % (partition.size // SECTOR) * SECTOR
    try:
        flash.erase(at, SECTOR)
        flash.write(at, _HEAD.pack(_MAGIC, number + 1, len(text), _crc(number + 1, text)) + text)
    except FlashError:
        return False
    return True


def _newest(flash: Flash, partition: Partition) -> tuple[int, int, Values] | None:
    """Number, sector and values of the newest sound version."""
    versions = [
        (version[0], sector, version[1])
        for sector in range(partition.size // SECTOR)
        if (version := _version(flash, partition.offset + sector * SECTOR)) is not None
    ]
    return max(versions, key=lambda version: version[0], default=None)


def _version(flash: Flash, at: int) -> tuple[int, Values] | None:
    try:
        data = flash.read(at, SECTOR)
    except FlashError:
        return None
    magic, number, length, crc = _HEAD.unpack_from(data)
    text = data[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or crc != _crc(number, text):
        return None
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return (number, values) if isinstance(values, dict) else None


def _crc(number: int, text: bytes) -> int:
    return zlib.crc32(struct.pack("<II", number, len(text)) + text)
