"""All curves of one pane, painted in device coordinates.

Qt's stroker for lines wider than one device pixel costs ten times what the picture needs, so a curve is drawn as two
cosmetic 1 px lines a fraction of a pixel apart (ratio 1), as separate butt-ended lines of the true width (higher
ratios: there the two lines would come apart), or, where a pixel column holds more than a stroke's worth of ink, as one
vertical span a column. Pens are opaque: translucent ones leave the fast paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pyqtgraph import GraphicsObject
from pyqtgraph.functions import create_qpolygonf, ndarray_from_qpolygonf
from pyqtgraph.Qt.internals import PrimitiveArray
from PySide6.QtCore import QLineF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from widgets.scope.source import Trace

STROKE_PX = 1.3
"""Width of a curve in logical pixels."""
OFFSET_PX = 0.1
"""Half the distance of the two lines, in opposite directions: even ink at every angle."""
INK_DOUBLE_PX = 60_000
INK_SINGLE_PX = 200_000
"""Vertical travel of all curves of a pane up to which they are drawn in full; then thinner; beyond, as spans."""
TALL_COLUMN_PX = 6.0
"""Mean height of a column of extremes from which spans look like the line does, and cost less."""


class Stroke(StrEnum):
    """How a curve is drawn."""

    DOUBLE = "double"
    SINGLE = "single"
    WIDE = "wide"
    SPANS = "spans"


@dataclass(frozen=True)
class Curve:
    """One curve: samples or extremes at times relative to the origin of the axis. Colour must be opaque."""

    trace: Trace
    origin_s: float
    colour: QColor


@dataclass(frozen=True)
class Mapping:
    """From (seconds relative to the origin, value) to device pixels: x = ax t + bx, y = ay v + by."""

    ax: float
    bx: float
    ay: float
    by: float


def runs_of(finite: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of each unbroken run of True, single points left out: they make no line."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], finite, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2) if stop - start > 1]


def column_spans(
    x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], first: int, last: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Extremes for each pixel column from `first` to `last`: (columns, low, high), those without a sample left out.

    x: [n] ascending left edge of each point or bin; low, high: [n], NaN where samples are missing. Each span reaches to
    its neighbour to the left, so that the curve has no holes.
    """
    columns = np.arange(first, last + 1)
    if not len(x):
        return columns[:0], low[:0], high[:0]
    # A column that no point starts in shows the one that is under way there.
    starts = np.searchsorted(x, columns, side="left")
    under_way = np.searchsorted(x, columns + 1, side="left") == starts
    covered = (columns + 1 > x[0]) & (columns <= x[-1] + 1)
    starts = np.clip(np.where(under_way, starts - 1, starts), 0, len(x) - 1)
    bottom = np.fmin.reduceat(low, starts)[covered]
    top = np.fmax.reduceat(high, starts)[covered]
    columns = columns[covered]
    joined_low, joined_high = bottom.copy(), top.copy()
    joined_low[1:] = np.where(np.isnan(bottom[1:]), np.nan, np.fmin(bottom[1:], top[:-1]))
    joined_high[1:] = np.where(np.isnan(top[1:]), np.nan, np.fmax(top[1:], bottom[:-1]))
    seen = np.isfinite(joined_low)
    return columns[seen], joined_low[seen], joined_high[seen]


class CurveItem(GraphicsObject):
    """Child of a pane's ViewBox, in its pixel coordinates."""

    def __init__(self, view_box) -> None:  # type: ignore[no-untyped-def]
        super().__init__()
        self.setParentItem(view_box)
        self._view_box = view_box
        self._curves: list[Curve] = []
        self._polygon = create_qpolygonf(0)
        self._lines = PrimitiveArray(QLineF, 4)
        self._bounds = QRectF()
        self.last_stroke: Stroke | None = None

    def set_curves(self, curves: Sequence[Curve]) -> None:
        """Curves from the lowest to the topmost."""
        self._curves = list(curves)
        self.update()

    def set_bounds(self, bounds: QRectF) -> None:
        """The pane's inside, in pixels of the ViewBox."""
        self.prepareGeometryChange()
        self._bounds = QRectF(bounds)

    def boundingRect(self) -> QRectF:
        return self._bounds

    def paint(self, painter: QPainter, *_: object) -> None:
        if not self._curves or self._bounds.isEmpty():
            return
        ratio = painter.device().devicePixelRatioF()
        transform = painter.worldTransform()
        device = transform.mapRect(self._bounds)
        (x0, x1), (y0, y1) = self._view_box.viewRange()
        if not (x1 > x0 and y1 > y0) or device.width() < 1:
            return
        ax, ay = device.width() / (x1 - x0), -device.height() / (y1 - y0)
        mapping = Mapping(ax, device.left() - ax * x0, ay, device.bottom() - ay * y0)
        painter.save()
        painter.setClipRect(self._bounds)
        painter.resetTransform()
        # Lines that leave the pane leave it by this much only: the rasteriser's numbers are small.
        limits = (device.top() - 4 * device.height(), device.bottom() + 4 * device.height())
        points = [self._points(curve, mapping, limits) for curve in self._curves]
        self.last_stroke = stroke = self._choose(points, device, ratio)
        for curve, (x, y) in zip(self._curves, points, strict=True):
            pen = QPen(curve.colour)
            pen.setCosmetic(True)
            if stroke is Stroke.SPANS:
                self._draw_spans(painter, pen, curve.trace, x, y, device, ratio)
            elif stroke is Stroke.WIDE:
                self._draw_wide(painter, pen, x, y, ratio)
            else:
                self._draw_thin(painter, pen, x, y, double=stroke is Stroke.DOUBLE)
        painter.restore()

    @staticmethod
    def _points(
        curve: Curve, mapping: Mapping, limits: tuple[float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x = curve.trace.time_s * mapping.ax
        x += mapping.bx - curve.origin_s * mapping.ax
        y = curve.trace.value.astype(np.float64)
        y *= mapping.ay
        y += mapping.by
        np.clip(y, *limits, out=y)
        return x, y

    @staticmethod
    def _choose(points: list[tuple[NDArray[np.float64], NDArray[np.float64]]], device: QRectF, ratio: float) -> Stroke:
        """The finest stroke whose cost stays within the frame: cost grows with the ink, not with the points."""
        ink = sum(float(np.nansum(np.abs(np.diff(y)))) for _, y in points) / ratio
        count = sum(len(y) for _, y in points)
        columns = max(1.0, device.width()) * len(points)
        dense = count > 1.2 * columns and ink / ratio > TALL_COLUMN_PX * min(count, columns)
        if dense or ink > INK_SINGLE_PX:
            return Stroke.SPANS
        if ratio > 1.01:
            return Stroke.WIDE if ink <= INK_DOUBLE_PX else Stroke.SINGLE
        return Stroke.DOUBLE if ink <= INK_DOUBLE_PX else Stroke.SINGLE

    def _draw_thin(
        self, painter: QPainter, pen: QPen, x: NDArray[np.float64], y: NDArray[np.float64], double: bool
    ) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        pen.setWidth(1)
        painter.setPen(pen)
        finite = np.isfinite(y)
        runs = [(0, len(y))] if finite.all() else runs_of(finite)
        shift = OFFSET_PX if double else 0.0
        for start, stop in runs:
            if stop - start < 2:
                continue
            if len(self._polygon) != stop - start:
                self._polygon.resize(stop - start)
            points = ndarray_from_qpolygonf(self._polygon)
            points[:, 0] = x[start:stop]
            points[:, 1] = y[start:stop]
            points += (-shift, shift)
            painter.drawPolyline(self._polygon)
            if double:
                points += (2 * shift, -2 * shift)
                painter.drawPolyline(self._polygon)

    def _draw_wide(
        self, painter: QPainter, pen: QPen, x: NDArray[np.float64], y: NDArray[np.float64], ratio: float
    ) -> None:
        lines = np.column_stack((x[:-1], y[:-1], x[1:], y[1:]))
        lines = lines[np.isfinite(lines).all(axis=1)]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        pen.setWidthF(STROKE_PX * ratio)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._draw_lines(painter, pen, lines)

    def _draw_spans(
        self,
        painter: QPainter,
        pen: QPen,
        trace: Trace,
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        device: QRectF,
        ratio: float,
    ) -> None:
        low, high = y, y
        if trace.envelope and len(y) % 2 == 0:
            pairs = y.reshape(-1, 2)
            low, high = np.fmin(pairs[:, 0], pairs[:, 1]), np.fmax(pairs[:, 0], pairs[:, 1])
            centre = x[::2]
            x = centre - (centre[1] - centre[0]) / 2 if len(centre) > 1 else centre - 0.5
        columns, top, bottom = column_spans(x, low, high, int(device.left()), int(np.ceil(device.right())))
        lines = np.empty((len(columns), 4))
        lines[:, 0] = lines[:, 2] = columns + 0.5
        # At least one stroke high, so that a flat stretch keeps its weight.
        thick = STROKE_PX * ratio / 2
        lines[:, 1] = np.minimum(top, (top + bottom) / 2 - thick)
        lines[:, 3] = np.maximum(bottom, (top + bottom) / 2 + thick)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        pen.setWidth(1)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        self._draw_lines(painter, pen, lines)

    def _draw_lines(self, painter: QPainter, pen: QPen, lines: NDArray[np.float64]) -> None:
        if not len(lines):
            return
        self._lines.resize(len(lines))
        self._lines.ndarray()[:] = lines
        painter.setPen(pen)
        painter.drawLines(*self._lines.drawargs())
