"""The time base through the whole engine: polled streams, skewed chips, wrong stamps, host time alone."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import FLAGS, Measurement
from tests.fakes.mains_signal import Chip, Mains, blocks, three_phase
from tests.fakes.polled_chip import polled_indices

KEYS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))
PPM, SKEW_S = (20.0, -70.0, 110.0), (0.0, 1e-4, 2.3e-4)
TIMER_HZ = 1e6 / 244.0


def analyser(rate_hz: float) -> Analyser:
    specs = [
        ChipSpec(rate_hz, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A", 600.0) for k in keys)) for keys in KEYS
    ]
    return Analyser("3P+N", specs)


def unbalance(mains: Mains) -> tuple[float, float]:
    a = cmath.exp(2j * math.pi / 3)
    v = [mains.tone(f"V{p}", 1) for p in (1, 2, 3)]
    one = v[0] + a * v[1] + a * a * v[2]
    return 100 * abs((v[0] + a * a * v[1] + a * v[2]) / one), 100 * abs(sum(v) / one)


def polled(
    mains: Mains, poll_hz: float, stated_hz: float, seconds: float, *, jitter_s: float = 0.0, lost: range = range(0)
) -> list[Measurement]:
    """Measure three chips of 4000 samples/s whose registers are polled; blocks in `lost` are not delivered."""
    engine, results = analyser(stated_hz), []
    streams = []
    for chip, keys in enumerate(KEYS):
        own_hz = 4000.0 * (1 + PPM[chip] * 1e-6)
        numbers, times = polled_indices(
            int(seconds * poll_hz),
            poll_hz,
            own_hz,
            first_poll_s=6e-5 * chip,
            first_update_s=SKEW_S[chip],
            jitter_s=jitter_s,
            seed=chip,
        )
        t = SKEW_S[chip] + numbers / own_hz
        streams.append((np.stack([mains.sample(key, t) for key in keys], axis=1), times))
    for block in range(int(seconds * poll_hz / 80)):
        if block in lost:
            continue
        for chip, (samples, times) in enumerate(streams):
            t = float(times[80 * block])
            engine.push(
                chip, 80 * block, samples[80 * block : 80 * block + 80], math.floor(1e6 * (1000 + t)), round(1e9 * t)
            )
        results += engine.pull()
    results += engine.finish()
    for found in results:
        assert set(found.flags) <= set(FLAGS)
    return results


@pytest.mark.parametrize("poll_hz", [4098.0, TIMER_HZ])
def test_a_polled_stream_measures_as_the_chips_own(poll_hz: float) -> None:
    mains = three_phase(50.03, 30, seed=4)
    results = polled(mains, poll_hz, 4098.0, 2.4)
    u2, u0 = unbalance(mains)
    assert len(results) >= 10
    for found in results:
        assert found.flags == ()
        assert found.band.trusted_to == 31
        for key in ("V1", "I2", "V3", "I3"):
            assert found.values[f"{key}r"] == pytest.approx(mains.rms(key), rel=3e-6)
            size = abs(mains.tone(key, 1))
            for order in range(2, 31):
                assert found.orders[key][order] == pytest.approx(0.01 * size, abs=2e-5 * size)
        assert found.values["Fqai"] == pytest.approx(50.03, abs=5e-4)
        assert found.values["u2"] == pytest.approx(u2, abs=0.02)
        assert found.values["u0"] == pytest.approx(u0, abs=0.02)
        assert found.end_ns == pytest.approx((found.end_s - 1000.0) * 1e9, abs=1e6)
    assert results[-1].clock_ppm[0] == pytest.approx(PPM[0], abs=2.0)


def test_a_polled_stream_with_another_stated_rate_is_found_out() -> None:
    mains = three_phase(50.03, 10)
    results = polled(mains, TIMER_HZ, 4000.0, 2.0)
    good = [found for found in results if not found.flags]
    assert len(good) >= 7
    for found in good:
        assert found.values["V2r"] == pytest.approx(mains.rms("V2"), rel=5e-6)


def test_polls_lost_are_a_gap_and_no_more() -> None:
    mains = three_phase(49.97, 10)
    results = polled(mains, TIMER_HZ, 4098.0, 3.0, lost=range(60, 67))
    assert [found.flags for found in results].count(("gap",)) == 1
    good = [found for found in results if not found.flags]
    assert len(good) >= 10
    for found in good:
        assert found.values["V2r"] == pytest.approx(mains.rms("V2"), rel=5e-6)
        assert found.values["u2"] == pytest.approx(unbalance(mains)[0], abs=0.02)


def test_polls_out_of_step_are_flagged() -> None:
    results = polled(three_phase(50.0, 10), TIMER_HZ, 4098.0, 2.0, jitter_s=15e-6)
    assert results
    for found in results:
        assert "suspect" in found.flags or found.flags == ("gap",)


@pytest.mark.parametrize("stray_us", [0.0, 20.0, -1000.0])
def test_unbalance_of_chips_skewed_by_100_us(stray_us: float) -> None:
    """Also while one stamp in ten is off."""
    rng, mains, engine = np.random.default_rng(5), three_phase(49.93, 5), analyser(4000.0)
    u2, u0 = unbalance(mains)
    chips = [Chip(keys, ppm=PPM[i], skew_s=1e-4 * i) for i, keys in enumerate(KEYS)]
    results, last = [], [-9, -9, -9]
    for which, first, samples, time_us, utc in blocks(mains, chips, 2.4):
        number = first // 80
        if number > 0 and number - last[which] > 3 and rng.random() < 0.2:
            time_us, last[which] = time_us + stray_us, number
        engine.push(which, first, samples, time_us, utc)
        results += engine.pull()
    assert len(results) >= 11
    for found in results:
        assert found.flags == ()
        assert found.values["u2"] == pytest.approx(u2, abs=0.02)
        assert found.values["u0"] == pytest.approx(u0, abs=0.02)
    assert results[-1].values["u2"] == pytest.approx(u2, abs=0.005)
    assert results[-1].clock_ppm[1] < 3.0


@pytest.mark.parametrize("no_time", [None, math.nan])
def test_host_time_alone_gives_the_rate_with_its_uncertainty(no_time: float | None) -> None:
    rng, mains = np.random.default_rng(1), three_phase(50.0, 3)
    engine = Analyser("1P", [ChipSpec(4000.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))])
    results, last = [], 0
    for _, first, samples, _, utc in blocks(mains, [Chip(("V1", "I1"), ppm=150.0)], 24.0):
        last = max(last, utc + round(1e9 * rng.exponential(3e-3)))
        engine.push(0, first, samples, no_time, last)
        results += engine.pull()
    assert all(found.flags == () for found in results)
    for found in results[1:]:
        ppm, uncertainty_ppm = found.clock_ppm
        assert abs(ppm - 150.0) <= uncertainty_ppm
        error_ppm = 1e6 * abs(found.values["Fqai"] / 50.0 - 1)
        assert error_ppm <= 200.0
    assert results[-1].clock_ppm[1] < 40.0
    assert results[-1].values["Fqai"] == pytest.approx(50.0, rel=40e-6)


def test_a_time_that_fails_for_a_while_costs_nothing() -> None:
    mains, engine, results = three_phase(50.0, 3), analyser(4000.0), []
    chips = [Chip(keys, ppm=PPM[i], skew_s=SKEW_S[i]) for i, keys in enumerate(KEYS)]
    for which, first, samples, time_us, utc in blocks(mains, chips, 3.0):
        engine.push(which, first, samples, None if 4000 <= first < 6000 else time_us, utc)
        results += engine.pull()
    assert len(results) >= 13
    assert all(found.flags == () for found in results)


@pytest.mark.parametrize("chip_ppm", [150.0, -180.0])
def test_a_polled_stream_with_host_time_alone_knows_how_sure_its_rate_is(chip_ppm: float) -> None:
    mains, seconds = three_phase(50.0, 3), 16.0
    own_hz = 4000.0 * (1 + chip_ppm * 1e-6)
    numbers, times = polled_indices(int(seconds * TIMER_HZ), TIMER_HZ, own_hz)
    samples = mains.sample("V1", numbers / own_hz)[:, None]
    late = np.random.default_rng(5).exponential(0.002, times.size)
    engine, results = Analyser("1P", [ChipSpec(TIMER_HZ, (ChannelSpec("V1", "V"),))]), []
    for first in range(0, times.size, 80):
        utc_ns = 10**18 + round(1e9 * float(times[first] + late[first]))
        engine.push(0, first, samples[first : first + 80], None, utc_ns)
        results += engine.pull()
    measured = [m for m in results if m.clock_ppm is not None and not m.flags]
    assert len(measured) > 70
    for found in measured:
        assert abs(found.values["Fqai"] / 50.0 - 1.0) <= 1e-6 * found.clock_ppm[1]
    assert measured[-1].clock_ppm == (pytest.approx(chip_ppm, abs=30.0), pytest.approx(0.0, abs=60.0))


@pytest.mark.parametrize("step_us", [-900e6, -0.5e6, -200.0, 60.0, 5e3, 40e6])
def test_a_step_of_the_modules_clock_is_a_gap(step_us: float) -> None:
    mains, engine, results = three_phase(50.0, 5), analyser(4000.0), []
    chips = [Chip(keys, ppm=PPM[i], skew_s=SKEW_S[i]) for i, keys in enumerate(KEYS)]
    for which, first, samples, time_us, utc in blocks(mains, chips, 4.0):
        engine.push(which, first, samples, time_us + (step_us if first >= 8000 else 0.0), utc)
        results += engine.pull()
    good = [found for found in results if found.flags == ()]
    assert 15 <= len(good) < 19
    assert any(found.flags == ("gap",) for found in results[8:12])
    for found in good:
        assert found.values["u2"] == pytest.approx(unbalance(mains)[0], abs=0.02)
        assert found.values["Fqai"] == pytest.approx(50.0, abs=5e-4)
