"""What to write where, so that the new application boots and the module keeps its settings and calibration."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_images.chips import SECTOR, chip_by_name, sector_up
from firmware_images.errors import ImageError, Reason
from firmware_images.image import parse_image, same_code
from firmware_images.ota_data import OTA_DATA_SIZE, ota_data_for, parse_ota_data
from firmware_images.package import FirmwarePackage, Part
from firmware_images.partition_table import Partition, PartitionTable
from firmware_images.target import Target

_NVS, _NVS_KEYS, _EFUSE = 2, 4, 5
_OTA_0 = 0x10


@dataclass(frozen=True)
class Write:
    """Whole sectors: offset and length are multiples of 0x1000."""

    offset: int
    data: bytes = field(repr=False)
    label: str


@dataclass(frozen=True)
class _Place:
    """The layout that will hold, whether it is new, and the partition the application goes to."""

    table: PartitionTable
    is_new: bool
    app: Partition


def plan_writes(package: FirmwarePackage, target: Target) -> tuple[Write, ...]:
    """What to write to put this firmware on this module, in this order.

    On a module with a partition table: the application into the slot that does not boot today, OTA data last: until
    then the module boots what it booted before. A bootloader that is sound stays, and so does the table; both are
    renewed only where the application needs another layout. Data
    partitions (settings, calibration, files) are never touched. Where the layout has no second slot, the application
    is replaced in place. On a blank module: all parts, but no settings. On one whose table is damaged: what it takes to
    boot, and nothing that could lie on its data.

    :raises ImageError: NO_APP, INCOMPLETE, TOO_LARGE, LAYOUT when there is no way.
    """
    app, place = _app(package), _place(package, target)
    writes: list[Write] = []
    bootloader = package.bootloader
    if bootloader is not None and _renews_bootloader(bootloader, target, place):
        writes.append(_write(bootloader))
    writes.append(_whole_sectors(place.app.offset, app.data, place.app.label))
    writes += [_write(part) for part in package.parts if part.role == "partition-table" and place.is_new]
    if target.partition_table is None and not target.table_damaged:
        writes += [_write(part) for part in package.parts if part.role == "data" and not is_settings(part, place.table)]
    ota_data = place.table.ota_data
    if ota_data is not None:
        writes += _choice_writes(ota_data, _choice(place, target), target)
    return tuple(writes)


def reason_against(package: FirmwarePackage, target: Target) -> ImageError | None:
    """Why the firmware has no place on this module, None when `plan_writes` finds one."""
    try:
        _place(package, target)
    except ImageError as wrong:
        return wrong
    return None


def boot_order(table: PartitionTable, ota_data: bytes | None) -> tuple[Partition, ...]:
    """The partitions whose applications the bootloader tries under this layout and OTA data (None or another length:
    erased), until one is sound: the chosen slot, those below it down to the factory image, those above it (ESP-IDF,
    `bootloader_utility_load_boot_image`)."""
    slot = None
    if table.ota_data is not None and table.slots:
        whole = ota_data if ota_data is not None and len(ota_data) == OTA_DATA_SIZE else b"\xff" * OTA_DATA_SIZE
        slot = parse_ota_data(whole).slot(table)
    places = ([table.factory] if table.factory is not None else []) + list(table.slots)
    chosen = places.index(table.slots[slot]) if slot is not None else 0
    return (*reversed(places[: chosen + 1]), *places[chosen + 1 :])


def booting_partition(table: PartitionTable, ota_data: bytes | None) -> Partition | None:
    """The partition whose application boots, should it be sound."""
    return next(iter(boot_order(table, ota_data)), None)


def is_settings(part: Part, table: PartitionTable | None) -> bool:
    """True for a part that lies where a module keeps its settings or calibration (NVS)."""
    partition = table.at(part.offset) if table is not None else None
    return partition is not None and partition.type == 1 and partition.subtype in (_NVS, _NVS_KEYS, _EFUSE)


def _app(package: FirmwarePackage) -> Part:
    if package.app is None:
        what = ", ".join(part.role for part in package.parts)
        raise ImageError(Reason.NO_APP, f"There is no application in it (only {what}). Use a complete firmware.")
    return package.app


def _place(package: FirmwarePackage, target: Target) -> _Place:
    app, brought, there = _app(package), package.table, target.partition_table
    if there is None:
        if brought is None or package.bootloader is None:
            raise ImageError(
                Reason.INCOMPLETE,
                f"The module's flash is {'damaged' if target.table_damaged else 'blank'} and needs bootloader and "
                "partition table too. Use a complete bundle.",
            )
        partition = brought.at(app.offset)
        if partition is None:  # `identify` lets no such package pass
            raise ImageError(Reason.WRONG_OFFSET, "The application lies in no partition.")
        return _Place(brought, True, partition)
    booting = target.running or booting_partition(there, target.ota_data)
    partition = _free_partition(there, booting, len(app.data))
    if partition is not None:
        return _Place(there, False, partition)
    largest = max((part.size for part in there.partitions if part.is_app), default=0)
    if brought is None:
        raise ImageError(
            Reason.TOO_LARGE,
            f"The application has {len(app.data)} bytes; the module's layout leaves {largest}. "
            "Use a bundle that brings a partition table.",
        )
    if not brought.keeps_data_of(there):
        raise ImageError(
            Reason.LAYOUT,
            f"The application has {len(app.data)} bytes, the module's layout leaves {largest}, and the bundle's layout "
            "would lose settings and calibration. Use a bundle made for this module.",
        )
    # Under the new layout no entry of today's OTA data means what it meant: begin with the package's own place.
    partition = brought.at(app.offset)
    if partition is None:
        raise ImageError(Reason.WRONG_OFFSET, "The application lies in no partition.")
    return _Place(brought, True, partition)


def _free_partition(table: PartitionTable, booting: Partition | None, size: int) -> Partition | None:
    """Where an application of `size` bytes goes: a slot that does not boot today, the next one first."""
    slots = list(table.slots) if table.ota_data is not None else []
    if booting in slots:
        turn = slots.index(booting) + 1
        slots = slots[turn:] + slots[:turn]
    free = [slot for slot in slots if slot != booting]
    if not free and booting is not None:
        free = [booting]  # there is only one place
    return next((slot for slot in free if size <= slot.size), None)


def _renews_bootloader(bootloader: Part, target: Target, place: _Place) -> bool:
    """Only where nothing is lost by it: while it is being written, nothing boots."""
    boots_nothing = target.partition_table is None
    if target.bootloader is None:
        return boots_nothing  # unknown: what boots now stays
    try:
        there = parse_image(target.bootloader)
    except ImageError as wrong:
        return boots_nothing or (wrong.kind is not Reason.NO_HASH and not target.secure_boot)
    # Secure boot: the eFuses know the bootloader that is there, and no other.
    if boots_nothing or target.secure_boot:
        return not target.secure_boot
    alike = chip_by_name(target.chip) == there.chip
    return not alike or (place.is_new and not same_code(bootloader.data, target.bootloader))


def _choice(place: _Place, target: Target) -> bytes:
    """OTA data that boots the application's partition."""
    if place.app not in place.table.slots:
        return b"\xff" * OTA_DATA_SIZE  # erased: the factory image boots
    slot = place.app.subtype - _OTA_0
    return ota_data_for(slot, place.table, None if place.is_new else target.ota_data)


def _choice_writes(ota_data: Partition, data: bytes, target: Target) -> list[Write]:
    """The sectors of OTA data that change, one by one and the new entry first: what is written in one go is erased in
    one go, and with both sectors gone nobody knows any more what booted."""
    here = target.partition_table is not None and target.partition_table.ota_data == ota_data
    there = target.ota_data if here and target.ota_data is not None else b""
    places = range(0, OTA_DATA_SIZE, SECTOR)
    changed = [at for at in places if data[at : at + SECTOR] != there[at : at + SECTOR]]
    changed.sort(key=lambda at: data[at : at + 4] == b"\xff" * 4)
    return [Write(ota_data.offset + at, data[at : at + SECTOR], ota_data.label) for at in changed]


def _write(part: Part) -> Write:
    return _whole_sectors(part.offset, part.data, part.label)


def _whole_sectors(offset: int, data: bytes, label: str) -> Write:
    return Write(offset, data.ljust(sector_up(len(data)), b"\xff"), label)
