"""Statistics and verdicts: the aggregates of a week against EN 50160, IEC 61000-2-2 or IEEE 519.

A share is counted as the standards do: N exceeding over N counted, flagged intervals excluded from both. The "95 %
value" is by nearest rank: the smallest measured value that at least 95 % of the counted intervals do not exceed, so
that it keeps the limit exactly when no more than 5 % of them exceed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp.measurement import ORDERS, Measurement
from resources.limits.standards import MAX_ORDER, Criterion, Period, Requirement, Standard
from resources.parameters import keys_for
from resources.systems import WiringSystem, phases_of

Verdict = Literal["pass", "fail", "not enough data"]

INTERVAL_NS = {"10s": 10 * 10**9, "150/180-cycle": 3 * 10**9, "10min": 600 * 10**9, "2h": 7200 * 10**9}
"""Nominal length of an interval."""
DAY_NS = 86_400 * 10**9
PERIODS: dict[Period, int] = {"day": 7, "week": 1}
"""How many of a period are in a week."""
SHARES_PCT = (95.0, 99.0, 99.5, 100.0)
"""Shares that statistics are given for."""
FLAGGING = frozenset({"dip", "swell", "interruption"})
"""Flags that exclude an interval (IEC 61000-4-30, flagging concept)."""
_ABOVE_0 = "Give the nominal voltage or the demand current as a number above 0."


@dataclass(frozen=True)
class Series:
    """Aggregates of one kind.

    times_ns: int64 [n] UTC of the END of each interval, increasing. values: {key: float64 [n]}, NaN or None where not
    measurable. flagged: bool [n], whether a dip, swell or interruption was in it. ValueError where these do not fit.
    """

    times_ns: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]
    flagged: NDArray[np.bool_]

    def __post_init__(self) -> None:
        times = np.asarray(self.times_ns, np.int64)
        values = {key: np.asarray(value, np.float64) for key, value in self.values.items()}
        flagged = np.asarray(self.flagged, np.bool_)
        if times.ndim != 1 or any(array.shape != times.shape for array in (flagged, *values.values())):
            raise ValueError("Give times, flags and all values of a series as arrays of the same length.")
        if np.any(np.diff(times) <= 0):
            raise ValueError("Give the intervals of a series in the order of their times, each once.")
        object.__setattr__(self, "times_ns", times)
        object.__setattr__(self, "values", MappingProxyType(values))
        object.__setattr__(self, "flagged", flagged)


@dataclass(frozen=True)
class Outcome:
    """One criterion for one key in one day or week.

    low, high: the limits in the unit of the key. start_ns: UTC of the start of the period. expected: intervals that
    the period has; counted: those that the verdict rests on; flagged: left out; missing: absent or not measurable.
    exceeding: counted intervals beyond a limit. within_pct: share of the counted within the limits.
    at_most: {share %: value that this share of the counted does not exceed}; at_least: the same from the other side.
    worst, worst_ns: the value furthest beyond a limit or nearest to it, and when. None and {} where nothing counts.
    """

    criterion: Criterion
    low: float | None
    high: float | None
    start_ns: int
    verdict: Verdict
    expected: int
    counted: int
    flagged: int
    missing: int
    exceeding: int
    within_pct: float | None
    at_most: Mapping[float, float]
    at_least: Mapping[float, float]
    worst: float | None
    worst_ns: int | None


@dataclass(frozen=True)
class Result:
    """All criteria of one requirement for one key."""

    key: str
    requirement: Requirement
    outcomes: tuple[Outcome, ...]

    @property
    def verdict(self) -> Verdict:
        return worst_verdict(outcome.verdict for outcome in self.outcomes)


@dataclass(frozen=True)
class Assessment:
    """A standard applied to a week. to_order: the last harmonic order that was asked for."""

    standard: Standard
    start_ns: int
    end_ns: int
    to_order: int
    results: tuple[Result, ...]

    @cached_property
    def verdict(self) -> Verdict:
        """ "fail" if anything fails, else "not enough data" if that holds for anything, else "pass"."""
        return worst_verdict(result.verdict for result in self.results)

    def of(self, key: str) -> Result:
        """The result for a key. KeyError where it was not assessed."""
        for result in self.results:
            if result.key == key:
                return result
        raise KeyError(key)


def assess(
    standard: Standard,
    series: Mapping[str, Series],
    *,
    system: WiringSystem,
    nominal_voltage_v: float = 230.0,
    nominal_frequency_hz: float = 50.0,
    start_ns: int | None = None,
    to_order: int = MAX_ORDER,
    include_flagged: bool = False,
) -> Assessment:
    """Hold a week of aggregates against a standard.

    series: {window name: Series}; intervals outside the week are ignored, absent ones are missing.
    nominal_voltage_v: what V1r is compared with. start_ns: UTC of the start of the week; without it, the start of the
    first interval. to_order: orders above it are not assessed (give the last order of the band). include_flagged:
    count flagged intervals like the others. ValueError without any interval and start_ns.

    A pass needs `standard.minimum_coverage_pct` of the expected intervals; a fail may come earlier: when more
    intervals exceed than a whole period could excuse.
    """
    if start_ns is None:
        starts = [int(s.times_ns[0]) - INTERVAL_NS[window] for window, s in series.items() if s.times_ns.size]
        if not starts:
            raise ValueError("There is no interval to assess; give at least one, or the start of the week.")
        start_ns = min(starts)
    nominal = {"": 100.0, "nominal voltage": nominal_voltage_v, "nominal frequency": nominal_frequency_hz}
    results = []
    for requirement, key in _keys(standard, system, to_order):
        outcomes = tuple(
            outcome
            for criterion in requirement.criteria
            if criterion.low is not None or criterion.high is not None
            for outcome in _outcomes(
                standard,
                criterion,
                nominal[requirement.relative_to] if requirement.relative_to else None,
                series.get(criterion.window),
                key,
                start_ns,
                include_flagged,
            )
        )
        results.append(Result(key, requirement, outcomes))
    return Assessment(standard, start_ns, start_ns + 7 * DAY_NS, to_order, tuple(results))


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """ "fail" before "not enough data" before "pass"; nothing at all is not enough."""
    found = set(verdicts)
    if "fail" in found:
        return "fail"
    return "pass" if found == {"pass"} else "not enough data"


def rank(count: int, share_pct: float) -> int:
    """How many of `count` intervals make `share_pct`, rounded up, without the rounding of binary fractions."""
    return -(-count * round(share_pct * 1000) // 100_000)


def series_of(
    measurements: Iterable[Measurement],
    minimum_completeness: float = 0.9,
    *,
    nominal_voltage_v: float | None = None,
    demand_current_a: float | None = None,
) -> Series:
    """Series of the measurements of one window length, in any order.

    Of those with the same time the first counts. minimum_completeness: share of an interval that must have been
    measured, else its values are left out as missing. nominal_voltage_v, demand_current_a: give voltage harmonics and
    THD, current harmonics and TDDp in % of these, as IEEE 519 wants them, by the volts and amperes of the harmonics:
    those in % of the fundamental do not tell them where that varies within an interval.
    """
    references = {"V": nominal_voltage_v, "I": demand_current_a}
    if not all(reference is None or reference > 0 for reference in references.values()):
        raise ValueError(_ABOVE_0)
    ordered: dict[int, Measurement] = {}
    for measurement in sorted(measurements, key=lambda m: m.end_ns):
        ordered.setdefault(measurement.end_ns, measurement)
    kept = list(ordered.values())
    columns: dict[str, NDArray[np.float64]] = {}
    for key in dict.fromkeys(key for m in kept for key in m.values):
        rows = [m.values.get(key) if m.completeness >= minimum_completeness else None for m in kept]
        columns[key] = np.array([np.nan if value is None else value for value in rows], np.float64)
    columns |= _referred(kept, references, minimum_completeness)
    flagged = np.array([not FLAGGING.isdisjoint(m.flags) for m in kept], np.bool_)
    return Series(np.array(list(ordered), np.int64), columns, flagged)


def _referred(
    measurements: Sequence[Measurement], references: Mapping[str, float | None], minimum_completeness: float
) -> dict[str, NDArray[np.float64]]:
    """Columns of the harmonics of the phases in % of {"V": V or None, "I": A or None}; NaN where not measurable."""
    columns: dict[str, NDArray[np.float64]] = {}
    lasts = np.array([m.band.thd_to for m in measurements])
    for channel in dict.fromkeys(channel for m in measurements for channel in m.orders):
        reference = references.get(channel[0])
        if reference is None or channel == "IN":
            continue
        shares = np.full((len(measurements), ORDERS + 1), np.nan)
        for row, m in zip(shares, measurements, strict=True):
            if channel in m.orders and m.completeness >= minimum_completeness:
                row[:] = 100.0 * m.orders[channel] / reference
        columns |= {f"{channel[1]}{channel[0]}{h}": shares[:, h] for h in range(1, ORDERS + 1)}
        counts = (np.arange(ORDERS + 1) >= 2) & (np.arange(ORDERS + 1) <= lasts[:, None])
        total = np.sqrt(np.where(counts, shares * shares, 0.0).sum(axis=1))
        total[lasts < 2] = np.nan
        columns |= {f"{name}{channel[1]}": total for name in (("THV",) if channel[0] == "V" else ("THI", "TDD"))}
    return columns


def in_pct_of_nominal(series: Series, nominal_voltage_v: float) -> Series:
    """Voltage harmonics and THD in % of the nominal voltage, as IEEE 519 wants them, instead of the fundamental.

    The fundamental follows from rms voltage and THD of the same interval. For stored values; where there are
    measurements, series_of does it better.
    """
    return _rescaled(series, "V", "THV", nominal_voltage_v)


def in_pct_of_demand(series: Series, demand_current_a: float) -> Series:
    """Current harmonics in % of the maximum demand current IL (A), and TDDp beside them (IEEE 519).

    TDD goes to the order that THD goes to. For stored values of a load that is steady within an interval; where there
    are measurements, series_of does it better.
    """
    scaled = _rescaled(series, "I", "THI", demand_current_a)
    totals = {key.replace("THI", "TDD"): value for key, value in scaled.values.items() if key.startswith("THI")}
    return Series(scaled.times_ns, {**scaled.values, **totals}, scaled.flagged)


def _rescaled(series: Series, letter: str, thd: str, reference: float) -> Series:
    if not reference > 0:
        raise ValueError(_ABOVE_0)
    absent = np.full(series.times_ns.size, np.nan)
    values = dict(series.values)
    for phase in "123":
        rms, distortion = (series.values.get(key, absent) for key in (f"{letter}{phase}r", f"{thd}{phase}"))
        share = rms / np.sqrt(1.0 + (distortion / 100.0) ** 2) / reference
        pattern = re.compile(rf"{phase}{letter}\d+|{thd}{phase}")
        values |= {key: value * share for key, value in series.values.items() if pattern.fullmatch(key)}
    return Series(series.times_ns, values, series.flagged)


def _keys(standard: Standard, system: WiringSystem, to_order: int) -> Iterator[tuple[Requirement, str]]:
    existing = set(keys_for(system))
    for requirement in standard.requirements:
        if requirement.order is not None and requirement.order > to_order:
            continue
        keys = dict.fromkeys(requirement.key.replace("p", str(phase)) for phase in phases_of(system))
        yield from ((requirement, key) for key in keys if key in existing)


def _outcomes(
    standard: Standard,
    criterion: Criterion,
    nominal: float | None,
    series: Series | None,
    key: str,
    week_ns: int,
    include_flagged: bool,
) -> Iterator[Outcome]:
    """One for each period of the week."""
    low, high = (
        limit if limit is None or nominal is None else nominal * limit / 100.0
        for limit in (criterion.low, criterion.high)
    )
    length_ns = 7 * DAY_NS // PERIODS[criterion.period]
    expected = length_ns // INTERVAL_NS[criterion.window]
    for number in range(PERIODS[criterion.period]):
        start_ns = week_ns + number * length_ns
        times, values = np.empty(0, np.int64), np.empty(0)
        flagged = 0
        if series is not None:
            first, last = np.searchsorted(series.times_ns, [start_ns, start_ns + length_ns], side="right")
            part = slice(first, last)
            out = series.flagged[part] & (not include_flagged)
            column = series.values.get(key)
            valid = ~out & np.isfinite(column[part]) if column is not None else np.zeros_like(out)
            times = series.times_ns[part][valid]
            values = column[part][valid] if column is not None else values
            flagged = int(out.sum())
        yield _outcome(standard, criterion, low, high, start_ns, expected, flagged, times, values)


def _outcome(
    standard: Standard,
    criterion: Criterion,
    low: float | None,
    high: float | None,
    start_ns: int,
    expected: int,
    flagged: int,
    times: NDArray[np.int64],
    values: NDArray[np.float64],
) -> Outcome:
    counted = values.size
    excess = np.maximum(
        values - high if high is not None else -np.inf,
        low - values if low is not None else -np.inf,
    )
    exceeding = int(np.count_nonzero(excess > 0.0 if criterion.inclusive else excess >= 0.0))
    enough = (
        counted > 0
        and (counted + flagged) * 100.0 >= standard.minimum_coverage_pct * expected
        and counted * 100.0 >= standard.minimum_counted_pct * expected
    )
    base = counted if enough else max(counted, expected)
    verdict: Verdict = "pass" if enough else "not enough data"
    if exceeding > base - rank(base, criterion.fraction_pct):
        verdict = "fail"
    ordered = np.sort(values)
    shares = sorted({*SHARES_PCT, criterion.fraction_pct}) if counted else []
    ranks = {share: rank(counted, share) for share in shares}
    worst = int(np.argmax(excess)) if counted else None
    return Outcome(
        criterion=criterion,
        low=low,
        high=high,
        start_ns=start_ns,
        verdict=verdict,
        expected=expected,
        counted=counted,
        flagged=flagged,
        missing=max(expected - counted - flagged, 0),
        exceeding=exceeding,
        within_pct=100.0 * (counted - exceeding) / counted if counted else None,
        at_most={share: float(ordered[place - 1]) for share, place in ranks.items()},
        at_least={share: float(ordered[counted - place]) for share, place in ranks.items()},
        worst=None if worst is None else float(values[worst]),
        worst_ns=None if worst is None else int(times[worst]),
    )
