"""The port of an RS485 bus as bytes: a serial device, a pyserial URL, or a TCP socket that stands for one."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

import serial

from device_io.source import LinkError, LinkErrorKind
from device_io.transport import CONNECT_TIMEOUT_S, WRITE_TIMEOUT_S, open_transport

_SLICE_S = 0.02
_READ_BYTES = 4096


class ByteLine(Protocol):
    """An open line, used by one thread."""

    def read(self, timeout_s: float) -> bytes:
        """What is there or arrives first, without waiting for more; empty after the time. LinkError: port gone."""

    def write(self, data: bytes) -> None:
        """Send all of it. LinkError: port gone."""

    def close(self) -> None:
        """Release the port. Never raises."""


LineOpener = Callable[[str, int, str], ByteLine]
"""(port, baud, parity N, E or O) -> line; raises LinkError."""


def open_line(port: str, baud: int, parity: str) -> ByteLine:
    """Open a device name or pyserial URL for this program alone: 8 data bits, 1 stop bit.

    :raises LinkError: NO_SUCH_PORT, PORT_BUSY, NO_PERMISSION, REFUSED or BAD_URL.
    """
    if port.lower().startswith("socket://"):
        return _SocketLine(port, baud)
    return _SerialLine(port, baud, parity)


class _SerialLine:
    def __init__(self, port: str, baud: int, parity: str) -> None:
        self._name = port
        if os.path.realpath(port).startswith("/dev/pts/"):
            parity = "N"  # a pseudo-terminal carries none, and the C library refuses to set it
        # pyserial's RFC 2217 client knows no time-out for writing.
        write_s = None if port.lower().startswith("rfc2217:") else WRITE_TIMEOUT_S
        try:
            self._serial = serial.serial_for_url(
                port, baudrate=baud, parity=parity, timeout=_SLICE_S, write_timeout=write_s, exclusive=True
            )
        except Exception as error:  # pyserial lets termios.error and others through
            raise _why(port, baud, parity, error) from None
        self._handle = self._serial.fileno() if isinstance(getattr(self._serial, "fd", None), int) else None

    def read(self, timeout_s: float) -> bytes:
        if self._handle is None:
            return self._read_by_pyserial(timeout_s)
        # Two calls that wait instead of pyserial's six for a piece: after each one a busy computer may take its time.
        try:
            ready, _, _ = select.select([self._handle], [], [], timeout_s)
            data = os.read(self._handle, _READ_BYTES) if ready else b""
        except (OSError, ValueError):  # ValueError: closed by another thread
            raise _unplugged(self._name) from None
        if ready and not data:
            raise _unplugged(self._name)
        return data

    def _read_by_pyserial(self, timeout_s: float) -> bytes:
        deadline_s = time.monotonic() + timeout_s
        try:
            while True:
                waiting = self._serial.in_waiting
                if not waiting and timeout_s <= 0.0:
                    return b""
                data: bytes = self._serial.read(max(1, waiting))
                if data or time.monotonic() >= deadline_s:
                    return data
        except (OSError, TypeError):  # TypeError: pyserial's own, when closed under a read
            raise _unplugged(self._name) from None

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except OSError:
            raise _unplugged(self._name) from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._serial.close()


class _SocketLine:
    """`socket://host:port`. pyserial's own waits long to connect and reads byte by byte."""

    def __init__(self, port: str, baud: int) -> None:
        self._name = port
        try:
            parts = urlsplit(port)
            self._socket = socket.create_connection((parts.hostname or "", parts.port or 0), CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise _why(port, baud, "N", error) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, timeout_s: float) -> bytes:
        try:
            self._socket.settimeout(max(timeout_s, 1e-4))
            data = self._socket.recv(_READ_BYTES)
        except TimeoutError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise _unplugged(self._name)
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(WRITE_TIMEOUT_S)
            self._socket.sendall(data)
        except OSError:
            raise _unplugged(self._name) from None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _why(port: str, baud: int, parity: str, error: Exception) -> LinkError:
    """The reason why a port can't be opened, in the words of every other link: they try it without parity."""
    try:
        open_transport(port, baud).close()
    except LinkError as reason:
        return reason
    except NotImplementedError:
        pass  # an RFC 2217 port: there the error itself says it
    return LinkError(
        LinkErrorKind.REFUSED,
        f"{port} can't run at {baud} baud with parity {parity} ({error}). Choose what the adapter can do.",
    )


def _unplugged(name: str) -> LinkError:
    return LinkError(LinkErrorKind.UNPLUGGED, f"{name} is gone: the RS485 adapter was unplugged. Plug it in again.")
