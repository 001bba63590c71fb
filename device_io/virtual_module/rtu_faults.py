"""Faults of a virtual module's RS485 line, as `--fault` names them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from device_io.virtual_module.faults import DEFAULT_DURATION_S, FaultError, Interval
from device_io.virtual_module.rtu_slave import framed

PREFIX = "rtu-"
_CHANCES = ("bad-crc", "short", "noise", "wrong-unit", "exception", "lost")
_FORM = (
    "Write faults of RS485 as rtu-off@S[:D], rtu-unplug@S[:D], rtu-late@MS=P, rtu-bad-crc=P, rtu-short=P, "
    "rtu-noise=P, rtu-wrong-unit=P, rtu-exception=P or rtu-lost=P, with commas between them"
)
_BUSY = 6


@dataclass(frozen=True)
class RtuFaults:
    """off: the module has no power on the bus and is silent. unplug: the port is gone. late: (probability, seconds) by
    which a reply comes later than it should. The others are the probability that a reply has a bad CRC, is cut short,
    has noise before and behind it, names another unit, is exception 6 (busy) instead, or is lost."""

    off: tuple[Interval, ...] = ()
    unplug: tuple[Interval, ...] = ()
    late: tuple[tuple[float, float], ...] = ()
    bad_crc: float = 0.0
    short: float = 0.0
    noise: float = 0.0
    wrong_unit: float = 0.0
    exception: float = 0.0
    lost: float = 0.0


NO_RTU_FAULTS = RtuFaults()

_TIMED = re.compile(r"rtu-(off|unplug)@([0-9.eE+-]+)(?::([0-9.eE+-]+))?")
_LATE = re.compile(r"rtu-late@([0-9.eE+-]+)=([0-9.eE+-]+)")
_CHANCE = re.compile(rf"rtu-({'|'.join(_CHANCES)})=([0-9.eE+-]+)")


def split_faults(text: str) -> tuple[str, str]:
    """A list of faults parted into those of the USB port and those of RS485."""
    parts = [piece.strip() for piece in text.split(",") if piece.strip()]
    usb = ",".join(part for part in parts if not part.startswith(PREFIX))
    return usb, ",".join(part for part in parts if part.startswith(PREFIX))


def parse_rtu_faults(text: str) -> RtuFaults:
    """Faults from `rtu-off@S[:D],rtu-late@MS=P,rtu-bad-crc=P,...`: S and D in seconds (D 3 if not given), P 0 to 1.

    Timed ones and rtu-late may be given more than once. Empty text means none. Raises FaultError.
    """
    timed: dict[str, list[Interval]] = {"off": [], "unplug": []}
    late: list[tuple[float, float]] = []
    chance: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if match := _TIMED.fullmatch(part):
            start_s = _number(match[2], part)
            length_s = DEFAULT_DURATION_S if match[3] is None else _number(match[3], part)
            if start_s < 0.0 or length_s <= 0.0:
                raise FaultError(f"Fault {part!r} is not at a time to come. {_FORM}; S is 0 or more, D more than 0.")
            timed[match[1]].append(Interval(start_s, length_s))
        elif match := _LATE.fullmatch(part):
            delay_ms = _number(match[1], part)
            if delay_ms < 0.0:
                raise FaultError(f"Fault {part!r} is not a delay. Give milliseconds, for example rtu-late@400=0.1.")
            late.append((_probability(match[2], part), delay_ms / 1000.0))
        elif match := _CHANCE.fullmatch(part):
            name = match[1].replace("-", "_")
            if name in chance:
                raise FaultError(f"Fault {PREFIX}{match[1]!r} is given twice. Leave one of them out.")
            chance[name] = _probability(match[2], part)
        else:
            raise FaultError(f"{part!r} is not a fault. {_FORM}.")
    return RtuFaults(tuple(timed["off"]), tuple(timed["unplug"]), tuple(late), **chance)


class Spoiler:
    """Applies faults to replies."""

    def __init__(self, faults: RtuFaults, seed: int | None = None) -> None:
        self._faults = faults
        self._rng = np.random.default_rng(seed)

    def spoilt(self, reply: bytes) -> tuple[float, bytes]:
        """(seconds of delay, what is sent instead of a reply)."""
        faults = self._faults
        if self._happens(faults.lost):
            return 0.0, b""
        if self._happens(faults.exception):
            reply = framed(bytes([reply[0], reply[1] | 0x80, _BUSY]))
        if self._happens(faults.wrong_unit):
            reply = framed(bytes([reply[0] % 247 + 1]) + reply[1:-2])
        if self._happens(faults.bad_crc):
            at = int(self._rng.integers(len(reply)))
            reply = reply[:at] + bytes([reply[at] ^ int(self._rng.integers(1, 256))]) + reply[at + 1 :]
        if self._happens(faults.short):
            reply = reply[: int(self._rng.integers(1, len(reply)))]
        if self._happens(faults.noise):
            before, behind = (self._rng.bytes(int(self._rng.integers(1, 5))) for _ in range(2))
            reply = before + reply + behind
        return sum(delay_s for chance, delay_s in faults.late if self._happens(chance)), reply

    def _happens(self, chance: float) -> bool:
        return chance > 0.0 and self._rng.random() < chance


def _probability(text: str, part: str) -> float:
    value = _number(text, part)
    if not 0.0 <= value <= 1.0:
        raise FaultError(f"Fault {part!r} has no probability. Give P from 0 to 1, for example rtu-lost=0.01.")
    return value


def _number(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FaultError(f"{text!r} in fault {part!r} is not a number. {_FORM}.")
    return value
