"""Values in a partition."""

import pytest

from device_io.virtual_module.esp32.flash import SECTOR, Flash
from device_io.virtual_module.esp32.image_reader import Partition
from device_io.virtual_module.esp32.store import load, save

PARTITION = Partition(1, 2, 0x9000, 3 * SECTOR, "nvs", False)


@pytest.fixture
def flash():
    return Flash(1 << 20)


def test_the_newest_version_counts_and_the_sectors_take_turns(flash):
    assert load(flash, PARTITION) is None
    for number in range(10):
        assert save(flash, PARTITION, {"name": f"Köln {number}", "v": 230.5, "on": True, "none": None})
        assert load(flash, PARTITION) == {"name": f"Köln {number}", "v": 230.5, "on": True, "none": None}
    assert flash.erasures == {9: 4, 10: 3, 11: 3}


@pytest.mark.parametrize("bit", range(0, 8 * 60, 7))
def test_a_damaged_version_gives_way_to_the_one_before(flash, bit):
    save(flash, PARTITION, {"name": "old"})
    save(flash, PARTITION, {"name": "a name that is long enough for all the bits"})
    newest = 0x9000 + SECTOR
    raw = bytearray(flash.read(newest, SECTOR))
    raw[bit // 8] ^= 1 << bit % 8
    flash.erase(newest, SECTOR)
    flash.write(newest, bytes(raw))
    assert load(flash, PARTITION) == {"name": "old"}
    assert save(flash, PARTITION, {"name": "new"})
    assert load(flash, PARTITION) == {"name": "new"}


def test_what_does_not_fit_or_cannot_be_written_leaves_the_old_one(flash):
    save(flash, PARTITION, {"name": "old"})
    assert not save(flash, PARTITION, {"name": "x" * SECTOR})
    flash.wear(write_errors=[0x9000 + SECTOR])
    assert not save(flash, PARTITION, {"name": "new"})
    assert load(flash, PARTITION) == {"name": "old"}
    beyond = Partition(1, 2, flash.size - SECTOR, 4 * SECTOR, "nvs", False)
    save(flash, beyond, {"a": 1})
    assert not save(flash, beyond, {"a": 2})
