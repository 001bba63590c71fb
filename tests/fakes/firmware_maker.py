"""Firmware for tests, made on the fly: images (those of `firmware_images.maker`), keys, build folders and bundles.

Bundles are written here from docs/firmware-bundle.md, not by `firmware_images.bundle`, so that a mistake of the one
shows in the other.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from firmware_images.maker import (
    APP_OFFSET,
    NVS_OFFSET,
    OTADATA_OFFSET,
    TABLE_OFFSET,
    app_image,
    bootloader_image,
    bootloader_offset,
    calibration_offset,
    flash_image,
    ota_data,
    partition_table,
)

__all__ = [
    "APP_OFFSET",
    "NVS_OFFSET",
    "OTADATA_OFFSET",
    "TABLE_OFFSET",
    "app_image",
    "bootloader_image",
    "bootloader_offset",
    "build_folder",
    "bundle",
    "calibration_offset",
    "flash_image",
    "key_id",
    "manifest",
    "merged_image",
    "new_key",
    "ota_data",
    "partition_table",
    "parts",
    "web_manifest",
    "zip_of",
]


def new_key() -> Ed25519PrivateKey:
    """A new private key, in memory only."""
    return Ed25519PrivateKey.generate()


def key_id(key: Ed25519PrivateKey) -> str:
    """How a manifest names a key: its public half in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def parts(chip: str = "ESP32", app: bytes | None = None, **app_options: Any) -> dict[int, bytes]:
    """A complete firmware as {offset: data}: bootloader, table, OTA data, application."""
    return {
        bootloader_offset(chip): bootloader_image(chip),
        TABLE_OFFSET: partition_table(),
        OTADATA_OFFSET: ota_data(1),
        APP_OFFSET: app_image(chip=chip, **app_options) if app is None else app,
    }


def names(chip: str = "ESP32") -> dict[int, str]:
    """The file names of those parts."""
    return {
        bootloader_offset(chip): "bootloader.bin",
        TABLE_OFFSET: "partition-table.bin",
        OTADATA_OFFSET: "ota-data.bin",
        APP_OFFSET: "app.bin",
    }


def manifest(
    chip: str,
    version: str | None,
    contents: Mapping[str, tuple[int, bytes]],
    key: Ed25519PrivateKey | None,
    **changes: Any,
) -> dict[str, Any]:
    """The manifest of a bundle; `changes` replace keys (None takes a key out)."""
    listed = [
        {"path": path, "offset": offset, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for path, (offset, data) in contents.items()
    ]
    keys: dict[str, Any] = {
        "name": "Sensix",
        "version": version,
        "builds": [{"chipFamily": chip, "parts": listed}],
        "sensix_format": 1,
        "boards": ["sensix-3pn"],
        "wiring_types": ["1P", "1P+N", "3P", "3P+N"],
        "minimum_version": None,
        "secure_version": 0,
        "notes": ["Measures better."],
        "licence": "GPL-3.0-or-later",
        "key_id": key_id(key) if key is not None else None,
    }
    keys.update(changes)
    return {name: value for name, value in keys.items() if value is not None}


def zip_of(files: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip of these files in this order; a name may come twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 5, 10, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def bundle(
    path: Path,
    *,
    chip: str = "ESP32",
    version: str | None = "2.1.0",
    key: Ed25519PrivateKey | None = None,
    content: Mapping[int, bytes] | None = None,
    **changes: Any,
) -> Path:
    """Write a Sensix bundle to `path`; unsigned without a key. `content` is {offset: data} (default: `parts`)."""
    content = parts(chip, version=version) if content is None else content
    file_names = names(chip)
    contents = {
        file_names.get(offset, f"part-{offset:x}.bin"): (offset, data) for offset, data in sorted(content.items())
    }
    text = json.dumps(manifest(chip, version, contents, key, **changes), indent=1).encode()
    files = [("manifest.json", text)]
    if key is not None:
        files.append(("manifest.sig", key.sign(text)))
    files += [(name, data) for name, (_, data) in contents.items()]
    path.write_bytes(zip_of(files))
    return path


def build_folder(folder: Path, chip: str = "ESP32", content: Mapping[int, bytes] | None = None) -> Path:
    """Write what an ESP-IDF build leaves behind: flasher_args.json and the files it names."""
    content = parts(chip) if content is None else content
    where = {
        "bootloader": (bootloader_offset(chip), "bootloader/bootloader.bin"),
        "partition-table": (TABLE_OFFSET, "partition_table/partition-table.bin"),
        "otadata": (OTADATA_OFFSET, "ota_data_initial.bin"),
        "app": (APP_OFFSET, "sensix.bin"),
    }
    paths = dict(where.values())
    listed: dict[str, Any] = {
        "write_flash_args": ["--flash_mode", "dio", "--flash_size", "4MB", "--flash_freq", "40m"],
        "flash_settings": {"flash_mode": "dio", "flash_size": "4MB", "flash_freq": "40m"},
        "flash_files": {},
        "extra_esptool_args": {
            "after": "hard_reset",
            "before": "default_reset",
            "stub": True,
            "chip": chip.lower().replace("-", ""),
        },
    }
    for offset, data in content.items():
        name = paths.get(offset, f"data-{offset:x}.bin")
        listed["flash_files"][hex(offset)] = name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name, (offset, path) in where.items():
        if offset in content:
            listed[name] = {"offset": hex(offset), "file": path, "encrypted": "false"}
    (folder / "flasher_args.json").write_text(json.dumps(listed, indent=4), encoding="utf-8")
    return folder


def web_manifest(folder: Path, chip: str = "ESP32", version: str = "2.1.0", **changes: Any) -> Path:
    """Write an ESP Web Tools manifest and its files; returns the path of manifest.json."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = []
    for offset, data in parts(chip, version=version).items():
        name = names(chip)[offset]
        (folder / name).write_bytes(data)
        listed.append({"path": name, "offset": offset})
    keys = {
        "name": "Sensix",
        "version": version,
        "new_install_prompt_erase": False,
        "builds": [{"chipFamily": chip, "parts": listed}],
    }
    path = folder / "manifest.json"
    path.write_text(json.dumps({**keys, **changes}), encoding="utf-8")
    return path


def merged_image(chip: str = "ESP32", content: Mapping[int, bytes] | None = None) -> bytes:
    """One file to write at 0: the parts at their offsets, FF between them, no longer than needed."""
    content = parts(chip) if content is None else content
    merged = bytearray(b"\xff" * max(offset + len(data) for offset, data in content.items()))
    for offset, data in content.items():
        merged[offset : offset + len(data)] = data
    return bytes(merged)
