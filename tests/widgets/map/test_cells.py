"""The grid of cells and its picture."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources import geohash
from tests.fakes.map_cells import cells, edges, grid
from widgets.map.cells import CellGrid, CellStatus, Tiles
from widgets.map.projection import Window, latitude_of, longitude_of, x_of, y_of


def flat(grid_: CellGrid, window: Window) -> np.ndarray:
    """Status of each px of the window, from a picture with tiles of one colour a status."""
    width, height = grid_.tile_size(window)
    tiles = Tiles(np.broadcast_to(np.arange(5, dtype=np.uint32)[:, None, None], (5, height, width)).copy())
    result = np.zeros((window.height, window.width), np.uint32)
    found = grid_.picture(window, tiles)
    if found is not None:
        left, top, pixels = found
        result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return result


def window_at(latitude_deg: float, longitude_deg: float, scale: float) -> Window:
    return Window(float(x_of(longitude_deg)), float(y_of(latitude_deg)), scale, 500, 400).fitted()


@given(st.floats(-70, 70), st.floats(-180, 179), st.floats(6e3, 2e5), st.integers(0, 2**32 - 1))
def test_every_pixel_shows_the_cell_it_lies_in(latitude_deg, longitude_deg, scale, seed) -> None:
    random = np.random.default_rng(seed)
    around = {
        geohash.encode(
            float(np.clip(latitude_deg + random.normal(0, 1), -80, 80)), longitude_deg + random.normal(0, 1)
        ): CellStatus(int(random.integers(1, 5)))
        for _ in range(60)
    }
    window = window_at(latitude_deg, longitude_deg, scale)
    picture = flat(grid(around), window)
    for px, py in zip(random.integers(0, 500, 60).tolist(), random.integers(0, 400, 60).tolist(), strict=True):
        x, y = window.left + (px + 0.5) / window.scale, window.top + (py + 0.5) / window.scale
        cell = geohash.encode(float(latitude_of(y)), float(longitude_of(x)))
        assert picture[py, px] == around.get(cell, CellStatus.ABSENT)


def test_squares_of_many_cells_show_the_worst() -> None:
    base = geohash.bounds("u000")
    names = [
        geohash.encode(base.south_deg + 0.01 + 180 / 1024 * row, base.west_deg + 0.01 + 360 / 1024 * column)
        for row in (0, 1)
        for column in (0, 1)
    ]
    status = dict(
        zip(names, (CellStatus.NORMAL, CellStatus.NONE, CellStatus.CRITICAL, CellStatus.WARNING), strict=True)
    )
    window = window_at(base.south_deg, base.west_deg, 2500.0)
    made = grid(status)
    assert made.joined(window) == 2
    assert set(np.unique(flat(made, window))) == {CellStatus.ABSENT, CellStatus.CRITICAL}


@pytest.mark.parametrize("scale", [28_050.0, 33_333.0, 61_234.0])
def test_edges_and_symbols_stay_whole_where_cells_differ_by_a_pixel(scale: float) -> None:
    """Tiles of their own column numbers: each whole cell begins and ends with the tile's edge and has its middle."""
    row = [geohash.encode(46.77, 20.0 + 360 / 1024 * number) for number in range(24)]
    made = grid(dict.fromkeys(row, CellStatus.NORMAL))
    window = window_at(46.77, 23.0, scale)
    width, height = made.tile_size(window)
    columns = np.broadcast_to(np.arange(width, dtype=np.uint32), (5, height, width)).copy()
    _, _, pixels = made.picture(window, Tiles(columns))
    line = pixels[0].tolist()
    starts = [place for place, column in enumerate(line) if column == 0]
    whole = [line[begin:end] for begin, end in itertools.pairwise(starts)]
    assert len(whole) >= 5
    assert {len(cell) for cell in whole} <= {width - 1, width}
    for cell in whole:
        assert cell[:3] == [0, 1, 2]
        assert cell[-3:] == [width - 3, width - 2, width - 1]
        assert {width // 2 - 3, width // 2, width // 2 + 3} <= set(cell)


def test_cell_at_a_point() -> None:
    status = cells()
    made = grid(status)
    for index, name in enumerate(status):
        south, west, north, east = geohash.bounds(name)
        assert made.at((south + north) / 2, (west + east) / 2) == index
        assert made.at((south + north) / 2, (west + east) / 2 + 360.0) == index
    assert made.at(0.0, -140.0) is None
    assert CellGrid().at(0.0, 0.0) is None


def test_other_lengths_of_geohash() -> None:
    made = CellGrid(*edges(["u8", "u9"]), [2, 3], ["u8", "u9"])
    assert (made.rows, made.columns) == (32, 32)
    assert made.at(46.0, 23.0) == 0


@pytest.mark.parametrize(
    ("names", "status"),
    [(["u82f", "u8"], [1, 1]), (["u82f"], [5]), (["u82f"], [1, 2])],
)
def test_refused(names, status) -> None:
    with pytest.raises(ValueError, match=r"cell"):
        CellGrid(*edges(names), status, names)


def test_empty_grid_has_no_picture() -> None:
    window = Window()
    assert CellGrid().picture(window, Tiles(np.zeros((5, 1, 1), np.uint32))) is None
