"""Faults of a virtual ESP32 board, as `--fault` names them beside those of the line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from device_io.virtual_module.faults import DEFAULT_DURATION_S, NO_FAULTS, FaultError, Faults, parse_faults

_FORM = (
    "Write faults of the board as flash-unplug@BYTE[:S], flash-stall@BYTE, flash-drop@BYTE, flash-write-error@OFFSET, "
    "worn@OFFSET, flash-wrong-digest, secure-boot, secure-boot-v1, flash-encryption or esp32-c3"
)
_AT = re.compile(r"(flash-unplug|flash-stall|flash-drop|flash-write-error|worn)@([^:]*)(?::(.*))?")
_OURS = re.compile(r"(flash-|worn\b|secure-boot|esp32).*")


@dataclass(frozen=True)
class BoardFaults:
    """unplug, stall, drop: count of bytes that the loader has received when the port vanishes (for unplug_s seconds),
    the chip falls silent until it is reset, or one byte is lost; each happens once. write_error, worn: flash offsets.
    wrong_digest: MD5 answers have a wrong byte. secure_boot: 0, 1 (V1) or 2 (V2). flash_encryption, c3: what the chip
    is."""

    unplug: tuple[int, ...] = ()
    stall: tuple[int, ...] = ()
    drop: tuple[int, ...] = ()
    write_error: tuple[int, ...] = ()
    worn: tuple[int, ...] = ()
    wrong_digest: bool = False
    secure_boot: int = 0
    flash_encryption: bool = False
    c3: bool = False
    unplug_s: float = DEFAULT_DURATION_S


NO_BOARD_FAULTS = BoardFaults()

_FIELDS = {
    "flash-unplug": "unplug",
    "flash-stall": "stall",
    "flash-drop": "drop",
    "flash-write-error": "write_error",
    "worn": "worn",
}
_FLAGS: dict[str, dict[str, Any]] = {
    "flash-wrong-digest": {"wrong_digest": True},
    "secure-boot": {"secure_boot": 2},
    "secure-boot-v1": {"secure_boot": 1},
    "flash-encryption": {"flash_encryption": True},
    "esp32-c3": {"c3": True},
}


def parse_all_faults(text: str) -> tuple[Faults, BoardFaults]:
    """Faults of the line (`virtual_module.faults`) and of the board, from one list with commas. Raises FaultError."""
    parts = [part for part in (piece.strip() for piece in text.split(",")) if part]
    board = NO_BOARD_FAULTS
    for part in parts:
        if _OURS.fullmatch(part):
            board = _with(board, part)
    line = ",".join(part for part in parts if not _OURS.fullmatch(part))
    return parse_faults(line) if line else NO_FAULTS, board


def parse_board_faults(text: str) -> BoardFaults:
    """Faults of the board alone. Raises FaultError."""
    board = NO_BOARD_FAULTS
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        board = _with(board, part)
    return board


def _with(faults: BoardFaults, part: str) -> BoardFaults:
    if flags := _FLAGS.get(part):
        return replace(faults, **flags)
    match = _AT.fullmatch(part)
    if match and (match[3] is None or match[1] == "flash-unplug"):
        field = _FIELDS[match[1]]
        changes: dict[str, Any] = {field: (*getattr(faults, field), _number(match[2], part))}
        if match[3] is not None:
            changes["unplug_s"] = _seconds(match[3], part)
        return replace(faults, **changes)
    raise FaultError(f"{part!r} is not a fault. {_FORM}.")


def _number(text: str, part: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise FaultError(f"{text!r} in fault {part!r} is not a number of bytes (decimal or 0x...). {_FORM}.")
    return value


def _seconds(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e6:
        raise FaultError(f"{text!r} in fault {part!r} is not a number of seconds. {_FORM}.")
    return value
