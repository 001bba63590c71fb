"""Names of files inside packages: relative, plain, and never leading out."""

from __future__ import annotations

import re
from pathlib import Path

from firmware_images.errors import ImageError, Reason

LARGEST_FILE = 64 << 20
"""Bytes of the largest file that is read: more than the flash of any module."""
_LONGEST_NAME = 200
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def check_name(name: str) -> str:
    """The name itself, when it is a relative path of plain parts with "/" between them.

    :raises ImageError: UNSAFE_PATH for absolute paths, "..", drive letters, backslashes, URLs, control characters and
        names that Windows keeps for devices, or would cut.
    """
    parts = name.split("/")
    plain = name and len(name) <= _LONGEST_NAME and name.isprintable() and not set(name) & set('\\:*?"<>|')
    # Windows leaves out dots and spaces at the end: "..", too, may be written as ".. ".
    if not plain or any(not part.rstrip(". ") or part[-1] in ". " or _RESERVED.fullmatch(part) for part in parts):
        shown = "".join(letter if letter.isprintable() else "�" for letter in name[:60])
        if "://" in name:
            raise ImageError(
                Reason.UNSAFE_PATH, f'"{shown}" lies on the internet. Download the whole package and use its files.'
            )
        raise ImageError(
            Reason.UNSAFE_PATH, f'The package names the file "{shown}", which leads out of it. Do not use this package.'
        )
    return name


class Folder:
    """The files of a package in a folder. Nothing outside is read, also not through symbolic links."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        """The content of a file, None when there is none.

        :raises ImageError: UNSAFE_PATH, TOO_MUCH, UNREADABLE.
        """
        path = self._root / check_name(name)
        try:
            if not path.exists():
                return None
            inside = path.resolve().is_relative_to(self._root.resolve())
        except (OSError, RuntimeError) as error:  # no access, or links in a circle
            raise ImageError(Reason.UNREADABLE, f"{path} can't be read: {error}.") from None
        if not inside:
            raise ImageError(Reason.UNSAFE_PATH, f'"{name}" is a link that leads out of the package. Do not use it.')
        return read_file(path)


def read_file(path: Path) -> bytes:
    """A whole file of at most 64 MiB. :raises ImageError: UNREADABLE, TOO_MUCH."""
    try:
        if not path.is_file():
            raise ImageError(Reason.UNREADABLE, f"There is no file {path}.")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(Reason.UNREADABLE, f"{path} can't be read: {error.strerror or error}.") from None
    if len(data) > LARGEST_FILE:
        raise ImageError(Reason.TOO_MUCH, f"{path} is larger than any firmware ({LARGEST_FILE >> 20} MiB).")
    return data
