"""The chips of the ESP32 family: what their images and flashes look like."""

from __future__ import annotations

from dataclasses import dataclass

SECTOR = 0x1000
"""Bytes that the flash erases at once."""
TABLE_OFFSET = 0x8000
TABLE_SIZE = 0xC00
TABLE_SECTOR_END = 0x9000
"""The table has its sector for itself."""
APP_ALIGNMENT = 0x10000


@dataclass(frozen=True)
class Chip:
    """A chip: name as in ESP Web Tools, id in image headers, where its ROM looks for the bootloader."""

    name: str
    chip_id: int
    bootloader_offset: int


CHIPS = (
    Chip("ESP32", 0, 0x1000),
    Chip("ESP32-S2", 2, 0x1000),
    Chip("ESP32-C3", 5, 0x0),
    Chip("ESP32-S3", 9, 0x0),
    Chip("ESP32-C2", 12, 0x0),
    Chip("ESP32-C6", 13, 0x0),
    Chip("ESP32-H2", 16, 0x0),
    Chip("ESP32-P4", 18, 0x2000),
    Chip("ESP32-C61", 20, 0x0),
    Chip("ESP32-C5", 23, 0x2000),
    Chip("ESP32-H21", 25, 0x0),
    Chip("ESP32-H4", 28, 0x2000),
    Chip("ESP32-S31", 32, 0x2000),
)

_BY_ID = {chip.chip_id: chip for chip in CHIPS}
_BY_NAME = {chip.name.replace("-", "").lower(): chip for chip in CHIPS}


def chip_by_id(chip_id: int) -> Chip | None:
    """The chip with this id in the header of its images, or None for one that is not known here."""
    return _BY_ID.get(chip_id)


def chip_by_name(name: str) -> Chip | None:
    """The chip of this name, however it is written: "ESP32-C3", "esp32c3", "ESP32_C3"."""
    return _BY_NAME.get(name.replace("-", "").replace("_", "").replace(" ", "").lower())


def sector_up(offset: int) -> int:
    """`offset` rounded up to a whole sector."""
    return -(-offset // SECTOR) * SECTOR
