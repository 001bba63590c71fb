"""Bytes over a serial port or a TCP socket that stands for one; every failure is a `LinkError` with one sentence.

The control lines are left as the system sets them on opening: DTR and RTS asserted together are the neutral state of
an ESP32's reset circuit, whereas lowering one after the other passes through the state that resets the chip.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import sys
import time
from typing import Any, Protocol
from urllib.parse import urlsplit

import serial
from serial.tools import list_ports

from device_io.port_lease import Lease, check_free
from device_io.source import LinkError, LinkErrorKind

GATHER_S = 0.01
"""Bytes are collected this long before they are handed on: one wake-up for many small pieces."""
CHUNK_BYTES = 65_536
WRITE_TIMEOUT_S = 0.5
CONNECT_TIMEOUT_S = 1.5


class Transport(Protocol):
    """An open byte stream, used by one thread."""

    def read_available(self, timeout_s: float) -> bytes:
        """Bytes that are there or arrive within the time, at most 64 KiB; empty when none do.

        :raises LinkError: if the port is gone.
        """

    def write(self, data: bytes) -> None:
        """Send all of it.

        :raises LinkError: if the port is gone or takes no data for 0.5 s.
        """

    def set_baud(self, baud: int) -> None:
        """Change the rate of the line.

        :raises LinkError: (REFUSED) if the adapter can't.
        """

    def close(self) -> None:
        """Release the port. Never raises; may be called twice."""


def open_transport(port: str, baud: int, lease: Lease | None = None) -> Transport:
    """Open a device name or pyserial URL for this program alone. lease: of the port, where somebody has it.

    :raises LinkError: NO_SUCH_PORT, PORT_BUSY, NO_PERMISSION, REFUSED or BAD_URL.
    """
    check_free(port, lease)
    if port.lower().startswith("socket://"):
        return _SocketTransport(port)
    return _SerialTransport(port, baud)


class _SerialTransport:
    def __init__(self, port: str, baud: int) -> None:
        self._name = port
        options: dict[str, Any] = {"baudrate": baud, "timeout": GATHER_S}
        if not port.lower().startswith("rfc2217://"):  # pyserial's client of that protocol has neither of these
            options |= {"write_timeout": WRITE_TIMEOUT_S, "exclusive": True}
        try:
            self._serial = serial.serial_for_url(port, **options)
        except (serial.SerialException, OSError, ValueError, NotImplementedError) as error:
            raise _open_error(port, error) from None
        if sys.platform == "win32" and hasattr(self._serial, "set_buffer_size"):
            self._serial.set_buffer_size(rx_size=4 * CHUNK_BYTES)

    def read_available(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        try:
            while True:
                data: bytes = self._serial.read(CHUNK_BYTES)
                if data or time.monotonic() >= deadline:
                    return data
        except (serial.SerialException, OSError, TypeError):  # TypeError: pyserial's own, when closed under a read
            raise _unplugged(self._name) from None

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException:
            raise _takes_no_data(self._name) from None
        except (serial.SerialException, OSError):
            raise _unplugged(self._name) from None

    def set_baud(self, baud: int) -> None:
        try:
            self._serial.baudrate = baud
        except (serial.SerialException, OSError, ValueError):
            raise LinkError(
                LinkErrorKind.REFUSED, f"{self._name} can't run at {baud} baud. Choose a lower rate with ?baud=."
            ) from None

    def close(self) -> None:
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()


class _SocketTransport:
    """`socket://host:port`. pyserial's own waits 5 s to connect, reads byte by byte and leaks a socket on a reset."""

    def __init__(self, port: str) -> None:
        self._name = port
        try:
            parts = urlsplit(port)
            host, number = parts.hostname, parts.port
        except ValueError:
            host, number = None, None
        if not host or not number:
            raise LinkError(
                LinkErrorKind.BAD_URL, f"{port!r} names no host and port. Write socket://HOST:PORT with both."
            )
        try:
            self._socket = socket.create_connection((host, number), timeout=CONNECT_TIMEOUT_S)
        except (OSError, UnicodeError) as error:
            raise _connect_error(host, number, error) from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = False

    def read_available(self, timeout_s: float) -> bytes:
        pieces: list[bytes] = []
        size = 0
        deadline = time.monotonic() + timeout_s
        try:
            while size < CHUNK_BYTES and (left_s := deadline - time.monotonic()) >= 0.0:
                self._socket.settimeout(max(left_s, 1e-3))
                piece = self._socket.recv(CHUNK_BYTES - size)
                if not piece:
                    break
                if not pieces:
                    deadline = time.monotonic() + GATHER_S
                pieces.append(piece)
                self._heard = True
                size += len(piece)
            else:
                return b"".join(pieces)
        except TimeoutError:
            return b"".join(pieces)
        except OSError:
            pass
        if pieces:
            return b"".join(pieces)  # the next call meets the end again
        if not self._heard:
            raise LinkError(
                LinkErrorKind.PORT_BUSY,
                f"{self._name} hangs up at once: another program uses it. Close that program and try again.",
            ) from None
        raise _unplugged(self._name) from None

    def write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(WRITE_TIMEOUT_S)
            self._socket.sendall(data)
        except TimeoutError:
            raise _takes_no_data(self._name) from None
        except OSError:
            raise _unplugged(self._name) from None

    def set_baud(self, baud: int) -> None:
        """A socket has none: the other end paces."""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _unplugged(name: str) -> LinkError:
    return LinkError(LinkErrorKind.UNPLUGGED, f"{name} is gone: the module was unplugged. Plug it in again.")


def _takes_no_data(name: str) -> LinkError:
    return LinkError(
        LinkErrorKind.STALLED, f"{name} takes no data any more. Unplug the module, wait a second and plug it in again."
    )


def _connect_error(host: str, number: int, error: Exception) -> LinkError:
    place = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    if isinstance(error, TimeoutError):
        return LinkError(LinkErrorKind.SILENT, f"{host} does not answer. Check the address and the network.")
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return LinkError(LinkErrorKind.NO_SUCH_PORT, f"There is no host {host}. Check the address.")
    if isinstance(error, ConnectionRefusedError):
        sentence = f"Nothing listens at {place}. Start the module there, or check the address."
    else:
        sentence = f"{place} can't be reached ({error}). Check the address."
    return LinkError(LinkErrorKind.REFUSED, sentence)


_HOST_AND_PORT = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")
_BUSY = {errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK}
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_ABSENT = {errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO, errno.ENOTDIR}


def _open_error(port: str, error: Exception) -> LinkError:
    """What pyserial's exception means. On Windows the reason stands in its text only."""
    number = getattr(error, "errno", None)
    text = str(error)
    windows = sys.platform == "win32"
    if isinstance(error, ValueError) and "://" in port:
        return LinkError(LinkErrorKind.BAD_URL, f"{port!r} is not a port that can be opened. Check how it is written.")
    if number in _BUSY or (windows and "PermissionError" in text):
        return LinkError(
            LinkErrorKind.PORT_BUSY, f"{port} is in use by another program. Close that program and try again."
        )
    if number in _FORBIDDEN:
        return LinkError(LinkErrorKind.NO_PERMISSION, _permission_sentence(port))
    if "://" in port:
        return LinkError(LinkErrorKind.REFUSED, f"{port} can't be opened. Check the address.")
    if _HOST_AND_PORT.fullmatch(port):
        sentence = f"{port} is not a serial port. A port of the network is written socket://{port}."
        return LinkError(LinkErrorKind.NO_SUCH_PORT, sentence)
    if number in _ABSENT or "FileNotFoundError" in text:
        return LinkError(LinkErrorKind.NO_SUCH_PORT, f"There is no serial port {port}. {_ports_sentence()}")
    return LinkError(LinkErrorKind.NO_SUCH_PORT, f"{port} is not a serial port. {_ports_sentence()}")


def _permission_sentence(port: str) -> str:
    if not sys.platform.startswith("linux"):
        return f"You may not use {port}. Ask the administrator of this computer for access to it."
    import grp

    try:
        group = grp.getgrgid(os.stat(port).st_gid).gr_name
    except (OSError, KeyError):
        group = "dialout"
    if group in ("root", "tty"):
        group = "dialout"
    return f"You may not use {port}. Run `sudo usermod -a -G {group} $USER`, then log out and in again."


def _ports_sentence() -> str:
    ports = sorted(port.device for port in list_ports.comports())
    if not ports:
        return "This computer sees no serial port at all. Check the cable, or try another one."
    return f"This computer sees {', '.join(ports)}. Check the name and the cable."
