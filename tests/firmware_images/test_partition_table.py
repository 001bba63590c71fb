"""Partition tables: rows, MD5 and the rules of a layout."""

from __future__ import annotations

import hashlib
import struct

import pytest

from firmware_images.errors import ImageError, Reason
from firmware_images.partition_table import is_damaged, parse_partition_table
from tests.fakes.firmware_maker import partition_table

NVS = (1, 2, 0x9000, 0x6000, "nvs")
FACTORY = (0, 0, 0x10000, 0x100000, "factory")


def table(*rows: tuple[int, int, int, int, str], md5: bool = True, flags: int = 0) -> bytes:
    packed = b"".join(
        struct.pack("<HBBII16sI", 0x50AA, kind, subtype, offset, size, label.encode(), flags)
        for kind, subtype, offset, size, label in rows
    )
    if md5:
        packed += b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(packed).digest()
    return packed.ljust(0xC00, b"\xff")


def reason(data: bytes) -> Reason:
    with pytest.raises(ImageError) as caught:
        parse_partition_table(data)
    assert caught.value.sentence.endswith(".")
    return caught.value.kind


def test_reads_rows() -> None:
    read = parse_partition_table(table(NVS, FACTORY, flags=2))
    assert [(row.kind, row.offset, row.size, row.label, row.flags) for row in read.partitions] == [
        ("data nvs", 0x9000, 0x6000, "nvs", 2),
        ("app factory", 0x10000, 0x100000, "factory", 2),
    ]
    assert read.has_md5
    assert read.factory is not None
    assert read.factory.label == "factory"
    assert (read.slots, read.ota_data, read.end) == ((), None, 0x110000)


def test_reads_two_slots_in_order() -> None:
    read = parse_partition_table(partition_table())
    assert [slot.label for slot in read.slots] == ["ota_0", "ota_1"]
    assert read.ota_data is not None
    assert read.at(read.slots[1].offset + 5) == read.slots[1]
    assert read.at(0xFFF) is None


def test_a_table_without_md5_is_read() -> None:
    assert not parse_partition_table(table(NVS, FACTORY, md5=False)).has_md5


def test_one_that_ends_with_its_md5_is_read() -> None:
    assert parse_partition_table(table(NVS, FACTORY)[:96]).has_md5


@pytest.mark.parametrize("length", [2, 31, 32, 64, 95])
def test_a_cut_table_is_refused(length: int) -> None:
    assert reason(table(NVS, FACTORY)[:length]) is Reason.TRUNCATED


def test_every_flipped_bit_is_refused() -> None:
    whole = table(NVS, FACTORY)
    for at in range(8 * 128):
        broken = bytearray(whole)
        broken[at // 8] ^= 1 << at % 8
        assert reason(bytes(broken)) in (
            Reason.BAD_HASH,
            Reason.BAD_TABLE,
            Reason.NOT_AN_IMAGE,
            Reason.OVERLAP,
        )


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([NVS, (0, 0, 0x18000, 0x10000, "app")], Reason.BAD_TABLE),  # not at 64 KiB
        ([(1, 2, 0x9800, 0x1000, "nvs")], Reason.BAD_TABLE),  # not at a sector
        ([NVS, (1, 1, 0xE000, 0x2000, "phy")], Reason.OVERLAP),
        ([(1, 2, 0x8000, 0x2000, "nvs")], Reason.OVERLAP),  # over the table
        ([(1, 2, 0x9000, 0, "nvs")], Reason.BAD_TABLE),
        ([(1, 2, 0xFFFFF000, 0x2000, "nvs")], Reason.BAD_TABLE),
        ([(1, 0, 0x9000, 0x1000, "otadata")], Reason.BAD_TABLE),
        ([NVS, (0, 0x11, 0x10000, 0x10000, "ota_1")], Reason.BAD_TABLE),  # no ota_0
        ([NVS, FACTORY, (0, 0, 0x200000, 0x10000, "second")], Reason.BAD_TABLE),
        ([NVS, (1, 1, 0xF000, 0x1000, "nvs")], Reason.BAD_TABLE),  # label twice
        ([(2, 0, 0x1000, 0x8000, "bootloader"), NVS], Reason.OVERLAP),  # over the table
        ([(2, 0, 0x1000, 0, "bootloader"), NVS], Reason.BAD_TABLE),
        ([(3, 0, 0x7000, 0x1000, "table"), NVS], Reason.OVERLAP),  # not where the table is
        ([(3, 1, 0x8000, 0x1000, "table"), NVS], Reason.OVERLAP),  # a second table in the place of the first
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(rows: list[tuple[int, int, int, int, str]], kind: Reason) -> None:
    assert reason(table(*rows)) is kind


def test_a_table_without_end_is_refused() -> None:
    rows = [(1, 0x40, 0x9000 + n * 0x1000, 0x1000, f"p{n}") for n in range(96)]
    assert reason(table(*rows, md5=False)) is Reason.BAD_TABLE


def test_a_moved_calibration_is_seen() -> None:
    plain = parse_partition_table(partition_table())
    moved = parse_partition_table(partition_table(moved_calibration=True))
    assert plain.keeps_data_of(plain)
    assert not moved.keeps_data_of(plain)


def test_rows_for_bootloader_and_table_themselves_are_read() -> None:
    """As ESP-IDF 5.4 and later may write them; they are no data of the module."""
    start = [(2, 0, 0x1000, 0x7000, "bootloader"), (3, 0, 0x8000, 0x1000, "partition_table")]
    copy = (2, 1, 0x110000, 0x7000, "next")
    read = parse_partition_table(table(*start, NVS, FACTORY, copy))
    assert [row.kind for row in read.partitions] == [
        "bootloader primary",
        "partition_table primary",
        "data nvs",
        "app factory",
        "bootloader ota",
    ]
    plain = parse_partition_table(table(NVS, FACTORY))
    assert plain.keeps_data_of(read)
    assert read.keeps_data_of(plain)


def test_a_damaged_table_is_told_from_one_that_is_only_strange() -> None:
    whole = table(NVS, FACTORY)
    for at in range(8 * 96):
        broken = bytearray(whole)
        broken[at // 8] ^= 1 << at % 8
        nobody_looks = 66 <= at // 8 < 80  # the filler before the MD5
        assert is_damaged(bytes(broken)) != nobody_looks, at
    for start in (b"\xff" * 32, b"\xff\xff\1"):  # what is left of a table is not a blank flash
        assert is_damaged(start + whole[len(start) :])
    assert is_damaged(whole[:96] + b"\1" + whole[97:])  # behind the MD5
    strange = table(NVS, (0, 0x11, 0x10000, 0x10000, "ota_1"))  # no ota_0
    endless = table(*((1, 0x40, 0x9000 + n * 0x1000, 0x1000, f"p{n}") for n in range(96)), md5=False)
    assert is_damaged(endless)
    for sound in (whole, table(NVS, FACTORY, md5=False), strange, b"\xff" * 0xC00):
        assert not is_damaged(sound)
