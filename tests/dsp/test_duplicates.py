"""Polled streams come back bit by bit; everything else passes untouched."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from dsp.duplicates import Deduplicator, Polling
from tests.fakes.polled_chip import polled_indices, pushed

TIMER_HZ = 1e6 / 244.0


def signal(kind: str, rate_hz: float, frequency_hz: float, count: int, seed: int = 0) -> np.ndarray:
    """[count, 2] samples of a voltage and a current."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * frequency_hz * np.arange(count) / rate_hz + rng.uniform(0, 6.28)
    if kind == "sine":
        return 325.0 * np.stack([np.cos(angle), np.cos(angle - 2)], axis=1)
    if kind == "noise":
        return rng.standard_normal((count, 2))
    if kind == "16 bit, no load":
        return np.round(np.stack([20_000 * np.cos(angle), 0 * angle], axis=1))
    if kind == "16 bit, small":
        return np.round(np.stack([2000 * np.cos(angle), 0.3 * rng.standard_normal(count)], axis=1))
    current = 3 * np.cos(angle) + 2 * np.cos(3 * angle + 1) + 1.5 * np.cos(5 * angle) + np.cos(19 * angle)
    return np.stack([325 * np.cos(angle) + 8 * np.cos(5 * angle), current], axis=1) + 1e-3 * rng.standard_normal(
        (count, 2)
    )


polled_streams = given(
    st.sampled_from(["sine", "noise", "16 bit, no load", "16 bit, small", "office"]),
    st.sampled_from([4098.0, TIMER_HZ]),
    st.sampled_from([4000.0, 8000.0]),
    st.floats(-200.0, 200.0),
    st.floats(42.5, 69.0),
    st.lists(st.integers(5, 300), min_size=1, max_size=6),
    st.integers(0, 2**40),
)


@settings(max_examples=25)
@polled_streams
# By chance a current's last bit toggles at several repeats, or the signal stands still right beside one.
@example("16 bit, small", 4098.0, 8000.0, 0.0, 43.0, [73], 175)
@example("16 bit, small", 4098.0, 8000.0, 2.0, 42.5, [5, 5, 60, 300], 22_726)
@example("16 bit, small", 4098.0, 4000.0, 31.0, 51.256173639845244, [5], 7464)
@example("16 bit, small", 4098.0, 8000.0, 56.0, 65.0, [5], 30)
@example("16 bit, small", TIMER_HZ, 8000.0, -171.0, 43.0, [72], 2**40)
@example("16 bit, small", 4098.0, 8000.0, 122.0, 42.5, [5], 162)
def test_a_polled_stream_comes_back_bit_by_bit(
    kind: str, poll_hz: float, chip_hz: float, ppm: float, frequency_hz: float, sizes: list[int], first: int
) -> None:
    poll_hz *= chip_hz / 4000.0
    own_hz = chip_hz * (1 + ppm * 1e-6)
    numbers, _ = polled_indices(5000, poll_hz, own_hz, first_update_s=-1e-4)
    samples = signal(kind, own_hz, frequency_hz, int(numbers[-1]) + 2, first % 99)
    found, states, whole = pushed(Deduplicator(2, poll_hz), samples[numbers], sizes, first)
    assert np.array_equal(found, samples[numbers[0] : numbers[-1] + 1])
    assert whole
    assert Polling.SUSPECT not in states
    assert states[-1] is Polling.POLLED


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=10_000, phases=[Phase.generate, Phase.shrink])
@polled_streams
def test_polled_streams_come_back_in_a_long_search(
    kind: str, poll_hz: float, chip_hz: float, ppm: float, frequency_hz: float, sizes: list[int], first: int
) -> None:
    inner = test_a_polled_stream_comes_back_bit_by_bit.hypothesis.inner_test  # type: ignore[attr-defined]
    inner(kind, poll_hz, chip_hz, ppm, frequency_hz, sizes, first)


@pytest.mark.parametrize("poll_hz", [4000.0, 4098.0, TIMER_HZ, 8000.0])
@pytest.mark.parametrize("amplitude", [10, 60, 200, 320, 1000, 20_000, 8e6])
def test_accidental_equal_neighbours_stay(poll_hz: float, amplitude: float) -> None:
    """Also where the mains puts two equal samples on every peak, at nearly the pace of the repeats."""
    t = np.arange(8000) / poll_hz
    for frequency_hz in (50.0, 49.2, poll_hz / 80, poll_hz / 82, poll_hz / 83.36, poll_hz / 84):
        for phase in (np.pi * frequency_hz / poll_hz, 0.1, 2.0):
            samples = np.round(np.stack([amplitude * np.cos(2 * np.pi * frequency_hz * t + phase), 0 * t], axis=1))
            found, _, whole = pushed(Deduplicator(2, poll_hz), samples, [80, 20, 137])
            assert np.array_equal(found, samples)
            assert whole


def peaks_stay(count: int, seed: int) -> None:
    """Coarse voltages whose peaks come at the pace that repeats would have; the current toggles its last bits."""
    rng = np.random.default_rng(seed)
    t = np.arange(4000) / TIMER_HZ
    for _ in range(count):
        amplitude = math.exp(rng.uniform(math.log(3.0), math.log(30_000.0)))
        frequency_hz = 0.5 * (TIMER_HZ - 4000.0) * (1.0 + rng.choice([0.0, 1e-3, 1e-2]) * rng.uniform(-1.0, 1.0))
        angle = 2 * np.pi * frequency_hz * t + rng.uniform(0, 6.28)
        current = rng.uniform(0.1, 0.45) * rng.standard_normal(4000) + rng.choice([0.0, 0.1 * amplitude]) * np.cos(
            angle
        )
        samples = np.round(np.stack([amplitude * np.cos(angle), current], axis=1))
        found, _, whole = pushed(Deduplicator(2, TIMER_HZ), samples, [80, 20, 137])
        assert np.array_equal(found, samples)
        assert whole


def test_peaks_at_the_pace_of_repeats_stay_whatever_the_current() -> None:
    peaks_stay(100, 11)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_thousands_of_peaks_at_the_pace_of_repeats_stay() -> None:
    peaks_stay(4000, 12)


@pytest.mark.soak
@pytest.mark.parametrize("chip_hz", [4000.0, 8000.0])
def test_how_small_a_voltage_is_restored(chip_hz: float) -> None:
    """Without any current; the figures of docs/reliability.md."""
    poll_hz, restored = 4098.0 * chip_hz / 4000.0, []
    numbers, _ = polled_indices(5000, poll_hz, chip_hz * 1.00001, first_update_s=-1e-4)
    n = np.arange(numbers[-1] + 2)
    for peak in (60, 100, 150, 200, 300, 500, 1000):
        rng = np.random.default_rng(peak)
        restored.append(0)
        for frequency_hz in np.linspace(45.0, 65.0, 20):
            angle = 2 * np.pi * frequency_hz * n / chip_hz + rng.uniform(0, 6.28)
            samples = np.round(np.stack([peak * np.cos(angle), 0.0 * angle], axis=1))
            found, _, _ = pushed(Deduplicator(2, poll_hz), samples[numbers], [80])
            restored[-1] += np.array_equal(found, samples[: numbers[-1] + 1])
    print(restored)
    assert restored[-1] == 20


@pytest.mark.parametrize("kind", ["zero", "constant", "one bit", "pairs", "one lively channel of two", "nan"])
def test_still_and_coarse_streams_stay(kind: str) -> None:
    rng = np.random.default_rng(3)
    samples = {
        "zero": np.zeros((9000, 3)),
        "constant": np.full((9000, 3), 5.25),
        "one bit": np.round(0.4 * rng.standard_normal((9000, 2))),
        "pairs": np.repeat(rng.standard_normal((4500, 2)), 2, axis=0),
        "one lively channel of two": np.stack([np.zeros(9000), rng.standard_normal(9000)], axis=1),
        "nan": np.full((9000, 1), np.nan),
    }[kind]
    found, _, whole = pushed(Deduplicator(samples.shape[1], 4098.0), samples, [80])
    assert np.array_equal(found, samples, equal_nan=True)
    assert whole


def test_repeats_are_removed_through_an_interruption() -> None:
    """All samples equal for two seconds: the places are carried on."""
    numbers, _ = polled_indices(30_000, TIMER_HZ, 4000.08)
    samples = signal("sine", 4000.0, 50.0, int(numbers[-1]) + 2)
    samples[8000:16_000] = 0.0
    found, _, whole = pushed(Deduplicator(2, TIMER_HZ), samples[numbers], [80])
    assert np.array_equal(found, samples[: numbers[-1] + 1])
    assert whole


def test_polls_behind_a_gap_keep_their_place() -> None:
    numbers, _ = polled_indices(20_000, TIMER_HZ, 4000.2)
    samples = signal("office", 4000.0, 50.0, int(numbers[-1]) + 2)
    dedup = Deduplicator(2, TIMER_HZ)
    for start in range(0, 20_000, 80):
        if 8000 <= start < 8720:
            continue
        for index, found, state in [
            *([dedup.flush()] if start == 8720 else []),
            dedup.push(start, samples[numbers[start : start + 80]]),
        ]:
            assert np.array_equal(found, samples[index : index + len(found)])
            assert start < 400 or state is Polling.POLLED


def test_a_polled_stream_is_found_later_too() -> None:
    numbers, _ = polled_indices(16_000, TIMER_HZ, 4000.0)
    samples = signal("sine", 4000.0, 50.0, int(numbers[-1]) + 2)
    samples[:6000] = 0.0
    found, states, whole = pushed(Deduplicator(2, TIMER_HZ), samples[numbers], [80])
    assert whole
    assert states[-1] is Polling.POLLED
    assert np.array_equal(found[-8000:], samples[numbers[-1] - 7999 : numbers[-1] + 1])


@pytest.mark.parametrize("jitter_s", [10e-6, 40e-6])
def test_polls_out_of_step_are_suspect(jitter_s: float) -> None:
    numbers, _ = polled_indices(16_000, TIMER_HZ, 4000.0, jitter_s=jitter_s, first_update_s=-1e-3)
    samples = signal("office", 4000.0, 50.0, int(numbers[-1]) + 2)
    _, states, _ = pushed(Deduplicator(2, TIMER_HZ), samples[numbers], [200])
    assert np.mean([state is Polling.SUSPECT for state in states[5:]]) > 0.5


def test_a_timer_that_runs_away_is_suspect() -> None:
    one, _ = polled_indices(8000, TIMER_HZ, 4000.0)
    other, _ = polled_indices(8000, 4060.0, 4000.0)
    numbers = np.concatenate([one, one[-1] + 1 + other])
    samples = signal("office", 4000.0, 50.0, int(numbers[-1]) + 2)
    _, states, _ = pushed(Deduplicator(2, TIMER_HZ), samples[numbers], [80])
    assert Polling.SUSPECT not in states[:100]
    assert Polling.SUSPECT in states[100:104]


def test_short_streams_come_out_whole() -> None:
    samples = signal("sine", 4098.0, 50.0, 30)
    found, _, _ = pushed(Deduplicator(2, 4098.0), samples, [7])
    assert np.array_equal(found, samples)


def test_anchors_tell_when_the_chip_updated() -> None:
    own_hz, offset_s = 4000.0 * (1 - 81e-6), 123e-6
    numbers, times = polled_indices(16_000, TIMER_HZ, own_hz, first_poll_s=1.0, first_update_s=1.0 - offset_s)
    samples = signal("sine", own_hz, 50.0, int(numbers[-1]) + 2)
    dedup, errors = Deduplicator(2, TIMER_HZ), []
    for start in range(0, 16_000, 80):
        dedup.push(start, samples[numbers[start : start + 80]])
        for index, poll in dedup.anchors:
            told = np.interp(poll, np.arange(times.size), times)
            errors.append(told - (1.0 - offset_s + (index + numbers[0]) / own_hz))
    assert len(errors) > 350
    assert max(map(abs, errors)) < 4e-6
    assert abs(math.fsum(errors) / len(errors)) < 0.5e-6
