"""Backups and the journal: files that must be whole, or not there."""

from __future__ import annotations

import contextlib
import os
import random
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from device_io.flashing.backups import BackupError, BackupStore, flash_of, read_backup, write_backup
from device_io.flashing.esptool_process import FlashIdentity
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal, Unfinished, _write_through
from device_io.port_lease import check_free, leased
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import parse_serial_url
from firmware_images.plan import Write

MAC = "02:53:45:4E:00:01"
CHIP = FlashIdentity("ESP32", MAC, 300, 4096, False, False, False)


def flash_file(folder: Path, seed: int = 0) -> Path:
    path = folder / "flash.bin"
    path.write_bytes(random.Random(seed).randbytes(8192))
    return path


def test_a_backup_comes_back_as_it_went_in(tmp_path):
    flash = flash_file(tmp_path)
    made = write_backup(tmp_path / "b" / "x.zip", flash, CHIP, "virtual 1.0.0", {"settings": {"name": "Cellar"}}, 17)
    assert made == read_backup(tmp_path / "b" / "x.zip")
    assert flash_of(made.path) == flash.read_bytes()
    assert (made.mac, made.firmware, made.made_ns, made.told) == (
        MAC,
        "virtual 1.0.0",
        17,
        {"settings": {"name": "Cellar"}},
    )
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600  # it holds the WiFi password


@pytest.mark.parametrize("damage", ["cut", "flipped", "no zip", "missing", "other flash"])
def test_a_damaged_backup_is_refused_with_one_sentence(tmp_path, damage):
    path = tmp_path / "x.zip"
    write_backup(path, flash_file(tmp_path), CHIP, "1.0.0", {})
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 0x40]) + data[middle + 1 :])
    elif damage == "no zip":
        path.write_bytes(b"not a backup")
    elif damage == "missing":
        path.unlink()
    else:
        facts = zipfile.ZipFile(path).read("module.json")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("module.json", facts)
            archive.writestr("flash.bin", random.Random(9).randbytes(8192))
    with pytest.raises(BackupError) as caught:
        flash_of(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_whatever_bit_of_a_backup_is_damaged_it_reads_as_before_or_is_refused(tmp_path):
    path, flash, chance = tmp_path / "x.zip", tmp_path / "flash.bin", random.Random(5)
    flash.write_bytes(bytes(chance.choices(range(256), range(1, 257), k=4000)))  # so that it is worth deflating
    made = write_backup(path, flash, CHIP, "1.0.0", {})
    data = path.read_bytes()
    for _ in range(200):
        at = chance.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        with contextlib.suppress(BackupError):
            assert read_backup(path) == made


def test_the_store_keeps_the_last_of_each_module(tmp_path):
    store = BackupStore(tmp_path / "store", keep=3)
    flash = flash_file(tmp_path)
    for number in range(5):
        made_ns = 1_700_000_000_000_000_000 + number * 1_000_000_000
        made = write_backup(store.path_for(MAC, f"1.0.{number}", made_ns), flash, CHIP, f"1.0.{number}", {}, made_ns)
        store.prune(MAC, [made.path])
    other = CHIP._replace(mac="02:53:45:4E:00:02")
    write_backup(store.path_for(other.mac, "9", 1), flash, other, "9", {}, 1)
    assert [backup.firmware for backup in store.list(MAC)] == ["1.0.4", "1.0.3", "1.0.2"]
    assert [backup.firmware for backup in store.list()] == ["1.0.4", "1.0.3", "1.0.2", "9"]


def test_the_backup_that_was_just_made_stays_though_the_clock_was_set_back(tmp_path):
    store = BackupStore(tmp_path / "store", keep=2)
    flash = flash_file(tmp_path)
    for number, made_s in enumerate((1_700_000_000, 1_700_000_001, 86_400)):
        place = store.path_for(MAC, f"1.0.{number}", made_s * 10**9)
        store.prune(MAC, [write_backup(place, flash, CHIP, f"1.0.{number}", {}, made_s * 10**9).path])
    newest, made = store.list(MAC)
    assert (newest.firmware, made.firmware) == ("1.0.1", "1.0.2")
    place = store.path_for(MAC, "1.0.3", 1_800_000_000 * 10**9)
    write_backup(place, flash, CHIP, "1.0.3", {}, 1_800_000_000 * 10**9)
    store.prune(MAC, [place, made.path])  # it leads back from a job that is not finished
    assert [backup.firmware for backup in store.list(MAC)] == ["1.0.3", "1.0.2"]


def test_a_place_where_no_file_can_be_made_is_known_before_minutes_of_reading(tmp_path):
    (tmp_path / "file").touch()
    store = BackupStore(tmp_path / "store")
    for place in (tmp_path / "file" / "x.zip", tmp_path / "file" / "folder" / "x.zip"):
        with pytest.raises(OSError, match="file"):
            store.room_for(1, place)
    place = tmp_path / "new" / "x.zip"
    assert store.room_for(1, place)
    assert not store.room_for(1 << 60, place)
    assert list(place.parent.iterdir()) == []


def test_two_backups_of_one_second_do_not_meet(tmp_path):
    store = BackupStore(tmp_path)
    first = store.path_for(MAC, "../..\\evil", 5)
    first.parent.mkdir(parents=True)
    first.touch()
    assert first.parent.parent == tmp_path
    assert store.path_for(MAC, "../..\\evil", 5) != first


def unfinished(mac: str = MAC, begun_ns: int = 1, version: str = "2.0.0") -> Unfinished:
    writes = (Write(0x10000, b"a" * 4096, "ota_0"), Write(0xD000, b"b" * 4096, "otadata"))
    return Unfinished(mac, "ESP32", "usb:COM5", "flash", version, "1.0.0", Path("x.zip").absolute(), begun_ns, writes)


def test_what_was_begun_is_on_record_until_it_ends(tmp_path):
    journal = Journal(tmp_path / "journal")
    assert journal.pending() == []
    journal.begin(unfinished())
    journal.begin(unfinished("02:53:45:4E:00:02", 2))
    assert [one.mac[-1] for one in Journal(tmp_path / "journal").pending()] == ["2", "1"]
    assert journal.pending(MAC) == [unfinished()]
    journal.end(MAC)
    assert journal.pending(MAC) == []
    journal.end(MAC)


def test_a_record_that_was_not_completed_is_none(tmp_path):
    journal = Journal(tmp_path)
    journal.begin(unfinished())
    (part,) = tmp_path.glob("*/*-1.bin")
    part.write_bytes(b"c" * 4096)
    assert journal.pending() == []


@pytest.mark.parametrize("backup", [None, Path("gone.zip")])
def test_without_its_backup_there_is_no_way_back_and_finishing_is_told(tmp_path, backup):
    begun = replace(unfinished(), backup=backup)
    flasher = Flasher(parse_serial_url("usb:no-such-port"), BackupStore(tmp_path), Journal(tmp_path))
    result = flasher.go_back(begun)
    assert (result.result, result.earlier) == ("refused", begun)
    assert result.reason.endswith("Finish the update instead.")


@pytest.mark.parametrize("call", range(4))
def test_the_older_record_counts_until_the_new_one_is_whole(tmp_path, monkeypatch, call):
    """Whichever step of it is the last: one of the two records is there, and whole."""
    journal = Journal(tmp_path)
    journal.begin(unfinished())
    steps = iter(range(100))

    def dying(real):
        def step(*args):
            if next(steps) == call:
                raise OSError("the power is gone")
            return real(*args)

        return step

    monkeypatch.setattr("device_io.flashing.journal._write_through", dying(_write_through))
    monkeypatch.setattr("device_io.flashing.journal.os.replace", dying(os.replace))
    with pytest.raises(OSError, match="power"):
        journal.begin(unfinished(version="3.0.0"))
    assert journal.pending() == [unfinished()]
    monkeypatch.undo()
    journal.begin(unfinished(version="3.0.0"))
    assert journal.pending() == [unfinished(version="3.0.0")]
    assert len(list(tmp_path.glob("*/*"))) == 3


def test_a_leased_port_opens_for_its_holder_alone():
    with leased("/dev/ttyX?") as lease:
        check_free("/dev/ttyX", lease)
        check_free("/dev/ttyY")
        with pytest.raises(LinkError) as caught:
            check_free("/dev/ttyX")
        assert caught.value.kind is LinkErrorKind.PORT_BUSY
        with pytest.raises(LinkError), leased("/dev/ttyX"):
            pass
    check_free("/dev/ttyX")
