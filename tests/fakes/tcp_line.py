"""A TCP line through this process: slow as over a satellite, or dead without a word as behind a router switched off."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from types import TracebackType


class TcpLine:
    """Listens on a loopback port for the time of a `with` block and passes everything on to `port`, each piece
    `delay_s` after it came, in both directions. Where nobody listens behind it, connections end at once. refuse:
    connections with it in their first 64 bytes are ended. `freeze`: those that are there carry nothing any more."""

    def __init__(self, port: int, delay_s: float = 0.0, *, refuse: bytes | None = None) -> None:
        self._target = port
        self._delay_s = delay_s
        self._refuse = refuse
        self._ending = threading.Event()
        self._frozen = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def freeze(self) -> None:
        """From now on nothing gets through what is connected now, and it stays open; new connections work."""
        with self._lock:
            self._frozen.set()
            self._frozen = threading.Event()

    def __enter__(self) -> TcpLine:
        self._go(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets, threads = list(self._sockets), list(self._threads)
        for one in sockets:
            _end(one, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10.0)
        for one in sockets:
            one.close()

    def _go(self, work: object, *details: object) -> None:
        thread = threading.Thread(target=work, args=details, daemon=True)  # type: ignore[arg-type]
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._go(self._join, near)

    def _join(self, near: socket.socket) -> None:
        with self._lock:
            self._sockets.append(near)
        try:
            if self._refuse is not None and self._refuse in near.recv(64, socket.MSG_PEEK):
                raise ConnectionRefusedError
            far = socket.create_connection(("127.0.0.1", self._target), 5.0)
        except OSError:
            _end(near, socket.SHUT_RDWR)
            return
        far.settimeout(None)
        with self._lock:
            self._sockets.append(far)
            frozen = self._frozen
        for source, target in ((near, far), (far, near)):
            line: queue.Queue[tuple[float, bytes]] = queue.Queue()
            self._go(self._read, source, line)
            self._go(self._write, line, target, frozen)

    def _read(self, source: socket.socket, line: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"."
        while data:
            try:
                data = source.recv(65_536)
            except OSError:
                data = b""
            line.put((time.monotonic() + self._delay_s, data))

    def _write(self, line: queue.Queue[tuple[float, bytes]], target: socket.socket, frozen: threading.Event) -> None:
        while True:
            due_s, data = line.get()
            self._ending.wait(max(0.0, due_s - time.monotonic()))
            if frozen.is_set():
                if data:
                    continue
                return
            if not data:
                _end(target, socket.SHUT_WR)
                return
            with contextlib.suppress(OSError):
                target.sendall(data)


def _end(one: socket.socket, how: int) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(how)
