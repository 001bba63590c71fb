"""Wire to ring buffer: seven channels of 24 bit at 4 ksps, against real time

The bytes of 20 s of the office preset (three chips) go through the deframer, the decoder and into the ring buffer in
pieces of 64 KiB, as from a port that is read late. What counts is the time of the processor, so that other work on the
computer does not. The line load is bytes x 10 bits over the baud rate.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, SampleDecoder
from device_io.virtual_module.module import VirtualModule
from device_io.waveform_store import WaveformStore

SECONDS = 20.0
PIECE = 65_536
RUNS = 15


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    module = VirtualModule("office")
    rows = []
    for coding, baud, most_load in ((Coding.RAW24, 2_000_000, 0.5), (Coding.DIFFERENCE, 921_600, 0.8)):
        wire = b"".join(module.encoded(SECONDS, coding))
        speed = SECONDS / statistics.median(_timed(lambda wire=wire: _receive(module, wire)) for _ in range(RUNS))
        load = len(wire) / SECONDS * 10 / baud
        rows.append(
            {
                "what": f"wire to ring buffer, {coding.name}",
                "ours": f"{speed:.0f} times real time",
                "peer": "1 (real time)",
                "ratio": f"{speed:.0f}",
                "limit": ">= 500",
                "holds": speed >= 500,
            }
        )
        rows.append(
            {
                "what": f"line load of the office preset, {coding.name} at {baud} baud",
                "ours": f"{len(wire) / SECONDS / 1000:.1f} kB/s",
                "peer": f"{baud / 10_000:.1f} kB/s",
                "ratio": f"{load:.2f}",
                "limit": f"< {most_load:.2f}",
                "holds": load < most_load,
            }
        )
    return rows


def _receive(module: VirtualModule, wire: bytes) -> None:
    info = module.info
    deframer = Deframer()
    decoder = SampleDecoder(
        {number: chip.nominal_rate_hz for number, chip in enumerate(info.chips)},
        {number: len(chip.channels) for number, chip in enumerate(info.chips)},
    )
    store = WaveformStore(info, 60.0)
    for start in range(0, len(wire), PIECE):
        frames = deframer.feed(wire[start : start + PIECE])
        payloads = [payload for kind, payload in frames if kind == Kind.SAMPLES]
        store.append(decoder.decode(payloads, 0))
    assert deframer.frames_damaged == 0
    latest_s = store.latest_s()
    assert latest_s is not None
    assert latest_s > SECONDS - 0.1


def _timed(work: Callable[[], None]) -> float:
    since_s = time.process_time()
    work()
    return time.process_time() - since_s
