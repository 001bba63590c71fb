"""The virtual module's RS485 port, read by pymodbus' synchronous client as it is."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusIOException

from device_io.urls import LinkUrl, parse_serial_url
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_faults import RtuFaults
from resources.parameters import table
from resources.register_map import readings_end
from tests.fakes.leftovers import Holdings
from tests.fakes.rtu_line import running_module

FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "int64": "q"}
NOTHING = {"int16": -32_768, "uint16": 65_535, "int32": -(2**31), "int64": -(2**63)}


@contextmanager
def client_of(url: str, **options: object) -> Iterator[ModbusSerialClient]:
    link = parse_serial_url(url, "rs485")
    arguments: dict = {"baudrate": link.baud, "parity": link.parity, "timeout": 20.0, "retries": 0} | options
    client = ModbusSerialClient(link.port, **arguments)
    assert client.connect()
    try:
        yield client
    finally:
        client.close()


@contextmanager
def serving(port: Rs485Port) -> Iterator[LinkUrl]:
    before = Holdings()
    url = port.start()
    try:
        yield parse_serial_url(url, "rs485")
    finally:
        port.stop()
        port.stop()
    before.check()


def test_every_reading_equals_the_modules(monkeypatch: pytest.MonkeyPatch):
    """Decoded here by hand, from the table alone."""
    module = running_module("office")
    fixed = module.readings()
    monkeypatch.setattr(module, "readings", lambda age_s=0.0: dict(fixed))
    with serving(Rs485Port(module)) as link, client_of(link.text) as client:
        registers: list[int] = []
        for address in range(0, readings_end(), 120):
            reply = client.read_input_registers(address, count=120, device_id=link.unit)
            assert not reply.isError()
            registers += reply.registers
    wrong = {}
    for key, entry in table().items():
        field = entry.modbus
        assert field is not None
        data = struct.pack(f">{field.registers}H", *registers[field.address : field.address + field.registers])
        [raw] = struct.unpack(f">{FORMATS[field.type]}", data)
        got = None if raw == NOTHING[field.type] else raw / field.scale
        true = fixed.get(key)
        if (got is None) != (true is None) or (true is not None and abs(got - true) > 0.5 / field.scale + 1e-9):
            wrong[key] = (got, true)
    assert not wrong
    assert sum(value is not None for value in fixed.values()) > 250


@pytest.mark.parametrize("transport", ["pty", "tcp"])
def test_functions_of_the_client(transport: str):
    module = running_module("clean")
    with serving(Rs485Port(module, transport=transport)) as link, client_of(link.text) as client:
        assert client.write_register(16, 2400, device_id=1).registers == [2400]
        assert module.settings["nominal_voltage_v"] == 240.0
        assert client.read_holding_registers(16, count=2, device_id=1).registers == [2400, 50]
        assert not client.write_registers(0, [0x4162] + [0] * 15, device_id=1).isError()
        assert module.settings["name"] == "Ab"
        assert client.read_input_registers(9000, count=1, device_id=1).exception_code == 2
        assert client.write_register(17, 55, device_id=1).exception_code == 3
        told = client.read_device_information(read_code=2, device_id=1).information
        assert told[0] == b"Sensix"
        assert told[1] == module.info.type.encode()


def test_another_unit_and_another_baud_are_silent(caplog: pytest.LogCaptureFixture):
    with serving(Rs485Port(running_module("clean"), transport="pty")) as link:
        with client_of(link.text, timeout=0.2) as client, pytest.raises(ModbusIOException):
            client.read_input_registers(0, count=1, device_id=2)
        with client_of(link.text, timeout=0.2, baudrate=9600) as client, pytest.raises(ModbusIOException):
            client.read_input_registers(0, count=1, device_id=1)
        # A port that was busy meanwhile may find this request right behind the one before, as one frame.
        with client_of(link.text, timeout=3.0, retries=5) as client:
            assert not client.read_input_registers(0, count=1, device_id=1).isError()
    caplog.clear()  # pymodbus logs what it did not get


def test_a_new_baud_counts_after_its_reply():
    module = running_module("clean")
    with serving(Rs485Port(module, transport="pty")) as link:
        with client_of(link.text) as client:
            assert not client.write_registers(32, [0, 9600], device_id=1).isError()
        with client_of(link.text, baudrate=9600) as client:
            assert not client.read_input_registers(0, count=1, device_id=1).isError()


def test_paced_replies_take_their_time():
    with (
        serving(Rs485Port(running_module("clean"), paced=True)) as link,
        client_of(link.text) as client,
    ):
        client.read_input_registers(0, count=1, device_id=1)
        began_s = time.monotonic()
        for _ in range(3):
            assert len(client.read_input_registers(0, count=80, device_id=1).registers) == 80
        assert time.monotonic() - began_s > 3 * (8 + 165) * 11 / 19_200


def test_faults_reach_the_wire(caplog: pytest.LogCaptureFixture):
    port = Rs485Port(running_module("clean"), RtuFaults(exception=1.0))
    with serving(port) as link, client_of(link.text) as client:
        assert client.read_input_registers(0, count=1, device_id=1).exception_code == 6
    port = Rs485Port(running_module("clean"), RtuFaults(bad_crc=1.0))
    with serving(port) as link, client_of(link.text, timeout=0.2) as client, pytest.raises(ModbusIOException):
        client.read_input_registers(0, count=1, device_id=1)
    caplog.clear()
