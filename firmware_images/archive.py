"""Reads zips from strangers: bounded in number, size and compression, and only plain files with plain names."""

from __future__ import annotations

import io
import stat
import struct
import unicodedata
import zipfile
import zlib

from firmware_images.errors import ImageError, Reason
from firmware_images.paths import LARGEST_FILE, check_name

MOST_FILES = 64
MOST_RATIO = 250
"""Unpacked by packed size; an erased flash compresses about 1000:1, code about 2:1."""
_RATIO_COUNTS_FROM = 256 << 10
_MOST_DIRECTORY = 64 << 10
_END = struct.Struct("<4s4H2LH")
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # also NotImplementedError
    ValueError,  # also UnicodeDecodeError
    LookupError,
    OverflowError,
)


class Archive:
    """A zip that has passed the checks of its directory; files are unpacked one by one, in memory."""

    def __init__(self, data: bytes) -> None:
        """:raises ImageError: BAD_ARCHIVE, TOO_MUCH, UNSAFE_PATH, DUPLICATE_NAME."""
        _check_end(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except _FAULTS:
            raise _damaged() from None
        _check_members(members)
        self._members = {member.filename: member for member in members if not member.is_dir()}

    def read(self, name: str) -> bytes | None:
        """The content of a file, None when there is none. :raises ImageError: BAD_ARCHIVE, UNSAFE_PATH."""
        member = self._members.get(check_name(name))
        if member is None:
            return None
        try:
            with self._zip.open(member) as file:
                data = file.read(member.file_size + 1)
        except _FAULTS:
            raise _damaged(name) from None
        if len(data) != member.file_size:
            raise _damaged(name)
        return data


def is_archive(data: bytes) -> bool:
    """True for what starts like a zip."""
    return data[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def _check_end(data: bytes) -> None:
    """Look at the end record before zipfile reads the directory it announces."""
    if len(data) < _END.size:
        raise _damaged()
    magic, disk, directory_disk, here, count, size, offset, comment = _END.unpack_from(data, len(data) - _END.size)
    if magic != b"PK\x05\x06" or comment or disk or directory_disk or here != count:
        raise _damaged()
    if data[-_END.size - 20 :][:4] == b"PK\x06\x07":
        raise ImageError(Reason.TOO_MUCH, "The zip uses the format for more than 4 GB. No firmware is that large.")
    if size > _MOST_DIRECTORY:
        raise ImageError(Reason.TOO_MUCH, f"The zip's directory has {size} bytes, more than any firmware needs.")
    if count > MOST_FILES:
        raise ImageError(Reason.TOO_MUCH, f"The zip holds {count} files; a firmware has at most {MOST_FILES}.")
    if offset + size + _END.size != len(data):
        raise _damaged()


def _check_members(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_FILES:
        raise ImageError(Reason.TOO_MUCH, f"The zip holds {len(members)} files; a firmware has at most {MOST_FILES}.")
    seen: set[str] = set()
    total = 0
    for member in members:
        name = member.orig_filename  # as written: zipfile cuts at NUL and may replace backslashes
        check_name(name.removesuffix("/"))
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ImageError(Reason.UNSAFE_PATH, f'"{name}" in the zip is a link, not a file. Do not use this package.')
        # Some systems are blind to case, or to how an accent is written: they would take both for the same file.
        same = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
        if same in seen:
            raise ImageError(Reason.DUPLICATE_NAME, f'The zip holds "{name}" twice. Do not use this package.')
        seen.add(same)
        if member.flag_bits & 1:
            raise ImageError(Reason.BAD_ARCHIVE, f'"{name}" in the zip needs a password. Use a zip without.')
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImageError(Reason.BAD_ARCHIVE, f'"{name}" is packed in an unusual way. Pack it as an ordinary zip.')
        total += member.file_size
        if total > LARGEST_FILE:
            raise ImageError(Reason.TOO_MUCH, f"Unpacked, the zip has more than {LARGEST_FILE >> 20} MiB.")
        if member.file_size > max(_RATIO_COUNTS_FROM, MOST_RATIO * member.compress_size):
            raise ImageError(Reason.TOO_MUCH, f'"{name}" grows more than {MOST_RATIO} times when unpacked.')


def _damaged(name: str | None = None) -> ImageError:
    what = f'"{name}" in the zip is damaged' if name else "The zip is damaged or no zip"
    return ImageError(Reason.BAD_ARCHIVE, f"{what}. Get the file again.")
