"""A virtual module's USB port in real time: one thread that samples, answers and sends."""

from __future__ import annotations

import threading

from device_io.sensix_link.rules import START_BAUD
from device_io.virtual_module.faults import NO_FAULTS, Faults
from device_io.virtual_module.firmware import Firmware
from device_io.virtual_module.line import Line, open_line
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.transmitter import Transmitter

TICK_S = 0.01
"""Longest time between two looks at the line while a stream runs."""
IDLE_TICK_S = 0.05
MAX_LAG_S = 2.0
"""A computer that is late by more skips the samples in between; they count as left out."""
STOP_S = 2.0


class UsbPort:
    """Serves one module on a pty or a TCP port. `start` returns its URL, which outlives unplugging.

    The module goes on whatever the program at the other end does. Faults count from its power-up.
    """

    def __init__(self, module: VirtualModule, faults: Faults = NO_FAULTS, transport: str = "auto") -> None:
        self._module = module
        self._faults = faults
        self._transport = transport
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> str:
        """Plug the module in: `usb:/path` or `usb:socket://127.0.0.1:PORT`. OSError if the system has no such port."""
        self._line = open_line(self._transport)
        self._line.plug()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(self._line,), name="virtual-usb", daemon=True)
        self._thread.start()
        return self._line.url

    def stop(self) -> None:
        """Unplug for good, within 2 s. May be called twice."""
        self._stopping.set()
        if self._line is not None:
            self._line.wake()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._thread = None
        self._line = None

    def _run(self, line: Line) -> None:
        try:
            _Runner(self._module, self._faults, line).run(self._stopping)
        finally:
            line.close()


class _Runner:
    """The loop of the thread. Times are seconds since the module's start."""

    def __init__(self, module: VirtualModule, faults: Faults, line: Line) -> None:
        self._module = module
        self._faults = faults
        self._line = line
        self._out = Transmitter(self._write, START_BAUD, faults)
        self._firmware = Firmware(module, self._out, self._measure)
        self._attached = False
        self._plugged = True
        self._sent_until = 0.0
        self._slot = 0

    def run(self, stopping: threading.Event) -> None:
        while not stopping.is_set():
            now = self._module.now_s()
            if self._unplugged(now):
                self._skip(now)
                stopping.wait(TICK_S)
            elif any(stall.holds(now) for stall in self._faults.stall):
                self._sample(now, sending=False)
                stopping.wait(TICK_S)
            else:
                self._serve(now)
                self._line.wait(self._pause(self._module.now_s()))

    def _unplugged(self, now: float) -> bool:
        wanted = not any(unplug.holds(now) for unplug in self._faults.unplug)
        if wanted != self._plugged:
            self._plugged = wanted
            if wanted:
                self._line.plug()
            else:
                self._line.unplug()
                self._look(now)
        return not wanted

    def _serve(self, now: float) -> None:
        self._module.settings.tick()
        self._firmware.tick(now)
        self._sample(now, sending=True)
        self._look(now)  # last, so that no answer leaves in time that has gone by

    def _look(self, now: float) -> None:
        self._line.baud = self._out.baud
        data = self._line.read()
        if self._line.attached != self._attached:
            self._attached = self._line.attached
            if self._attached:
                self._firmware.attached(now)
            else:
                self._firmware.detached()
        if data:
            self._firmware.receive(data, now, framing_errors=self._line.framing_errors)

    def _sample(self, now: float, *, sending: bool) -> None:
        """Queue the slots that are over, each when its time had come, and send as time goes by."""
        if not self._firmware.streaming:
            self._skip(now, sending=sending)
            return
        due = self._module.slot_at(now)
        late = due - self._slot - round(MAX_LAG_S / SLOT_S)
        if late > 0:
            self._firmware.leave_out(late)
            self._slot += late
        for slot in range(self._slot, due):
            if sending:
                self._send_until((slot + 1) * SLOT_S)
            self._firmware.slot(slot)
        self._slot = due
        if sending:
            self._send_until(now)
        else:
            self._sent_until = now

    def _skip(self, now: float, *, sending: bool = False) -> None:
        self._slot = self._module.slot_at(now)
        if sending:
            self._send_until(now)
        else:
            self._sent_until = now

    def _send_until(self, t: float) -> None:
        if t > self._sent_until:
            self._out.run(t - self._sent_until)
            self._sent_until = t

    def _pause(self, now: float) -> float:
        if self._firmware.streaming:
            to_slot = (self._slot + 1) * SLOT_S - now
            return max(0.0, min(TICK_S, to_slot, self._firmware.next_due(now)))
        return min(IDLE_TICK_S if self._out.idle else 0.002, self._firmware.next_due(now))

    def _write(self, data: bytes) -> int:
        self._line.baud = self._out.baud
        return self._line.write(data)

    def _measure(self, t: float) -> dict[str, float | None]:
        del t
        return self._module.readings()
