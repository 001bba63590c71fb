"""One pane of the oscilloscope: a pyqtgraph ViewBox with its axis, our grid and our curves."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pyqtgraph import AxisItem, GraphicsLayout, ViewBox
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter

from widgets.controls.painting import font
from widgets.scope.curve_item import Curve, CurveItem
from widgets.scope.grid_item import GridItem, TitlePlate
from widgets.scope.scales import DIVISIONS, AutoScale, label_stride, nice_step, tick_texts, tick_values, time_unit
from widgets.scope.source import Trace
from widgets.theme import Theme

VALUE_AXIS_PX = 48
TIME_AXIS_PX = 22
LABEL_PITCH_PX = 22.0
LABEL_MARGIN_PX = 14.0
OVERHANG_PX = 10.0
"""Room for labels beyond the right edge of the panes."""


class ScopeViewBox(ViewBox):
    """Hands pan and zoom to whoever owns the view, in units of the axes; changes nothing by itself."""

    panned = Signal(float, float)
    """Shift of the view in seconds and in volts or amperes."""
    zoomed = Signal(float, object, float)
    """Notches of the wheel (positive: closer), axis (0 time, 1 value), time under the pointer."""
    menu_requested = Signal(object)
    reset_requested = Signal()

    def __init__(self) -> None:
        super().__init__(enableMenu=False, defaultPadding=0.0)
        self.disableAutoRange()
        self.setMouseEnabled(True, True)

    def wheelEvent(self, event, axis=None) -> None:  # type: ignore[no-untyped-def]
        if axis is None:
            axis = 1 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 0
        at_s = self.mapToView(event.pos()).x() if axis == 0 else 0.0
        self.zoomed.emit(event.delta() / 120.0, axis, at_s)
        event.accept()

    def mouseDragEvent(self, event, axis=None) -> None:  # type: ignore[no-untyped-def]
        event.accept()
        if event.button() not in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            return
        before, now = self.mapToView(event.lastPos()), self.mapToView(event.pos())
        self.panned.emit(0.0 if axis == 1 else before.x() - now.x(), 0.0 if axis == 0 else before.y() - now.y())

    def mouseClickEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        if event.button() == Qt.MouseButton.RightButton:
            event.accept()
            self.menu_requested.emit(event.screenPos().toPoint())
        elif event.double():
            event.accept()
            self.reset_requested.emit()


class ScopeAxis(AxisItem):
    """Tick labels outside the pane, without strokes, in a place of fixed size: nothing moves when a label does."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._theme = Theme()
        self._labels: list[tuple[float, str]] = []
        if orientation == "left":
            self.setWidth(VALUE_AXIS_PX)
        else:
            self.setHeight(TIME_AXIS_PX)

    def set_theme(self, theme: Theme) -> None:
        """Colours of what is drawn from now on."""
        self._theme = theme
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self.rect()).adjusted(-60, -10, 60, 10)

    def set_labels(self, labels: Sequence[tuple[float, str]]) -> None:
        """(place in pixels from the top or left, text)."""
        if list(labels) != self._labels:
            self._labels = list(labels)
            self.update()

    def linkedViewChanged(self, view, newRange=None) -> None:  # type: ignore[no-untyped-def]
        """The labels come from the pane; the axis only passes on wheel and drag."""

    def paint(self, painter: QPainter, *_: object) -> None:
        painter.setFont(font("tick"))
        painter.setPen(self._theme.colour("axis"))
        size = self.size()
        for place, text in self._labels:
            if self.orientation == "left":
                area = QRectF(0, place - 8, size.width() - 7, 16)
                painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            else:
                area = QRectF(place - 60, 4, 120, size.height() - 4)
                painter.drawText(area, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, text)


class Pane:
    """Voltage or current. `unit`: "V" or "A"."""

    def __init__(self, layout: GraphicsLayout, row: int, unit: str, title: str) -> None:
        self.unit = unit
        self.view_box = ScopeViewBox()
        self.axis = ScopeAxis("left")
        self.axis.linkToView(self.view_box)
        layout.addItem(self.axis, row, 0)
        layout.addItem(self.view_box, row, 1)
        self.grid = GridItem(self.view_box)
        self.curves = CurveItem(self.view_box)
        self.title = TitlePlate(self.view_box, title)
        self.per_division = {"V": 100.0, "A": 10.0}[unit]
        self.offset = 0.0
        self._auto: AutoScale | None = AutoScale(unit, self.per_division)
        self._fitted = False
        self._time_px: list[float] = []
        self._gaps: list[tuple[float, float]] = []
        self.view_box.sigResized.connect(self._resized)

    def set_theme(self, theme: Theme) -> None:
        """Colours of grid, labels and title; the curves bring their own."""
        for item in (self.axis, self.grid, self.title):
            item.set_theme(theme)

    @property
    def half_range(self) -> float:
        """From the middle of the pane to its edge, in its unit."""
        return DIVISIONS[self.unit] * self.per_division

    @property
    def automatic(self) -> bool:
        """True while the signal decides on the scale."""
        return self._auto is not None

    def set_scale(self, per_division: float | None) -> None:
        """Units per division; None: let the signal decide, with zero in the middle."""
        self._auto = None
        if per_division is not None:
            self.per_division = per_division
        else:
            self.offset = 0.0
            self._auto = AutoScale(self.unit, self.per_division)
            self._fitted = False

    def expect(self, peak: float | None) -> None:
        """Scale for a signal that is about to come; None: whatever comes first decides, at once."""
        if self._auto is not None:
            self._fitted = False
            if peak is not None:
                self.per_division = self._auto.fit(peak)

    def autoscale(self, traces: Sequence[Trace], now_s: float) -> None:
        """Let the signal decide, where it may."""
        if self._auto is None:
            return
        peaks = [float(np.fmax.reduce(np.abs(trace.value), initial=-np.inf)) for trace in traces]
        peak = max(peaks, default=-math.inf)
        if not math.isfinite(peak):
            return
        if self._fitted:
            self.per_division = self._auto.update(peak, now_s)
        else:
            self.per_division = self._auto.fit(peak)
            self._fitted = True

    def set_view(self, start_s: float, stop_s: float, time_step_s: float) -> None:
        """Show that span of time and the present value range, with grid lines."""
        middle, half = self.offset, self.half_range
        self.view_box.setRange(xRange=(start_s, stop_s), yRange=(middle - half, middle + half), padding=0)
        self._time_px = [self.x_px(float(time)) for time in tick_values(start_s, stop_s, time_step_s)]
        self._place()

    def x_px(self, time_s: float) -> float:
        """Place of a relative time, in pixels of the ViewBox."""
        (start_s, stop_s), _ = self.view_box.viewRange()
        return (time_s - start_s) / (stop_s - start_s) * self.view_box.width()

    def y_px(self, value: float) -> float:
        """Place of a value, in pixels of the ViewBox."""
        return (self.offset + self.half_range - value) / (2 * self.half_range) * self.view_box.height()

    def scene_rect(self) -> QRectF:
        """The inside of the pane in the scene."""
        return self.view_box.mapRectToScene(self.view_box.rect())

    def value_at(self, scene_y: float) -> float:
        """Value at a height of the scene."""
        y = self.view_box.mapFromScene(QPointF(0, scene_y)).y()
        return self.offset + self.half_range * (1 - 2 * y / max(1.0, self.view_box.height()))

    def show(self, curves: Sequence[Curve], gaps: Sequence[tuple[float, float]]) -> None:
        """New curves, lowest first, and gaps in relative seconds."""
        self.curves.set_curves(curves)
        self._gaps = list(gaps)
        self._place_gaps()

    def _resized(self) -> None:
        bounds = self.view_box.rect()
        self.grid.set_bounds(bounds)
        self.curves.set_bounds(bounds)

    def _place(self) -> None:
        low, high = self.offset - self.half_range, self.offset + self.half_range
        step = self.per_division
        values = tick_values(low, high, step)
        height = self.view_box.height()
        stride = label_stride(height / (2 * DIVISIONS[self.unit]), LABEL_PITCH_PX)
        scale = 1.0
        labels = []
        for value, text in zip(values, tick_texts([float(value) * scale for value in values], step), strict=True):
            place = self.y_px(float(value))
            if round(value / step) % stride == 0 and 6 <= place <= height - 6:
                labels.append((place, text))
        self.axis.set_labels(labels)
        zero = self.y_px(0.0) if low < 0 < high else None
        self.grid.set_lines(self._time_px, [self.y_px(float(value)) for value in values if value], zero)
        self._place_gaps()

    def _place_gaps(self) -> None:
        width = self.view_box.width()
        places = ((self.x_px(start), self.x_px(stop), stop - start) for start, stop in self._gaps)
        self.grid.set_gaps([(left, right, length) for left, right, length in places if right > 0 and left < width])


def time_step(start_s: float, stop_s: float, per_division_s: float, divisions: int) -> float:
    """Grid step of a view: the division, where the view has just that many of them."""
    span_s = stop_s - start_s
    if abs(span_s - divisions * per_division_s) < 1e-9 * span_s and nice_step(span_s, divisions) == per_division_s:
        return per_division_s
    return nice_step(span_s, divisions)


def time_labels(start_s: float, stop_s: float, step_s: float, width_px: float) -> list[tuple[float, str]]:
    """(place in pixels, text) of the time axis; the unit once, at the last label."""
    factor, unit = time_unit(stop_s - start_s)
    times = [float(time) for time in tick_values(start_s, stop_s, step_s)]
    texts = tick_texts([time * factor for time in times], step_s * factor)
    metrics = QFontMetricsF(font("tick"))
    widest = max((metrics.horizontalAdvance(text) for text in texts), default=0.0)
    stride = label_stride(width_px * step_s / (stop_s - start_s), widest + LABEL_MARGIN_PX)
    chosen = [
        ((time - start_s) / (stop_s - start_s) * width_px, text)
        for time, text in zip(times, texts, strict=True)
        if round(time / step_s) % stride == 0
    ]
    if chosen:
        place, text = chosen[-1]
        with_unit = f"{text} {unit}"
        width = metrics.horizontalAdvance(with_unit)
        shift = (width - metrics.horizontalAdvance(text)) / 2
        chosen[-1] = (min(place + shift, width_px + OVERHANG_PX - width / 2), with_unit)
    return chosen
