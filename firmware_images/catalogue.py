"""Which firmware there is: bundles in a folder, or a signed index that somebody else has fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from firmware_images.chips import chip_by_name
from firmware_images.errors import ImageError, Reason
from firmware_images.manifest import Fields, parse_json
from firmware_images.opening import open_bytes
from firmware_images.paths import check_name, read_file
from firmware_images.signing import Signature, TrustedKey, signature_state
from firmware_images.versions import Version, parse_version

BUNDLES = Path(__file__).with_name("bundles")
"""The bundles that come with the application; the folder may be missing."""
_FORMAT = 1
_MOST_BUNDLES = 500
_LARGEST_BUNDLE = 64 << 20


@dataclass(frozen=True)
class CatalogueEntry:
    """A bundle for one chip. sha256, size: of the zip. url: https, or a name beside the index; None for a local file.

    signature: the bundle's own where it was opened, else that of the index.
    """

    name: str
    version: str
    chip: str
    boards: tuple[str, ...]
    sha256: str
    size: int
    url: str | None
    path: Path | None
    notes: tuple[str, ...]
    signature: Signature

    def suits(self, chip: str | None, board: str | None) -> bool:
        """True when it is for this chip and board; None for any."""
        wanted = chip_by_name(chip) if chip is not None else None
        if chip is not None and (wanted is None or wanted.name != self.chip):
            return False
        return board is None or not self.boards or board in self.boards


@dataclass(frozen=True)
class Catalogue:
    """Bundles, the newest first. problems: a sentence for each file that could not be taken."""

    entries: tuple[CatalogueEntry, ...] = ()
    signature: Signature = "none"
    problems: tuple[str, ...] = ()

    def newer_than(
        self, version: str | None, *, chip: str | None = None, board: str | None = None
    ) -> tuple[CatalogueEntry, ...]:
        """Entries for this chip and board that are newer, the newest first; all of them where `version` tells nothing.

        Pre-releases are only offered to a module that runs one.
        """
        installed = parse_version(version) if version is not None else None
        found = []
        for entry in self.entries:
            offered = parse_version(entry.version)
            if offered is None or not entry.suits(chip, board):
                continue
            if offered.pre and not (installed is not None and installed.pre):
                continue
            if installed is None or installed < offered:
                found.append(entry)
        return tuple(found)


def scan_folder(folder: Path = BUNDLES, *, trusted_keys: Iterable[TrustedKey] = ()) -> Catalogue:
    """The bundles (*.zip) in a folder; empty when there is no such folder. Reads each file once."""
    keys = tuple(trusted_keys)
    entries: list[CatalogueEntry] = []
    problems: list[str] = []
    for path in sorted(folder.glob("*.zip")) if folder.is_dir() else []:
        try:
            data = read_file(path)
            packages = open_bytes(data, path.name, trusted_keys=keys)
        except ImageError as wrong:
            problems.append(f"{path.name}: {wrong.sentence}")
            continue
        digest = hashlib.sha256(data).hexdigest()
        for package in packages:
            entries.append(
                CatalogueEntry(
                    name=package.name,
                    version=package.version,
                    chip=package.chip,
                    boards=package.boards,
                    sha256=digest,
                    size=len(data),
                    url=None,
                    path=path,
                    notes=package.notes,
                    signature=package.signature,
                )
            )
    return Catalogue(_newest_first(entries), "none", tuple(problems))


def parse_index(data: bytes, signature: bytes | None, *, trusted_keys: Iterable[TrustedKey] = ()) -> Catalogue:
    """Read index.json and check its signature (index.sig, over exactly these bytes).

    :raises ImageError: BAD_MANIFEST; TAMPERED when the signature does not match.
    """
    fields = Fields(parse_json(data, "index.json"), "index.json")
    if fields.number("sensix_catalogue", last=1 << 31) != _FORMAT:
        raise ImageError(Reason.BAD_MANIFEST, "The catalogue has a newer format. Update this application.")
    key_id = fields.text("key_id") if fields.values.get("key_id") is not None else None
    state = signature_state(data, signature, key_id, trusted_keys)
    if fields.values.get("bundles") == []:
        return Catalogue((), state)
    entries = [_entry(bundle, state) for bundle in fields.objects("bundles", _MOST_BUNDLES)]
    return Catalogue(_newest_first(entries), state)


def check_download(entry: CatalogueEntry, data: bytes) -> None:
    """:raises ImageError: TAMPERED when these bytes are not the bundle that the catalogue describes."""
    if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
        raise ImageError(
            Reason.TAMPERED, f"What was downloaded is not version {entry.version} of the catalogue. Try again later."
        )


def _entry(fields: Fields, state: Signature) -> CatalogueEntry:
    chip = chip_by_name(fields.text("chip"))
    if chip is None:
        raise ImageError(Reason.BAD_MANIFEST, f'index.json: the chip "{fields.text("chip")}" is not known here.')
    if parse_version(fields.text("version")) is None:
        raise ImageError(Reason.BAD_MANIFEST, f'index.json: "{fields.text("version")}" is no version.')
    return CatalogueEntry(
        name=fields.text("name", ""),
        version=fields.text("version"),
        chip=chip.name,
        boards=fields.texts("boards"),
        sha256=fields.sha256("sha256"),
        size=fields.number("size", last=_LARGEST_BUNDLE),
        url=_url(fields.text("url")),
        path=None,
        notes=fields.texts("notes"),
        signature=state,
    )


def _url(text: str) -> str:
    if "://" not in text:
        return check_name(text)
    try:
        parts = urlsplit(text)
        fits = parts.scheme == "https" and bool(parts.hostname) and parts.username is None
    except ValueError:
        fits = False
    if not fits:
        raise ImageError(Reason.BAD_MANIFEST, f'index.json: "{text[:60]}" is no https address.')
    return text


def _newest_first(entries: list[CatalogueEntry]) -> tuple[CatalogueEntry, ...]:
    oldest = Version((-1, 0, 0, 0))
    ordered = sorted(entries, key=lambda entry: (entry.name, entry.chip))
    return tuple(sorted(ordered, key=lambda entry: parse_version(entry.version) or oldest, reverse=True))
