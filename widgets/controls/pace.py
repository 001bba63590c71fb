"""Text that changes at most four times a second, so that it can be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer

TEXT_INTERVAL_MS = 250


class Pace(QObject):
    """Calls `apply` at once, then at most every `interval_ms` with the latest arguments; those between are dropped."""

    def __init__(self, apply: Callable[..., None], parent: QObject, interval_ms: int = TEXT_INTERVAL_MS) -> None:
        super().__init__(parent)
        self._apply = apply
        self._waiting: tuple[Any, ...] | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(interval_ms)
        self._timer.timeout.connect(self._on_timeout)

    def __call__(self, *arguments: Any) -> None:
        """Apply the arguments now, or as soon as the pace allows."""
        if self._timer.isActive():
            self._waiting = arguments
        else:
            self._apply(*arguments)
            self._timer.start()

    def _on_timeout(self) -> None:
        if self._waiting is not None:
            arguments, self._waiting = self._waiting, None
            self._apply(*arguments)
            self._timer.start()
