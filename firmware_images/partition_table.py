"""Partition tables (ESP-IDF, "Partition Tables"): 32-byte rows, then a row with the MD5 of those before it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

from firmware_images.chips import APP_ALIGNMENT, SECTOR, TABLE_OFFSET, TABLE_SECTOR_END, TABLE_SIZE
from firmware_images.errors import ImageError, Reason

_ROW = struct.Struct("<2sBBII16sI")
_ROW_MAGIC = b"\xaa\x50"
_MD5_ROW = b"\xeb\xeb" + b"\xff" * 14
_ERASED_ROW = b"\xff" * 32
_KINDS = {0: "app", 1: "data", 2: "bootloader", 3: "partition_table"}
_BOOT_SUBTYPES = {0: "primary", 1: "ota", 2: "recovery"}
_DATA_SUBTYPES = {
    0: "ota",
    1: "phy",
    2: "nvs",
    3: "coredump",
    4: "nvs_keys",
    5: "efuse",
    0x81: "fat",
    0x82: "spiffs",
    0x83: "littlefs",
}
_OTA_0, _OTA_LAST = 0x10, 0x1F
_OTA_DATA_SIZE = 2 * SECTOR


@dataclass(frozen=True)
class Partition:
    """A row: type 0 app, 1 data, 2 bootloader, 3 partition table, others are free; offset and size in bytes."""

    type: int
    subtype: int
    offset: int
    size: int
    label: str
    flags: int = 0

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size

    @property
    def is_app(self) -> bool:
        return self.type == 0

    @property
    def is_ota_data(self) -> bool:
        return (self.type, self.subtype) == (1, 0)

    @property
    def is_boot(self) -> bool:
        """True for a bootloader or a partition table, which a layout may name too (ESP-IDF 5.4 and later)."""
        return self.type in (2, 3)

    @property
    def is_data_to_keep(self) -> bool:
        """True for what belongs to the module: settings, calibration, files; false for what a firmware brings, and the
        choice of slot."""
        return not self.is_app and not self.is_boot and not self.is_ota_data

    @property
    def kind(self) -> str:
        """Type and subtype in words: "app ota_0", "data nvs"."""
        if self.is_app:
            name = {0: "factory", 0x20: "test"}.get(self.subtype)
            if name is None and _OTA_0 <= self.subtype <= _OTA_LAST:
                name = f"ota_{self.subtype - _OTA_0}"
        else:
            name = {1: _DATA_SUBTYPES, 2: _BOOT_SUBTYPES, 3: _BOOT_SUBTYPES}.get(self.type, {}).get(self.subtype)
        return f"{_KINDS.get(self.type, f'{self.type:#04x}')} {name or f'{self.subtype:#04x}'}"


@dataclass(frozen=True)
class PartitionTable:
    """The layout of a flash. Rows don't overlap; apps start at multiples of 64 KiB."""

    partitions: tuple[Partition, ...]
    has_md5: bool

    @property
    def slots(self) -> tuple[Partition, ...]:
        """The partitions ota_0, ota_1, ... in this order."""
        found = [part for part in self.partitions if part.is_app and _OTA_0 <= part.subtype <= _OTA_LAST]
        return tuple(sorted(found, key=lambda part: part.subtype))

    @property
    def factory(self) -> Partition | None:
        """The application that boots while no slot is chosen."""
        return next((part for part in self.partitions if part.is_app and part.subtype == 0), None)

    @property
    def ota_data(self) -> Partition | None:
        """Where the choice of the slot is kept."""
        return next((part for part in self.partitions if part.is_ota_data), None)

    @property
    def end(self) -> int:
        """The first byte behind all of it."""
        return max((part.end for part in self.partitions), default=TABLE_SECTOR_END)

    def at(self, offset: int) -> Partition | None:
        """The partition that holds this byte of the flash."""
        return next((part for part in self.partitions if part.offset <= offset < part.end), None)

    def keeps_data_of(self, other: PartitionTable) -> bool:
        """True when everything the module keeps under `other` lies in the same place here."""
        return all(part in self.partitions for part in other.partitions if part.is_data_to_keep)


def parse_partition_table(data: bytes) -> PartitionTable:
    """Read a table: up to 0xC00 bytes are looked at. One without MD5 is read too, since a module may have it.

    :raises ImageError: TRUNCATED, NOT_AN_IMAGE (no table), BAD_HASH (MD5), BAD_TABLE (rows that make no sense).
    """
    data = data[:TABLE_SIZE]
    if data[:2] != _ROW_MAGIC:
        raise ImageError(Reason.NOT_AN_IMAGE, "This is no partition table: it does not start with the bytes AA 50.")
    partitions: list[Partition] = []
    for at in range(0, TABLE_SIZE, 32):
        row = data[at : at + 32]
        if len(row) < 32:
            raise ImageError(Reason.TRUNCATED, "The partition table ends before its last row. Get the file again.")
        if row[:2] == _ROW_MAGIC:
            partitions.append(_partition(row))
            continue
        has_md5 = row[:16] == _MD5_ROW
        if has_md5 and hashlib.md5(data[:at], usedforsecurity=False).digest() != row[16:]:
            raise ImageError(Reason.BAD_HASH, "The partition table is damaged: its MD5 does not match.")
        rest = data[at + 32 :] if has_md5 else data[at:]
        if rest.strip(b"\xff") or not (has_md5 or row == _ERASED_ROW):
            raise ImageError(Reason.BAD_TABLE, f"Row {at // 32 + 1} of the partition table is damaged.")
        _check(partitions)
        return PartitionTable(tuple(partitions), has_md5)
    raise ImageError(Reason.BAD_TABLE, "The partition table has no end.")


def is_damaged(data: bytes) -> bool:
    """True for a table that no bootloader would take (ESP-IDF, `esp_partition_table_verify`): a row that is none, an
    MD5 that does not match, or no end. False for an erased one. A sound table may still be none that is read here."""
    for at in range(0, TABLE_SIZE, 32):
        row = data[at : at + 32]
        if row[:4] == _ERASED_ROW[:4]:
            return at == 0 and data[:TABLE_SIZE].strip(b"\xff") != b""
        if row[:2] == _MD5_ROW[:2]:
            if hashlib.md5(data[:at], usedforsecurity=False).digest() != row[16:]:
                return True
        elif row[:2] != _ROW_MAGIC:
            return True
    return True


def _partition(row: bytes) -> Partition:
    _, kind, subtype, offset, size, label, flags = _ROW.unpack(row)
    try:
        name = label.split(b"\0", 1)[0].decode()
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable():
        raise ImageError(Reason.BAD_TABLE, "A row of the partition table has no readable label.")
    return Partition(kind, subtype, offset, size, name, flags)


def _is_of_the_start(part: Partition) -> bool:
    """True for a row that names the bootloader or the table where every chip has them."""
    if (part.type, part.subtype) == (3, 0):
        return (part.offset, part.end) == (TABLE_OFFSET, TABLE_SECTOR_END)
    return (part.type, part.subtype) == (2, 0) and part.end <= TABLE_OFFSET


def _check(partitions: list[Partition]) -> None:
    last_end, last = TABLE_SECTOR_END, "the table itself"
    for part in sorted(partitions, key=lambda part: part.offset):
        name = f'Partition "{part.label}"'
        if part.size == 0 or part.end > 1 << 32:
            raise ImageError(Reason.BAD_TABLE, f"{name} has an impossible size of {part.size:#x} bytes.")
        if part.offset % (APP_ALIGNMENT if part.is_app else SECTOR):
            raise ImageError(Reason.BAD_TABLE, f"{name} starts at {part.offset:#x}, where no such partition can start.")
        if part.is_ota_data and part.size != _OTA_DATA_SIZE:
            raise ImageError(Reason.BAD_TABLE, f"{name} must have 0x2000 bytes, not {part.size:#x}.")
        if _is_of_the_start(part):
            continue
        if part.offset < last_end:
            raise ImageError(Reason.OVERLAP, f"{name} overlaps {last}.")
        last_end, last = part.end, f'partition "{part.label}"'
    for what, found in (
        ("label", [part.label for part in partitions]),
        ("type", [(part.type, part.subtype) for part in partitions if part.is_app or part.is_ota_data]),
    ):
        if len(set(found)) != len(found):
            raise ImageError(Reason.BAD_TABLE, f"Two rows of the partition table have the same {what}.")
    slots = sorted(part.subtype for part in partitions if part.is_app and _OTA_0 <= part.subtype <= _OTA_LAST)
    if slots != list(range(_OTA_0, _OTA_0 + len(slots))):
        raise ImageError(Reason.BAD_TABLE, "The partition table leaves out an OTA slot.")
