"""Means of 10 minutes of a module's own readings: what counts, what stays unknown, when there are none."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable

import pytest

from app.community.anonymise import anonymise, why_left_out
from app.readings_means import LEAST_SHARE, LONGEST_S, MeanOfReadings, ReadingsMeans
from app.readings_measurement import measurement_of
from device_io.mqtt.plain_module import plain_info
from device_io.source import ModuleInfo, Readings
from dsp.measurement import Measurement

TICK_S = 1_700_000_400
INFO = ModuleInfo("2462ABFFFE1A2B3C", "3PN-PowerMonitor1", "3P+N", "1.4.0", (), frozenset(["readings"]))
ONE = INFO._replace(type="1P-PowerMonitor1", system="1P")


def values(system: str = "3P+N", **changed: float | None) -> dict[str, float | None]:
    found: dict[str, float | None] = {"Fqai": 50.0, "Pc": 1000.0}
    for p in "123" if system.startswith("3") else "1":
        found |= {f"V{p}r": 231.0, f"I{p}r": 2.0, f"THV{p}": 2.31, f"THI{p}": 12.4, f"{p}V1": 100.0, f"{p}I1": 100.0}
        found |= {f"{p}V{order}": 5.53 / order for order in range(2, 41)}
        found |= {f"{p}I{order}": 9.17 / order for order in range(2, 41)}
    return found | changed


def reading(at_s: float, info: ModuleInfo = INFO, flags: tuple[str, ...] = (), **changed: float | None) -> Measurement:
    return measurement_of(Readings(None, round(at_s * 1e9), values(info.system, **changed), flags), info)


def means(readings: Iterable[Measurement], info: ModuleInfo = INFO) -> list[MeanOfReadings]:
    made = ReadingsMeans(info)
    return [ten for one in readings for ten in made.add(one)]


def interval(period_s: float = 5.0, info: ModuleInfo = INFO, **changed: float | None) -> list[Measurement]:
    """Readings of the 10 minutes from TICK_S on, and the first of the next."""
    count = math.floor(600.0 / period_s) + 1
    return [reading(TICK_S + (n + 1) * period_s, info, **changed) for n in range(count)]


@pytest.mark.parametrize("period_s", [1.0, 2.0, 5.0, LONGEST_S])
def test_readings_make_a_mean_on_the_clock(period_s: float) -> None:
    (ten,) = means(interval(period_s))
    assert (ten.window, ten.flags, ten.completeness) == ("10min", (), 1.0)
    assert ten.end_ns == (TICK_S + 600) * 10**9
    assert why_left_out(ten) is None
    assert ten.values["THV1"] == pytest.approx(2.31)
    assert ten.values["2V5"] == pytest.approx(5.53 / 5)
    assert ten.values["Pc"] == pytest.approx(1000.0)
    assert ten.values["SPc"] is None, "it was not told"


def test_each_kind_has_its_mean() -> None:
    chance = random.Random(5)
    told = [(chance.uniform(1.0, 4.0), chance.uniform(-500.0, 3000.0), chance.uniform(1.0, 9.0)) for _ in range(601)]
    (ten,) = means(
        reading(TICK_S + n + 1, THV1=thv, Pc=watts, I1r=amperes, SPc=5.0)
        for n, (thv, watts, amperes) in enumerate(told)
    )
    squares = math.sqrt(sum(thv**2 for thv, _, _ in told[:600]) / 600)
    assert ten.values["THV1"] == pytest.approx(squares)
    assert ten.values["Pc"] == pytest.approx(sum(watts for _, watts, _ in told[:600]) / 600)
    amperes = math.sqrt(sum(a**2 for _, _, a in told[:600]) / 600)
    assert ten.values["SPc"] == pytest.approx(231.0 * (amperes + 4.0)), "U times I of the whole, not a mean of means"


@pytest.mark.parametrize("period_s", [11.2, 20.0, 60.0])
def test_readings_that_are_too_rare_make_none(period_s: float) -> None:
    (ten,) = means(interval(period_s))
    assert ten.flags == ("short",)
    assert ten.completeness == pytest.approx(min(LONGEST_S / period_s, 1.0), abs=0.02)


@pytest.mark.parametrize(("lost", "is_whole"), [(59, True), (75, False)])
def test_some_may_be_lost(lost: int, is_whole: bool) -> None:
    """In one piece, of which the first seconds are covered by the reading that ends it."""
    readings = interval(1.0)
    del readings[200 : 200 + lost + round(LONGEST_S) - 1]
    (ten,) = means(readings)
    assert ("short" not in ten.flags) == is_whole
    assert 1.0 - lost / 600 == pytest.approx(LEAST_SHARE, abs=0.03)


def test_flagged_readings_do_not_count() -> None:
    def of(bad: range) -> MeanOfReadings:
        readings = [
            reading(TICK_S + 5 * n + 5, flags=("suspect",), THV1=90.0) if n in bad else one
            for n, one in enumerate(interval())
        ]
        (ten,) = means(readings)
        return ten

    few = of(range(20, 30))
    assert few.flags == ()
    assert few.values["THV1"] == pytest.approx(2.31)
    assert of(range(20, 40)).flags == ("short",)


@pytest.mark.parametrize(("rms_v", "flag"), [(200.0, "dip"), (260.0, "swell")])
def test_a_voltage_beyond_the_thresholds_spoils_the_ten_minutes(rms_v: float, flag: str) -> None:
    readings = interval()
    readings[60] = reading(TICK_S + 305, V2r=rms_v)
    (ten,) = means(readings)
    assert ten.flags == (flag,)


def test_what_nobody_measured_is_unknown() -> None:
    (ten,) = means(interval(THV2=0.0, THI3=0.0, **{f"2V{order}": 0.0 for order in range(2, 41)}))
    assert ten.values["THV2"] is None
    assert ten.values["2V5"] is None
    assert ten.values["3I3"] is None
    assert ten.values["3V3"] is not None


@pytest.mark.parametrize(("frequency_hz", "last"), [(50.0, 39), (60.0, 33), (49.4, 40)])
def test_orders_beyond_the_band_are_unknown(frequency_hz: float, last: int) -> None:
    """Over WiFi they are sent as 0."""
    (ten,) = means(interval(Fqai=frequency_hz))
    assert [order for order in range(2, 41) if ten.values[f"1V{order}"] is not None] == list(range(2, last + 1))


def test_whole_percents_are_too_coarse() -> None:
    whole = {f"1V{order}": float(5 // order) for order in range(2, 41)}
    (ten,) = means(interval(THV1=2.0, **whole))
    assert ten.values["THV1"] is None
    assert ten.values["1V3"] is None
    assert ten.values["THV2"] == pytest.approx(2.31)


def test_one_phase_says_nothing_of_the_others() -> None:
    (ten,) = means(interval(info=ONE), ONE)
    sent = anonymise(ten)
    assert sent.type == "1P-PowerMonitor1"
    assert sent.values["THV1"] == 2.31
    assert sent.values["THV2"] is None


@pytest.mark.parametrize("alone", [True, False])
def test_a_module_that_does_not_tell_its_wiring(alone: bool) -> None:
    info = plain_info("2462ABFFFE1A2B3C")
    others = dict.fromkeys(("V2r", "V3r", "THV2", "THV3"), 0.0) if alone else {}
    (ten,) = means(interval(info=info, **others), info)
    assert ten.flags == ()
    assert anonymise(ten).type == ("1P-PowerMonitor1" if alone else "3PN-PowerMonitor1")


def test_a_three_phase_module_without_a_phase_is_left_out() -> None:
    assert means(interval(V3r=0.0)) == []


@pytest.mark.parametrize("step_s", [-3600.0, -61.0, -6.0, 80.0, 3600.0])
def test_a_clock_that_is_set_spoils_what_is_under_way(step_s: float) -> None:
    """It never gives ten minutes twice, nor any that were not measured."""
    given: list[MeanOfReadings] = []
    made = ReadingsMeans(INFO)
    for n in range(300):
        given += made.add(reading(TICK_S + 5 * n + 0.5 + (step_s if n >= 90 else 0.0)))
    whole = [ten.end_ns // 10**9 for ten in given if not ten.flags]
    assert len(set(whole)) == len(whole)
    first = {ten.end_ns: ten.flags for ten in given}.get((TICK_S + 600) * 10**9)
    assert first is None or "short" in first


def test_what_is_under_way_is_not_whole() -> None:
    made = ReadingsMeans(INFO)
    for one in interval()[:114]:
        assert made.add(one) == []
    (ten,) = made.finish()
    assert ten.flags == ("short",)
    assert ten.completeness == pytest.approx(0.95)
    assert made.finish() == []


def test_nothing_finer_than_ten_minutes_leaves() -> None:
    random_values = random.Random(3)
    (ten,) = means(reading(TICK_S + n + 1, THV1=random_values.uniform(1, 5)) for n in range(601))
    sent = anonymise(ten, ("power", "current-harmonics"))
    assert len(sent.values) == 123
    assert all(value is None or round(value, 2) == value for value in sent.values.values())
