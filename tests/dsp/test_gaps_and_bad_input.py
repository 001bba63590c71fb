"""Missing, wrong and senseless samples: never an exception, never a number from nothing."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import FLAGS, WINDOWS, Measurement
from tests.fakes.mains_signal import Chip, Mains, Tone, blocks, three_phase

KEYS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))


def analyser(full_scale: float | None = None) -> Analyser:
    specs = [
        ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A", full_scale) for k in keys)) for keys in KEYS
    ]
    return Analyser("3P+N", specs)


def chips() -> list[Chip]:
    return [
        Chip(keys, ppm=ppm, skew_s=1e-4 * i)
        for i, (keys, ppm) in enumerate(zip(KEYS, (20.0, -70.0, 110.0), strict=True))
    ]


def sound(found: Measurement) -> None:
    """What holds for every measurement, whatever was pushed."""
    assert set(found.flags) <= set(FLAGS)
    assert found.window in WINDOWS
    assert found.end_s >= found.start_s or math.isnan(found.end_s)
    for value in found.values.values():
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize("missing", [{0, 1, 2}, {1}, {0, 2}])
@pytest.mark.parametrize("lost_blocks", [1, 40])
def test_a_gap_gives_one_measurement(missing: set[int], lost_blocks: int) -> None:
    mains, engine = three_phase(50.1, 5), analyser()
    results = []
    for block in blocks(mains, chips(), 3.2):
        number = block[1] // 80
        if block[0] in missing and 60 <= number < 60 + lost_blocks:
            continue
        engine.push(*block)
        results += engine.pull()
    gaps = [found for found in results if "gap" in found.flags]
    assert len(gaps) == 1
    gap = gaps[0]
    at = results.index(gap)
    assert gap.start_s == pytest.approx(results[at - 1].end_s, abs=1e-9)
    assert gap.end_s == pytest.approx(results[at + 1].start_s, abs=1e-9)
    assert gap.start_s <= 1000.0 + 60 * 0.02
    assert 0.0 <= gap.end_s - (1000.0 + (60 + lost_blocks) * 0.02) < 0.05
    assert gap.samples_lost == 80 * lost_blocks * len(missing)
    assert gap.values.get("V1r") is None
    assert gap.values["tAEc"] == results[at - 1].values["tAEc"]
    for found in results:
        sound(found)
        if found is not gap:
            assert found.flags == ()
            assert found.values["V2r"] == pytest.approx(mains.rms("V2"), rel=1e-5)
            assert found.values["P3"] == pytest.approx(mains.power("V3", "I3"), rel=1e-5)
    covered = sum(f.end_s - f.start_s for f in results if f is not gap) / 3600
    assert results[-1].values["tAE1"] == pytest.approx(mains.power("V1", "I1") * covered, rel=1e-4)


def test_samples_that_are_no_number_are_a_gap() -> None:
    mains, engine = three_phase(50.0, 3), analyser()
    results = []
    for which, first, samples, time_us, utc in blocks(mains, chips(), 3.0):
        if which == 1 and first == 4000:
            samples[20:23, 0] = np.nan
        if which == 0 and first == 8000:
            samples[79, 1] = np.inf
        engine.push(which, first, samples, time_us, utc)
        results += engine.pull()
    gaps = [found for found in results if found.flags == ("gap",)]
    assert [gap.samples_lost for gap in gaps] == [3, 1]
    assert all(found.values["I3r"] == pytest.approx(mains.rms("I3"), rel=1e-5) for found in results if not found.flags)


def test_one_chip_late_but_complete_is_no_gap() -> None:
    mains, engine = three_phase(50.0, 3), analyser()
    held, results = [], []
    for block in blocks(mains, chips(), 3.0):
        if block[0] == 2 and 3000 <= block[1] < 8000:
            held.append(block)
            continue
        for late in held:
            if block[0] == 2:
                engine.push(*late)
        if block[0] == 2:
            held.clear()
        engine.push(*block)
        results += engine.pull()
    assert len(results) >= 13
    assert all(found.flags == () for found in results)


@pytest.mark.parametrize("from_s", [0.0, 1.0])
def test_a_silent_chip_shows_as_a_gap_while_the_others_go_on_and_costs_no_memory(from_s: float) -> None:
    mains, engine = three_phase(50.0, 1), analyser()
    gaps, last = [], None
    for block in blocks(mains, chips(), 14.0):
        time_s = block[1] / 4000
        if block[0] == 2 and from_s <= time_s < 12.0:
            continue
        engine.push(*block)
        for last in engine.pull():
            if last.flags == ("gap",):
                gaps.append(last)
                assert last.end_s > gaps[0].end_s or time_s < from_s + 5.0
    assert last is not None
    assert last.flags == ()
    assert 2 <= len(gaps) <= 4
    assert gaps[0].start_s == pytest.approx(1000.0 + max(from_s - 0.1, 0.0), abs=0.11)
    assert [gap.start_s for gap in gaps[1:]] == pytest.approx([gap.end_s for gap in gaps[:-1]], abs=1e-6)
    assert gaps[-1].end_s == pytest.approx(1000.0 + 12.0, abs=0.1)
    sizes = [segment._data.nbytes for s in engine._windows.streams for segment in s.segments]
    assert sum(sizes) < 7 * 8 * 4000 * 25


@pytest.mark.parametrize("senseless", [{0}, {2}, {0, 1, 2}])
@pytest.mark.parametrize("from_s", [0.0, 1.0])
def test_chips_that_send_no_numbers_show_as_gaps_while_they_do(senseless: set[int], from_s: float) -> None:
    mains, engine = three_phase(50.0, 1), analyser()
    live = []
    for chip, first, samples, *stamps in blocks(mains, chips(), 14.0):
        given = samples * np.nan if chip in senseless and from_s <= first / 4000 < 12.0 else samples
        engine.push(chip, first, given, *stamps)
        live += engine.pull()
    results = [*live, *engine.finish()]
    gaps = [found for found in live if found.flags == ("gap",)]
    assert 2 <= len(gaps) <= 4
    assert gaps[0].start_s == pytest.approx(1000.0 + max(from_s - 0.1, 0.0), abs=0.11)
    assert [gap.start_s for gap in gaps[1:]] == pytest.approx([gap.end_s for gap in gaps[:-1]], abs=1e-6)
    assert gaps[-1].end_s == pytest.approx(1000.0 + 12.0, abs=0.1)
    assert sum(gap.samples_lost for gap in gaps) == pytest.approx(len(senseless) * 4000 * (12.0 - from_s), rel=0.01)
    assert results[-1].flags == ()


def test_a_stream_without_one_number_is_a_gap_from_its_first_sample_to_its_last() -> None:
    mains, engine = three_phase(50.0, 1), analyser()
    for chip, first, samples, *stamps in blocks(mains, chips(), 1.0):
        engine.push(chip, first, samples * np.nan, *stamps)
        assert engine.pull() == []
    (gap,) = engine.finish()
    assert gap.flags == ("gap",)
    assert (gap.start_s, gap.end_s) == pytest.approx((1000.0, 1001.0), abs=1e-3)
    assert gap.samples_lost == 3 * 4000
    assert all(value is None for key, value in gap.values.items() if not key.startswith("E"))


def test_a_chip_that_fell_silent_for_good_leaves_no_empty_gap() -> None:
    mains, engine = three_phase(50.0, 1), analyser()
    results = []
    for block in blocks(mains, chips(), 9.0):
        if not (block[0] == 2 and block[1] / 4000 > 1.0):
            engine.push(*block)
            results += engine.pull()
    gaps = [found for found in [*results, *engine.finish()] if found.flags == ("gap",)]
    assert gaps[0] in results
    assert all(gap.end_s > gap.start_s for gap in gaps)
    assert gaps[-1].end_s == pytest.approx(1000.0 + 9.0, abs=0.1)


def test_restart_of_the_module_keeps_energies() -> None:
    mains, engine = three_phase(50.0, 3), analyser()
    results = []
    for _ in range(2):
        for block in blocks(mains, chips(), 1.5):
            engine.push(*block)
            results += engine.pull()
        before = results[-1].values["EPc+"]
        engine.restart()
    results += engine.pull()
    assert before == max(found.values["EPc+"] for found in results)
    good = [found for found in results if found.flags == ()]
    hours = sum(found.end_s - found.start_s for found in good) / 3600
    assert before == pytest.approx(sum(mains.power(f"V{p}", f"I{p}") for p in "123") * hours, rel=1e-4)
    assert [found.flags for found in results].count(("gap",)) == 2


def constant(level: float) -> Mains:
    mains = Mains(50.0, {key: [] for keys in KEYS for key in keys})
    mains.channels["V1"] = [Tone(0, level / math.sqrt(2), 0.0)]
    return mains


@pytest.mark.parametrize("noise", [0.0, 0.01, 3.0])
@pytest.mark.parametrize(
    "mains",
    [
        constant(0.0),
        constant(300.0),
        Mains(20.0, {key: [Tone(1, 230.0, 0.0)] for keys in KEYS for key in keys}),
        Mains(400.0, {key: [Tone(1, 230.0, 0.0)] for keys in KEYS for key in keys}),
        Mains(35.0, {key: [Tone(1, 230.0, 0.0)] for keys in KEYS for key in keys}),
        Mains(78.0, {key: [Tone(1, 230.0, 0.0)] for keys in KEYS for key in keys}),
        Mains(150.0, {key: [Tone(1, 230.0, 0.0)] for keys in KEYS for key in keys}),
    ],
    ids=["silence", "direct", "20", "400", "35", "78", "150"],
)
def test_no_fundamental(mains: Mains, noise: float) -> None:
    engine, sources = analyser(), chips()
    for chip in sources:
        chip.noise_rms = noise
    results = []
    for block in blocks(mains, sources, 1.5):
        engine.push(*block)
        results += engine.pull()
    assert len(results) >= 5
    for found in results:
        sound(found)
        assert "no-fundamental" in found.flags
        assert found.end_s - found.start_s == pytest.approx(0.2)
        assert (found.band.trusted_to, found.band.indicative_to, found.band.thd_to) == (0, 0, 0)
        assert not found.phasors
        # 800 samples of noise scatter by 2.5 %; 200 ms of 78 Hz are no whole cycles
        expected = math.hypot(
            mains.rms("V1") * math.sqrt(2 if mains.channels["V1"] and mains.channels["V1"][0].order == 0 else 1), noise
        )
        assert found.values["V1r"] == pytest.approx(expected, rel=0.12 if noise else 5e-3, abs=1e-9)
        for key, value in found.values.items():
            if (
                key.startswith(("Fq", "phi", "PF", "dPF", "TH", "u", "CF", "KF", "Prot", "fSP", "Q1"))
                or key[0] in "123N"
            ):
                assert value is None, key


def test_windows_go_on_through_an_interruption() -> None:
    mains, engine = three_phase(50.0, 5), analyser(500.0)
    results = []
    for which, first, samples, time_us, utc in blocks(mains, chips(), 5.0):
        if 2.0 <= first / 4000 < 3.5:
            samples = samples * 0.0
        engine.push(which, first, samples, time_us, utc)
        results += engine.pull()
    for before, after in pairwise(results):
        sound(after)
        assert after.start_s == pytest.approx(before.end_s, abs=1e-9)
    assert [found.flags for found in results].count(()) >= 14
    dark = [found for found in results if "no-fundamental" in found.flags]
    assert len(dark) >= 5
    assert results[-1].values["V1r"] == pytest.approx(mains.rms("V1"), rel=1e-4)
    assert results[-1].flags == ()


def test_phase_jump_is_flagged_and_left_behind() -> None:
    before, after, engine = three_phase(50.0, 1), three_phase(50.0, 1), analyser()
    for tones in after.channels.values():
        tones[0].phase_deg += 70.0
    results = []
    pair = zip(blocks(before, chips(), 3.0), blocks(after, chips(), 3.0), strict=True)
    for one, other in pair:
        engine.push(*(one if one[1] < 5200 else other))
        results += engine.pull()
    assert any("unsynchronised" in found.flags for found in results)
    assert results[-1].flags == results[0].flags == ()
    assert results[-1].values["V1r"] == pytest.approx(before.rms("V1"), rel=1e-5)


def test_clipped_samples_are_flagged() -> None:
    mains, engine = three_phase(50.0, 3), analyser(320.0)
    results = []
    for which, first, samples, time_us, utc in blocks(mains, chips(), 1.2):
        if first > 2400:
            samples = np.clip(samples, -320.0, 320.0)
        else:
            samples = samples * 0.5
        engine.push(which, first, samples.astype(np.float32), time_us, utc)
        results += engine.pull()
    assert "clipped" not in results[0].flags
    assert "clipped" in results[-1].flags


numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 60) | st.integers(-(2**40), 2**63),
            st.sampled_from(["sine", "noise", "huge", "nan", "zero"]) | numbers,
            st.just(None) | numbers,
            st.integers(0, 2**63 - 1),
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_garbage(pushes: list[tuple[int, int, object, float | None, int]], restart: bool) -> None:
    engine = analyser(400.0)
    rng = np.random.default_rng(0)
    results = []
    for number, (chip, index, kind, time_us, utc) in enumerate(pushes):
        first = index * 400 if index <= 60 else index
        t = np.arange(first % 24000, first % 24000 + 400) / 4000.0
        shape = (400, len(KEYS[chip]))
        samples = {
            "sine": np.repeat(300 * np.sin(314.159 * t)[:, None], shape[1], axis=1),
            "noise": rng.standard_normal(shape) * 1e3,
            "huge": np.full(shape, 1e308),
            "nan": np.full(shape, np.nan),
            "zero": np.zeros(shape),
        }.get(kind, np.full(shape, kind if isinstance(kind, float) else 0.0)).copy()  # type: ignore[call-overload]
        engine.push(chip, first, samples, first * 250.0 if time_us is None else time_us, utc)
        results += engine.pull()
        if restart and number == 20:
            engine.restart()
    for found in results + engine.finish():
        sound(found)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 900), min_size=3, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.integers(0, 9),
)
def test_any_cut_of_the_stream_gives_the_same_windows(sizes: list[int], kept: list[bool], seed: int) -> None:
    """Blocks of any size, some missing: what is measured is right, what is missing is one gap each."""
    mains = three_phase(50.0 + 0.3 * seed, 4, seed=seed)
    spec = ChipSpec(4000.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))
    engine, chip = Analyser("1P", [spec]), Chip(("V1", "I1"))
    first, results = 0, []
    for size, keep in zip(sizes, kept, strict=False):
        t = chip.time_s(np.arange(first, first + size))
        samples = np.stack([mains.sample(k, t) for k in chip.keys], axis=1)
        if keep:
            engine.push(0, first, samples, round(t[0] * 1e6), 10**18 + round(t[0] * 1e9))
            results += engine.pull()
        first += size
    for found in results + engine.finish():
        sound(found)
        if found.window == "10/12-cycle" and "gap" not in found.flags:
            assert found.values["V1r"] == pytest.approx(mains.rms("V1"), rel=2e-4)
