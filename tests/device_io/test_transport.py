from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import serial
from serial.tools import list_ports

from device_io.source import LinkError, LinkErrorKind
from device_io.transport import open_transport

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
import tty  # noqa: E402


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    os.close(slave)
    keep = os.open(name, os.O_RDWR | os.O_NOCTTY)
    yield master, name
    os.close(keep)
    os.close(master)


def kind_and_text(port: str) -> tuple[LinkErrorKind, str]:
    with pytest.raises(LinkError) as caught:
        open_transport(port, 115_200).close()
    assert "\n" not in str(caught.value)
    return caught.value.kind, str(caught.value)


def test_bytes_go_both_ways_and_the_baud_changes(line: tuple[int, str]) -> None:
    import termios

    master, name = line
    transport = open_transport(name, 115_200)
    try:
        assert transport.read_available(0.0) == b""
        transport.write(b"hello")
        assert os.read(master, 100) == b"hello"
        os.write(master, b"x" * 3000)
        assert transport.read_available(30.0) == b"x" * 3000
        for baud in (921_600, 2_000_000, 3_000_000, 115_200):
            transport.set_baud(baud)
            assert termios.tcgetattr(master)[5] == getattr(termios, f"B{baud}")
    finally:
        transport.close()
        transport.close()


def test_a_second_program_finds_the_port_busy(line: tuple[int, str]) -> None:
    first = open_transport(line[1], 115_200)
    try:
        kind, text = kind_and_text(line[1])
        assert kind == LinkErrorKind.PORT_BUSY
        assert "another program" in text
    finally:
        first.close()
    open_transport(line[1], 115_200).close()


def test_a_port_that_goes_away(line: tuple[int, str]) -> None:
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    os.close(slave)
    transport = open_transport(name, 115_200)
    os.close(master)
    with pytest.raises(LinkError) as caught:
        transport.read_available(30.0)
    assert caught.value.kind == LinkErrorKind.UNPLUGGED
    with pytest.raises(LinkError):
        transport.write(b"x")
    transport.close()


def test_a_port_that_takes_nothing(line: tuple[int, str]) -> None:
    transport = open_transport(line[1], 115_200)
    with pytest.raises(LinkError) as caught:
        transport.write(b"x" * 1_000_000)
    assert caught.value.kind == LinkErrorKind.STALLED
    transport.close()


def test_no_such_port_lists_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [SimpleNamespace(device=d) for d in ("/dev/b", "/dev/a")])
    kind, text = kind_and_text("/dev/ttyNOPE7")
    assert kind == LinkErrorKind.NO_SUCH_PORT
    assert "/dev/ttyNOPE7" in text
    assert "/dev/a, /dev/b" in text
    monkeypatch.setattr(list_ports, "comports", list)
    assert "no serial port at all" in kind_and_text("/dev/ttyNOPE7")[1]


def test_a_file_is_not_a_port(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    assert kind_and_text(str(file))[0] == LinkErrorKind.NO_SUCH_PORT
    assert file.read_text() == "hello"
    assert kind_and_text(str(tmp_path))[0] == LinkErrorKind.NO_SUCH_PORT


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the command is that of Linux")
def test_no_permission_says_the_command(monkeypatch: pytest.MonkeyPatch, line: tuple[int, str]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    kind, text = kind_and_text(line[1])
    assert kind == LinkErrorKind.NO_PERMISSION
    assert "`sudo usermod -a -G dialout $USER`" in text


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("PermissionError(13, 'Access is denied.', None, 5)", LinkErrorKind.PORT_BUSY),
        ("FileNotFoundError(2, 'The system cannot find the file specified.', None, 2)", LinkErrorKind.NO_SUCH_PORT),
    ],
)
def test_windows_tells_the_reason_in_the_text(
    monkeypatch: pytest.MonkeyPatch, reason: str, kind: LinkErrorKind
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(f"could not open port 'COM5': {reason}")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(serial, "serial_for_url", refuse)
    assert kind_and_text("COM5")[0] == kind


@pytest.mark.parametrize("port", ["socket://", "socket://127.0.0.1", "socket://127.0.0.1:x", "socket://:5", "nix://a"])
def test_urls_that_name_no_port(port: str) -> None:
    assert kind_and_text(port)[0] == LinkErrorKind.BAD_URL


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    kind, text = kind_and_text(f"socket://127.0.0.1:{number}")
    assert kind == LinkErrorKind.REFUSED
    assert "Nothing listens" in text


def test_a_socket_carries_bytes_until_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = open_transport(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200)
        peer, _ = server.accept()
        transport.write(b"ping")
        assert peer.recv(10) == b"ping"
        data = os.urandom(200_000)
        sender = threading.Thread(target=lambda: (peer.sendall(data), peer.close()))
        sender.start()
        received = b""
        while len(received) < len(data):
            piece = transport.read_available(30.0)
            assert 0 < len(piece) <= 65_536
            received += piece
        sender.join()
        assert received == data
        with pytest.raises(LinkError) as caught:
            transport.read_available(30.0)
        assert caught.value.kind == LinkErrorKind.UNPLUGGED
        transport.close()
        transport.close()


def test_a_socket_that_hangs_up_at_once_is_busy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = open_transport(f"socket://127.0.0.1:{server.getsockname()[1]}", 115_200)
        server.accept()[0].close()
        with pytest.raises(LinkError) as caught:
            transport.read_available(30.0)
        transport.close()
    assert caught.value.kind == LinkErrorKind.PORT_BUSY


@pytest.mark.parametrize("port", ["127.0.0.1:4711", "meter.local:502", "[::1]:502"])
def test_host_and_port_alone_get_the_way_to_write_it(port: str) -> None:
    kind, text = kind_and_text(port)
    assert kind is LinkErrorKind.NO_SUCH_PORT
    assert text == f"{port} is not a serial port. A port of the network is written socket://{port}."


def test_an_address_of_the_newer_kind_keeps_its_brackets() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
        assert f"[::1]:{number}" in kind_and_text(f"socket://[::1]:{number}")[1]
