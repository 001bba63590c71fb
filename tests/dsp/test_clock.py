"""Clocks of the chips from stamps in whole microseconds, and from arrival times alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.clock import SampleClock


def true_time(index: float, rate_hz: float, skew_s: float, drift_ppm_min: float = 0.0) -> float:
    t = index / rate_hz
    return skew_s + t - 0.5 * drift_ppm_min / 60 * 1e-6 * t * t


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from([4000.0, 4098.0, 8000.0]),
    st.floats(-200.0, 200.0),
    st.floats(0.0, 250e-6),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.sampled_from([80, 87, 137, 400]),
)
def test_rate_and_time(rate_hz: float, ppm: float, skew_s: float, drift: float, block: int) -> None:
    """Within 2 us from the first windows and 1 us from 10 s on, drifting or not; the uncertainty told holds."""
    own_hz, clock = rate_hz * (1 + ppm * 1e-6), SampleClock(rate_hz)
    for index in range(0, int(13 * rate_hz), block):
        stamp = math.floor(1e6 * true_time(index, own_hz, skew_s, drift))
        assert clock.stamp(index, 1e-6 * stamp)
        t = index / own_hz
        if t < 0.25:
            continue
        ago = index - 0.1 * rate_hz
        error = clock.time_s(ago) - (true_time(ago, own_hz, skew_s, drift) - 0.5e-6)
        assert abs(error) <= (1e-6 if t > 10 else 2e-6)
        now_hz = own_hz * (1 + drift / 60 * 1e-6 * t)
        assert abs(clock.rate_hz / now_hz - 1) * 1e6 <= clock.uncertainty_ppm
    assert clock.uncertainty_ppm < 0.5
    assert clock.ppm == pytest.approx(ppm, abs=0.6)


@settings(max_examples=20, deadline=None)
@given(st.floats(-200.0, 200.0), st.integers(0, 10_000), st.sampled_from([20e-6, -20e-6, 1e-3, -1e-3, 3e-3]))
def test_stray_stamps_are_left_out(ppm: float, seed: int, off_s: float) -> None:
    rng = np.random.default_rng(seed)
    own_hz, clock, last = 4000.0 * (1 + ppm * 1e-6), SampleClock(4000.0), -9
    for number in range(600):
        index = 80 * number
        stray = number != 0 and number - last > 2 and rng.random() < 0.1
        last = number if stray else last
        stamp = 1e-6 * math.floor(1e6 * index / own_hz) + (off_s if stray else 0.0)
        assert clock.stamp(index, stamp)
        if number > 15:
            assert clock.time_s(index) == pytest.approx(index / own_hz - 0.5e-6, abs=2e-6)


def test_a_wrong_first_stamp_is_left_out_in_the_end() -> None:
    clock = SampleClock(4000.0)
    for index in range(0, 2000, 80):
        assert clock.stamp(index, index / 4000.2 + (1e-3 if index == 0 else 0.0))
    assert clock.time_s(2000) == pytest.approx(2000 / 4000.2, abs=1e-6)


@pytest.mark.parametrize("step_s", [20e-6, -100e-6, 1e-3, -4e-3, 0.5, -3.0, 4e3])
def test_a_step_of_the_clock_is_told_once_and_followed(step_s: float) -> None:
    clock, told = SampleClock(4000.0), []
    for index in range(0, 40_000, 80):
        t = index / 4000.148
        if not clock.stamp(index, 1e-6 * math.floor(1e6 * (t + (step_s if t > 4 else 0)))):
            told.append(t)
        if t > 4.2:
            assert clock.time_s(index) == pytest.approx(t + step_s - 0.5e-6, abs=2e-6)
    assert len(told) == 1
    assert 4.0 < told[0] < 4.15


def test_a_clock_that_stands_gives_no_rate() -> None:
    clock = SampleClock(4000.0)
    assert [clock.stamp(index, 7.0) for index in range(0, 800, 80)].count(True) <= 1


DELAYS: dict[str, Callable[[np.random.Generator, float], float]] = {
    "usb": lambda rng, _: rng.uniform(0, 1e-3),
    "radio": lambda rng, _: rng.exponential(5e-3),
    "bursts": lambda rng, _: rng.exponential(1e-3) + (0.08 if rng.random() < 0.02 else 0.0),
    "heavy tail": lambda rng, _: rng.lognormal(-6.0, 1.0),
    "wandering": lambda rng, t: 1e-3 * rng.random() + 0.02 * abs(math.sin(t / 7)),
}


def arrivals(delay: str, own_hz: float, nominal_hz: float, seconds: float, seed: int, clock: SampleClock) -> None:
    rng, last = np.random.default_rng(seed), -1.0
    for index in range(0, int(own_hz * seconds), 80):
        last = max((index + 80) / own_hz + DELAYS[delay](rng, index / own_hz), last + 1e-5)
        clock.arrival(index, last - 80 / nominal_hz)


@pytest.mark.parametrize(
    ("delay", "seconds", "at_most_ppm"),
    [(delay, 3.0, 3e4) for delay in DELAYS if delay != "wandering"]
    + [(delay, 60.0, 1500.0 if delay == "wandering" else 30.0) for delay in DELAYS],
)
def test_arrivals_give_the_rate_and_its_uncertainty(delay: str, seconds: float, at_most_ppm: float) -> None:
    """A delay that grows evenly for as long as there are arrivals can't be told from a clock; shorter wandering can."""
    within = 0
    for seed in range(20):
        own_hz, clock = 4000.0 * (1 + (-200 + 21 * seed) * 1e-6), SampleClock(4000.0)
        arrivals(delay, own_hz, 4000.0, seconds, seed, clock)
        assert clock.uncertainty_ppm <= at_most_ppm
        within += abs(clock.rate_hz / own_hz - 1) * 1e6 <= clock.uncertainty_ppm
    assert within >= 19


def test_arrivals_tell_a_rate_that_is_not_the_nominal_one() -> None:
    clock = SampleClock(4000.0)
    arrivals("usb", 4098.36, 4000.0, 20.0, 1, clock)
    assert clock.rate_hz == pytest.approx(4098.36, rel=1e-5)


def test_time_never_jumps_by_arrivals() -> None:
    clock, rng, before = SampleClock(4000.0), np.random.default_rng(0), 0.0
    for index in range(0, 80_000, 80):
        clock.arrival(index, index / 4000.4 + rng.exponential(4e-3) + (2.0 if index > 40_000 else 0.0))
        assert index == 0 or clock.time_s(index) - before == pytest.approx(0.02, rel=2e-3)
        before = clock.time_s(index)
