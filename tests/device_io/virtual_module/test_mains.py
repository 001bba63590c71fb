"""The mains model against numerical integration and formulas written out by hand."""

import math

import numpy as np
import pytest

from device_io.virtual_module.mains import Event, Flicker, Frequency, Mains, Tone, Wave, wave


@pytest.mark.parametrize(
    "frequency",
    [
        Frequency(49.98),
        Frequency(50.0, wander_hz=0.4, wander_period_s=7.0),
        Frequency(60.0, ramp_hz_per_s=1.0, ramp_start_s=0.5, ramp_duration_s=1.5),
    ],
)
def test_turns_are_the_integral_of_the_frequency(frequency):
    t = np.linspace(0.0, 3.0, 300_001)
    f = np.array([frequency.at(x) for x in t])
    integral = np.concatenate([[0.0], np.cumsum((f[1:] + f[:-1]) / 2.0 * np.diff(t))])
    assert np.abs(frequency.turns(t) - integral).max() < 1e-5


def test_a_ramp_ends_at_its_frequency():
    frequency = Frequency(50.0, ramp_hz_per_s=-2.0, ramp_start_s=1.0, ramp_duration_s=0.5)
    assert not frequency.steady
    assert frequency.at(0.9) == 50.0
    assert frequency.at(10.0) == pytest.approx(49.0)


def test_harmonics_keep_their_natural_sequence():
    table = {3: (10.0, 30.0), 5: (5.0, -20.0)}
    waves = {f"I{n + 1}": wave(10.0, angle, table) for n, angle in enumerate((0.0, -120.0, 120.0))}
    mains = Mains(Frequency(50.0), waves)
    t = np.arange(0.0, 0.02, 1e-4)
    psi = 2.0 * math.pi * 50.0 * t
    expected = math.sqrt(2.0) * (10.0 * np.cos(psi) + np.cos(3 * psi + math.radians(30)))
    expected += math.sqrt(2.0) * 0.5 * np.cos(5 * psi - math.radians(20))
    assert mains.value("I1", t) == pytest.approx(expected, abs=1e-9)
    shifted = mains.value("I1", t - 0.02 / 3.0)
    assert mains.value("I2", t) == pytest.approx(shifted, abs=1e-9)
    # What remains in the neutral of a balanced load is three times the third harmonic.
    third = 3.0 * math.sqrt(2.0) * np.cos(3 * psi + math.radians(30))
    assert mains.value("IN", t) == pytest.approx(third, abs=1e-9)


def test_neutral_carries_the_leakage_too():
    mains = Mains(Frequency(50.0), {"I1": wave(1.0), "IL": wave(0.03, 90.0)})
    t = np.arange(0.0, 0.02, 1e-3)
    difference = mains.value("IN", t) - mains.value("I1", t)
    assert difference == pytest.approx(mains.value("IL", t), abs=1e-12)
    assert np.abs(difference).max() > 0.03


def test_interharmonics_and_free_tones_and_dc():
    tones = (Tone(2.0, 40.0, order=2.5), Tone(3.0, -10.0, frequency_hz=183.0))
    mains = Mains(Frequency(49.0), {"V1": Wave(tones, dc=1.5)})
    t = np.linspace(0.0, 1.0, 777)
    expected = 1.5 + math.sqrt(2.0) * 2.0 * np.cos(2 * math.pi * 122.5 * t + math.radians(40.0))
    expected += math.sqrt(2.0) * 3.0 * np.cos(2 * math.pi * 183.0 * t - math.radians(10.0))
    assert mains.value("V1", t) == pytest.approx(expected, abs=1e-9)


def test_events_repeat_and_touch_only_their_quantities():
    dip = Event(frozenset({"V1"}), 0.6, start_s=5.0, duration_s=0.18, every_s=10.0)
    once = Event(frozenset({"V2"}), 0.0, start_s=1.0, duration_s=0.1)
    mains = Mains(Frequency(50.0), {"V1": wave(230.0), "V2": wave(230.0)}, (dip, once))
    t = np.array([4.9999, 5.0001, 5.1799, 5.1801, 15.0001, 15.2, 25.1])
    assert mains.envelope("V1", t).tolist() == [1.0, 0.6, 0.6, 1.0, 0.6, 1.0, 0.6]
    assert mains.envelope("V2", np.array([0.99, 1.01, 1.11, 11.01])).tolist() == [1.0, 0.0, 1.0, 1.0]
    assert mains.envelope("V2", np.array([20.0, 21.0])) is None
    assert mains.envelope("I1", t) is None


@pytest.mark.parametrize("rectangular", [True, False])
def test_flicker_depth_is_peak_to_peak(rectangular):
    flicker = Flicker(frozenset({"V1"}), frequency_hz=10.0, depth_pct=2.0, rectangular=rectangular)
    factor = Mains(Frequency(50.0), {"V1": wave(230.0)}, flicker=(flicker,)).envelope("V1", np.arange(0, 1, 1e-4))
    assert factor.max() - factor.min() == pytest.approx(0.02, rel=1e-3)
    assert factor.mean() == pytest.approx(1.0, abs=2e-4)
    assert (len(np.unique(factor)) == 2) is rectangular
