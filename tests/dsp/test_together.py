"""Blocks that wait, windows measured in one go, modules pulled together: the same results, at less cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.analyser import Analyser
from dsp.clock import SampleClock
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result, pull_together
from dsp.quantities import Quantities, QuantityTable
from dsp.spectrum import Spectrum
from dsp.together import measure_together
from tests.fakes.accuracy_case import Case, analyser_for

CASES = [
    Case(50.0, 49.8, 4000.0, (40.0, -60.0, 150.0), (5.0, 60.0, 120.0), 1),
    Case(60.0, 60.3, 4000.0, (-90.0, 10.0, 70.0), (0.0, 90.0, 30.0), 2, response=True),
    Case(50.0, 50.1, 4000.0, (0.0, 0.0, 10.0), (0.0, 0.0, 0.0), 3),
]


def monitor(case: Case) -> Monitor:
    return Monitor("3P+N", analyser_for(case)._chips, nominal_frequency_hz=case.nominal_hz, signalling_hz=316.0)


def alike(found: Iterable[Result], expected: Iterable[Result], rel: float) -> None:
    """Measurements and what they hold, but for the rounding of the last digits."""
    for one, other in zip(found, expected, strict=True):
        assert isinstance(one, Measurement)
        assert isinstance(other, Measurement)
        assert (one.window, one.flags, one.band) == (other.window, other.flags, other.band)
        assert one.end_s == pytest.approx(other.end_s, abs=1e-9)
        assert list(one.values) == list(other.values)
        for key, value in one.values.items():
            expected_value = other.values[key]
            assert (value is None) == (expected_value is None), key
            if value is not None:
                assert value == pytest.approx(expected_value, rel=rel, abs=1e-5), key
        assert one.phasors == pytest.approx(other.phasors, rel=rel, abs=1e-9)
        for key, levels in one.orders.items():
            assert levels == pytest.approx(other.orders[key], rel=rel, abs=1e-9, nan_ok=True)


def test_modules_pulled_together_give_what_each_gives_alone() -> None:
    alone, monitors = [], [monitor(case) for case in (*CASES, CASES[0])]
    streams = [list(case.blocks(4.5)) for case in (*CASES, CASES[0])]
    for case, stream in zip((*CASES, CASES[0]), streams, strict=True):
        engine, results = monitor(case), []
        for block in stream:
            engine.push(*block)
            if block[0] == 2:
                results += engine.pull()
        alone.append(results)
    together: list[list[Result]] = [[] for _ in monitors]
    for blocks in zip(*streams, strict=True):
        for engine, block in zip(monitors, blocks, strict=True):
            engine.push(*block)
        if blocks[0][0] == 2:
            for results, found in zip(together, pull_together(monitors), strict=True):
                results += found
    assert all(len(results) > 20 for results in together)
    for found, expected in zip(together, alone, strict=True):
        alike(found, expected, 1e-9)


def test_a_record_pulled_at_its_end_gives_what_it_gives_block_by_block() -> None:
    """Some twenty windows at once, a gap among them; the clock knows its rate a little better by then."""
    blocks = [block for block in CASES[0].blocks(4.6) if not 2.0 < block[1] / 4000.0 < 2.2]

    def results(every: int) -> list[Measurement]:
        engine, found = analyser_for(CASES[0]), []
        for number, block in enumerate(blocks):
            engine.push(*block)
            if number % every == 0:
                found += engine.pull()
        return found + engine.finish()

    found, expected = results(10_000), results(1)
    assert sum("gap" in measurement.flags for measurement in found) == 1
    assert len(found) > 16
    settled = next(i for i, measurement in enumerate(expected) if "gap" in measurement.flags)
    for one, other in zip(found[settled:], expected[settled:], strict=True):
        assert one.flags == other.flags
        assert one.end_s == pytest.approx(other.end_s, abs=3e-6)
        for key in ("V1r", "I3r", "Pc", "THV2", "Fqai") if one.flags == () else ():
            assert one.values[key] == pytest.approx(other.values[key], rel=1e-5)


def test_a_window_comes_with_the_block_that_completes_it() -> None:
    """Blocks that wait are joined in time: 2.5 cycles past a window's end it is there."""
    engine, case = analyser_for(CASES[0]), CASES[0]
    late = []
    for block in case.blocks(5.0):
        engine.push(*block)
        now_s = block[3] * 1e-6 + len(block[2]) / case.rate_hz
        late += [now_s - found.end_s for found in engine.pull()]
    assert len(late) > 20
    assert max(late) < 2.5 / case.frequency_hz + 1.5 * len(block[2]) / case.rate_hz


def test_a_caller_may_use_its_buffer_again() -> None:
    """The blocks are taken as they are when they are pushed."""
    buffer = np.empty((4096, 3))
    reused, kept = analyser_for(CASES[0]), analyser_for(CASES[0])
    results: dict[Analyser, list[Measurement]] = {reused: [], kept: []}
    for chip, first, samples, time_us, utc_ns in CASES[0].blocks(1.5):
        part = buffer[: len(samples), : samples.shape[1]]
        part[:] = samples
        reused.push(chip, first, part, time_us, utc_ns)
        part[:] = np.nan
        kept.push(chip, first, samples, time_us, utc_ns)
        for engine, found in results.items():
            found += engine.pull()
    alike(results[reused], results[kept], 0.0)


@settings(max_examples=30, deadline=None)
@given(
    st.floats(-200.0, 200.0),
    st.lists(st.integers(1, 12), min_size=40, max_size=40),
    st.sampled_from([0.0, 20e-6, 1e-3, 0.1]),
    st.integers(0, 1000),
)
def test_stamps_taken_together_fit_as_one_after_another(ppm: float, sizes: list[int], off_s: float, seed: int) -> None:
    """Also where one is off: then none is taken at once, and each is looked at by itself."""
    rng = np.random.default_rng(seed)
    own_hz, single, together = 4000.0 * (1 + 1e-6 * ppm), SampleClock(4000.0), SampleClock(4000.0)
    index, at_once = 0, 0
    for size in sizes:
        indices = [index + 100 * number for number in range(size)]
        index += 100 * size
        times = [1e-6 * math.floor(1e6 * i / own_hz) for i in indices]
        if rng.random() < 0.1:
            times[int(rng.integers(size))] += off_s
        for i, time_s in zip(indices, times, strict=True):
            single.stamp(i, time_s)
        if together.stamps(indices, times):
            at_once += 1
        else:
            for i, time_s in zip(indices, times, strict=True):
                together.stamp(i, time_s)
        assert together.time_s(index) == pytest.approx(single.time_s(index), abs=2e-8)
        assert together.rate_hz == pytest.approx(single.rate_hz, rel=1e-7)
        assert together.uncertainty_ppm == pytest.approx(single.uncertainty_ppm, rel=0.2)
    assert off_s > 0.0 or at_once >= 20


def test_several_windows_in_one_go_are_what_each_is_alone() -> None:
    """Among them one that is dark, one with its phases the other way about."""
    spectra: list[Spectrum] = []
    take = Analyser._take

    class Spy(Analyser):
        def _take(self, *args: object) -> object:  # type: ignore[override]
            taken = take(self, *args)  # type: ignore[arg-type]
            measured = measure_together([taken])[0]
            assert measured is not None
            spectra.append(measured.spectrum)
            return taken

    engine = Spy("3P+N", analyser_for(CASES[0])._chips)
    for block in CASES[0].blocks(1.2):
        engine.push(*block)
    engine.pull()
    first = spectra[1]
    dark = Spectrum(first.lines * 1e-9, first.measured, first.duration_s, first.cycles, first.in_band, first.band)
    swapped = first.lines[[0, 1, 2, 5, 6, 3, 4]]
    backwards = Spectrum(swapped, first.measured, first.duration_s, first.cycles, first.in_band, first.band)
    table = QuantityTable("3P+N", engine._channels)
    windows = [first, dark, spectra[2], backwards]
    found: list[Quantities] = table.measure_each(windows)
    assert [quantities.values["Prot"] for quantities in found] == [1.0, None, 1.0, 0.0]
    for quantities, spectrum in zip(found, windows, strict=True):
        alone = table.measure(spectrum)
        assert quantities.values.numbers == pytest.approx(alone.values.numbers, rel=1e-12, abs=1e-12, nan_ok=True)
        assert quantities.powers == pytest.approx(alone.powers, rel=1e-12, nan_ok=True)
        assert quantities.phasors.keys() == alone.phasors.keys()
        assert quantities.lit.tolist() == alone.lit.tolist()
