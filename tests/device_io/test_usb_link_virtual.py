"""The USB link against the virtual module: every sample delivered is one the module made, whatever happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import numpy as np
import pytest

from device_io.source import LinkErrorKind, LinkPhase, SampleBlock
from device_io.usb_link import UsbLink
from device_io.virtual_module.faults import NO_FAULTS, Faults, parse_faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from device_io.waveform_store import WaveformStore
from tests.fakes.leftovers import Holdings
from tests.fakes.plug import Plug
from tests.fakes.recording_sink import RecordingSink

TRANSPORTS = ["tcp"] if sys.platform == "win32" else ["pty", "tcp"]


class Witness(VirtualModule):
    """Keeps every block that it makes."""

    def __init__(self) -> None:
        super().__init__("office")
        self.made: dict[tuple[int, int], SampleBlock] = {}

    def blocks(self, slot: int) -> list[SampleBlock]:
        blocks = super().blocks(slot)
        self.made.update({(block.chip, block.first_index): block for block in blocks})
        return blocks


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = Holdings()
    yield
    before.check_threads()


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Bench:
    """A virtual module on a port and a link to it, with what was delivered."""

    def __init__(self, transport: str, faults: Faults = NO_FAULTS, query: str = "", reconnect: bool = True) -> None:
        self.module = Witness()
        self.sink = RecordingSink()
        self._port = UsbPort(self.module, faults, transport)
        self.link = UsbLink(self._port.start() + query, reconnect=reconnect)

    def __enter__(self) -> Bench:
        self.link.start(self.sink)
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()
        self._port.stop()

    def check(self) -> int:
        """All that was delivered is what the module made, in order; returns the samples missing in between."""
        following: dict[int, int] = {}
        missing = 0
        for block in self.sink.blocks:
            made = self.module.made[block.chip, block.first_index]
            np.testing.assert_array_equal(block.counts, made.counts)
            assert block.device_time_us == made.device_time_us
            expected = following.get(block.chip, block.first_index)
            assert block.first_index >= expected
            missing += block.first_index - expected
            following[block.chip] = block.first_index + len(block.counts)
        return missing

    def check_nothing_lost(self) -> None:
        """The same, and nothing is missing but what the module left out: on a busy computer its port is read late."""
        assert self.check() <= 101 * self.sink.counters.blocks_left_out


@pytest.mark.parametrize("query", ["", "?baud=921600"])
def test_streams_without_a_loss(transport: str, query: str) -> None:
    with Bench(transport, query=query) as bench:
        bench.sink.wait_for_blocks(60)
        assert bench.sink.wait_for_phase(LinkPhase.STREAMING).baud == int(query.partition("=")[2] or 2_000_000)
        assert dict(bench.link.read_settings().result(30)) == dict(bench.module.settings)
        name = bench.link.write_settings({"name": "cellar"}).result(30)["name"]
    assert name == "cellar"
    bench.check_nothing_lost()
    assert [info.eui for info in bench.sink.identities] == [bench.module.info.eui]
    counters = bench.sink.counters
    assert counters.frames_damaged == 0
    assert counters.blocks == len(bench.sink.blocks)


def test_unplug_and_replug_resume_with_the_gap_shown(transport: str) -> None:
    plug = Plug()
    with Bench(transport, Faults(unplug=(plug,))) as bench:  # type: ignore[arg-type]
        sink = bench.sink
        sink.wait_for_blocks(3)
        began_s = time.monotonic()
        states = len(sink.states)
        plug.out = True
        lost = sink.wait_for_phase(LinkPhase.LOST, since=states)
        time.sleep(0.7)  # that it stays unplugged
        plug.out = False
        before = len(sink.blocks)
        sink.wait_for(lambda: len(sink.blocks) > before + 30)
        took_s = time.monotonic() - began_s
    assert lost.error is not None
    assert lost.error.kind == LinkErrorKind.UNPLUGGED
    assert [state.error.kind for state in sink.states if state.error] == [LinkErrorKind.UNPLUGGED] * sum(
        state.error is not None for state in sink.states
    )
    assert len(sink.identities) == 2
    missing = bench.check()
    assert missing == sink.counters.samples_missing >= 3 * 0.6 * 4000
    assert sink.counters.reconnects == 1
    store = WaveformStore(sink.identities[0])
    for block in sink.blocks:
        store.append([block])
    longest_s = max(end_s - start_s for start_s, end_s in store.gaps(-1.0, 1000.0))
    assert 0.6 < longest_s < took_s


def test_a_noisy_line_loses_blocks_but_never_delivers_a_wrong_sample() -> None:
    with Bench("tcp", parse_faults("corrupt=0.001")) as bench:
        bench.sink.wait_for_blocks(60)
    missing = bench.check()
    assert missing > 0
    assert bench.sink.counters.frames_damaged > 0
    assert missing == bench.sink.counters.samples_missing


def test_dropped_frames_are_gaps() -> None:
    with Bench("tcp", parse_faults("drop=0.1")) as bench:
        bench.sink.wait_for_blocks(90)
    assert bench.check() == bench.sink.counters.samples_missing > 0


def test_a_second_program_is_refused(transport: str) -> None:
    with Bench(transport) as bench:
        bench.sink.wait_for_blocks(3)
        sink = RecordingSink()
        second = UsbLink(bench.link._url, reconnect=False)
        second.start(sink)
        state = sink.wait_for_phase(LinkPhase.FAILED)
        second.stop()
        assert state.error is not None
        assert state.error.kind == LinkErrorKind.PORT_BUSY
        bench.sink.wait_for_blocks(6)
    bench.check_nothing_lost()


def test_a_refused_setting_is_said_and_the_link_goes_on() -> None:
    with Bench("tcp") as bench:
        bench.sink.wait_for_blocks(3)
        error = bench.link.write_settings({"no_such_setting": 1}).exception(30)
        assert error is not None
        assert "The module refuses" in str(error)
        assert bench.link.write_settings({"bad\nkey": 1}).exception(30) is not None
        bench.sink.wait_for_blocks(6)
    bench.check_nothing_lost()
    assert bench.sink.counters.reconnects == 0
