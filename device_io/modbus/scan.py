"""Looks for units on an RS485 bus whose settings nobody knows. It only reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from device_io.modbus import codec
from device_io.modbus.errors import BusError, DamagedReply, ExceptionReply, NoReply
from device_io.modbus.line import ByteLine, LineOpener, open_line
from device_io.modbus.unit import Result, Stopped, Unit
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.urls import RS485_BAUDS
from resources import register_map as rm

if TYPE_CHECKING:
    from device_io.modbus.client import Master

REPLY_S, QUIET_S = 0.15, 0.01
"""A unit is given this time. A later reply names its unit, so it is not taken for another one's."""
LIKELY = ((19_200, "E"), (9_600, "N"), (9_600, "E"), (19_200, "N"), (115_200, "N"), (38_400, "N"))
"""Settings of a line that are tried first: the standard's, then what is found in the field."""
_BUSY_PAUSES_S = (0.05, 0.1, 0.2)
FIRST_UNITS = 16
"""Addresses that are tried with all settings before the others are with any."""


class FoundUnit(NamedTuple):
    """A unit that answered. info: where it is a module. name: what another device calls itself, "" if it does not."""

    port: str
    baud: int
    parity: str
    unit: int
    info: ModuleInfo | None
    name: str

    @property
    def url(self) -> str:
        """For a link."""
        mark = "&" if "?" in self.port else "?"
        return f"rs485:{self.port}{mark}baud={self.baud}&parity={self.parity}&unit={self.unit}"


class _Step(NamedTuple):
    baud: int
    parity: str
    units: tuple[int, ...]
    low: bool  # whether these are the low addresses


def scan(
    port: str,
    *,
    bauds: Sequence[int] = RS485_BAUDS,
    parities: Sequence[str] = ("E", "N", "O"),
    units: Sequence[int] = range(1, 248),
    progress: Callable[[int, int, str], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
    opener: LineOpener = open_line,
) -> Iterator[FoundUnit]:
    """Units as they are found, likely settings and low addresses first; once one is found, all addresses at its setting
    and the low ones at others. A unit that answers with an exception is there too. progress: (requests done, of so
    many, which may become fewer, what is tried). cancelled: asked often; the scan ends within 0.5 s.

    :raises LinkError: if the port can't be opened or goes away.
    """
    steps = _steps(bauds, parities, units)
    total = sum(len(step.units) for step in steps)
    done = 0
    found: set[int] = set()
    while steps:
        step = steps.pop(0)
        what = f"{step.baud} baud, parity {step.parity}"
        try:
            line = opener(port, step.baud, step.parity)
        except LinkError as error:
            if error.kind != LinkErrorKind.REFUSED or not steps:
                raise
            done += len(step.units)  # the adapter can't do this rate
            continue
        try:
            master = _master(line, step)
            master.stopped = cancelled
            for unit in step.units:
                if cancelled():
                    return
                progress(done, total, what)
                done += 1
                if unit in found:
                    continue
                there = _look(master, port, step, unit, cancelled)
                if there is not None:
                    found.add(unit)
                    # A bus has one setting: finish it first, then look for modules that were left at another one, at
                    # low addresses only. All of them with all settings would take a quarter of an hour.
                    same = [other for other in steps if other[:2] == step[:2]]
                    low = [other for other in steps if other[:2] != step[:2] and other.low]
                    total -= sum(len(other.units) for other in steps) - sum(len(other.units) for other in same + low)
                    steps = same + low
                    yield there
        finally:
            line.close()
    progress(total, total, "")


def _steps(bauds: Sequence[int], parities: Sequence[str], units: Sequence[int]) -> list[_Step]:
    settings = [pair for pair in LIKELY if pair[0] in bauds and pair[1] in parities]
    settings += [(b, p) for b in sorted(bauds, reverse=True) for p in parities if (b, p) not in settings]
    first, rest = tuple(units[:FIRST_UNITS]), tuple(units[FIRST_UNITS:])
    return [_Step(*pair, chosen, chosen is first) for chosen in (first, rest) if chosen for pair in settings]


def _master(line: ByteLine, step: _Step) -> Master:
    from device_io.modbus.client import Master

    return Master(line, step.baud, step.parity, reply_s=REPLY_S, quiet_s=QUIET_S)


def _look(master: Master, port: str, step: _Step, unit: int, cancelled: Callable[[], bool]) -> FoundUnit | None:
    """What is at an address; None for nobody, or if it was cancelled."""
    info, name = None, ""
    try:
        if is_module(master, unit):
            info = Unit(master, unit, cancelled, f"Unit {unit} on {port}").identify()
        else:
            name = _name(master, unit)
    except (NoReply, DamagedReply, Stopped):
        return None
    except (BusError, LinkError) as error:
        if isinstance(error, LinkError) and error.kind == LinkErrorKind.UNPLUGGED:
            raise
    return FoundUnit(port, step.baud, step.parity, unit, info, name)


def is_module(master: Master, unit: int) -> bool:
    """Whether the unit that answers at an address is a module; one that is busy is asked again. NoReply or DamagedReply
    if none answers, ExceptionReply if it stays busy."""
    address = rm.block_address(rm.IDENTITY_BLOCK)
    for pause_s in (*_BUSY_PAUSES_S, None):
        try:
            registers = _twice(lambda: master.read_input(unit, address, rm.HEADER_REGISTERS + 3))
        except ExceptionReply as error:
            if not error.is_busy:
                return False
            if pause_s is None:
                raise
            time.sleep(pause_s)
        else:
            return registers[0] == address and codec.is_identity(registers[rm.HEADER_REGISTERS :])
    raise AssertionError


def _name(master: Master, unit: int) -> str:
    try:
        objects = _twice(lambda: master.identification(unit))
    except BusError:
        return ""
    return " ".join(objects[n].decode("utf-8", "replace") for n in (0, 1, 2) if n in objects)


def _twice(ask: Callable[[], Result]) -> Result:
    """Once more where the reply was damaged."""
    try:
        return ask()
    except DamagedReply:
        return ask()
