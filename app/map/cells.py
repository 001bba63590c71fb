"""The map's cells as columns that a picture is made of. Numbers only: 100 000 cells take some tens of ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.community.map_answers import MapCell
from resources.geohash import ALPHABET, CELL_LENGTH

STATUS_CODES: dict[str | None, int] = {None: 1, "normal": 2, "warning": 3, "critical": 4}
"""The map view's code of each status; the greater the worse."""

_BITS = 5 * CELL_LENGTH
_VALUE = np.zeros(128, np.int64)
_VALUE[np.frombuffer(ALPHABET.encode(), np.uint8)] = np.arange(len(ALPHABET))


class CellColumns(NamedTuple):
    """Edges of cells in deg (float64), their codes (uint8) and geohashes: what the map view takes."""

    south_deg: NDArray[np.float64]
    north_deg: NDArray[np.float64]
    west_deg: NDArray[np.float64]
    east_deg: NDArray[np.float64]
    status: NDArray[np.uint8]
    names: tuple[str, ...]


def cell_columns(cells: Sequence[MapCell]) -> CellColumns:
    """Columns of all cells of the map's size; others, which the map does not have, are left out."""
    kept = [cell for cell in cells if len(cell.geohash) == CELL_LENGTH]
    names = tuple(cell.geohash for cell in kept)
    letters = np.frombuffer("".join(names).encode("ascii"), np.uint8).reshape(-1, CELL_LENGTH)
    word = np.zeros(len(names), np.int64)
    for column in range(CELL_LENGTH):
        word = word << 5 | _VALUE[letters[:, column]]
    longitude, latitude = np.zeros_like(word), np.zeros_like(word)
    for place in range(_BITS - 1, -1, -1):  # bits in turn, a longitude's first
        bit = word >> place & 1
        if (_BITS - 1 - place) % 2 == 0:
            longitude = longitude << 1 | bit
        else:
            latitude = latitude << 1 | bit
    height_deg, width_deg = 180.0 / 2 ** (_BITS // 2), 360.0 / 2 ** (_BITS - _BITS // 2)
    south_deg, west_deg = latitude * height_deg - 90.0, longitude * width_deg - 180.0
    status = np.array([STATUS_CODES[cell.status] for cell in kept], np.uint8)
    return CellColumns(south_deg, south_deg + height_deg, west_deg, west_deg + width_deg, status, names)
