"""What the aggregates of a week are held against: EN 50160, IEC 61000-2-2 and IEEE 519."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from resources.limits.document import Status, load, sources, worst_status

Period = Literal["day", "week"]
Reference = Literal["", "nominal voltage", "nominal frequency"]
MAX_ORDER = 40
"""Last harmonic order that has a key in the table of parameters; limits beyond it can't be assessed."""


@dataclass(frozen=True)
class Criterion:
    """At least `fraction_pct` of the intervals of each period lie within low..high.

    window: name of the interval ("10s", "150/180-cycle", "10min", "2h"). period: day or week. low, high: in the unit
    of the requirement, None where there is no limit. inclusive: whether a value at the limit keeps it.
    """

    window: str
    period: Period
    fraction_pct: float
    low: float | None
    high: float | None
    inclusive: bool = True


@dataclass(frozen=True)
class Requirement:
    """What one quantity has to keep.

    key: of the table of parameters, with the letter p for the phase. order: of a harmonic, else None.
    relative_to: what limits in % refer to, "" where they are in the unit of the key. status: of the least certain
    number in it.
    """

    quantity: str
    key: str
    order: int | None
    unit: str
    relative_to: Reference
    criteria: tuple[Criterion, ...]
    status: Status
    source: str
    note: str = ""


@dataclass(frozen=True)
class Standard:
    """Requirements of a standard.

    minimum_coverage_pct: share of the expected intervals that have to be there, flagged or not, before a pass.
    minimum_counted_pct: share of them that has to count, so neither missing nor left out as flagged.
    """

    name: str
    edition: str
    note: str
    requirements: tuple[Requirement, ...]
    minimum_coverage_pct: float
    minimum_counted_pct: float


@cache
def en50160(island: bool = False) -> Standard:
    """EN 50160, low voltage, a week. island: the grid has no synchronous connection to an interconnected one."""
    return _from_document("en50160-lv", "island" if island else "interconnected")


@cache
def iec61000_2_2() -> Standard:
    """Compatibility levels of IEC 61000-2-2, low voltage, with the statistics of IEC 61000-3-6."""
    return _from_document("iec61000-2-2-lv", "")


@cache
def ieee519_voltage(nominal_voltage_v: float) -> Standard:
    """Voltage distortion of IEEE 519-2022 clause 5.1 in % of the rated voltage at the point of common coupling.

    nominal_voltage_v: line to line, V (> 0, else ValueError).
    """
    document = load("ieee519-2022")
    if not nominal_voltage_v > 0:
        raise ValueError("Give the nominal voltage at the point of common coupling in volts, above 0.")
    part = document["voltage"]
    level = next(row for row in part["levels"] if row["up_to_v"] is None or nominal_voltage_v <= row["up_to_v"])
    limits = dict.fromkeys(range(2, MAX_ORDER + 1), float(level["individual_pct"]))
    return _ieee519(document, "pVh", "THVp", limits, float(level["thd_pct"]), part["statistics"], [level])


@cache
def ieee519_current(isc_il: float, nominal_voltage_v: float, even_orders: Literal["2022", "2014"] = "2022") -> Standard:
    """Current distortion of IEEE 519-2022 clause 5.2 in % of the maximum demand current IL.

    isc_il: short-circuit current over IL at the point of common coupling (> 0). nominal_voltage_v: line to line, V.
    even_orders: edition whose rule for even orders holds. ValueError outside 120 V to 69 kV.
    """
    document = load("ieee519-2022")
    part = document["current"]
    allowed = part["voltage_range"]
    if not isc_il > 0:
        raise ValueError("Give the ratio Isc/IL at the point of common coupling as a number above 0.")
    if not allowed["from_v"] <= nominal_voltage_v <= allowed["up_to_v"]:
        raise ValueError(
            "Only the current limits for 120 V to 69 kV are on file; give a nominal voltage in that range."
        )
    if even_orders not in part["even_orders"]:
        raise ValueError(f'There is no rule for even orders "{even_orders}"; choose 2022 or 2014.')
    table, even = part["table"], part["even_orders"][even_orders]
    row = [r for r in table["rows"] if isc_il > r.get("isc_il_above", -1) and isc_il >= r.get("isc_il_from", 0)][-1]
    odd = _by_order(row["limits_pct"])
    factors = _by_order(even["factors"])
    limits = {order: limit * (1.0 if order % 2 else factors[order]) for order, limit in odd.items()}
    origin = [{"status": table["status"], "source": table["source"], "row": row}, even]
    return _ieee519(document, "pIh", "TDDp", limits, float(row["tdd_pct"]), part["statistics"], origin)


def _ieee519(
    document: Mapping[str, Any],
    key: str,
    total_key: str,
    limits: Mapping[int, float],
    total: float,
    statistics: Mapping[str, Any],
    origin: list[Any],
) -> Standard:
    def requirement(quantity: str, name: str, order: int | None, limit: float) -> Requirement:
        criteria = tuple(
            replace(_criterion(part["over"], None, limit * float(part["factor"])), inclusive=False)
            for part in statistics["criteria"]
        )
        known = [*origin, statistics]
        return Requirement(quantity, name, order, "%", "", criteria, worst_status(known), sources(known))

    harmonics = [
        requirement("harmonics", key.replace("h", str(order)), order, limit)
        for order, limit in limits.items()
        if order <= MAX_ORDER
    ]
    return _standard(
        document, [requirement("TDD" if total_key == "TDDp" else "THD", total_key, None, total), *harmonics]
    )


def _from_document(name: str, network: str) -> Standard:
    """Requirements on the same key (levels for long and for short intervals) become one."""
    document = load(name)
    merged: dict[str, Requirement] = {}
    for part in document["requirements"]:
        if part.get("network", network) != network:
            continue
        for requirement in _requirements(part):
            known = merged.get(requirement.key)
            if known is not None:
                requirement = replace(
                    known,
                    criteria=known.criteria + requirement.criteria,
                    status="verified" if known.status == requirement.status == "verified" else "from memory",
                    source="; ".join(dict.fromkeys([*known.source.split("; "), *requirement.source.split("; ")])),
                )
            merged[requirement.key] = requirement
    return _standard(document, sorted(merged.values(), key=lambda r: r.order or 0))


def _requirements(part: Mapping[str, Any]) -> Iterator[Requirement]:
    """One for each order where limits are given by order, else one."""
    found = sorted({int(order) for c in part["criteria"] for order in c.get("high_by_order", {})})
    orders: list[int | None] = [*found] or [None]
    for order in orders:
        if order is not None and order > MAX_ORDER:
            continue
        yield Requirement(
            quantity=part["quantity"],
            key=part["key"] if order is None else part["key"].replace("h", str(order)),
            order=order,
            unit=part["unit"],
            relative_to=part.get("relative_to", ""),
            criteria=tuple(
                _criterion(
                    c["over"], c.get("low"), c.get("high") if order is None else c["high_by_order"].get(str(order))
                )
                for c in part["criteria"]
            ),
            status=worst_status(part),
            source=sources(part),
            note=part.get("note", ""),
        )


def _criterion(over: Mapping[str, Any], low: float | None, high: float | None) -> Criterion:
    return Criterion(
        window=over["window"],
        period=over["period"],
        fraction_pct=float(over["fraction_pct"]),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _standard(document: Mapping[str, Any], requirements: list[Requirement]) -> Standard:
    return Standard(
        name=document["name"],
        edition=document["edition"],
        note=document["note"],
        requirements=tuple(requirements),
        minimum_coverage_pct=float(document["evaluation"]["minimum_coverage_pct"]),
        minimum_counted_pct=float(document["evaluation"]["minimum_counted_pct"]),
    )


def _by_order(ranges: Mapping[str, float]) -> dict[int, float]:
    """{"2-10": 4.0} -> {2: 4.0, 3: 4.0, ...}."""
    result: dict[int, float] = {}
    for text, value in ranges.items():
        first, last = text.split("-")
        result.update(dict.fromkeys(range(int(first), int(last) + 1), float(value)))
    return result
