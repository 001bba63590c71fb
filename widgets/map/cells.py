"""Cells with their status as a grid, and the picture of the part of it that is seen.

All cells are of one size, so that a pixel finds its cell by its column and row. A picture costs the same for a hundred
cells as for a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from widgets.map.projection import Window, latitude_of, y_of

POINT_PX = 4.0
"""Cells are joined to squares until one is at least so wide."""

_EDGE_PX = 3
"""Corner and border of a cell; it stays whole where cells differ in size."""

_SAMPLE_PX = 6
_TOLERANCE = 1e-3


class CellStatus(IntEnum):
    """Status of a cell; the greater the worse."""

    ABSENT = 0
    NONE = 1
    NORMAL = 2
    WARNING = 3
    CRITICAL = 4


WORDS = {
    CellStatus.NONE: "No recent data",
    CellStatus.NORMAL: "Normal",
    CellStatus.WARNING: "Near a limit",
    CellStatus.CRITICAL: "Over a limit",
}


@dataclass(frozen=True)
class Tiles:
    """Pictures of one cell by status: premultiplied ARGB [5, height, width]."""

    pixels: NDArray[np.uint32]


Covered = Callable[[int, int, int, int], int]

_Spread = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""For each px in a row (or column): its cell, px since the edge of the cell, size of the cell in px."""


class CellGrid:
    """Cells of one size, as a table of rows (from the south) and columns (from 180 W)."""

    def __init__(
        self,
        lat0_deg: ArrayLike = (),
        lat1_deg: ArrayLike = (),
        lon0_deg: ArrayLike = (),
        lon1_deg: ArrayLike = (),
        status: ArrayLike = (),
        names: Sequence[str] = (),
    ) -> None:
        """Edges of each cell in deg, its `CellStatus` and its geohash. ValueError where sizes or lengths differ."""
        south, north, west, east = (np.asarray(edge, float) for edge in (lat0_deg, lat1_deg, lon0_deg, lon1_deg))
        codes = np.asarray(status, np.uint8)
        count = len(names)
        if any(len(column) != count for column in (south, north, west, east, codes)):
            raise ValueError("Every cell needs four edges, a status and a name.")
        if count and codes.max() > CellStatus.CRITICAL:
            raise ValueError("The status of a cell is one of CellStatus.")
        self.names = tuple(names)
        self.status = codes
        self.row_deg = float(north[0] - south[0]) if count else 180.0 / 1024
        self.column_deg = float(east[0] - west[0]) if count else 360.0 / 1024
        if count and not (
            self.row_deg > 0
            and self.column_deg > 0
            and np.allclose(north - south, self.row_deg, rtol=_TOLERANCE)
            and np.allclose(east - west, self.column_deg, rtol=_TOLERANCE)
        ):
            raise ValueError("All cells of a map have the same size: geohashes of one length.")
        self.rows = round(180.0 / self.row_deg)
        self.columns = round(360.0 / self.column_deg)
        self._row = np.clip(np.round((south + 90.0) / self.row_deg).astype(int), 0, self.rows - 1)
        self._column = np.round((west + 180.0) / self.column_deg).astype(int) % self.columns
        table = np.zeros((self.rows, self.columns), np.uint8)
        table[self._row, self._column] = codes
        self._levels = [table]
        self._index: dict[tuple[int, int], int] = {}

    def __len__(self) -> int:
        return len(self.names)

    def centres(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(latitude, longitude) of the middle of each cell, deg."""
        latitude = (self._row + 0.5) * self.row_deg - 90.0
        return latitude, (self._column + 0.5) * self.column_deg - 180.0

    def at(self, latitude_deg: float, longitude_deg: float) -> int | None:
        """Index of the cell around a point, None where there is none."""
        if not self._index and self.names:
            pairs = zip(self._row.tolist(), self._column.tolist(), strict=True)
            self._index = {pair: index for index, pair in enumerate(pairs)}
        row = int((latitude_deg + 90.0) // self.row_deg)
        column = int((longitude_deg + 180.0) // self.column_deg) % self.columns
        return self._index.get((row, column))

    def joined(self, window: Window) -> int:
        """How many cells wide and high a square is: 1, 2, 4 ... so that it is at least `POINT_PX` wide."""
        width = window.scale * self.column_deg / 360.0
        return 1 if width >= POINT_PX else 2 ** int(np.ceil(np.log2(POINT_PX / width)))

    def tile_size(self, window: Window) -> tuple[int, int]:
        """(width, height) in px of the largest cell or square in the window."""
        _, _, width = self._columns_of(window)
        _, _, height = self._rows_of(window)
        return int(width.max()), int(height.max())

    def picture(self, window: Window, tiles: Tiles) -> tuple[int, int, NDArray[np.uint32]] | None:
        """(left, top, premultiplied ARGB) of the part of the window that has cells, None where there are none."""
        table = self._table(self.joined(window))
        columns, x, width = self._columns_of(window)
        rows, y, height = self._rows_of(window)
        inside = (rows >= 0) & (rows < table.shape[0])
        seen = table[np.where(inside, rows, 0)]
        seen[~inside] = 0
        used_rows = np.flatnonzero(seen.any(axis=1))
        if not len(used_rows):
            return None
        top, bottom = int(used_rows[0]), int(used_rows[-1]) + 1
        used_columns = np.flatnonzero(seen[top:bottom].any(axis=0)[columns])
        if not len(used_columns):
            return None
        left, right = int(used_columns[0]), int(used_columns[-1]) + 1
        _, tile_height, tile_width = tiles.pixels.shape
        across = _in_tile(x, width, tile_width)[left:right]
        down = _in_tile(y, height, tile_height)[top:bottom]
        place = seen[top:bottom].take(columns[left:right], axis=1).astype(np.int32)
        place *= tile_height * tile_width
        place += (down * tile_width).astype(np.int32)[:, None]
        place += across.astype(np.int32)[None, :]
        return left, top, tiles.pixels.reshape(-1).take(place)

    def covered(self, window: Window) -> Covered:
        """Counts sampled px of a box (left, top, right, bottom in px of the window) that lie on cells."""
        table = self._table(self.joined(window))
        columns, rows = self._columns_of(window)[0], self._rows_of(window)[0]

        def count(left: int, top: int, right: int, bottom: int) -> int:
            across = columns[max(0, left) : max(0, right) : _SAMPLE_PX]
            down = rows[max(0, top) : max(0, bottom) : _SAMPLE_PX]
            down = down[(down >= 0) & (down < table.shape[0])]
            return int(np.count_nonzero(table[down[:, None], across[None, :]]))

        return count

    def _table(self, joined: int) -> NDArray[np.uint8]:
        """The status of squares of so many cells: of the worst in it."""
        level = joined.bit_length() - 1
        while len(self._levels) <= level:
            fine = self._levels[-1]
            rows, columns = (-(-size // 2) * 2 for size in fine.shape)
            padded = np.zeros((rows, columns), np.uint8)
            padded[: fine.shape[0], : fine.shape[1]] = fine
            self._levels.append(padded.reshape(rows // 2, 2, columns // 2, 2).max(axis=(1, 3)))
        return self._levels[level]

    def _columns_of(self, window: Window) -> _Spread:
        pitch = self.joined(window) * self.column_deg / 360.0
        px = np.arange(window.width)
        column = np.floor((window.left + (px + 0.5) / window.scale) / pitch).astype(np.int64)
        begin = np.ceil((column * pitch - window.left) * window.scale - 0.5).astype(np.int64)
        end = np.ceil(((column + 1) * pitch - window.left) * window.scale - 0.5).astype(np.int64)
        columns = -(-self.columns // self.joined(window))
        return column % columns, px - begin, end - begin

    def _rows_of(self, window: Window) -> _Spread:
        pitch = self.joined(window) * self.row_deg
        px = np.arange(window.height)
        latitude = latitude_of(window.top + (px + 0.5) / window.scale)
        row = np.floor((latitude + 90.0) / pitch).astype(np.int64)
        north, south = y_of((row + 1) * pitch - 90.0), y_of(row * pitch - 90.0)
        begin = np.ceil((north - window.top) * window.scale - 0.5).astype(np.int64)
        end = np.ceil((south - window.top) * window.scale - 0.5).astype(np.int64)
        return row, px - begin, np.maximum(1, end - begin)


def _in_tile(offset: NDArray[np.int64], size: NDArray[np.int64], tile: int) -> NDArray[np.int64]:
    """Place in a tile that is as large as the largest cell: edges keep to the edges, the rest to the middle."""
    middle = tile // 2 + offset - size // 2
    near = np.where(offset < _EDGE_PX, offset, middle)
    place = np.where(size - offset <= _EDGE_PX, tile - (size - offset), near)
    return np.clip(place, 0, tile - 1)
