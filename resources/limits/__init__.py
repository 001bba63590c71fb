"""Limit tables of standards: versioned data with the source of every number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

NAMES = ("en50160-lv",)
"""Names of the tables."""

Status = Literal["verified", "from memory"]


@dataclass(frozen=True)
class HarmonicLimits:
    """Limits of voltage harmonics.

    name: as it is shown. edition: which wording the numbers belong to. orders: {order: % of the fundamental}; an
    order that is not in it has no limit. thd_pct: limit of THD up to order `thd_to`. fraction_pct: share of the 10-min
    means of a week that must keep the limits. status: whether the numbers were checked against `source`.
    """

    name: str
    edition: str
    orders: Mapping[int, float]
    thd_pct: float
    thd_to: int
    fraction_pct: float
    status: Status
    source: str


@dataclass(frozen=True)
class VoltageBand:
    """Limits of the supply voltage (10-min means), % of the nominal voltage: low..high for `fraction_pct` of a week,
    outer_low..outer_high always."""

    low_pct: float
    high_pct: float
    fraction_pct: float
    outer_low_pct: float
    outer_high_pct: float
    status: Status
    source: str


@cache
def harmonic_limits(name: str) -> HarmonicLimits:
    """Limits of voltage harmonics of a table of `NAMES`. ValueError for another name."""
    document = _document(name)
    single, thd = document["harmonics"], document["thd"]
    orders = {int(order): float(limit) for order, limit in single["limits_pct_of_u1"].items()}
    return HarmonicLimits(
        name=document["name"],
        edition=document["edition"],
        orders=MappingProxyType(orders),
        thd_pct=float(thd["limit_pct"]),
        thd_to=int(thd["to_order"]),
        fraction_pct=float(single["fraction_pct"]),
        status=single["status"],
        source=single["source"],
    )


@cache
def voltage_band(name: str) -> VoltageBand:
    """Limits of the supply voltage of a table of `NAMES`. ValueError for another name."""
    band = _document(name)["voltage"]
    inner, outer = band["of_week"], band["always"]
    return VoltageBand(
        low_pct=float(inner["low_pct"]),
        high_pct=float(inner["high_pct"]),
        fraction_pct=float(inner["fraction_pct"]),
        outer_low_pct=float(outer["low_pct"]),
        outer_high_pct=float(outer["high_pct"]),
        status=band["status"],
        source=band["source"],
    )


@cache
def _document(name: str) -> dict[str, Any]:
    if name not in NAMES:
        raise ValueError(f'There is no limit table "{name}"; choose one of {", ".join(NAMES)}.')
    text = Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
