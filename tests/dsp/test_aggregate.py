"""Aggregates of windows against the plain formulas, at ticks, gaps, beginnings and ends."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from dsp.accumulator import Layout
from dsp.aggregate import Aggregates
from dsp.measurement import Measurement
from dsp.values import Values
from resources.aggregation import Rule, rules_for
from resources.parameters import keys_for
from resources.systems import SYSTEMS
from tests.fakes.window_series import TICK_NS, gap, windows

S = 10**9


def aggregate(measurements: Iterable[Measurement], system: str = "3P+N") -> dict[str, list[Measurement]]:
    made = Aggregates(system)  # type: ignore[arg-type]
    results = [result for m in measurements for result in made.add(m)] + made.finish()
    return {name: [r for r in results if r.window == name] for name in ("150/180-cycle", "10min", "2h")}


def constant(number: int) -> dict[str, float | None]:
    return {"V1r": 230.0, "Fqai": 50.0}


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_key_has_a_rule(system: str) -> None:
    assert list(rules_for(system)) == list(keys_for(system))  # type: ignore[arg-type]


def test_rules() -> None:
    rules = rules_for("3P+N")
    for rule, keys in {
        Rule.RMS: "V1r V31r INr THV2 THIN 3V5 2I7 NI3 1VIH2 3IIH4 u2 u0 MSV1 TDD1 PWHV1",
        Rule.MEAN: "P1 Pc Q1c fSP2 2P5 DCV1 DCI3 KF1 CFV2",
        Rule.CYCLES: "Fqai Fq2i",
        Rule.ANGLE: "V12a 1VA5 2IA3",
        Rule.LAST: "tAEc EP1+ EQc- SE2 fQE3 Prot",
        Rule.DERIVED: "SP1 SPc Sa Se PF1i PFc PFe dPF1 dPFc phi3",
        Rule.OWN: "Pst1 Plt3 Fq10",
        Rule.UNDER: "UU2",
        Rule.OVER: "UO3",
    }.items():
        for key in keys.split():
            assert rules[key] is rule, key


def test_fifteen_windows() -> None:
    rng = np.random.default_rng(3)
    columns = {
        "V1r": rng.uniform(200, 250, 15),
        "I1r": rng.uniform(1, 20, 15),
        "P1": rng.uniform(-3000, 3000, 15),
        "Q11": rng.uniform(-3000, 3000, 15),
        "1P1": rng.uniform(-3000, 3000, 15),
        "3V5": rng.uniform(0, 5, 15),
        "Fqai": rng.uniform(49, 51, 15),
        "EP1+": np.arange(15.0),
        "Fq10": rng.uniform(49, 51, 15),
        "Pst1": rng.uniform(0, 1, 15),
    }
    others = {"SP1": 1.0, "PF1i": 0.5, "dPF1": 0.5, "phi1": 10.0}
    (result,) = aggregate(
        windows(TICK_NS + S, 15, lambda n: {**{k: float(v[n]) for k, v in columns.items()}, **others})
    )["150/180-cycle"]
    values = result.values

    def rms(key: str) -> float:
        return math.sqrt(sum(x * x for x in columns[key]) / 15)

    def mean(key: str) -> float:
        return sum(columns[key]) / 15

    assert values["V1r"] == pytest.approx(rms("V1r"), rel=1e-12)
    assert values["3V5"] == pytest.approx(rms("3V5"), rel=1e-12)
    assert values["P1"] == pytest.approx(mean("P1"), rel=1e-12)
    assert values["Fqai"] == pytest.approx(15 / sum(1 / columns["Fqai"]), rel=1e-12)
    assert values["EP1+"] == 14.0
    assert values["SP1"] == pytest.approx(rms("V1r") * rms("I1r"), rel=1e-12)
    assert values["PF1i"] == pytest.approx(mean("P1") / rms("V1r") / rms("I1r"), rel=1e-12)
    assert values["phi1"] == pytest.approx(math.degrees(math.atan2(mean("Q11"), mean("1P1"))), rel=1e-12)
    assert values["dPF1"] == pytest.approx(math.cos(math.radians(values["phi1"])), rel=1e-12)
    for key in ("Fq10", "Pst1", "V2r", "SP2", "Se", "PFc"):
        assert values[key] is None, key
    assert (result.flags, result.completeness) == ((), 1.0)
    assert result.end_ns == TICK_NS + 4 * S
    assert result.end_s - result.start_s == pytest.approx(3.0)
    assert result.orders["V1"][7] == pytest.approx(math.sqrt(sum(n * n for n in range(15)) / 15))
    assert result.band.indicative_to == 39
    assert result.phasors == {"V1": pytest.approx(230 + 0j)}


def test_three_phase_apparent_power() -> None:
    given = {f"V{p}r": 230.0 + p for p in (1, 2, 3)} | {f"I{p}r": 5.0 * p for p in (1, 2, 3)} | {"INr": 4.0}
    given |= {"V12r": 400.0, "V23r": 401.0, "V31r": 402.0, "Pc": 6000.0}
    given |= dict.fromkeys(("SP1", "SP2", "SP3", "SPc", "Sa", "Se", "PFc", "PFe"), 1.0)
    for system in ("3P", "3P+N"):
        own = dict(given) if system == "3P+N" else {k: v for k, v in given.items() if k != "INr"}
        (result,) = aggregate(windows(TICK_NS, 15, lambda n, own=own: own, system=system), system)["150/180-cycle"]
        star, lines = sum((230 + p) ** 2 for p in (1, 2, 3)), 400**2 + 401**2 + 402**2
        currents = 25 * 14
        se = 3 * math.sqrt(lines / 9 * currents / 3)
        if system == "3P+N":
            se = 3 * math.sqrt((3 * star + lines) / 18 * (currents + 16) / 3)
        sa = sum((230 + p) * 5 * p for p in (1, 2, 3))
        values = result.values
        assert values["Se"] == pytest.approx(se)
        assert values["Sa"] == values["SPc"] == pytest.approx(sa)
        assert values["PFc"] == pytest.approx(6000 / sa)
        assert values["PFe"] == pytest.approx(6000 / se)


def test_deviations_are_those_of_the_limited_voltages() -> None:
    volts = [200.0, 225.0, 240.0, 250.0, 230.0] * 3
    series = [{"UU1": max(0.0, 100 * (230 - u) / 230), "UO1": max(0.0, 100 * (u - 230) / 230)} for u in volts]
    (result,) = aggregate(windows(TICK_NS, 15, lambda n: series[n]))["150/180-cycle"]
    under = 230 - math.sqrt(sum(min(u, 230) ** 2 for u in volts) / 15)
    over = math.sqrt(sum(max(u, 230) ** 2 for u in volts) / 15) - 230
    assert result.values["UU1"] == pytest.approx(100 * under / 230, rel=1e-9)
    assert result.values["UO1"] == pytest.approx(100 * over / 230, rel=1e-9)


def test_angles() -> None:
    series = [{"1VA5": a, "1VA7": b, "V12a": 120.0} for a, b in [(179.0, 0.0), (-177.0, 120.0), (178.0, -120.0)] * 5]
    (result,) = aggregate(windows(TICK_NS, 15, lambda n: series[n]))["150/180-cycle"]
    mean = sum(cmath.rect(1, math.radians(a)) for a in (179, -177, 178))
    assert result.values["1VA5"] == pytest.approx(math.degrees(cmath.phase(mean)))
    assert result.values["1VA7"] is None  # in no direction
    assert result.values["V12a"] == pytest.approx(120.0)


def test_only_valid_numbers_count() -> None:
    series: list[dict[str, float | None]] = [{"V1r": 230.0, "3V5": None, "P1": math.nan} for _ in range(15)]
    series[3] = {"V1r": None, "3V5": 3.0, "P1": None}
    series[4] = {"V1r": 230.0, "3V5": 4.0}
    (result,) = aggregate(windows(TICK_NS, 15, lambda n: series[n]))["150/180-cycle"]
    assert result.values["V1r"] == pytest.approx(230.0)
    assert result.values["3V5"] == pytest.approx(math.sqrt(12.5))
    assert result.values["P1"] is None


def test_arrays_and_dicts_give_the_same() -> None:
    keys = keys_for("3P+N")
    rng = np.random.default_rng(5)
    numbers = rng.uniform(1, 5, (15, len(keys)))
    numbers[:, 10:40] = np.nan
    numbers[7, 40:90] = np.nan
    place = {key: i for i, key in enumerate(keys)}
    fast = aggregate(windows(TICK_NS, 15, lambda n: Values(place, numbers[n])))["150/180-cycle"][0]
    slow = aggregate(windows(TICK_NS, 15, lambda n: dict(Values(place, numbers[n]))))["150/180-cycle"][0]
    assert dict(fast.values) == dict(slow.values)
    assert len(Layout("3P+N").place) == len(keys)


def test_the_ten_minute_tick() -> None:
    """Windows from 30.1 s before a tick to 10 min behind it: the one under way belongs to the old 10 minutes, and the
    150/180 cycles under way get their 15 windows."""
    first_ns = TICK_NS - 30_100_000_000
    series = list(windows(first_ns, 151 + 3000 + 10, lambda n: {"V1r": 100.0 if n < 151 else 200.0, "EPc+": float(n)}))
    assert series[150].end_ns == TICK_NS + 100_000_000
    assert series[151].end_ns == TICK_NS + 200_000_000
    made = aggregate(series)
    old, whole, rest = made["10min"]
    assert (old.end_ns, old.flags, old.values["V1r"]) == (TICK_NS, ("short",), pytest.approx(100.0))
    assert old.end_s == pytest.approx(5.0 + 30.1)
    assert old.completeness == pytest.approx(30.2 / 600)
    assert (whole.end_ns, whole.flags, whole.values["V1r"]) == (TICK_NS + 600 * S, (), pytest.approx(200.0))
    assert (whole.completeness, whole.values["EPc+"]) == (1.0, 150.0 + 3000.0)
    assert (rest.end_ns, rest.flags) == (TICK_NS + 602 * S, ("short",))
    threes = made["150/180-cycle"]
    overlapping = [t for t in threes if t.end_ns < TICK_NS + 4 * S and t.end_ns > TICK_NS]
    assert [t.end_ns - TICK_NS for t in overlapping] == [28 * S // 10, 3 * S]
    mixed = math.sqrt((100.0**2 * 1 + 200.0**2 * 14) / 15)
    assert [t.values["V1r"] for t in overlapping] == [pytest.approx(mixed), pytest.approx(200.0)]
    assert {t.flags for t in threes[:-1]} == {()}
    assert threes[-1].flags == ("short",)
    assert threes[-1].completeness == pytest.approx(10 / 15)


def test_two_hours() -> None:
    even_ns = TICK_NS // (7200 * S) * 7200 * S
    # Windows of 20 s stand for many: only their starts matter to where they belong.
    series = windows(even_ns - 600 * S, 30 * 25, lambda n: {"V1r": float(n // 30)}, length_ns=20 * S, restarted=False)
    made = aggregate(series)
    assert [t.values["V1r"] for t in made["10min"]] == [pytest.approx(float(n)) for n in range(25)]
    before, whole, rest = made["2h"]
    assert (before.end_ns, before.flags) == (even_ns, ("short",))
    assert before.completeness == pytest.approx(1 / 12)
    assert (whole.end_ns, whole.flags, whole.completeness) == (even_ns + 7200 * S, (), 1.0)
    assert whole.values["V1r"] == pytest.approx(math.sqrt(sum(n * n for n in range(1, 13)) / 12))
    assert (rest.end_ns, rest.flags, rest.completeness) == (even_ns + 14400 * S, (), 1.0)


def test_flags_of_any_window_and_no_other() -> None:
    made = aggregate(
        windows(TICK_NS, 45, constant, flags_of=lambda n: {17: ("dip", "clipped"), 20: ("swell",)}.get(n, ()))
    )
    assert [t.flags for t in made["150/180-cycle"]] == [(), ("dip", "swell", "clipped"), ()]
    assert made["10min"][0].flags == ("dip", "swell", "short", "clipped")
    assert made["2h"][0].flags == made["10min"][0].flags


def test_clipped_samples_add_up() -> None:
    spoilt = [
        replace(w, flags=("clipped",), samples_clipped=7) if n in (3, 17) else w
        for n, w in enumerate(windows(TICK_NS, 30, constant))
    ]
    made = aggregate(spoilt)
    assert [t.samples_clipped for t in made["150/180-cycle"]] == [7, 7]
    assert [made[name][0].samples_clipped for name in ("10min", "2h")] == [14, 14]


def test_samples_lost_over_a_tick_count_where_they_were_lost() -> None:
    before = list(windows(TICK_NS - 100 * S, 495, constant))
    hole = gap(before[-1].end_ns, 4.0, before[-1].end_s, lost=16_000)
    after = list(windows(hole.end_ns, 100, constant, clock_s=hole.end_s))
    made = aggregate([*before, hole, *after])
    assert [(t.flags, t.samples_lost) for t in made["10min"]] == [
        (("gap", "short"), 4000),
        (("gap", "short"), 12_000),
    ]


def test_a_gap_is_flagged_counted_and_not_filled() -> None:
    before = list(windows(TICK_NS, 20, constant))
    hole = gap(before[-1].end_ns, 1.0, before[-1].end_s, lost=4000)
    after = list(windows(hole.end_ns, 2975 + 5, constant, clock_s=hole.end_s))
    made = aggregate([*before, hole, *after])
    first, second, third = made["150/180-cycle"][:3]
    assert (first.flags, second.flags, third.flags) == ((), ("gap",), ())
    assert second.completeness == pytest.approx(10 / 15)
    assert second.samples_lost == 4000
    whole, rest = made["10min"]
    assert (whole.flags, rest.flags) == (("gap",), ("short",))
    assert whole.completeness == pytest.approx(599 / 600, abs=4e-4)
    assert whole.values["V1r"] == pytest.approx(230.0)


def test_a_gap_over_ticks_leaves_whole_intervals_out() -> None:
    before = list(windows(TICK_NS, 20, constant))
    hole = gap(before[-1].end_ns, 1500.0, before[-1].end_s)
    after = list(windows(hole.end_ns, 20, constant, clock_s=hole.end_s))
    made = aggregate([*before, hole, *after])
    assert [(t.end_ns - TICK_NS) / S for t in made["10min"]] == [600.0, pytest.approx(1508.0)]
    assert [t.flags for t in made["10min"]] == [("gap",), ("gap", "short")]
    assert [t.completeness for t in made["10min"]] == [pytest.approx(4 / 600), pytest.approx(4 / 600)]
    assert made["2h"][0].values["V1r"] == pytest.approx(230.0)


def test_a_clock_that_is_set() -> None:
    one = list(windows(TICK_NS + 590 * S, 40, lambda n: {"V1r": 100.0}))
    back = list(windows(TICK_NS + 500 * S, 40, lambda n: {"V1r": 300.0}, clock_s=13.0))
    far = list(windows(TICK_NS + 9000 * S, 40, lambda n: {"V1r": 500.0}, clock_s=21.0))
    made = aggregate([*one, *back, *far])
    assert [t.values["V1r"] for t in made["10min"]] == [pytest.approx(v) for v in (math.sqrt(50000), 500.0)]
    assert all("short" in t.flags for t in made["10min"])
    assert len(made["2h"]) == 2


def test_nothing_comes_of_nothing() -> None:
    assert aggregate([]) == {"150/180-cycle": [], "10min": [], "2h": []}
    assert aggregate([gap(TICK_NS, 5000.0, 0.0)]) == {"150/180-cycle": [], "10min": [], "2h": []}
