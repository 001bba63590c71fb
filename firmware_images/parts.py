"""Finds out what each part of a package is and whether it lies where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from firmware_images.chips import (
    APP_ALIGNMENT,
    CHIPS,
    SECTOR,
    TABLE_OFFSET,
    TABLE_SECTOR_END,
    TABLE_SIZE,
    chip_by_name,
    sector_up,
)
from firmware_images.errors import ImageError, Reason
from firmware_images.image import IMAGE_MAGIC, AppImage, parse_image
from firmware_images.ota_data import OTA_DATA_SIZE, parse_ota_data
from firmware_images.package import Part
from firmware_images.partition_table import Partition, PartitionTable, parse_partition_table

_TABLE_MAGIC = b"\xaa\x50"
_SIZE_OF_FLASH = 128 << 20
_LAST_BOOTLOADER = max(chip.bootloader_offset for chip in CHIPS)

T = TypeVar("T")


@dataclass(frozen=True)
class RawPart:
    """Bytes, where they go, and the file they came from."""

    offset: int
    data: bytes = field(repr=False)
    name: str


def identify(raw: Iterable[RawPart], chip: str | None) -> tuple[str | None, tuple[Part, ...]]:
    """The chip and the parts in order of their offsets. chip: what the package says it is for, None when it does not.

    A merged image (one file for offset 0, or from the bootloader's place on) is taken apart.

    :raises ImageError: whatever makes the parts unfit for any module.
    """
    pieces: list[RawPart] = []
    for piece in raw:
        pieces += split_merged(piece) if is_merged(piece) else [piece]
    if not pieces:
        raise ImageError(Reason.NO_APP, "The package is empty.")
    pieces.sort(key=lambda piece: piece.offset)
    table = next((_parse(_sealed_table, piece) for piece in pieces if piece.offset == TABLE_OFFSET), None)
    found: list[Part] = []
    for piece in pieces:
        if not piece.data:
            raise ImageError(Reason.TRUNCATED, f'"{piece.name}" is empty. Get the package again.')
        part, image = _identify(piece, table)
        if found and part.offset < sector_up(found[-1].end):
            raise ImageError(
                Reason.OVERLAP,
                f'"{part.label}" at {part.offset:#x} overlaps "{found[-1].label}". The package is wrong.',
            )
        if image is not None:
            chip = _same_chip(image, chip, part)
        found.append(part)
    return chip, tuple(found)


def _sealed_table(data: bytes) -> PartitionTable:
    table = parse_partition_table(data)
    if not table.has_md5:
        # Rows that were lost from a place on could not be told from rows that never were.
        raise ImageError(Reason.NO_HASH, "The partition table carries no MD5. Build it with the MD5 row.")
    return table


def is_merged(piece: RawPart) -> bool:
    """True for one file that holds bootloader, table and applications at their offsets."""
    table_at = TABLE_OFFSET - piece.offset
    if piece.offset > _LAST_BOOTLOADER or piece.data[table_at : table_at + 2] != _TABLE_MAGIC:
        return False
    if piece.data[0] != IMAGE_MAGIC:
        return piece.offset == 0
    try:
        return parse_image(piece.data).total_length <= table_at
    except ImageError:
        return False


def split_merged(merged: RawPart) -> list[RawPart]:
    """The parts of a merged image: bootloader, table, the application that boots, and what lies in data partitions.

    :raises ImageError: when bootloader, table or the application that boots is missing or damaged.
    """
    name, data = merged.name, b"\xff" * merged.offset + merged.data
    table = _sealed_table(data[TABLE_OFFSET:])
    offset, bootloader = _find_bootloader(data)
    parts = [
        RawPart(offset, data[offset : offset + bootloader.total_length], "bootloader"),
        RawPart(TABLE_OFFSET, data[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE], "partition-table"),
    ]
    content = {place: data[place.offset : place.end] for place in table.partitions}
    used = [place for place in table.partitions if content[place].strip(b"\xff")]
    # Of several applications one boots; the others are older, or the remains of an update that was broken off.
    apps = sorted((place for place in used if place.is_app), key=lambda place: place != _booting(data, table))
    if not apps:
        raise ImageError(Reason.NO_APP, f'"{name}" holds no application.')
    parts.append(RawPart(apps[0].offset, _image_in(content[apps[0]], apps[0].label), apps[0].label))
    for place in used:
        if not place.is_app and not place.is_boot:
            filled = content[place].ljust(place.size, b"\xff") if place.is_ota_data else content[place]
            parts.append(RawPart(place.offset, filled, place.label))
    return parts


def _image_in(content: bytes, label: str) -> bytes:
    """The image at the start of a partition; what an older, longer one left behind it is not part of it."""
    return content[: _parse(parse_image, RawPart(0, content, label)).total_length]


def _booting(data: bytes, table: PartitionTable) -> Partition | None:
    place = table.ota_data
    if place is not None:
        content = data[place.offset : place.end].ljust(OTA_DATA_SIZE, b"\xff")
        slot = parse_ota_data(content).slot(table)
        if slot is not None:
            return table.slots[slot]
    return table.factory or next(iter(table.slots), None)


def _find_bootloader(data: bytes) -> tuple[int, AppImage]:
    wrong: ImageError | None = None
    for offset in sorted({chip.bootloader_offset for chip in CHIPS}):
        if data[offset] != IMAGE_MAGIC:
            continue
        try:
            image = parse_image(data[offset:TABLE_OFFSET])
        except ImageError as error:
            wrong = error
            continue
        if image.chip.bootloader_offset == offset:
            return offset, image
    raise wrong or ImageError(
        Reason.WRONG_OFFSET, "The merged image holds no bootloader where the ROM of a chip would look for it."
    )


def _identify(piece: RawPart, table: PartitionTable | None) -> tuple[Part, AppImage | None]:
    """What a piece is, from its place where the table tells, else from its content."""
    offset, data = piece.offset, piece.data
    if offset + len(data) > _SIZE_OF_FLASH:
        raise ImageError(Reason.TOO_LARGE, f'"{piece.name}" ends at {piece.offset + len(data):#x}, beyond any flash.')
    if offset % SECTOR:
        raise _misplaced(piece, "which is not the start of a sector")
    if offset == TABLE_OFFSET:
        _check_room(piece, TABLE_SIZE, "a partition table")
        return Part(offset, data, "partition-table", "partition-table"), None
    if offset < TABLE_OFFSET:
        return _bootloader(piece)
    if data[:2] == _TABLE_MAGIC and table is None:
        raise _misplaced(piece, f"but a partition table belongs at {TABLE_OFFSET:#x}")
    if table is not None:
        return _in_partition(piece, table)
    if offset < TABLE_SECTOR_END:
        raise _misplaced(piece, "where only the partition table may lie")
    if data[0] == IMAGE_MAGIC:
        return _app(piece, piece.name)
    if len(data) == OTA_DATA_SIZE and any(parse_ota_data(data).entries):
        return Part(offset, data, "ota-data", "otadata"), None
    return Part(offset, data, "data", piece.name), None


def _bootloader(piece: RawPart) -> tuple[Part, AppImage]:
    image = _parse(parse_image, piece)
    _check_trailing(piece, image)
    if image.app is not None:
        raise _misplaced(piece, f"but it is an application, which belongs behind {TABLE_SECTOR_END:#x}")
    if piece.offset != image.chip.bootloader_offset:
        raise _misplaced(
            piece, f"but the bootloader of the {image.chip.name} belongs at {image.chip.bootloader_offset:#x}"
        )
    _check_room(piece, TABLE_OFFSET - piece.offset, "the bootloader")
    return Part(piece.offset, piece.data[: image.total_length], "bootloader", "bootloader"), image


def _in_partition(piece: RawPart, table: PartitionTable) -> tuple[Part, AppImage | None]:
    partition = table.at(piece.offset)
    if partition is None:
        raise _misplaced(piece, "where the partition table has no partition")
    if piece.offset != partition.offset and (partition.is_app or partition.is_ota_data):
        raise _misplaced(piece, f'but partition "{partition.label}" starts at {partition.offset:#x}')
    _check_room(piece, partition.end - piece.offset, f'partition "{partition.label}"')
    if partition.is_app:
        return _app(piece, partition.label)
    if partition.is_ota_data:
        _parse(parse_ota_data, piece)
        return Part(piece.offset, piece.data, "ota-data", partition.label), None
    return Part(piece.offset, piece.data, "data", partition.label), None


def _app(piece: RawPart, label: str) -> tuple[Part, AppImage]:
    image = _parse(parse_image, piece)
    _check_trailing(piece, image)
    if image.bootloader is not None and image.app is None:
        raise _misplaced(piece, f"but it is a bootloader, which belongs at {image.chip.bootloader_offset:#x}")
    if image.app is None:
        raise ImageError(
            Reason.NO_APP,
            f'"{piece.name}" does not say that it is an application: it may be an older bootloader. Use an '
            "application that ESP-IDF or Arduino has built.",
        )
    if piece.offset % APP_ALIGNMENT:
        raise _misplaced(piece, "but an application must start at a multiple of 64 KiB")
    return Part(piece.offset, piece.data[: image.total_length], "app", label), image


def _check_trailing(piece: RawPart, image: AppImage) -> None:
    """Behind an image only erased flash may follow: other bytes would go unchecked to the module."""
    if piece.data[image.total_length :].strip(b"\xff"):
        raise ImageError(
            Reason.TRAILING_BYTES,
            f'"{piece.name}" goes on behind the end of its image with bytes that nothing explains. Get the file again.',
        )


def _check_room(piece: RawPart, room: int, what: str) -> None:
    if len(piece.data) > room:
        raise ImageError(
            Reason.TOO_LARGE, f'"{piece.name}" has {len(piece.data)} bytes; there is room for {room} in {what}.'
        )


def _same_chip(image: AppImage, chip: str | None, part: Part) -> str:
    expected = chip_by_name(chip) if chip is not None else None
    if expected is not None and expected != image.chip:
        raise ImageError(
            Reason.WRONG_CHIP,
            f'The package is for the {expected.name}, but its part "{part.label}" at {part.offset:#x} is for the '
            f"{image.chip.name}. Do not use it.",
        )
    return image.chip.name


def _parse(parse: Callable[[bytes], T], piece: RawPart) -> T:
    try:
        return parse(piece.data)
    except ImageError as wrong:
        raise ImageError(wrong.kind, f'"{piece.name}": {wrong.sentence}') from None


def _misplaced(piece: RawPart, why: str) -> ImageError:
    return ImageError(
        Reason.WRONG_OFFSET, f'"{piece.name}" is to go to {piece.offset:#x}, {why}. The package is wrong.'
    )
