"""Faults of a virtual module's USB line, as `--fault` names them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

DEFAULT_DURATION_S = 3.0
_FORM = "Write faults as unplug@S[:D], stall@S[:D], drop=P or corrupt=P, with commas between them"


class FaultError(ValueError):
    """A fault that can't be understood; one sentence that says what to write."""


@dataclass(frozen=True)
class Interval:
    """From start_s after the start, for duration_s."""

    start_s: float
    duration_s: float

    def holds(self, t: float) -> bool:
        """Whether time t (s) lies inside."""
        return self.start_s <= t < self.start_s + self.duration_s


@dataclass(frozen=True)
class Faults:
    """unplug: the port is gone. stall: the module neither sends nor answers, its clock goes on. drop: probability that
    a frame to the host is lost whole. corrupt: probability that a byte to the host arrives with one bit flipped."""

    unplug: tuple[Interval, ...] = ()
    stall: tuple[Interval, ...] = ()
    drop: float = 0.0
    corrupt: float = 0.0


NO_FAULTS = Faults()

_TIMED = re.compile(r"(unplug|stall)@([0-9.eE+-]+)(?::([0-9.eE+-]+))?")
_CHANCE = re.compile(r"(drop|corrupt)=([0-9.eE+-]+)")


def parse_faults(text: str) -> Faults:
    """Faults from `unplug@S[:D],drop=P,corrupt=P,stall@S[:D]`: S and D in seconds (D 3 if not given), P 0 to 1.

    unplug and stall may be given more than once. Empty text means none. Raises FaultError.
    """
    timed: dict[str, list[Interval]] = {"unplug": [], "stall": []}
    chance: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if match := _TIMED.fullmatch(part):
            name, start, duration = match.groups()
            length_s = DEFAULT_DURATION_S if duration is None else _number(duration, part)
            start_s = _number(start, part)
            if start_s < 0.0 or length_s <= 0.0:
                raise FaultError(f"Fault {part!r} is not at a time to come. {_FORM}; S is 0 or more, D more than 0.")
            timed[name].append(Interval(start_s, length_s))
        elif match := _CHANCE.fullmatch(part):
            name, value = match.groups()
            if name in chance:
                raise FaultError(f"Fault {name!r} is given twice. Leave one of them out.")
            chance[name] = _number(value, part)
            if not 0.0 <= chance[name] <= 1.0:
                raise FaultError(f"Fault {part!r} has no probability. Give P from 0 to 1, for example {name}=0.01.")
        else:
            raise FaultError(f"{part!r} is not a fault. {_FORM}.")
    return Faults(tuple(timed["unplug"]), tuple(timed["stall"]), chance.get("drop", 0.0), chance.get("corrupt", 0.0))


def _number(text: str, part: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FaultError(f"{text!r} in fault {part!r} is not a number. {_FORM}.")
    return value
