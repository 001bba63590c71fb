"""Geohash: cells of latitude and longitude, halved in turn, five bits a character (G. Niemeyer, 2008)."""

from __future__ import annotations

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


def bounds(cell: str) -> tuple[float, float, float, float]:
    """(south, north, west, east) of a cell in deg. ValueError where it is no geohash."""
    edges = [-180.0, 180.0, -90.0, 90.0]
    if not cell:
        raise ValueError("A geohash has at least one character.")
    axis = 0
    for character in cell.lower():
        value = ALPHABET.find(character)
        if value < 0:
            raise ValueError(f'"{cell}" is no geohash: it has no "{character}".')
        for bit in (16, 8, 4, 2, 1):
            middle = (edges[axis] + edges[axis + 1]) / 2
            edges[axis if value & bit else axis + 1] = middle
            axis = 2 - axis
    west, east, south, north = edges
    return south, north, west, east


def encode(latitude_deg: float, longitude_deg: float, length: int = 4) -> str:
    """The cell of `length` characters around a point: -90 <= latitude < 90, any longitude. ValueError beyond."""
    if not -90.0 <= latitude_deg < 90.0:
        raise ValueError("A latitude lies between -90 and 90 degrees.")
    edges = [-180.0, 180.0, -90.0, 90.0]
    if not -180.0 <= longitude_deg < 180.0:
        longitude_deg = (longitude_deg + 180.0) % 360.0 - 180.0
    point = {0: longitude_deg, 2: latitude_deg}
    axis, cell = 0, ""
    for _ in range(length):
        value = 0
        for bit in (16, 8, 4, 2, 1):
            middle = (edges[axis] + edges[axis + 1]) / 2
            upper = point[axis] >= middle
            edges[axis if upper else axis + 1] = middle
            value |= bit * upper
            axis = 2 - axis
        cell += ALPHABET[value]
    return cell
