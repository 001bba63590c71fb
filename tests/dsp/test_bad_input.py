"""Samples that no module should send: values null with a flag that says why, never an exception, never a number from
nothing, and never a NaN in what the command line prints."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from tests.fakes.accuracy_case import CHIPS, KEYS, START_S, measured
from tests.fakes.spoilt_input import CASE, analysed, changed, engine, good, measured_values, true_rms


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e300, -1e13])
@pytest.mark.parametrize("count", [1, 3, 79])
def test_senseless_samples_cost_the_windows_they_are_in(wrong: float, count: int) -> None:
    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if chip == 1 and first == 4000:
            samples[:count, 1] = wrong
        return samples

    results = analysed(changed(change))
    gaps = [found for found in results if "gap" in found.flags]
    assert len(gaps) == 1
    assert gaps[0].samples_lost == count
    assert gaps[0].start_s <= START_S + 1.0
    assert gaps[0].end_s >= START_S + 1.0
    assert len(good(results)) >= 6
    for found in good(results):
        assert found.values["I2r"] == pytest.approx(true_rms("I2"), rel=1e-5)
    for before, after in pairwise(found for found in results if found.window == "10/12-cycle"):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-9)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e200])
@pytest.mark.parametrize("every", [1, 2, 50, 400])
def test_a_channel_that_keeps_sending_nonsense_gives_no_number(wrong: float, every: int) -> None:
    """Nothing is bridged; whole cycles between two senseless samples may make up a short record at the very end."""

    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if chip == 2:
            at = np.arange(first, first + len(samples)) % every == 0
            samples[at, 0] = wrong
        return samples

    results = analysed(changed(change, 0.3 if every < 50 else 1.0))
    assert results
    for found in results:
        assert "gap" in found.flags or (every == 400 and found is results[-1] and found.flags == ("short",))
        if "short" in found.flags:
            assert found.values["V3r"] == pytest.approx(true_rms("V3"), rel=1e-3)


@pytest.mark.parametrize("range_v", [320.0, 200.0])
def test_clipped_samples_are_flagged_and_counted(range_v: float) -> None:
    clipped_s: list[float] = []

    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if first < 3200:
            return samples * 0.5
        if chip == 0:
            index = first + np.flatnonzero(np.abs(samples[:, 0]) >= range_v)
            clipped_s.extend((START_S + index / CASE.chips()[0][1]).tolist())
            samples[:, 0] = np.clip(samples[:, 0], -range_v, range_v)
        else:
            samples *= 0.5
        return samples

    results = analysed(changed(change), engine(range_v))
    counted = sum(found.start_s <= time_s < found.end_s for found in results for time_s in clipped_s)
    assert counted > 100
    assert sum(found.samples_clipped for found in results) == pytest.approx(counted, abs=1)
    before = [found for found in results if found.end_s < START_S + 0.8]
    after = [found for found in results if found.start_s > START_S + 0.8]
    assert before
    assert after
    assert all("clipped" not in found.flags for found in before)
    assert all("clipped" in found.flags for found in after)
    assert all(found.values["V2r"] == pytest.approx(0.5 * true_rms("V2"), rel=1e-4) for found in after)


@pytest.mark.parametrize("level", [0.0, 2.5, -325.0])
@pytest.mark.parametrize("key", KEYS)
def test_a_dead_channel_is_flagged_and_the_others_are_measured(key: str, level: float) -> None:
    at = next((chip, keys.index(key)) for chip, keys in enumerate(CHIPS) if key in keys)

    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if chip == at[0]:
            samples[:, at[1]] = level
        return samples

    results = analysed(changed(change, 1.0))
    assert len(results) >= 4
    for found in results:
        assert "dead-channel" in found.flags
        assert found.values[f"{key}r"] == pytest.approx(abs(level), rel=1e-5, abs=1e-9)
        assert key not in found.phasors
        name = "NI" if key == "IN" else key[1] + key[0]
        derived = [f"TH{key}", *(f"{name}{h}" for h in range(1, 41))]
        if key != "IN":
            derived += [f"{name}A{h}" for h in range(1, 41)]
            derived += [f"PF{key[1]}i", f"dPF{key[1]}", f"phi{key[1]}"]
        assert {name: found.values[name] for name in derived if found.values.get(name) is not None} == {}
        for other in KEYS:
            if other != key:
                assert found.values[f"{other}r"] == pytest.approx(true_rms(other), rel=1e-5)
                assert found.values[f"TH{other}"] is not None


def tone(frequency_hz: float, level: float = 325.0) -> Callable[[int, int, np.ndarray], np.ndarray]:
    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        t = np.arange(first, first + len(samples)) / 4000.0
        return np.repeat(level * np.cos(2 * np.pi * frequency_hz * t + 0.3)[:, None], samples.shape[1], axis=1) / 10

    return change


@pytest.mark.parametrize("full_scale_v", [500.0, None])
@pytest.mark.parametrize(
    "change",
    [tone(0.0), tone(0.0, 0.0), tone(20.0), tone(400.0), tone(38.0), tone(75.0), tone(1999.0), tone(3.0)],
    ids=["direct", "silence", "20", "400", "38", "75", "1999", "3"],
)
def test_nothing_that_needs_a_fundamental_without_one(
    change: Callable[[int, int, np.ndarray], np.ndarray], full_scale_v: float | None
) -> None:
    results = analysed(changed(change, 1.2), engine(full_scale_v))
    assert len(results) >= 4
    needs_none = {f"{key}r" for key in KEYS} | {f"V{pair}r" for pair in ("12", "23", "31")}
    needs_none |= {f"{name}{p}" for name in ("P", "SP", "CFV", "CFI", "DCV", "DCI", "UU", "UO") for p in "123c"}
    needs_none |= {"Sa", "Se"}
    for found in results:
        assert "no-fundamental" in found.flags
        assert set(measured_values(found)) <= needs_none
        assert found.phasors == {}
        assert (found.band.trusted_to, found.band.indicative_to, found.band.thd_to) == (0, 0, 0)
        assert all(np.isnan(orders[1:]).all() for orders in found.orders.values())


@pytest.mark.parametrize("kind", ["noise", "square at Nyquist", "steps", "ramp"])
@pytest.mark.parametrize("key", ["V1", "I2", "IN"])
def test_garbage_on_one_channel_leaves_the_others_alone(kind: str, key: str) -> None:
    at = next((chip, keys.index(key)) for chip, keys in enumerate(CHIPS) if key in keys)
    rng = np.random.default_rng(1)

    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        index = np.arange(first, first + len(samples))
        if chip == at[0]:
            samples[:, at[1]] = {
                "noise": 100.0 * rng.standard_normal(index.size),
                "square at Nyquist": np.where(index % 2, 300.0, -300.0),
                "steps": np.where(index // 977 % 2, 300.0, -300.0),
                "ramp": index * 0.1,
            }[kind]
        return samples

    results = analysed(changed(change, 1.5))
    assert len(results) >= 5
    for found in results:
        assert "gap" not in found.flags
        assert "no-fundamental" not in found.flags
        assert key not in found.phasors
        assert found.values[f"TH{key}"] is None
        for other in KEYS:
            if other != key:
                assert found.values[f"{other}r"] == pytest.approx(true_rms(other), rel=1e-4), (kind, other)


@pytest.mark.parametrize("level", [1e5, 9e11])
@pytest.mark.parametrize("key", ["V1", "I3"])
def test_huge_garbage_on_one_channel_is_no_fundamental(key: str, level: float) -> None:
    """Far beyond the range of the input: it may cost the lock of its group, but no exception, and no wrong number."""
    at = next((chip, keys.index(key)) for chip, keys in enumerate(CHIPS) if key in keys)
    rng = np.random.default_rng(5)

    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if chip == at[0]:
            samples[:, at[1]] = level * rng.uniform(-1, 1, len(samples))
        return samples

    results = analysed(changed(change, 1.5))
    assert len(results) >= 5
    for found in results:
        assert found.flags != ()
        assert key not in found.phasors
        if not {"no-fundamental", "unsynchronised"} & set(found.flags):
            assert found.values["V2r"] == pytest.approx(true_rms("V2"), rel=1e-3)


def test_the_clean_case_is_clean() -> None:
    """The case that all these tests spoil is measured without a flag: they cannot pass for another reason."""
    results = measured(CASE, 1.0)
    assert len(results) >= 4
    assert all(found.flags == () for found in results)
