"""Lines with RTU slaves behind them, in memory: bytes in, bytes out, on the real clock."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

from device_io.source import LinkError, LinkErrorKind
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave


class MemoryLine:
    """A `device_io.modbus.line.ByteLine` to slaves. spoil: what becomes of a reply, as [(seconds later, bytes)].
    echo: whether the adapter hears itself. gone: the port has vanished."""

    def __init__(
        self,
        slave: RtuSlave,
        spoil: Callable[[bytes], list[tuple[float, bytes]]] = lambda reply: [(0.0, reply)],
        *,
        echo: bool = False,
    ) -> None:
        self.slave = slave
        self.spoil = spoil
        self.echo = echo
        self.gone = False
        self.closed = False
        self.requests: list[bytes] = []
        self._due: list[tuple[float, int, bytes]] = []

    def write(self, data: bytes) -> None:
        self._check()
        now_s = time.monotonic()
        self.requests.append(data)
        if self.echo:
            self.send(data)
        self.slave.receive(data, now_s)
        reply = self.slave.answer(now_s) or self.slave.answer(now_s + 1.0)
        for delay_s, piece in self.spoil(reply) if reply else []:
            self.send(piece, delay_s)

    def send(self, data: bytes, delay_s: float = 0.0) -> None:
        """Let the master hear this."""
        heapq.heappush(self._due, (time.monotonic() + delay_s, len(self.requests) * 100 + len(self._due), data))

    def read(self, timeout_s: float) -> bytes:
        self._check()
        now_s = time.monotonic()
        due_s = self._due[0][0] if self._due else now_s + timeout_s + 1.0
        time.sleep(max(0.0, min(due_s - now_s, timeout_s)))
        data = b""
        while self._due and self._due[0][0] <= time.monotonic():
            data += heapq.heappop(self._due)[2]
        return data

    def close(self) -> None:
        self.closed = True

    def _check(self) -> None:
        if self.gone:
            raise LinkError(LinkErrorKind.UNPLUGGED, "The line is gone. Plug it in again.")


class KeepingRegisters(ModuleRegisters):
    """Registers that remember every copy that was made: {(mark, time): blocks}."""

    def __init__(self, module: VirtualModule) -> None:
        self.copies: dict[int, dict[int, list[int]]] = {}
        super().__init__(module)

    def _latch(self, mark: int) -> None:
        super()._latch(mark)
        time_us = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in self._copy[0][2:5]), "big")
        self.copies[time_us] = dict(self._copy)


def running_module(
    preset: str = "office", system: str = "3P+N", age_s: float = 2.0, **options: object
) -> VirtualModule:
    """A module that was switched on some time ago, so that its readings are there."""
    module = VirtualModule(preset, system, **options)  # type: ignore[arg-type]
    module._power_up_s = time.monotonic() - age_s
    return module
