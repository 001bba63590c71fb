"""How much of something is done, as a bar."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_frame


class ProgressBar(Themed, QWidget):
    """A bar from 0 to 1 on a track of the token `track`."""

    def __init__(self, name: str, parent: QWidget | None = None, *, height: int = 8, track: str = "surface2") -> None:
        super().__init__(parent)
        self._fraction, self._height, self._track = 0.0, height, track
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(height)

    @property
    def fraction(self) -> float:
        """What is done, 0..1."""
        return self._fraction

    def set_fraction(self, fraction: float) -> None:
        """Show another part; beyond 0..1 the nearest end."""
        self._fraction = min(1.0, max(0.0, fraction))
        self.setAccessibleDescription(f"{self._fraction:.0%}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(120, self._height)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, radius = QPainter(self), self.theme, self._height / 2
        draw_frame(painter, self.rect(), theme.colour(self._track), None, radius)
        done = round(self.width() * self._fraction)
        if done:
            painter.setClipRect(QRect(0, 0, done, self.height()))
            draw_frame(painter, self.rect(), theme.colour("accentfill"), None, radius)
