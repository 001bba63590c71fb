"""Passing on the latest of many updates, no more often than people can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, QTimer

TEXT_INTERVAL_MS = 250
"""Text changes at most four times a second."""

T = TypeVar("T")


class Latest(QObject, Generic[T]):
    """Hands values to `show` at most every `interval_ms`: the first at once, then only the latest."""

    def __init__(self, parent: QObject, show: Callable[[T], None], interval_ms: int = TEXT_INTERVAL_MS) -> None:
        super().__init__(parent)
        self._show = show
        self._waiting: list[T] = []
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(interval_ms)
        self._pause.timeout.connect(self.flush)

    def put(self, value: T) -> None:
        """Show `value` now, or when the pause is over unless a later one comes."""
        self._waiting = [value]
        if not self._pause.isActive():
            self.flush()

    def flush(self) -> None:
        """Show what waits, at once."""
        if self._waiting:
            value = self._waiting.pop()
            self._pause.start()
            self._show(value)

    def clear(self) -> None:
        """Forget what waits; the next value is shown at once."""
        self._waiting = []
        self._pause.stop()
