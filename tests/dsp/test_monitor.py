"""Samples in, everything out: windows, 10 s frequency, aggregates and events of closed-form signals at UTC ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from dsp.analyser import ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result
from resources.parameters import keys_for
from tests.fakes.mains_signal import Chip, blocks, three_phase

TICK_NS = 1_700_000_400 * 10**9  # full ten minutes of UTC, no even hour
EVEN_NS = TICK_NS // (7200 * 10**9) * 7200 * 10**9
S = 10**9
RATE_HZ = 2000.0
Signal = Callable[[np.ndarray], np.ndarray]  # times [n] -> samples [n, 2], V and A

CHIP = ChipSpec(RATE_HZ, (ChannelSpec("V1", "V", 500.0), ChannelSpec("I1", "A", 80.0)))


def steady(frequency_hz: float, volts: float = 230.0, amperes: float = 10.0) -> Signal:
    def signal(t: np.ndarray) -> np.ndarray:
        phase = 2 * np.pi * frequency_hz * t
        voltage = np.cos(phase) + 0.02 * np.cos(5 * phase + 1.0)
        return math.sqrt(2) * np.stack([volts * voltage, amperes * np.cos(phase - 0.5)], axis=1)

    return signal


def run(
    monitor: Monitor,
    signal: Signal,
    start_ns: int,
    seconds: float,
    *,
    ppm: float = 0.0,
    without: tuple[float, float] = (0.0, 0.0),
    begin_s: float = 0.0,
    block: int = 500,
    finish: bool = True,
) -> list[Result]:
    """Feed one chip whose first sample is taken at start_ns; `without` is left out."""
    results: list[Result] = []
    rate = RATE_HZ * (1 + ppm * 1e-6)
    for first in range(0, int(seconds * RATE_HZ), block):
        t = begin_s + np.arange(first, first + block) / rate
        if without[0] <= t[0] - begin_s < without[1]:
            continue
        monitor.push(0, first, signal(t), 1e6 * (1000.0 + t[0]), start_ns + round((t[0] - begin_s) * 1e9))
        results += monitor.pull()
    return results + (monitor.finish() if finish else [])


def of(results: list[Result], window: str) -> list[Measurement]:
    return [r for r in results if isinstance(r, Measurement) and r.window == window]


def events(results: list[Result]) -> Iterator[tuple[str, float, float, float]]:
    for r in results:
        if not isinstance(r, Measurement):
            yield r.event, (r.start_ns - TICK_NS) * 1e-9, r.duration_s, r.residual_v


@pytest.mark.parametrize(("frequency_hz", "ppm"), [(49.9137, 150.0), (50.0, 0.0), (59.98, -80.0), (57.31, 20.0)])
def test_across_a_tick(frequency_hz: float, ppm: float) -> None:
    monitor = Monitor("1P", [CHIP], nominal_frequency_hz=60.0 if frequency_hz > 58 else 50.0)
    results = run(monitor, steady(frequency_hz), TICK_NS - 17_300_000_000, 31.0, ppm=ppm)
    assert all(isinstance(r, Measurement) for r in results)
    ends = [r.end_ns for r in results if isinstance(r, Measurement)]
    assert sorted(ends[:-20]) == ends[:-20]

    tens = of(results, "10s")
    assert [(t.end_ns - TICK_NS) * 1e-9 for t in tens] == [-10.0, 0.0, 10.0, pytest.approx(13.6, abs=0.3)]
    assert [t.flags for t in tens] == [("short",), (), (), ("short",)]
    for ten in tens:
        assert ten.values == {"Fq10": pytest.approx(frequency_hz, abs=2e-5)}
        assert ten.completeness == (1.0 if not ten.flags else pytest.approx((ten.end_s - ten.start_s) / 10, abs=0.28))
    before, after = of(results, "10min")
    assert (before.end_ns, before.flags, after.flags) == (TICK_NS, ("short",), ("short",))
    assert before.end_s == pytest.approx(1017.3, abs=1e-4)
    assert (before.start_s, after.start_s) == (pytest.approx(1000.0, abs=0.1), pytest.approx(1017.3, abs=2e-3))
    threes = of(results, "150/180-cycle")
    begun = [t for t in threes if t.start_s == after.start_s]
    assert len(begun) == 1
    assert sum(t.start_s < after.start_s < t.end_s for t in threes) == 1
    for aggregate in (before, after, *threes):
        values = aggregate.values
        assert values["V1r"] == pytest.approx(230 * math.sqrt(1.0004), rel=2e-6)
        assert values["1V5"] == pytest.approx(2.0, abs=1e-3)
        assert values["P1"] == pytest.approx(2300 * math.cos(0.5), rel=1e-5)
        assert values["Q11"] == pytest.approx(2300 * math.sin(0.5), rel=1e-5)
        assert values["SP1"] == pytest.approx(2300 * math.sqrt(1.0004), rel=4e-6)
        assert values["PF1i"] == pytest.approx(math.cos(0.5) / math.sqrt(1.0004), rel=1e-5)
        assert values["phi1"] == pytest.approx(math.degrees(0.5), abs=1e-3)
        assert values["Fqai"] == pytest.approx(frequency_hz, abs=2e-5)
        assert values["Fq10"] is None


def test_three_chips_and_noise() -> None:
    """10 s frequency with the front end's noise and clocks of their own."""
    chips = [
        Chip((f"V{p}", f"I{p}"), 4000.0, ppm, skew, 0.02) for p, ppm, skew in ((1, 90, 0), (2, -60, 9e-5), (3, 5, 2e-4))
    ]
    specs = [ChipSpec(4000.0, (ChannelSpec(c.keys[0], "V", 500.0), ChannelSpec(c.keys[1], "A", 80.0))) for c in chips]
    monitor = Monitor("3P", specs, every=("10s",))
    results: list[Result] = []
    for chip, index, samples, stamp, utc in blocks(three_phase(50.0371, 5), chips, 14.0, block=400):
        monitor.push(chip, index, samples, stamp, utc - 1_700_000_000 * S + TICK_NS - 2 * S)
        results += monitor.pull()
    results += monitor.finish()
    whole = of(results, "10s")[1]
    assert (whole.end_ns, whole.flags) == (TICK_NS + 10 * S, ())
    assert whole.values["Fq10"] == pytest.approx(50.0371, abs=2e-5)


def test_a_dip_flags_its_windows_and_their_aggregates() -> None:
    base = steady(50.0)

    def signal(t: np.ndarray) -> np.ndarray:
        return base(t) * np.where((t >= 4.31) & (t < 4.51), 0.6, 1.0)[:, None]

    results = run(Monitor("1P", [CHIP]), signal, TICK_NS - 2 * S, 12.0)
    ((kind, start_s, duration_s, residual_v),) = list(events(results))
    assert kind == "dip"
    assert start_s == pytest.approx(2.31, abs=0.021)
    assert duration_s == pytest.approx(0.2, abs=0.021)
    assert residual_v == pytest.approx(0.6 * 230 * math.sqrt(1.0004), rel=2e-3)
    for m in of(results, "10/12-cycle"):
        touched = m.start_s < 1004.53 and m.end_s > 1004.33
        assert ("dip" in m.flags) == touched, (m.start_s, m.end_s)
    flagged = {name: [t.end_ns for t in of(results, name) if "dip" in t.flags] for name in ("10s", "10min", "2h")}
    assert flagged == {
        "10s": [TICK_NS + 10 * S],
        "10min": [of(results, "10min")[-1].end_ns],
        "2h": [of(results, "2h")[-1].end_ns],
    }
    assert sum("dip" in t.flags for t in of(results, "150/180-cycle")) in (1, 2)
    assert len(of(results, "10min")) == 2
    quiet = run(Monitor("1P", [CHIP], events=False), signal, TICK_NS - 2 * S, 12.0)
    assert not list(events(quiet))
    assert [m.flags for m in quiet] == [m.flags for m in results if isinstance(m, Measurement)]


def test_a_gap() -> None:
    results = run(Monitor("1P", [CHIP]), steady(49.95), TICK_NS, 24.0, without=(4.0, 5.0))
    first, second = of(results, "10s")[:2]
    assert (first.flags, second.flags) == (("gap",), ())
    assert 0.8 < first.completeness < 0.9
    for ten in (first, second):
        assert ten.values["Fq10"] == pytest.approx(49.95, abs=5e-5)
    (ten_minutes,) = of(results, "10min")
    assert set(ten_minutes.flags) == {"gap", "short"}
    assert ten_minutes.samples_lost == 2000
    assert ten_minutes.values["V1r"] == pytest.approx(230 * math.sqrt(1.0004), rel=1e-5)
    assert [t.flags for t in of(results, "150/180-cycle")].count(("gap",)) == 1


def test_a_restart_goes_on_in_the_same_ten_minutes() -> None:
    monitor = Monitor("1P", [CHIP])
    results = run(monitor, steady(50.0), TICK_NS + 100 * S, 7.0, finish=False)
    monitor.restart()
    results += run(monitor, steady(50.0, volts=115.0), TICK_NS + 108 * S, 7.0, begin_s=3.0)
    (ten_minutes,) = of(results, "10min")
    assert {"gap", "short", "dip"} == set(ten_minutes.flags)
    assert ten_minutes.values["V1r"] == pytest.approx(math.sqrt((230**2 + 115**2) * 1.0004 / 2), rel=0.02)
    assert ten_minutes.completeness == pytest.approx(14 / 600, rel=0.05)


def test_no_fundamental_gives_no_frequency() -> None:
    rng = np.random.default_rng(1)
    results = run(Monitor("1P", [CHIP]), lambda t: 0.001 * rng.standard_normal((len(t), 2)), TICK_NS, 12.0)
    (ten, rest) = of(results, "10s")
    assert ten.values == rest.values == {"Fq10": None}
    assert "no-fundamental" in ten.flags
    for m in (*of(results, "150/180-cycle"), *of(results, "10min")):
        assert m.values["Fqai"] is None
        assert m.values["PF1i"] is None
        assert m.values["1V5"] is None
        assert "no-fundamental" in m.flags


def test_a_record_shorter_than_a_window_is_given_whatever_is_asked_for() -> None:
    (result,) = run(Monitor("1P", [CHIP], every=("10min",)), steady(50.0), TICK_NS, 0.13, block=65)
    assert isinstance(result, Measurement)
    assert (result.window, result.flags) == ("record", ("short",))


@pytest.mark.parametrize("system", ["3P", "3P+N"])
def test_of_a_steady_signal_an_aggregate_is_the_window(system: str) -> None:
    """Every key: nothing is forgotten and nothing follows another definition than in a window."""
    keys = ("V1", "I1", "V2", "I2", "V3", "I3", *(("IN",) if system == "3P+N" else ()))
    spec = ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A", 500.0) for k in keys))
    mains = three_phase(50.0, 20, export=True, neutral=system == "3P+N")
    monitor = Monitor(
        system,  # type: ignore[arg-type]
        [spec],
        every=("10/12-cycle", "150/180-cycle"),
        demand_current_a=15.0,
        signalling_hz=175.0,
        nominal_voltage_v=230.3,
    )
    results: list[Result] = []
    for block in blocks(mains, [Chip(keys)], 3.4, block=800):
        monitor.push(*block)
        results += monitor.pull()
    last = of(results, "10/12-cycle")[14]
    whole = of(results, "150/180-cycle")[0]
    assert whole.end_ns == last.end_ns
    registers = ("tAE", "SE", "fQE", "EP", "EQ")
    for key in keys_for(system):  # type: ignore[arg-type]
        one, other = last.values.get(key), whole.values[key]
        if one is None:
            assert other is None, key
        elif key.startswith(registers) and len(key) <= 5:
            assert other == one, key
        else:
            assert other == pytest.approx(one, rel=1e-5, abs=1e-5), key
    assert sum(whole.values[key] is not None for key in whole.values) > 500


def test_only_what_is_asked_for() -> None:
    results = run(Monitor("1P", [CHIP], every=("150/180-cycle",)), steady(50.0), TICK_NS, 7.0)
    assert {r.window for r in results if isinstance(r, Measurement)} == {"150/180-cycle"}
    assert len(results) == 3


@pytest.mark.soak
def test_two_hours_with_flicker() -> None:
    """From 12 min before an even hour to 3 min behind the next: Pst of the standard's test point, and Plt."""
    share = 0.00894  # 39 changes a minute, 230 V, 50 Hz: Pst = 1

    def signal(t: np.ndarray) -> np.ndarray:
        envelope = 1.0 + 0.5 * share * np.sign(np.sin(2 * np.pi * 39 / 120 * t))
        phase = 2 * np.pi * 50.011 * t
        return math.sqrt(2) * np.stack([230 * envelope * np.cos(phase), 5 * np.cos(phase)], axis=1)

    monitor = Monitor("1P", [CHIP], every=("10s", "10min", "2h"))
    results = run(monitor, signal, EVEN_NS - 720 * S, 720 + 7200 + 180, block=2000)
    tens = of(results, "10min")
    assert [t.end_ns for t in tens[:-1]] == [EVEN_NS + n * 600 * S for n in range(-1, 13)]
    assert [t.flags for t in tens] == [("short",), *[()] * 13, ("short",)]
    for ten in tens[1:-1]:
        assert ten.values["Pst1"] == pytest.approx(1.0, abs=0.05)
        assert ten.values["V1r"] == pytest.approx(230.0, rel=1e-4)
    before, whole, rest = of(results, "2h")
    assert (before.end_ns, whole.end_ns) == (EVEN_NS, EVEN_NS + 7200 * S)
    assert (before.flags, whole.flags, rest.flags) == (("short",), (), ("short",))
    assert whole.completeness == 1.0
    assert whole.values["Plt1"] == pytest.approx(1.0, abs=0.05)
    assert before.values["Plt1"] is None
    seconds = of(results, "10s")[1:-1]
    assert len(seconds) == 808
    assert all(s.flags == () and abs(s.values["Fq10"] - 50.011) < 2e-5 for s in seconds)  # type: ignore[operator]


def test_garbage_gives_flags_and_no_numbers_from_nothing() -> None:
    """Stretches of NaN, infinities, absurd and clipped samples, a clock that jumps: results stay finite."""
    rng = np.random.default_rng(11)
    base = steady(50.0)
    monitor = Monitor("1P", [CHIP])
    results: list[Result] = []
    index = 0
    for n in range(160):
        t = np.arange(index, index + 250) / RATE_HZ
        samples = base(t)
        kind = n % 16
        if kind == 3:
            samples[40:90] = rng.choice([np.nan, np.inf, -np.inf, 1e300, 2e12])
        elif kind == 7:
            samples = np.clip(samples, -200.0, 200.0) * 2.5
        elif kind == 11:
            index += int(rng.integers(1, 5000))
        jump_ns = (n // 40) * 700 * S if n < 120 else -400 * S
        monitor.push(0, index, samples, 1e6 * index / RATE_HZ, TICK_NS + jump_ns + round(index / RATE_HZ * 1e9))
        results += monitor.pull()
        index += 250
        if n == 100:
            monitor.restart()
            index = 0
    results += monitor.finish()
    assert len(of(results, "10min")) >= 3
    for m in results:
        if not isinstance(m, Measurement):
            continue
        assert 0.0 <= m.completeness <= 1.0
        assert all(value is None or math.isfinite(value) for value in m.values.values())
        if m.window in ("10min", "2h"):
            assert set(m.flags) & {"gap", "short"}
        volts = m.values.get("V1r")
        assert volts is None or 0.0 <= volts <= 600.0
