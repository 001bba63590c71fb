"""A job of the flasher on a thread of its own; what it tells arrives on the window's thread."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer, Signal

from device_io.flashing.backups import BackupStore
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions, FlashProgress, FlashResult
from device_io.urls import LinkUrl

log = logging.getLogger(__name__)

_LOOK_EVERY_MS = 50


class FirmwareJob(QObject):
    """work: what the flasher shall do. The port is the flasher's from `start` to `finished`.

    The thread touches nothing of Qt: what it tells is fetched.
    """

    progressed = Signal(object)
    """FlashProgress: every stage, and the latest of each."""
    noted = Signal(str)
    """A sentence for a person."""
    finished = Signal(object)
    """FlashResult. It comes once, after all the others."""

    def __init__(
        self,
        port: LinkUrl,
        store: BackupStore,
        journal: Journal,
        options: FlashOptions,
        work: Callable[[Flasher], FlashResult],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._cancelled = threading.Event()
        self._told: queue.SimpleQueue[FlashProgress | str | FlashResult] = queue.SimpleQueue()
        flasher = Flasher(
            port, store, journal, options, progress=self._told.put, note=self._told.put, cancelled=self._cancelled
        )
        self._thread = threading.Thread(target=_run, args=(work, flasher, self._told), name="flasher", daemon=True)
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._fetch)

    def start(self) -> None:
        """Begin. Returns at once."""
        self._thread.start()
        self._look.start()

    def cancel(self) -> None:
        """Stop: before the first byte is written nothing has happened, afterwards the journal leads on."""
        self._cancelled.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came. Nothing is told afterwards."""
        self._look.stop()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _fetch(self) -> None:
        latest: FlashProgress | None = None
        while not self._told.empty():
            told = self._told.get_nowait()
            if isinstance(told, FlashProgress):
                if latest is not None and latest.stage is not told.stage:
                    self.progressed.emit(latest)
                latest = told
                continue
            if latest is not None:
                self.progressed.emit(latest)
                latest = None
            if isinstance(told, FlashResult):
                self._look.stop()
                self.finished.emit(told)
                return
            self.noted.emit(told)
        if latest is not None:
            self.progressed.emit(latest)


def _run(
    work: Callable[[Flasher], FlashResult], flasher: Flasher, told: queue.SimpleQueue[FlashProgress | str | FlashResult]
) -> None:
    try:
        result = work(flasher)
    except Exception:
        log.exception("A flashing job failed")
        result = FlashResult("failed", "Something unforeseen happened. Unplug the module, plug it in and try again.")
    told.put(result)
