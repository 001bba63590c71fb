"""The map with its side panel: what is asked for, when, and what is said where no answer comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QWidget

from app.community.map_answers import MapDetail, MapError
from app.map.detail import cell_detail
from app.map.loader import CellsAnswer, MapLoader
from app.map.own import Own
from resources.geohash import neighbours
from widgets.controls.card import Card
from widgets.map import CellPanel, MapView
from widgets.numbers import count
from widgets.theme import Theme

REFRESH_MS = 300_000
"""The cells are asked for again so often while they are looked at: their values are means of 10 minutes and more."""
NO_ADDRESS = (
    "This is the outline alone: no community map is asked. Give the address of one under Sharing, and its cells are "
    "drawn here."
)
NO_CELLS = "The community map answers, but has no cells for this time. Try a longer time range."

_OWN_MS = 5000
_SIDES = ("n", "e", "s", "w")
_PANEL_WIDTH, _PANEL_WIDTH_COMPACT = 438, 360
_GAP, _GAP_COMPACT = 12, 8


class MapPart(QWidget):
    """own: the own values now. Nothing is asked before `begin`."""

    def __init__(self, loader: MapLoader, own: Callable[[], Own], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._loader, self._own = loader, own
        self._own_cell = ""
        self._without = NO_ADDRESS
        self._detail: tuple[MapDetail, list[MapDetail]] | None = None
        self._answer: CellsAnswer | None = None
        self._begun = self._went = self._quiet = False
        self.view = MapView()
        self.panel = CellPanel()
        self._empty = Card("Community map")
        places = QWidget()
        self._stack = QStackedLayout(places)
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.view)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.addWidget(places, 1)
        self._row.addWidget(self.panel)
        self._refresh = QTimer(self, interval=REFRESH_MS)
        self._refresh.timeout.connect(lambda: self._load_cells(quiet=True))
        self._renew = QTimer(self, interval=_OWN_MS)
        self._renew.timeout.connect(self._show_detail)
        self._connect()
        self.set_compact(False)

    def _connect(self) -> None:
        loader, view = self._loader, self.view
        loader.outline_ready.connect(lambda: self._stack.setCurrentWidget(view))
        loader.cells_loaded.connect(self._on_cells)
        loader.cells_failed.connect(self._on_cells_failed)
        loader.detail_loaded.connect(self._on_detail)
        loader.detail_failed.connect(lambda cell, error: self.panel.show_error(cell, str(error)))
        view.cell_chosen.connect(self.open_cell)
        view.range_chosen.connect(self._on_range)
        view.retry_wanted.connect(self._load_cells)
        self.panel.retry_wanted.connect(self.open_cell)

    def begin(self) -> None:
        """The page is looked at: read the outline once, ask the map unless its answer is fresh."""
        if not self._begun:
            self._begun = True
            self._loader.load_outline()
        answer = self._answer
        if answer is None or time.time() - answer.at_s > REFRESH_MS / 1000:
            self._load_cells()
        self._refresh.start()
        self._renew.start()

    def pause(self) -> None:
        """Nobody looks: nothing is asked."""
        self._refresh.stop()
        self._renew.stop()

    def set_address(self, url: str, ca: Sequence[Path] = ()) -> None:
        """Ask this map, "" for none; at once if the page is looked at. What is no address is told instead."""
        self._without = NO_ADDRESS
        try:
            self._loader.set_address(url, ca)
        except MapError as wrong:
            self._without = str(wrong)
        self._answer = self._detail = None
        self._went = False
        self.panel.show_empty()
        self.view.set_chosen_cell("")
        self._clear()
        if self._refresh.isActive():
            self._load_cells()

    def set_own_cell(self, cell: str) -> None:
        """The house stands here, "" where it is not known."""
        self._own_cell = cell
        self.view.set_own_cell(cell)
        self._show_detail()

    def open_cell(self, cell: str) -> None:
        """Ask for a cell and those beside it: this sends their geohashes."""
        self._detail = None
        self.view.set_chosen_cell(cell)
        self.panel.show_loading(cell)
        beside = [name for side in _SIDES if (name := neighbours(cell).get(side)) is not None]
        known = set(self._answer.columns.names) if self._answer is not None else set()
        around = [name for name in beside if name in known]
        self._loader.load_detail(cell, self.view.hours, around)

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        for part in (self.view, self.panel, self._empty):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self._row.setSpacing(_GAP_COMPACT if compact else _GAP)
        self.panel.setFixedWidth(_PANEL_WIDTH_COMPACT if compact else _PANEL_WIDTH)
        self.view.set_compact(compact)
        self.panel.set_compact(compact)

    # Cells

    def _load_cells(self, *, quiet: bool = False) -> None:
        """quiet: nobody asked; a failure is told in few words."""
        if not self._loader.has_address:
            self.view.set_told("")
            self.view.set_notice(self._without)
            return
        self._quiet = quiet
        if not quiet:
            self.view.set_notice("")
            self.view.set_told("Asking the map …")
        self._loader.load_cells(self.view.hours)

    def _on_range(self, _hours: int) -> None:
        self._load_cells()
        if self.panel.cell:
            self.open_cell(self.panel.cell)

    def _on_cells(self, answer: CellsAnswer) -> None:
        self._answer = answer
        columns = answer.columns
        self.view.set_cells(*columns)
        number = len(columns.names)
        told = f"{count(number)} {'cell' if number == 1 else 'cells'}, updated {_clock(answer.at_s)}"
        self.view.set_told(told if answer.complete else f"First {told}")
        if not number:
            self.view.set_notice(NO_CELLS)
        elif not self._went and not self._own_cell:
            self.view.canvas.show_all()
        self._went = True

    def _on_cells_failed(self, error: MapError) -> None:
        answer = self._answer
        if answer is not None and answer.hours == self.view.hours:
            self.view.set_told(f"Not updated since {_clock(answer.at_s)}")
            if self._quiet:
                return
        else:
            self._answer = None
            self._clear()
        self.view.set_notice(str(error), retry=True)

    def _clear(self) -> None:
        self.view.set_cells((), (), (), (), (), ())
        self.view.set_told("")

    # One cell

    def _on_detail(self, detail: MapDetail, around: list[MapDetail]) -> None:
        self._detail = (detail, around)
        self._show_detail()

    def _show_detail(self) -> None:
        if self._detail is not None:
            detail, around = self._detail
            self.panel.show_detail(cell_detail(detail, self._own(), self._own_cell, around))


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s).strftime("%H:%M:%S")
