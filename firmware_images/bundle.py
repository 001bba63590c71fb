"""Makes Sensix bundles: one zip with a signed manifest and the parts it describes (docs/firmware-bundle.md)."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_images.errors import ImageError, Reason
from firmware_images.manifest import FORMAT
from firmware_images.opening import MANIFEST, SIGNATURE, open_bytes, open_packages
from firmware_images.package import FirmwarePackage, Part
from firmware_images.plan import is_settings
from firmware_images.signing import TrustedKey, key_id_of
from firmware_images.versions import parse_version

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

WIRING_TYPES = ("1P", "1P+N", "3P", "3P+N")
DEFAULT_LICENCE = "GPL-3.0-or-later"
# The same files make the same bundle, whenever it is made.
_DATE = (2020, 1, 1, 0, 0, 0)


def make_bundle(
    source: Path | str,
    out: Path | str,
    key: Ed25519PrivateKey | None,
    *,
    boards: Sequence[str] = (),
    wiring_types: Sequence[str] = WIRING_TYPES,
    notes: Sequence[str] = (),
    licence: str = DEFAULT_LICENCE,
    minimum_version: str | None = None,
    name: str = "",
) -> tuple[FirmwarePackage, ...]:
    """Pack a build into a bundle and return it as it reads, a package for each chip.

    source: an ESP-IDF build folder, its flasher_args.json, or an ESP Web Tools manifest with builds for several chips.
    out: the zip, written whole or not at all. key: None leaves the bundle unsigned. boards: () for any. The version is
    the application's. The same input makes the same bytes.

    :raises ImageError: what `open_package` says of the source; INCONSISTENT for builds that are no firmware with a
        version; UNREADABLE when the file can't be written.
    """
    packages = open_packages(source)
    files: dict[str, bytes] = {}
    builds = [_build(package, files, alone=len(packages) == 1) for package in packages]
    versions = {package.app_image.app.version for package in packages if package.app_image and package.app_image.app}
    version = versions.pop() if len(versions) == 1 else None
    if version is None or parse_version(version) is None:
        raise ImageError(
            Reason.INCONSISTENT,
            f"The application has no version that can be compared ({version or 'none, or several'}). "
            "Set PROJECT_VER in its build, for example to 2.1.0.",
        )
    manifest = {
        "name": name or packages[0].name,
        "version": version,
        "builds": builds,
        "sensix_format": FORMAT,
        "boards": list(boards),
        "wiring_types": list(wiring_types),
        "secure_version": packages[0].secure_version,
        "notes": list(notes),
        "licence": licence,
    }
    if minimum_version is not None:
        manifest["minimum_version"] = minimum_version
    if key is not None:
        manifest["key_id"] = key_id_of(key)
    text = json.dumps(manifest, ensure_ascii=False, indent=2).encode()
    members = {MANIFEST: text} | ({SIGNATURE: key.sign(text)} if key is not None else {}) | files
    packed = _zip(members)
    trusted = [TrustedKey(key.public_key().public_bytes_raw())] if key is not None else []
    made = open_bytes(packed, Path(out).name, trusted_keys=trusted)  # what can't be opened again is not written
    write_atomically(Path(out), packed)
    return made


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or, after a failure, as it was. :raises ImageError: UNREADABLE."""
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # a temporary file is its owner's alone, a bundle is to be shared
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ImageError(Reason.UNREADABLE, f"{path} can't be written: {error.strerror or error}.") from None


def _build(package: FirmwarePackage, files: dict[str, bytes], *, alone: bool) -> dict[str, object]:
    if package.app is None:
        raise ImageError(Reason.NO_APP, f"The build for {package.chip} holds no application. Build the project first.")
    if any(is_settings(part, package.table) for part in package.parts):
        raise ImageError(
            Reason.INCONSISTENT,
            "The build holds settings of a module (NVS), perhaps a WiFi password. Leave them out of what is published.",
        )
    folder = "" if alone else f"{package.chip.lower()}/"
    listed = []
    for part in package.parts:
        path = folder + _file_name(part)
        files[path] = part.data
        listed.append({"path": path, "offset": part.offset, "size": len(part.data), "sha256": part.sha256})
    return {"chipFamily": package.chip, "parts": listed}


def _file_name(part: Part) -> str:
    # Bootloader, table and OTA data come once; of the others there may be several.
    return f"{part.role}-{part.offset:x}.bin" if part.role in ("app", "data") else f"{part.role}.bin"


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            info.create_system = 3  # the same bytes on every system
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
