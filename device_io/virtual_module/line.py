"""The two ends of a virtual USB-serial line: the module's, used here, and the one a program opens by its URL."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import shutil
import socket
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from device_io.sensix_link.rules import START_BAUD

_READ_BYTES = 65_536
_ABSENT_POLL_S = 0.02  # a pty does not tell when a program opens it: look this often


class Line(Protocol):
    """The module's end, used by one thread (but `wake`). Nothing blocks but `wait`, and nothing raises."""

    url: str
    baud: int  # the module's
    autobaud: bool  # set by the module: `read` takes over the program's baud (where there is one)
    has_control: bool  # whether the program has DTR and RTS
    attached: bool  # whether a program has the port open, as of the last `read`
    framing_errors: bool  # whether the last `read` met bytes at another baud

    def wait(self, timeout_s: float) -> None:
        """Return when bytes may be there, after `wake`, or after the time."""

    def wake(self) -> None:
        """End a running or the next `wait`; from any thread."""

    def read(self) -> bytes:
        """What has arrived; updates `attached`."""

    def take_control(self) -> list[tuple[bool, bool]]:
        """The changes of (DTR, RTS) since the last call, in order; as of the last `read`."""

    def write(self, data: bytes) -> int:
        """Send; returns how many bytes were taken. Without a program they are lost."""

    def plug(self) -> None:
        """Make the port appear."""

    def unplug(self) -> None:
        """Make the port vanish under a program that has it open."""

    def close(self) -> None:
        """Unplug for good and leave nothing behind."""


def open_line(transport: str = "auto") -> Line:
    """A line on a "pty", a "tcp" or an "rfc2217" port (the one with DTR and RTS); "auto" takes a pty where the system
    has them. OSError if there is none."""
    if transport not in ("auto", "pty", "tcp", "rfc2217"):
        raise ValueError(f"There is no transport {transport!r}. Choose auto, pty or tcp, or rfc2217.")
    if transport == "rfc2217":
        from device_io.virtual_module.rfc2217_line import Rfc2217Line

        return Rfc2217Line()
    if transport == "auto":
        transport = "tcp" if sys.platform == "win32" else "pty"
    return PtyLine() if transport == "pty" else TcpLine()


def garbled(data: bytes, sent_baud: int, received_baud: int, rng: np.random.Generator) -> bytes:
    """What a receiver at another baud makes of bytes: noise, as much as fits into their time."""
    count = min(max(1, round(len(data) * received_baud / sent_baud)), 4 * len(data))
    return rng.integers(0, 256, count, dtype=np.uint8).tobytes()


class _Waker:
    """Ends the wait of a selector."""

    def __init__(self) -> None:
        self.inner, self._outer = socket.socketpair()
        self.inner.setblocking(False)
        self._outer.setblocking(False)

    def wake(self) -> None:
        with contextlib.suppress(OSError):
            self._outer.send(b"x")

    def clear(self) -> None:
        with contextlib.suppress(OSError):
            self.inner.recv(4096)

    def close(self) -> None:
        self.inner.close()
        self._outer.close()


class PtyLine:
    """A pseudo-terminal behind a link in a private folder, so that its URL outlives unplugging.

    The system tells the baud a program has set, so another one than the module's garbles bytes both ways, as on a real
    line. While nobody has it open, what the module sends is lost; what a program left unread (22 kB at most) waits for
    the next one, which has to expect it, as with any driver's buffer.
    """

    def __init__(self) -> None:
        if sys.platform == "win32":
            raise OSError("Windows has no pseudo-terminals: use the TCP transport.")
        self._folder = Path(tempfile.mkdtemp(prefix="sensix-"))
        self._link = self._folder / "ttyModule"
        self.url = f"usb:{self._link}"
        self.baud = START_BAUD
        self.autobaud = self.has_control = False
        self.attached = self.framing_errors = False
        self._master: int | None = None
        self._name = ""
        self._waker = _Waker()
        self._rng = np.random.default_rng()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker.inner, selectors.EVENT_READ)

    def wait(self, timeout_s: float) -> None:
        ready = self._selector.select(timeout_s if self.attached else min(timeout_s, _ABSENT_POLL_S))
        if any(key.fileobj is self._waker.inner for key, _ in ready):
            self._waker.clear()

    def wake(self) -> None:
        self._waker.wake()

    def read(self) -> bytes:
        self.framing_errors = False
        if self._master is None:
            return b""
        try:
            data = os.read(self._master, _READ_BYTES)
        except BlockingIOError:
            self._set_attached(True)
            return b""
        except OSError:
            data = b""
        if not data:
            self._set_attached(self._is_open())
            return b""
        self._set_attached(True)
        baud = self._client_baud()
        if self.autobaud:
            self.baud = baud
        self.framing_errors = baud != self.baud
        return garbled(data, baud, self.baud, self._rng) if self.framing_errors else data

    def take_control(self) -> list[tuple[bool, bool]]:
        return []

    def write(self, data: bytes) -> int:
        if self._master is None or not self.attached:
            return len(data)
        baud = self._client_baud()
        try:
            if baud == self.baud:
                return os.write(self._master, data)
            os.write(self._master, garbled(data, self.baud, baud, self._rng))
        except BlockingIOError:
            return 0
        except OSError:
            pass
        return len(data)

    def plug(self) -> None:
        import pty
        import termios
        import tty

        if self._master is not None:
            return
        self._master, slave = pty.openpty()
        self._name = os.ttyname(slave)
        tty.setraw(slave)
        attributes = termios.tcgetattr(slave)
        attributes[4] = attributes[5] = getattr(termios, f"B{START_BAUD}")
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        os.close(slave)
        os.set_blocking(self._master, False)
        fresh = self._folder / "fresh"
        fresh.symlink_to(self._name)
        fresh.replace(self._link)

    def unplug(self) -> None:
        if self._master is None:
            return
        self._set_attached(False)
        os.close(self._master)
        self._master = None
        self._link.unlink(missing_ok=True)

    def close(self) -> None:
        self.unplug()
        self._selector.close()
        self._waker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _set_attached(self, attached: bool) -> None:
        if attached == self.attached or self._master is None:
            return
        self.attached = attached
        if attached:
            self._selector.register(self._master, selectors.EVENT_READ)
        else:
            self._selector.unregister(self._master)

    def _is_open(self) -> bool:
        """Whether a program has the port open (an empty read alone does not tell)."""
        assert self._master is not None
        poll = select.poll()
        poll.register(self._master, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def _client_baud(self) -> int:
        import termios

        assert self._master is not None
        try:
            speed = termios.tcgetattr(self._master)[5]
        except termios.error:
            return START_BAUD
        return _bauds().get(speed, speed or START_BAUD)


@cache
def _bauds() -> dict[int, int]:
    """Bauds by the constants that the system gives them (on some the number itself)."""
    import termios

    names = (name for name in dir(termios) if name[0] == "B" and name[1:].isdigit() and name != "B0")
    return {getattr(termios, name): int(name[1:]) for name in names}


class TcpLine:
    """A TCP port on the loopback interface for one program at a time; a socket has no baud, so nothing is garbled."""

    def __init__(self) -> None:
        self.baud = START_BAUD
        self.autobaud = self.has_control = False
        self.attached = self.framing_errors = False
        self._waker = _Waker()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker.inner, selectors.EVENT_READ)
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._port = 0
        self._listen()
        self.url = f"usb:socket://127.0.0.1:{self._port}"

    def wait(self, timeout_s: float) -> None:
        if any(key.fileobj is self._waker.inner for key, _ in self._selector.select(timeout_s)):
            self._waker.clear()

    def wake(self) -> None:
        self._waker.wake()

    def read(self) -> bytes:
        data = b""
        if self._client is not None:
            try:
                # To the end: a program that is gone must not stand in the way of the next one.
                while len(data) < _READ_BYTES:
                    piece = self._client.recv(_READ_BYTES)
                    if not piece:
                        self._hang_up()
                        break
                    data += piece
            except BlockingIOError:
                pass
            except OSError:
                self._hang_up()
        self._accept()
        return data

    def take_control(self) -> list[tuple[bool, bool]]:
        return []

    def write(self, data: bytes) -> int:
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # the next read meets the end

    def plug(self) -> None:
        deadline = time.monotonic() + 1.0
        while self._listener is None:
            try:
                self._listen()
            except OSError:
                if time.monotonic() > deadline:
                    return  # tried again with the next call
                time.sleep(0.02)

    def unplug(self) -> None:
        self._hang_up()
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def close(self) -> None:
        self.unplug()
        self._selector.close()
        self._waker.close()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":  # there it would share the port with strangers
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            listener.listen(4)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        if self._listener is None:
            return
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_left():
                    self._hang_up()
                if self._client is not None:
                    client.close()  # a serial port serves one program
                    continue
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client = client
                self._selector.register(client, selectors.EVENT_READ)
                self.attached = True

    def _is_left(self) -> bool:
        """Whether the program has closed the port, which nobody has read yet."""
        try:
            return self._client is not None and not self._client.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _hang_up(self) -> None:
        if self._client is not None:
            self._selector.unregister(self._client)
            self._client.close()
            self._client = None
        self.attached = False
