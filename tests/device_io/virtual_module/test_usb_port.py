"""The virtual module on real ports: a pty where the system has them, TCP everywhere."""

import socket
import sys
import time
from pathlib import Path

import pytest
import serial

from device_io.sensix_link.messages import Hello, Kind
from device_io.virtual_module.faults import Faults, parse_faults
from device_io.virtual_module.line import TcpLine, open_line
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.leftovers import comes_true
from tests.fakes.plug import Plug
from tests.fakes.raw_link_client import RawLinkClient

PTY = pytest.param("pty", marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals"))
TCP = pytest.param("tcp")


@pytest.fixture
def serve():
    ports = []

    def start(preset="clean", transport="tcp", faults="", **options):
        held = faults if isinstance(faults, Faults) else parse_faults(faults)
        port = UsbPort(VirtualModule(preset, **options), held, transport)
        ports.append(port)
        return port.start()

    yield start
    for port in ports:
        started = time.monotonic()
        port.stop()
        port.stop()
        assert time.monotonic() - started < 6.0, "2 s on a computer that has the time"


def _unbroken(blocks):
    expected = {}
    for block in blocks:
        if block.first_index != expected.get(block.chip, block.first_index):
            return False
        expected[block.chip] = block.first_index + len(block.counts)
    return True


def _counted(client, blocks):
    """(samples missing, blocks left out), once so many blocks have come and those of the last moment are complete."""
    client.wait(lambda: len(client.blocks) >= blocks and client.blocks[-1].chip == 2)
    return client.decoder.samples_missing, client.decoder.left_out


@pytest.mark.parametrize("transport", [PTY, TCP])
@pytest.mark.parametrize(("baud", "coding"), [(2_000_000, 0), (921_600, 1)])
def test_streams_without_a_lost_block(serve, transport, baud, coding):
    with RawLinkClient(serve("office", transport)) as client:
        client.open_session()
        client.set_baud(baud)
        client.start_stream(coding)
        client.wait(lambda: len(client.blocks) >= 60)
        left_out = client.decoder.left_out
        assert left_out or _unbroken(client.blocks)
        # A program that gets no time leaves its port unread: what is missing then is what the module could not send.
        assert client.decoder.samples_missing <= 101 * left_out
        assert client.deframer.frames_damaged == 0
        first, last = client.blocks[0], client.blocks[-1]
        device_s = (last.device_time_us - first.device_time_us) * 1e-6
        assert device_s == pytest.approx(((len(client.blocks) + left_out) // 3 - 1) * 0.025, abs=0.03)


@pytest.mark.parametrize("transport", [PTY, TCP])
def test_a_slow_line_leaves_blocks_out_and_counts_them(serve, transport):
    with RawLinkClient(serve("clean", transport)) as client:
        client.open_session()
        client.start_stream()
        missing, left_out = _counted(client, 3)
        missing_then, left_out_then = _counted(client, 20)
        assert left_out_then > 50
        assert missing_then - missing == pytest.approx(100 * (left_out_then - left_out), rel=0.01)


@pytest.mark.parametrize("system", ["1P", "1P+N", "3P"])
def test_other_systems(serve, system):
    with RawLinkClient(serve("us-house", system=system)) as client:
        client.open_session()
        assert client.info.system == system
        client.set_baud(2_000_000)
        client.start_stream(chips=7 if system == "3P" else 1)
        client.wait(lambda: len(client.blocks) >= 12)
        assert client.decoder.left_out or _unbroken(client.blocks)


@pytest.mark.parametrize("transport", [PTY, TCP])
def test_unplugging_keeps_the_url_and_the_modules_time(serve, transport):
    plug = Plug()
    url = serve("clean", transport, Faults(unplug=(plug,)))
    with RawLinkClient(url) as client:
        client.open_session()
        boot = client.info.boot_id
        client.set_baud(2_000_000)
        client.start_stream()
        client.wait(lambda: client.blocks)
        plug.out = True
        with pytest.raises((serial.SerialException, OSError)):
            client.wait(lambda: False)
        last = client.blocks[-1]
    if transport == "pty":
        assert not Path(url.removeprefix("usb:")).exists()
    time.sleep(0.5)  # that it stays unplugged
    plug.out = False
    with RawLinkClient(url) as client:
        client.open_session()
        assert client.info.boot_id == boot
        client.set_baud(2_000_000)
        client.start_stream()
        client.wait(lambda: client.blocks)
        gap = client.blocks[0].first_index - last.first_index
        assert gap > 0.5 * 4000
        assert client.blocks[0].device_time_us - last.device_time_us == pytest.approx(gap * 250, abs=500)


def test_a_stall_is_a_gap_with_left_out_blocks(serve):
    plug = Plug()
    with RawLinkClient(serve("clean", "tcp", Faults(stall=(plug,)))) as client:
        client.open_session()
        client.set_baud(2_000_000)
        client.start_stream()
        missing, left_out = _counted(client, 3)
        began_s = time.monotonic()
        plug.out = True
        time.sleep(1.0)  # that it says nothing
        plug.out = False
        client.wait(lambda: client.decoder.samples_missing > missing)
        missing_then, left_out_then = _counted(client, len(client.blocks) + 6)
        # Of 1 s the module's queue holds 0.25 s of line time, some 0.55 s of stream.
        missing_s = (missing_then - missing) / 3 / 4000
        assert 0.1 < missing_s < time.monotonic() - began_s - 0.3
        assert left_out_then - left_out == pytest.approx((missing_then - missing) / 100, abs=0.6)


def test_corrupt_and_drop_are_seen_as_damage_and_gaps(serve):
    with RawLinkClient(serve("clean", "tcp", "corrupt=1e-4,drop=0.05")) as client:
        client.open_session()
        client.set_baud(2_000_000)
        client.start_stream()
        client.wait(lambda: client.deframer.frames_damaged >= 5 and client.decoder.samples_missing > 500)
        assert client.decoder.blocks_bad == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_wrong_baud_hears_noise_only(serve):
    with RawLinkClient(serve("clean", "pty")) as client:
        client.open_session()
        client.serial.baudrate = 921_600
        client.send(Hello(99, 1, 1))
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            client.poll()
        # An answer to an earlier request may still have been on its way.
        assert all(getattr(message, "request_id", 0) != 99 for message in client.messages)
        client.serial.baudrate = 115_200
        client.open_session()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("closes", [True, False])
def test_a_program_that_vanished_at_a_high_baud_is_followed_by_the_next(serve, closes):
    url = serve("clean", "pty")
    client = RawLinkClient(url)
    client.open_session()
    client.set_baud(3_000_000)
    client.start_stream()
    client.wait(lambda: len(client.blocks) > 5)
    if closes:
        client.serial.close()
    started = time.monotonic()
    with RawLinkClient(url) as other:  # at 115 200
        other.open_session()
        other.wait(lambda: not other.blocks)
        assert time.monotonic() - started < 15.0
    client.serial.close()


@pytest.mark.parametrize("transport", [PTY, TCP])
def test_a_program_that_does_not_read_blocks_nothing(serve, transport):
    with RawLinkClient(serve("clean", transport)) as client:
        client.open_session()
        client.set_baud(921_600)
        client.start_stream()
        client.wait(lambda: client.blocks)
        first = client.blocks[0]
        time.sleep(1.0)  # a pty and the module's queue together hold half of it, a socket all
        client.wait(lambda: client.blocks[-1].first_index - first.first_index > 4400)
        if transport == "pty":
            assert client.decoder.left_out > 0
        client.open_session()


def test_a_tcp_port_serves_one_program(serve):
    url = serve("clean", "tcp")
    with RawLinkClient(url) as client:
        client.open_session()
        second = serial.serial_for_url(url.removeprefix("usb:"), timeout=20)
        with second, pytest.raises(serial.SerialException):
            second.read(1)
        client.open_session()


@pytest.mark.parametrize("transport", [PTY, TCP])
def test_stop_leaves_nothing_behind(transport):
    port = UsbPort(VirtualModule("clean"), transport=transport)
    url = port.start()
    folder = Path(url.removeprefix("usb:")).parent
    port.stop()
    if transport == "pty":
        assert comes_true(lambda: not folder.exists())
    else:
        assert comes_true(lambda: not opens(url.removeprefix("usb:")))


def opens(port):
    try:
        serial.serial_for_url(port).close()
    except (serial.SerialException, OSError):
        return False
    return True


def test_readings_arrive_when_asked_for(serve):
    with RawLinkClient(serve("clean", "tcp")) as client:
        client.open_session()
        reply = client.start_stream(chips=0, readings_period_ms=1000)
        assert (reply.chips, reply.readings_period_ms) == (0, 1000)
        client.wait(lambda: any(m.kind == Kind.READINGS for m in client.messages))
        assert not client.blocks


def test_an_unknown_transport_is_refused():
    with pytest.raises(ValueError, match="auto, pty or tcp"):
        open_line("bluetooth")


def test_a_socket_is_free_as_soon_as_its_program_has_closed_it():
    line = TcpLine()
    try:
        place = ("127.0.0.1", int(line.url.rpartition(":")[2]))
        socket.create_connection(place, 20.0).close()  # both wait to be accepted
        with socket.create_connection(place, 20.0) as second, socket.create_connection(place, 20.0) as third:
            third.settimeout(20.0)
            line.read()
            assert line.write(b"hello") == 5
            assert second.recv(5) == b"hello"
            assert third.recv(1) == b"", "a serial port serves one program"
    finally:
        line.close()


def test_the_last_words_of_a_program_do_not_keep_the_next_one_out():
    """A module that was busy meanwhile finds both: what the first one sent, and the second one."""
    line = TcpLine()
    try:
        place = ("127.0.0.1", int(line.url.rpartition(":")[2]))
        with socket.create_connection(place, 20.0) as first:
            line.read()
            first.sendall(b"last words")
        with socket.create_connection(place, 20.0) as second:
            second.settimeout(20.0)
            assert line.read() == b"last words"
            assert line.write(b"hello") == 5
            assert second.recv(5) == b"hello"
    finally:
        line.close()
