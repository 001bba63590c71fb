"""Eight modules at once on real serial lines, in processes of their own, into eight stores: no block is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_io.source import LinkPhase, ModuleInfo, SampleBlock
from device_io.usb_link import UsbLink
from device_io.waveform_store import WaveformStore
from tests.fakes.recording_sink import RecordingSink

ROOT = Path(__file__).parents[2]
SERVERS, EACH = 2, 4
SECONDS = 3.0
TRIES = 8
"""A computer that is busy with something else for more than a quarter of a second loses blocks, as it may."""
BLOCKS_PER_S = 120  # three chips, one block each 25 ms


class StoringSink(RecordingSink):
    """Does what the application does with samples."""

    def __init__(self) -> None:
        super().__init__()
        self.store: WaveformStore | None = None

    def on_identity(self, info: ModuleInfo) -> None:
        self.store = WaveformStore(info)
        super().on_identity(info)

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        assert self.store is not None
        self.store.append(blocks)
        super().on_blocks(blocks)


@pytest.fixture
def urls() -> Iterator[list[str]]:
    transport = "tcp" if sys.platform == "win32" else "pty"
    servers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.module_server", str(EACH), transport],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(SERVERS)
    ]  # fmt: skip
    try:
        yield [url for server in servers for url in json.loads(server.stdout.readline())]  # type: ignore[union-attr]
    finally:
        for server in servers:
            server.communicate(timeout=30)
            assert server.returncode == 0


def stream(urls: list[str]) -> list[StoringSink]:
    """What eight links deliver in some seconds."""
    sinks = [StoringSink() for _ in urls]
    links = [UsbLink(url) for url in urls]
    try:
        for link, sink in zip(links, sinks, strict=True):
            link.start(sink)
        for sink in sinks:
            sink.wait_for(lambda sink=sink: len(sink.blocks) >= SECONDS * BLOCKS_PER_S, 60.0)
    finally:
        for link in links:
            link.stop()
    return sinks


def is_whole(sink: StoringSink) -> bool:
    counters = sink.counters
    phases = [LinkPhase.OPENING, LinkPhase.CONNECTED, LinkPhase.STREAMING, LinkPhase.CLOSED]
    lost = counters.blocks_left_out + counters.samples_missing + counters.frames_damaged
    return sink.phases == phases and not lost


@pytest.mark.timeout(600)
def test_no_block_is_lost(urls: list[str]) -> None:
    assert len(urls) == SERVERS * EACH
    tries = (stream(urls) for _ in range(TRIES))
    sinks = next((sinks for sinks in tries if all(map(is_whole, sinks))), [])
    assert sinks, f"not once in {TRIES} times"
    for sink in sinks:
        following: dict[int, int] = {}
        for block in sink.blocks:
            assert following.setdefault(block.chip, block.first_index) == block.first_index
            following[block.chip] += len(block.counts)
        assert sink.store is not None
        assert sink.store.gaps(-1.0, 1e6) == []
        assert (sink.store.latest_s() or 0.0) > 0.9 * SECONDS
