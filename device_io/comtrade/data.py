"""Reads the samples (.dat) of a COMTRADE record, a bounded block at a time.

Binary data is memory-mapped: rows of sample number (uint32), time stamp (uint32), analog samples and 16-bit words of
status, little-endian. ASCII data is parsed some lines at a time. Codes for missing samples become NaN.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from device_io.comtrade.config import Config
from device_io.comtrade.errors import FileError, ReadingStopped
from device_io.comtrade.files import DataPlace

NO_STAMP = -1
_NO_STAMP_BINARY = 0xFFFFFFFF
_READ_BYTES = 1 << 18
_MAX_LINE_BYTES = 1 << 20
_MAPPED_AROUND_BYTES = 4 << 20  # a page that is asked for may bring pages before it back
_SAMPLE_TYPES = {"BINARY": "<i2", "BINARY32": "<i4", "FLOAT32": "<f4"}
_MISSING = {"BINARY": -(2**15), "BINARY32": -(2**31), "FLOAT32": float(np.finfo(np.float32).tiny)}
_MISSING_ASCII = 99999
_MISSING_1991 = -1  # 0xFFFF


@dataclass(frozen=True)
class Rows:
    """Consecutive rows of the file.

    numbers: int64 [n] sample numbers; stamps: int64 [n] time stamps, `NO_STAMP` where blank;
    samples: float64 [n, asked columns] as stored, NaN where missing.
    """

    numbers: NDArray[np.int64]
    stamps: NDArray[np.int64]
    samples: NDArray[np.float64]


class SampleData(Protocol):
    """The rows of a .dat file."""

    row_count: int

    def rows(self, columns: Sequence[int], start: int, stop: int, rows_per_block: int) -> Iterator[Rows]:
        """Rows start..stop - 1 of these analog channels, at most so many a time. FileError in a damaged row."""

    def close(self) -> None:
        """Let go of the file. May be called twice."""


def open_data(place: DataPlace, config: Config, stopped: Callable[[], bool]) -> SampleData:
    """The rows of a record. `stopped` is asked every block; once it says so, reading ends with ReadingStopped.
    OSError where the file can't be opened."""
    if place.length <= 0:
        raise FileError(f'"{place.path.name}" holds no samples: it is empty. Copy the record again from where it came.')
    if config.format == "ASCII":
        return _AsciiData(place, config, stopped)
    return _BinaryData(place, config, stopped)


class _BinaryData:
    def __init__(self, place: DataPlace, config: Config, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        sample_type = _SAMPLE_TYPES[config.format]
        fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [
            ("number", "<u4"),
            ("stamp", "<u4"),
            ("analog", sample_type, (len(config.analog),)),
            ("status", "<u2", (-(-config.status_count // 16),)),
        ]
        self._row = np.dtype(fields)
        self._offset = place.offset
        self._config = config
        self.row_count = place.length // self._row.itemsize
        with place.path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def rows(self, columns: Sequence[int], start: int, stop: int, rows_per_block: int) -> Iterator[Rows]:
        missing = self._missing(columns)
        for first in range(start, min(stop, self.row_count), rows_per_block):
            if self._stopped():
                raise ReadingStopped
            count = min(rows_per_block, stop - first, self.row_count - first)
            yield self._read(first, count, list(columns), missing)
            self._release(first, count)

    def _read(self, first: int, count: int, columns: list[int], missing: NDArray[np.float64]) -> Rows:
        """Copies, so that nothing holds on to the map."""
        place = self._offset + first * self._row.itemsize
        raw = np.frombuffer(self._map, self._row, count, place)
        with np.errstate(invalid="ignore"):  # a signalling NaN in FLOAT32
            samples = raw["analog"][:, columns].astype(np.float64)
        samples[(samples == missing) | ~np.isfinite(samples)] = np.nan
        stamps = raw["stamp"].astype(np.int64)
        stamps[stamps == _NO_STAMP_BINARY] = NO_STAMP
        return Rows(raw["number"].astype(np.int64), stamps, samples)

    def _release(self, first: int, count: int) -> None:
        """Give the pages of these rows back, so that a long record does not fill the memory of the process. Where the
        system can't be told, it does so by itself when memory runs short."""
        advice = getattr(mmap, "MADV_DONTNEED", None)
        if advice is None or self._map.closed:
            return
        place = self._offset + first * self._row.itemsize
        start = max(place - place % mmap.PAGESIZE - _MAPPED_AROUND_BYTES, 0)
        self._map.madvise(advice, start, place + count * self._row.itemsize - start)

    def _missing(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """The code of each column. That of 1991 (-1) is an everyday sample unless the stated range leaves it out."""
        if self._config.revision >= 1999 or self._config.format != "BINARY":
            return np.full(len(columns), _MISSING[self._config.format], dtype=np.float64)
        channels = [self._config.analog[column] for column in columns]
        return np.array(
            [np.nan if channel.low <= _MISSING_1991 <= channel.high else _MISSING_1991 for channel in channels]
        )

    def close(self) -> None:
        with suppress(BufferError):  # a view in the traceback of an error: the map goes with it
            self._map.close()


class _AsciiData:
    def __init__(self, place: DataPlace, config: Config, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self._path, self._offset, self._length = place.path, place.offset, place.length
        self._columns = 2 + len(config.analog) + config.status_count
        self._analog_count = len(config.analog)
        self._status_count = config.status_count
        self._line_commas = 0  # of the first line: some writers end each with a comma
        self.row_count = self._count()

    def _count(self) -> int:
        """Whole rows: a last line with too few columns is where a file was cut."""
        count, last = 0, b""
        with self._path.open("rb") as file:
            for lines in self._lines(file):
                if not count:
                    self._line_commas = lines[0].count(b",")
                    if self._line_commas + 1 not in (self._columns, self._columns + 1):
                        raise self._wrong_columns(1, lines[0])
                count += len(lines)
                last = lines[-1]
        return count - (last.count(b",") + 1 < self._columns) if count else 0

    def rows(self, columns: Sequence[int], start: int, stop: int, rows_per_block: int) -> Iterator[Rows]:
        stop = min(stop, self.row_count)
        at = 0  # rows read or passed over
        waiting: list[bytes] = []
        with self._path.open("rb") as file:
            for lines in self._lines(file):
                begin, at = at, at + len(lines)
                waiting += lines[max(start - begin, 0) : max(stop - begin, 0)]
                while len(waiting) >= rows_per_block or (waiting and at >= stop):
                    yield self._parse(waiting[:rows_per_block], columns, min(at, stop) - len(waiting))
                    del waiting[:rows_per_block]
                if at >= stop:
                    return

    def _lines(self, file: IO[bytes]) -> Iterator[list[bytes]]:
        """Lines that hold something, some at a time."""
        file.seek(self._offset)
        left, carry = self._length, b""
        while left > 0:
            if self._stopped():
                raise ReadingStopped
            chunk = file.read(min(left, _READ_BYTES))
            left = left - len(chunk) if chunk else 0
            text = (carry + chunk).replace(b"\r", b"\n").replace(b"\x1a", b"\n")
            *whole, carry = text.split(b"\n")
            if left <= 0:
                whole.append(carry)
            elif len(carry) > _MAX_LINE_BYTES:
                raise FileError(f'"{self._path.name}" is not the ASCII data that its .cfg announces: it has no lines.')
            lines = [line for line in whole if line.strip()]
            if lines:
                yield lines

    def _parse(self, lines: list[bytes], columns: Sequence[int], first_row: int) -> Rows:
        if any(line.count(b",") != self._line_commas for line in lines):
            for row, line in enumerate(lines, first_row + 1):
                if line.count(b",") != self._line_commas:
                    raise self._wrong_columns(row, line)
        width = self._line_commas + 1
        fields = b",".join(lines).split(b",")
        try:
            numbers = np.array([int(field) for field in fields[0::width]], dtype=np.int64)
            stamps = np.array([_stamp(field) for field in fields[1::width]], dtype=np.int64)
            samples = np.empty((len(lines), len(columns)))
            for k, column in enumerate(columns):
                samples[:, k] = [float(field) if field.strip() else np.nan for field in fields[2 + column :: width]]
        except (ValueError, OverflowError):
            raise FileError(
                f'"{self._path.name}" is damaged: a field in rows {first_row + 1} to {first_row + len(lines)} '
                "is not a number."
            ) from None
        samples[(samples == _MISSING_ASCII) | ~np.isfinite(samples)] = np.nan
        return Rows(numbers, stamps, samples)

    def _wrong_columns(self, row: int, line: bytes) -> FileError:
        return FileError(
            f'Row {row} of "{self._path.name}" has {line.count(b",") + 1} columns where its .cfg announces '
            f"{self._columns} (number, time, {self._analog_count} analog, {self._status_count} status): "
            "the two files do not belong together, or the .dat is damaged."
        )

    def close(self) -> None:
        """Nothing is held between reads."""


def _stamp(field: bytes) -> int:
    return int(float(field)) if field.strip() else NO_STAMP
