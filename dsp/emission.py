"""Harmonic currents of equipment against IEC 61000-3-2, smoothed as in IEC 61000-4-7."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dsp.compliance import Verdict, worst_verdict
from resources.limits.emission_classes import EmissionRules, EquipmentClass, emission_limits_a, emission_rules
from resources.limits.standards import MAX_ORDER

ROUNDING = 1.0 + 1e-9
"""An average carries the rounding of its sum: a steady current at the limit keeps it."""


@dataclass(frozen=True)
class OrderEmission:
    """One harmonic order, A: the average and the highest of the smoothed values, and the limit of the average.

    remark: why an order passes that exceeds its limit, or why it can't be judged; "" otherwise.
    """

    order: int
    average_a: float | None
    highest_a: float | None
    limit_a: float
    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True)
class Emission:
    """Emission of one phase.

    input_current_a: average rms. power_w, fundamental_a, power_factor: the highest smoothed values, which the limits
    of classes C and D refer to. partial_odd_a, partial_odd_limit_a: partial odd harmonic current (orders 21 to 39) and
    what the limits make of it, None where an order is not measurable or has no limit. remark: "" or why there is no
    limit at all.
    """

    equipment_class: EquipmentClass
    duration_s: float
    missing_pct: float
    input_current_a: float | None
    power_w: float | None
    fundamental_a: float | None
    power_factor: float | None
    partial_odd_a: float | None
    partial_odd_limit_a: float | None
    orders: tuple[OrderEmission, ...]
    verdict: Verdict
    remark: str = ""


def smooth(values: NDArray[np.float64], window_s: float, time_constant_s: float) -> NDArray[np.float64]:
    """First-order smoothing along the first axis, one step a window (IEC 61000-4-7; 1/8.01 a step at 0.2 s and 1.5 s).

    It begins at the first value. A window with NaN gives NaN and leaves the state as it is. window_s > 0.
    """
    share = -np.expm1(-window_s / time_constant_s)
    result = np.full_like(values, np.nan, dtype=np.float64)
    state = np.full(values.shape[1:], np.nan)
    for index, value in enumerate(values):
        known = np.isfinite(value)
        state = np.where(known, np.where(np.isfinite(state), state + share * (value - state), value), state)
        result[index] = np.where(known, state, np.nan)
    return result


def assess_emission(
    equipment_class: EquipmentClass,
    orders_a: NDArray[np.float64],
    rms_a: NDArray[np.float64],
    power_w: NDArray[np.float64],
    apparent_power_va: NDArray[np.float64],
    *,
    window_s: float = 0.2,
    rated_power_w: float | None = None,
    to_order: int = MAX_ORDER,
) -> Emission:
    """Judge the current of one phase by a class of IEC 61000-3-2.

    orders_a: float64 [n, orders + 1] rms of each harmonic group in n windows in succession, index = order, NaN where
    not measurable; subgroups, as `Measurement.orders` has them, are lower where there are interharmonics. rms_a,
    power_w, apparent_power_va: float64 [n]. rated_power_w: replaces the measured power for the limits. to_order: orders
    above it are not judged.

    The average of the smoothed values must not exceed the limit, each of them not 150 % of it. ValueError for shapes
    that do not fit and for power that the class has no limits on file for.
    """
    rules = emission_rules()
    orders_a, rms_a = np.asarray(orders_a, np.float64), np.asarray(rms_a, np.float64)
    power_w, apparent_power_va = np.asarray(power_w, np.float64), np.asarray(apparent_power_va, np.float64)
    count = rms_a.size
    if (
        orders_a.ndim != 2
        or orders_a.shape[1] < 2
        or any(array.shape != (count,) for array in (rms_a, power_w, apparent_power_va, orders_a[:, 0]))
    ):
        raise ValueError("Give one row of orders, one rms current and one active and apparent power for each window.")
    smoothed = smooth(orders_a, window_s, rules.time_constant_s)
    valid = np.isfinite(rms_a) & np.isfinite(orders_a[:, 1])
    duration_s = float(valid.sum()) * window_s
    average_rms = _average(rms_a)
    powers = smooth(np.stack([power_w, apparent_power_va], axis=1), window_s, rules.time_constant_s)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = _highest(np.abs(powers[:, 0]) / powers[:, 1])
    power = _highest(np.abs(powers[:, 0])) if rated_power_w is None else rated_power_w
    fundamental = _highest(smoothed[:, 1])

    found = Emission(
        equipment_class=equipment_class,
        duration_s=duration_s,
        missing_pct=100.0 * (1.0 - float(valid.mean())) if count else 100.0,
        input_current_a=average_rms,
        power_w=power,
        fundamental_a=fundamental,
        power_factor=factor,
        partial_odd_a=None,
        partial_odd_limit_a=None,
        orders=(),
        verdict="not enough data",
        remark="current or power was not measurable",
    )
    if average_rms is None or power is None or fundamental is None or factor is None:
        return found
    limits = emission_limits_a(equipment_class, power_w=power, fundamental_a=fundamental, power_factor=factor)
    if not limits:
        return replace(found, verdict="pass", remark="no limits apply to this power")
    averages = {order: _average(smoothed[:, order]) for order in range(2, orders_a.shape[1])}
    highest = {order: _highest(smoothed[:, order]) for order in averages}
    partial = _partial([averages.get(order) for order in rules.partial_odd])
    partial_limit = _partial([limits.get(order) for order in rules.partial_odd])
    relieved = partial is not None and partial_limit is not None and partial <= partial_limit * ROUNDING
    enough = (
        duration_s * ROUNDING >= rules.minimum_duration_s and valid.sum() * 100.0 >= rules.minimum_coverage_pct * count
    )
    least_a = max(rules.disregard_pct / 100.0 * average_rms, rules.disregard_a)
    judged = tuple(
        _judge(rules, order, averages.get(order), highest.get(order), limit, least_a, relieved, enough)
        for order, limit in limits.items()
        if order <= to_order
    )
    return replace(
        found,
        partial_odd_a=partial,
        partial_odd_limit_a=partial_limit,
        orders=judged,
        verdict=worst_verdict(result.verdict for result in judged),
        remark="",
    )


def _judge(
    rules: EmissionRules,
    order: int,
    average_a: float | None,
    highest_a: float | None,
    limit_a: float,
    least_a: float,
    relieved: bool,
    enough: bool,
) -> OrderEmission:
    if average_a is None or highest_a is None:
        return OrderEmission(order, None, None, limit_a, "not enough data", "not measurable")
    remark = ""
    allowed_a = limit_a * ROUNDING
    too_high = highest_a > allowed_a * rules.highest_pct / 100.0 and highest_a >= least_a
    too_much = average_a > allowed_a
    if too_much and average_a < least_a:
        too_much, remark = False, "too small to count"
    elif (
        too_much and relieved and order in rules.partial_odd and average_a <= allowed_a * rules.partial_odd_pct / 100.0
    ):
        too_much, remark = False, "the partial odd harmonic current keeps its limit"
    # One smoothed value too high is a fail however short the observation; an average needs all of it.
    if too_high:
        return OrderEmission(order, average_a, highest_a, limit_a, "fail")
    if not enough:
        return OrderEmission(order, average_a, highest_a, limit_a, "not enough data", "observed too briefly")
    return OrderEmission(order, average_a, highest_a, limit_a, "fail" if too_much else "pass", remark)


def _average(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else None


def _highest(values: NDArray[np.float64]) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else None


def _partial(values: list[float | None]) -> float | None:
    """Root of the sum of squares; None where one is unknown."""
    known = [value for value in values if value is not None]
    return float(np.sqrt(np.sum(np.square(known)))) if len(known) == len(values) else None
