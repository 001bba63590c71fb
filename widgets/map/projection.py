"""Web Mercator: the world as a square of side 1, x to the east, y to the south; and what part of it is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_LATITUDE_DEG = 85.0
"""Mercator has no poles; beyond this the map ends."""

_MAX_SCALE = 256 * 1024.0
"""Px a world: a cell of four characters is 256 px wide."""

Number = TypeVar("Number", float, NDArray[np.float64])


def x_of(longitude_deg: Number) -> Number:
    """0 at 180 W, 1 at 180 E."""
    return longitude_deg / 360.0 + 0.5


def y_of(latitude_deg: Number) -> Number:
    """0 at the north edge, 1 at the south; beyond `MAX_LATITUDE_DEG` the edge."""
    sine = np.sin(np.radians(np.clip(latitude_deg, -MAX_LATITUDE_DEG, MAX_LATITUDE_DEG)))
    y: Number = 0.5 - np.arctanh(sine) / (2 * np.pi)
    return y


def latitude_of(y: Number) -> Number:
    """Latitude of a y, deg."""
    latitude_deg: Number = np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y))))
    return latitude_deg


def longitude_of(x: Number) -> Number:
    """Longitude of an x, deg; not brought back into -180..180."""
    return (x - 0.5) * 360.0


TOP, BOTTOM = float(y_of(MAX_LATITUDE_DEG)), float(y_of(-MAX_LATITUDE_DEG))


@dataclass(frozen=True)
class Window:
    """What is seen: the centre (world units), px a world, size in px. The world goes on east and west without end."""

    x: float = 0.5
    y: float = 0.36
    scale: float = 1024.0
    width: int = 1024
    height: int = 700

    @property
    def left(self) -> float:
        """World x of the left edge."""
        return self.x - self.width // 2 / self.scale

    @property
    def top(self) -> float:
        """World y of the upper edge."""
        return self.y - self.height // 2 / self.scale

    def pixel(self, x: Number, y: Number) -> tuple[Number, Number]:
        """Px of a point of the world, in its copy nearest to the centre."""
        east = (x - self.x + 0.5) % 1.0 - 0.5
        return east * self.scale + self.width // 2, (y - self.y) * self.scale + self.height // 2

    def world(self, px: float, py: float) -> tuple[float, float]:
        """Point of the world under a px; x within 0..1."""
        return (self.left + px / self.scale) % 1.0, self.top + py / self.scale

    def fitted(self) -> Window:
        """Brought back within the limits: the world fills the width, the poles are not passed."""
        scale = min(_MAX_SCALE, max(self.scale, self.width, self.height / (BOTTOM - TOP)))
        half = self.height / 2 / scale
        y = min(BOTTOM - half, max(TOP + half, self.y))
        # Whole px, so that what was painted before can be shifted.
        x = round((self.x % 1.0) * scale) / scale
        return replace(self, x=x, y=round(y * scale) / scale, scale=scale)

    def moved(self, dx_px: float, dy_px: float) -> Window:
        """As if the map were dragged by so many px."""
        return replace(self, x=self.x - dx_px / self.scale, y=self.y - dy_px / self.scale).fitted()

    def zoomed(self, factor: float, px: float, py: float) -> Window:
        """Magnified by `factor` around the point under a px."""
        scale = replace(self, scale=self.scale * factor).fitted().scale
        east, south = px - self.width // 2, py - self.height // 2
        x = self.x + east / self.scale - east / scale
        y = self.y + south / self.scale - south / scale
        return replace(self, x=x, y=y, scale=scale).fitted()

    def resized(self, width: int, height: int) -> Window:
        """The same centre in another size."""
        return replace(self, width=max(1, width), height=max(1, height)).fitted()

    def around(self, south: float, north: float, west: float, east: float, margin: float = 0.12) -> Window:
        """As large as may be with the whole of a box (deg) in view."""
        x0, x1 = float(x_of(west)), float(x_of(east))
        y0, y1 = float(y_of(north)), float(y_of(south))
        share = 1 - 2 * margin
        scale = min(share * self.width / max(x1 - x0, 1e-9), share * self.height / max(y1 - y0, 1e-9))
        return replace(self, x=(x0 + x1) / 2, y=(y0 + y1) / 2, scale=scale).fitted()
