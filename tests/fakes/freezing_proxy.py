"""A TCP connection through this process that can go dead without a word, as when a router is switched off."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class FreezingProxy:
    """Listens on a loopback port for the time of a `with` block and passes everything on to another one. `freeze`: the
    connections there are carry nothing any more, and stay open; new ones work."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._frozen = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def freeze(self) -> None:
        """From now on nothing gets through what is connected now."""
        with self._lock:
            self._frozen.set()
            self._frozen = threading.Event()

    def __enter__(self) -> FreezingProxy:
        self._go(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            sockets = list(self._sockets)
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30.0)
        for one in sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                frozen = self._frozen
                self._sockets += [near, far]
            self._go(self._pass_on, near, far, frozen)
            self._go(self._pass_on, far, near, frozen)

    def _go(self, work: Callable[..., None], *details: object) -> None:
        thread = threading.Thread(target=work, args=details, daemon=True)
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, frozen: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not frozen.is_set():
                    target.sendall(data)
            if not frozen.is_set():
                target.shutdown(socket.SHUT_WR)
