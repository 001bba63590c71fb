"""A bus whose replies take the time that they take on real wires, and a master that counts what passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from device_io.modbus.client import Master
from device_io.modbus.line import ByteLine, open_line
from device_io.modbus.unit import Unit
from device_io.urls import parse_serial_url
from device_io.virtual_module.rs485_port import Rs485Port
from tests.fakes.rtu_line import running_module


class CountingLine:
    """A line that counts requests and bytes."""

    def __init__(self, line: ByteLine) -> None:
        self._line = line
        self.requests = self.bytes_sent = self.bytes_received = 0

    def read(self, timeout_s: float) -> bytes:
        data = self._line.read(timeout_s)
        self.bytes_received += len(data)
        return data

    def write(self, data: bytes) -> None:
        self.requests += 1
        self.bytes_sent += len(data)
        self._line.write(data)

    def close(self) -> None:
        self._line.close()


class PacedBus:
    """One module on a paced bus. unit: as a link reads it."""

    def __init__(self, line: CountingLine, unit: Unit, master: Master) -> None:
        self.unit = unit
        self._line = line
        self._master = master
        self.begin()

    def begin(self) -> None:
        """Count from here on."""
        self._line.requests = self._line.bytes_sent = self._line.bytes_received = 0
        self._began_s = time.monotonic()

    def spent(self) -> tuple[float, float]:
        """(seconds since begin, seconds that requests, replies and a gap after each of them need)."""
        line, master = self._line, self._master
        needed_s = (line.bytes_sent + line.bytes_received) * master.char_s + 2 * line.requests * master.gap_s
        return time.monotonic() - self._began_s, needed_s


@contextmanager
def paced_bus(baud: int) -> Iterator[PacedBus]:
    """A bus of this rate, without parity (a pty carries none)."""
    module = running_module("office")
    module.settings.write({"rs485_baud": baud, "rs485_parity": "none", "confirm": True})
    port = Rs485Port(module, paced=True)
    link = parse_serial_url(port.start(), "rs485")
    line = CountingLine(open_line(link.port, baud, link.parity))
    master = Master(line, baud, link.parity)
    unit = Unit(master, link.unit, lambda: False, "Unit 1")
    try:
        unit.identify()
        yield PacedBus(line, unit, master)
    finally:
        line.close()
        port.stop()
