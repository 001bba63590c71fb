"""Place of events beside ITIC and SEMI F47, and in the classes of EN 50160; truth by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.equipment import count_events, count_interruptions, curve_at, itic_region, semi_f47_region
from resources.limits.tolerance import event_grid, itic, semi_f47


@pytest.mark.parametrize(
    ("duration_s", "residual_pct", "region"),
    [
        (0.02, 0, "no interruption"),
        (0.0201, 0, "no damage"),
        (0.0201, 69.9, "no damage"),
        (0.0201, 70, "no interruption"),
        (0.5, 70, "no interruption"),
        (0.501, 70, "no damage"),
        (0.501, 80, "no interruption"),
        (10, 80, "no interruption"),
        (10.1, 89.9, "no damage"),
        (10.1, 90, "no interruption"),
        (3600, 90, "no interruption"),
        (3600, 110, "no interruption"),
        (3600, 110.1, "prohibited"),
        (0.5, 120, "no interruption"),
        (0.5, 120.1, "prohibited"),
        (0.501, 110.1, "prohibited"),
        (0.01, 120.1, "prohibited"),
        (0.01, 120, "no interruption"),
        (0.00999, 500, "not resolvable"),
        (0.00999, 100, "not resolvable"),
        (0, 0, "not resolvable"),
        (-1, 50, "not resolvable"),
        (None, 50, "not resolvable"),
        (1, None, "not resolvable"),
        (math.nan, 50, "not resolvable"),
        (1, math.nan, "not resolvable"),
        (math.inf, 50, "not resolvable"),
    ],
)
def test_itic(duration_s, residual_pct, region) -> None:
    assert itic_region(duration_s, residual_pct) == region


def test_half_a_cycle_depends_on_the_frequency() -> None:
    assert itic_region(0.0085, 50) == "not resolvable"
    assert itic_region(0.0085, 50, 60.0) == "no interruption"
    assert semi_f47_region(0.0085, 50) == "not resolvable"
    assert itic_region(1 / 120, 50, 60.0) == "no interruption"


def test_the_part_that_is_only_drawn() -> None:
    upper = itic().upper
    assert curve_at(upper, 1e-9) == 500
    assert curve_at(upper, 1e-3) == 200
    assert curve_at(upper, 3e-3) == 140
    assert curve_at(upper, 3.0001e-3) == 120
    # half way between 1 and 3 ms on a logarithmic axis
    assert curve_at(upper, math.sqrt(3) * 1e-3) == pytest.approx(170)
    assert curve_at(itic().lower, 1e-9) == 0


@pytest.mark.parametrize(
    ("duration_s", "residual_pct", "region"),
    [
        (0.2, 50, "required"),
        (0.2, 49.9, "not required"),
        (0.21, 50, "not required"),
        (0.21, 70, "required"),
        (0.5, 70, "required"),
        (0.51, 79.9, "not required"),
        (0.51, 80, "required"),
        (1, 80, "required"),
        (1.01, 80, "recommended"),
        (10, 80, "recommended"),
        (10.1, 89.9, "not required"),
        (10.1, 90, "recommended"),
        (0.02, 0, "recommended"),
        (0.02, 50, "required"),
        (0.021, 0, "not required"),
        (0.1, 115, "not required"),
        (0.005, 50, "not resolvable"),
        (None, None, "not resolvable"),
    ],
)
def test_semi_f47(duration_s, residual_pct, region) -> None:
    assert semi_f47_region(duration_s, residual_pct) == region


def test_one_cycle_is_shorter_at_60_hz() -> None:
    assert semi_f47_region(0.0167, 0, 60.0) == "not required"
    assert semi_f47_region(1 / 60, 0, 60.0) == "recommended"
    with pytest.raises(ValueError, match="above 0"):
        semi_f47(0.0)


def test_dips_by_class() -> None:
    grid = event_grid("dips")
    assert len(grid.residual_from_pct) == len(grid.up_to_s) == 5
    # one on each corner of the table: rows 90 80 70 40 5 (0), columns 0.2 0.5 1 5 60 s
    for row, (inside, next_row) in enumerate([(89.99, 80), (79.99, 70), (69.99, 40), (39.99, 5), (4.99, 0)]):
        for column, (inside_s, last_s) in enumerate([(0.01, 0.2), (0.201, 0.5), (0.501, 1), (1.01, 5), (5.01, 60)]):
            found = count_events(grid, [inside_s, last_s], [inside, next_row])
            expected = np.zeros((5, 5), int)
            expected[row, column] = 2
            assert found.counts.tolist() == expected.tolist()
            assert found.outside == 0


@pytest.mark.parametrize(
    ("duration_s", "residual_pct"), [(0.0099, 50), (60.1, 50), (1, 90), (1, -1), (None, 5), (1, None)]
)
def test_events_outside_the_table_are_counted_apart(duration_s, residual_pct) -> None:
    found = count_events(event_grid("dips"), [duration_s], [residual_pct])
    assert (found.counts.sum(), found.outside) == (0, 1)


def test_swells_by_class() -> None:
    grid = event_grid("swells")
    durations = [0.01, 0.5, 0.51, 5, 5.1, 60, 60.1, 1, 1]
    residuals = [120, 119.99, 120, 110.01, 150, 111, 130, 110, 105]
    found = count_events(grid, durations, residuals)
    assert found.counts.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert found.outside == 3
    with pytest.raises(ValueError, match="shorter"):
        count_events(grid, [1.0], [])
    with pytest.raises(ValueError, match="dips or swells"):
        event_grid("sags")  # type: ignore[arg-type]


def test_interruptions() -> None:
    assert count_interruptions([0.02, 179, 180, 180.1, 86_400]) == (3, 2)
    assert count_interruptions([]) == (0, 0)


@given(st.floats(0.01, 1e4), st.floats(0, 400))
def test_every_event_has_one_place(duration_s, residual_pct) -> None:
    region = itic_region(duration_s, residual_pct)
    if residual_pct <= 69.9:
        assert region == ("no interruption" if duration_s <= 0.02 else "no damage")
    elif 90 <= residual_pct <= 110:
        assert region == "no interruption"
    elif residual_pct > 120:
        assert region == "prohibited"
    assert semi_f47_region(duration_s, residual_pct) in ("required", "recommended", "not required")
    dips, swells = (count_events(event_grid(kind), [duration_s], [residual_pct]) for kind in ("dips", "swells"))
    assert dips.counts.sum() == (residual_pct < 90 and duration_s <= 60)
    assert swells.counts.sum() == (residual_pct > 110 and duration_s <= 60)
