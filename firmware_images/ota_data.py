"""OTA data: which application slot boots. Two sectors with an entry each; the valid one with the higher number wins."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from firmware_images.chips import SECTOR
from firmware_images.errors import ImageError, Reason
from firmware_images.partition_table import PartitionTable

OTA_DATA_SIZE = 2 * SECTOR
_ENTRY = struct.Struct("<I20sII")
_LAST_SEQUENCE = 0xFFFFFFFE


class OtaState(IntEnum):
    """What the bootloader knows of an image. UNDEFINED: it boots, no roll-back was asked for."""

    NEW = 0
    PENDING_VERIFY = 1
    VALID = 2
    INVALID = 3
    ABORTED = 4
    UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class OtaEntry:
    """An entry whose CRC holds. sequence: from 1; slot (sequence - 1) % slots boots. state: an `OtaState`, as read."""

    sequence: int
    state: int

    @property
    def boots(self) -> bool:
        """False when the bootloader has given this image up, or will at the next start: it never proved itself."""
        return self.state not in (OtaState.INVALID, OtaState.ABORTED, OtaState.PENDING_VERIFY)


@dataclass(frozen=True)
class OtaData:
    """Both entries; None where a sector is erased or its CRC does not hold."""

    entries: tuple[OtaEntry | None, OtaEntry | None]

    @property
    def active_sector(self) -> int | None:
        """Which sector decides, 0 or 1; None when neither does (then the factory image boots, or the first slot)."""
        booting = [(entry.sequence, -n) for n, entry in enumerate(self.entries) if entry is not None and entry.boots]
        return -max(booting)[1] if booting else None

    def slot(self, table: PartitionTable) -> int | None:
        """The number of the slot that boots under `table`, 0 for ota_0; None for the factory image."""
        sector = self.active_sector
        entry = self.entries[sector] if sector is not None else None
        if not table.slots:
            return None
        if entry is None:
            return None if table.factory is not None else 0
        return (entry.sequence - 1) % len(table.slots)


def parse_ota_data(data: bytes) -> OtaData:
    """Read OTA data. An entry whose CRC does not hold counts as erased, as for the bootloader.

    :raises ImageError: BAD_OTA_DATA for what is not two sectors (0x2000 bytes).
    """
    if len(data) != OTA_DATA_SIZE:
        raise ImageError(Reason.BAD_OTA_DATA, f"OTA data has 0x2000 bytes, not {len(data):#x}.")
    return OtaData((_entry(data, 0), _entry(data, SECTOR)))


def ota_data_for(
    slot: int, table: PartitionTable, current: bytes | None = None, *, state: OtaState = OtaState.UNDEFINED
) -> bytes:
    """OTA data that boots a slot, with a higher number than what is there.

    slot: 0 for ota_0. current: what the module has now; the sector that decides today is kept, so that the image of
    today boots again should the new entry get lost. state: NEW asks a bootloader with roll-back for a trial boot.

    :raises ImageError: BAD_OTA_DATA for a slot that the table does not have.
    """
    slots = len(table.slots)
    if not 0 <= slot < slots:
        raise ImageError(Reason.BAD_OTA_DATA, f"The partition table has no slot ota_{slot}.")
    sectors = [b"\xff" * SECTOR, b"\xff" * SECTOR]
    written, sequence = 0, slot + 1
    if current is not None and len(current) == OTA_DATA_SIZE:
        there = parse_ota_data(current)
        last = max((entry.sequence for entry in there.entries if entry is not None), default=0)
        sequence = last + 1 + (slot - last) % slots
        keep = there.active_sector
        written = 1 - keep if keep is not None else 0
        if sequence > _LAST_SEQUENCE:  # no higher number is left: begin anew
            sequence, keep = slot + 1, None
        if keep is not None:
            sectors[keep] = current[keep * SECTOR : (keep + 1) * SECTOR]
    packed = struct.pack("<I", sequence)
    entry = _ENTRY.pack(sequence, b"\xff" * 20, state, _crc(packed))
    sectors[written] = entry.ljust(SECTOR, b"\xff")
    return b"".join(sectors)


def _entry(data: bytes, at: int) -> OtaEntry | None:
    sequence, _, state, crc = _ENTRY.unpack_from(data, at)
    if not 0 < sequence <= _LAST_SEQUENCE or crc != _crc(data[at : at + 4]):
        return None
    return OtaEntry(sequence, state)


def _crc(packed: bytes) -> int:
    return zlib.crc32(packed, 0xFFFFFFFF)
