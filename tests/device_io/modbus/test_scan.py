"""The scan finds what is there, writes nothing, and can be cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from device_io.modbus import scan as scan_module
from device_io.modbus.scan import scan
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import parse_serial_url
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, framed
from tests.fakes.rtu_line import MemoryLine, running_module

Serve = Callable[[Rs485Port], str]


def test_modules_are_found_at_their_settings(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan_module, "FIRST_UNITS", 3)
    monkeypatch.setattr(scan_module, "REPLY_S", 1.0)  # a busy computer may keep a unit from answering for a while
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 1.0)
    modules = [running_module("clean", seed=n) for n in range(2)]
    for module, unit in zip(modules, (3, 20), strict=True):
        module.settings.write({"rs485_unit": unit, "rs485_baud": 9600, "confirm": True})
    port = Rs485Port(modules, transport="pty")
    serve(port)
    told: list[tuple[int, int, str]] = []
    path = parse_serial_url(port.urls[0], "rs485").port
    units = scan(
        path, bauds=(9600, 19_200), parities=("N",), units=(2, 3, 4, 5, 20), progress=lambda *at: told.append(at)
    )
    found = list(units)
    assert [(unit.baud, unit.unit, unit.info and unit.info.eui) for unit in found] == [
        (9600, 3, modules[0].info.eui),
        (9600, 20, modules[1].info.eui),
    ]
    assert [unit.url for unit in found] == list(port.urls)
    # 9600 baud with all five units, 19 200 with the three low ones alone.
    assert [at for at, _, _ in told] == [*range(8), 8]
    assert [total for _, total, _ in told] == [10, 10, *[8] * 7]


def test_a_module_at_a_high_address_is_found_and_the_scan_ends(in_told_time: None, monkeypatch: pytest.MonkeyPatch):
    """It looks at every address at its setting, and not at every address at all other settings."""
    monkeypatch.setattr(scan_module, "REPLY_S", 0.001)
    monkeypatch.setattr(scan_module, "QUIET_S", 0.0)
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 0.0)
    module = running_module("clean")
    module.settings.write({"rs485_unit": 2, "confirm": True})
    behind = RtuSlave([ModuleRegisters(module)])
    lines: dict[tuple[int, str], list[MemoryLine]] = {}

    class Deaf(MemoryLine):
        def write(self, data: bytes) -> None:
            self.requests.append(data)

    def opener(port: str, baud: int, parity: str) -> MemoryLine:
        line = (MemoryLine if (baud, parity) == (9600, "E") else Deaf)(behind)
        lines.setdefault((baud, parity), []).append(line)
        return line

    told: list[tuple[int, int]] = []
    found = list(
        scan(
            "x",
            bauds=(9600, 19_200, 115_200),
            opener=opener,
            progress=lambda done, total, _: told.append((done, total)),
        )
    )
    assert [(unit.baud, unit.parity, unit.unit) for unit in found] == [(9600, "E", 2)]
    asked = {at: {request[0] for line in of for request in line.requests} for at, of in lines.items()}
    assert asked.pop((9600, "E")) == set(range(1, 248))
    assert len(asked) == 8
    assert all(units <= set(range(1, 17)) for units in asked.values())
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (247 + 8 * 16, 247 + 8 * 16)


def test_an_exception_proves_presence_and_nothing_is_written(in_told_time: None):
    class Other(MemoryLine):
        """A meter that knows other registers only, and its own name."""

        def write(self, data: bytes) -> None:
            self.requests.append(data)
            if data[0] == 7:
                name = bytes.fromhex("2B 0E 02 83 00 00 01 00 04") + b"Acme"
                self.send(framed(bytes([7]) + (name if data[1] == 43 else bytes([data[1] | 0x80, 2]))))

    line = Other(RtuSlave([ModuleRegisters(running_module("clean"))]))
    found = list(scan("x", bauds=(115_200,), parities=("N",), units=range(5, 9), opener=lambda *_: line))
    assert [(unit.unit, unit.info, unit.name) for unit in found] == [(7, None, "Acme")]
    assert {request[1] for request in line.requests} <= {3, 4, 43}
    assert line.closed


def busy(times: int) -> Callable[[bytes], list[tuple[float, bytes]]]:
    """Exception 6 instead of the first replies."""
    left = iter(range(times))
    return lambda reply: [(0.0, reply if next(left, None) is None else framed(reply[:1] + bytes([reply[1] | 0x80, 6])))]


def test_a_busy_module_is_asked_again(in_told_time: None):
    line = MemoryLine(RtuSlave([ModuleRegisters(running_module("clean"))]), busy(2))
    found = list(scan("x", bauds=(19_200,), parities=("E",), units=(1,), opener=lambda *_: line))
    assert [unit.info is not None for unit in found] == [True]
    assert {request[1] for request in line.requests} == {4}


def test_a_module_is_found_without_a_write(in_told_time: None):
    line = MemoryLine(RtuSlave([ModuleRegisters(running_module("clean"))]))
    found = list(scan("x", bauds=(19_200,), parities=("E",), units=(1,), opener=lambda *_: line))
    assert found[0].info is not None
    assert {request[1] for request in line.requests} == {4}


def test_it_is_cancelled_at_once(serve: Serve):
    path = parse_serial_url(serve(Rs485Port(running_module("clean"), transport="pty")), "rs485").port
    began_s = time.monotonic()
    cancel_s = began_s + 0.4
    assert list(scan(path, bauds=(1200,), units=range(2, 248), cancelled=lambda: time.monotonic() > cancel_s)) == []
    assert time.monotonic() - cancel_s < 10.0, "half a second on a computer that has the time; all of it takes minutes"


def test_likely_settings_come_first():
    opened: list[tuple[int, str]] = []

    def opener(port: str, baud: int, parity: str) -> MemoryLine:
        opened.append((baud, parity))
        raise LinkError(LinkErrorKind.REFUSED, "The adapter can't do this.")

    with pytest.raises(LinkError):
        list(scan("x", opener=opener))
    assert opened[:2] == [(19_200, "E"), (9_600, "N")]
    assert len(set(opened)) == 8 * 3
    assert len(opened) == 2 * 8 * 3


def test_a_port_that_is_not_there_is_told():
    with pytest.raises(LinkError) as caught:
        list(scan("/dev/there-is-none"))
    assert caught.value.kind == LinkErrorKind.NO_SUCH_PORT
