"""Swatches with the names of the phases, and the mark of the limit."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.numbers import NOT_AVAILABLE
from widgets.spectrum.model import phase_name
from widgets.theme import Theme, font


class Legend(QWidget):
    """One line: a swatch and a name for each channel, then the limit's name beside its mark."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._scale = Theme(), 1.0
        self._channels: tuple[str, ...] = ()
        self._limit = ""
        self._missing: tuple[str, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        self._theme, self._scale = theme, text_scale
        self.updateGeometry()
        self.update()

    def set_content(self, channels: Sequence[str], limit: str, missing: Sequence[str] = ()) -> None:
        """Channels in drawing order; limit: empty where none is drawn; missing: channels without a number."""
        content = (tuple(channels), limit, tuple(missing))
        if content != (self._channels, self._limit, self._missing):
            self._channels, self._limit, self._missing = content
            names = [self._name(channel) for channel in self._channels]
            self.setAccessibleName("Legend: " + ", ".join([*names, limit] if limit else names))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(round(self.draw(None)), round(22 * self._scale))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter)

    def _name(self, channel: str) -> str:
        return phase_name(channel) + (f" {NOT_AVAILABLE}" if channel in self._missing else "")

    def draw(self, painter: QPainter | None) -> float:
        """Paint at the painter's origin where there is one; the width in any case."""
        scale, theme = self._scale, self._theme
        swatch, gap = round(10 * scale), round(14 * scale)
        middle = self.height() // 2
        bold, plain = font("label", scale), font("body", scale)
        x = 0
        for channel in self._channels:
            name = self._name(channel)
            width = QFontMetrics(bold).horizontalAdvance(name)
            if painter is not None:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(theme.phase(channel))
                painter.drawRoundedRect(QRectF(x, middle - swatch // 2, swatch, swatch), 2, 2)
                painter.setPen(theme.colour("text3" if channel in self._missing else "text"))
                painter.setFont(bold)
                box = QRectF(x + swatch + round(6 * scale), 0, width + 4, self.height())
                painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, name)
            x += swatch + round(6 * scale) + width + gap
        if self._limit:
            mark = round(14 * scale)
            width = QFontMetrics(plain).horizontalAdvance(self._limit)
            if painter is not None:
                column = QRectF(x, middle - swatch // 2, mark, swatch)
                painter.fillRect(column, theme.colour("surface2"))
                painter.fillRect(QRectF(column.left(), column.top(), mark, 2), theme.colour("text3"))
                painter.setPen(theme.colour("text3"))
                painter.setFont(plain)
                box = QRectF(x + mark + round(6 * scale), 0, width + 4, self.height())
                painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, self._limit)
            x += mark + round(6 * scale) + width + gap
        return max(1, x - gap + 2)
