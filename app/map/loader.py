"""Asks the community map on threads and gives the answers to the window; the latest question counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PySide6.QtCore import QObject, Signal

from app.background import Background
from app.community.asking import Asking
from app.community.map_answers import MapDetail, MapError
from app.community.rest import MapClient
from app.data_folder import data_folder
from app.map.cells import CellColumns, cell_columns

KEPT_S = 600.0
"""A cell's values are means of 10 minutes and more: asked for again no sooner."""

AROUND_AN_HOUR = 10
"""Cells whose neighbours are asked for: four questions each, of the 120 an hour that the map answers."""

_KEPT = 64
_AT_ONCE = 3


class CellsAnswer(NamedTuple):
    """All cells over so many hours. complete: False where the map has more. at_s: when they came, epoch seconds."""

    columns: CellColumns
    hours: int
    complete: bool
    at_s: float


class _Latest(QObject):
    """One kind of question: a new one makes answers to older ones unwanted. Few threads, even when the map hangs."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._running = 0
        self._waiting: Callable[[], None] | None = None
        self._number = 0

    def ask(self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` on a thread as soon as few others wait; then `done` or `failed`, unless another was asked."""
        self._number += 1
        number = self._number

        def begin() -> None:
            self._running += 1
            self._background.run(
                work, lambda result: self._end(number, done, result), lambda e: self._end(number, failed, e), "ask map"
            )

        if self._running < _AT_ONCE:
            begin()
        else:
            self._waiting = begin

    def forget(self) -> None:
        """No answer is wanted any more."""
        self._number += 1
        self._waiting = None

    def _end(self, number: int, told: Callable[[Any], None], result: Any) -> None:
        self._running -= 1
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting()
        if number == self._number:
            told(result)


class MapLoader(QObject):
    """Nothing is asked before the first `load_...`. timeout_s: for one answer."""

    outline_ready = Signal()
    """The outline of the world is in memory."""
    cells_loaded = Signal(object)
    """CellsAnswer."""
    cells_failed = Signal(object)
    """MapError."""
    detail_loaded = Signal(object, object)
    """MapDetail of the cell that was asked for last, and those of cells around it that are known. Comes again when more
    of them are."""
    detail_failed = Signal(str, object)
    """Geohash and MapError."""

    def __init__(self, parent: QObject | None = None, *, timeout_s: float = 10.0) -> None:
        super().__init__(parent)
        self._timeout_s = timeout_s
        self._client: MapClient | None = None
        self._cells, self._details, self._outline = _Latest(self), _Latest(self), Background(self)
        self._asked_around: deque[float] = deque()
        self._known: dict[tuple[str, int], tuple[float, MapDetail]] = {}

    @property
    def has_address(self) -> bool:
        """True where there is a map to ask."""
        return self._client is not None

    def set_address(self, url: str, ca: Sequence[Path] = ()) -> None:
        """Ask this map from now on, "" for none. MapError for what is no address."""
        self._cells.forget()
        self._details.forget()
        self._known.clear()
        self._client = None
        if url:
            self._client = MapClient(url, ca=ca, timeout_s=self._timeout_s, asking=Asking(data_folder()))

    def load_outline(self) -> None:
        """Read the outline of the world."""
        self._outline.run(_read_outline, lambda _: self.outline_ready.emit(), _raise, "read the outline")

    def load_cells(self, hours: int) -> None:
        """Ask for all cells."""
        client = self._client
        if client is None:
            return

        def ask() -> CellsAnswer:
            cells = client.cells(hours)
            return CellsAnswer(cell_columns(cells.cells), hours, cells.complete, time.time())

        self._cells.ask(ask, self.cells_loaded.emit, lambda error: self.cells_failed.emit(_as_map_error(error)))

    def load_detail(self, cell: str, hours: int, around: Sequence[str] = ()) -> None:
        """Ask for a cell and then for those around it. What is asked is the same for every cell: it does not tell which
        one is the own."""
        client = self._client
        if client is None:
            return

        def tell(detail: MapDetail) -> None:
            self._keep(detail, hours)
            known = [found for name in around if (found := self._fresh(name, hours)) is not None]
            self.detail_loaded.emit(detail, known)
            missing = [name for name in around if self._fresh(name, hours) is None]
            if missing and self._may_ask_around():
                self._details.ask(lambda: _ask_all(client, missing, hours), lambda more: add(detail, more), _raise)

        def add(detail: MapDetail, more: list[MapDetail]) -> None:
            for other in more:
                self._keep(other, hours)
            known = [found for name in around if (found := self._fresh(name, hours)) is not None]
            if more:
                self.detail_loaded.emit(detail, known)

        def fail(error: Exception) -> None:
            self.detail_failed.emit(cell, _as_map_error(error))

        kept = self._fresh(cell, hours)
        if kept is not None:
            self._details.forget()
            tell(kept)
        else:
            self._details.ask(lambda: client.detail(cell, hours), tell, fail)

    def _may_ask_around(self) -> bool:
        now_s = time.monotonic()
        while self._asked_around and now_s - self._asked_around[0] >= 3600.0:
            self._asked_around.popleft()
        if len(self._asked_around) >= AROUND_AN_HOUR:
            return False
        self._asked_around.append(now_s)
        return True

    def _keep(self, detail: MapDetail, hours: int) -> None:
        self._known.pop((detail.geohash, hours), None)
        self._known[detail.geohash, hours] = (time.monotonic(), detail)
        while len(self._known) > _KEPT:
            self._known.pop(next(iter(self._known)))

    def _fresh(self, cell: str, hours: int) -> MapDetail | None:
        at_s, detail = self._known.get((cell, hours), (0.0, None))
        return detail if detail is not None and time.monotonic() - at_s < KEPT_S else None


def _ask_all(client: MapClient, cells: Sequence[str], hours: int) -> list[MapDetail]:
    """Those that the map tells of; it ends with the first that fails: the comparison is good without them."""
    found = []
    for cell in cells:
        try:
            found.append(client.detail(cell, hours))
        except MapError:
            break
    return found


def _read_outline() -> None:
    from resources import outline

    for level in outline.LEVELS:
        outline.outline(level)
    outline.places()
    outline.countries()


def _as_map_error(error: Exception) -> MapError:
    if isinstance(error, MapError):
        return error
    raise error


def _raise(error: Exception) -> None:
    raise error
