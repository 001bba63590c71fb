"""Work on a thread of its own whose result arrives on the window's thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal


class Background(QObject):
    """Runs functions that wait. Results of what was begun before the last `forget` are dropped."""

    _finished = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._epoch = 0
        self._finished.connect(self._deliver)

    def run(
        self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None], name: str
    ) -> None:
        """Run `work` on a thread; then `done` with its result, or `failed` with its exception, on this one."""
        epoch = self._epoch

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # told to whoever asked
                outcome: tuple[Callable[[Any], None], Any] = (failed, error)
            else:
                outcome = (done, result)
            with contextlib.suppress(RuntimeError):  # the window is gone
                self._finished.emit(epoch, *outcome)

        threading.Thread(target=run, name=name, daemon=True).start()

    def forget(self) -> None:
        """Nothing that runs now is of interest any more."""
        self._epoch += 1

    def _deliver(self, epoch: int, told: Callable[[Any], None], result: Any) -> None:
        if epoch == self._epoch:
            told(result)
