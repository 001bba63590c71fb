"""Steps, auto-scale and words of the oscilloscope's scales."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets.scope.scales import (
    AUTO_SMALLEST,
    DIVISIONS,
    STEPS,
    TIME_STEPS_S,
    AutoScale,
    duration_text,
    move_step,
    nearest_step,
    nice_step,
    per_division_text,
    tick_texts,
    tick_values,
    time_text,
)


def test_time_steps_run_from_2_ms_to_10_s():
    assert TIME_STEPS_S == (2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def test_steps_stop_at_their_ends():
    assert move_step(TIME_STEPS_S, 10.0, 3) == 10.0
    assert move_step(TIME_STEPS_S, 2e-3, -1) == 2e-3
    assert move_step(TIME_STEPS_S, 5e-3, 1) == 1e-2
    assert nearest_step(STEPS["V"], 90.0) == 100.0
    assert nearest_step(STEPS["V"], float("nan")) == STEPS["V"][0]


@given(st.sampled_from(["V", "A"]), st.floats(1e-3, 4000.0))
def test_a_fitted_scale_shows_all_of_the_signal_and_is_the_finest_that_does(unit, peak):
    scale = AutoScale(unit, 1.0)
    step = scale.fit(peak)
    largest = STEPS[unit][-1]
    assert peak <= DIVISIONS[unit] * step or step == largest
    finer = [s for s in STEPS[unit] if AUTO_SMALLEST[unit] <= s < step]
    assert all(peak > 0.95 * DIVISIONS[unit] * s for s in finer)


@given(st.sampled_from(["V", "A"]), st.floats(0.5, 900.0), st.floats(0.0, 0.02))
def test_a_wobbling_peak_changes_the_scale_at_most_once(unit, peak, wobble):
    scale = AutoScale(unit, 1.0)
    scale.fit(peak)
    seen = [scale.update(peak * (1 + wobble * (-1) ** n), n * 0.25) for n in range(40)]
    assert sum(before != after for before, after in itertools.pairwise(seen)) <= 1
    assert len(set(seen[10:])) == 1


def test_scale_grows_at_once_and_shrinks_only_after_a_while():
    scale = AutoScale("V", 100.0)
    assert scale.update(500.0, 0.0) == 200.0
    assert scale.update(100.0, 0.1) == 200.0
    assert scale.update(100.0, 0.9) == 200.0
    assert scale.update(100.0, 1.2) == 50.0


def test_a_short_dip_does_not_move_the_scale():
    scale = AutoScale("V", 100.0)
    scale.update(100.0, 0.0)
    scale.update(325.0, 0.5)
    assert scale.update(100.0, 1.4) == 100.0


def test_no_samples_leave_the_scale_alone():
    assert AutoScale("A", 10.0).update(float("nan"), 0.0) == 10.0
    assert AutoScale("A", 10.0).update(-math.inf, 0.0) == 10.0


def test_ticks_are_multiples_of_the_step_and_have_its_decimals():
    values = tick_values(-0.010, 0.040, 0.005)
    assert tick_texts([v * 1e3 for v in values], 5.0) == [
        "−10", "−5", "0", "5", "10", "15", "20", "25", "30", "35", "40",
    ]  # fmt: skip
    assert tick_texts([-0.2, 0.0, 0.2], 0.2) == ["−0.2", "0.0", "0.2"]
    assert tick_texts([0.25], 0.05) == ["0.25"]


@given(st.floats(1e-6, 1e4), st.integers(1, 20))
def test_a_nice_step_cuts_into_at_most_as_many_parts(span, most):
    step = nice_step(span, most)
    assert span / step <= most * (1 + 1e-6)
    assert round(step / 10 ** math.floor(math.log10(step * (1 + 1e-9)))) in (1, 2, 5)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (5e-3, "s", "5 ms"), (0.5, "s", "500 ms"), (10.0, "s", "10 s"), (0.2, "A", "200 mA"), (100.0, "V", "100 V"),
        (1000.0, "V", "1 kV"), (-120.0, "V", "−120 V"), (0.0, "V", "0 V"), (50e-6, "s", "50 µs"), (37e-3, "s", "37 ms"),
    ],
)  # fmt: skip
def test_scales_in_words(value, unit, text):
    assert per_division_text(value, unit) == text


@pytest.mark.parametrize(
    ("span_s", "text"),
    [
        (0.0008, "0.8 ms"),
        (0.25, "250 ms"),
        (1.2, "1.2 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (125.0, "2 min 05 s"),
    ],
)
def test_lengths_of_gaps_in_words(span_s, text):
    assert duration_text(span_s) == text


def test_times_carry_the_resolution_of_the_view():
    assert time_text(0.00401, 0.05) == "4.01 ms"
    assert time_text(-3.6, 5.0) == "−3.600 s"
