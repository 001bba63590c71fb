"""Memory: an hour of stream at accelerated pace through the whole path, once the ring buffer is full

Frames of the office preset go through deframer, decoder, ring buffer (10 minutes) and analyser. Resident memory is read
when the ring buffer has just been filled, and every five minutes of stream after that.
"""

from __future__ import annotations

import gc

import psutil

from app.connection import push_blocks
from app.specs import chip_specs
from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, SampleDecoder
from device_io.virtual_module.module import VirtualModule
from device_io.waveform_store import WaveformStore
from dsp.analyser import Analyser

HOUR_S = 3600.0
RING_S = 600.0
EVERY_S = 300.0
MOST_GROWTH_MB = 4.0
"""Of about 70 MB of ring buffer: what an allocator's fragments may come to, far less than an hour of anything kept."""


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    module = VirtualModule("office")
    info = module.info
    deframer = Deframer()
    decoder = SampleDecoder(
        {number: chip.nominal_rate_hz for number, chip in enumerate(info.chips)},
        {number: len(chip.channels) for number, chip in enumerate(info.chips)},
    )
    store = WaveformStore(info, RING_S)
    analyser = Analyser(info.system, chip_specs(info))
    windows = 0
    seconds = 0.0
    seen_mb: list[float] = []
    process = psutil.Process()
    for wire in module.encoded(HOUR_S, Coding.RAW24):
        payloads = [payload for kind, payload in deframer.feed(wire) if kind == Kind.SAMPLES]
        blocks = decoder.decode(payloads, 0)
        store.append(blocks)
        push_blocks(analyser, info, blocks)
        windows += len(analyser.pull())
        deframer.take_text()
        latest_s = store.latest_s() or 0.0
        if latest_s >= RING_S + 60.0 and latest_s - seconds >= EVERY_S:
            seconds = latest_s
            gc.collect()
            seen_mb.append(process.memory_info().rss / 1e6)
    growth_mb = max(seen_mb[1:]) - seen_mb[0]
    assert windows > 5 * HOUR_S - 100
    return [
        {
            "what": f"resident memory over an hour of stream, {windows} windows measured",
            "ours": f"{max(seen_mb[1:]):.1f} MB at most",
            "peer": f"{seen_mb[0]:.1f} MB when the ring was full",
            "ratio": f"{growth_mb:+.1f} MB",
            "limit": f"<= {MOST_GROWTH_MB:+.0f} MB",
            "holds": growth_mb <= MOST_GROWTH_MB,
        }
    ]
