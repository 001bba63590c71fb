"""A job of the flasher on a thread of its own; what it tells arrives on the window's thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from device_io.flashing.backups import BackupStore
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions, FlashProgress, FlashResult
from device_io.urls import LinkUrl

log = logging.getLogger(__name__)

TELL_S = 0.1
"""Progress within a stage is told so often at most."""


class FirmwareJob(QObject):
    """work: what the flasher shall do. The port is the flasher's from `start` to `finished`."""

    progressed = Signal(object)
    """FlashProgress."""
    noted = Signal(str)
    """A sentence for a person."""
    finished = Signal(object)
    """FlashResult. It comes once."""

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
        self._work = work
        self._told: tuple[object, float] = (None, 0.0)
        self._flasher = Flasher(
            port, store, journal, options, progress=self._tell, note=self._note, cancelled=self._cancelled
        )
        self._thread = threading.Thread(target=self._run, name="flasher", daemon=True)

    def start(self) -> None:
        """Begin. Returns at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop: before the first byte is written nothing has happened, afterwards the journal leads on."""
        self._cancelled.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            result = self._work(self._flasher)
        except Exception:
            log.exception("A flashing job failed")
            result = FlashResult("failed", "Something unforeseen happened. Unplug the module, plug it in, try again.")
        with contextlib.suppress(RuntimeError):  # the window is gone
            self.finished.emit(result)

    def _tell(self, progress: FlashProgress) -> None:
        stage, told_s = self._told
        now_s = time.monotonic()
        last = bool(progress.total) and progress.done >= progress.total
        if progress.stage is stage and now_s - told_s < TELL_S and not last:
            return
        # What counts first is the beginning of a stage, then the first bytes.
        self._told = (progress.stage, now_s if progress.total else 0.0)
        with contextlib.suppress(RuntimeError):
            self.progressed.emit(progress)

    def _note(self, sentence: str) -> None:
        with contextlib.suppress(RuntimeError):
            self.noted.emit(sentence)
