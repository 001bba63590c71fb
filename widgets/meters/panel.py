"""The meter panel as one painted widget: text changes at most four times a second and its digits do not dance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QFont,
    QFontMetrics,
    QFontMetricsF,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from widgets.meters import rows as content
from widgets.meters.layout import Layout, place
from widgets.numbers import NOT_AVAILABLE
from widgets.pacing import Latest
from widgets.theme import Theme, font

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


def _digits(role: str, scale: float) -> QFont:
    """Font of numbers: without kerning, which would make "1.1" narrower than "4.8" even with tabular figures."""
    result = font(role, scale)
    result.setKerning(False)
    return result


class MeterPanel(QWidget):
    """Content of the meters' card: four large numbers and a table quantity x phase, units from the parameter table.

    Arrow keys move over the cells, Ctrl+C copies the value, Ctrl+Shift+C (or the context menu) the whole table.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = Theme()
        self._scale = 1.0
        self._compact = False
        self._channels: tuple[str, ...] = ()
        self._columns: tuple[str, ...] = ()
        self._values: Mapping[str, float | None] = {}
        self._flags: tuple[str, ...] = ()
        self._layout: Layout | None = None
        self._kpi_widths: list[float] = []
        self._cell: tuple[int, int] | None = None
        self._latest = Latest(self, self._show_values)
        self.setAccessibleName("Meter panel")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._describe()

    # What it shows

    def set_system(self, channels: Sequence[str]) -> None:
        """Channels of the wiring system (V1 ... IN); an empty sequence shows what to do next."""
        if tuple(channels) == self._channels:
            return
        self._channels = tuple(channels)
        self._columns = content.columns(self._channels)
        self._values, self._flags = {}, ()
        self._latest.clear()
        self._cell = None
        self._relayout()

    def set_values(self, values: Mapping[str, float | None], flags: Iterable[str] = ()) -> None:
        """{key: value in the table's unit, None where not measurable}. The latest wins where they come too fast."""
        self._latest.put((dict(values), tuple(flags)))

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        self._theme, self._scale = theme, text_scale
        self.updateGeometry()
        self._relayout()

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        if compact != self._compact:
            self._compact = compact
            self.updateGeometry()
            self._relayout()

    def text_table(self) -> str:
        """All values as text, columns parted by tabs."""
        table = content.text_table(self._channels, self._values)
        return table + (f"Flags\t{', '.join(self._flags)}\n" if self._flags else "")

    def shown_rows(self) -> tuple[str, ...]:
        """Names of the rows that fit at present."""
        return tuple(row.name for row in self._placed().rows)

    def sizeHint(self) -> QSize:
        return (
            QSize(round(386 * self._scale), round(312 * self._scale))
            if self._compact
            else QSize(round(432 * self._scale), round(383 * self._scale))
        )

    def minimumSizeHint(self) -> QSize:
        return QSize(round(360 * self._scale), round(240 * self._scale))

    # Updates

    def _show_values(self, update: tuple[Mapping[str, float | None], tuple[str, ...]]) -> None:
        self._values, self._flags = update
        if self._cell is not None:
            self._describe()
        self.update()

    def _relayout(self) -> None:
        self._layout = None
        self._kpi_widths = []
        if self._cell is not None and self._cell[0] >= len(self._placed().rows):
            self._cell = None
        self._describe()
        self.update()

    def _placed(self) -> Layout:
        if self._layout is None or self._layout.size != (self.width(), self.height()):
            self._layout = place(self.width(), self.height(), self._scale, self._compact, self._columns)
        return self._layout

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        if not self._channels:
            painter.setFont(font("body", self._scale))
            painter.setPen(self._theme.colour("text3"))
            painter.drawText(
                self.rect().adjusted(16, 16, -16, -16),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                "No readings yet. Choose a module at the top left.",
            )
            return
        layout = self._placed()
        self._paint_kpis(painter, layout)
        self._paint_header(painter, layout)
        self._paint_rows(painter, layout)
        if self._cell is not None and self.hasFocus():
            row, column = self._cell
            painter.setPen(QPen(self._theme.colour("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            rect = QRectF(layout.cell_rect(row, self._columns[column])).adjusted(0.5, 0.5, 2.5, -0.5)
            painter.drawRoundedRect(rect, 4, 4)

    def _paint_kpis(self, painter: QPainter, layout: Layout) -> None:
        kpis = content.kpis(self._channels)
        texts = [content.kpi_text(kpi, self._values) for kpi in kpis]
        roles = ["kpi-compact"] if self._compact else ["kpi", "kpi-compact"]
        room = layout.right - layout.padding
        # The smaller size only where the numbers have grown too long for the larger one.
        for role in roles:
            widths = [self._kpi_width(kpi.name, *text, role) for kpi, text in zip(kpis, texts, strict=True)]
            if sum(widths) + 3 * 8 * self._scale <= room:
                break
        if len(self._kpi_widths) == len(widths):
            # Widths only grow, so that a power that crosses 10 kW does not push its neighbours to and fro.
            grown = [max(pair) for pair in zip(widths, self._kpi_widths, strict=True)]
            widths = grown if sum(grown) + 3 * 8 * self._scale <= room else widths
        self._kpi_widths = widths
        gap = max(4.0, (room - sum(widths)) / (len(widths) - 1))
        left = float(layout.padding)
        half = 20 * self._scale
        value_font, unit_font, label_font = (
            font(role, self._scale),
            font("lead", self._scale),
            font("hint", self._scale),
        )
        baseline = layout.kpi_value_y + QFontMetricsF(value_font).capHeight() / 2
        for kpi, (number, unit), width in zip(kpis, texts, widths, strict=True):
            painter.setFont(label_font)
            painter.setPen(self._theme.colour("text3"))
            painter.drawText(QRectF(left, layout.kpi_label_y - half, width + gap, 2 * half), _LEFT, kpi.name)
            missing = number == NOT_AVAILABLE
            painter.setFont(value_font)
            painter.setPen(self._theme.colour("text3" if missing else "text"))
            painter.drawText(QPointF(round(left), round(baseline)), number)
            if unit and not missing:
                painter.setPen(self._theme.colour("text2"))
                unit_left = left + self._number_width(number, role) + 3 * self._scale
                painter.setFont(unit_font)
                painter.drawText(QPointF(round(unit_left), round(baseline)), unit)
            left += width + gap

    def _kpi_width(self, name: str, number: str, unit: str, role: str) -> float:
        width = self._number_width(number, role)
        if unit:
            width += ceil(3 * self._scale + QFontMetricsF(font("lead", self._scale)).horizontalAdvance(unit))
        return max(width, QFontMetricsF(font("hint", self._scale)).horizontalAdvance(name))

    def _number_width(self, number: str, role: str) -> int:
        """Width that depends on the count of digits only, in whole px: hinted figures differ by fractions."""
        like_zeros = "".join("0" if letter.isdigit() else letter for letter in number)
        return ceil(QFontMetricsF(_digits(role, self._scale)).horizontalAdvance(like_zeros))

    def _paint_header(self, painter: QPainter, layout: Layout) -> None:
        painter.setFont(font("chip", self._scale))
        metrics = QFontMetrics(painter.font())
        swatch = round(10 * self._scale)
        for column, right in layout.column_right.items():
            painter.setFont(font("hint" if column == "Total" else "chip", self._scale))
            painter.setPen(self._theme.colour("text2" if column != "Total" else "text3"))
            painter.drawText(QRectF(right - 80, layout.header_y - 20, 80, 40), _RIGHT, column)
            if column == "Total":
                continue
            left = right - metrics.horizontalAdvance(column) - round(6 * self._scale) - swatch
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._theme.phase(column))
            painter.drawRoundedRect(QRectF(left, layout.header_y - swatch // 2, swatch, swatch), 2, 2)
            painter.restore()

    def _paint_rows(self, painter: QPainter, layout: Layout) -> None:
        theme = self._theme
        fonts = {name: _digits(name, self._scale) for name in ("table", "table-total")}
        fonts |= {name: font(name, self._scale) for name in ("body", "hint")}
        for index, row in enumerate(layout.rows):
            rect = layout.row_rect(index)
            painter.fillRect(QRectF(layout.padding, round(rect.top()), rect.width(), 1), theme.colour("border"))
            text = content.row_text(row, self._columns, self._values)
            painter.setFont(fonts["body"])
            painter.setPen(theme.colour("text2"))
            painter.drawText(rect, _LEFT, row.name)
            painter.setFont(fonts["hint"])
            painter.setPen(theme.colour("text3"))
            painter.drawText(rect.adjusted(layout.unit_left - rect.left(), 0, 0, 0), _LEFT, text.unit)
            for column, cell in text.cells.items():
                painter.setFont(fonts["table-total" if column == "Total" else "table"])
                painter.setPen(theme.colour("text3" if cell == NOT_AVAILABLE else "text"))
                right = layout.column_right[column]
                painter.drawText(QRectF(right - 200, rect.top(), 200, rect.height()), _RIGHT, cell)

    # Keys, pointer, clipboard

    def _cell_text(self, cell: tuple[int, int]) -> str | None:
        row = self._placed().rows[cell[0]]
        text = content.row_text(row, self._columns, self._values)
        value = text.cells.get(self._columns[cell[1]])
        return None if value is None else f"{value} {text.unit}".strip() if value != NOT_AVAILABLE else value

    def _describe(self) -> None:
        if not self._channels:
            text = "No readings yet. Choose a module at the top left."
        elif self._cell is None:
            text = "Arrow keys move over the values, Ctrl+C copies one, Ctrl+Shift+C copies the table."
        else:
            row = self._placed().rows[self._cell[0]]
            value = self._cell_text(self._cell)
            text = f"{row.name} {self._columns[self._cell[1]]}: {'does not exist' if value is None else value}"
        self.setAccessibleDescription(text)

    def _select(self, row: int, column: int) -> None:
        rows = len(self._placed().rows)
        self._cell = (max(0, min(rows - 1, row)), max(0, min(len(self._columns) - 1, column)))
        self._describe()
        self.update()

    def _copy_value(self) -> None:
        if self._cell is not None and (text := self._cell_text(self._cell)) is not None:
            QGuiApplication.clipboard().setText(text)

    def _copy_table(self) -> None:
        QGuiApplication.clipboard().setText(self.text_table())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        shifted = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
        if not self._channels:
            super().keyPressEvent(event)
        elif event.matches(QKeySequence.StandardKey.Copy):
            self._copy_value()
        elif event.key() == Qt.Key.Key_C and shifted and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._copy_table()
        elif (step := steps.get(Qt.Key(event.key()))) is not None:
            row, column = self._cell if self._cell is not None else (-step[0], -step[1])
            self._select(row + step[0], column + step[1])
        else:
            super().keyPressEvent(event)

    def _cell_at(self, position: QPoint) -> tuple[int, int] | None:
        layout = self._placed()
        row = int((position.y() - layout.table_top) // layout.row_height)
        if not 0 <= row < len(layout.rows):
            return None
        for index, column in enumerate(self._columns):
            if layout.column_right[column] - layout.column_width < position.x() <= layout.column_right[column] + 4:
                return row, index
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        cell = self._cell_at(event.position().toPoint()) if self._channels else None
        if cell is not None:
            self._select(*cell)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if not self._channels:
            return
        if (cell := self._cell_at(event.pos())) is not None:
            self._select(*cell)
        menu = self._menu()
        menu.popup(event.globalPos())

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        value = menu.addAction("Copy value")
        value.setEnabled(self._cell is not None and self._cell_text(self._cell) is not None)
        value.triggered.connect(self._copy_value)
        menu.addAction("Copy table").triggered.connect(self._copy_table)
        return menu

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent) and self._channels:
            layout = self._placed()
            row = int((event.y() - layout.table_top) // layout.row_height)
            hint = layout.rows[row].hint if 0 <= row < len(layout.rows) else ""
            QToolTip.showText(event.globalPos(), hint, self)
            return True
        return super().event(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        by_key = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        if by_key and self._cell is None and self._channels:
            self._select(0, 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._relayout()
