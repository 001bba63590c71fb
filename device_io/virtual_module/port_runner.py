"""The loop behind a virtual module's USB port, for one thread."""

from __future__ import annotations

import threading

from device_io.sensix_link.rules import START_BAUD
from device_io.virtual_module.faults import Faults
from device_io.virtual_module.firmware import Firmware
from device_io.virtual_module.line import Line
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.transmitter import Transmitter

TICK_S = 0.01
"""Longest time between two looks at the line while a stream runs."""
IDLE_TICK_S = 0.05
MAX_LAG_S = 2.0
"""A computer that is late by more skips the samples in between; they count as left out."""


class PortRunner:
    """Samples, answers and sends until it is told to stop. Times are seconds since `run`."""

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
        """Go on until `stopping` is set."""
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
        wanted = not self._fault_unplugs(now)
        if wanted != self._plugged:
            self._plugged = wanted
            if wanted:
                self._line.plug()
            else:
                self._line.unplug()
                self._look(now)
        return not wanted

    def _fault_unplugs(self, now: float) -> bool:
        return any(unplug.holds(now) for unplug in self._faults.unplug)

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
