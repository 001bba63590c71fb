"""Work on a thread of its own whose result arrives on the window's thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer

_LOOK_EVERY_MS = 15


class Background(QObject):
    """Runs functions that wait. Results of what was begun before the last `forget` are dropped.

    The threads touch nothing of Qt: a signal of an object that the window deletes at that moment would end the program.
    Results are fetched, while any are awaited.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._told: dict[int, tuple[Callable[[Any], None], Callable[[Exception], None]]] = {}
        self._results: queue.SimpleQueue[tuple[int, bool, Any]] = queue.SimpleQueue()
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._fetch)

    def run(
        self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None], name: str
    ) -> None:
        """Run `work` on a thread; then `done` with its result, or `failed` with its exception, on this one."""
        self._number += 1
        number, results = self._number, self._results
        self._told[number] = (done, failed)

        def run() -> None:
            try:
                outcome: tuple[bool, Any] = (True, work())
            except Exception as error:  # told to whoever asked
                outcome = (False, error)
            results.put((number, *outcome))

        threading.Thread(target=run, name=name, daemon=True).start()
        self._look.start()

    def forget(self) -> None:
        """Nothing that runs now is of interest any more."""
        self._told.clear()
        self._look.stop()

    def _fetch(self) -> None:
        while True:
            try:
                number, succeeded, result = self._results.get_nowait()
            except queue.Empty:
                break
            told = self._told.pop(number, None)
            if told is not None:
                told[0 if succeeded else 1](result)
        if not self._told:
            self._look.stop()
