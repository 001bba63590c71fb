"""A reply that comes too late is never taken for the answer to the next request."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator

import pytest

from device_io.modbus import client as client_module
from device_io.modbus import codec
from device_io.modbus.client import Master
from device_io.modbus.errors import BusError
from device_io.modbus.unit import Unit
from device_io.source import LinkError, Readings
from device_io.virtual_module.rtu_slave import RtuSlave
from resources import register_map as rm
from resources.parameters import keys_for
from tests.fakes.rtu_line import KeepingRegisters, MemoryLine, running_module
from tests.fakes.told_time import told_time

REPLY_S, QUIET_S = 0.015, 0.01
"""The real ones are 0.5 s each; delays here are scaled alike."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pause that ends a reply, scaled as the others. Time is told: a computer that is late by itself would change
    which replies are."""
    monkeypatch.setattr(client_module, "PAUSE_S", 0.002)
    with told_time():
        yield


def bench(spoil: Callable[[bytes], list[tuple[float, bytes]]]) -> tuple[KeepingRegisters, MemoryLine, Unit]:
    registers = KeepingRegisters(running_module())
    line = MemoryLine(RtuSlave([registers]))
    unit = Unit(Master(line, 115_200, "N", reply_s=REPLY_S, quiet_s=QUIET_S), 1, lambda: False, "Unit 1")
    unit.identify()
    line.spoil = spoil
    return registers, line, unit


def true_values(registers: KeepingRegisters, readings: Readings) -> dict[str, float | None]:
    """What the copy of that time held, straight from its blocks."""
    copy = registers.copies[readings.device_time_us]
    values: dict[str, float | None] = {}
    for n, run in enumerate(rm.readings_runs()):
        data = copy[rm.READINGS_BLOCK + n][rm.HEADER_REGISTERS :]
        values |= codec.decode_readings(run.start, data, keys_for("3P+N"))
    return values


def late_at_random(rng: random.Random, share: float, longest_s: float) -> Callable[[bytes], list[tuple[float, bytes]]]:
    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        return [(rng.uniform(0.0, longest_s) if rng.random() < share else 0.0, reply)]

    return spoil


def read_with_delays(wanted: int, seed: int) -> tuple[int, int]:
    """Read until so many replies came late; returns the sets that were right and those given up."""
    rng = random.Random(seed)
    late = 0

    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        nonlocal late
        [(delay_s, _)] = late_at_random(rng, 0.5, 4.0 * (REPLY_S + QUIET_S))(reply)
        late += delay_s > REPLY_S
        return [(delay_s, reply)]

    registers, _, unit = bench(spoil)
    right = given_up = 0
    while late < wanted:
        try:
            readings = unit.readings()
        except BusError:
            given_up += 1
            continue
        truth = true_values(registers, readings)
        assert {key: truth[key] for key in readings.values} == readings.values, f"seed {seed}"
        right += 1
    return right, given_up


def test_hundreds_of_random_delays_never_give_a_wrong_reading():
    seed = random.randrange(1 << 32)
    right, _ = read_with_delays(200, seed)
    assert right > 5


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_thousands_of_random_delays_never_give_a_wrong_reading():
    for _ in range(10):
        right, _ = read_with_delays(500, random.randrange(1 << 32))
        assert right > 50


def one_behind() -> Callable[[bytes], list[tuple[float, bytes]]]:
    """Each request is answered with the reply to the one before."""
    before: list[bytes] = []

    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        before.append(reply)
        return [(0.0, before[-2])] if len(before) > 1 else []

    return spoil


def test_replies_that_lag_one_request_behind_are_all_refused():
    """The worst case: every reply is that of the request before, at once and intact."""
    registers, _, unit = bench(one_behind())
    for _ in range(3):
        try:
            readings = unit.readings()
        except (BusError, LinkError):
            continue
        truth = true_values(registers, readings)
        assert {key: truth[key] for key in readings.values} == readings.values


def test_a_late_snapshot_is_that_of_its_mark():
    rng = random.Random(5)
    registers, _, unit = bench(late_at_random(rng, 0.05, 3.0 * (REPLY_S + QUIET_S)))
    for _ in range(2):
        steps = unit.snapshot()
        try:
            while True:
                next(steps)
        except StopIteration as done:
            blocks = done.value
        data: list[int] = []
        for block in sorted(n for n in registers._snapshot if n >= rm.SAMPLES_BLOCK):
            data += registers._snapshot[block][rm.HEADER_REGISTERS :]
        info = codec.decode_snapshot_info(registers._snapshot[rm.SNAPSHOT_BLOCK][rm.HEADER_REGISTERS :])
        truth = codec.decode_snapshot(info, data, unit.info.chips, 0)
        for got, true in zip(blocks, truth, strict=True):
            assert got.first_index == true.first_index
            assert (got.counts == true.counts).all()


def test_without_the_marks_the_same_delays_do_give_wrong_data():
    """That the danger is real: pymodbus as it is takes an older reply of the same length."""
    from pymodbus.client import ModbusSerialClient
    from pymodbus.exceptions import ModbusIOException

    registers = KeepingRegisters(running_module())
    line = MemoryLine(RtuSlave([registers]), one_behind())

    class Plain(ModbusSerialClient):
        def connect(self) -> bool:
            return True

        def send(self, request: bytes, addr: object = None) -> int:
            line.write(request)
            return len(request)

        def recv(self, size: int | None) -> bytes:
            return line.read(0.02)

    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    client = Plain("line", retries=0, timeout=0.02)
    with pytest.raises(ModbusIOException):
        client.read_input_registers(0, count=2, device_id=1)
    taken = client.read_input_registers(6, count=2, device_id=1)
    assert not taken.isError()
    assert taken.registers == registers._live[0:2] != registers._live[6:8]
