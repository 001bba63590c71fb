"""A small trend: band from lowest to highest, mean over it, own values, limit, gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pyqtgraph.functions import arrayToQPolygonF
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_text, font, text_width
from widgets.map.model import Trend, Value
from widgets.numbers import fixed

_LEFT, _TOP, _BOTTOM, _RIGHT = 40, 24, 20, 4
_LEAST_TOP = 2.0
_TICK_STEPS_H = (1, 2, 3, 6, 12, 24)


def nice_top(largest: float, lines: int = 5) -> tuple[float, float]:
    """(upper end, step) of an axis from 0 that holds `largest` with about `lines` steps of 1, 2 or 5."""
    raw = max(largest, 1e-6) / lines
    decade = 10.0 ** np.floor(np.log10(raw))
    step = next(float(factor * decade) for factor in (1, 2, 5, 10) if factor * decade >= raw * 0.999)
    return step * ceil(largest / step - 1e-9), step


def as_array(values: Sequence[Value], count: int) -> NDArray[np.float64]:
    """Numbers with NaN for None, cut or filled to `count`."""
    result = np.full(count, np.nan)
    numbers = np.array([np.nan if value is None else value for value in values], float)[:count]
    result[: len(numbers)] = numbers
    return result


def draw_hatch(painter: QPainter, box: QRectF, colour: QColor) -> None:
    """No data: 45 degrees, 6 px apart."""
    painter.save()
    painter.setClipRect(box)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.2))
    x = box.left() - box.height()
    while x < box.right():
        painter.drawLine(QPointF(x, box.bottom()), QPointF(x + box.height(), box.top()))
        x += 6.0 * 1.4142
    painter.restore()


def runs(valid: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of each unbroken run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


class TrendPlot(Themed, QWidget):
    """Draws a `Trend`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._trend = Trend("", "")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def set_trend(self, trend: Trend) -> None:
        """Other values."""
        self._trend = trend
        mean = [value for value in trend.mean if value is not None]
        words = f"{fixed(min(mean), 1)} to {fixed(max(mean), 1)} {trend.unit}" if mean else "no data"
        self.setAccessibleName(f"{trend.title}, {trend.subtitle}: {words}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(360, 140)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 96)

    def plot_rect(self) -> QRect:
        """The area of the curves in px."""
        return self.rect().adjusted(_LEFT, _TOP, -_RIGHT, -_BOTTOM)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, trend = QPainter(self), self.theme, self._trend
        plot = self.plot_rect()
        self._draw_heading(painter)
        painter.fillRect(plot, theme.colour("plot"))
        count = len(trend.time_s)
        time = np.asarray(trend.time_s, float)
        mean, low = as_array(trend.mean, count), as_array(trend.low, count)
        high, own = as_array(trend.high, count), as_array(trend.own, count)
        if not np.isfinite(mean).any():
            draw_hatch(painter, QRectF(plot), theme.colour("hatch"))
            self._draw_frame(painter, plot)
            plate = QRect(0, 0, text_width("No data in this time", "hint") + 16, 22)
            plate.moveCenter(plot.center())
            painter.fillRect(plate, theme.colour("plot"))
            draw_text(
                painter, plate, "No data in this time", "hint", theme.colour("text3"), Qt.AlignmentFlag.AlignHCenter
            )
            return
        largest = float(np.nanmax(np.concatenate([mean, high, own])))
        if trend.limit is not None and trend.limit < 2.2 * largest:
            largest = max(largest, trend.limit)
        top, step = nice_top(max(_LEAST_TOP, largest * 1.05), 4 if plot.height() < 80 else 5)
        span = max(1.0, time[-1] - time[0])

        def y(value: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
            return plot.bottom() - value / top * (plot.height() - 1)

        x = plot.left() + (time - time[0]) / span * (plot.width() - 1)
        self._draw_grid(painter, plot, top, step, float(time[0]), span)
        painter.setClipRect(plot)
        self._draw_gaps(painter, plot, x, np.isfinite(mean))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        band = theme.blend(theme.colour("text2"), "plot", 0.28)
        for start, stop in runs(np.isfinite(low) & np.isfinite(high)):
            part = slice(start, stop)
            edge_x = np.concatenate([x[part], x[part][::-1]])
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(band)
            painter.drawPolygon(arrayToQPolygonF(edge_x, np.concatenate([y(high[part]), y(low[part])[::-1]])))
        for values, colour in ((mean, theme.colour("text2")), (own, theme.colour("accent"))):
            for start, stop in runs(np.isfinite(values)):
                if stop - start == 1:
                    painter.setPen(Qt.PenStyle.NoPen)
                    painter.setBrush(colour)
                    painter.drawEllipse(QPointF(x[start], y(values[start])), 2, 2)
                    continue
                # Twice, half a pixel apart: as strong as 1.3 px and much faster.
                for shift in (0.0, 0.35):
                    painter.setPen(QPen(colour, 1))
                    painter.drawPolyline(arrayToQPolygonF(x[start:stop], y(values[start:stop]) + shift))
        painter.setClipping(False)
        if trend.limit is not None and trend.limit <= top:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            pen = QPen(theme.colour("bad"), 1)
            pen.setDashPattern([6, 4])
            painter.setPen(pen)
            level = round(float(y(trend.limit)))
            painter.drawLine(plot.left(), level, plot.right(), level)
        self._draw_frame(painter, plot)

    def _draw_heading(self, painter: QPainter) -> None:
        theme, trend = self.theme, self._trend
        line = QRect(0, 0, self.width(), 18)
        draw_text(painter, line, trend.title, "card-title", theme.colour("text"))
        left = text_width(trend.title, "card-title") + 8
        note = f"limit {fixed(trend.limit, 0)} {trend.unit}" if trend.limit is not None else "band: lowest to highest"
        right = text_width(note, "hint")
        draw_text(painter, line.adjusted(left, 0, -right - 8, 0), trend.subtitle, "hint", theme.colour("text3"))
        token = "bad" if trend.limit is not None else "text3"
        draw_text(painter, line, note, "hint", theme.colour(token), Qt.AlignmentFlag.AlignRight)

    def _draw_frame(self, painter: QPainter, plot: QRect) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.theme.colour("grid2"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(plot.adjusted(0, 0, -1, -1))

    def _draw_grid(
        self, painter: QPainter, plot: QRect, top: float, step: float, begin_s: float, span_s: float
    ) -> None:
        theme = self.theme
        painter.setFont(font("tick"))
        for number in range(round(top / step) + 1):
            value = number * step
            level = round(plot.bottom() - value / top * (plot.height() - 1))
            painter.fillRect(QRect(plot.left(), level, plot.width(), 1), theme.colour("grid"))
            text = fixed(value, 0 if step >= 1 else 1)
            box = QRect(0, level - 8, _LEFT - 7, 16)
            draw_text(painter, box, text, "tick", theme.colour("axis"), Qt.AlignmentFlag.AlignRight)
        hours = span_s / 3600.0
        every = next((size for size in _TICK_STEPS_H if hours / size <= 5), 24) * 3600.0
        first = datetime.fromtimestamp(begin_s).astimezone()
        offset = first.utcoffset().total_seconds() if first.utcoffset() else 0.0  # type: ignore[union-attr]
        tick = ceil((begin_s + offset) / every) * every - offset
        while tick <= begin_s + span_s:
            x = round(plot.left() + (tick - begin_s) / span_s * (plot.width() - 1))
            painter.fillRect(QRect(x, plot.top(), 1, plot.height()), theme.colour("grid"))
            text = datetime.fromtimestamp(tick).strftime("%H:%M")
            width = text_width(text, "tick")
            box = QRect(min(max(x - width // 2, 0), self.width() - width), plot.bottom() + 4, width + 1, 15)
            draw_text(painter, box, text, "tick", theme.colour("axis"))
            tick += every

    def _draw_gaps(self, painter: QPainter, plot: QRect, x: NDArray[np.float64], valid: NDArray[np.bool_]) -> None:
        for start, stop in runs(~valid):
            left = x[start - 1] if start else float(plot.left())
            right = x[stop] if stop < len(x) else float(plot.right())
            draw_hatch(painter, QRectF(left, plot.top(), right - left, plot.height()), self.theme.colour("hatch"))
            painter.setClipRect(plot)
