"""A serial NOR flash memory: writing only clears bits, erasing sets whole sectors to ones."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

SECTOR = 0x1000
DEFAULT_SIZE = 4 * 1024 * 1024
SIZES = tuple(1 << power for power in range(20, 25))
"""1 to 16 MiB."""


class FlashError(Exception):
    """The memory refused: outside of it, or a sector that can't be written."""


class Flash:
    """Contents of `size` bytes, blank unless `path` names a file with them. Changes go to that file at once.

    sectors_erased, bytes_written: counters; erasures: by sector number. Raises ValueError (size), OSError (file).
    """

    def __init__(self, size: int = DEFAULT_SIZE, path: Path | None = None) -> None:
        if size not in SIZES:
            raise ValueError(f"A flash memory has 1, 2, 4, 8 or 16 MiB, not {size} bytes.")
        self.size = size
        self.sectors_erased = self.bytes_written = 0
        self.erasures: Counter[int] = Counter()
        self._worn: frozenset[int] = frozenset()
        self._write_errors: tuple[int, ...] = ()
        self._data = bytearray(b"\xff") * size
        self._file = None
        if path is not None:
            if path.exists() and path.stat().st_size:
                if path.stat().st_size != size:
                    raise ValueError(
                        f"{path} holds {path.stat().st_size} bytes, but the flash memory {size}: name another file."
                    )
                self._data[:] = path.read_bytes()
            else:
                path.touch(mode=0o600)  # settings in it hold passwords
                path.write_bytes(self._data)
            self._file = path.open("r+b", buffering=0)

    @property
    def blank(self) -> bool:
        """Whether nothing was ever written."""
        return self._data.count(0xFF) == self.size

    def wear(self, worn: Iterable[int] = (), write_errors: Iterable[int] = ()) -> None:
        """From now on: the sectors with the offsets `worn` do not erase any more (a bit in every 64 bytes stays 0), and
        writing at the offsets `write_errors` fails."""
        self._worn = frozenset(offset // SECTOR for offset in worn)
        self._write_errors = tuple(write_errors)

    def read(self, offset: int, length: int) -> bytes:
        """Raises FlashError outside of the memory."""
        self._check(offset, length)
        return bytes(self._data[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Clear bits. Raises FlashError; nothing is written then."""
        self._check(offset, len(data))
        if any(offset <= bad < offset + len(data) for bad in self._write_errors):
            raise FlashError(f"Writing at {offset:#x} failed.")
        old = int.from_bytes(self._data[offset : offset + len(data)], "little")
        self._store(offset, (old & int.from_bytes(data, "little")).to_bytes(len(data), "little"))
        self.bytes_written += len(data)

    def erase(self, offset: int, length: int) -> None:
        """Erase every sector that holds one of these bytes. Raises FlashError."""
        self._check(offset, length)
        if not length:
            return
        first, last = offset // SECTOR, (offset + length - 1) // SECTOR
        blank = bytearray(b"\xff") * ((last - first + 1) * SECTOR)
        for sector in range(first, last + 1):
            self.erasures[sector] += 1
            if sector in self._worn:
                start = (sector - first) * SECTOR
                blank[start : start + SECTOR : 64] = b"\xef" * (SECTOR // 64)
        self._store(first * SECTOR, bytes(blank))
        self.sectors_erased += last - first + 1

    def md5(self, offset: int, length: int) -> bytes:
        """MD5 of a range, 16 bytes. Raises FlashError."""
        self._check(offset, length)
        return hashlib.md5(memoryview(self._data)[offset : offset + length], usedforsecurity=False).digest()

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _store(self, offset: int, data: bytes) -> None:
        self._data[offset : offset + len(data)] = data
        if self._file is not None:
            self._file.seek(offset)
            self._file.write(data)

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise FlashError(f"{offset:#x} with {length} bytes lies outside of the flash memory.")
