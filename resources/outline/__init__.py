"""Outline of the world: land, borders, names of countries and places. Data: resources/third_party/natural_earth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEVELS = (110, 50)
"""Scales in millions: 1:110 million for the whole world, 1:50 million for a country."""

_UNITS_PER_DEG = 1000.0


@dataclass(frozen=True)
class Outline:
    """Land and borders at one level. Points are float64 [n, 2]: longitude, latitude in deg.

    Longitudes go on beyond 180 where a line crosses the date line: neighbouring points are always near each other.
    """

    rings: tuple[NDArray[np.float64], ...]
    """Closed outlines of all land, holes included."""

    ring_countries: NDArray[np.int16]
    """Country of each ring: index into `Countries.names`."""

    coasts: tuple[NDArray[np.float64], ...]
    borders: tuple[NDArray[np.float64], ...]
    """Each line once: coasts part land from sea, borders part two countries."""


@dataclass(frozen=True)
class Countries:
    """Names of countries, where they stand on the map (deg), area of the largest part (square deg at the equator)."""

    names: tuple[str, ...]
    latitude_deg: NDArray[np.float32]
    longitude_deg: NDArray[np.float32]
    area: NDArray[np.float32]


@dataclass(frozen=True)
class Places:
    """Towns and cities with their positions (deg), the greatest first."""

    names: tuple[str, ...]
    countries: tuple[str, ...]
    latitude_deg: NDArray[np.float32]
    longitude_deg: NDArray[np.float32]


@cache
def outline(level: int) -> Outline:
    """Land and borders at 1:`level` million. KeyError for a level that is not in `LEVELS`."""
    if level not in LEVELS:
        raise KeyError(level)
    with _file() as file:
        points = np.cumsum(file[f"points_{level}"], axis=0, dtype=np.int64) / _UNITS_PER_DEG
        arcs = np.split(points, np.cumsum(file[f"arcs_{level}"])[:-1])
        members = np.split(file[f"rings_{level}"], np.cumsum(file[f"ring_lengths_{level}"])[:-1])
        countries = file[f"ring_countries_{level}"]
    uses = np.zeros(len(arcs), int)
    for ring in members:
        np.add.at(uses, np.where(ring >= 0, ring, ~ring), 1)
    return Outline(
        tuple(_ring(arcs, ring) for ring in members),
        countries,
        tuple(_unwrapped(arc) for arc, count in zip(arcs, uses, strict=True) if count == 1),
        tuple(_unwrapped(arc) for arc, count in zip(arcs, uses, strict=True) if count > 1),
    )


@cache
def countries() -> Countries:
    """All countries."""
    with _file() as file:
        names = tuple(str(name) for name in file["country_names"])
        return Countries(names, file["country_lat"], file["country_lon"], file["country_area"])


@cache
def places() -> Places:
    """All places."""
    with _file() as file:
        country_names = [str(name) for name in file["place_country_names"]]
        return Places(
            tuple(str(name) for name in file["place_names"]),
            tuple(country_names[index] for index in file["place_countries"]),
            file["place_lat"],
            file["place_lon"],
        )


def _file() -> np.lib.npyio.NpzFile:
    path = Path(__file__).resolve().parents[1] / "third_party" / "natural_earth" / "world.npz"
    loaded: np.lib.npyio.NpzFile = np.load(path, allow_pickle=False)
    return loaded


def _ring(arcs: list[NDArray[np.float64]], members: NDArray[np.int16]) -> NDArray[np.float64]:
    """Arcs joined end to start; the points where they meet are taken once."""
    parts = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in members.tolist()]
    ring = _unwrapped(np.concatenate([parts[0], *(part[1:] for part in parts[1:])]))
    turn = ring[-1, 0] - ring[0, 0]
    if abs(turn) > 180.0:  # round the pole: the way back is along the edge of the map
        pole = np.copysign(90.0, ring[0, 1])
        ring = np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])
    return ring


def _unwrapped(line: NDArray[np.float64]) -> NDArray[np.float64]:
    if np.ptp(line[:, 0]) <= 180.0:
        return line
    return np.column_stack([np.unwrap(line[:, 0], period=360.0), line[:, 1]])
