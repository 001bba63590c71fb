"""Rapid voltage changes: steps and ramps in closed form, whose means and durations are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dsp.voltage_changes import VoltageChangeDetector
from resources.event_thresholds import default_thresholds
from tests.fakes.event_bench import Bench, chips_of, measure
from tests.fakes.event_signal import Disturbance, EventMains
from tests.fakes.mains_signal import blocks

UDIN = 230.0
EXACT_V = 0.002 * UDIN


@dataclass
class Course:
    """Single-phase voltage whose rms follows straight lines between (time, rms) points."""

    points: tuple[tuple[float, float], ...]
    frequency_hz: float = 50.0

    def sample(self, key, t, response=None):
        times, sizes = zip(*self.points, strict=True)
        size = np.interp(t, times, sizes) * (0.01 if key == "I1" else 1.0)
        return np.sqrt(2) * size * np.cos(2 * np.pi * self.frequency_hz * t)


@pytest.mark.parametrize("frequency_hz", [50.0, 60.0, 49.3])
@pytest.mark.parametrize("factor", [0.95, 0.92, 1.06])
def test_a_step(frequency_hz, factor):
    mains = EventMains(frequency_hz, disturbances=(Disturbance(3.0021, 60.0, factor, ("V2",)),))
    found = measure(mains, 6.0)
    (change,) = found.changes
    assert change.event == "rapid-voltage-change"
    assert change.channels == ("V2",)
    assert change.steady_v == pytest.approx(abs(1 - factor) * UDIN, abs=EXACT_V)
    assert change.max_v == pytest.approx(abs(1 - factor) * UDIN, abs=EXACT_V)
    assert change.residual_v == pytest.approx(factor * UDIN, abs=EXACT_V)
    assert change.depth_pct == pytest.approx(100 * (1 - factor), abs=0.2)
    assert 3.0021 < change.start_s < 3.0021 + 1.5 / frequency_hz
    assert 0.0 <= change.duration_s <= 1.5 / frequency_hz
    assert change.start_ns == pytest.approx(1_700_000_000_000_000_000 + change.start_s * 1e9, abs=1e6)
    assert found.events == []


@pytest.mark.parametrize("factor", [0.975, 1.02, 1.0])
def test_a_step_below_the_threshold_is_none(factor):
    mains = EventMains(50.0, disturbances=(Disturbance(3.0, 60.0, factor, ("V1",)),))
    assert measure(mains, 5.0).changes == []


def test_threshold_and_hysteresis_are_settable():
    mains = EventMains(50.0, disturbances=(Disturbance(3.0, 60.0, 0.975, ("V1",)),))
    limits = replace(default_thresholds(), rvc_threshold_pct=2.0)
    (change,) = measure(mains, 5.0, thresholds=limits).changes
    assert change.steady_v == pytest.approx(0.025 * UDIN, abs=EXACT_V)


def test_a_voltage_that_comes_back_has_a_maximum_but_no_steady_change():
    mains = EventMains(50.0, disturbances=(Disturbance(3.0, 3.4, 0.94, ("V1",)),))
    (change,) = measure(mains, 6.0, "1P").changes
    assert change.max_v == pytest.approx(0.06 * UDIN, abs=EXACT_V)
    assert change.steady_v == pytest.approx(0.0, abs=EXACT_V)
    assert change.duration_s == pytest.approx(0.4, abs=0.021)


def test_a_ramp_lasts_while_it_moves():
    found = measure(Course(((0.0, 230.0), (3.0, 230.0), (3.8, 213.0), (20.0, 213.0))), 8.0, "1P")
    (change,) = found.changes
    # It begins where a value lies 3 % of U din off the mean of the second before, which the ramp has pulled down:
    # slope x - slope x^2 / 2 = 6.9 V.
    slope = 17.0 / 0.8
    first = 1.0 - np.sqrt(1.0 - 2.0 * 0.03 * UDIN / slope)
    pulled = 0.5 * slope * first**2
    assert change.start_s == pytest.approx(3.0 + first, abs=0.03)
    assert change.max_v == pytest.approx(17.0 - pulled, abs=EXACT_V)
    # It ends where the ramp's rest in the second behind lies 1.5 % off the mean of that second: slope (y - y^2 / 2).
    left = 1.0 - np.sqrt(1.0 - 2.0 * 0.015 * UDIN / slope)
    assert change.start_s + change.duration_s == pytest.approx(3.8 - left, abs=0.03)
    assert change.steady_v == pytest.approx(17.0 - pulled - 0.5 * slope * left**2, abs=EXACT_V)


def by_the_rules(mains, keys, seconds):
    """(start, duration, max, steady) of every change: the rules word by word, on values from the closed formula."""
    count = 120 if mains.frequency_hz > 55 else 100
    limit = 0.03 * UDIN
    moments = sorted((end, key, u) for key in keys for end, u in mains.half_cycles(key, seconds))
    series: dict[str, list[float]] = {key: [] for key in keys}
    before: dict[str, float] | None = None
    start, careful, furthest, crossed, results = None, -1.0, 0.0, False, []
    for time, key, u in moments:
        old = {k: sum(v[-count:]) / count for k, v in series.items() if len(v) >= count}
        series[key].append(u)
        if any(len(v) < count for v in series.values()):
            continue
        mean = {k: sum(v[-count:]) / count for k, v in series.items()}
        now = limit if start is None and time >= careful else 0.5 * limit
        steady = all(abs(x - mean[k]) <= now for k, v in series.items() for x in v[-count:])
        if start is None and not steady:
            start, before, furthest, crossed = time, old, 0.0, False
        if start is None:
            continue
        crossed = crossed or not 0.9 * UDIN <= u <= 1.1 * UDIN
        furthest = max(furthest, abs(u - before.get(key, u)))
        if steady:
            wait = count * 0.5 / mains.frequency_hz
            if not crossed and len(before) == len(keys):
                shift = max(abs(mean[k] - before[k]) for k in keys)
                results.append((start, max(0.0, time - start - wait), furthest, shift))
            start, careful = None, time + wait
    return results


@pytest.mark.parametrize("seed", range(6))
def test_any_steps(seed):
    """Steps of all phases at random times, the standard's rules read literally: even where its moving mean makes two
    changes of one step (a step of 1.5 % to 3 % within a second after another change)."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.3, 1.6, 5)) + 1.0
    steps = tuple(
        Disturbance(float(t), float(rng.choice([t + rng.uniform(0.1, 1.0), 60.0])), float(f), (f"V{p}",))
        for t, f, p in zip(
            times, rng.choice([0.94, 0.955, 0.98, 1.02, 1.045, 1.06], 5), rng.integers(1, 4, 5), strict=True
        )
    )
    mains = EventMains(50.0 if seed % 2 else 60.0, disturbances=steps, start_deg=float(rng.uniform(0, 360)))
    seconds = 9.0
    expected = by_the_rules(mains, ("V1", "V2", "V3"), seconds - 0.5)
    found = [change for change in measure(mains, seconds).changes if change.start_s < seconds - 2.0]
    expected = [entry for entry in expected if entry[0] < seconds - 2.0]
    assert len(found) == len(expected)
    for change, (start, duration, furthest, shift) in zip(found, expected, strict=True):
        assert change.start_s == pytest.approx(start, abs=0.011)
        assert change.duration_s == pytest.approx(duration, abs=0.011)
        assert change.max_v == pytest.approx(furthest, abs=EXACT_V)
        assert change.steady_v == pytest.approx(shift, abs=EXACT_V)


@pytest.mark.parametrize("factor", [0.85, 1.15, 0.0])
def test_what_becomes_a_dip_or_swell_is_discarded(factor):
    mains = EventMains(
        50.0, disturbances=(Disturbance(3.0, 3.3, factor, ("V3",)), Disturbance(3.0, 60.0, 0.95, ("V1",)))
    )
    found = measure(mains, 6.0)
    assert found.changes == []
    assert len(found.events) == 1


def test_all_phases_must_be_steady():
    """Two steps of different phases less than a second apart are one change; farther apart they are two."""
    near = (Disturbance(3.0, 60.0, 0.95, ("V1",)), Disturbance(3.6, 60.0, 0.94, ("V2",)))
    (one,) = measure(EventMains(50.0, disturbances=near), 7.0).changes
    assert one.channels == ("V1", "V2")
    assert one.steady_v == pytest.approx(0.06 * UDIN, abs=EXACT_V)
    assert one.duration_s == pytest.approx(0.6, abs=0.021)
    far = (Disturbance(3.0, 60.0, 0.95, ("V1",)), Disturbance(4.6, 60.0, 0.94, ("V2",)))
    two = measure(EventMains(50.0, disturbances=far), 7.0).changes
    assert [change.channels for change in two] == [("V1",), ("V2",)]


def test_the_threshold_is_smaller_for_a_while_after_a_change():
    """A step of 2 % counts within a second after another change, and not later."""
    soon = (Disturbance(3.0, 60.0, 0.95, ("V1",)), Disturbance(4.4, 60.0, 0.98, ("V1",)))
    assert len(measure(EventMains(50.0, disturbances=soon), 7.0, "1P").changes) > 1
    later = (Disturbance(3.0, 60.0, 0.95, ("V1",)), Disturbance(5.5, 60.0, 0.98, ("V1",)))
    assert len(measure(EventMains(50.0, disturbances=later), 8.0, "1P").changes) == 1


def test_a_steady_state_is_needed_first():
    """A step before 100 values were seen has no steady state before it."""
    mains = EventMains(50.0, disturbances=(Disturbance(0.3, 60.0, 0.95),))
    assert measure(mains, 4.0).changes == []


def test_a_gap_discards_the_change_in_it():
    mains = EventMains(50.0, disturbances=(Disturbance(3.0, 60.0, 0.95), Disturbance(6.0, 60.0, 0.95)))
    chips = chips_of("3P", 4000.0)
    bench = Bench(chips)
    bench.feed(block for block in blocks(mains, chips, 8.0, block=400) if block[1] != 13200)
    (change,) = bench.finish().changes
    assert change.start_s == pytest.approx(6.0, abs=0.04)


def test_a_nominal_voltage_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0 V"):
        VoltageChangeDetector(-1.0)
