"""A virtual module's RS485 port in real time: one thread that listens and answers."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence

from device_io.virtual_module.line import Line, open_line
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rtu_faults import NO_RTU_FAULTS, RtuFaults, Spoiler
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, character_bits, gap_s

TICK_S = 0.05
"""Longest time between two looks at the line."""
GAP_S = 0.02
"""The silence that ends a frame here: a computer's pauses between two pieces of a request are no end."""
PIECE_S = 0.005
"""A paced reply leaves in pieces of about this duration."""
STOP_S = 2.0


class Rs485Port:
    """Serves modules on one bus, on a "pty", "tcp" or "rfc2217" port. `start` returns the URL of the first one.

    The modules' settings decide address, baud and parity. A pty shows the baud of the master, so a wrong one is not
    understood; it carries no parity (its URL says N). A TCP port shows neither. RFC 2217 shows both, and is served
    without parity. paced: replies take the time that they would take on the wires. Faults count from the first
    module's power-up. All modules need the same baud.
    """

    def __init__(
        self,
        module: VirtualModule | Sequence[VirtualModule],
        faults: RtuFaults = NO_RTU_FAULTS,
        transport: str = "auto",
        *,
        paced: bool = False,
        seed: int | None = None,
    ) -> None:
        self._modules = (module,) if isinstance(module, VirtualModule) else tuple(module)
        self._faults = faults
        self._spoiler = Spoiler(faults, seed)
        self._transport = transport
        self._paced = paced
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self.urls: tuple[str, ...] = ()

    def start(self) -> str:
        """Begin to listen: `rs485:PORT?baud=..&parity=..&unit=..`; `urls` then holds those of all modules. OSError if
        the system has no such port."""
        units = [ModuleRegisters(module) for module in self._modules]
        line = self._line = open_line(self._transport)
        line.baud = units[0].baud
        line.plug()
        port = line.url.partition(":")[2]
        # A pty carries no parity, and some systems refuse to open it with one; an RFC 2217 line understands 8N1 only.
        parity = units[0].parity if port.startswith("socket:") else "N"
        mark = "&" if "?" in port else "?"
        self.urls = tuple(f"rs485:{port}{mark}baud={u.baud}&parity={parity}&unit={u.unit}" for u in units)
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(line, units), name="virtual-rs485", daemon=True)
        self._thread.start()
        return self.urls[0]

    def stop(self) -> None:
        """Leave the bus for good, within 2 s. May be called twice."""
        self._stopping.set()
        if self._line is not None:
            self._line.wake()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._thread = None
        self._line = None

    def _run(self, line: Line, units: list[ModuleRegisters]) -> None:
        try:
            _Runner(self._modules, units, line, self._faults, self._spoiler, self._paced).run(self._stopping)
        finally:
            line.close()


class _Runner:
    """The loop of the thread. Times are seconds since the first module's power-up."""

    def __init__(
        self,
        modules: Sequence[VirtualModule],
        units: list[ModuleRegisters],
        line: Line,
        faults: RtuFaults,
        spoiler: Spoiler,
        paced: bool,
    ) -> None:
        self._modules = modules
        self._units = units
        self._first = units[0]
        self._line = line
        self._faults = faults
        self._spoiler = spoiler
        self._paced = paced
        self._slave = RtuSlave(units, GAP_S)
        self._out: list[tuple[float, int, bytes]] = []
        self._sent = 0

    def run(self, stopping: threading.Event) -> None:
        plugged = True
        while not stopping.is_set():
            now_s = self._modules[0].now_s()
            wanted = not any(unplug.holds(now_s) for unplug in self._faults.unplug)
            if wanted != plugged:
                (self._line.plug if wanted else self._line.unplug)()
                plugged = wanted
            if not plugged:
                stopping.wait(TICK_S / 5)
                continue
            for module in self._modules:
                module.settings.tick()
            self._serve(now_s)
            pause_s = self._pause_s()
            if self._out and pause_s < PIECE_S:
                stopping.wait(pause_s)  # finer than the line's wait, which counts milliseconds
            else:
                self._line.wait(pause_s)

    def _serve(self, now_s: float) -> None:
        if not self._out:
            self._line.baud = self._first.baud  # a change counts once its reply is out
        data = self._line.read()
        if any(off.holds(now_s) for off in self._faults.off):
            self._out.clear()
            return
        if data:
            self._slave.receive(data, now_s)
        reply = self._slave.answer(now_s, self._line.baud)
        if reply:
            self._queue(*self._spoiler.spoilt(reply), now_s, len(data))
        self._send(now_s)
        if reply:
            for unit in self._units:
                unit.prepare()

    def _queue(self, delay_s: float, reply: bytes, now_s: float, asked: int) -> None:
        due_s = now_s + delay_s
        size = len(reply) or 1
        char_s = 0.0
        if self._paced:
            baud, parity = self._line.baud, self._first.parity
            char_s = character_bits(parity) / baud
            due_s += asked * char_s + gap_s(baud, parity)
            size = max(1, round(PIECE_S / char_s))
        for at in range(0, len(reply), size):
            piece = reply[at : at + size]
            self._sent += 1
            heapq.heappush(self._out, (due_s + (at + len(piece)) * char_s, self._sent, piece))

    def _send(self, now_s: float) -> None:
        while self._out and self._out[0][0] <= now_s:
            self._line.write(heapq.heappop(self._out)[2])

    def _pause_s(self) -> float:
        if self._out:
            return max(0.0, min(TICK_S, self._out[0][0] - self._modules[0].now_s()))
        return GAP_S / 2 if self._slave.waiting else TICK_S
