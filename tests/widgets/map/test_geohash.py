"""Geohash cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.map import geohash


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "cell"),
    [
        (57.64911, 10.40744, "u4pruydqqvj"),  # the example of the inventor
        (46.77, 23.59, "u82f"),
        (-25.38262, -49.26561, "6gkzwgjz"),
        (0.0, 0.0, "s000"),
        (-90.0, -180.0, "0000"),
    ],
)
def test_known_cells(latitude_deg: float, longitude_deg: float, cell: str) -> None:
    assert geohash.encode(latitude_deg, longitude_deg, len(cell)) == cell


@given(st.floats(-90, 89.999), st.floats(-180, 179.999), st.integers(1, 9))
def test_a_point_lies_in_its_cell(latitude_deg: float, longitude_deg: float, length: int) -> None:
    south, north, west, east = geohash.bounds(geohash.encode(latitude_deg, longitude_deg, length))
    assert south <= latitude_deg < north
    assert west <= longitude_deg < east


def test_size_of_a_cell_of_four() -> None:
    south, north, west, east = geohash.bounds("u82f")
    assert (north - south, east - west) == (180 / 1024, 360 / 1024)


@pytest.mark.parametrize("cell", ["", "u82a", "u8 2", "ö"])
def test_no_geohash(cell: str) -> None:
    with pytest.raises(ValueError, match="geohash"):
        geohash.bounds(cell)


@pytest.mark.parametrize("latitude_deg", [90.0, -90.1, float("nan")])
def test_no_latitude(latitude_deg: float) -> None:
    with pytest.raises(ValueError, match="latitude"):
        geohash.encode(latitude_deg, 0.0)
