"""Swatches with the names of the phases, and the mark of the limit."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QPaintEvent
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
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

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
        return QSize(round(self._width("")), round(22 * self._scale))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.draw(painter, self.width())

    def _name(self, channel: str) -> str:
        return phase_name(channel) + (f" {NOT_AVAILABLE}" if channel in self._missing else "")

    def _width(self, limit: str) -> float:
        bold, plain = QFontMetrics(font("label", self._scale)), QFontMetrics(font("body", self._scale))
        name = round(30 * self._scale)
        width = sum(name + bold.horizontalAdvance(self._name(channel)) for channel in self._channels)
        width += round(34 * self._scale) + plain.horizontalAdvance(limit) if limit else 0
        return max(1, width - round(14 * self._scale) + 2)

    def draw(self, painter: QPainter | None, room: float = float("inf")) -> float:
        """Paint at the painter's origin where there is one; the width in any case.

        Where the room is short the limit loses its last word ("EN 50160"), then its name goes, never a phase.
        """
        limits = (self._limit, self._limit.rpartition(" ")[0], "")
        limit = next((text for text in limits if self._width(text) <= room), "")
        if painter is None:
            return self._width(limit)
        scale, theme = self._scale, self._theme
        swatch, gap = round(10 * scale), round(6 * scale)
        height = self.height()
        bold, plain = font("label", scale), font("body", scale)
        x = 0
        for channel in self._channels:
            name = self._name(channel)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.phase(channel))
            painter.drawRoundedRect(QRectF(x, height // 2 - swatch // 2, swatch, swatch), 2, 2)
            self._write(painter, x + swatch + gap, name, bold, "text3" if channel in self._missing else "text")
            x += round(30 * scale) + QFontMetrics(bold).horizontalAdvance(name)
        if limit:
            mark = round(14 * scale)
            column = QRectF(x, height // 2 - swatch // 2, mark, swatch)
            painter.fillRect(column, theme.colour("surface2"))
            painter.fillRect(QRectF(column.left(), column.top(), mark, 2), theme.colour("text3"))
            self._write(painter, x + mark + gap, limit, plain, "text3")
        return self._width(limit)

    def _write(self, painter: QPainter, left: float, text: str, text_font: QFont, token: str) -> None:
        painter.setFont(text_font)
        painter.setPen(self._theme.colour(token))
        painter.drawText(QRectF(left, 0, 400, self.height()), Qt.AlignmentFlag.AlignVCenter, text)
