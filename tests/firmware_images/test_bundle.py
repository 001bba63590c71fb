"""Making bundles: signed, whole or not at all, and the same every time."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from random import Random

import pytest

from firmware_images.bundle import make_bundle
from firmware_images.errors import ImageError, Reason
from firmware_images.opening import open_package, open_packages
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker as maker
from tests.firmware_images.test_opening import two_chips

KEY = maker.new_key()
TRUSTED = [TrustedKey(KEY.public_key().public_bytes_raw(), "we")]


def test_a_bundle_reads_as_it_was_made(tmp_path: Path) -> None:
    source = maker.build_folder(tmp_path / "build", content=maker.parts(secure_version=3))
    make_bundle(
        source,
        tmp_path / "out.zip",
        KEY,
        boards=["b1"],
        wiring_types=["1P"],
        notes=["One: better.", "Two: ünïcode."],
        licence="MIT",
        minimum_version="1.5.0",
        name="Sensix meter",
    )
    package = open_package(tmp_path / "out.zip", trusted_keys=TRUSTED)
    assert (package.kind, package.signature, package.signer) == ("bundle", "trusted", "we")
    assert (package.boards, package.wiring_types, package.notes) == (
        ("b1",),
        ("1P",),
        ("One: better.", "Two: ünïcode."),
    )
    assert (package.licence, package.min_version, package.secure_version) == ("MIT", "1.5.0", 3)
    assert (package.name, package.version, package.chip) == ("Sensix meter", "2.1.0", "ESP32")
    assert {part.offset: part.data for part in package.parts} == maker.parts(secure_version=3)


def test_the_manifest_serves_esp_web_tools(tmp_path: Path) -> None:
    make_bundle(maker.build_folder(tmp_path), tmp_path / "out.zip", None)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        read = json.loads(archive.read("manifest.json"))
        archive.extractall(tmp_path / "unpacked")
    for part in read["builds"][0]["parts"]:
        assert (tmp_path / "unpacked" / part["path"]).read_bytes() == maker.parts()[part["offset"]]
    assert (read["version"], read["builds"][0]["chipFamily"]) == ("2.1.0", "ESP32")
    assert "manifest.sig" not in archive.namelist()


def test_the_same_build_makes_the_same_bundle(tmp_path: Path) -> None:
    source = maker.build_folder(tmp_path / "build")
    for name in ("1.zip", "2.zip"):
        make_bundle(source, tmp_path / name, KEY, boards=["b"])
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_several_chips_in_one_bundle(tmp_path: Path) -> None:
    made = make_bundle(two_chips(tmp_path / "web"), tmp_path / "out.zip", KEY)
    assert [package.chip for package in made] == ["ESP32", "ESP32-C3"]
    assert open_packages(tmp_path / "out.zip", trusted_keys=[TrustedKey(KEY.public_key().public_bytes_raw())]) == made


def test_what_can_not_be_flashed_is_not_bundled(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    out.write_bytes(b"the one before")
    for content, kind in (
        ({0x10000: maker.app_image()[:-5]}, Reason.TRUNCATED),
        ({0x10000: Random(1).randbytes(100_000)}, Reason.ENCRYPTED),
        (maker.parts(version="unknown"), Reason.INCONSISTENT),
        ({0x8000: maker.partition_table()}, Reason.NO_APP),
    ):
        source = maker.build_folder(tmp_path / kind, content=content)
        with pytest.raises(ImageError) as caught:
            make_bundle(source, out, KEY)
        assert caught.value.kind is kind
    with pytest.raises(ImageError):
        make_bundle(maker.build_folder(tmp_path / "fine"), out, KEY, minimum_version="no version")
    assert out.read_bytes() == b"the one before"


def test_settings_of_a_module_are_not_published(tmp_path: Path) -> None:
    (tmp_path / "dump.bin").write_bytes(maker.flash_image())
    with pytest.raises(ImageError, match="settings of a module"):
        make_bundle(tmp_path / "dump.bin", tmp_path / "out.zip", KEY)
    assert not (tmp_path / "out.zip").exists()


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = maker.build_folder(tmp_path / "build")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "out.zip").write_bytes(b"the one before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ImageError, match="No space left"):
        make_bundle(source, folder / "out.zip", KEY)
    assert [path.name for path in folder.iterdir()] == ["out.zip"]
    assert (folder / "out.zip").read_bytes() == b"the one before"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        make_bundle(maker.build_folder(tmp_path / "build"), tmp_path / "none" / "out.zip", KEY)
    assert caught.value.kind is Reason.UNREADABLE
