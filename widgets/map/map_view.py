"""The card of the community map: header with search and time range, the map, and what lies on it."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import ArrayLike
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from resources import geohash
from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.segment import Segment
from widgets.map.canvas import MapCanvas
from widgets.map.cells import CellGrid
from widgets.map.overlays import Legend, ScaleButtons, WorldInset
from widgets.map.projection import latitude_of, longitude_of
from widgets.map.search import Found, SearchField
from widgets.theme import Theme

HOURS = (3, 8, 24, 48)
"""Time ranges of the community map."""

_EDGE = 12
_SMALL_HEIGHT = 460


class MapView(Card):
    """Cells of the community with their status.

    cell_chosen(geohash): show this cell. range_chosen(hours): one of `HOURS`. retry_wanted(): load the cells again.
    """

    cell_chosen = Signal(str)
    range_chosen = Signal(int)
    retry_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Community map", parent)
        self.canvas = MapCanvas()
        self.search = SearchField()
        self.search.setMaximumWidth(230)
        self.range = Segment([(hours, f"{hours} h") for hours in HOURS], name="Time range")
        self.range.set_value(24)
        self._told = Label("", "body", "text3", align=Qt.AlignmentFlag.AlignRight, gives_way=False)
        self.header_layout.addWidget(self.range)
        self.header_layout.addWidget(self.search, 3)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self._told)
        self.body_layout.setContentsMargins(0, 0, 0, 0)
        self.body_layout.addWidget(self.canvas)
        self.legend = Legend(self.canvas)
        self.scale_buttons = ScaleButtons(self.canvas)
        self.inset = WorldInset(self.canvas)
        self.notice = _Notice(self.canvas)
        self.notice.hide()
        self._compact = False
        self._placed = False
        self.canvas.installEventFilter(self)
        self.canvas.cell_chosen.connect(self.cell_chosen)
        self.canvas.window_changed.connect(self._tell_overlays)
        self.scale_buttons.zoomed.connect(self.canvas.zoom)
        self.inset.picked.connect(self._go_to_picked)
        self.search.found.connect(self._go_to_found)
        self.range.changed.connect(self._on_range)
        self.notice.retry.clicked.connect(self.retry_wanted)

    @property
    def hours(self) -> int:
        """The time range in hours."""
        value = self.range.value
        return value if isinstance(value, int) else HOURS[0]

    def set_hours(self, hours: int) -> None:
        """Show another time range, without the signal. ValueError for one that is not in `HOURS`."""
        self.range.set_value(hours)
        self._tell_overlays()

    def set_cells(
        self,
        lat0_deg: ArrayLike,
        lat1_deg: ArrayLike,
        lon0_deg: ArrayLike,
        lon1_deg: ArrayLike,
        status: ArrayLike,
        names: Sequence[str],
    ) -> None:
        """Edges of the cells in deg (south, north, west, east), their `CellStatus` codes (1 none, 2 normal, 3 warning,
        4 critical) and geohashes. Takes away a notice. ValueError where lengths or sizes differ."""
        self.canvas.set_cells(CellGrid(lat0_deg, lat1_deg, lon0_deg, lon1_deg, status, names))
        self.set_notice("")
        self._tell_overlays()

    def set_own_cell(self, cell: str) -> None:
        """Put the flag with the house there, "" for nowhere, and go there the first time."""
        self.canvas.set_own(cell)
        if cell and not self._placed:
            self.show_cell(cell)

    def set_chosen_cell(self, cell: str) -> None:
        """Outline a cell; "" for none."""
        self.canvas.set_chosen(cell)

    def show_cell(self, cell: str, cell_px: float = 28.0) -> None:
        """Go to a cell. ValueError where it is no geohash."""
        latitude_deg, longitude_deg = geohash.decode(cell)
        self._placed = True
        self.canvas.go_to(latitude_deg, longitude_deg, cell_px)

    def set_told(self, text: str) -> None:
        """The quiet words at the right end of the header: "104 cells, updated 14:31:52"."""
        self._told.set_text(text)

    def set_notice(self, text: str, *, retry: bool = False) -> None:
        """A sentence over the map while there is nothing to show ("" for none), with a button to try again."""
        self.notice.set_content(text, retry)
        self.notice.setVisible(bool(text))
        self._lay_out()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.canvas, self.search, self.range, self._told, self.legend, self.scale_buttons, self.inset)
        for part in (*parts, self.notice):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800: the title leaves its place to the controls."""
        self._compact = compact
        self.set_title("" if compact else "Community map")
        self._lay_out()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.canvas and event.type() == QEvent.Type.Resize:
            self._lay_out()
        return super().eventFilter(watched, event)

    def _lay_out(self) -> None:
        canvas = self.canvas
        self.legend.move(_EDGE, _EDGE)
        self.scale_buttons.move(canvas.width() - _EDGE - self.scale_buttons.width(), _EDGE)
        self.inset.move(_EDGE, canvas.height() - _EDGE - self.inset.height())
        self.inset.setVisible(canvas.height() >= _SMALL_HEIGHT)
        size = self.notice.minimumSize()  # it is fixed
        # Below the middle, where the own cell is.
        left, top = (canvas.width() - size.width()) // 2, round(0.7 * (canvas.height() - size.height()))
        self.notice.setGeometry(left, top, size.width(), size.height())
        self.notice.raise_()

    def _tell_overlays(self) -> None:
        window = self.canvas.window_seen
        self.inset.set_window(window)
        self.legend.set_content(self.hours, self.canvas.grid.joined(window))

    def _on_range(self, hours: object) -> None:
        self._tell_overlays()
        self.range_chosen.emit(int(str(hours)))

    def _go_to_picked(self, x: float, y: float) -> None:
        self._placed = True
        self.canvas.go_to(float(latitude_of(y)), float(longitude_of(x)), 6.0)

    def _go_to_found(self, found: Found) -> None:
        self._placed = True
        self.canvas.go_to(found.latitude_deg, found.longitude_deg)
        if found.cell and found.cell in self.canvas.grid.names:
            self.canvas.set_chosen(found.cell)
            self.cell_chosen.emit(found.cell)


class _Notice(Card):
    """A sentence in the middle of the map."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("", parent, header=False)
        self.text = Paragraph("", "body", "text2")
        self.retry = PushButton("Try again")
        self.body_layout.addWidget(self.text)
        self.body_layout.addStretch(1)
        self.body_layout.addWidget(self.retry, 0, Qt.AlignmentFlag.AlignLeft)

    def set_content(self, text: str, retry: bool) -> None:
        self.text.set_text(text)
        self.retry.setVisible(retry)
        self.setFixedSize(360, self.text.heightForWidth(328) + (48 if retry else 0) + 26)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self.text.set_theme(theme)
        self.retry.set_theme(theme)
