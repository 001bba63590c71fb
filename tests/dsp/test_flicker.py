"""The flickermeter against the standard's test points, closed forms, gaps and bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.flicker import Flickermeter, long_term_severity, short_term_severity
from dsp.flicker_filters import block_filter
from tests.fakes.flicker_signals import RECTANGULAR, SINUSOIDAL, mains, rectangular, sinusoidal

PAIRS = list(RECTANGULAR)
POINTS = [(*pair, cpm, change) for pair, points in RECTANGULAR.items() for cpm, change in points.items()]
SINES = [(*pair, hz, change) for pair, points in SINUSOIDAL.items() for hz, change in points.items()]


def pst_of_point(lamp: int, system_hz: int, cpm: float, change_pct: float, rate_hz: float) -> float:
    """720 s of rectangular modulation, the first 120 s for settling."""
    meter = Flickermeter(1, rate_hz, lamp, system_hz)
    step = int(8 * rate_hz)
    for first in range(0, int(720 * rate_hz), step):
        t = np.arange(first, first + step) / rate_hz
        meter.push([mains(t, lamp, system_hz) * rectangular(t, cpm, change_pct)], [t[0]])
    return float(meter.pst(120.0, 720.0)[0])


@pytest.mark.parametrize(("lamp", "system_hz", "cpm", "change_pct"), POINTS)
def test_rectangular_points_have_severity_one(lamp: int, system_hz: int, cpm: float, change_pct: float) -> None:
    assert pst_of_point(lamp, system_hz, cpm, change_pct, 4000.0) == pytest.approx(1.0, abs=0.015)


@pytest.mark.soak
@pytest.mark.parametrize("rate_hz", [4098.0, 8000.0, 30720.0])
@pytest.mark.parametrize(("lamp", "system_hz", "cpm", "change_pct"), POINTS)
def test_rectangular_points_at_other_rates(
    lamp: int, system_hz: int, cpm: float, change_pct: float, rate_hz: float
) -> None:
    found = pst_of_point(lamp, system_hz, cpm, change_pct, rate_hz)
    print(f"{lamp} V {system_hz} Hz, {cpm} changes a minute at {rate_hz:g}/s: Pst {found:.4f}")
    assert found == pytest.approx(1.0, abs=0.015)


@pytest.mark.parametrize(("lamp", "system_hz", "frequency_hz", "change_pct"), SINES)
def test_sinusoidal_points_have_sensation_one(
    lamp: int, system_hz: int, frequency_hz: float, change_pct: float
) -> None:
    t = np.arange(40 * 4098) / 4098.0
    meter = Flickermeter(1, 4098.0, lamp, system_hz)
    meter.push([mains(t, lamp, system_hz) * sinusoidal(t, frequency_hz, change_pct)], [0.0])
    assert meter.pinst_between(0, 25.0, 40.0).max() == pytest.approx(1.0, abs=0.02)


def weighting(frequency_hz: float, lamp: int, system_hz: int) -> complex:
    """Block 3 as its transfer function."""
    gain, damping, *corners = {
        230: (1.74802, 4.05981, 9.15494, 2.27979, 1.22535, 21.9),
        120: (1.6357, 4.167375, 9.077169, 2.939902, 1.394468, 17.31512),
    }[lamp]
    s = 2j * math.pi * frequency_hz
    w1, w2, w3, w4 = (2 * math.pi * f for f in corners)
    result = (
        gain * w1 * s / (s * s + 4 * math.pi * damping * s + w1 * w1) * (1 + s / w2) / ((1 + s / w3) * (1 + s / w4))
    )
    result *= s / (s + 2 * math.pi * 0.05)
    corner = 2 * math.pi * {50: 35.0, 60: 42.0}[system_hz]
    for k in range(6):
        result /= s / corner - np.exp(1j * math.pi * (2 * k + 7) / 12)
    return complex(result)


@pytest.mark.parametrize("rate_hz", [1000.0, 4000.0, 4098.0, 30720.0])
@pytest.mark.parametrize(("lamp", "system_hz"), PAIRS)
def test_block_filter_has_the_response_of_the_standard(rate_hz: float, lamp: int, system_hz: int) -> None:
    f = block_filter(rate_hz, lamp, system_hz)
    for frequency in (0.05, 0.5, 3.0, 8.8, 20.0, 33.3, 42.0):
        # In the steady state a block repeats the one before, turned by what the tone turns in a block.
        s = 2j * math.pi * frequency / rate_hz
        u = np.exp(s * np.arange(f.length))
        turn = np.exp(s * f.length)
        driven = u @ f.u_all
        state = np.linalg.solve((turn * np.eye(f.start.size) - f.state_over[0]).T, driven[f.outputs :])
        y = state @ f.state_to_output + driven[: f.outputs]
        times = f.length // f.outputs * np.arange(1, f.outputs + 1)
        held = np.sinc(frequency / rate_hz) ** 2  # straight lines between the samples
        expected = weighting(frequency, lamp, system_hz) * held * np.exp(s * times)
        assert np.abs(y - expected).max() <= 2e-5 * abs(expected[0])


def test_states_carry_over_many_blocks_as_over_one() -> None:
    f = block_filter(4000.0, 230, 50)
    for n, over in enumerate(f.state_over):
        assert over == pytest.approx(np.linalg.matrix_power(f.state_over[0], 1 << n), abs=1e-12)
    assert len(f.state_over) == 7


def test_size_of_pieces_and_company_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    t = np.arange(40 * 4000) / 4000.0
    waves = [mains(t, 230, 50, k) * sinusoidal(t, 2.0 + 5 * k, 1.0) for k in range(3)]
    whole = Flickermeter(3, 4000.0)
    whole.push(waves, [0.0] * 3)
    pieces = Flickermeter(3, 4000.0)
    at = [0, 0, 0]
    while min(at) < t.size:
        steps = [int(rng.integers(0, 3000)) for _ in at]
        pieces.push([w[a : a + s] for w, a, s in zip(waves, at, steps, strict=True)], [a / 4000.0 for a in at])
        at = [min(a + s, t.size) for a, s in zip(at, steps, strict=True)]
    for channel in range(3):
        alone = Flickermeter(1, 4000.0)
        alone.push([waves[channel]], [0.0])
        expected = alone.pinst_between(0, 0.0, 41.0)
        assert expected.size == 40 * 200
        assert expected.max() > 0.5
        assert whole.pinst_between(channel, 0.0, 41.0) == pytest.approx(expected, rel=1e-5, abs=1e-9)
        assert pieces.pinst_between(channel, 0.0, 41.0) == pytest.approx(expected, rel=1e-5, abs=1e-9)


HIGHEST = [(*pair, *list(points.items())[-1]) for pair, points in RECTANGULAR.items()]


@pytest.mark.parametrize(("lamp", "system_hz", "cpm", "change_pct"), HIGHEST)
def test_the_phase_of_the_mains_matters_little(lamp: int, system_hz: int, cpm: float, change_pct: float) -> None:
    """At the highest points the third harmonic of the modulation meets twice the mains frequency."""
    meter = Flickermeter(4, 4000.0, lamp, system_hz)
    t = np.arange(200 * 4000) / 4000.0
    waves = [mains(t, lamp, system_hz, k * np.pi / 4) * rectangular(t, cpm, change_pct) for k in range(4)]
    meter.push(waves, [0.0] * 4)
    assert meter.pst(100.0, 200.0) == pytest.approx([1.0] * 4, abs=0.015)


def test_severity_is_weighted_from_the_levels() -> None:
    total = 0.0314 + 0.0525 + 0.0657 + 0.28 + 0.08
    assert short_term_severity(np.full(1000, 4.0)) == pytest.approx(2 * math.sqrt(total))
    ramp = np.random.default_rng(0).permutation(np.linspace(0.0, 1.0, 100_001))
    expected = 0.0314 * 0.999 + 0.0525 * (1 - 0.032 / 3) + 0.0657 * (1 - 0.092 / 3)
    expected += 0.28 * (1 - 0.54 / 5) + 0.08 * (1 - 1.6 / 3)
    assert short_term_severity(ramp) == pytest.approx(math.sqrt(expected), rel=1e-9)
    assert math.isnan(short_term_severity([]))


def test_long_term_is_the_cubic_mean_of_twelve() -> None:
    assert long_term_severity([0.5] * 12) == pytest.approx(0.5)
    assert long_term_severity([0.0] * 11 + [1.2]) == pytest.approx(1.2 / 12 ** (1 / 3))
    assert long_term_severity([0.5] * 11) is None
    assert long_term_severity([0.5] * 11 + [None]) is None
    assert long_term_severity([0.5] * 11 + [math.nan]) is None


def test_severity_grows_with_the_change_and_ignores_the_waveform() -> None:
    """Twice the change is twice the severity; steady harmonics that swing with the voltage change nothing."""
    t = np.arange(200 * 4000) / 4000.0
    steady = mains(t, 230, 50) + mains(t, 70, 150, 1.0) + mains(t, 60, 250, 2.0) + mains(t, 50, 350, 0.5)
    meter = Flickermeter(3, 4000.0)
    waves = [
        mains(t, 230, 50) * sinusoidal(t, 8.8, 0.5),
        mains(t, 230, 50) * sinusoidal(t, 8.8, 1.0),
        steady * sinusoidal(t, 8.8, 1.0),
    ]
    meter.push(waves, [0.0] * 3)
    single, double, distorted = meter.pst(80.0, 200.0).tolist()
    assert double == pytest.approx(2 * single, rel=1e-3)
    assert distorted == pytest.approx(double, rel=2e-3)


def test_waits_until_it_has_settled() -> None:
    t = np.arange(140 * 4000) / 4000.0
    wave = mains(t, 230, 50) * sinusoidal(t, 8.8, 0.25)
    meter = Flickermeter(1, 4000.0)
    meter.push([wave[: 19 * 4000]], [0.0])
    assert np.isnan(meter.pinst()).all()
    meter.push([wave[19 * 4000 :]], [19.0])
    assert meter.pinst() == pytest.approx([1.0], abs=0.1)
    assert np.isnan(meter.pst(59.0, 119.0)).all()
    assert meter.pst(61.0, 121.0) == pytest.approx([math.sqrt(0.5096)], rel=0.03)
    assert np.isnan(meter.pst(100.0, 160.0)).all()  # not over yet


def test_a_gap_settles_anew_and_spoils_the_interval() -> None:
    t = np.arange(200 * 4000) / 4000.0
    wave = mains(t, 230, 50) * sinusoidal(t, 8.8, 0.25)
    meter = Flickermeter(2, 4000.0)
    meter.push([wave[: 100 * 4000]] * 2, [0.0] * 2)
    meter.restart(0)
    meter.push([wave[100 * 4000 :]] * 2, [100.0] * 2)
    first, second = meter.pst(65.0, 195.0).tolist()
    assert math.isnan(first)
    assert second == pytest.approx(math.sqrt(0.5096), rel=0.03)
    first, second = meter.pst(165.0, 195.0).tolist()
    assert first == pytest.approx(second, rel=2e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1e300])
def test_samples_that_are_no_numbers_settle_anew_alone(bad: float) -> None:
    t = np.arange(160 * 4000) / 4000.0
    wave = mains(t, 230, 50) * sinusoidal(t, 8.8, 0.25)
    broken = wave.copy()
    broken[50 * 4000 + 17] = bad
    meter = Flickermeter(2, 4000.0)
    meter.push([broken, wave], [0.0] * 2)
    assert np.isnan(meter.pst(70.0, 155.0)[0])
    assert meter.pst(70.0, 155.0)[1] == pytest.approx(math.sqrt(0.5096), rel=0.03)
    assert meter.pst(120.0, 155.0) == pytest.approx([math.sqrt(0.5096)] * 2, rel=0.03)


def test_no_voltage_gives_no_flicker_and_its_return_settles_anew() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(400 * 1000) / 1000.0
    noise = 0.02 * rng.standard_normal(t.size)
    wave = np.where(t < 300.0, 0.0, mains(t, 230, 50)) + noise
    meter = Flickermeter(2, 1000.0)
    meter.push([noise, wave], [0.0, 0.0])
    assert np.isnan(meter.pst(100.0, 290.0)).all()
    assert np.isnan(meter.pst(340.0, 399.0)).all()
    found = meter.pst(362.0, 399.0)
    assert np.isnan(found[0])
    assert found[1] < 0.1


def test_a_short_interruption_gives_a_number_and_a_long_one_settles_anew() -> None:
    t = np.arange(500 * 1000) / 1000.0
    meter = Flickermeter(2, 1000.0)
    waves = [mains(t, 230, 50) * np.where((t > 100) & (t < end), 0.001, 1.0) for end in (101.0, 350.0)]
    meter.push(waves, [0.0] * 2)
    assert meter.pst(70.0, 300.0)[0] > 1.0
    assert np.isnan(meter.pst(70.0, 400.0)[1])
    assert meter.pst(450.0, 499.0)[1] < 0.1


def test_memory_is_bounded_and_holds_ten_minutes() -> None:
    meter = Flickermeter(1, 1200.0)
    t = np.arange(1200) / 1200.0
    wave = mains(t, 230, 50)
    for second in range(1500):
        meter.push([wave], [float(second)])
    assert meter.pinst_between(0, 0.0, 1500.0).size == pytest.approx(605 * 200, abs=20)
    assert meter.pst(899.0, 1499.0) < 0.05
    assert np.isnan(meter.pst(880.0, 1480.0)).all()  # no longer kept


@pytest.mark.parametrize("rate_hz", [0.0, 800.0, -4000.0, math.nan])
def test_too_few_samples_a_second_are_refused(rate_hz: float) -> None:
    with pytest.raises(ValueError, match="samples a second"):
        Flickermeter(1, rate_hz)
