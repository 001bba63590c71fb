"""Odd harmonics of the cell and of the own module, side by side."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_text, text_width
from widgets.map.model import Harmonics, Value
from widgets.map.trend_plot import draw_hatch, nice_top
from widgets.numbers import NOT_AVAILABLE, fixed, is_measured, ordinal

_LEFT, _TOP, _BOTTOM, _RIGHT = 40, 26, 20, 4
_NA_FROM_PX = 14
_NEAR = 0.8
"""Share of a limit from which a bar is pointed out."""


class HarmonicBars(Themed, QWidget):
    """Draws `Harmonics`. What is not measurable is hatched, never a bar of height zero."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._data = Harmonics("Odd harmonics of the voltage")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def set_harmonics(self, data: Harmonics) -> None:
        """Other values."""
        self._data = data
        pairs = zip(data.orders, data.cell, strict=False)
        told = ", ".join(f"{ordinal(order)} {fixed(value, 2)}" for order, value in pairs)
        self.setAccessibleName(f"{data.title}: {told or 'no data'}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(360, 160)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 104)

    def nearest_limit(self) -> int | None:
        """Index of the order that is highest against its limit, None where none is over 80 % of it."""
        shares = [
            (_value(self._data.cell, index) or 0.0) / limit if limit else 0.0
            for index, limit in enumerate(self._data.limits)
        ]
        best = max(range(len(shares)), key=shares.__getitem__, default=None)
        return best if best is not None and shares[best] >= _NEAR else None

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, data = QPainter(self), self.theme, self._data
        self._draw_heading(painter)
        plot = self.rect().adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)
        painter.fillRect(plot, theme.colour("plot"))
        known = [value for value in (*data.cell, *data.own) if is_measured(value) and value is not None]
        top, step = nice_top(max(known, default=1.0) * 1.05, 4)
        top = max(top, 0.5)
        for number in range(round(top / step) + 1):
            level = round(plot.bottom() - number * step / top * (plot.height() - 1))
            painter.fillRect(QRect(plot.left(), level, plot.width(), 1), theme.colour("grid"))
            unit = " %" if number == round(top / step) else ""
            text = fixed(number * step, 0 if step >= 1 else 1) + unit
            box = QRect(0, level - 8, _LEFT - 7, 16)
            draw_text(painter, box, text, "tick", theme.colour("axis"), Qt.AlignmentFlag.AlignRight)
        if not data.orders:
            draw_hatch(painter, QRectF(plot), theme.colour("hatch"))
        self._draw_bars(painter, plot, top)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(theme.colour("grid2"))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(plot.adjusted(0, 0, -1, -1))
        self._draw_callout(painter, plot, top)

    def _draw_bars(self, painter: QPainter, plot: QRect, top: float) -> None:
        theme, data = self.theme, self._data
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        slot = plot.width() / max(1, len(data.orders))
        bar = max(2, int((slot - 3) / 2))
        every = 1 if slot >= text_width("39", "order") + 4 else 2
        with_own = any(is_measured(value) for value in data.own)
        for index, order in enumerate(data.orders):
            middle = plot.left() + (index + 0.5) * slot
            pair = (
                ((data.cell, "text3", -bar), (data.own, "accent", 1))
                if with_own
                else ((data.cell, "text3", -bar // 2),)
            )
            for values, token, offset in pair:
                value = _value(values, index)
                left = round(middle) + offset
                if value is None:
                    draw_hatch(painter, QRectF(left, plot.top() + 1, bar, plot.height() - 2), theme.colour("hatch"))
                    continue
                height = round(min(1.0, value / top) * (plot.height() - 1))
                painter.fillRect(QRect(left, plot.bottom() + 1 - height, bar, height), theme.colour(token))
            if _value(data.cell, index) is None and slot >= _NA_FROM_PX:
                self._write_not_available(painter, middle, plot)
            if index % every == 0:
                box = QRect(round(middle) - 12, plot.bottom() + 4, 24, 14)
                draw_text(painter, box, str(order), "order", theme.colour("axis"), Qt.AlignmentFlag.AlignHCenter)

    def _write_not_available(self, painter: QPainter, middle: float, plot: QRect) -> None:
        width = text_width(NOT_AVAILABLE, "order") + 4
        painter.save()
        painter.translate(round(middle), plot.center().y())
        painter.rotate(-90)
        box = QRect(-width // 2, -7, width, 14)
        painter.fillRect(box, self.theme.colour("plot"))
        draw_text(painter, box, NOT_AVAILABLE, "order", self.theme.colour("text3"), Qt.AlignmentFlag.AlignHCenter)
        painter.restore()

    def _draw_callout(self, painter: QPainter, plot: QRect, top: float) -> None:
        index = self.nearest_limit()
        if index is None:
            return
        theme, data = self.theme, self._data
        value, limit = _value(data.cell, index) or 0.0, data.limits[index] or 1.0
        token = "bad" if value >= limit else "warn"
        slot = plot.width() / len(data.orders)
        x = plot.left() + (index + 0.5) * slot
        y = plot.bottom() - value / top * (plot.height() - 1) - 6
        text = f"{ordinal(data.orders[index])} {fixed(value, 2)} of {fixed(limit, 2)} %"
        width = text_width(text, "hint")
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour("warnfill" if token == "warn" else "bad"))
        painter.drawPolygon(QPolygonF([QPointF(x, y), QPointF(x - 5, y - 9), QPointF(x + 5, y - 9)]))
        left = x + 10 if x + 14 + width < plot.right() else x - 14 - width
        box = QRect(round(left), round(max(plot.top() + 2, y - 12)), width + 4, 16)
        painter.fillRect(box.adjusted(-2, 0, 2, 0), theme.colour("plot"))
        draw_text(painter, box, text, "hint", theme.colour(token))

    def _draw_heading(self, painter: QPainter) -> None:
        theme, data = self.theme, self._data
        line = QRect(0, 0, self.width(), 18)
        x = self.width()
        entries = [("cell", "text3")]
        if any(is_measured(value) for value in data.own):
            entries.append(("you", "accent"))
        for text, token in entries:
            x -= text_width(text, "hint")
            draw_text(painter, QRect(x, 0, 60, 18), text, "hint", theme.colour("text2"))
            x -= 14
            painter.fillRect(QRect(x, 5, 9, 9), theme.colour(token))
            x -= 12
        draw_text(painter, line.adjusted(0, 0, x - self.width(), 0), data.title, "card-title", theme.colour("text"))


def _value(values: object, index: int) -> Value:
    """One of a sequence, None beyond its end and where it is not measurable."""
    sequence: tuple[Value, ...] = tuple(values)  # type: ignore[arg-type]
    value = sequence[index] if index < len(sequence) else None
    return value if is_measured(value) else None
