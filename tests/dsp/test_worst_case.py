"""A search for the worst case inside the limits that the accuracy table names: every line must hold everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, target
from hypothesis import strategies as st

from tests.fakes.accuracy_case import FREQUENCY, RANGES_HZ, RATES_HZ, STEADY, Case, Limit, errors_of, measured
from tests.fakes.least_squares import tones_by_least_squares

ppm = st.floats(-200.0, 200.0) | st.sampled_from([-200.0, 0.0, 200.0])
skew_us = st.floats(0.0, 250.0) | st.sampled_from([0.0, 100.0, 250.0])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A case anywhere within the limits."""
    nominal_hz = draw(st.sampled_from(list(RANGES_HZ)))
    return Case(
        frequency_hz=draw(st.floats(*RANGES_HZ[nominal_hz])),
        nominal_hz=nominal_hz,
        rate_hz=draw(st.sampled_from(RATES_HZ)),
        ppm=draw(st.tuples(ppm, ppm, ppm)),
        skew_us=draw(st.tuples(skew_us, skew_us, skew_us)),
        seed=draw(st.integers(0, 1 << 30)),
        alike=draw(st.booleans()),
        response=draw(st.booleans()),
        whole_us=draw(st.booleans()),
    )


def hold(case: Case) -> None:
    """Every line holds in every window; the search is driven towards what comes nearest to its limit."""
    windows = measured(case, 0.95)
    assert len(windows) >= 3
    assert all(found.flags == () and found.window == "10/12-cycle" for found in windows)
    worst: dict[Limit, float] = dict.fromkeys(STEADY, 0.0)
    broken = []
    for found in windows:
        for limit, error in errors_of(case, found).items():
            worst[limit] = max(worst[limit], error.size / limit.most)
            if not error.size <= limit.most:
                broken.append(f"{limit.quantity}: {error.size:.3g} {limit.unit} ({error.where})")
    assert broken == [], case
    for limit, share in worst.items():
        target(share, label=limit.quantity)


search = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@settings(search, max_examples=120)
@given(cases())
def test_every_line_of_the_accuracy_table_holds(case: Case) -> None:
    hold(case)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(search, max_examples=20_000)
@given(cases())
def test_every_line_of_the_accuracy_table_holds_in_a_long_search(case: Case) -> None:
    hold(case)


@settings(search, max_examples=8)
@given(cases())
def test_least_squares_find_the_same(case: Case) -> None:
    """The oracle works on samples, frequency and nothing else: it agrees with the formulas and with the measurement."""
    windows = measured(case, 0.95)
    for keys, rate_hz, first_s in case.chips():
        t = first_s + np.arange(round(0.16 * rate_hz)) / rate_hz
        samples = case.values_at(t, keys)
        frequency_hz, tones = tones_by_least_squares(t, samples, case.frequency_hz + 0.02, case.last_order)
        assert frequency_hz == pytest.approx(case.frequency_hz, abs=1e-7)
        last = min(40, int(0.4 * rate_hz / case.frequency_hz))
        for row, key in enumerate(keys):
            assert np.abs(tones[row] - case.tones()[key]).max() < 1e-7 * abs(tones[row, 1])
            for found in windows:
                off = found.orders[key][1 : last + 1] - np.abs(tones[row, 1 : last + 1])
                assert np.abs(off).max() <= 10e-6 * abs(tones[row, 1]), (case, key)
                assert abs(found.values["Fqai"] - frequency_hz) <= 1e-3 * FREQUENCY.most


@pytest.mark.parametrize("rocof_hz_s", [-1.0, 1.0])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_frequency_that_runs_away(rocof_hz_s: float, rate_hz: float) -> None:
    for seed in range(6):
        case = Case(50.0 + seed, rate_hz=rate_hz, ppm=(150.0, -90.0, 10.0), seed=seed, rocof_hz_s=rocof_hz_s)
        for found in measured(case, 0.95):
            for key, tones in case.tones().items():
                off = np.abs(found.orders[key][1:26] - np.abs(tones[1:26])) / abs(tones[1])
                assert off[0] <= 10e-6, (case, key)
                assert off[24] <= 20e-6, (case, key)
