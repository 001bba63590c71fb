"""From the module to the window: time beyond the wire, 95 % of blocks

A virtual module streams the office preset over a pty at 2 Mbaud for 15 s into a connection as the window has it.
Latency is the time from the last sample of a block to its arrival in the ring buffer that the oscilloscope reads, less
the time that the bytes of that block and of those sent with it take on the wire.
"""

from __future__ import annotations

import statistics
import threading
import time

from app.connection import Connection
from device_io.sensix_link.samples import Coding
from device_io.source import LinkState, ModuleInfo, SampleBlock
from device_io.usb_link import UsbLink
from device_io.virtual_module.module import SLOT_S, VirtualModule, sample_frame
from device_io.virtual_module.usb_port import UsbPort
from dsp.measurement import Measurement

SECONDS = 15.0
BAUD = 2_000_000


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    module = VirtualModule("office")
    port = UsbPort(module, transport="pty")
    connection, listener = _Timed(UsbLink(port.start()), module), _Listener()
    try:
        connection.start()
        connection.listen(listener)
        listener.streaming.wait(15.0)
        time.sleep(SECONDS)
    finally:
        connection.stop()
        port.stop()
    late_ms = sorted(1000.0 * value for value in connection.latencies_s[40:])
    at_95 = late_ms[round(0.95 * len(late_ms)) - 1]
    return [
        {
            "what": "sample to ring buffer beyond the wire, 95 % of blocks",
            "ours": f"{at_95:.1f} ms (median {statistics.median(late_ms):.1f}, worst {late_ms[-1]:.1f})",
            "peer": "",
            "ratio": "",
            "limit": "<= 50 ms",
            "holds": at_95 <= 50.0,
        }
    ]


class _Timed(Connection):
    """A connection that notes when blocks have arrived."""

    def __init__(self, link: UsbLink, module: VirtualModule) -> None:
        super().__init__(link, store_seconds=60.0)
        self._module = module
        self.latencies_s: list[float] = []
        slot = module.blocks(0)
        wire_bytes = sum(len(sample_frame(block, 0, Coding.RAW24)) for block in slot)
        self._wire_s = 10.0 * wire_bytes / BAUD

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        super().on_blocks(blocks)
        now_s = self._module.now_s()
        for block in blocks:
            first_s = block.device_time_us * 1e-6 / self._module.device_time_us(1.0) * 1e6
            taken_s = first_s + len(block.counts) / block.rate_hz
            slot_s = SLOT_S * round(taken_s / SLOT_S)  # the block waits for the end of its slot on the module itself
            self.latencies_s.append(now_s - max(taken_s, slot_s) - self._wire_s)


class _Listener:
    def __init__(self) -> None:
        self.streaming = threading.Event()

    def on_identity(self, info: ModuleInfo) -> None:
        del info

    def on_measurement(self, measurement: Measurement) -> None:
        del measurement
        self.streaming.set()

    def on_state(self, state: LinkState) -> None:
        del state

    def on_text(self, line: str) -> None:
        del line
