"""The USB link against devices at byte level: a module that misbehaves, and things that are no module."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from device_io import link_session, usb_connection
from device_io.link_session import LinkSession
from device_io.sensix_link.messages import Message, SettingsRead
from device_io.source import LinkError, LinkErrorKind, LinkPhase, ModuleInfo, SampleBlock
from device_io.transport import open_transport
from device_io.usb_link import UsbLink
from tests.fakes.leftovers import Holdings, comes_true
from tests.fakes.recording_sink import RecordingSink

pytest.importorskip("pty", reason="this system has no pseudo-terminals")
from tests.fakes.pty_device import FIRST_INDEX, FakeModule, PtyDevice, Talker, sample_counts

STREAMING, LOST, FAILED, CLOSED = LinkPhase.STREAMING, LinkPhase.LOST, LinkPhase.FAILED, LinkPhase.CLOSED


_links: list[UsbLink] = []


def started(url: str, *, sink: RecordingSink, reconnect: bool = True, hello_timeout_s: float = 25.0) -> UsbLink:
    link = UsbLink(url, reconnect=reconnect, hello_timeout_s=hello_timeout_s)
    _links.append(link)
    link.start(sink)
    return link


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no file handle outlives a test; a link that a failed test left running is stopped."""
    before = Holdings()
    yield
    while _links:
        _links.pop().stop()
    before.check()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer may keep a device from answering for a second."""
    monkeypatch.setattr(link_session, "_PROBE_TIMEOUT_S", 0.6)
    monkeypatch.setattr(usb_connection, "_FAREWELL_S", 2.0)


@pytest.fixture
def persistent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module may need a second to answer at the baud that it was left at."""
    monkeypatch.setattr(link_session, "_RAISED_S", 1.5)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stall is called one a little sooner."""
    monkeypatch.setattr(usb_connection, "STALL_S", 2.0)


STOP_S = 6.0
"""Stopping takes 2 s at most on a computer that has the time."""


def stopped(link: UsbLink) -> float:
    began = time.monotonic()
    link.stop()
    return time.monotonic() - began


def fail_reason(device: PtyDevice, hello_timeout_s: float = 1.5) -> LinkError:
    """The error of a link that does not try again. hello_timeout_s: all of it, where nobody answers."""
    sink = RecordingSink()
    link = UsbLink(f"usb:{device.port}", reconnect=False, hello_timeout_s=hello_timeout_s)
    with device:
        link.start(sink)
        state = sink.wait_for_phase(FAILED)
        assert stopped(link) < STOP_S
    assert sink.phases == [LinkPhase.OPENING, FAILED]
    assert sink.identities == sink.blocks == []
    assert state.error is not None
    assert "\n" not in str(state.error)
    return state.error


def check_samples(sink: RecordingSink) -> None:
    """What was delivered is what the fake module made, and never goes back."""
    following = 0
    for block in sink.blocks:
        np.testing.assert_array_equal(block.counts, sample_counts(block.first_index, len(block.counts)))
        assert block.first_index >= following
        following = block.first_index + len(block.counts)


def test_connects_streams_and_stops() -> None:
    sink = RecordingSink()
    with FakeModule() as module:
        link = started(f"usb:{module.port}", sink=sink)
        assert [thread.name for thread in threading.enumerate() if thread.name.startswith("usb link")]
        sink.wait_for_blocks(30)
        state = sink.wait_for_phase(STREAMING)
        assert link.read_settings().result(30) == {"name": "fake"}
        assert stopped(link) < STOP_S
        delivered = len(sink.events)
        assert stopped(link) < 2.0
        assert comes_true(lambda: module.baud == 115_200)  # left as it was found
    assert len(sink.events) == delivered
    assert (state.baud, state.url) == (2_000_000, f"usb:{module.port}")
    assert sink.phases == [LinkPhase.OPENING, LinkPhase.CONNECTED, STREAMING, CLOSED]
    assert sink.identities == [module.info]
    assert sink.counters.blocks == len(sink.blocks)
    assert (sink.counters.samples_missing, sink.counters.frames_damaged, sink.counters.reconnects) == (0, 0, 0)
    check_samples(sink)


def test_a_stopped_link_refuses_jobs_and_a_second_start() -> None:
    with FakeModule() as module:
        link = UsbLink(f"usb:{module.port}")
        with pytest.raises(LinkError):
            link.read_settings().result(30)
        link.start(RecordingSink())
        link.stop()
        with pytest.raises(LinkError):
            link.read_settings().result(30)
        with pytest.raises(RuntimeError):
            link.start(RecordingSink())


def test_jobs_wait_for_the_link_and_too_many_are_refused() -> None:
    with FakeModule(boots=True) as module:
        link = started(f"usb:{module.port}", sink=RecordingSink())
        jobs = [link.read_settings() for _ in range(20)]
        module.boots = False
        assert [job.result(30) for job in jobs[:16]] == [{"name": "fake"}] * 16
        for job in jobs[16:]:
            with pytest.raises(LinkError, match="Too many"):
                job.result(30)
        link.stop()


def test_a_booting_module_is_waited_for_and_its_log_is_delivered() -> None:
    sink = RecordingSink()
    with FakeModule(boots=True) as module:
        link = started(f"usb:{module.port}", reconnect=False, sink=sink)
        assert comes_true(lambda: module.lines_heard >= 3)
        module.boots = False
        sink.wait_for_phase(STREAMING)
        link.stop()
    assert any("boot: still starting" in line for line in sink.text)


@pytest.mark.parametrize("baud", [2_000_000, 3_000_000])
def test_a_module_left_at_a_raised_baud_is_found(persistent: None, baud: int) -> None:
    sink = RecordingSink()
    with FakeModule(baud=baud, usable_bauds=(115_200, 921_600, 2_000_000, 3_000_000)) as module:
        link = started(f"usb:{module.port}", reconnect=False, sink=sink)
        assert sink.wait_for_phase(STREAMING).baud == 2_000_000
        sink.wait_for_blocks(5)
        link.stop()
    check_samples(sink)


def test_a_program_that_was_killed_in_mid_stream_is_followed(persistent: None) -> None:
    with FakeModule() as module:
        sink = RecordingSink()
        transport = open_transport(module.port, 115_200)
        killed = LinkSession(transport, "x", None, threading.Event())  # type: ignore[arg-type]
        killed.greet(20.0)
        killed.raise_baud([2_000_000], set())
        transport.close()
        module._streaming = True  # as if it had been started; nobody says goodbye
        link = started(f"usb:{module.port}", reconnect=False, sink=sink)
        sink.wait_for_blocks(10)
        link.stop()
    check_samples(sink)


@pytest.mark.parametrize(("usable", "chosen"), [((115_200, 921_600), 921_600), ((115_200,), 115_200)])
def test_a_baud_that_does_not_work_is_not_used(usable: tuple[int, ...], chosen: int) -> None:
    sink = RecordingSink()
    with FakeModule(usable_bauds=usable) as module:
        link = started(f"usb:{module.port}", reconnect=False, sink=sink)
        assert sink.wait_for_phase(STREAMING).baud == chosen
        sink.wait_for_blocks(3)
        link.stop()
    check_samples(sink)


def test_the_url_chooses_the_baud() -> None:
    sink = RecordingSink()
    with FakeModule() as module:
        link = started(f"usb:{module.port}?baud=921600", sink=sink)
        assert sink.wait_for_phase(STREAMING).baud == 921_600
        link.stop()


def test_a_restart_of_the_module_is_announced_and_its_samples_begin_anew(impatient: None) -> None:
    sink = RecordingSink()
    with FakeModule() as module:
        link = started(f"usb:{module.port}", sink=sink)
        sink.wait_for_blocks(20)
        module.reboot()
        sink.wait_for(lambda: len(sink.identities) >= 2)
        sink.wait_for_blocks(10)
        link.stop()
    assert [info.boot_id for info in sink.identities] == [1, 2]
    assert any(state.error and state.error.kind == LinkErrorKind.STALLED for state in sink.states)
    second = max(n for n, event in enumerate(sink.events) if isinstance(event, ModuleInfo))
    before = [event for event in sink.events[:second] if isinstance(event, SampleBlock)]
    after = [event for event in sink.events[second:] if isinstance(event, SampleBlock)]
    assert after[0].first_index < FIRST_INDEX <= before[0].first_index
    for blocks in (before, after):
        assert all(a.first_index < b.first_index for a, b in pairwise(blocks))
    assert sink.counters.reconnects == 1
    assert sink.counters.blocks == len(sink.blocks)


def test_a_stall_is_said_and_ends_by_itself(impatient: None) -> None:
    sink = RecordingSink()
    with FakeModule() as module:
        link = started(f"usb:{module.port}", sink=sink)
        sink.wait_for_blocks(10)
        module.sends_samples = False
        state = sink.wait_for_phase(LOST)
        assert state.error is not None
        assert state.error.kind == LinkErrorKind.STALLED
        before = len(sink.blocks)
        module.sends_samples = True
        sink.wait_for(lambda: len(sink.blocks) > before + 5)
        link.stop()
    check_samples(sink)
    assert sink.identities == [module.info] * 2  # the same module: its samples go on, with a gap
    gaps = [after.first_index - before.first_index - len(before.counts) for before, after in pairwise(sink.blocks)]
    assert sink.counters.samples_missing == sum(gaps)
    assert sum(gaps) > 1000
    assert sink.counters.reconnects == 1


def test_without_reconnection_a_stall_ends_the_link_and_its_jobs(impatient: None) -> None:
    sink = RecordingSink()
    with FakeModule() as module:
        link = started(f"usb:{module.port}", reconnect=False, sink=sink)
        sink.wait_for_blocks(10)
        module.answers = False
        job = link.read_settings()
        state = sink.wait_for_phase(FAILED)
        assert state.error is not None
        with pytest.raises(LinkError):
            job.result(30)
        link.stop()
    assert sink.phases[-1] == FAILED


def test_a_port_that_is_not_there_is_tried_for_ever() -> None:
    sink = RecordingSink()
    link = started("usb:/dev/ttyNOPE7", sink=sink)
    state = sink.wait_for_phase(LOST)
    assert state.error is not None
    assert state.error.kind == LinkErrorKind.NO_SUCH_PORT
    assert stopped(link) < STOP_S
    assert sink.phases == [LinkPhase.OPENING, LOST, CLOSED]
    once = RecordingSink()
    link = started("usb:/dev/ttyNOPE7", reconnect=False, sink=once)
    once.wait_for_phase(FAILED)
    link.stop()
    assert once.phases == [LinkPhase.OPENING, FAILED]


def test_a_busy_port() -> None:
    with FakeModule() as module:
        first, second = RecordingSink(), RecordingSink()
        holder = started(f"usb:{module.port}", sink=first)
        first.wait_for_phase(STREAMING)
        link = started(f"usb:{module.port}", reconnect=False, sink=second)
        state = second.wait_for_phase(FAILED)
        assert state.error is not None
        assert state.error.kind == LinkErrorKind.PORT_BUSY
        link.stop()
        first.wait_for_blocks(5)
        holder.stop()


def test_silence() -> None:
    error = fail_reason(PtyDevice(), 0.6)
    assert error.kind == LinkErrorKind.SILENT
    assert "Nothing answers" in str(error)


def test_silence_ends_within_ten_seconds_and_a_stop_at_once() -> None:
    sink = RecordingSink()
    link = UsbLink("usb:x")
    assert link._hello_timeout_s <= 8.0
    with PtyDevice() as device:
        link = started(f"usb:{device.port}", sink=sink)
        sink.wait_for_phase(LinkPhase.OPENING)
        assert stopped(link) < 5.0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n", "GPS positions ($GPGGA,123519"),
        (b"Temperature: 23.4 C, humidity 51 %\r\n", "“Temperature: 23.4 C, humidity 51 %”"),
        (b"tick ", "“tick tick"),
        (bytes(range(128, 256)) + b"\x00\x01\xc0\xdb", "bytes without a meaning (80 81 82"),
        (b"\x00", "bytes without a meaning (00"),
    ],
)
def test_something_else_talks(data: bytes, says: str) -> None:
    error = fail_reason(Talker(data))
    assert error.kind == LinkErrorKind.NOT_A_MODULE
    assert says in str(error)


def test_random_bytes_are_no_module() -> None:
    error = fail_reason(Talker(np.random.default_rng(4).bytes(700)))
    assert error.kind == LinkErrorKind.NOT_A_MODULE


def test_an_echo_is_no_module() -> None:
    class Echo(PtyDevice):
        def received(self, data: bytes) -> None:
            self.send(data)

    error = fail_reason(Echo())
    assert error.kind == LinkErrorKind.NOT_A_MODULE
    assert "sends back" in str(error)


def test_a_slow_answer_is_waited_for_and_asked_for_again() -> None:
    """The keep-alive must not come between a request and its reply."""

    class Slow(FakeModule):
        asked = 0

        def _answer(self, message: Message) -> None:
            if isinstance(message, SettingsRead):
                self.asked += 1
                if self.asked == 1:
                    return
            super()._answer(message)

    with Slow() as module:
        link = started(f"usb:{module.port}", sink=RecordingSink())
        assert link.read_settings().result(30) == {"name": "fake"}
        link.stop()
    assert module.asked >= 2


def test_a_newer_protocol() -> None:
    error = fail_reason(FakeModule(versions=(2, 3)), 20.0)
    assert error.kind == LinkErrorKind.NEWER_PROTOCOL
    assert "update this program" in str(error)


@pytest.mark.parametrize("identity", [b"{}", b"not json", b"[1]", b""])
def test_a_module_that_describes_itself_wrongly(identity: bytes) -> None:
    error = fail_reason(FakeModule(identity=identity or b"\x00"), 20.0)
    assert error.kind == LinkErrorKind.NOT_A_MODULE
    assert "describes itself wrongly" in str(error)


def test_a_module_that_answers_no_more_after_hello() -> None:
    class Shy(FakeModule):
        def _answer(self, message: Message) -> None:
            super()._answer(message)
            self.answers = False

    module, sink = Shy(), RecordingSink()
    with module:
        link = started(f"usb:{module.port}", reconnect=False, hello_timeout_s=0.6, sink=sink)
        state = sink.wait_for_phase(FAILED)
        link.stop()
    assert state.error is not None
    assert state.error.kind == LinkErrorKind.SILENT
