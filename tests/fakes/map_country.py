"""A community map with cells around the towns of a country, with trends of a day."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from resources.geohash import encode
from tests.fakes.map_server import MapServer

TOWNS = (
    (46.77, 23.59), (44.43, 26.10), (45.75, 21.23), (47.16, 27.59), (44.18, 28.63), (45.65, 25.60), (44.32, 23.80),
    (45.43, 28.05), (46.57, 26.91), (47.05, 21.93), (47.66, 23.57), (47.01, 28.86),
)  # fmt: skip
END_S = 1_795_344_000
WINDOW_S = 4800


def country(count: int = 104, seed: int = 3) -> dict[str, int | None]:
    """Status by geohash, most of them normal, around the towns; u82f near its limit."""
    random = np.random.default_rng(seed)
    cells: dict[str, int | None] = {"u82f": 1}
    while len(cells) < count:
        latitude, longitude = TOWNS[len(cells) % len(TOWNS)]
        cell = encode(latitude + random.normal(0, 0.25), longitude + random.normal(0, 0.4))
        cells.setdefault(cell, (2, 2, 2, 2, 2, 1, 1, 0, None)[int(random.integers(9))])
    return cells


class CountryMap(MapServer):
    """Its details hold a day of windows."""

    def __init__(self, cells: dict[str, int | None] | None = None) -> None:
        super().__init__(country() if cells is None else cells)

    def detail(self, cell: str) -> dict[str, Any]:
        """Distortion with a peak in the evening, by the cell's status."""
        document = super().detail(cell)
        sid = self.cells[cell]
        worse = {0: 2.0, 1: 1.4}.get(2 if sid is None else sid, 1.0)
        data = document["data"]
        for key, base in (("THV", 2.4), ("THI", 15.0)):
            values = []
            for number in range(18):
                hour = (number * WINDOW_S / 3600 + 14.0) % 24
                mean = base * worse * (1 + 0.5 * math.exp(-((hour - 19.5) ** 2) / 6) + 0.1 * math.sin(number))
                at = END_S - (18 - number) * WINDOW_S
                values.append({"x": at, "y": mean, "cnt": 40, "min": mean * 0.8, "max": mean * 1.25})
            if cell.endswith("g"):
                values[5]["y"] = values[5]["min"] = values[5]["max"] = None
            data["metrics"][key] = {"sid": sid, "value": base * worse, "values": values}
        decays = {3: 1.1, 5: 2.0, 7: 1.2, 9: 0.3, 11: 0.8, 13: 0.6, 15: 0.31}
        data["HDs"] = [
            {"x": order, "y1": worse * decays.get(order, 4.0 / order), "y2": 30.0 / order} for order in range(3, 38, 2)
        ] + [{"x": 39, "y1": None, "y2": None}]
        return document
