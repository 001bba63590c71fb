"""Geohashes against places with known ones, and against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.geohash import ALPHABET, PositionError, bounds, cell_of, decode, encode, neighbours

latitudes = st.floats(-90, 90, allow_nan=False)
longitudes = st.floats(-180, 179.9999999, allow_nan=False)
cells = st.text(ALPHABET, min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("latitude_deg", "longitude_deg", "word"),
    [
        (57.64911, 10.40744, "u4pruydqqvj"),
        (42.605, -5.603, "ezs42"),
        (46.77, 23.59, "u82f"),
        (0.0, 0.0, "s0000000"),
        (-90.0, -180.0, "0000"),
        (-25.382708, -49.265506, "6gkzwgjzn820"),
        (37.8324, 112.5584, "ww8p1r4t8"),
    ],
)
def test_known_places(latitude_deg: float, longitude_deg: float, word: str) -> None:
    assert encode(latitude_deg, longitude_deg, len(word)) == word


@given(latitudes, longitudes, st.integers(1, 12))
def test_a_cell_holds_its_places(latitude_deg: float, longitude_deg: float, length: int) -> None:
    word = encode(latitude_deg, longitude_deg, length)
    around = bounds(word)
    assert around.south_deg - 1e-9 <= latitude_deg <= around.north_deg + 1e-9
    assert around.west_deg - 1e-9 <= longitude_deg <= around.east_deg + 1e-9
    assert encode(*decode(word), length) == word
    assert encode(latitude_deg, longitude_deg, 12).startswith(word)


def test_size_of_a_cell_of_four() -> None:
    box = bounds("u82f")
    assert (box.north_deg - box.south_deg, box.east_deg - box.west_deg) == (180 / 1024, 360 / 1024)


@pytest.mark.parametrize("cell", ["", "u82a", "u8 2", "ö", "u" * 13])
def test_no_geohash(cell: str) -> None:
    with pytest.raises(PositionError, match="geohash"):
        bounds(cell)


@pytest.mark.parametrize("latitude_deg", [90.1, -90.1, float("nan")])
def test_no_latitude(latitude_deg: float) -> None:
    with pytest.raises(PositionError, match="latitude"):
        encode(latitude_deg, 0.0)


@given(cells)
def test_neighbours_touch(word: str) -> None:
    around = neighbours(word)
    here = bounds(word)
    height_deg, width_deg = here.north_deg - here.south_deg, here.east_deg - here.west_deg
    for name, other in around.items():
        there = bounds(other)
        up = (there.south_deg - here.south_deg) / height_deg
        right = (there.west_deg - here.west_deg) / width_deg
        assert up == pytest.approx({"n": 1, "s": -1}.get(name[0], 0), abs=1e-3)
        steps = round(right) % round(360 / width_deg)
        sign = {"e": 1, "w": -1}.get(name[-1], 0)
        assert steps == sign % round(360 / width_deg)
    assert ("n" in around) == (here.north_deg < 90 - 1e-9)


@pytest.mark.parametrize("position", ["46.77,23.59", " 46.77 , 23.59 ", "u82f", "U82FJ3K", "u82fzzzzzzzz", "46.9,23.6"])
def test_positions_end_as_cells(position: str) -> None:
    assert cell_of(position) == "u82f"


@pytest.mark.parametrize(
    "position",
    ["", "u8", "abcd", "91,0", "0,181", "nan,0", "0,inf", "46.77", "46.77;23.59", "1,2,3", "u82f!", "u82f" * 4, ","],
)
def test_what_is_no_position(position: str) -> None:
    with pytest.raises(PositionError) as caught:
        cell_of(position)
    assert str(caught.value).endswith(".")
    assert len(position) < 3 or position not in str(caught.value), "an exact place has no business in a message"
