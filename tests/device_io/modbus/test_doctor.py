"""The RS485 doctor names the link of the chain that was broken."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest

from device_io.doctor import Check
from device_io.modbus import doctor, scan
from device_io.modbus.doctor import examine
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, framed
from tests.fakes.rtu_line import MemoryLine, running_module

URL = "rs485:COM9?baud=19200&parity=E&unit=1"


PATIENT_S = 5.0
"""For real ports: a busy computer may keep a unit from answering for a while."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slaves in memory answer at once."""
    monkeypatch.setattr(doctor, "REPLY_S", 0.012)
    monkeypatch.setattr(doctor, "QUIET_S", 0.0)
    monkeypatch.setattr(doctor, "LISTEN_S", 0.05)
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 0.005)


def by_name(checks: list[Check]) -> dict[str, Check]:
    assert [check.name for check in checks] == list(doctor._NAMES)
    for check in checks:
        assert "\n" not in check.text
        assert check.state != "bad" or check.advice or check.name in ("Port", "Reply")
    return {check.name: check for check in checks}


def slave(*units: int) -> RtuSlave:
    modules = [running_module("clean", seed=n) for n in range(len(units))]
    for module, unit in zip(modules, units, strict=True):
        module.settings.write({"rs485_unit": unit, "confirm": True})
    return RtuSlave([ModuleRegisters(module) for module in modules])


class Refusing(MemoryLine):
    """A device that answers everything with one exception."""

    def __init__(self, code: int) -> None:
        super().__init__(slave(1))
        self._code = code

    def write(self, data: bytes) -> None:
        self.requests.append(data)
        self.send(framed(bytes([data[0], data[1] | 0x80, self._code])))


class ParityLine(MemoryLine):
    """A line that knows baud and parity: with others the slave understands nothing."""

    def __init__(self, behind: RtuSlave, right: tuple[int, str], mine: tuple[int, str]) -> None:
        super().__init__(behind)
        self._same = right == mine

    def write(self, data: bytes) -> None:
        if self._same:
            super().write(data)


def test_a_good_bus_is_good_on_real_ports(monkeypatch: pytest.MonkeyPatch, serve: Callable[[Rs485Port], str]):
    for name in ("REPLY_S", "SLOWEST_S", "SLOW_S"):
        monkeypatch.setattr(doctor, name, PATIENT_S)
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 1.0)
    checks = by_name(examine(serve(Rs485Port(running_module("clean")))))
    assert {check.state for check in checks.values()} == {"ok"}, checks
    assert "median" in checks["Timing"].text


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial's
@pytest.mark.timeout(180)
def test_wrong_parity_on_a_real_line(monkeypatch: pytest.MonkeyPatch, serve: Callable[[Rs485Port], str]):
    """RFC 2217 tells the other end the parity."""
    monkeypatch.setattr(doctor, "REPLY_S", 1.0)
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 1.0)
    monkeypatch.setattr(doctor, "FIRST_UNITS", 2)
    monkeypatch.setattr(doctor, "LIKELY", ((19_200, "N"),))  # every opening takes a second
    url = serve(Rs485Port(running_module("clean"), transport="rfc2217"))
    assert by_name(examine(url))["Module"].state == "ok"
    check = by_name(examine(url.replace("parity=N", "parity=E")))["Baud and parity"]
    assert check.state == "bad"
    assert "baud=19200 and parity=N" in check.advice


def test_a_port_that_is_not_there():
    checks = by_name(examine("rs485:/dev/there-is-none"))
    assert checks["Port"].state == "bad"
    assert "no serial port" in checks["Port"].text
    assert {check.state for name, check in checks.items() if name != "Port"} == {"unknown"}


@pytest.mark.parametrize("right", [(19_200, "N"), (9600, "E"), (1200, "O")])
def test_wrong_baud_or_parity_is_named_with_the_right_ones(in_told_time: None, right: tuple[int, str]):
    behind = slave(1)
    lines: list[MemoryLine] = []

    def opener(port: str, baud: int, parity: str) -> MemoryLine:
        lines.append(ParityLine(behind, right, (baud, parity)))
        return lines[-1]

    check = by_name(examine(URL, opener=opener))["Baud and parity"]
    assert check.state == "bad"
    assert f"baud={right[0]} and parity={right[1]}" in check.advice
    assert {request[1] for line in lines for request in line.requests} <= {4}, "it only reads"
    assert all(line.closed for line in lines)


def test_another_address(in_told_time: None):
    behind = slave(5)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind)))
    assert checks["Address"].state == "bad"
    assert "unit=5" in checks["Address"].advice


def test_two_units_with_one_address(in_told_time: None):
    behind = slave(1, 1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind)))
    assert checks["Address"].state == "bad"
    assert "Two units" in checks["Address"].text


def test_damage_of_every_reply_is_not_taken_for_two_units(in_told_time: None):
    """What most replies say at each place is intact: one unit, and a bad line."""
    places = iter([7, 1, 12, 9])  # one of them where a reply begins

    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        at = next(places)
        return [(0.0, bytes([*reply[:at], reply[at] ^ 0x21, *reply[at + 1 :]]))]

    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, spoil)))
    assert (checks["Baud and parity"].state, checks["Address"].state, checks["Noise"].state) == ("ok", "ok", "bad")
    assert "termination" in checks["Noise"].advice


def test_replies_that_break_off_are_not_taken_for_swapped_wires(in_told_time: None):
    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, lambda reply: [(0.0, reply[:9])])))
    assert (checks["Baud and parity"].state, checks["Address"].state, checks["Noise"].state) == ("ok", "ok", "bad")
    assert "cut short" in checks["Noise"].text


def test_a_slow_unit_is_timed_by_its_own_replies(in_told_time: None, monkeypatch: pytest.MonkeyPatch):
    """They come after the time-out of the search: those of the request before must not count."""
    monkeypatch.setattr(doctor, "REPLY_S", 0.05)
    monkeypatch.setattr(doctor, "QUIET_S", 0.01)
    monkeypatch.setattr(doctor, "SLOWEST_S", 0.4)
    monkeypatch.setattr(doctor, "PROBES", 5)
    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, lambda reply: [(0.09, reply)])))
    assert checks["Timing"].text.endswith("(up to 100 ms: 5).")
    assert checks["Noise"].state == "ok"


def test_silence(in_told_time: None):
    behind = slave(200)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind)))
    assert checks["Reply"].state == "bad"
    assert "exchange A and B" in checks["Reply"].advice


def test_swapped_wires_give_nonsense(in_told_time: None):
    """With A and B swapped the idle line looks like an endless start bit, and replies come inverted."""

    class Swapped(MemoryLine):
        def write(self, data: bytes) -> None:
            self.requests.append(data)
            self.send(bytes(random.Random(7).randbytes(11)))

    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: Swapped(behind)))
    assert checks["Reply"].state == "bad"
    assert "A and B are probably swapped" in checks["Reply"].advice


def test_noise_is_measured(in_told_time: None):
    rng = random.Random(3)
    behind = slave(1)

    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        damaged = rng.random() < 0.15
        return [(0.0, bytes([*reply[:5], reply[5] ^ 0x10, *reply[6:]]) if damaged else reply)]

    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, spoil)))
    assert checks["Noise"].state in ("warn", "bad")
    assert "termination" in checks["Noise"].advice
    assert checks["Module"].state == "ok"


def test_another_master_is_heard(in_told_time: None):
    behind = slave(1)

    def opener(*_: object) -> MemoryLine:
        line = MemoryLine(behind)
        line.send(framed(bytes.fromhex("03 04 00 00 00 02")))
        return line

    checks = by_name(examine(URL, opener=opener))
    assert checks["Idle line"].state == "warn"
    assert "second master" in checks["Idle line"].advice
    assert checks["Module"].state == "ok"


def test_an_adapter_that_hears_itself_works(in_told_time: None):
    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, echo=True)))
    assert "hears its own requests" in checks["Port"].text
    assert checks["Noise"].state == checks["Module"].state == "ok"


def test_slow_replies_are_timed(in_told_time: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "REPLY_S", 0.1)
    monkeypatch.setattr(doctor, "SLOW_S", 0.01)
    behind = slave(1)
    checks = by_name(examine(URL, opener=lambda *_: MemoryLine(behind, lambda reply: [(0.02, reply)])))
    assert checks["Timing"].state == "warn"
    counts = [int(count) for count in re.findall(r"(?:up to [0-9]+ ms|later): ([0-9]+)", checks["Timing"].text)]
    assert sum(counts) == doctor.PROBES
    assert "up to 10 ms" not in checks["Timing"].text
    median = re.search(r"median ([0-9.]+) ms", checks["Timing"].text)
    assert median is not None
    assert float(median[1]) > 14.0, "20 ms after the request, which takes 4.6 ms itself"


def test_another_device(in_told_time: None):
    checks = by_name(examine(URL, opener=lambda *_: Refusing(2)))
    assert (checks["Reply"].state, checks["Module"].state) == ("ok", "bad")


def test_a_unit_that_is_always_busy(in_told_time: None):
    module = by_name(examine(URL, opener=lambda *_: Refusing(6)))["Module"]
    assert module.state == "bad"
    assert "busy" in module.text


def test_it_is_cancelled_at_once(in_told_time: None):
    behind = slave(200)
    began_s = time.monotonic()
    checks = examine(URL, opener=lambda *_: MemoryLine(behind), cancelled=lambda: time.monotonic() > began_s + 0.3)
    assert time.monotonic() - began_s < 0.8
    by_name(checks)
    assert scan.FIRST_UNITS == 16
