"""Where everything of the meter panel stands, for one size and text scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRect, QRectF

from widgets.meters import rows as content


@dataclass(frozen=True)
class Layout:
    """Positions in px of the widget.

    kpi_label_y, kpi_value_y, header_y: centre lines. column_right: right edges of the value columns by name.
    """

    size: tuple[int, int]
    padding: int
    kpi_label_y: int
    kpi_value_y: int
    header_y: int
    table_top: int
    row_height: float
    rows: tuple[content.Row, ...]
    column_right: dict[str, int]
    column_width: float
    unit_left: int
    right: int

    def row_rect(self, index: int) -> QRectF:
        """Rectangle of a table row."""
        return QRectF(
            self.padding, self.table_top + index * self.row_height, self.right - self.padding, self.row_height
        )

    def cell_rect(self, index: int, column: str) -> QRect:
        """Rectangle of a cell, for the pointer and the focus ring."""
        row = self.row_rect(index)
        right = self.column_right[column]
        return QRect(
            round(right - self.column_width + 2),
            round(row.top()) + 2,
            round(self.column_width + 2),
            round(row.height()) - 3,
        )


def place(width: int, height: int, scale: float, compact: bool, shown: Sequence[str]) -> Layout:
    """Lay the panel out. The numbers of the roomy form are those of the style at 432 x 383 px."""
    padding = 9 if compact else 13  # with the inset of the card 12 and 16
    kpi_label_y = round((16 if compact else 21) * scale)
    kpi_value_y = round((37 if compact else 43) * scale)
    header_y = round((65 if compact else 82) * scale)
    table_top = round((79 if compact else 97) * scale)
    bottom = 8 if compact else 12
    available = height - table_top - bottom
    tight, roomy, airy = 26.0 * scale, 28.0 * scale, 32.0 * scale
    rows = content.rows_that_fit(content.rows_that_exist(shown), available, tight, roomy)
    row_height = max(tight, min(airy if not compact else 26.0 * scale, 30.0 * scale, available / max(1, len(rows))))
    right = width - padding
    unit_left = right - round((24 if compact else 23) * scale)
    label_width = (100 if compact else 108) * scale
    room = unit_left - round(8 * scale) - padding - label_width
    column_width = min(84.0 * scale, room / max(1, len(shown)))
    edge = unit_left - round(8 * scale)
    column_right = {name: round(edge - position * column_width) for position, name in enumerate(reversed(shown))}
    return Layout(
        (width, height),
        padding,
        kpi_label_y,
        kpi_value_y,
        header_y,
        table_top,
        row_height,
        rows,
        column_right,
        column_width,
        unit_left,
        right,
    )
