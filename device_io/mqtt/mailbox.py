"""Commands for a thread that waits on a socket: putting one in wakes it."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

_MOST = 4096


class Mailbox:
    """`post` and `poke` from any thread; the rest by the thread that reads it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._commands: queue.Queue[Callable[[], None]] = queue.Queue(_MOST)
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._closed = False

    def post(self, command: Callable[[], None]) -> bool:
        """Have something done; False when too much waits already, or the reader has ended."""
        with self._lock:
            if self._closed:
                return False
            try:
                self._commands.put_nowait(command)
            except queue.Full:
                return False
            self._poke()
        return True

    def poke(self) -> None:
        """Wake the reader."""
        with self._lock:
            if not self._closed:
                self._poke()

    def fileno(self) -> int:
        """What becomes readable when somebody calls."""
        return self._woken.fileno()

    def drain(self) -> None:
        """It was readable."""
        with contextlib.suppress(OSError):
            while self._woken.recv(4096):
                pass

    def work(self) -> None:
        """Do what waits."""
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def close(self) -> None:
        """Take no more, and do what still waits."""
        with self._lock:
            self._closed = True
            self._wake.close()
            self._woken.close()
        self.work()

    def _poke(self) -> None:
        with contextlib.suppress(OSError):  # full, so it will wake
            self._wake.send(b"\0")
