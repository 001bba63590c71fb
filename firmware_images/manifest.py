"""manifest.json: that of ESP Web Tools, and that of a Sensix bundle, which says more (docs/firmware-bundle.md)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from firmware_images.chips import chip_by_name
from firmware_images.errors import ImageError, Reason
from firmware_images.paths import check_name
from firmware_images.versions import parse_version

FORMAT = 1
LARGEST_MANIFEST = 256 << 10
_MOST_BUILDS, _MOST_PARTS = 16, 32
MOST_TEXTS, LONGEST_TEXT = 200, 1000
_LAST_OFFSET = 0xFFFFFFFF
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class ListedPart:
    """A file and where in the flash it goes; size in bytes and SHA-256 are known in a Sensix bundle."""

    path: str
    offset: int
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Build:
    """The parts for one chip."""

    chip: str
    parts: tuple[ListedPart, ...]


@dataclass(frozen=True)
class Manifest:
    """A manifest that has been read. Fields from `boards` on are those of a Sensix bundle, else empty or None."""

    name: str
    version: str
    builds: tuple[Build, ...]
    is_bundle: bool = False
    boards: tuple[str, ...] = ()
    wiring_types: tuple[str, ...] = ()
    minimum_version: str | None = None
    secure_version: int | None = None
    notes: tuple[str, ...] = ()
    licence: str | None = None
    key_id: str | None = None


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object: UTF-8, each key once, no NaN, not too large. :raises ImageError: BAD_MANIFEST."""
    if len(data) > LARGEST_MANIFEST:
        raise ImageError(Reason.BAD_MANIFEST, f"{what} is too long ({len(data)} bytes).")
    try:
        read = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        detail = str(error) if isinstance(error, json.JSONDecodeError) else "it is no JSON"
        raise ImageError(Reason.BAD_MANIFEST, f"{what} can't be read: {detail}.") from None
    if not isinstance(read, dict):
        raise ImageError(Reason.BAD_MANIFEST, f"{what} is no JSON object.")
    return read


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest. With `sensix_format` it is a bundle's, and all that a bundle must say has to be there.

    :raises ImageError: BAD_MANIFEST, UNSAFE_PATH, WRONG_CHIP (a chip family not known here).
    """
    fields = Fields(parse_json(data, "manifest.json"), "manifest.json")
    if "sensix_format" not in fields.values:
        return Manifest(fields.text("name", ""), fields.text("version", ""), _builds(fields, bundle=False))
    if fields.number("sensix_format", last=1 << 31) != FORMAT:
        raise ImageError(Reason.BAD_MANIFEST, "The bundle has a newer format. Update this application.")
    minimum = fields.text("minimum_version") if fields.values.get("minimum_version") is not None else None
    version = fields.text("version")
    for text in (version, minimum):
        if text is not None and parse_version(text) is None:
            raise ImageError(Reason.BAD_MANIFEST, f'manifest.json: "{text}" is no version. Write it as 2.1.0.')
    key_id = fields.text("key_id") if fields.values.get("key_id") is not None else None
    if key_id is not None and not _SHA256.fullmatch(key_id):
        raise ImageError(Reason.BAD_MANIFEST, "manifest.json: key_id must be 64 hexadecimal digits in lower case.")
    return Manifest(
        name=fields.text("name"),
        version=version,
        builds=_builds(fields, bundle=True),
        is_bundle=True,
        boards=fields.texts("boards"),
        wiring_types=fields.texts("wiring_types"),
        minimum_version=minimum,
        secure_version=fields.number("secure_version", 0, last=_LAST_OFFSET),
        notes=fields.texts("notes"),
        licence=fields.text("licence", "") or None,
        key_id=key_id,
    )


class Fields:
    """Takes values of the right kind out of a JSON object, or says which is wrong."""

    def __init__(self, values: Any, where: str) -> None:
        """:raises ImageError: BAD_MANIFEST when `values` is no object."""
        if not isinstance(values, dict):
            raise ImageError(Reason.BAD_MANIFEST, f"{where} must be an object.")
        self.values: dict[str, Any] = values
        self._where = where

    def text(self, key: str, default: str | None = None) -> str:
        """A text of at most 1000 printable characters."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
            raise self._wrong(key, "a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of such texts, () when the key is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or len(value) > MOST_TEXTS:
            raise self._wrong(key, "a list of texts")
        return tuple(Fields({key: text}, self._where).text(key) for text in value)

    def number(self, key: str, default: int | None = None, *, last: int) -> int:
        """A whole number from 0 to `last`."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= last:
            raise self._wrong(key, "a whole number")
        return value

    def sha256(self, key: str) -> str:
        """64 hexadecimal digits, in lower case."""
        value = self.text(key).lower()
        if not _SHA256.fullmatch(value):
            raise self._wrong(key, "64 hexadecimal digits")
        return value

    def objects(self, key: str, most: int) -> list[Fields]:
        """A list of 1 to `most` objects."""
        value = self.values.get(key)
        if not isinstance(value, list) or not 1 <= len(value) <= most:
            raise self._wrong(key, f"a list of 1 to {most} entries")
        return [Fields(entry, f"{self._where}: {key}") for entry in value]

    def _wrong(self, key: str, wanted: str) -> ImageError:
        return ImageError(Reason.BAD_MANIFEST, f'{self._where}: "{key}" must be {wanted}.')


def _builds(fields: Fields, *, bundle: bool) -> tuple[Build, ...]:
    builds = []
    for entry in fields.objects("builds", _MOST_BUILDS):
        family = entry.text("chipFamily")
        chip = chip_by_name(family)
        if chip is None:
            # A manifest for the web may hold builds for chips that no module has.
            if bundle:
                raise ImageError(Reason.WRONG_CHIP, f'The chip "{family}" is not known here.')
            continue
        builds.append(Build(chip.name, tuple(_part(part, bundle) for part in entry.objects("parts", _MOST_PARTS))))
    names = [build.chip for build in builds]
    if not names:
        raise ImageError(Reason.WRONG_CHIP, "The manifest holds no build for a chip that is known here.")
    if len(set(names)) != len(names):
        raise ImageError(Reason.BAD_MANIFEST, "manifest.json lists a chip twice.")
    return tuple(builds)


def _part(fields: Fields, bundle: bool) -> ListedPart:
    path = fields.text("path")
    if not bundle:
        path = path.removeprefix("./")
    offset = fields.number("offset", last=_LAST_OFFSET)
    check_name(path)
    if not bundle:
        return ListedPart(path, offset)
    return ListedPart(path, offset, fields.number("size", last=_LAST_OFFSET), fields.sha256("sha256"))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
