"""Catalogues: bundles in a folder, and signed lists of bundles elsewhere."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from firmware_images.catalogue import BUNDLES, Catalogue, check_download, parse_index, scan_folder
from firmware_images.errors import ImageError, Reason
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker as maker

KEY = maker.new_key()
TRUSTED = [TrustedKey(KEY.public_key().public_bytes_raw())]


def row(version: str, **changes: Any) -> dict[str, Any]:
    fields = {
        "name": "Sensix",
        "version": version,
        "chip": "ESP32",
        "boards": ["sensix-3pn"],
        "sha256": hashlib.sha256(version.encode()).hexdigest(),
        "size": len(version),
        "url": f"https://example.org/sensix-{version}.zip",
        "notes": [f"Version {version}."],
    }
    return {**fields, **changes}


def index(*rows: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({"sensix_catalogue": 1, "key_id": maker.key_id(KEY), "bundles": list(rows), **changes}).encode()


def opened(data: bytes) -> Catalogue:
    return parse_index(data, KEY.sign(data), trusted_keys=TRUSTED)


def versions(catalogue: Catalogue, *than: str | None, **wanted: str) -> list[str]:
    return [entry.version for entry in catalogue.newer_than(*than, **wanted)]


def test_an_index_is_read_newest_first() -> None:
    catalogue = opened(index(row("1.9.0"), row("1.10.0"), row("1.2.0", url="sensix-1.2.0.zip")))
    assert catalogue.signature == "trusted"
    assert [entry.version for entry in catalogue.entries] == ["1.10.0", "1.9.0", "1.2.0"]
    assert catalogue.entries[0].notes == ("Version 1.10.0.",)
    assert opened(index()).entries == ()


def test_what_is_newer() -> None:
    catalogue = opened(
        index(
            row("2.0.0"),
            row("2.1.0-rc.1"),
            row("1.0.0"),
            row("3.0.0", chip="ESP32-C3"),
            row("4.0.0", boards=["other"]),
            row("2.0.1", boards=[]),
        )
    )
    mine = {"chip": "esp32", "board": "sensix-3pn"}
    assert versions(catalogue, "1.0.0", **mine) == ["2.0.1", "2.0.0"]
    assert versions(catalogue, "2.1.0-beta", **mine) == ["2.1.0-rc.1"]  # pre-releases for those who run one
    assert versions(catalogue, "2.0.1", **mine) == []
    assert versions(catalogue, None, **mine) == ["2.0.1", "2.0.0", "1.0.0"]
    assert versions(catalogue, "not a version", chip="ESP32-C3") == ["3.0.0"]
    assert versions(catalogue, "1.0.0", chip="ESP9") == []


def test_a_changed_index_is_refused() -> None:
    data = index(row("1.0.0"))
    signature = KEY.sign(data)
    for changed, signed in (
        (data.replace(b"1.0.0", b"9.0.0"), signature),
        (data, bytes(64)),
        (data, None),
        (index(row("1.0.0"), key_id=None), signature),
    ):
        with pytest.raises(ImageError) as caught:
            parse_index(changed, signed, trusted_keys=TRUSTED)
        assert caught.value.kind is Reason.TAMPERED
    assert parse_index(data, signature).signature == "unknown"
    assert parse_index(index(row("1.0.0"), key_id=None), None).signature == "none"


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.org/a.zip"}, {"url": "file:///etc/passwd"}, {"url": "https://user@example.org/a"},
        {"url": "https://[::1/a"}, {"url": 5}, {"sha256": "abc"}, {"size": -1}, {"size": 1 << 40}, {"chip": "ESP9"},
        {"version": "new"}, {"notes": "text"}, {"boards": {}},
    ],
)  # fmt: skip
def test_an_index_that_makes_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(ImageError) as caught:
        opened(index({**row("1.0.0"), **changes}))
    assert caught.value.kind is Reason.BAD_MANIFEST


def test_names_beside_the_index_stay_there() -> None:
    with pytest.raises(ImageError) as caught:
        opened(index(row("1.0.0", url="../a.zip")))
    assert caught.value.kind is Reason.UNSAFE_PATH


def test_other_formats_are_refused() -> None:
    for data in (index(sensix_catalogue=2), b"{}", b"[]", b"\xff", index(bundles={})):
        with pytest.raises(ImageError) as caught:
            opened(data)
        assert caught.value.kind is Reason.BAD_MANIFEST


def test_a_download_must_be_what_was_listed() -> None:
    entry = opened(index(row("1.0.0"))).entries[0]
    check_download(entry, b"1.0.0")
    for data in (b"1.0.1", b"1.0.0 ", b""):
        with pytest.raises(ImageError) as caught:
            check_download(entry, data)
        assert caught.value.kind is Reason.TAMPERED


def test_a_folder_of_bundles(tmp_path: Path) -> None:
    maker.bundle(tmp_path / "b.zip", version="2.0.0", key=KEY)
    maker.bundle(tmp_path / "a.zip", version="2.1.0", chip="ESP32-C3", key=maker.new_key())
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 hello")
    (tmp_path / "readme.txt").write_text("not looked at")
    catalogue = scan_folder(tmp_path, trusted_keys=TRUSTED)
    assert [(entry.version, entry.chip, entry.signature) for entry in catalogue.entries] == [
        ("2.1.0", "ESP32-C3", "unknown"),
        ("2.0.0", "ESP32", "trusted"),
    ]
    assert catalogue.entries[1].path == tmp_path / "b.zip"
    assert catalogue.entries[1].sha256 == hashlib.sha256((tmp_path / "b.zip").read_bytes()).hexdigest()
    assert len(catalogue.problems) == 1
    assert catalogue.problems[0].startswith("broken.zip: ")


def test_no_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert scan_folder(tmp_path / "none") == Catalogue()
    assert scan_folder(BUNDLES).problems == ()
