"""Where backups, unfinished jobs and bundles of this user are kept, and whose signatures count."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from app.data_folder import data_folder
from app.firmware.source import Source
from device_io.flashing.backups import BackupStore
from device_io.flashing.journal import Journal
from firmware_images.signing import TrustedKey, load_trusted_keys

CATALOGUE_URL = "SENSIX_FIRMWARE_URL"


def backup_store() -> BackupStore:
    """The backups of all modules."""
    return BackupStore(data_folder() / "backups")


def journal() -> Journal:
    """What was begun and not finished."""
    return Journal(data_folder() / "journal")


def bundles_folder() -> Path:
    """Bundles that the user put there, beside those that come with the application."""
    return data_folder() / "bundles"


def updates_folder() -> Path:
    """What was fetched, and which version the user does not want now."""
    return data_folder() / "updates"


def source() -> Source:
    """The signed catalogue at SENSIX_FIRMWARE_URL, if that names one, else at the address that the user has set."""
    return Source(updates_folder(), trusted_keys, os.environ.get(CATALOGUE_URL))


def trusted_keys(files: Iterable[Path] = ()) -> tuple[TrustedKey, ...]:
    """Keys that come with the application, those in the user's folder `keys`, and those in these files.

    :raises ImageError: for a file that holds no key. :raises FileNotFoundError: for one that is not there."""
    keys = load_trusted_keys() + load_trusted_keys(data_folder() / "keys")
    for path in files:
        if not path.exists():
            raise FileNotFoundError(path)
        keys += load_trusted_keys(path)
    return keys
