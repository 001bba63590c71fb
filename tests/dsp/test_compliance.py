"""Statistics and verdicts of a week: truth counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.compliance import (
    Series,
    assess,
    in_pct_of_demand,
    in_pct_of_nominal,
    rank,
    series_of,
    worst_verdict,
)
from dsp.measurement import Band, Measurement
from resources.limits.standards import en50160, iec61000_2_2, ieee519_current, ieee519_voltage

MONDAY_NS = 1_700_438_400 * 10**9
LENGTH_S = {"10s": 10, "150/180-cycle": 3, "10min": 600, "2h": 7200}
WEEK_S = 604_800
GOOD = {"Fq10": 50.0, "u2": 0.5, "u0": 0.5}
GOOD |= {f"V{p}r": 230.0 for p in (1, 2, 3)} | {f"Plt{p}": 0.4 for p in (1, 2, 3)} | {f"THV{p}": 2.0 for p in (1, 2, 3)}
GOOD |= {f"{p}V{h}": 0.1 for p in (1, 2, 3) for h in range(2, 41)}


def week(window, intervals=None, flagged=(), **columns):
    """A week of good values but for `columns` (arrays or numbers)."""
    n = WEEK_S // LENGTH_S[window] if intervals is None else intervals
    times = MONDAY_NS + (np.arange(n) + 1) * LENGTH_S[window] * 10**9
    values = {key: np.full(n, good) for key, good in GOOD.items()}
    for key, column in columns.items():
        values[key] = np.broadcast_to(np.asarray(column, float), n).copy()
    mask = np.zeros(n, bool)
    mask[list(flagged)] = True
    return Series(times, values, mask)


def en(system="3P+N", start_ns=MONDAY_NS, island=False, include_flagged=False, nominal=(230.0, 50.0), **changed):
    series = {"10s": week("10s"), "10min": week("10min"), "2h": week("2h")} | changed
    return assess(
        en50160(island),
        series,
        system=system,
        nominal_voltage_v=nominal[0],
        nominal_frequency_hz=nominal[1],
        start_ns=start_ns,
        include_flagged=include_flagged,
    )


def with_first(count, value, good, n):
    column = np.full(n, float(good))
    column[:count] = value
    return column


def test_a_good_week_passes_with_every_interval_counted() -> None:
    found = en()
    assert found.verdict == "pass"
    # frequency, unbalance, three phases of voltage, flicker, THD and 24 orders
    assert len(found.results) == 2 + 3 * 27
    for result in found.results:
        for outcome in result.outcomes:
            expected = {"Fq10": 60_480, "Plt1": 84, "Plt2": 84, "Plt3": 84}.get(result.key, 1008)
            assert (outcome.expected, outcome.counted, outcome.flagged, outcome.missing) == (expected, expected, 0, 0)
            assert outcome.within_pct == 100.0
    assert len(en(system="1P").results) == 1 + 27
    with pytest.raises(KeyError):
        en(system="1P").of("u2")


@pytest.mark.parametrize(("beyond", "verdict"), [(0, "pass"), (50, "pass"), (51, "fail")])
def test_five_percent_of_1008_intervals_are_50(beyond, verdict) -> None:
    found = en(**{"10min": week("10min", **{"2V7": with_first(beyond, 5.001, 5.0, 1008)})})
    outcome = found.of("2V7").outcomes[0]
    assert outcome.exceeding == beyond
    assert outcome.at_most[95.0] == (5.001 if verdict == "fail" else 5.0)
    assert found.of("2V7").verdict == found.verdict == verdict
    assert {r.key for r in found.results if r.verdict == "fail"} == ({"2V7"} if verdict == "fail" else set())


@pytest.mark.parametrize(
    ("key", "window", "limit"),
    [("3V15", "10min", 0.5), ("1V2", "10min", 2), ("THV2", "10min", 8), ("u2", "10min", 2), ("Plt3", "2h", 1)],
)
def test_a_week_exactly_at_the_limit_passes_and_just_above_fails(key, window, limit) -> None:
    assert en(**{window: week(window, **{key: limit})}).of(key).verdict == "pass"
    failed = en(**{window: week(window, **{key: np.nextafter(limit, np.inf)})})
    assert failed.of(key).verdict == "fail"
    assert failed.of(key).outcomes[0].within_pct == 0.0


@pytest.mark.parametrize(
    ("nominal", "inside", "outside"),
    [(230.0, (207.0, 253.0), (206.99, 253.01)), (120.0, (108.0, 132.0), (107.99, 132.01))],
)
def test_voltage_has_two_sides_and_the_limits_belong_to_it(nominal, inside, outside) -> None:
    columns = dict.fromkeys(("V1r", "V2r", "V3r"), nominal)
    half = np.where(np.arange(1008) % 2, *inside)
    found = en(nominal=(nominal, 50.0), **{"10min": week("10min", **columns | {"V2r": half})})
    assert found.verdict == "pass"
    first, second = found.of("V2r").outcomes
    assert (first.low, first.high) == inside
    assert (second.low, second.high) == (pytest.approx(0.85 * nominal), inside[1])
    assert (first.at_least[95.0], first.at_most[95.0]) == inside
    # 26 below and 25 above are 51 of 1008
    beyond = np.full(1008, nominal)
    beyond[:26], beyond[26:51] = outside
    result = en(nominal=(nominal, 50.0), **{"10min": week("10min", **columns | {"V3r": beyond})}).of("V3r")
    assert [o.verdict for o in result.outcomes] == ["fail", "fail"]
    assert [o.exceeding for o in result.outcomes] == [51, 25]
    low_only = np.where(np.arange(1008) < 50, outside[0], nominal)
    result = en(nominal=(nominal, 50.0), **{"10min": week("10min", **columns | {"V1r": low_only})}).of("V1r")
    assert [o.verdict for o in result.outcomes] == ["pass", "pass"]


def test_one_interval_beyond_the_outer_limit_fails_at_once_and_is_named() -> None:
    voltage = np.full(1008, 230.0)
    voltage[400], voltage[600] = 195.4, 252.9
    result = en(**{"10min": week("10min", V1r=voltage)}).of("V1r")
    assert [o.verdict for o in result.outcomes] == ["pass", "fail"]
    assert result.verdict == "fail"
    outer = result.outcomes[1]
    assert outer.worst == 195.4
    assert outer.worst_ns == MONDAY_NS + 401 * 600 * 10**9
    assert (outer.at_least[100.0], outer.at_most[100.0]) == (195.4, 252.9)
    assert outer.within_pct == pytest.approx(100 * 1007 / 1008)


def test_frequency_by_995_permille_and_always() -> None:
    # 0.5 % of 60480 are 302.4: 302 may be outside
    for beyond, verdict in ((302, "pass"), (303, "fail")):
        column = with_first(beyond, 50.51, 50.5, 60_480)
        outcome = en(**{"10s": week("10s", Fq10=column)}).of("Fq10").outcomes[0]
        assert (outcome.exceeding, outcome.verdict) == (beyond, verdict)
    wild = en(**{"10s": week("10s", Fq10=with_first(1, 46.9, 50, 60_480))}).of("Fq10")
    assert [o.verdict for o in wild.outcomes] == ["pass", "fail"]
    assert [o.verdict for o in en(island=True, **{"10s": week("10s", Fq10=46.0)}).of("Fq10").outcomes] == [
        "fail",
        "pass",
    ]
    assert en(nominal=(230.0, 60.0), **{"10s": week("10s", Fq10=60.6)}).of("Fq10").verdict == "pass"


def test_flagged_intervals_are_left_out_and_counted() -> None:
    columns = {"THV1": with_first(60, 20.0, 7.9, 1008)}
    flagged = range(10, 60)
    outcome = en(**{"10min": week("10min", flagged=flagged, **columns)}).of("THV1").outcomes[0]
    assert (outcome.counted, outcome.flagged, outcome.missing, outcome.exceeding) == (958, 50, 0, 10)
    assert outcome.verdict == "pass"
    included = en(include_flagged=True, **{"10min": week("10min", flagged=flagged, **columns)})
    outcome = included.of("THV1").outcomes[0]
    assert (outcome.counted, outcome.flagged, outcome.exceeding, outcome.verdict) == (1008, 0, 60, "fail")


def test_all_flagged_is_not_enough_data() -> None:
    outcome = en(**{"10min": week("10min", flagged=range(1008), u2=9.0)}).of("u2").outcomes[0]
    assert (outcome.verdict, outcome.counted, outcome.flagged, outcome.missing) == ("not enough data", 0, 1008, 0)
    assert (outcome.worst, outcome.worst_ns, outcome.within_pct, dict(outcome.at_most)) == (None, None, None, {})


def test_half_a_week_flagged_is_not_a_pass() -> None:
    for flagged, verdict in ((504, "pass"), (505, "not enough data")):
        found = en(**{"10min": week("10min", flagged=range(flagged))})
        assert found.of("u2").verdict == verdict


@pytest.mark.parametrize(("intervals", "verdict"), [(907, "not enough data"), (908, "pass"), (0, "not enough data")])
def test_nine_tenths_of_the_intervals_have_to_be_there(intervals, verdict) -> None:
    found = en(**{"10min": week("10min", intervals)})
    assert found.of("1V5").verdict == found.verdict == verdict
    outcome = found.of("1V5").outcomes[0]
    assert (outcome.counted, outcome.missing) == (intervals, 1008 - intervals)


def test_too_little_data_can_fail_but_never_pass() -> None:
    def verdict(beyond):
        return en(**{"10min": week("10min", 200, **{"1V5": with_first(beyond, 6.1, 1, 200)})}).of("1V5").verdict

    # 50 intervals of a whole week may exceed: more of them fail, whatever the rest of the week brings
    assert [verdict(n) for n in (0, 11, 50, 51, 200)] == ["not enough data"] * 3 + ["fail"] * 2


def test_values_that_are_not_measurable_are_missing() -> None:
    values = np.full(1008, 1.0)
    values[:60], values[60:101] = np.nan, np.inf
    outcome = en(**{"10min": week("10min", **{"1V5": values})}).of("1V5").outcomes[0]
    assert (outcome.counted, outcome.missing, outcome.verdict) == (907, 101, "not enough data")
    with_none = week("10min", 3)
    series = Series(with_none.times_ns, {"u2": [1.0, None, 2.0]}, with_none.flagged)
    assert np.isnan(series.values["u2"][1])
    without = week("10min")
    del (values := dict(without.values))["u2"]
    found = en(**{"10min": Series(without.times_ns, values, without.flagged)})
    assert found.of("u2").verdict == "not enough data"
    assert en(**{"2h": week("2h", 0)}).of("Plt1").verdict == "not enough data"


def test_only_the_week_counts() -> None:
    n = 1008 * 2
    values = np.full(n, 1.0)
    values[1008:] = 9.0
    two_weeks = week("10min", n, u2=values)
    assert en(**{"10min": two_weeks}).of("u2").outcomes[0].exceeding == 0
    later = en(start_ns=MONDAY_NS + WEEK_S * 10**9, **{"10min": two_weeks}).of("u2").outcomes[0]
    assert (later.counted, later.exceeding) == (1008, 1008)
    assert en(start_ns=None, **{"10min": two_weeks}).start_ns == MONDAY_NS
    with pytest.raises(ValueError, match="at least one"):
        assess(en50160(), {}, system="1P")


def test_orders_beyond_the_band_are_asked_for_or_not() -> None:
    values = {f"{p}V{h}": np.nan for p in (1, 2, 3) for h in range(24, 41)}
    series = {"10s": week("10s"), "10min": week("10min", **values), "2h": week("2h")}
    whole = assess(en50160(), series, system="3P+N", start_ns=MONDAY_NS)
    assert whole.verdict == "not enough data"
    assert {r.requirement.order for r in whole.results if r.verdict != "pass"} == {24, 25}
    measured = assess(en50160(), series, system="3P+N", start_ns=MONDAY_NS, to_order=23)
    assert measured.verdict == "pass"
    assert {r.requirement.order for r in measured.results} == {None, *range(2, 24)}


@pytest.mark.parametrize("day", [0, 6])
def test_very_short_values_are_judged_day_by_day(day) -> None:
    # 1 % of the 28800 values of a day are 288; k(3) = 1.3 - 0.7/45*2, level 5 %
    limit = 5 * (1.3 - 1.4 / 45)
    for beyond, verdict in ((288, "pass"), (289, "fail")):
        column = np.full(7 * 28_800, 1.0)
        column[day * 28_800 : day * 28_800 + beyond] = limit * 1.001
        series = {"10min": week("10min"), "150/180-cycle": week("150/180-cycle", **{"1V3": column})}
        result = assess(iec61000_2_2(), series, system="1P", start_ns=MONDAY_NS, to_order=5).of("1V3")
        assert result.verdict == verdict
        week_long, *days = result.outcomes
        assert (week_long.criterion.window, week_long.verdict, len(days)) == ("10min", "pass", 7)
        assert [o.exceeding for o in days] == [beyond if number == day else 0 for number in range(7)]
        assert days[1].start_ns == MONDAY_NS + 86_400 * 10**9
        assert days[day].high == pytest.approx(limit, abs=1e-4)


def test_ieee519_limits_must_be_undercut() -> None:
    for thd, verdict in ((7.9999, "pass"), (8.0, "fail")):
        series = {"10min": week("10min", THV1=thd), "150/180-cycle": week("150/180-cycle", THV1=thd)}
        found = assess(ieee519_voltage(400), series, system="1P", start_ns=MONDAY_NS)
        assert found.of("THV1").verdict == found.verdict == verdict
        assert [o.verdict for o in found.of("THV1").outcomes] == ["pass"] * 7 + [verdict]


def currents(window, i5_a, i1_a=50.0, thd_pct=10.0):
    """A phase with a fundamental of i1_a and a fifth harmonic of i5_a."""
    n = WEEK_S // LENGTH_S[window]
    rms = i1_a * np.sqrt(1 + (thd_pct / 100) ** 2)
    columns = {"I1r": rms, "THI1": thd_pct} | {f"1I{h}": 0.01 for h in range(2, 41)}
    columns["1I5"] = 100 * np.broadcast_to(i5_a, n) / i1_a
    return in_pct_of_demand(week(window, **columns), 100.0)


def test_ieee519_current_by_percentiles_of_the_demand_current() -> None:
    # Isc/IL 60: order 5 may have 10 A of IL = 100 A in 95 %, 15 A in 99 % of the week, 20 A in 99 % of a day
    def verdicts(short_a, very_short_a):
        series = {"10min": currents("10min", short_a), "150/180-cycle": currents("150/180-cycle", very_short_a)}
        found = assess(ieee519_current(60, 400), series, system="1P", start_ns=MONDAY_NS)
        result = found.of("1I5")
        return {(o.criterion.window, o.criterion.fraction_pct): o.verdict for o in result.outcomes[6:]}, found

    good, found = verdicts(9.99, 19.9)
    assert set(good.values()) == {"pass"}
    assert found.verdict == "pass"
    # 10 % of 50 A in a fundamental of 50 A are 5 A: TDD 5 %
    assert found.of("TDD1").outcomes[-1].at_most[95.0] == pytest.approx(5.0, rel=1e-9)
    eleven_for_a_tenth = np.where(np.arange(1008) < 101, 11.0, 5.0)
    assert verdicts(eleven_for_a_tenth, 1.0)[0] == {
        ("150/180-cycle", 99): "pass",
        ("10min", 99): "pass",
        ("10min", 95): "fail",
    }
    sixteen_for_11 = np.where(np.arange(1008) < 11, 16.0, 5.0)
    assert [v for k, v in verdicts(sixteen_for_11, 1.0)[0].items() if k[0] == "10min"] == ["fail", "pass"]
    assert verdicts(5.0, 20.1)[0][("150/180-cycle", 99)] == "fail"


def test_voltages_in_percent_of_the_nominal() -> None:
    # fundamental 240 V, third harmonic 12 V: 5 % of it, 12/230 of the nominal voltage
    series = week("10min", 4, V1r=np.sqrt(240.0**2 + 12.0**2), THV1=5.0, **{"1V3": 5.0})
    scaled = in_pct_of_nominal(series, 230.0)
    assert scaled.values["1V3"] == pytest.approx(1200 / 230, rel=1e-12)
    assert scaled.values["THV1"] == pytest.approx(1200 / 230, rel=1e-12)
    assert scaled.values["V1r"][0] == series.values["V1r"][0]
    assert series.values["1V3"][0] == 5.0
    unknown = Series(series.times_ns, {"1V3": series.values["1V3"]}, series.flagged)
    assert np.isnan(in_pct_of_nominal(unknown, 230.0).values["1V3"]).all()
    with pytest.raises(ValueError, match="above 0"):
        in_pct_of_demand(series, 0.0)


def test_series_that_do_not_fit_are_refused() -> None:
    times = np.array([1, 2, 3])
    for wrong in (
        lambda: Series(times, {"u2": np.ones(2)}, np.zeros(3, bool)),
        lambda: Series(times, {"u2": np.ones(3)}, np.zeros(4, bool)),
        lambda: Series(times[::-1], {"u2": np.ones(3)}, np.zeros(3, bool)),
        lambda: Series(np.array([1, 1, 2]), {"u2": np.ones(3)}, np.zeros(3, bool)),
    ):
        with pytest.raises(ValueError, match="series"):
            wrong()


def measurement(end_s, flags=(), completeness=1.0, **values):
    return Measurement(
        end_ns=end_s * 10**9,
        start_s=0.0,
        end_s=600.0,
        system="1P",
        window="10min",
        flags=flags,
        band=Band(32, 39, 39),
        values=values,
        completeness=completeness,
    )


def test_series_of_measurements() -> None:
    series = series_of(
        [
            measurement(1800, ("clipped",), u2=3.0),
            measurement(600, ("dip", "clipped"), u2=1.0, V1r=230.0),
            measurement(1200, u2=None, V1r=231.0),
            measurement(1200, u2=7.0),
            measurement(2400, ("gap",), 0.89, u2=4.0),
        ]
    )
    assert series.times_ns.tolist() == [t * 10**9 for t in (600, 1200, 1800, 2400)]
    assert series.flagged.tolist() == [True, False, False, False]
    assert np.array_equal(series.values["u2"], [1, np.nan, 3, np.nan], equal_nan=True)
    assert np.array_equal(series.values["V1r"], [230, 231, np.nan, np.nan], equal_nan=True)
    assert series_of([]).times_ns.size == 0


def test_the_worst_verdict_wins() -> None:
    assert worst_verdict(["pass", "not enough data", "fail"]) == "fail"
    assert worst_verdict(["pass", "not enough data"]) == "not enough data"
    assert worst_verdict(["pass", "pass"]) == "pass"
    assert worst_verdict([]) == "not enough data"


def test_ranks_are_exact() -> None:
    assert [rank(n, 95) for n in (0, 1, 19, 20, 21, 100, 1008)] == [0, 1, 19, 19, 20, 95, 958]
    assert [rank(n, 99.5) for n in (1, 199, 200, 201, 1000, 60_480)] == [1, 199, 199, 200, 995, 60_178]
    assert [rank(n, 100) for n in (1, 7, 1008)] == [1, 7, 1008]


@settings(max_examples=60, deadline=None)
@given(
    beyond=st.integers(30, 70),
    unknown=st.integers(0, 120),
    flagged=st.integers(0, 60),
    absent=st.integers(0, 120),
    seed=st.integers(0, 1000),
)
def test_the_95_percent_value_and_the_count_agree(beyond, unknown, flagged, absent, seed) -> None:
    values = np.full(1008 - absent, 2.0)
    values[:beyond] = 2.1
    values[beyond : beyond + unknown] = np.nan
    values = np.random.default_rng(seed).permutation(values)
    series = week("10min", values.size, flagged=range(flagged), u2=values)
    outcome = en(**{"10min": series}).of("u2").outcomes[0]
    counted = [v for v in values[flagged:] if not np.isnan(v)]
    over = sum(v > 2.0 for v in counted)
    assert (outcome.counted, outcome.exceeding, outcome.flagged) == (len(counted), over, flagged)
    assert outcome.flagged + outcome.counted + outcome.missing == 1008
    if len(counted) + flagged >= 0.9 * 1008:
        assert outcome.verdict == ("pass" if over * 20 <= len(counted) else "fail")
        assert (outcome.at_most[95.0] <= 2.0) == (outcome.verdict == "pass")
    else:
        assert outcome.verdict == ("fail" if over > 50 else "not enough data")
