"""OTA data: which slot boots, and making another boot."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_images.errors import ImageError, Reason
from firmware_images.ota_data import OTA_DATA_SIZE, OtaState, ota_data_for, parse_ota_data
from firmware_images.partition_table import PartitionTable, parse_partition_table
from firmware_images.plan import booting_partition
from tests.fakes.firmware_maker import ota_data, partition_table
from tests.firmware_images.test_partition_table import FACTORY, NVS, table

TWO = parse_partition_table(partition_table())


def slots(count: int, factory: bool = False) -> PartitionTable:
    rows = [NVS, (1, 0, 0x5F0000, 0x2000, "otadata"), *([FACTORY] if factory else [])]
    rows += [(0, 0x10 + n, 0x200000 + n * 0x10000, 0x10000, f"ota_{n}") for n in range(count)]
    return parse_partition_table(table(*rows))


def test_the_first_entry_has_the_known_crc() -> None:
    made = ota_data_for(0, TWO)
    assert made[:4] == b"\1\0\0\0"
    assert struct.unpack_from("<I", made, 28) == (0x4743989A,)  # as in the file that Espressif ships for slot 0
    assert made[4:24] == b"\xff" * 20
    assert made[32:] == b"\xff" * (OTA_DATA_SIZE - 32)


@pytest.mark.parametrize(("first", "second", "slot"), [(1, None, 0), (1, 2, 1), (3, 2, 0), (None, 4, 1), (6, 5, 1)])
def test_the_higher_number_wins(first: int | None, second: int | None, slot: int) -> None:
    assert parse_ota_data(ota_data(first, second)).slot(TWO) == slot


def test_an_entry_with_a_wrong_crc_does_not_count() -> None:
    broken = bytearray(ota_data(1, 2))
    broken[0x1000 + 28] ^= 1
    assert parse_ota_data(bytes(broken)).slot(TWO) == 0


def test_an_image_that_was_given_up_does_not_count() -> None:
    for state in (OtaState.INVALID, OtaState.ABORTED, OtaState.PENDING_VERIFY):
        made = ota_data(1)[:0x1000] + ota_data(2, state=state)[:0x1000]
        assert parse_ota_data(made).slot(TWO) == 0


def test_without_a_choice_the_factory_image_or_the_first_slot_boots() -> None:
    erased = parse_ota_data(b"\xff" * OTA_DATA_SIZE)
    assert erased.slot(TWO) == 0
    assert erased.slot(slots(2, factory=True)) is None
    assert erased.slot(parse_partition_table(table(NVS, FACTORY))) is None


@given(
    count=st.integers(1, 16),
    slot=st.integers(0, 15),
    first=st.none() | st.integers(1, 0xFFFFFFFE),
    second=st.none() | st.integers(1, 0xFFFFFFFE),
)
def test_whatever_was_there_the_wanted_slot_boots(count: int, slot: int, first: int | None, second: int | None) -> None:
    layout, slot, there = slots(count), slot % count, ota_data(first, second)
    made = ota_data_for(slot, layout, there)
    read, before = parse_ota_data(made), parse_ota_data(there)
    assert len(made) == OTA_DATA_SIZE
    assert read.slot(layout) == slot
    assert read.active_sector is not None
    new = read.entries[read.active_sector]
    last = max(first or 0, second or 0)
    assert new is not None
    if last < 0xFFFFFFFE - 16:
        assert last < new.sequence <= last + count
        # The sector that decided before is as it was, so that losing the new one falls back to it.
        if before.active_sector is not None:
            at = before.active_sector * 0x1000
            assert read.active_sector != before.active_sector
            assert made[at : at + 0x1000] == there[at : at + 0x1000]


def test_a_slot_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        ota_data_for(2, TWO)
    assert caught.value.kind is Reason.BAD_OTA_DATA


def test_another_length_is_refused() -> None:
    with pytest.raises(ImageError) as caught:
        parse_ota_data(b"\xff" * 32)
    assert caught.value.kind is Reason.BAD_OTA_DATA


def test_a_trial_boot_can_be_asked_for() -> None:
    entry = parse_ota_data(ota_data_for(1, TWO, ota_data(1), state=OtaState.NEW)).entries[1]
    assert entry is not None
    assert entry.state == OtaState.NEW


def test_an_image_on_trial_makes_way_for_the_next_one_not_the_proven_one() -> None:
    """The bootloader starts an image on trial once; the slot of the proven one must stay."""
    on_trial = ota_data(1)[:0x1000] + ota_data(2, state=OtaState.PENDING_VERIFY)[:0x1000]
    booting = booting_partition(TWO, on_trial)
    assert booting is not None
    assert booting.label == "ota_0"
    made = ota_data_for(1, TWO, on_trial)
    assert made[:0x1000] == on_trial[:0x1000]
    assert parse_ota_data(made).slot(TWO) == 1
