"""All curves of one pane, painted in device coordinates.

Qt's stroker for lines wider than one device pixel costs ten times what the picture needs, so a curve is drawn as two
cosmetic 1 px lines a fraction of a pixel apart (ratio 1), as separate butt-ended lines of the true width (higher
ratios: there the two lines would come apart), or, where there is too much ink for that, as one vertical span a column.
Where spans merge into a band, the band is dim and its edges are bright, so that the curves under it can be seen.
Pens are opaque: translucent ones leave the fast paths.
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
INK_SINGLE_PX = 120_000
INK_WIDE_PX = 30_000
"""Vertical travel of all curves of a pane up to which they are drawn in full; then thinner; beyond, as spans. An
antialiased stroke costs about 18 ns a pixel of travel, a wide one at twice the pixels four times that."""
BAND_PART = 0.6
"""Mean height of the spans, as part of the height of all of them together, from which they make a band."""
BAND_STRENGTH = 0.35


class Stroke(StrEnum):
    """How a curve is drawn."""

    DOUBLE = "double"
    SINGLE = "single"
    WIDE = "wide"
    SPANS = "spans"


@dataclass(frozen=True)
class Curve:
    """One curve: samples or extremes, and the origin of the axis on their clock. Colours: of the curve, of its band
    where it is dense; both opaque."""

    trace: Trace
    origin_s: float
    colour: QColor
    band: QColor


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
    left = np.searchsorted(x, columns, side="left")
    right = np.searchsorted(x, columns + 1, side="left")
    filled = right > left
    # A column that no point starts in shows the one that is under way there.
    bottom, top = low[np.maximum(left - 1, 0)], high[np.maximum(left - 1, 0)]
    if filled.any():
        end = right[filled][-1]
        bottom[filled] = np.fmin.reduceat(low[:end], left[filled])
        top[filled] = np.fmax.reduceat(high[:end], left[filled])
    covered = (columns + 1 > x[0]) & (columns <= x[-1] + 1)
    columns, bottom, top = columns[covered], bottom[covered], top[covered]
    seen = np.isfinite(bottom)
    columns = columns[seen]
    return columns, *_joined(columns, bottom[seen], top[seen])


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
        self.last_stroke = stroke = self._choose([y for _, y in points], ratio)
        if stroke is Stroke.SPANS:
            self._draw_spans(painter, points, device, ratio)
        else:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            for curve, (x, y) in zip(self._curves, points, strict=True):
                if stroke is Stroke.WIDE:
                    self._draw_wide(painter, curve.colour, x, y, ratio)
                else:
                    self._draw_thin(painter, curve.colour, x, y, double=stroke is Stroke.DOUBLE)
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
    def _choose(heights: list[NDArray[np.float64]], ratio: float) -> Stroke:
        """The finest stroke whose cost stays within the frame: cost grows with the ink, not with the points."""
        ink = sum(float(np.nansum(np.abs(np.diff(y)))) for y in heights) / ratio
        if ratio > 1.01:
            return Stroke.WIDE if ink <= INK_WIDE_PX else Stroke.SPANS
        if ink > INK_SINGLE_PX:
            return Stroke.SPANS
        return Stroke.DOUBLE if ink <= INK_DOUBLE_PX else Stroke.SINGLE

    def _draw_thin(
        self, painter: QPainter, colour: QColor, x: NDArray[np.float64], y: NDArray[np.float64], double: bool
    ) -> None:
        painter.setPen(_pen(colour, 1.0))
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
        self, painter: QPainter, colour: QColor, x: NDArray[np.float64], y: NDArray[np.float64], ratio: float
    ) -> None:
        lines = np.column_stack((x[:-1], y[:-1], x[1:], y[1:]))
        painter.setPen(_pen(colour, STROKE_PX * ratio))
        self._draw_lines(painter, lines[np.isfinite(lines).all(axis=1)])

    def _draw_spans(
        self,
        painter: QPainter,
        points: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
        device: QRectF,
        ratio: float,
    ) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        edges = []
        for curve, (x, y) in zip(self._curves, points, strict=True):
            low, high = y, y
            if curve.trace.envelope and len(y) % 2 == 0 and len(y) > 2:
                low, high = np.fmin(y[::2], y[1::2]), np.fmax(y[::2], y[1::2])
                x = x[::2] - (x[2] - x[0]) / 2
            columns, top, bottom = column_spans(x, low, high, int(device.left()), int(np.ceil(device.right())))
            if not len(columns):
                continue
            # At least one stroke high, so that a flat stretch keeps its weight.
            middle, thick = (top + bottom) / 2, STROKE_PX * ratio / 2
            top, bottom = np.minimum(top, middle - thick), np.maximum(bottom, middle + thick)
            band = float(np.mean(bottom - top)) > BAND_PART * float(bottom.max() - top.min()) > 4 * thick
            painter.setPen(_pen(curve.band if band else curve.colour, 1.0))
            self._draw_lines(painter, _vertical(columns, top, bottom))
            if band:
                edges.append((curve.colour, columns, top, top + 2 * thick))
                edges.append((curve.colour, columns, bottom - 2 * thick, bottom))
        for colour, columns, top, bottom in edges:
            painter.setPen(_pen(colour, 1.0))
            self._draw_lines(painter, _vertical(columns, *_joined(columns, top, bottom)))

    def _draw_lines(self, painter: QPainter, lines: NDArray[np.float64]) -> None:
        if not len(lines):
            return
        self._lines.resize(len(lines))
        self._lines.ndarray()[:] = lines
        painter.drawLines(*self._lines.drawargs())


def _pen(colour: QColor, width: float) -> QPen:
    """A pen in device pixels whose ends do not reach beyond its line."""
    pen = QPen(colour, width)
    pen.setCosmetic(True)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


def _vertical(columns: NDArray[np.int64], top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack((columns + 0.5, top, columns + 0.5, bottom))


def _joined(
    columns: NDArray[np.int64], top: NDArray[np.float64], bottom: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each span reaches to its neighbour to the left, where that is the next column, so that a line has no holes."""
    beside = np.diff(columns) == 1
    joined_top, joined_bottom = top.copy(), bottom.copy()
    joined_top[1:] = np.where(beside, np.fmin(top[1:], bottom[:-1]), top[1:])
    joined_bottom[1:] = np.where(beside, np.fmax(bottom[1:], top[:-1]), bottom[1:])
    return joined_top, joined_bottom
