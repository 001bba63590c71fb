"""Finds what belongs to a COMTRADE record on the disk: the configuration's text and where its samples lie."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from device_io.comtrade.errors import FileError

MAX_CONFIG_BYTES = 4_000_000
"""A .cfg with 10 000 channels takes under 1 MB; what is larger is no .cfg."""

_CFF_SECTION = re.compile(
    rb"^[ \t]*---[ \t]*file type:[ \t]*(\w+)[ \t]*(\w*)[ \t]*(?::[ \t]*(\d+))?[ \t]*---[ \t]*\r?\n", re.I | re.M
)


@dataclass(frozen=True)
class DataPlace:
    """Where the samples lie: `length` bytes of `path` from byte `offset` on."""

    path: Path
    offset: int
    length: int


@dataclass(frozen=True)
class ConfigFile:
    """A configuration's text. place: that of the samples, where the same file holds them."""

    path: Path
    text: str
    place: DataPlace | None = None


def find_config(path: str | Path) -> ConfigFile:
    """The configuration of the record that `path` (.cfg, .dat or .cff, in any case) belongs to. FileError where it
    is missing, can't be read or is not text."""
    with _clear_errors(path):
        return _find_config(Path(path))


def find_data(config: ConfigFile) -> DataPlace:
    """The samples of a record. FileError where they are missing or can't be read."""
    if config.place is not None:
        return config.place
    with _clear_errors(config.path):
        data = _sibling(config.path, ".dat")
        return DataPlace(data, 0, data.stat().st_size)


@contextmanager
def _clear_errors(path: str | Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as missing:
        raise FileError(f'There is no file "{missing.filename}". Check the name.') from None
    except PermissionError as denied:
        raise FileError(f'"{denied.filename}" may not be read by you. Change its permissions or copy it.') from None
    except OSError as fault:
        raise FileError(f'"{path}" can\'t be read: {fault.strerror or fault}.') from None
    except ValueError:  # a NUL in the name
        raise FileError("This is not the name of a file.") from None


def _find_config(path: Path) -> ConfigFile:
    suffix = path.suffix.lower()
    if path.is_dir():
        raise FileError(f'"{path}" is a folder. Name the .cfg file of a COMTRADE record.')
    if path.exists() and not path.is_file():  # a pipe or a device has no end
        raise FileError(f'"{path}" is no ordinary file. Name the .cfg file of a COMTRADE record.')
    if suffix != ".dat" and path.exists() and _is_zip(path):
        raise FileError(f'"{path.name}" is a zip archive: unpack it, and name the .cfg or .cff file that was in it.')
    if suffix not in (".cfg", ".dat", ".cff"):
        path.stat()
        raise FileError(
            f'"{path.name}" is not a COMTRADE file by its name: .cfg with its .dat, and .cff, are what can be read.'
        )
    if suffix == ".cff":
        return _split_cff(path)
    config = path if suffix == ".cfg" else _sibling(path, ".cfg")
    return ConfigFile(config, _read_config(config))


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _sibling(path: Path, suffix: str) -> Path:
    """The file beside `path` with another suffix, whatever the case of its name."""
    path.stat()
    wanted = (path.stem + suffix).lower()
    found = sorted(entry for entry in path.parent.iterdir() if entry.name.lower() == wanted and entry.is_file())
    if not found:
        raise FileError(
            f'"{path.name}" has no {suffix} file beside it; a COMTRADE record needs both. '
            f'Put "{path.stem + suffix}" into the same folder.'
        )
    same_stem = [entry for entry in found if entry.stem == path.stem]
    return (same_stem or found)[0]


def _read_config(path: Path) -> str:
    size = path.stat().st_size
    if size > MAX_CONFIG_BYTES:
        raise FileError(f'"{path.name}" has {size} bytes, too many for a COMTRADE .cfg. Is it another kind of file?')
    return _as_text(path.read_bytes(), path)


def _as_text(raw: bytes, path: Path) -> str:
    if not raw.strip(b"\0\x1a \t\r\n"):
        raise FileError(f'"{path.name}" is empty. Copy the record again from where it came.')
    if b"\0" in raw:
        raise FileError(f'"{path.name}" is not a COMTRADE configuration: it is not text.')
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _split_cff(path: Path) -> ConfigFile:
    """The sections of a single-file record (2013), the samples being the last."""
    size = path.stat().st_size
    if size == 0:
        raise FileError(f'"{path.name}" is empty. Copy the record again from where it came.')
    config: bytes | None = None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        section = _CFF_SECTION.search(whole, 0, MAX_CONFIG_BYTES)
        while section is not None:
            kind = section.group(1).upper()
            if kind == b"DAT":
                length = size - section.end()
                if section.group(3):
                    length = min(length, int(section.group(3)))
                if config is None:
                    break
                return ConfigFile(path, _as_text(config, path), DataPlace(path, section.end(), length))
            following = _CFF_SECTION.search(whole, section.end(), section.end() + MAX_CONFIG_BYTES)
            if kind == b"CFG":
                config = whole[section.end() : following.start() if following else section.end() + MAX_CONFIG_BYTES]
            section = following
    raise FileError(f'"{path.name}" is not a COMTRADE single-file record: it has no CFG section followed by DAT.')
