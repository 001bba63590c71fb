"""Writing to the flash in whole sectors, finding what differs, and reading back."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from device_io.flashing.esptool_process import EsptoolError, EsptoolProcess
from firmware_images.chips import APP_ALIGNMENT, SECTOR
from firmware_images.plan import Write

Tell = Callable[[int, int], None]
"""Told (done, total) in bytes."""
_PIECE = 16 * SECTOR
_FIRST_APP = APP_ALIGNMENT
"""Below it bootloader, table, choice of the slot and settings lie close together: none of them is written for the sake
of another, since what is being written is erased first."""


def write_all(esptool: EsptoolProcess, writes: Sequence[Write], tell: Tell) -> None:
    """Write them in this order. :raises EsptoolError: :raises Cancelled:"""
    total, done = sum(len(write.data) for write in writes), 0
    with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
        path = Path(folder) / "write.bin"
        for write in writes:
            path.write_bytes(write.data)

            def of_this(part: int, of: int, begun: int = done, size: int = len(write.data)) -> None:
                tell(begun + (size * part // of if of else 0), total)

            esptool.write(write.offset, path, of_this)
            done += len(write.data)
            tell(done, total)


def verify_all(esptool: EsptoolProcess, writes: Sequence[Write], tell: Tell) -> None:
    """Compare with the digests of what stands in the flash. :raises EsptoolError: where they differ."""
    total, done = sum(len(write.data) for write in writes), 0
    for write in writes:
        if not _stands(esptool, write.offset, write.data):
            raise EsptoolError(
                f"What was read back of {write.label} is not what was written. Try again; use a lower --baud if it "
                "stays so."
            )
        done += len(write.data)
        tell(done, total)


def differing_pieces(esptool: EsptoolProcess, write: Write) -> list[Write]:
    """The runs of sectors of a write in which the flash differs, found by digests of ever smaller pieces."""
    found: list[tuple[int, int]] = []
    waiting = [(0, len(write.data))]
    while waiting:
        start, size = waiting.pop()
        if _stands(esptool, write.offset + start, write.data[start : start + size]):
            continue
        if size <= (SECTOR if write.offset + start < _FIRST_APP else _PIECE):
            found.append((start, size))
        else:
            half = size // 2 // SECTOR * SECTOR
            waiting += [(start + half, size - half), (start, half)]
    runs: list[tuple[int, int]] = []
    for start, size in found:  # in order: the lower half is always looked at first
        if runs and sum(runs[-1]) == start:
            runs[-1] = (runs[-1][0], runs[-1][1] + size)
        else:
            runs.append((start, size))
    return [Write(write.offset + start, write.data[start : start + size], write.label) for start, size in runs]


def _stands(esptool: EsptoolProcess, offset: int, data: bytes) -> bool:
    return esptool.digest(offset, len(data)) == hashlib.md5(data, usedforsecurity=False).hexdigest()
