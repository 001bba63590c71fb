"""Geohash: a rectangle on the globe as a short word. Each letter holds five bits, longitude first, then in turn."""

from __future__ import annotations

import math
from typing import NamedTuple

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"
CELL_LENGTH = 4
"""Letters of the community map's cells: 0.176 deg of latitude x 0.352 deg of longitude, some 20 km x 39 km at the
equator and 20 km x 27 km at 46 deg."""

_LONGEST = 12
_VALUES = {letter: number for number, letter in enumerate(ALPHABET)}


class PositionError(ValueError):
    """One clear sentence: this is no place."""


class Bounds(NamedTuple):
    """A rectangle in degrees; its south and west edges belong to it, the others to its neighbours."""

    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float

    @property
    def centre(self) -> tuple[float, float]:
        """(latitude, longitude) of its middle, in degrees."""
        return (self.south_deg + self.north_deg) / 2, (self.west_deg + self.east_deg) / 2


def encode(latitude_deg: float, longitude_deg: float, length: int = CELL_LENGTH) -> str:
    """The cell that a place is in. latitude -90..90 (the pole counts to the northernmost cell), any finite longitude
    (190 is -170), length 1..12. PositionError for anything else."""
    if not 1 <= length <= _LONGEST:
        raise PositionError(f"A geohash has 1 to {_LONGEST} letters, not {length}.")
    if not (math.isfinite(latitude_deg) and math.isfinite(longitude_deg) and -90.0 <= latitude_deg <= 90.0):
        raise PositionError("A position needs a latitude of -90 to 90 degrees and a finite longitude.")
    longitude_bits = (5 * length + 1) // 2
    latitude_bits = 5 * length // 2
    column = math.floor(((longitude_deg + 180.0) % 360.0) / 360.0 * (1 << longitude_bits))
    row = math.floor((latitude_deg + 90.0) / 180.0 * (1 << latitude_bits))
    column, row = min(column, (1 << longitude_bits) - 1), min(row, (1 << latitude_bits) - 1)
    return _word(row, column, length)


def bounds(cell: str) -> Bounds:
    """The rectangle of a geohash, upper or lower case. PositionError if it is none."""
    row, column, latitude_bits, longitude_bits = _grid(cell)
    height_deg, width_deg = 180.0 / (1 << latitude_bits), 360.0 / (1 << longitude_bits)
    south_deg, west_deg = row * height_deg - 90.0, column * width_deg - 180.0
    return Bounds(south_deg, west_deg, south_deg + height_deg, west_deg + width_deg)


def decode(cell: str) -> tuple[float, float]:
    """(latitude, longitude) of a geohash's centre, in degrees. PositionError if it is none."""
    return bounds(cell).centre


def neighbours(cell: str) -> dict[str, str]:
    """{"n": cell, "ne": cell, ...}: the cells around, of the same size. They go on across 180 degrees of longitude; at
    a pole there is nothing further. PositionError for what is no geohash."""
    row, column, latitude_bits, longitude_bits = _grid(cell)
    around = {}
    for name, (up, right) in _DIRECTIONS.items():
        if 0 <= row + up < 1 << latitude_bits:
            around[name] = _word(row + up, (column + right) % (1 << longitude_bits), len(cell))
    return around


def cell_of(position: str) -> str:
    """The map's cell of a place given as "LAT,LON" in degrees or as a geohash of at least 4 letters: what is finer is
    dropped here and goes nowhere. PositionError, which does not repeat the place, if it is neither."""
    text = position.strip()
    latitude, comma, longitude = text.partition(",")
    if comma:
        try:
            return encode(float(latitude), _usual_longitude(float(longitude)))
        except PositionError:
            raise
        except ValueError:
            raise PositionError(_HOW) from None
    if len(text) < CELL_LENGTH:
        raise PositionError(_HOW)
    try:
        bounds(text)
    except PositionError:
        raise PositionError(_HOW) from None
    return text[:CELL_LENGTH].lower()


_HOW = (
    'Give the position as "LAT,LON" in degrees, for example 46.8,23.6, or as a geohash of 4 letters, for example u82f.'
)
_DIRECTIONS = {
    "n": (1, 0),
    "ne": (1, 1),
    "e": (0, 1),
    "se": (-1, 1),
    "s": (-1, 0),
    "sw": (-1, -1),
    "w": (0, -1),
    "nw": (1, -1),
}


def _usual_longitude(longitude_deg: float) -> float:
    if not -180.0 <= longitude_deg <= 180.0:
        raise PositionError("A position needs a longitude of -180 to 180 degrees.")
    return longitude_deg


def _word(row: int, column: int, length: int) -> str:
    """Interleave the bits, lowest last: the last bit is a longitude's where their number is odd."""
    bits = 0
    from_longitude = (5 * length) % 2 == 1
    for place in range(5 * length):
        if from_longitude:
            bits |= (column & 1) << place
            column >>= 1
        else:
            bits |= (row & 1) << place
            row >>= 1
        from_longitude = not from_longitude
    return "".join(ALPHABET[bits >> (5 * (length - 1 - index)) & 31] for index in range(length))


def _grid(cell: str) -> tuple[int, int, int, int]:
    """(row from south, column from west, bits of latitude, bits of longitude)."""
    word = cell.lower()
    if not 1 <= len(word) <= _LONGEST or any(letter not in _VALUES for letter in word):
        raise PositionError(
            f"{cell[:20]!r} is no geohash: it has 1 to {_LONGEST} digits and letters without a, i, l, o."
        )
    row = column = latitude_bits = longitude_bits = 0
    for index in range(5 * len(word)):
        bit = _VALUES[word[index // 5]] >> (4 - index % 5) & 1
        if index % 2 == 0:
            column, longitude_bits = column << 1 | bit, longitude_bits + 1
        else:
            row, latitude_bits = row << 1 | bit, latitude_bits + 1
    return row, column, latitude_bits, longitude_bits
