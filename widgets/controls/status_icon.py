"""Status as colour, shape and (beside it) a word."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QSize
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from widgets.controls.painting import Themed, draw_icon
from widgets.theme import Theme


class Status(StrEnum):
    """Circle with tick, triangle with !, octagon with cross, ring with i, dashed ring, three-quarter ring."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    INFO = "info"
    WAITING = "waiting"
    RUNNING = "running"


_TINTED = {Status.OK, Status.WARN, Status.BAD}


def status_colours(status: Status, theme: Theme) -> tuple[QColor, QColor, QColor]:
    """Colours of the shape, of the word, and of the tint behind them."""
    if status in _TINTED:
        shape = "warnfill" if status is Status.WARN else status.value
        return theme.colour(shape), theme.colour(status.value), theme.colour(f"{status.value}bg")
    if status is Status.RUNNING:
        return theme.colour("accent"), theme.colour("accent"), theme.colour("accentbg")
    return theme.colour("text2"), theme.colour("text2"), theme.colour("surface2")


def draw_status(painter: QPainter, status: Status, theme: Theme, x: float, y: float, size: float) -> None:
    """The shape of a status with its top left corner at x, y."""
    draw_icon(painter, f"status-{status.value}", status_colours(status, theme)[0], x, y, size)


class StatusIcon(Themed, QWidget):
    """The shape of a status; the word stands beside it."""

    def __init__(self, status: Status | str = Status.WAITING, size: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = size
        self.setFixedSize(size, size)
        self.set_status(status)

    @property
    def status(self) -> Status:
        """What it shows."""
        return self._status

    def set_status(self, status: Status | str) -> None:
        """Show another status. ValueError for an unknown one."""
        self._status = Status(status)
        self.setAccessibleName(self._status.value)
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._size, self._size)

    def paintEvent(self, _event: QPaintEvent) -> None:
        draw_status(QPainter(self), self._status, self.theme, 0, 0, self._size)
