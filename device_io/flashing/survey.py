"""What is known of a module before anything is written to it."""

from __future__ import annotations

import re
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from device_io.flashing.backups import flash_of
from device_io.flashing.esptool_process import EsptoolProcess, FlashIdentity
from device_io.flashing.result import Refused
from device_io.flashing.told import Told
from firmware_images.chips import SECTOR, TABLE_OFFSET, TABLE_SIZE, chip_by_name
from firmware_images.errors import ImageError
from firmware_images.ota_data import OTA_DATA_SIZE
from firmware_images.package import FirmwarePackage
from firmware_images.partition_table import PartitionTable, is_damaged, parse_partition_table
from firmware_images.plan import booting_partition
from firmware_images.starting import running_partition
from firmware_images.target import Target

_DESCRIPTOR = struct.Struct("<II")  # magic and secure version, at the start of the first segment (esp_app_desc_t)
_DESCRIPTOR_AT, _DESCRIPTOR_MAGIC = 0x20, 0xABCD5432


def survey(
    esptool: EsptoolProcess, identity: FlashIdentity, *, installed_version: str | None, board: str | None
) -> Target:
    """The module as a `Target`: its layout, what boots, and the lowest secure version that it starts.

    :raises ImageError: for a partition table by which the module boots, and that is none known here.
    :raises EsptoolError:
    """
    module = chip_of(esptool, identity)
    in_flash = read(esptool, TABLE_OFFSET, TABLE_SIZE)
    damaged = is_damaged(in_flash)
    table = _table(in_flash) if not damaged else None
    place = table.ota_data if table is not None else None
    ota_data = read(esptool, place.offset, OTA_DATA_SIZE) if place is not None else None
    known = [module.secure_version, _running_secure_version(esptool, table, ota_data)]
    return replace(
        module,
        board=board,
        partition_table=table,
        table_damaged=damaged,
        installed_version=installed_version,
        secure_version=max((version for version in known if version is not None), default=None),
        ota_data=ota_data,
    )


def with_running(esptool: EsptoolProcess, target: Target, kept: Path | None) -> Target:
    """The same with what really boots. kept: a backup of what stands in the flash; without one it is read."""
    flash = flash_of(kept) if kept is not None else None

    def there(offset: int, size: int) -> bytes:
        return flash[offset : offset + size] if flash is not None else read(esptool, offset, size)

    return replace(target, running=running_partition(target, there))


def chip_of(esptool: EsptoolProcess, identity: FlashIdentity) -> Target:
    """What the chip tells of itself, and its bootloader."""
    chip = chip_by_name(identity.chip)
    at = chip.bootloader_offset if chip is not None else 0
    return Target(
        chip=identity.chip,
        flash_size=identity.flash_size,
        chip_revision=identity.revision,
        block_revision=identity.block_revision,
        any_newer_revision=identity.any_newer_revision,
        any_newer_block=identity.any_newer_block,
        secure_version=identity.secure_version,
        secure_boot=identity.secure_boot,
        secure_boot_v1=identity.secure_boot_v1,
        key_digests=tuple(identity.key_digests),
        flash_encryption=identity.flash_encryption,
        bootloader=read(esptool, at, TABLE_OFFSET - at),
    )


def name_of(chip: str) -> str:
    """A chip's name as packages write it."""
    known = chip_by_name(chip)
    return known.name if known is not None else chip


def board_of(kind: str, boards: Sequence[str]) -> str | None:
    """A module's board, as a firmware for `boards` names it: a module tells its type ("3PN-PowerMonitor1"), which is
    meant by a board of that name, or by one with its first part in it ("sensix-3pn"). None where it tells none."""
    lower = kind.casefold()
    if not lower:
        return None
    for board in boards:
        name = board.casefold()
        if name == lower or lower.partition("-")[0] in re.split(r"[^0-9a-z]+", name):
            return board
    return kind


def suits_board(kind: str, boards: Sequence[str]) -> bool:
    """Whether a firmware for `boards` (none: for any) is for a module that tells this type, "" where it tells none."""
    return not boards or board_of(kind, boards) in (None, *boards)


def check_wiring(package: FirmwarePackage, told: Told) -> None:
    """:raises Refused: for a firmware that can't measure what the module is built for."""
    system = told.info.system if told.info is not None else None
    if system is not None and package.wiring_types and system not in package.wiring_types:
        raise Refused(
            f"The firmware measures {', '.join(package.wiring_types)}; the module is a {system} one. "
            "Use the firmware for this module."
        )


def check_layout(target: Target, *, kept: bool) -> None:
    """kept: what stands there is in a backup, or will be. :raises Refused: for a damaged table without."""
    if target.table_damaged and not kept:
        raise Refused(
            "The module's own layout is damaged, so what it keeps could be lost. Restore the last backup of this "
            "module, or flash a complete bundle without --no-backup."
        )


def read(esptool: EsptoolProcess, offset: int, size: int) -> bytes:
    """A piece of the flash."""
    with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
        path = Path(folder) / "read.bin"
        esptool.read(offset, size, path)
        return path.read_bytes()


def _running_secure_version(
    esptool: EsptoolProcess, table: PartitionTable | None, ota_data: bytes | None
) -> int | None:
    """That of the application which boots today: a module that started it may start nothing older any more."""
    booting = booting_partition(table, ota_data) if table is not None else None
    if booting is None:
        return None
    magic, version = _DESCRIPTOR.unpack_from(read(esptool, booting.offset, SECTOR), _DESCRIPTOR_AT)
    return int(version) if magic == _DESCRIPTOR_MAGIC else None


def _table(data: bytes) -> PartitionTable | None:
    """The partition table of a module; None where there is none (a blank flash)."""
    if data[:2] != b"\xaa\x50":
        return None
    try:
        return parse_partition_table(data)
    except ImageError as wrong:
        raise ImageError(
            wrong.kind,
            f"The module's own layout is none known here: {wrong.sentence} Update this program, or flash the module as "
            "its maker describes.",
        ) from None
