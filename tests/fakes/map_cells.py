"""Cells of a community map around some cities."""

from __future__ import annotations

import numpy as np

from resources import geohash
from widgets.map.cells import CellGrid, CellStatus

CITIES = ((46.77, 23.59), (44.43, 26.10), (45.75, 21.23), (47.16, 27.59), (48.85, 2.35), (40.71, -74.0))


def cells(count: int = 90, seed: int = 1) -> dict[str, CellStatus]:
    """Status by geohash; every status occurs."""
    random = np.random.default_rng(seed)
    result: dict[str, CellStatus] = {}
    while len(result) < count:
        latitude, longitude = CITIES[len(result) % len(CITIES)]
        cell = geohash.encode(latitude + random.normal(0, 0.4), longitude + random.normal(0, 0.6))
        result.setdefault(cell, CellStatus(len(result) % 4 + 1))
    return result


def edges(names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """South, north, west and east of each cell, deg."""
    box = np.array([geohash.bounds(name) for name in names]).reshape(-1, 4)
    return box[:, 0], box[:, 2], box[:, 1], box[:, 3]


def grid(status: dict[str, CellStatus]) -> CellGrid:
    """The cells as the map takes them."""
    return CellGrid(*edges(list(status)), [int(value) for value in status.values()], list(status))
