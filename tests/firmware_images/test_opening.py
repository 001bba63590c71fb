"""Packages of every kind: what they hold, and why some can't be opened by anybody."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from firmware_images.errors import ImageError, Reason
from firmware_images.image import parse_image
from firmware_images.opening import open_package, open_packages
from firmware_images.package import FirmwarePackage
from firmware_images.signing import TrustedKey
from tests.fakes import esp_tools
from tests.fakes import firmware_maker as maker
from tests.firmware_images.test_image import resealed

pytestmark = pytest.mark.timeout(180)  # Espressif's tools are processes of their own


def reason(path: Path, **options: Any) -> Reason:
    with pytest.raises(ImageError) as caught:
        open_package(path, **options)
    assert caught.value.sentence.endswith(".")
    return caught.value.kind


def roles(package: FirmwarePackage) -> list[tuple[int, str]]:
    return [(part.offset, part.role) for part in package.parts]


COMPLETE = {
    "ESP32": [(0x1000, "bootloader"), (0x8000, "partition-table"), (0xD000, "ota-data"), (0x10000, "app")],
    "ESP32-C3": [(0x0, "bootloader"), (0x8000, "partition-table"), (0xD000, "ota-data"), (0x10000, "app")],
}


@pytest.mark.parametrize("chip", COMPLETE)
def test_every_kind_gives_the_same_parts(chip: str, tmp_path: Path) -> None:
    (tmp_path / "merged.bin").write_bytes(maker.merged_image(chip))
    build = maker.build_folder(tmp_path / "build", chip)
    web = maker.web_manifest(tmp_path / "web", chip)
    paths = {
        maker.bundle(tmp_path / "bundle.zip", chip=chip, key=maker.new_key()): "bundle",
        build: "build-folder",
        build / "flasher_args.json": "build-folder",
        web: "web-manifest",
        web.parent: "web-manifest",
        tmp_path / "merged.bin": "merged-image",
    }
    whole = maker.parts(chip)
    for path, kind in paths.items():
        package = open_package(path)
        assert package.kind == kind
        assert roles(package) == COMPLETE[chip]
        assert (package.chip, package.version, package.project) == (chip, "2.1.0", "sensix")
        for part in package.parts:
            assert part.data == whole[part.offset], (kind, part)
        assert package.table is not None
        assert [slot.label for slot in package.table.slots] == ["ota_0", "ota_1"]


@pytest.mark.parametrize("chip", COMPLETE)
def test_what_esptool_merges_is_taken_apart(chip: str, tmp_path: Path) -> None:
    arguments = []
    for offset, data in maker.parts(chip).items():
        (tmp_path / f"{offset:x}.bin").write_bytes(data)
        arguments += [hex(offset), str(tmp_path / f"{offset:x}.bin")]
    merged = tmp_path / "merged.bin"
    esp_tools.run("esptool", "--chip", esp_tools.chip_option(chip), "merge-bin", "-o", str(merged), *arguments)
    package = open_package(merged)
    assert {part.offset: part.data for part in package.parts} == maker.parts(chip)
    # From the bootloader's place on, as older tools left it.
    start = maker.bootloader_offset(chip)
    merged.write_bytes(merged.read_bytes()[start:])
    assert open_package(merged).parts == package.parts
    builds = [{"chipFamily": chip, "parts": [{"path": "merged.bin", "offset": start}]}]
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "", "version": "2.1.0", "builds": builds}))
    assert open_package(tmp_path / "manifest.json").parts == package.parts


def test_an_application_that_looks_like_a_merged_image_is_one_all_the_same(tmp_path: Path) -> None:
    """Whatever stands where a table would be."""
    for at in (0x8000, 0x7000, 0x6000):
        image = bytearray(maker.app_image(size=0x9000))
        image[at : at + 2] = b"\xaa\x50"
        (tmp_path / "app.bin").write_bytes(resealed(bytes(image)))
        assert open_package(tmp_path / "app.bin").kind == "image"


def test_a_merged_image_whose_layout_names_its_bootloader(tmp_path: Path) -> None:
    rows = [
        (2, 0, 0x1000, 0x7000, b"bootloader"),
        (3, 0, 0x8000, 0x1000, b"partition_table"),
        (0, 0, 1 << 16, 1 << 20, b"factory"),
    ]
    packed = b"".join(struct.pack("<2sBBII16sI", b"\xaa\x50", *row, 0) for row in rows)
    table = (packed + b"\xeb\xeb" + b"\xff" * 14 + hashlib.md5(packed).digest()).ljust(0xC00, b"\xff")
    content = {0x1000: maker.bootloader_image(), 0x8000: table, 0x10000: maker.app_image()}
    (tmp_path / "merged.bin").write_bytes(maker.merged_image(content=content))
    assert {part.offset: part.data for part in open_package(tmp_path / "merged.bin").parts} == content


def test_a_merged_image_of_a_chip_that_boots_from_0x2000(tmp_path: Path) -> None:
    def for_p4(image: bytes) -> bytes:
        return resealed(image[:12] + (18).to_bytes(2, "little") + image[14:])

    content = {
        0x2000: for_p4(maker.bootloader_image("ESP32-C3")),
        0x8000: maker.partition_table(),
        0x10000: for_p4(maker.app_image(chip="ESP32-C3")),
    }
    (tmp_path / "merged.bin").write_bytes(maker.merged_image(content=content))
    package = open_package(tmp_path / "merged.bin")
    assert package.chip == "ESP32-P4"
    assert {part.offset: part.data for part in package.parts} == content
    # The same bootloader where other chips have theirs boots nothing.
    content[0x0] = content.pop(0x2000)
    (tmp_path / "merged.bin").write_bytes(maker.merged_image(content=content))
    assert reason(tmp_path / "merged.bin") is Reason.WRONG_OFFSET


def test_a_bundle_says_more(tmp_path: Path) -> None:
    key = maker.new_key()
    path = maker.bundle(
        tmp_path / "a.zip", key=key, boards=["b1", "b2"], minimum_version="1.9.0", notes=["One.", "Two."]
    )
    package = open_package(path, trusted_keys=[TrustedKey(key.public_key().public_bytes_raw(), "the maker")])
    assert (package.signature, package.signer, package.key_id) == ("trusted", "the maker", maker.key_id(key))
    assert (package.boards, package.board, package.min_version) == (("b1", "b2"), "b1", "1.9.0")
    assert (package.notes, package.licence) == (("One.", "Two."), "GPL-3.0-or-later")
    assert package.wiring_types == ("1P", "1P+N", "3P", "3P+N")


def test_signatures_are_told_apart(tmp_path: Path) -> None:
    key, other = maker.new_key(), maker.new_key()
    trusted = [TrustedKey(other.public_key().public_bytes_raw())]
    assert open_package(maker.bundle(tmp_path / "a.zip", key=key), trusted_keys=trusted).signature == "unknown"
    assert open_package(maker.bundle(tmp_path / "b.zip"), trusted_keys=trusted).signature == "none"
    assert open_package(maker.bundle(tmp_path / "c.zip", key=other), trusted_keys=trusted).signature == "trusted"


def test_a_single_application(tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(maker.app_image("3.0.0-rc.1", "mine", "ESP32-S3", secure_version=2))
    package = open_package(tmp_path / "app.bin")
    assert (package.kind, package.chip, package.version, package.secure_version) == (
        "image",
        "ESP32-S3",
        "3.0.0-rc.1",
        2,
    )
    assert package.app is not None


def test_a_flash_dump_gives_the_application_that_boots(tmp_path: Path) -> None:
    flash = bytearray(maker.flash_image(maker.app_image("1.0.0")))
    newer = maker.app_image("1.1.0", size=200_000)
    flash[0x200000 : 0x200000 + len(newer)] = newer
    flash[maker.OTADATA_OFFSET : maker.OTADATA_OFFSET + 0x2000] = maker.ota_data(1, 2)
    (tmp_path / "dump.bin").write_bytes(flash)
    package = open_package(tmp_path / "dump.bin")
    assert package.version == "1.1.0"
    assert package.app is not None
    assert (package.app.offset, package.app.data) == (0x200000, newer)
    # The application that boots is broken: it is not quietly replaced by the other one.
    flash[0x200000 + 5000] ^= 1
    (tmp_path / "dump.bin").write_bytes(flash)
    assert reason(tmp_path / "dump.bin") is Reason.BAD_CHECKSUM


def two_chips(folder: Path) -> Path:
    path = maker.web_manifest(folder)
    read = json.loads(path.read_text())
    (folder / "c3.bin").write_bytes(maker.merged_image("ESP32-C3"))
    read["builds"].append({"chipFamily": "ESP32-C3", "parts": [{"path": "./c3.bin", "offset": 0}]})
    read["builds"].append({"chipFamily": "ESP8266", "parts": [{"path": "old.bin", "offset": 0}]})
    path.write_text(json.dumps(read))
    return path


def test_of_several_chips_one_is_chosen(tmp_path: Path) -> None:
    path = two_chips(tmp_path)
    assert [package.chip for package in open_packages(path)] == ["ESP32", "ESP32-C3"]
    assert roles(open_package(path, chip="esp32c3")) == COMPLETE["ESP32-C3"]
    assert reason(path) is Reason.SEVERAL_CHIPS
    assert reason(path, chip="ESP32-S3") is Reason.WRONG_CHIP


def test_bootloader_or_table_alone_have_no_application(tmp_path: Path) -> None:
    for data, role in ((maker.bootloader_image(), "bootloader"), (maker.partition_table(), "partition-table")):
        (tmp_path / "part.bin").write_bytes(data)
        package = open_package(tmp_path / "part.bin")
        assert [part.role for part in package.parts] == [role]
        assert package.app is None


Change = Callable[[dict[int, bytes]], Any]


def put(offset: int, data: bytes) -> Change:
    return lambda parts: parts.__setitem__(offset, data)


def move(old: int, new: int) -> Change:
    return lambda parts: parts.__setitem__(new, parts.pop(old))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (put(0x10000, maker.app_image(chip="ESP32-S3")), Reason.WRONG_CHIP),
        (put(0x1000, maker.bootloader_image("ESP32-S2")), Reason.WRONG_CHIP),
        (move(0x1000, 0x0), Reason.WRONG_OFFSET),  # where other chips have it
        (move(0x1000, 0x2000), Reason.WRONG_OFFSET),
        (move(0x8000, 0x9000), Reason.WRONG_OFFSET),
        (move(0x10000, 0x20000), Reason.WRONG_OFFSET),  # inside a partition
        (move(0x10000, 0x11000), Reason.WRONG_OFFSET),
        (move(0x10000, 0x10010), Reason.WRONG_OFFSET),  # inside a sector
        (move(0x10000, 0x400000), Reason.WRONG_OFFSET),  # behind the last partition
        (put(0x10000, maker.bootloader_image()), Reason.WRONG_OFFSET),
        (put(0x1000, maker.app_image(size=20_000)), Reason.WRONG_OFFSET),
        (put(0x8000, maker.app_image()), Reason.NOT_AN_IMAGE),
        (put(0x10000, maker.app_image(size=0x1F0000 + 16)), Reason.TOO_LARGE),
        (put(0x1000, maker.bootloader_image(size=0x7800)), Reason.TOO_LARGE),
        (put(0xF000, b"x" * 0x1001), Reason.TOO_LARGE),
        (put(0xE000, b"x" * 16), Reason.WRONG_OFFSET),  # half of the OTA data
        (put(0xD000, b"x" * 16), Reason.BAD_OTA_DATA),
        (put(0x10000, maker.app_image()[:-1]), Reason.TRUNCATED),
        (put(0x10000, maker.app_image() + b"\xff" * 100 + b"more"), Reason.TRAILING_BYTES),
        (put(0x10000, Random(3).randbytes(100_000)), Reason.ENCRYPTED),
        (put(0x10000, b""), Reason.TRUNCATED),
        (put(0x8000, maker.partition_table()[:80]), Reason.TRUNCATED),
        (put(0x8000, maker.partition_table()[:64].ljust(0xC00, b"\xff")), Reason.NO_HASH),
    ],
)
def test_parts_that_fit_no_module(change: Change, kind: Reason, tmp_path: Path) -> None:
    parts = maker.parts()
    change(parts)
    assert reason(maker.build_folder(tmp_path / "build", content=parts)) is kind
    assert reason(maker.bundle(tmp_path / "a.zip", content=parts, key=maker.new_key())) is kind


def test_overlapping_parts(tmp_path: Path) -> None:
    # Without a table: the second lies in the last sector of the first.
    parts = {0x10000: maker.app_image(size=0x11000 + 32), 0x21000: b"data"}
    assert reason(maker.build_folder(tmp_path, content=parts)) is Reason.OVERLAP


def test_flipped_bytes_in_files_of_a_build(tmp_path: Path) -> None:
    folder = maker.build_folder(tmp_path)
    for name in ("sensix.bin", "bootloader/bootloader.bin", "partition_table/partition-table.bin"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:40] + bytes([whole[40] ^ 0x20]) + whole[41:])
        assert reason(folder) in (Reason.BAD_CHECKSUM, Reason.BAD_HASH), name
        (folder / name).write_bytes(whole)
    assert open_package(folder).version == "2.1.0"


@pytest.mark.parametrize(
    ("mark", "taken"), [("true", False), (True, False), ("True", False), ("false", True), (None, True)]
)
def test_a_build_that_would_encrypt_the_module_for_good_is_refused(tmp_path: Path, mark: object, taken: bool) -> None:
    folder = maker.build_folder(tmp_path)
    listed = json.loads((folder / "flasher_args.json").read_text())
    listed["bootloader"]["encrypted"] = mark
    (folder / "flasher_args.json").write_text(json.dumps(listed))
    if taken:
        assert open_package(folder).kind == "build-folder"
    else:
        assert reason(folder) is Reason.FLASH_ENCRYPTION


def test_encrypted_images_are_told(tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(b"\1" + Random(4).randbytes(60_000))
    assert reason(tmp_path / "app.bin") is Reason.ENCRYPTED
    folder = maker.build_folder(tmp_path / "build", content={0x10000: b"\1" + Random(5).randbytes(60_000)})
    assert reason(folder) is Reason.ENCRYPTED


def test_what_is_not_there(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.zip") is Reason.UNREADABLE
    assert reason(tmp_path / "manifest.json") is Reason.UNREADABLE
    assert reason(tmp_path) is Reason.UNREADABLE
    folder = maker.build_folder(tmp_path / "build")
    (folder / "sensix.bin").unlink()
    assert reason(folder) is Reason.UNREADABLE


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"flash_files": []}', '{"flash_files": {}}', '{"flash_files": {"0x1000": 5}}',
     '{"flash_files": {"here": "a.bin"}}', '{"flash_files": {"-1": "a.bin"}}', "[" * 100_000, '{"a": NaN}',
     '{"flash_files": {"0": "a.bin"}, "flash_files": {}}', "\ud800"],
)  # fmt: skip
def test_flasher_args_that_make_no_sense(text: str, tmp_path: Path) -> None:
    (tmp_path / "flasher_args.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    (tmp_path / "a.bin").write_bytes(maker.app_image())
    assert reason(tmp_path) is Reason.BAD_MANIFEST


@pytest.mark.parametrize(
    "changes",
    [
        {"builds": []}, {"builds": None}, {"builds": [5]}, {"builds": [{"chipFamily": "ESP32", "parts": []}]},
        {"name": 5}, {"version": None}, {"version": ["2.1.0"]}, {"notes": "text"}, {"notes": [5]}, {"boards": [None]},
        {"boards": ["\x1b[2J"]}, {"minimum_version": "old"}, {"secure_version": -1}, {"secure_version": True},
        {"key_id": "abc"}, {"sensix_format": 2}, {"sensix_format": "1"}, {"version": "new"},
    ],
)  # fmt: skip
def test_manifests_that_make_no_sense(changes: dict[str, Any], tmp_path: Path) -> None:
    assert reason(maker.bundle(tmp_path / "a.zip", content=maker.parts(), **changes)) is Reason.BAD_MANIFEST


def test_a_manifest_must_not_contradict_its_application(tmp_path: Path) -> None:
    content = maker.parts(version="2.0.0", secure_version=1)
    for changes in ({"version": "2.1.0", "secure_version": 1}, {"version": "2.0.0", "secure_version": 2}):
        path = maker.bundle(tmp_path / "a.zip", key=maker.new_key(), content=content, **changes)
        assert reason(path) is Reason.INCONSISTENT
    path = maker.bundle(tmp_path / "a.zip", key=maker.new_key(), content=content, version="v2.0", secure_version=1)
    assert open_package(path).secure_version == 1


def test_a_chip_family_that_is_not_known(tmp_path: Path) -> None:
    assert reason(maker.web_manifest(tmp_path / "a", "ESP32", builds=[
        {"chipFamily": "ESP8266", "parts": [{"path": "app.bin", "offset": 0}]}
    ])) is Reason.WRONG_CHIP  # fmt: skip


def test_what_does_not_say_that_it_is_an_application_is_none(tmp_path: Path) -> None:
    """Bootloaders of before ESP-IDF 5.2 say nothing of themselves: in a slot one would never start."""
    image = bytearray(maker.app_image())
    image[0x20:0x24] = bytes(4)
    silent = resealed(bytes(image))
    assert parse_image(silent).app is None
    (tmp_path / "app.bin").write_bytes(silent)
    assert reason(tmp_path / "app.bin") is Reason.NO_APP
    (tmp_path / "merged.bin").write_bytes(maker.merged_image(content=maker.parts(app=silent)))
    assert reason(tmp_path / "merged.bin") is Reason.NO_APP
