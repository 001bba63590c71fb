"""The flash memory: what NOR cells can do, its file, and how it fails."""

import hashlib
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_io.virtual_module.esp32.flash import SECTOR, Flash, FlashError

MIB = 1 << 20


@given(st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300), st.integers(0, 5000))
def test_writing_only_clears_bits(first, second, offset):
    flash = Flash(MIB)
    flash.write(offset, first)
    flash.write(offset, second)
    length = max(len(first), len(second))
    expected = bytes(a & b for a, b in zip(first.ljust(length, b"\xff"), second.ljust(length, b"\xff"), strict=True))
    assert flash.read(offset, length) == expected
    assert flash.read(offset + length, 64) == b"\xff" * 64


def test_erasing_takes_whole_sectors_and_is_counted():
    flash = Flash(MIB)
    flash.write(0, bytes(4 * SECTOR))
    flash.erase(SECTOR + 5, SECTOR)  # touches the sectors 1 and 2
    assert flash.read(0, 4 * SECTOR) == bytes(SECTOR) + b"\xff" * (2 * SECTOR) + bytes(SECTOR)
    assert flash.sectors_erased == 2
    assert flash.erasures == {1: 1, 2: 1}
    assert flash.bytes_written == 4 * SECTOR
    flash.erase(100, 0)
    assert flash.sectors_erased == 2


@pytest.mark.parametrize("call", ["read", "erase", "md5"])
@pytest.mark.parametrize(("offset", "length"), [(MIB, 1), (MIB - 4, 5), (-1, 1), (0, MIB + 1)])
def test_nothing_answers_outside(call, offset, length):
    with pytest.raises(FlashError, match="outside"):
        getattr(Flash(MIB), call)(offset, length)


def test_a_worn_sector_does_not_erase_and_a_bad_place_does_not_write():
    flash = Flash(MIB)
    flash.wear(worn=[SECTOR + 17], write_errors=[10])
    flash.erase(0, 3 * SECTOR)
    assert flash.read(0, SECTOR) == b"\xff" * SECTOR == flash.read(2 * SECTOR, SECTOR)
    assert flash.read(SECTOR, SECTOR) != b"\xff" * SECTOR
    flash.write(0, bytes(10))
    flash.write(11, bytes(10))
    with pytest.raises(FlashError, match="0x8"):
        flash.write(8, bytes(4))
    assert flash.read(8, 3) == b"\0\0\xff"


def test_the_file_holds_what_the_memory_holds(tmp_path):
    path = tmp_path / "flash.bin"
    flash = Flash(MIB, path)
    assert flash.blank
    if os.name == "posix":
        assert path.stat().st_mode & 0o077 == 0  # passwords are kept in it
    flash.write(123, b"kept")
    flash.erase(8 * SECTOR, SECTOR)
    assert path.read_bytes() == flash.read(0, MIB)  # at once, not only when closed
    flash.close()
    flash.close()
    again = Flash(MIB, path)
    assert not again.blank
    assert again.md5(0, MIB) == hashlib.md5(path.read_bytes(), usedforsecurity=False).digest()
    again.close()


def test_a_file_of_another_size_and_odd_sizes_are_refused(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"no flash")
    with pytest.raises(ValueError, match="8 bytes"):
        Flash(MIB, path)
    with pytest.raises(ValueError, match="1, 2, 4, 8 or 16 MiB"):
        Flash(3 * MIB)
