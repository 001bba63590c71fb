"""The strip beside the curves: value of each channel at the cursors, which is legend and channel switch as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_focus, draw_text
from widgets.numbers import fixed

WIDTH_PX = 224
ROW_PX = 26
HEAD_PX = 24
LINE_PX = 21
SWATCH_PX = 10
_RIGHT = Qt.AlignmentFlag.AlignRight
_COLUMNS = (("A", 44, 55), ("B", 99, 53), ("B−A", 152, 54))
_UNIT_AT = 210


@dataclass(frozen=True)
class ReadoutRow:
    """One channel: colour of its curve, whether it is drawn, values at the cursors (None: not measurable)."""

    key: str
    colour: QColor
    shown: bool
    a: float | None
    b: float | None

    @property
    def unit(self) -> str:
        """V or A."""
        return "V" if self.key.startswith("V") else "A"

    @property
    def difference(self) -> float | None:
        """B - A."""
        return None if self.a is None or self.b is None else self.b - self.a


def value_text(value: float | None, unit: str) -> str:
    """Volts with one decimal, amperes with two; one less from 1000 on, so that the column holds it."""
    decimals = 1 if unit == "V" else 2
    return fixed(value, decimals - 1 if value is not None and abs(value) >= 1000 else decimals)


class Readout(Themed, QWidget):
    """Table of the channels, times of the cursors, figures of the selected channel.

    A click on a channel's name, or Space, switches it on or off; a click on its values, or the arrow keys, selects it.
    """

    toggled = Signal(str)
    selected = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[ReadoutRow] = []
        self._selected = ""
        self._times: list[tuple[str, str]] = []
        self._figures: list[tuple[str, str]] = []
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self.setFixedWidth(WIDTH_PX)
        self.setMouseTracking(True)
        self.setAccessibleName("Channels and cursors")

    def set_values(
        self,
        rows: Sequence[ReadoutRow],
        selected: str,
        times: Sequence[tuple[str, str]],
        figures: Sequence[tuple[str, str]],
    ) -> None:
        """Channels, the selected one, (label, text) of the cursors' times and of the selected channel's figures."""
        if (list(rows), selected, list(times), list(figures)) == (
            self._rows,
            self._selected,
            self._times,
            self._figures,
        ):
            return
        self._rows, self._selected = list(rows), selected
        self._times, self._figures = list(times), list(figures)
        lines = [f"{row.key} {value_text(row.a, row.unit)} {row.unit}" for row in rows]
        lines += [f"{label} {text}" for label, text in (*times, *figures)]
        self.setAccessibleDescription("; ".join(lines))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX, self._table_height() + 7 * LINE_PX + 24)

    def _table_height(self) -> int:
        return HEAD_PX + ROW_PX * len(self._rows) + 6

    def _row_at(self, place: QPoint) -> str | None:
        index = (place.y() - HEAD_PX) // ROW_PX
        return self._rows[index].key if place.y() >= HEAD_PX and 0 <= index < len(self._rows) else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        key = self._row_at(event.position().toPoint())
        if key is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if event.position().x() < _COLUMNS[0][1]:
            self.toggled.emit(key)
        self.selected.emit(key)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        key = self._row_at(event.position().toPoint())
        self.setCursor(Qt.CursorShape.PointingHandCursor if key else Qt.CursorShape.ArrowCursor)
        over_name = key and event.position().x() < _COLUMNS[0][1]
        self.setToolTip(f"Show or hide {key}" if over_name else f"Figures of {key} below" if key else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = [row.key for row in self._rows]
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is not None and keys:
            index = keys.index(self._selected) if self._selected in keys else 0
            self.selected.emit(keys[min(max(index + step, 0), len(keys) - 1)])
        elif event.key() == Qt.Key.Key_Space and self._selected in keys:
            self.toggled.emit(self._selected)
        else:
            event.ignore()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        text3 = self.theme.colour("text3")
        draw_text(painter, QRect(0, 0, 60, HEAD_PX - 2), "Channel", "tick", text3)
        for label, left, width in _COLUMNS:
            draw_text(painter, QRect(left, 0, width, HEAD_PX - 2), label, "tick", text3, _RIGHT)
        self._rule(painter, HEAD_PX - 1, "border")
        for index, row in enumerate(self._rows):
            self._paint_row(painter, HEAD_PX + index * ROW_PX, row, index)
        top = self._table_height() + 14
        blocks = [self._times, self._figures]
        for number, block in enumerate(blocks):
            if not block or top + LINE_PX * len(block) > self.height():
                break
            self._rule(painter, top - 8, "border")
            for line, (label, text) in enumerate(block):
                area = QRect(0, top + line * LINE_PX, self.width() - 2, LINE_PX)
                self._paint_label(painter, area, label, number == 1, line)
                bold = number == 0 and line >= 2
                weight = "label" if bold else "table"
                draw_text(painter, area, text, weight, self.theme.colour("text"), _RIGHT)
            top += LINE_PX * len(block) + 16
        if self.hasFocus() and self._selected:
            index = next((n for n, row in enumerate(self._rows) if row.key == self._selected), None)
            if index is not None:
                area = QRect(0, HEAD_PX + index * ROW_PX + 1, self.width(), ROW_PX - 2)
                draw_focus(painter, area, self.theme, 4)

    def _paint_label(self, painter: QPainter, area: QRect, label: str, figures: bool, line: int) -> None:
        text2 = self.theme.colour("text2")
        if not figures:
            draw_text(painter, area, label, "body", text2)
            return
        row = next((row for row in self._rows if row.key == self._selected), None)
        if line == 0 and row is not None:
            self._swatch(painter, area, row)
            draw_text(painter, area.adjusted(18, 0, 0, 0), row.key, "label", self.theme.colour("text"))
        draw_text(painter, area.adjusted(42, 0, 0, 0), label, "body", text2)

    def _paint_row(self, painter: QPainter, top: int, row: ReadoutRow, index: int) -> None:
        area = QRect(0, top, self.width(), ROW_PX)
        if index and row.unit != self._rows[index - 1].unit:
            painter.fillRect(QRect(0, top - 1, self.width(), 2), self.theme.colour("border2"))
        elif index:
            self._rule(painter, top, "border")
        self._swatch(painter, area, row)
        name = self.theme.colour("text" if row.shown else "text3")
        draw_text(painter, area.adjusted(18, 0, 0, 0), row.key, "table", name)
        if not row.shown:
            draw_text(painter, area.adjusted(44, 0, 0, 0), "hidden", "tick", self.theme.colour("text3"))
            return
        for (_, left, width), value in zip(_COLUMNS, (row.a, row.b, row.difference), strict=True):
            colour = self.theme.colour("text3" if value is None else "text")
            draw_text(painter, QRect(left, top, width, ROW_PX), value_text(value, row.unit), "table", colour, _RIGHT)
        draw_text(painter, area.adjusted(_UNIT_AT, 0, 0, 0), row.unit, "tick", self.theme.colour("text3"))

    def _swatch(self, painter: QPainter, area: QRect, row: ReadoutRow) -> None:
        box = QRect(0, area.top() + (area.height() - SWATCH_PX) // 2, SWATCH_PX, SWATCH_PX)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(row.colour if not row.shown else Qt.PenStyle.NoPen)
        painter.setBrush(row.colour if row.shown else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 2, 2)

    def _rule(self, painter: QPainter, y: int, token: str) -> None:
        painter.fillRect(QRect(0, y, self.width(), 1), self.theme.colour(token))
