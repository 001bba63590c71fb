"""Backups of modules: the whole flash, and what the module told over its link, in one zip file each."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_io.flashing.esptool_process import FlashIdentity

KEEP = 20
"""Backups kept of each module; older ones are removed."""
_FLASH, _FACTS = "flash.bin", "module.json"
_FORMAT = 1
_LARGEST = 64 * 1024 * 1024
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # also NotImplementedError and RecursionError
    ValueError,
    LookupError,
    TypeError,
    OverflowError,
)
"""What reading a damaged zip, or JSON that is none of ours, may end in."""


class BackupError(Exception):
    """One sentence: why a backup can't be used, and what to do."""


@dataclass(frozen=True)
class Backup:
    """A backup as its file tells. made_ns: UTC. told: what the module told over its link before ("settings",
    "readings", "identity"), {} where it did not answer. size, sha256: of the flash."""

    path: Path
    mac: str
    chip: str
    firmware: str
    made_ns: int
    size: int
    sha256: str
    told: Mapping[str, Any]


def write_backup(
    path: Path, flash: Path, identity: FlashIdentity, firmware: str, told: Mapping[str, Any], made_ns: int | None = None
) -> Backup:
    """Make a backup file, whole or not at all. flash: file with the whole flash. OSError if it can't be written."""
    data = flash.read_bytes()
    facts = {
        "format": _FORMAT,
        "mac": identity.mac,
        "chip": identity.chip,
        "firmware": firmware,
        "made_ns": time.time_ns() if made_ns is None else made_ns,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "told": dict(told),
    }
    name = _make_beside(path)
    try:
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            archive.writestr(_FACTS, json.dumps(facts, indent=1))
            archive.writestr(_FLASH, data)
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return read_backup(path)


def _make_beside(path: Path) -> str:
    """A new file for its owner alone: the flash holds the WiFi password."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".backup-", dir=path.parent)
    os.close(handle)
    return name


def read_backup(path: Path) -> Backup:
    """What a backup file holds, its flash checked against its digest. :raises BackupError:"""
    facts, _ = _open(path)
    return Backup(
        path,
        facts["mac"],
        facts["chip"],
        facts["firmware"],
        facts["made_ns"],
        facts["size"],
        facts["sha256"],
        facts["told"],
    )


def flash_of(path: Path) -> bytes:
    """The whole flash in a backup. :raises BackupError:"""
    return _open(path)[1]


def _open(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_FLASH).file_size > _LARGEST or archive.getinfo(_FACTS).file_size > 1_000_000:
                raise BackupError(f"{path} is larger than any flash. Choose another backup.")
            facts = json.loads(archive.read(_FACTS))
            data = archive.read(_FLASH)
        kinds: dict[str, type] = {"mac": str, "chip": str, "firmware": str, "made_ns": int, "size": int, "sha256": str}
        if facts["format"] != _FORMAT or not isinstance(facts["told"], dict):
            raise BackupError(f"{path} was made by a newer version of this program. Update this program.")
        sound = all(isinstance(facts[key], kind) for key, kind in kinds.items())
    except FileNotFoundError:
        raise BackupError(f"There is no file {path}. Check the name.") from None
    except _FAULTS:
        raise BackupError(f"{path} is not a backup of a module, or it is damaged. Choose another one.") from None
    if not sound or len(data) != facts["size"] or hashlib.sha256(data).hexdigest() != facts["sha256"]:
        raise BackupError(f"{path} is damaged: its contents are not what was backed up. Choose another one.")
    return facts, data


class BackupStore:
    """The folder of backups: one folder a MAC, the last 20 of each module kept."""

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        self._folder = folder
        self._keep = keep

    def path_for(self, mac: str, firmware: str, made_ns: int) -> Path:
        """Where the backup of a module goes."""
        moment = datetime.fromtimestamp(made_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
        version = re.sub(r"[^0-9A-Za-z.+-]", "_", firmware)[:40] or "unknown"
        path = self._of(mac) / f"{moment}-{version}.zip"
        number = 2
        while path.exists():
            path = self._of(mac) / f"{moment}-{version}-{number}.zip"
            number += 1
        return path

    def list(self, mac: str | None = None) -> list[Backup]:
        """Backups that can be used, newest first."""
        folders = [self._of(mac)] if mac is not None else sorted(self._folder.glob("*"))
        found = []
        for path in (path for folder in folders for path in folder.glob("*.zip")):
            with contextlib.suppress(BackupError):
                found.append(read_backup(path))
        return sorted(found, key=lambda backup: backup.made_ns, reverse=True)

    def prune(self, mac: str, needed: Iterable[Path | None]) -> None:
        """Remove the oldest backups of a module beyond those that are kept. needed: these stay, as old as they may be:
        the one just made (the computer's clock may be wrong), and what leads back from an unfinished job."""
        stay = {path.absolute() for path in needed if path is not None}
        others = sorted((path for path in self._of(mac).glob("*.zip") if path.absolute() not in stay), reverse=True)
        for path in others[max(self._keep - len(stay), 0) :]:
            with contextlib.suppress(OSError):
                path.unlink()

    def room_for(self, size: int, place: Path) -> bool:
        """Whether there is room for a flash of this size, twice. OSError where no file can be made: reading a flash
        takes minutes, so this is known before."""
        os.unlink(_make_beside(place))
        return shutil.disk_usage(place.parent).free > 2 * size

    def _of(self, mac: str) -> Path:
        return self._folder / mac.replace(":", "")
