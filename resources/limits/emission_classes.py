"""Limits of harmonic currents of equipment up to 16 A a phase (IEC 61000-3-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from resources.limits.document import Status, load, sources, worst_status

EquipmentClass = Literal["A", "B", "C", "D"]


@dataclass(frozen=True)
class EmissionRules:
    """How emission is judged.

    time_constant_s: of the smoothing (IEC 61000-4-7). highest_pct: of the limit, for every smoothed value.
    disregard_pct, disregard_a: currents below this share of the input current, or below this, are left out; the
    greater counts. partial_odd: orders whose average may reach partial_odd_pct of the limit if their partial odd
    harmonic current keeps its own. minimum_coverage_pct, minimum_duration_s: least data for a pass.
    """

    name: str
    edition: str
    note: str
    time_constant_s: float
    highest_pct: float
    disregard_pct: float
    disregard_a: float
    partial_odd: tuple[int, ...]
    partial_odd_pct: float
    minimum_coverage_pct: float
    minimum_duration_s: float
    status: Status
    source: str


@cache
def emission_rules() -> EmissionRules:
    """Rules of IEC 61000-3-2."""
    document = load("iec61000-3-2")
    rules = document["evaluation"]
    odd = rules["higher_odd"]
    return EmissionRules(
        name=document["name"],
        edition=document["edition"],
        note=document["note"],
        time_constant_s=float(document["smoothing"]["time_constant_s"]),
        highest_pct=float(rules["highest"]["highest_pct_of_limit"]),
        disregard_pct=float(rules["disregarded"]["below_pct_of_input_current"]),
        disregard_a=float(rules["disregarded"]["below_a"]),
        partial_odd=tuple(range(int(odd["from_order"]), int(odd["to_order"]) + 1, 2)),
        partial_odd_pct=float(odd["average_pct_of_limit"]),
        minimum_coverage_pct=float(rules["least"]["minimum_coverage_pct"]),
        minimum_duration_s=float(rules["least"]["minimum_duration_s"]),
        status=worst_status(document["classes"]),
        source=sources(document["classes"]),
    )


def emission_limits_a(
    equipment_class: EquipmentClass, *, power_w: float, fundamental_a: float, power_factor: float
) -> Mapping[int, float]:
    """{order: A} of a class; an order that is not in it has no limit.

    power_w counts for C and D, fundamental_a and power_factor for C. Class D has no limits below 75 W. ValueError for
    another class, for class C up to 25 W (its rules are not on file) and for class D above 600 W (that is class A).
    """
    classes = load("iec61000-3-2")["classes"]
    if equipment_class not in classes:
        raise ValueError(f'There is no equipment class "{equipment_class}"; choose one of {", ".join(classes)}.')
    entry = classes[equipment_class]
    class_a = _table(classes["A"])
    if equipment_class == "A":
        limits = class_a
    elif equipment_class == "B":
        limits = {order: limit * float(entry["factor_of_class_a"]) for order, limit in class_a.items()}
    elif equipment_class == "C":
        if not power_w > entry["above_w"]:
            raise ValueError(
                f"Class C up to {entry['above_w']} W is not on file; only lighting above it can be judged."
            )
        limits = {order: limit / 100.0 * fundamental_a for order, limit in _table(entry).items()}
        limits |= {order: limits[order] * power_factor for order in entry["times_power_factor"]}
    else:
        if power_w > entry["up_to_w"]:
            raise ValueError(f"Class D ends at {entry['up_to_w']} W; judge this equipment by class A.")
        limits = {
            order: min(limit / 1000.0 * power_w, class_a[order])
            for order, limit in _table(entry).items()
            if power_w >= entry["from_w"]
        }
    return MappingProxyType(limits)


def _table(entry: Mapping[str, Mapping[str, float]]) -> dict[int, float]:
    return {int(order): float(limit) for order, limit in entry["limits_by_order"].items()}
