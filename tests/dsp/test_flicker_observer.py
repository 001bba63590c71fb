"""Flicker over the windows of the analyser: intervals by UTC, gaps, restarts, systems."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from dsp.analyser import Analyser
from dsp.channels import ChannelSpec, ChipSpec
from dsp.flicker import Flickermeter, long_term_severity
from dsp.flicker_observer import FlickerObserver, lamp_for
from dsp.observers import RawSamples
from tests.fakes.flicker_signals import RECTANGULAR, mains, rectangular

TICK_NS = 600 * 10**9
DAY_NS = 2_833_333 * TICK_NS  # a UTC tick, odd in its two hours
EVEN_NS = DAY_NS // (12 * TICK_NS) * (12 * TICK_NS)

Wave = Callable[[np.ndarray], np.ndarray]


class FakeWindows:
    """Windows of 0.2 s on one voltage at 1000 samples a second, from a UTC on."""

    def __init__(self, observer: FlickerObserver, wave: Wave, start_ns: int, rate_hz: float = 1000.0) -> None:
        self.observer, self.wave, self.start_ns, self.rate_hz = observer, wave, start_ns, rate_hz
        self.window = 0

    def utc_ns_of(self, time_s: float) -> int:
        return self.start_ns + round(time_s * 1e9)

    def samples(self, key: str, start_s: float, end_s: float) -> RawSamples:
        first, stop = max(math.floor(start_s * self.rate_hz), 0), math.ceil(end_s * self.rate_hz) + 1
        return RawSamples(self.wave(np.arange(first, stop) / self.rate_hz), first / self.rate_hz, self.rate_hz, first)

    def run(self, seconds: float, *, model: object = True) -> None:
        for _ in range(round(seconds / 0.2)):
            start, self.window = 0.2 * self.window, self.window + 1
            data = SimpleNamespace(
                window=SimpleNamespace(start_s=start, end_s=start + 0.2, cycles=10, model=model),
                measurement=SimpleNamespace(window="10/12-cycle"),
                channels=(ChannelSpec("V1", "V"), ChannelSpec("I1", "A")),
                utc_ns_of=self.utc_ns_of,
                samples=self.samples,
            )
            self.observer.on_windows([data])

    def skip(self, seconds: float) -> None:
        start = 0.2 * self.window
        self.window += round(seconds / 0.2)
        self.observer.on_gap(start, 0.2 * self.window, round(seconds * self.rate_hz))


def flickering(t: np.ndarray) -> np.ndarray:
    return mains(t, 230.0, 50.0) * rectangular(t, 110, 0.722)


def test_intervals_follow_the_ticks_of_utc() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, DAY_NS - 90 * 10**9)
    source.run(60.0)
    assert observer.pinst()["V1"] > 0.05
    source.run(1300.0)
    for n in range(2):
        assert observer.values("10min", DAY_NS + n * TICK_NS) == {"Pst1": pytest.approx(1.0, abs=0.015)}
    assert observer.values("10min", DAY_NS - TICK_NS) == {"Pst1": None}  # begun in its middle
    assert observer.values("10min", DAY_NS + 2 * TICK_NS) == {"Pst1": None}  # not over
    assert observer.values("10min", DAY_NS + 5 * TICK_NS) == {"Pst1": None}
    assert observer.values("150/180-cycle", DAY_NS) == {}


def test_no_sample_is_left_out_or_taken_twice_between_windows() -> None:
    observer = FlickerObserver(230.0)
    FakeWindows(observer, flickering, DAY_NS - 90 * 10**9).run(700.0)
    meter = Flickermeter(1, 1000.0)
    meter.push([flickering(np.arange(690_000) / 1000.0)], [0.0])
    assert observer.values("10min", DAY_NS)["Pst1"] == pytest.approx(float(meter.pst(90.0, 690.0)[0]), rel=1e-6)


def test_an_interval_needs_a_minute_before_it() -> None:
    observer = FlickerObserver(230.0)
    FakeWindows(observer, flickering, DAY_NS - 50 * 10**9).run(1260.0)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}
    assert observer.values("10min", DAY_NS + TICK_NS)["Pst1"] == pytest.approx(1.0, abs=0.015)


def test_a_record_that_ends_within_the_last_window_has_its_interval() -> None:
    observer = FlickerObserver(230.0)
    FakeWindows(observer, flickering, DAY_NS - 90 * 10**9).run(689.8)
    assert observer.values("10min", DAY_NS)["Pst1"] == pytest.approx(1.0, abs=0.015)


def test_a_gap_spoils_what_it_touches() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, DAY_NS - 90 * 10**9)
    source.run(90.0 + 300.0)
    source.skip(0.4)
    source.run(260.0)
    source.skip(2.0)
    source.run(1300.0)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}
    assert observer.values("10min", DAY_NS + TICK_NS) == {"Pst1": None}  # the second gap was 48 s before it
    assert observer.values("10min", DAY_NS + 2 * TICK_NS)["Pst1"] == pytest.approx(1.0, abs=0.015)


def test_twelve_short_terms_make_a_long_term() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, EVEN_NS - 90 * 10**9)
    source.run(90.0 + 7201.0)
    terms = [observer.values("10min", EVEN_NS + n * TICK_NS)["Pst1"] for n in range(12)]
    assert terms == pytest.approx([1.0] * 12, abs=0.015)
    assert observer.values("2h", EVEN_NS) == {"Plt1": long_term_severity(terms)}
    source.run(120.0)
    assert observer.values("2h", EVEN_NS + 12 * TICK_NS) == {"Plt1": None}


def test_a_clock_that_is_set_spoils_the_interval() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, DAY_NS - 90 * 10**9)
    source.run(390.0)
    source.start_ns += 30 * 10**9
    source.run(1300.0)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}
    assert observer.values("10min", DAY_NS + TICK_NS)["Pst1"] == pytest.approx(1.0, abs=0.015)


def test_a_clock_that_is_set_back_meets_its_ticks_again() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, DAY_NS - 90 * 10**9)
    source.run(790.0)
    assert observer.values("10min", DAY_NS)["Pst1"] == pytest.approx(1.0, abs=0.015)
    source.wave = lambda t: mains(t, 230.0, 50.0)
    source.start_ns -= 600 * 10**9  # from 700 s past the tick to 100 s
    source.run(1101.0)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}  # the clock was set in it
    assert observer.values("10min", DAY_NS + TICK_NS)["Pst1"] < 0.2


def test_direct_current_does_not_flicker() -> None:
    observer = FlickerObserver(230.0)
    source = FakeWindows(observer, flickering, DAY_NS - 150 * 10**9)
    source.run(30.0)
    source.wave = lambda t: np.full(t.size, 230.0)
    source.run(800.0, model=None)
    assert observer.pinst() == {"V1": None}
    assert observer.values("10min", DAY_NS) == {"Pst1": None}


def test_silence_names_its_values_and_has_none() -> None:
    observer = FlickerObserver(230.0)
    FakeWindows(observer, lambda t: np.zeros(t.size), DAY_NS - 90 * 10**9).run(700.0, model=None)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}
    assert observer.values("2h", EVEN_NS) == {"Plt1": None}


def test_too_slow_a_file_has_no_flicker() -> None:
    observer = FlickerObserver(230.0)
    FakeWindows(observer, flickering, DAY_NS - 90 * 10**9, rate_hz=600.0).run(700.0)
    assert observer.values("10min", DAY_NS) == {"Pst1": None}
    assert observer.pinst() == {"V1": None}


@pytest.mark.parametrize(("declared_v", "lamp"), [(120.0, 120), (100.0, 120), (230.0, 230), (277.0, 230), (400.0, 230)])
def test_the_declared_voltage_chooses_the_lamp(declared_v: float, lamp: int) -> None:
    assert lamp_for(declared_v) == lamp


def test_three_chips_with_clocks_of_their_own_through_the_analyser() -> None:
    """60 Hz, 120 V lamp; each phase flickers by its own test point, at 120, 0 and -200 ppm and 60.01 Hz."""
    points = [(39, 1.040), (7, 1.694), (110, 0.844)]
    assert all(RECTANGULAR[120, 60][cpm] == change for cpm, change in points)
    rates = [1200.0 * (1 + ppm * 1e-6) for ppm in (120.0, 0.0, -200.0)]
    observer = FlickerObserver(120.0)
    chips = [ChipSpec(1200.0, (ChannelSpec(f"V{p}", "V"), ChannelSpec(f"I{p}", "A"))) for p in (1, 2, 3)]
    engine = Analyser("3P", chips, nominal_voltage_v=120.0, observers=(observer,))
    start_ns = DAY_NS - 65 * 10**9
    engine_start = 5.0
    windows = 0
    for block in range(670):
        for chip, (rate, (cpm, change)) in enumerate(zip(rates, points, strict=True)):
            index = np.arange(block * 1200, (block + 1) * 1200)
            t = index / rate + 1e-4 * chip
            wave = mains(t, 120.0, 60.01, -2 * np.pi / 3 * chip)
            samples = np.stack([wave * rectangular(t, cpm, change), 0.1 * wave], axis=1)
            engine.push(
                chip, int(index[0]), samples, math.floor(1e6 * (engine_start + t[0])), start_ns + round(t[0] * 1e9)
            )
        windows += len(engine.pull())
    windows += len(engine.finish())
    assert windows > 3300
    found = observer.values("10min", DAY_NS)
    assert found == {f"Pst{p}": pytest.approx(1.0, abs=0.015) for p in (1, 2, 3)}
    live = observer.pinst()
    assert set(live) == {"V1", "V2", "V3"}
    assert all(value is not None and value > 0 for value in live.values())


def test_a_restart_and_a_gap_in_the_stream_reach_the_meter() -> None:
    observer = FlickerObserver(230.0)
    engine = Analyser("1P", [ChipSpec(1200.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))], observers=(observer,))

    def deliver(first: int, seconds: int) -> None:
        for start in range(first, first + seconds * 1200, 1200):
            wave = mains(np.arange(start, start + 1200) / 1200.0, 230.0, 50.0)
            engine.push(0, start, np.stack([wave, wave], axis=1), start / 1.2e-3, DAY_NS + round(start / 1.2e-6))
            engine.pull()

    deliver(0, 30)
    assert observer.pinst()["V1"] is not None
    deliver(31 * 1200, 10)
    assert observer.pinst()["V1"] is None
    deliver(41 * 1200, 30)
    assert observer.pinst()["V1"] is not None
    engine.restart()
    deliver(0, 10)
    assert observer.pinst()["V1"] is None
