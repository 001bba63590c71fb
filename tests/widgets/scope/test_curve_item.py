"""How dense samples become pixel columns, and which stroke is chosen."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from widgets.scope.curve_item import CurveItem, Stroke, column_spans, runs_of


@given(st.integers(2, 400), st.integers(3, 60), st.randoms(use_true_random=False))
def test_columns_keep_every_extreme(count, width, random):
    x = np.sort(np.array([random.uniform(0, width) for _ in range(count)]))
    y = np.array([random.uniform(-50, 50) for _ in range(count)])
    columns, low, high = column_spans(x, y, y, 0, width)
    assert low.min() == y.min()
    assert high.max() == y.max()
    for place, value in zip(x, y, strict=True):
        index = int(np.searchsorted(columns, int(place)))
        assert columns[index] == int(place)
        assert low[index] <= value <= high[index]


def test_columns_leave_no_hole_and_touch_their_neighbours():
    x = np.array([0.0, 7.5, 15.0, 22.5])
    y = np.array([0.0, 100.0, 20.0, 60.0])
    columns, low, high = column_spans(x, y, y, 0, 23)
    assert columns.tolist() == list(range(24))
    assert np.all(low[1:] <= high[:-1])
    assert np.all(high[1:] >= low[:-1])


def test_columns_stay_empty_in_a_gap():
    x = np.arange(0.0, 40.0, 0.5)
    y = np.where((x >= 10) & (x < 20), np.nan, x)
    columns, low, high = column_spans(x, y, y, 0, 39)
    assert columns.tolist() == [*range(10), *range(20, 40)]
    assert low[columns == 20] == 20.0, "the line does not reach across"
    assert np.isfinite(low).all()
    assert np.isfinite(high).all()


def test_no_samples_are_no_columns():
    empty = np.empty(0)
    assert [len(part) for part in column_spans(empty, empty, empty, 0, 10)] == [0, 0, 0]


def test_runs_are_split_at_missing_samples():
    finite = np.array([True, True, False, True, False, True, True, True])
    assert runs_of(finite) == [(0, 2), (5, 8)]
    assert runs_of(np.zeros(3, dtype=bool)) == []


def test_stroke_follows_ink_and_pixel_ratio():
    flat = [np.zeros(100)]
    busy = [np.tile([0.0, 200.0], 200)]
    dense = [np.tile([0.0, 200.0], 2000)]
    assert CurveItem._choose(flat, 1.0) is Stroke.DOUBLE
    assert CurveItem._choose(flat, 2.0) is Stroke.WIDE
    assert CurveItem._choose(busy, 1.0) is Stroke.SINGLE
    assert CurveItem._choose(dense, 1.0) is Stroke.SPANS
    assert CurveItem._choose([np.full(5, np.nan)], 1.0) is Stroke.DOUBLE
