"""Opens firmware packages of every kind: bundle, ESP-IDF build folder, ESP Web Tools manifest, single file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from firmware_images.archive import Archive, is_archive
from firmware_images.chips import APP_ALIGNMENT, CHIPS, TABLE_OFFSET, chip_by_name
from firmware_images.errors import ImageError, Reason
from firmware_images.image import IMAGE_MAGIC, AppImage, bits_a_byte, parse_image
from firmware_images.manifest import Build, Fields, Manifest, parse_json, parse_manifest
from firmware_images.package import FirmwarePackage, Kind
from firmware_images.parts import RawPart, identify, is_merged
from firmware_images.paths import Folder, check_name, read_file
from firmware_images.signing import TrustedKey, signature_state
from firmware_images.versions import parse_version

MANIFEST, SIGNATURE, FLASHER_ARGS = "manifest.json", "manifest.sig", "flasher_args.json"


class _Files(Protocol):
    def read(self, name: str) -> bytes | None: ...


def open_package(
    path: Path | str, *, trusted_keys: Iterable[TrustedKey] = (), chip: str | None = None
) -> FirmwarePackage:
    """Open a firmware: a Sensix bundle (zip), an ESP-IDF build folder or its flasher_args.json, an ESP Web Tools
    manifest (or its folder), a single application, or a merged image.

    trusted_keys: whose signatures count. chip: which build to take from a package for several chips.
    What comes back is whole: checksums and hashes hold, parts lie in their places, and the signature, where there is
    one, matches. Whether it belongs on a module is the question of `check_package`.

    :raises ImageError: with the reason and what to do.
    """
    packages = open_packages(path, trusted_keys=trusted_keys)
    wanted = chip_by_name(chip) if chip is not None else None
    if len(packages) == 1:
        return packages[0]
    for package in packages:
        if wanted is not None and package.chip == wanted.name:
            return package
    chips = ", ".join(package.chip for package in packages)
    if chip is None:
        raise ImageError(Reason.SEVERAL_CHIPS, f"The package holds firmware for {chips}. Say for which chip.")
    raise ImageError(Reason.WRONG_CHIP, f"The package holds firmware for {chips}, none for the {chip}.")


def open_packages(path: Path | str, *, trusted_keys: Iterable[TrustedKey] = ()) -> tuple[FirmwarePackage, ...]:
    """All builds of a package, one for each chip. See `open_package`."""
    path = Path(path)
    keys = tuple(trusted_keys)
    if path.is_dir():
        folder = Folder(path)
        if folder.read(FLASHER_ARGS) is not None:
            return (_open_build(folder),)
        if folder.read(MANIFEST) is not None:
            return _open_manifest(folder, MANIFEST, keys)
        raise ImageError(Reason.UNREADABLE, f"{path} holds no {FLASHER_ARGS} and no {MANIFEST}. Choose a build folder.")
    if path.name == FLASHER_ARGS:
        return (_open_build(Folder(path.parent)),)
    if path.suffix.lower() == ".json":
        read_file(path)
        return _open_manifest(Folder(path.parent), path.name, keys)
    return open_bytes(read_file(path), path.name, trusted_keys=keys)


def open_bytes(data: bytes, name: str, *, trusted_keys: Iterable[TrustedKey] = ()) -> tuple[FirmwarePackage, ...]:
    """What a file holds that is one piece: a bundle, an application or a merged image. See `open_package`."""
    if is_archive(data):
        return _open_manifest(Archive(data), MANIFEST, tuple(trusted_keys))
    return (_open_single(data, name),)


def _open_single(data: bytes, name: str) -> FirmwarePackage:
    for start in sorted({known.bootloader_offset for known in CHIPS}):
        merged = RawPart(start, data, name)
        if is_merged(merged):
            return _package("merged-image", [merged], None)
    if data[:2] == b"\xaa\x50":
        return _package("image", [RawPart(TABLE_OFFSET, data, name)], None)
    image = parse_image(data)
    # An application goes to whatever slot is free; 0x10000 is the first of the usual layout.
    is_bootloader = image.app is None and image.bootloader is not None
    offset = image.chip.bootloader_offset if is_bootloader else APP_ALIGNMENT
    return _package("image", [RawPart(offset, data, name)], None)


def _open_build(folder: Folder) -> FirmwarePackage:
    data = folder.read(FLASHER_ARGS)
    if data is None:
        raise ImageError(Reason.UNREADABLE, f"There is no {FLASHER_ARGS}. Choose an ESP-IDF build folder.")
    fields = Fields(parse_json(data, FLASHER_ARGS), FLASHER_ARGS)
    files = fields.values.get("flash_files")
    if not isinstance(files, dict) or not 1 <= len(files) <= 32:
        raise ImageError(Reason.BAD_MANIFEST, f'{FLASHER_ARGS}: "flash_files" must name the files to write.')
    marks = [part.get("encrypted") for part in fields.values.values() if isinstance(part, dict)]
    if any(mark is True or str(mark).lower() == "true" for mark in marks):
        # Nothing is written encrypted here, and the bootloader of such a build would encrypt the module for good.
        raise ImageError(
            Reason.FLASH_ENCRYPTION,
            f"{FLASHER_ARGS} is that of a build with flash encryption, which a module can never leave again. "
            "Build it without.",
        )
    raw = [RawPart(_offset(text), _read(folder, name, FLASHER_ARGS), str(name)) for text, name in files.items()]
    extra = fields.values.get("extra_esptool_args")
    family = extra.get("chip") if isinstance(extra, dict) else None
    if family is not None and (not isinstance(family, str) or chip_by_name(family) is None):
        raise ImageError(Reason.WRONG_CHIP, f"{FLASHER_ARGS} is for a chip that is not known here.")
    return _package("build-folder", raw, family)


def _open_manifest(files: _Files, name: str, keys: tuple[TrustedKey, ...]) -> tuple[FirmwarePackage, ...]:
    data = files.read(name)
    if data is None:
        raise ImageError(Reason.BAD_ARCHIVE, f"The zip holds no {name}: it is no firmware bundle.")
    manifest = parse_manifest(data)
    if not manifest.is_bundle:
        if files.read(SIGNATURE) is not None:
            raise ImageError(
                Reason.TAMPERED, "There is a signature, but its manifest is not that of a bundle. Do not use it."
            )
        return tuple(
            _package("web-manifest", _web_parts(files, build), build.chip, manifest) for build in manifest.builds
        )
    state = signature_state(data, files.read(SIGNATURE), manifest.key_id, keys)
    signer = next((key.name for key in keys if key.key_id == manifest.key_id), "")
    signed = {"signature": state, "key_id": manifest.key_id, "signer": signer}
    return tuple(
        _package("bundle", _bundle_parts(files, build), build.chip, manifest, **signed) for build in manifest.builds
    )


def _web_parts(files: _Files, build: Build) -> list[RawPart]:
    return [RawPart(part.offset, _read(files, part.path, "The manifest"), part.path) for part in build.parts]


def _bundle_parts(files: _Files, build: Build) -> list[RawPart]:
    parts = _web_parts(files, build)
    for raw, listed in zip(parts, build.parts, strict=True):
        if len(raw.data) != listed.size or hashlib.sha256(raw.data).hexdigest() != listed.sha256:
            raise ImageError(
                Reason.TAMPERED, f'"{listed.path}" is not the file that the manifest describes. Get the bundle again.'
            )
    return parts


def _package(
    kind: Kind, raw: list[RawPart], chip: str | None, manifest: Manifest | None = None, **signed: Any
) -> FirmwarePackage:
    chip, parts = identify(raw, chip)
    known = chip_by_name(chip) if chip is not None else None
    package = FirmwarePackage(
        kind=kind,
        name=manifest.name if manifest is not None else "",
        chip=known.name if known is not None else "",
        version=manifest.version if manifest is not None else "",
        project="",
        parts=parts,
    )
    app = package.app_image.app if package.app_image is not None else None
    if package.app is None:
        _explain_unknown(package)
    facts: dict[str, Any] = dict(signed)
    if app is not None:
        facts |= {
            "version": package.version or app.version,
            "project": app.project,
            "secure_version": app.secure_version,
            "name": package.name or app.project,
        }
    if manifest is not None and manifest.is_bundle:
        _check_claims(manifest, package.app_image)
        facts |= {
            "boards": manifest.boards,
            "wiring_types": manifest.wiring_types,
            "notes": manifest.notes,
            "licence": manifest.licence,
            "min_version": manifest.minimum_version,
        }
    return replace(package, **facts)


def _check_claims(manifest: Manifest, image: AppImage | None) -> None:
    """The application's own version counts on the module; a manifest that says another misleads."""
    if image is None or image.app is None:
        return
    says, is_version = parse_version(image.app.version), parse_version(manifest.version)
    if says is not None and says != is_version:
        raise ImageError(
            Reason.INCONSISTENT,
            f"The bundle says version {manifest.version}, its application {image.app.version}. Do not use it.",
        )
    if manifest.secure_version is not None and manifest.secure_version != image.app.secure_version:
        raise ImageError(
            Reason.INCONSISTENT,
            f"The bundle says secure version {manifest.secure_version}, its application {image.app.secure_version}. "
            "Do not use it.",
        )


def _explain_unknown(package: FirmwarePackage) -> None:
    """Where there is no application, one that can't be told from noise is probably encrypted."""
    for part in package.parts:
        if part.role == "data" and part.data[0] != IMAGE_MAGIC and bits_a_byte(part.data) > 7.9:
            parse_image(part.data)  # says so


def _read(files: _Files, name: Any, listed_by: str) -> bytes:
    if not isinstance(name, str):
        raise ImageError(Reason.BAD_MANIFEST, f"{listed_by} names a file that is no text.")
    data = files.read(check_name(name))
    if data is None:
        raise ImageError(Reason.UNREADABLE, f'{listed_by} names "{name}", which is not there. Get the package again.')
    return data


def _offset(text: str) -> int:
    try:
        offset = int(text, 0)
    except ValueError:
        offset = -1
    if not 0 <= offset <= 0xFFFFFFFF:
        raise ImageError(Reason.BAD_MANIFEST, f'{FLASHER_ARGS}: "{text[:20]}" is no place in the flash.')
    return offset
