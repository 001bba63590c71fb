"""Blocks, indices, times and channels that no module should send or lack: sound measurements all the same."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from tests.fakes.accuracy_case import KEYS, START_S
from tests.fakes.spoilt_input import (
    CASE,
    Block,
    analysed,
    changed,
    engine,
    good,
    measured_values,
    sound,
    true_rms,
)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<i4", "<i8", "u1", "?", "<f2", "<f4", ">f4", ">f8", "<f8"])
def test_samples_of_any_real_type(dtype: str) -> None:
    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        return (np.abs(samples) if dtype in ("u1", "?") else samples).astype(dtype)

    results = analysed(changed(change, 1.0), engine(None))
    assert len(results) >= 4
    if dtype not in ("u1", "?"):
        for found in results:
            assert found.values["V2r"] == pytest.approx(true_rms("V2"), rel=0.01)


@pytest.mark.parametrize("layout", ["transposed", "strided", "reversed", "frozen"])
def test_samples_in_any_layout_of_memory(layout: str) -> None:
    def change(chip: int, first: int, samples: np.ndarray) -> np.ndarray:
        if layout == "transposed":
            return np.asfortranarray(samples)
        if layout == "strided":
            return np.repeat(np.repeat(samples, 2, axis=0), 3, axis=1)[::2, ::3]
        if layout == "reversed":
            return samples[::-1, ::-1].copy()[::-1, ::-1]
        samples.setflags(write=False)
        return samples

    for found, plain in zip(analysed(changed(change, 1.0)), analysed(CASE.blocks(1.0)), strict=True):
        assert found.values == plain.values


@pytest.mark.parametrize("shape", [(0,), (5,), (5, 1), (5, 4), (2, 3, 1), ()])
def test_a_block_of_the_wrong_shape_is_refused_and_changes_nothing(shape: tuple[int, ...]) -> None:
    analyser, results = engine(), []
    for block in CASE.blocks(1.0):
        if block[1] == 1600:
            with pytest.raises(ValueError, match="channels"):
                analyser.push(0, 1600, np.zeros(shape), block[3], block[4])
        analyser.push(*block)
        results += analyser.pull()
    plain = analysed(CASE.blocks(1.0), finish=False)
    assert [found.values for found in results] == [found.values for found in plain]


def test_a_block_may_be_pushed_again_and_an_old_one_come_late() -> None:
    def twice() -> Iterator[Block]:
        kept: list[Block] = []
        for block in CASE.blocks(2.0):
            kept.append(block)
            yield block
            yield block
            if len(kept) > 30:
                yield kept[-30]

    results = analysed(twice(), finish=False)
    assert len(results) >= 8
    for found in results:
        assert found.flags == ()
        assert found.values["V3r"] == pytest.approx(true_rms("V3"), rel=2e-6)


@pytest.mark.parametrize("jump", [1, 400, 100_000, 2**40])
def test_an_index_that_jumps_ahead_is_a_gap(jump: int) -> None:
    def jumping() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(2.4):
            ahead = jump if first >= 4000 else 0
            yield chip, first + ahead, samples, time_us + ahead * 250.0, utc_ns

    results = analysed(jumping(), finish=False)
    assert any("gap" in found.flags for found in results)
    for found in good(results):
        assert found.values["V1r"] == pytest.approx(true_rms("V1"), rel=1e-4)
    assert len(good(results)) >= 4


@pytest.mark.parametrize("back", [1, 400, 3999, 2**40])
def test_an_index_that_falls_back_gives_no_wrong_number(back: int) -> None:
    """The same index cannot stand for other samples: what was given before counts, what comes again is left out."""

    def falling() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(3.0):
            yield chip, first - (back if first >= 4000 else 0), samples, time_us, utc_ns

    for found in analysed(falling()):
        if "gap" in found.flags or "unsynchronised" in found.flags or "no-fundamental" in found.flags:
            continue
        assert found.values["V1r"] == pytest.approx(true_rms("V1"), rel=2e-2)


@pytest.mark.parametrize(
    "wrong_us",
    [
        lambda time_us, _: time_us - 3e6,
        lambda time_us, _: time_us + 5e6,
        lambda time_us, first: time_us - 1e3 * (first - 4000),
        lambda time_us, _: math.nan,
        lambda time_us, _: math.inf,
        lambda time_us, _: 0.0,
        lambda time_us, _: 1e18,
        lambda time_us, first: time_us + (7e5 if first % 160 else -7e5),
    ],
    ids=["back", "ahead", "runs back", "nan", "inf", "zero", "far ahead", "to and fro"],
)
def test_times_that_go_wrong_give_no_wrong_number(wrong_us: Callable[[float, int], float]) -> None:
    def wrong() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(3.0):
            yield chip, first, samples, wrong_us(time_us, first) if 4000 <= first < 8000 else time_us, utc_ns

    results = analysed(wrong())
    assert results
    for found in good(results):
        assert found.values["V1r"] == pytest.approx(true_rms("V1"), rel=1e-3)
        assert found.values["Fqai"] == pytest.approx(CASE.frequency_hz, abs=0.05)
    assert good(results)[0].start_s < START_S + 0.3


def test_empty_blocks_are_nothing() -> None:
    def with_empty() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(1.0):
            yield chip, first, samples[:0], math.nan, -1
            yield chip, first, samples, time_us, utc_ns
            yield chip, first + 10**6, samples[:0], time_us, utc_ns

    found, plain = analysed(with_empty()), analysed(CASE.blocks(1.0))
    assert [one.values for one in found] == [one.values for one in plain]


def test_blocks_of_a_single_sample() -> None:
    def single() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(0.8):
            for offset in range(len(samples)):
                at_us = math.floor(time_us + offset / 4e-3)
                yield chip, first + offset, samples[offset : offset + 1], at_us, utc_ns + 250_000 * offset

    results = analysed(single(), finish=False)
    assert len(results) >= 2
    for found in results:
        assert found.flags == ()
        assert found.values["V1r"] == pytest.approx(true_rms("V1"), rel=1e-5)
        assert found.values["Fqai"] == pytest.approx(CASE.frequency_hz, abs=1e-3)


@pytest.mark.parametrize("there", [{0}, {1}, {0, 2}, set()])
def test_a_chip_that_never_delivers_leaves_no_number(there: set[int]) -> None:
    results = analysed(block for block in CASE.blocks(7.0) if block[0] in there)
    assert len(results) == (2 if there else 0)  # one while the others go on, one at the end
    assert all(found.flags == ("gap",) for found in results)
    for found in results:
        assert found.start_s < found.end_s <= START_S + 7.01
        assert measured_values(found) == {}


@pytest.mark.parametrize("keys", [(), ("I1",), ("V1",), ("V1", "I2"), ("V2", "V3", "I3"), ("IN",)])
def test_channels_that_are_not_there_have_no_values(keys: tuple[str, ...]) -> None:
    """Whatever of a wiring system is wired: what there is is measured, what is not is null."""
    chips = [ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in keys))] if keys else []
    analyser = Analyser("3P+N", chips)
    results = []
    t = np.arange(4000) / 4000.0
    if keys:
        analyser.push(0, 0, CASE.values_at(t, keys), 5e6, 10**18)
        results += analyser.pull()
    results += analyser.finish()
    assert bool(results) == bool(keys)
    for found in results:
        sound(found)
        for key in KEYS:
            value = found.values.get(f"{key}r")
            assert value == (pytest.approx(true_rms(key), rel=1e-4) if key in keys else None)
        if not {"V1", "V2", "V3"} <= set(keys):
            assert found.values.get("u2") is None
            assert found.values.get("Pc") is None


def test_nothing_at_all() -> None:
    analyser = engine()
    assert analyser.pull() == []
    assert analyser.finish() == []
    analyser.restart()
    assert analyser.pull() == []
    assert analyser.finish() == []


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_mixture_of_faults(data: st.DataObject) -> None:
    """Blocks lost, doubled, shifted, spoiled and stamped wrongly: sound, and right where no flag warns."""
    faults = st.sampled_from(["none"] * 12 + ["lost", "twice", "nan", "dead", "late stamp", "no stamp", "huge", "cut"])
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 20)))
    plan = data.draw(st.lists(faults, min_size=20, max_size=20))

    def faulty() -> Iterator[Block]:
        for chip, first, samples, time_us, utc_ns in CASE.blocks(2.0):
            fault = plan[int(rng.integers(20))] if rng.random() < 0.2 else "none"
            if fault == "lost":
                continue
            if fault == "nan":
                samples[rng.integers(len(samples)), rng.integers(samples.shape[1])] = math.nan
            if fault == "dead":
                samples = np.zeros_like(samples)
            if fault == "huge":
                samples = samples * 1e290
            if fault == "cut":
                samples = samples[: rng.integers(len(samples))]
            if fault == "late stamp":
                time_us += 900.0
            if fault == "no stamp":
                time_us = math.nan
            yield chip, first, samples, time_us, utc_ns
            if fault == "twice":
                yield chip, first, samples, time_us, utc_ns

    results = analysed(faulty())
    if not set(plan) & {"dead", "late stamp"}:
        for found in good(results):
            assert found.values["V1r"] == pytest.approx(true_rms("V1"), rel=1e-4)
