"""Packages made to harm: paths that lead out, zips that swell, names that come twice, changed content."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_images.archive import MOST_FILES, Archive
from firmware_images.errors import ImageError, Reason
from firmware_images.opening import open_package
from tests.fakes import firmware_maker as maker

BAD_NAMES = (
    "../app.bin", "a/../../app.bin", "/etc/passwd",
    "C:/app.bin", "C:app.bin", "..\\app.bin", "a\\b.bin", "//host/a.bin",
    "", ".", "a//b.bin", "a/./b.bin", "file:///a.bin", "https://example.org/app.bin", "con", "a/NUL.bin", "a\nb.bin",
    "x" * 300, "app.bin:stream", "app.bin ", "app.bin.", ".. ", ". ./app.bin", "con ",
)  # fmt: skip


def reason(path: Path) -> Reason:
    with pytest.raises(ImageError) as caught:
        open_package(path)
    assert caught.value.sentence.isprintable()
    return caught.value.kind


def archive_reason(data: bytes) -> Reason:
    with pytest.raises(ImageError) as caught:
        Archive(data).read("a.bin")
    return caught.value.kind


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_lead_out(name: str, tmp_path: Path) -> None:
    """In a manifest, in a build folder, and in the directory of a zip."""
    (tmp_path / "app.bin").write_bytes(maker.app_image())
    inner = tmp_path / "inner"
    path = maker.web_manifest(inner, builds=[{"chipFamily": "ESP32", "parts": [{"path": name, "offset": 0x10000}]}])
    listed = reason(path)
    assert listed in (Reason.UNSAFE_PATH, Reason.BAD_MANIFEST)  # a manifest takes printable texts alone
    path.unlink()
    (inner / "flasher_args.json").write_text(json.dumps({"flash_files": {"0x10000": name}}))
    assert reason(inner) is Reason.UNSAFE_PATH
    if name and "\n" not in name and not name.endswith("/"):
        assert archive_reason(maker.zip_of([("manifest.json", b"{}"), (name, b"x")])) is Reason.UNSAFE_PATH


def test_a_name_cut_at_a_nul_is_seen() -> None:
    data = maker.zip_of([("a.binXb.bin", b"content")]).replace(b"a.binXb.bin", b"a.bin\0b.bin")
    assert archive_reason(data) is Reason.UNSAFE_PATH


def test_links_that_lead_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(maker.app_image())
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "app.bin").symlink_to("../secret.bin")
    (folder / "flasher_args.json").write_text(json.dumps({"flash_files": {"0x10000": "app.bin"}}))
    assert reason(folder) is Reason.UNSAFE_PATH
    (folder / "app.bin").unlink()
    (folder / "real.bin").write_bytes(maker.app_image())
    (folder / "app.bin").symlink_to("real.bin")
    assert open_package(folder).version == "2.1.0"


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "app.bin").symlink_to("app.bin")
    (tmp_path / "flasher_args.json").write_text(json.dumps({"flash_files": {"0x10000": "app.bin"}}))
    assert reason(tmp_path) is Reason.UNREADABLE


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip(kind: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("a.bin", (2026, 1, 5, 0, 0, 0))
        info.create_system = 3
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert archive_reason(buffer.getvalue()) is Reason.UNSAFE_PATH


@pytest.mark.parametrize(
    "names",
    [
        ("a.bin", "a.bin"),
        ("a.bin", "A.BIN"),
        ("\u00e9.bin", "e\u0301.bin"),
        ("\u00c9.bin", "e\u0301.bin"),
        ("fi.bin", "\ufb01.bin"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice(names: tuple[str, str]) -> None:
    assert archive_reason(maker.zip_of([(names[0], b"1"), (names[1], b"2")])) is Reason.DUPLICATE_NAME


def test_too_many_files() -> None:
    assert archive_reason(maker.zip_of([(f"{n}.bin", b"") for n in range(MOST_FILES + 1)])) is Reason.TOO_MUCH
    Archive(maker.zip_of([(f"{n}.bin", b"") for n in range(MOST_FILES)]))


def test_too_much_compression() -> None:
    assert archive_reason(maker.zip_of([("a.bin", bytes(2 << 20))])) is Reason.TOO_MUCH


def test_too_large_when_unpacked() -> None:
    filler = os.urandom(1 << 16) + bytes(1 << 22)
    assert archive_reason(maker.zip_of([(f"{n}.bin", filler) for n in range(16)])) is Reason.TOO_MUCH


def test_a_zip_that_lies_about_its_size_takes_no_memory() -> None:
    """The directory says 1000 bytes; 50 MB would come."""
    data = bytearray(maker.zip_of([("a.bin", bytes(50 << 20))]))
    directory = data.rindex(b"PK\1\2")
    data[directory + 24 : directory + 28] = struct.pack("<I", 1000)
    tracemalloc.start()
    try:
        assert archive_reason(bytes(data)) is Reason.BAD_ARCHIVE
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_a_huge_directory_is_not_read() -> None:
    """60 000 entries in a directory, though the end record owns up to 1."""
    row = maker.zip_of([("a", b"")])
    entry = row[row.index(b"PK\1\2") : row.rindex(b"PK\5\6")]
    data = entry * 60_000
    data += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(data), 0, 0)
    tracemalloc.start()
    try:
        assert archive_reason(data) is Reason.TOO_MUCH
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_unusual_packing(method: int) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.bin", b"content")
    assert archive_reason(buffer.getvalue()) is Reason.BAD_ARCHIVE


def test_a_file_behind_a_password() -> None:
    data = bytearray(maker.zip_of([("a.bin", b"content")]))
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert archive_reason(bytes(data)) is Reason.BAD_ARCHIVE


def test_a_zip_that_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(maker.zip_of([("readme.txt", b"hello")]))
    assert reason(tmp_path / "a.zip") is Reason.BAD_ARCHIVE


Change = Callable[[dict[str, bytes]], object]


def content(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def edit(name: str, old: bytes, new: bytes) -> Change:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("manifest.json", b"Measures better.", b"Measures worse. "),
        edit("manifest.json", b"sensix-3pn", b"sensix-1pn"),
        edit("manifest.json", b"{", b" {"),
        edit("app.bin", b"sensix", b"xisnes"),
        lambda files: files.pop("manifest.sig"),
        lambda files: files.update({"manifest.sig": b""}),
        lambda files: files.update({"manifest.sig": bytes(64)}),
        lambda files: files.update({"manifest.sig": files["manifest.sig"] + b"\n"}),
        lambda files: files.update({"app.bin": maker.app_image(seed=5)}),  # another whole image
        lambda files: files.update({"app.bin": files["app.bin"] + b"\xff"}),
        lambda files: files.update({"manifest.json": json.dumps({
            name: value for name, value in json.loads(files["manifest.json"]).items() if name != "key_id"
        }).encode()}),
        lambda files: files.update({"manifest.json": json.dumps({
            name: value for name, value in json.loads(files["manifest.json"]).items() if name != "sensix_format"
        }).encode()}),
        lambda files: files.update({"manifest.json": json.dumps({
            **json.loads(files["manifest.json"]), "key_id": maker.key_id(maker.new_key())
        }).encode()}),
    ],
)  # fmt: skip
def test_a_changed_bundle_is_never_opened(change: Change, tmp_path: Path) -> None:
    files = content(maker.bundle(tmp_path / "a.zip", key=maker.new_key()))
    change(files)
    (tmp_path / "b.zip").write_bytes(maker.zip_of(list(files.items())))
    assert reason(tmp_path / "b.zip") is Reason.TAMPERED


def test_an_unsigned_bundle_must_match_its_hashes_too(tmp_path: Path) -> None:
    files = content(maker.bundle(tmp_path / "a.zip"))
    files["app.bin"] = maker.app_image(seed=5)
    (tmp_path / "b.zip").write_bytes(maker.zip_of(list(files.items())))
    assert reason(tmp_path / "b.zip") is Reason.TAMPERED


def test_an_unpacked_bundle_is_held_to_the_same(tmp_path: Path) -> None:
    files = content(maker.bundle(tmp_path / "a.zip", key=maker.new_key()))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert open_package(folder).signature == "unknown"
    (folder / "app.bin").write_bytes(maker.app_image(seed=5))
    assert reason(folder) is Reason.TAMPERED
