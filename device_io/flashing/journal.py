"""What was begun and not finished: kept on disk from before the first byte is written until the module runs again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from firmware_images.plan import Write

_RECORD = "record.json"


@dataclass(frozen=True)
class Unfinished:
    """Writing that was begun. what: "flash" or "restore". version: what the module will report, "" where unknown.
    backup: the file that leads back, None where none was made. writes: what was to be written, in order."""

    mac: str
    chip: str
    port: str
    what: str
    version: str
    before: str
    backup: Path | None
    begun_ns: int
    writes: tuple[Write, ...]

    @property
    def way_back(self) -> Path | None:
        """The backup, if its file is still there."""
        return self.backup if self.backup is not None and self.backup.exists() else None


class Journal:
    """A folder with one record a module."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, unfinished: Unfinished) -> None:
        """Put on disk what will be written, before it is. An older record counts until this one does, whenever it is
        broken off. OSError if that fails."""
        folder = self._of(unfinished.mac)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        job = secrets.token_hex(4)
        parts = []
        for number, write in enumerate(unfinished.writes):
            name = f"{job}-{number}.bin"
            _write_through(folder / name, write.data)
            digest = hashlib.sha256(write.data).hexdigest()
            parts.append({"offset": write.offset, "label": write.label, "file": name, "sha256": digest})
        record = {
            "mac": unfinished.mac,
            "chip": unfinished.chip,
            "port": unfinished.port,
            "what": unfinished.what,
            "version": unfinished.version,
            "before": unfinished.before,
            "backup": str(unfinished.backup.absolute()) if unfinished.backup else None,
            "begun_ns": unfinished.begun_ns,
            "parts": parts,
        }
        _write_through(folder / f"{job}.new", json.dumps(record).encode())
        os.replace(folder / f"{job}.new", folder / _RECORD)  # from here on this record counts
        _sync_folder(folder)
        kept = {_RECORD, *(part["file"] for part in parts)}
        for path in folder.iterdir():
            if path.name not in kept:
                with contextlib.suppress(OSError):
                    path.unlink()

    def end(self, mac: str) -> None:
        """The module runs again."""
        folder = self._of(mac)
        with contextlib.suppress(OSError):
            (folder / _RECORD).unlink()
        shutil.rmtree(folder, ignore_errors=True)

    def pending(self, mac: str | None = None) -> list[Unfinished]:
        """What was not finished, the latest first; records that are damaged are left out."""
        folders = [self._of(mac)] if mac is not None else sorted(self._folder.glob("*"))
        found = []
        for folder in folders:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                found.append(_read(folder))
        return sorted(found, key=lambda one: one.begun_ns, reverse=True)

    def _of(self, mac: str) -> Path:
        return self._folder / mac.replace(":", "")


def _read(folder: Path) -> Unfinished:
    record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    writes = []
    for part in record["parts"]:
        data = (folder / Path(part["file"]).name).read_bytes()
        if hashlib.sha256(data).hexdigest() != part["sha256"]:
            raise ValueError(part["file"])
        writes.append(Write(int(part["offset"]), data, str(part["label"])))
    return Unfinished(
        mac=record["mac"],
        chip=record["chip"],
        port=record["port"],
        what=record["what"],
        version=record["version"],
        before=record["before"],
        backup=Path(record["backup"]) if record["backup"] else None,
        begun_ns=int(record["begun_ns"]),
        writes=tuple(writes),
    )


def _write_through(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The name of the record reaches the disk too, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
