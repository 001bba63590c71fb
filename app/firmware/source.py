"""Where newer firmware comes from: the address of a signed catalogue that the user has set, and asking there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from app.firmware.updates import UpdateError, Updates, checked
from device_io.flashing.survey import suits_board
from firmware_images.bundle import write_atomically
from firmware_images.errors import ImageError
from firmware_images.opening import open_packages
from firmware_images.signing import TrustedKey

_ADDRESS = "address.json"


class Source:
    """folder: where what was fetched is kept, and the address. keys: reads the trusted keys, on any thread; ImageError
    for a file that holds none. given: an address that counts instead of the kept one."""

    def __init__(self, folder: Path, keys: Callable[[], Sequence[TrustedKey]], given: str | None = None) -> None:
        self._folder, self._keys, self._given = folder, keys, given or ""

    @property
    def address(self) -> str:
        """Of the catalogue's index, "" where none is set: then nothing is ever asked."""
        if self._given:
            return self._given
        try:
            address = json.loads((self._folder / _ADDRESS).read_text(encoding="utf-8"))["index"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return address if isinstance(address, str) else ""

    @property
    def host(self) -> str:
        """Of the address, for people; "" where there is none."""
        return host_of(self.address)

    @property
    def is_given(self) -> bool:
        """Whether the address comes from outside, so that setting another one is of no use."""
        return bool(self._given)

    def set_address(self, address: str) -> None:
        """Keep another one, "" for none. :raises UpdateError: for one that firmware may not come from."""
        address = checked(address) if address else ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._folder / _ADDRESS, json.dumps({"index": address}).encode())
        except (OSError, ImageError) as wrong:
            raise UpdateError(f"The address can't be kept: {wrong}") from None

    def ask(self, installed: str | None, chip: str | None, kind: str = "") -> None:
        """Fetch the catalogue, and what it has for a module of this chip (None: of any) and type ("": of any) that is
        newer than `installed` and was not put off. Slow, bounded.

        :raises UpdateError: no network, not signed as it must be, or not what it claims to be.
        """
        updates = self.updates()
        updates.refresh()
        offers = [
            offer
            for offer in updates.offers(installed, chip=chip)
            if offer.newer and suits_board(kind, offer.entry.boards)
        ]
        if not offers or offers[0].postponed:
            return
        version = offers[0].entry.version
        for entry in (offer.entry for offer in offers if offer.entry.version == version):  # for each chip, if unknown
            path = updates.fetch(entry)
            try:
                packages = open_packages(path, trusted_keys=self._keys())
            except ImageError as wrong:
                raise UpdateError(wrong.sentence) from None
            if any(package.signature != "trusted" for package in packages):
                raise UpdateError(f"Version {entry.version} there is signed by nobody who is trusted here.")

    def updates(self) -> Updates:
        """The catalogue, and what was put off. :raises UpdateError:"""
        try:
            keys = self._keys()
        except ImageError as wrong:
            raise UpdateError(wrong.sentence) from None
        return Updates(self._folder, keys=keys, folders=(), index_url=self.address or None)


def host_of(address: str) -> str:
    """The host in an address, "" where there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
