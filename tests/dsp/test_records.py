"""Files: exact clocks, records of a few cycles, a window, and a little more."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from tests.fakes.mains_signal import Chip, Mains, Tone, three_phase

KEYS = ("V1", "V2", "V3", "I1", "I2", "I3", "IN")


def record(
    mains: Mains, rate_hz: float, samples: int, chunk: int | None = None, keys: tuple[str, ...] = KEYS
) -> list[Measurement]:
    channels = tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in keys)
    engine = Analyser("3P+N", [ChipSpec(rate_hz, channels, exact=True)])
    t = Chip(keys, rate_hz).time_s(np.arange(samples))
    data = np.stack([mains.sample(k, t) for k in keys], axis=1)
    results = []
    step = chunk or samples
    for first in range(0, samples, step):
        # with an exact clock the stamps of later blocks say nothing
        engine.push(0, first, data[first : first + step], 0.0, 10**18 + round(1e9 * first / rate_hz))
        results += engine.pull()
    return results + engine.finish()


def check(found: Measurement, mains: Mains, ppm: float) -> None:
    for key in mains.channels:
        assert found.values[f"{key}r"] == pytest.approx(mains.rms(key), rel=ppm * 1e-6)
        one = abs(mains.tone(key, 1))
        for h in range(1, found.band.trusted_to + 1):
            assert found.orders[key][h] == pytest.approx(abs(mains.tone(key, h)), abs=ppm * 1e-6 * one)
    for p in "123":
        s = mains.rms(f"V{p}") * mains.rms(f"I{p}")
        assert found.values[f"P{p}"] == pytest.approx(mains.power(f"V{p}", f"I{p}"), abs=ppm * 1e-6 * s)
    assert found.values["Fqai"] == pytest.approx(mains.frequency_hz, rel=ppm * 1e-6)


@pytest.mark.parametrize(("frequency_hz", "cycles"), [(50.0, 10), (60.0, 12)])
def test_a_record_of_exactly_one_window(frequency_hz: float, cycles: int) -> None:
    mains = three_phase(frequency_hz, 30)
    samples = round(4000 * cycles / frequency_hz)
    results = record(mains, 4000.0, samples)
    assert [found.window for found in results] == ["10/12-cycle"]
    assert results[0].flags == ()
    assert results[0].start_s == 0.0
    assert results[0].end_s == pytest.approx(0.2, abs=1e-7)
    check(results[0], mains, 20.0)


@pytest.mark.parametrize("chunk", [None, 400, 333])
def test_no_window_of_a_record_is_lost(chunk: int | None) -> None:
    mains = three_phase(50.0, 20)
    results = record(mains, 4000.0, 4000, chunk)
    assert len(results) == 5
    assert results[0].start_s == 0.0
    assert results[-1].end_s == pytest.approx(1.0, abs=1e-6)
    assert results[-1].end_ns == pytest.approx(10**18 + 10**9, abs=2e3)
    for found in results:
        assert found.flags == ()
        check(found, mains, 20.0)


@pytest.mark.parametrize(("rate_hz", "samples"), [(30707.244140625, 2048), (4000.0, 300), (4000.0, 790), (1200.0, 70)])
@pytest.mark.parametrize("frequency_hz", [60.0, 59.83, 60.2])
def test_a_short_record_uses_its_whole_cycles(rate_hz: float, samples: int, frequency_hz: float) -> None:
    mains = three_phase(frequency_hz, min(25, int(0.45 * rate_hz / frequency_hz)), share=0.02)
    results = record(mains, rate_hz, samples)
    assert len(results) == 1
    found = results[0]
    assert found.window == "record"
    assert found.flags == ("short",)
    cycles = (found.end_s - found.start_s) * frequency_hz
    assert cycles == pytest.approx(round(cycles), abs=1e-4)
    assert round(cycles) == min(int((samples + 0.5) * frequency_hz / rate_hz), 11)
    check(found, mains, 100.0)
    assert found.values["Fq2i"] == pytest.approx(frequency_hz, rel=1e-4)
    assert found.values["THV1"] == pytest.approx(100 * 0.02 * math.sqrt(len(mains.channels["V1"]) - 1), rel=1e-3)


@pytest.mark.parametrize("samples", [85, 100, 120, 159])
def test_one_cycle_and_a_bit(samples: int) -> None:
    mains = three_phase(50.0, 1)
    found = record(mains, 4000.0, samples)[0]
    assert found.flags == ("short",)
    assert found.end_s - found.start_s == pytest.approx(0.02, rel=1e-4)
    check(found, mains, 100.0)


@pytest.mark.parametrize("samples", [1, 7, 30, 70])
def test_less_than_a_cycle_measures_nothing(samples: int) -> None:
    results = record(three_phase(50.0, 5), 4000.0, samples)
    assert len(results) == 1
    assert set(results[0].flags) == {"short", "no-fundamental"}
    assert all(value is None for value in results[0].values.values())


@pytest.mark.parametrize("level", [0.0, 100.0])
def test_a_short_record_without_a_fundamental(level: float) -> None:
    mains = Mains(50.0, {key: [Tone(0, level, 0.0)] for key in KEYS})
    found = record(mains, 4000.0, 300)[0]
    assert set(found.flags) == {"short", "no-fundamental"}


def test_an_empty_record_measures_nothing() -> None:
    engine = Analyser("1P", [ChipSpec(4000.0, (ChannelSpec("V1", "V"),), exact=True)])
    engine.push(0, 0, np.empty((0, 1)), 0.0, 0)
    assert engine.pull() + engine.finish() == []


def test_a_slow_record() -> None:
    mains = three_phase(60.0, 9)
    results = record(mains, 1200.0, 7200, 600)
    assert len(results) == 30
    assert results[0].band.indicative_to == 9
    for found in results:
        check(found, mains, 20.0)


def test_direct_current_counts_where_the_input_passes_it() -> None:
    mains = three_phase(50.0, 1)
    mains.channels["V1"].append(Tone(0, 10.0, 0.0))  # sqrt(2) * 10 V
    found = record(mains, 4000.0, 1200)[0]
    assert found.values["V1r"] == pytest.approx(math.hypot(230.0, 10.0 * math.sqrt(2)), rel=1e-5)


def test_a_record_with_missing_samples() -> None:
    mains = three_phase(50.0, 5)
    channels = tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in KEYS)
    engine = Analyser("3P+N", [ChipSpec(4000.0, channels, exact=True)])
    t = np.arange(6000) / 4000.0
    data = np.stack([mains.sample(k, t) for k in KEYS], axis=1)
    data[2500:2510, 3] = np.nan
    engine.push(0, 0, data, 0.0, 0)
    results = engine.pull() + engine.finish()
    flags = [found.flags for found in results]
    assert flags.count(("gap",)) == 1
    gap = results[flags.index(("gap",))]
    assert (gap.start_s, gap.end_s) == pytest.approx((0.6, 2510 / 4000), abs=1e-6)
    assert gap.samples_lost == 10
    assert len(results) == 3 + 1 + 4
    for found in results:
        if found is not gap:
            check(found, mains, 20.0)
