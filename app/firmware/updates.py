"""Which firmware is newer than a module's: bundles in folders, and a signed catalogue that is fetched once and kept.

Without a network everything goes on with what is there. Nothing is fetched unless `refresh` or `fetch` is called.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from device_io.urls import is_loopback
from firmware_images.bundle import write_atomically
from firmware_images.catalogue import BUNDLES, Catalogue, CatalogueEntry, check_download, parse_index, scan_folder
from firmware_images.errors import ImageError
from firmware_images.signing import SIGNATURE_SIZE, TrustedKey
from firmware_images.versions import is_newer, parse_version

INDEX, INDEX_SIGNATURE = "index.json", "index.sig"
LINES = 3
"""So many lines of change are shown; the bundle holds them all."""
_LARGEST_INDEX = 1 << 20
_SILENT_S = 10.0
_INDEX_S, _BUNDLE_S = 30.0, 600.0
_CHUNK = 64 << 10
_CHOICES = "not-now.json"


class UpdateError(Exception):
    """One sentence: why nothing could be fetched, and what to do."""


@dataclass(frozen=True)
class Offer:
    """A firmware for a module. installed: what runs there, None where unknown. newer: False for the same or an older
    one. changes: the first lines of its notes. postponed: a person said "not now" to this version."""

    entry: CatalogueEntry
    installed: str | None
    newer: bool
    changes: tuple[str, ...]
    postponed: bool


class Updates:
    """The catalogue of firmware. folder: where it keeps what it fetched. folders: of bundles that are at hand.
    index_url: of the signed catalogue (https; http on this computer alone), None for none."""

    def __init__(
        self,
        folder: Path,
        *,
        keys: Iterable[TrustedKey],
        folders: Sequence[Path] = (BUNDLES,),
        index_url: str | None = None,
    ) -> None:
        """:raises UpdateError: for an address that is not allowed."""
        self._folder = folder
        self._keys = tuple(keys)
        self._folders = tuple(folders)
        self._index_url = checked(index_url) if index_url else None

    def offers(self, installed: str | None, *, chip: str | None = None, board: str | None = None) -> tuple[Offer, ...]:
        """What there is for a module, the newest first; of bundles with the same contents the local one. installed: as
        the module reports it ("virtual 1.0.0"). Only trusted ones; pre-releases only where one runs. Reads files."""
        version = installed.rpartition(" ")[2] if installed else None
        running = parse_version(version) if version else None
        entries = [entry for folder in self._folders for entry in scan_folder(folder, trusted_keys=self._keys).entries]
        entries += self._known().entries
        found: dict[tuple[str, str], CatalogueEntry] = {}
        for entry in entries:
            offered = parse_version(entry.version)
            early = offered is None or (offered.pre and not (running is not None and running.pre))
            if entry.signature == "trusted" and entry.suits(chip, board) and not early:
                found.setdefault((entry.sha256, entry.chip), entry)
        postponed = self._postponed()
        newest = sorted(found.values(), key=lambda entry: _sortable(entry.version), reverse=True)
        return tuple(
            Offer(
                entry,
                version,
                version is None or is_newer(entry.version, version),
                entry.notes[:LINES],
                entry.version in postponed,
            )
            for entry in newest
        )

    def update_for(self, installed: str | None, *, chip: str | None = None, board: str | None = None) -> Offer | None:
        """The newest one that is newer and not postponed."""
        offers = self.offers(installed, chip=chip, board=board)
        newer = [offer for offer in offers if offer.newer]
        return newer[0] if newer and not newer[0].postponed else None

    def is_postponed(self, version: str) -> bool:
        """Whether a person said "not now" to it."""
        return version in self._postponed()

    def not_now(self, version: str) -> None:
        """Do not offer this version by itself any more; a newer one will be. OSError if it can't be kept."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        versions = sorted({*self._postponed(), version})
        write_atomically(self._folder / _CHOICES, json.dumps({"not_now": versions}).encode())

    def refresh(self) -> Catalogue:
        """Fetch the catalogue and keep it; takes up to 30 s. What was there before stays if that fails.

        :raises UpdateError: no network, not signed by a key that is trusted here, or no catalogue.
        """
        if self._index_url is None:
            raise UpdateError("No address of a catalogue is set. Choose a bundle on this computer instead.")
        index = _fetch(self._index_url, _LARGEST_INDEX, _INDEX_S)
        signature = _fetch(urljoin(self._index_url, INDEX_SIGNATURE), SIGNATURE_SIZE, _INDEX_S)
        catalogue = self._parsed(index, signature)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:  # the signature last: until then the pair does not match and counts as none
            write_atomically(self._folder / INDEX, index)
            write_atomically(self._folder / INDEX_SIGNATURE, signature)
        except ImageError as wrong:
            raise UpdateError(wrong.sentence) from None
        return catalogue

    def fetch(self, entry: CatalogueEntry, progress: Callable[[int, int], None] = lambda _done, _total: None) -> Path:
        """The bundle's file: the local one, what was fetched before, or from the network, checked.

        :raises UpdateError:
        """
        if entry.path is not None:
            return entry.path
        path = self._folder / "bundles" / f"{entry.sha256}.zip"
        with contextlib.suppress(OSError, ImageError):
            check_download(entry, path.read_bytes())
            return path
        if entry.url is None or self._index_url is None:
            raise UpdateError(f"There is no address of version {entry.version}. Get its bundle from the maker.")
        data = _fetch(checked(urljoin(self._index_url, entry.url)), entry.size, _BUNDLE_S, progress)
        try:
            check_download(entry, data)
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, data)
        except ImageError as wrong:
            raise UpdateError(wrong.sentence) from None
        return path

    def _known(self) -> Catalogue:
        """The catalogue that was fetched last; empty where there is none that holds."""
        with contextlib.suppress(OSError, UpdateError):
            return self._parsed((self._folder / INDEX).read_bytes(), (self._folder / INDEX_SIGNATURE).read_bytes())
        return Catalogue()

    def _parsed(self, index: bytes, signature: bytes) -> Catalogue:
        try:
            catalogue = parse_index(index, signature, trusted_keys=self._keys)
        except ImageError as wrong:
            raise UpdateError(wrong.sentence) from None
        if catalogue.signature != "trusted":
            raise UpdateError("The catalogue is signed by nobody who is trusted here. Check its address.")
        return catalogue

    def _postponed(self) -> tuple[str, ...]:
        try:
            versions = json.loads((self._folder / _CHOICES).read_text(encoding="utf-8"))["not_now"]
        except (OSError, ValueError, KeyError, TypeError):
            return ()
        return tuple(text for text in versions if isinstance(text, str)) if isinstance(versions, list) else ()


def _sortable(version: str) -> Any:
    return parse_version(version)


def checked(url: str) -> str:
    """:raises UpdateError: unless it is https, or http to this computer, without a password in it."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        fits = fits and bool(parts.hostname) and parts.username is None and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits:
        raise UpdateError(f"{url[:80]!r} is no address that firmware may come from. Use one with https.")
    return url


def _fetch(
    url: str, largest: int, seconds: float, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> bytes:
    """At most `largest` bytes within the time. :raises UpdateError:"""
    import ssl
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class CheckedRedirects(HTTPRedirectHandler):
        """A redirection leads to https too, or nowhere."""

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
            return super().redirect_request(req, fp, code, msg, headers, checked(newurl))

    host = urlsplit(url).hostname
    deadline_s = time.monotonic() + seconds
    data = bytearray()
    try:
        request = Request(url, headers={"User-Agent": "sensix-desktop"})
        with build_opener(CheckedRedirects).open(request, timeout=_SILENT_S) as answer:
            while piece := answer.read1(min(_CHUNK, largest + 1 - len(data))):
                data += piece
                progress(len(data), largest)
                if len(data) > largest:
                    raise UpdateError(f"{host} sends more than was announced. Try again later.")
                if time.monotonic() > deadline_s:
                    raise UpdateError(f"{host} is too slow. Try again later.")
    except HTTPError as error:
        error.close()
        raise UpdateError(f"{host} has no such file ({error.code}). Try again later.") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UpdateError(
                f"The certificate of {host} is not to be trusted: {reason.verify_message}. Nothing was fetched; check "
                "the address and this computer's clock."
            ) from None
        raise UpdateError(
            f"{host} can't be reached ({reason}). Check the network; local bundles work without."
        ) from None
    return bytes(data)
