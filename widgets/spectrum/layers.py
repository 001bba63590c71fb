"""What the spectrum is painted from: the still layer behind, the bars, callouts and the read-out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QLineF, QPointF, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPolygonF

from widgets import numbers
from widgets.spectrum.geometry import Geometry
from widgets.spectrum.model import ORDERS, Finding, Readout, Spectrum, Unit, phase_name
from widgets.theme import Theme, font

HATCH_PITCH = 6
INDICATIVE_STRENGTH = 0.45
"""How strong the bars of indicative orders are."""

_CENTRE = Qt.AlignmentFlag.AlignCenter
_LABEL_APART = 15


def paint_still(
    painter: QPainter, geometry: Geometry, spectrum: Spectrum, unit: Unit, theme: Theme, scale: float, every: int
) -> None:
    """Ground, grid, limits, hatch, frame, tick and order labels: what changes with the size or the band only."""
    rect = geometry.rect
    painter.fillRect(rect, theme.colour("plot"))
    painter.fillRect(QRectF(rect.left(), rect.bottom(), rect.width(), 1), theme.colour("grid2"))
    _paint_grid(painter, geometry, spectrum, unit, theme, scale)
    _paint_limits(painter, geometry, spectrum, unit, theme)
    if spectrum.has_data:
        _paint_band(painter, geometry, spectrum, theme, scale)
    painter.setPen(QPen(theme.colour("grid2"), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(rect.adjusted(-0.5, -0.5, 0.5, 0.5))
    painter.setFont(font("order", scale))
    for order in range(1, ORDERS + 1):
        missing = spectrum.has_data and spectrum.knowledge(order) == "n/a"
        crowds_last = order < ORDERS and geometry.centre(ORDERS) - geometry.centre(order) < _LABEL_APART * scale
        if ((order - 1) % every == 0 and not crowds_last) or order == ORDERS:
            painter.setPen(theme.colour("text3" if missing else "axis"))
            painter.drawText(label_rect(geometry, order, scale), _CENTRE, str(order))


def label_rect(geometry: Geometry, order: int, scale: float) -> QRectF:
    """Where the number of an order stands."""
    return QRectF(geometry.centre(order) - 15 * scale, geometry.rect.bottom() + 5 * scale, 30 * scale, 14 * scale)


def _paint_grid(
    painter: QPainter, geometry: Geometry, spectrum: Spectrum, unit: Unit, theme: Theme, scale: float
) -> None:
    rect, ticks = geometry.rect, geometry.scale.ticks
    painter.setFont(font("tick", scale))
    height = QFontMetricsF(painter.font()).height()
    apart = rect.height() / max(1, len(ticks) - 1)
    every = 1 if apart >= height * 1.4 else 2
    sign = "%" if unit == "percent" else spectrum.unit
    labelled = [index for index in range(len(ticks)) if index % every == 0]
    for index, tick in enumerate(ticks):
        y = geometry.y(tick)
        if 0 < index < len(ticks) - 1:
            painter.fillRect(QRectF(rect.left(), y, rect.width(), 1), theme.colour("grid"))
        if index in labelled:
            text = geometry.scale.label(tick)
            text += f"{numbers.THIN_SPACE}{sign}" if index == labelled[-1] else ""
            painter.setPen(theme.colour("axis"))
            box = QRectF(0, y - height / 2, rect.left() - 7 * scale, height)
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)


def _paint_limits(painter: QPainter, geometry: Geometry, spectrum: Spectrum, unit: Unit, theme: Theme) -> None:
    """A column with a 2 px cap. In volts each phase has its own: the limit is a share of its fundamental."""
    if spectrum.limits is None:
        return
    for order, limit_pct in spectrum.limits.orders.items():
        if not 2 <= order <= ORDERS:
            continue
        limits = [limit_pct]
        if unit == "absolute":
            limits = [limit_pct * share for share in _volts_per_pct(spectrum)]
        for index, limit in enumerate(limits):
            if not np.isfinite(limit):
                continue
            column = geometry.column(order, index, len(limits), float(limit))
            painter.fillRect(column, theme.colour("surface2"))
            if not geometry.is_cut(float(limit)):
                painter.fillRect(QRectF(column.topLeft(), QSizeF(column.width(), 2)), theme.colour("text3"))


def _volts_per_pct(spectrum: Spectrum) -> list[float]:
    """One per cent of each channel's fundamental; NaN where it has none."""
    rows = spectrum.absolute
    return [float(row[1]) / 100.0 if spectrum.has_values(name, "percent") else np.nan for name, row in rows.items()]


def _paint_band(painter: QPainter, geometry: Geometry, spectrum: Spectrum, theme: Theme, scale: float) -> None:
    rect = geometry.rect
    painter.setFont(font("order", scale))
    metrics = QFontMetricsF(painter.font())
    first, last = spectrum.trusted_to + 1, spectrum.indicative_to
    if 1 < first <= last:
        region = geometry.slot_rect(first, last)
        painter.setPen(QPen(theme.colour("grid2"), 1, Qt.PenStyle.CustomDashLine))
        pen = painter.pen()
        pen.setDashPattern([1, 3])
        painter.setPen(pen)
        painter.drawLine(QLineF(region.left() + 0.5, rect.top(), region.left() + 0.5, rect.bottom()))
        if metrics.horizontalAdvance("indicative") + 8 < region.width():
            painter.setPen(theme.colour("text3"))
            box = region.adjusted(0, 4 * scale, 0, 0)
            painter.drawText(box, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, "indicative")
    for start, end in spectrum.not_available:
        paint_hatch(painter, geometry.slot_rect(start, end).adjusted(0, 0, -1, 0), theme.colour("hatch"))
        _paint_na(painter, geometry.slot_rect(start, end), theme, scale)


def paint_hatch(painter: QPainter, region: QRectF, colour: QColor) -> None:
    """Lines at 45 degrees, 6 px apart along the edge."""
    painter.save()
    painter.setClipRect(region)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.2))
    height = region.height()
    start = int(region.left() - height) // HATCH_PITCH * HATCH_PITCH
    lines = [
        QLineF(x, region.bottom(), x + height, region.top()) for x in range(start, int(region.right()) + 1, HATCH_PITCH)
    ]
    painter.drawLines(lines)
    painter.restore()


def _paint_na(painter: QPainter, region: QRectF, theme: Theme, scale: float) -> None:
    painter.save()
    painter.setFont(font("hint", scale))
    metrics = QFontMetricsF(painter.font())
    length, height = metrics.horizontalAdvance(numbers.NOT_AVAILABLE) + 24 * scale, metrics.height() + 2
    plate = QRectF(-length / 2, -height / 2, length, height)
    painter.translate(region.center())
    painter.rotate(-90)
    painter.fillRect(plate, theme.colour("plot"))
    painter.setPen(theme.colour("text3"))
    painter.drawText(plate, _CENTRE, numbers.NOT_AVAILABLE)
    painter.restore()


def paint_bars(painter: QPainter, geometry: Geometry, spectrum: Spectrum, unit: Unit, theme: Theme) -> None:
    """The bars, those of indicative orders lighter; where one is off the scale a slanted break cuts it."""
    cuts: list[tuple[float, float]] = []
    for index, channel in enumerate(spectrum.channels):
        row = spectrum.values(unit).get(channel)
        if row is None:
            continue
        full = theme.phase(channel)
        light = theme.blend(full, "plot", INDICATIVE_STRENGTH)
        for order in range(1, spectrum.indicative_to + 1):
            value = float(row[order])
            if not np.isfinite(value):
                continue
            bar = geometry.bar(order, index, value)
            painter.fillRect(bar, full if order <= spectrum.trusted_to else light)
            if geometry.is_cut(value):
                cuts.append((bar.left(), bar.right()))
    if cuts:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("plot"), 5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        y = geometry.rect.top() + min(20.0, geometry.rect.height() / 6)
        for left, right in _joined(cuts):
            rise = (right - left + 4) * 0.13
            painter.drawLine(QLineF(left - 2, y + rise, right + 2, y - rise))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    result: list[tuple[float, float]] = []
    for left, right in sorted(spans):
        if result and left - result[-1][1] < 2.5:
            result[-1] = (result[-1][0], right)
        else:
            result.append((left, right))
    return result


def fundamental_text(spectrum: Spectrum, unit: Unit) -> str:
    """Label of the cut bars of order 1: "100 %", or the values as a range."""
    if unit == "percent":
        return f"100{numbers.THIN_SPACE}%"
    values = [float(row[1]) for row in spectrum.absolute.values() if np.isfinite(row[1])]
    decimals = 1 if spectrum.quantity == "voltage" else 2
    low, high = (numbers.fixed(pick(values), decimals) for pick in (min, max))
    return f"{low} to {high}{numbers.THIN_SPACE}{spectrum.unit}" if low != high else f"{low} {spectrum.unit}"


def paint_fundamental_label(
    painter: QPainter, geometry: Geometry, spectrum: Spectrum, unit: Unit, theme: Theme, scale: float
) -> None:
    """What the cut bars of order 1 stand for, beside them."""
    rows = spectrum.values(unit).values()
    if geometry.scale.logarithmic or not any(geometry.is_cut(float(row[1])) for row in rows):
        return
    painter.setFont(font("hint", scale))
    painter.setPen(theme.colour("text2"))
    left = geometry.group_left(1) + geometry.group_width + 6
    box = QRectF(left, geometry.rect.top() + 2, 200 * scale, 15 * scale)
    text = fundamental_text(spectrum, unit)
    plate = QRectF(box.topLeft(), QSizeF(QFontMetricsF(painter.font()).horizontalAdvance(text) + 2, box.height()))
    painter.fillRect(plate, theme.colour("plot"))
    painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


def place_callouts(
    geometry: Geometry, spectrum: Spectrum, unit: Unit, findings: Sequence[Finding], scale: float
) -> list[tuple[Finding, QRectF, float]]:
    """(finding, plate, y of the arrow's tip) of the worst two orders; what would overlap or not fit is left out."""
    metrics = QFontMetricsF(font("hint", scale))
    rect = geometry.rect
    placed: list[tuple[Finding, QRectF, float]] = []
    for finding in [entry for entry in findings if entry.order is not None][:2]:
        assert finding.order is not None
        row = spectrum.values(unit)[finding.channel]
        tip = min(geometry.y(float(row[finding.order])), _top(geometry, spectrum, unit, finding.order)) - 3
        width = metrics.horizontalAdvance(finding.callout) + 20 * scale
        height = 19 * scale
        centre = geometry.centre(finding.order)
        left = max(geometry.group_left(1) + geometry.group_width + 4, min(rect.right() - 4 - width, centre - width / 2))
        covered = range(max(1, int((left - rect.left()) // geometry.slot) + 1), ORDERS + 1)
        highest = min(
            (_top(geometry, spectrum, unit, order) for order in covered if geometry.centre(order) < left + width),
            default=rect.bottom(),
        )
        top = min(rect.top() + 0.31 * rect.height(), highest - height - 6)
        # Order 1 wears its label in the first line of the plot.
        top = max(top, rect.top() + (20 if left < geometry.centre(6) else 4) * scale)
        plate = QRectF(round(left), round(top), round(width), round(height))
        if rect.contains(plate) and not any(plate.adjusted(-4, -4, 4, 4).intersects(other) for _, other, _ in placed):
            placed.append((finding, plate, tip))
    return placed


def _top(geometry: Geometry, spectrum: Spectrum, unit: Unit, order: int) -> float:
    """The highest thing drawn over an order."""
    if order == 1:
        return geometry.rect.bottom()
    values = [float(row[order]) for row in spectrum.values(unit).values() if np.isfinite(row[order])]
    limit = spectrum.limit_pct(order)
    if limit is not None:
        shares = [1.0] if unit == "percent" else _volts_per_pct(spectrum)
        values += [limit * share for share in shares if np.isfinite(share)]
    return geometry.y(max(values, default=0.0))


def paint_callouts(
    painter: QPainter, placed: Sequence[tuple[Finding, QRectF, float]], geometry: Geometry, theme: Theme, scale: float
) -> None:
    """Plates with an arrow down to the bars, and the order's number in the same colour."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for finding, plate, tip in placed:
        assert finding.order is not None
        colour = theme.colour(finding.kind)
        x = geometry.snap(geometry.centre(finding.order) - 0.5) + 0.5
        if tip - plate.bottom() > 4:
            painter.setPen(QPen(colour, 1))
            painter.drawLine(QLineF(x, plate.bottom(), x, tip - 5))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawPolygon(QPolygonF([QPointF(x - 5, tip - 7), QPointF(x + 5, tip - 7), QPointF(x, tip)]))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.colour(f"{finding.kind}bg"))
        painter.drawRoundedRect(plate, 4, 4)
        painter.setPen(colour)
        painter.setFont(font("hint", scale))
        painter.drawText(plate, _CENTRE, finding.callout)
        box = label_rect(geometry, finding.order, scale)
        painter.fillRect(box.adjusted(8 * scale, 0, -8 * scale, 0), theme.colour("surface"))
        bold = font("order", scale)
        bold.setWeight(QFont.Weight.Bold)
        painter.setFont(bold)
        painter.drawText(box, _CENTRE, str(finding.order))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def readout_box(geometry: Geometry, readout: Readout, scale: float) -> QRectF:
    """Where the box of a read-out stands: beside its order, on the side with room."""
    rect, slot = geometry.rect, geometry.slot_rect(readout.order, readout.order)
    widths = [sum(_readout_columns(readout, scale)) + 14 * scale]
    widths.append(QFontMetricsF(font("label", scale)).horizontalAdvance(readout.title))
    widths += [QFontMetricsF(font("hint", scale)).horizontalAdvance(note) for note in readout.notes]
    width = round(max(widths) + 20 * scale)
    height = round((19 * (1 + len(readout.rows)) + 16 * len(readout.notes) + 14) * scale)
    left = slot.right() + 8 if slot.right() + 8 + width < rect.right() else slot.left() - 8 - width
    return QRectF(round(max(rect.left() + 2, left)), rect.top() + 6, width, height)


def _readout_columns(readout: Readout, scale: float) -> tuple[float, float, float]:
    """Widths of the names, the percents and the absolute values."""
    metrics = QFontMetricsF(font("table", scale))
    percents = (metrics.horizontalAdvance(percent) for _, percent, _ in readout.rows)
    absolutes = (metrics.horizontalAdvance(absolute) for _, _, absolute in readout.rows)
    name = 30 * scale + metrics.horizontalAdvance("L3")
    return name, max(percents, default=0.0), max(absolutes, default=0.0)


def paint_readout(painter: QPainter, geometry: Geometry, readout: Readout, theme: Theme, scale: float) -> None:
    """Frame around the order and a box with everything that is known of it."""
    box = readout_box(geometry, readout, scale)
    slot = geometry.slot_rect(readout.order, readout.order)
    painter.setPen(QPen(theme.colour("border2"), 1))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(slot.adjusted(0.5, 0.5, -0.5, -0.5))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(theme.colour("surface"))
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
    body, line, swatch = font("table", scale), 19 * scale, 10 * scale
    name, first, second = _readout_columns(readout, scale)
    x, y, width = box.left() + 10 * scale, box.top() + 6 * scale, box.width()
    _line(painter, QRectF(x, y, width, line), readout.title, font("label", scale), theme.colour("text"))
    for channel, percent, absolute in readout.rows:
        y += line
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.phase(channel))
        painter.drawRoundedRect(QRectF(x, y + (line - swatch) / 2, swatch, swatch), 2, 2)
        _line(painter, QRectF(x + 16 * scale, y, 60, line), phase_name(channel), body, theme.colour("text2"))
        for text, edge in ((percent, x + name + first), (absolute, x + name + first + 14 * scale + second)):
            colour = theme.colour("text3" if text == numbers.NOT_AVAILABLE else "text")
            _line(painter, QRectF(edge - 200, y, 200, line), text, body, colour, Qt.AlignmentFlag.AlignRight)
    y += line
    for note in readout.notes:
        _line(painter, QRectF(x, y, width, 16 * scale), note, font("hint", scale), theme.colour("text3"))
        y += 16 * scale
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)


def _line(
    painter: QPainter,
    rect: QRectF,
    text: str,
    text_font: QFont,
    colour: QColor,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> None:
    painter.setFont(text_font)
    painter.setPen(colour)
    painter.drawText(rect, align | Qt.AlignmentFlag.AlignVCenter, text)
