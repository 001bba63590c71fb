"""Limit tables of standards: versioned data with the source of every number.

`document` reads the files, `standards` gives what a week is held against (EN 50160, IEC 61000-2-2, IEEE 519),
`emission_classes` IEC 61000-3-2, `tolerance` the curves and grids for events, `tables` prints all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from resources.limits.document import Status, load, sources, worst_status

NAMES = ("en50160-lv", "iec61000-2-2-lv")
"""Tables of voltage harmonics in % of the fundamental."""


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


@cache
def harmonic_limits(name: str) -> HarmonicLimits:
    """Limits of voltage harmonics of a table of `NAMES` for 10-min means. ValueError for another name."""
    if name not in NAMES:
        raise ValueError(f'There is no table of harmonics "{name}"; choose one of {", ".join(NAMES)}.')
    document = load(name)
    harmonics = [
        (part, criterion)
        for part in document["requirements"]
        for criterion in part["criteria"]
        if part["quantity"] in ("harmonics", "THD") and criterion["over"]["window"] == "10min"
    ]
    orders = {int(order): float(limit) for _, c in harmonics for order, limit in c.get("high_by_order", {}).items()}
    thd, thd_criterion = next((part, criterion) for part, criterion in harmonics if part["quantity"] == "THD")
    parts = [part for part, _ in harmonics]
    return HarmonicLimits(
        name=document["name"],
        edition=document["edition"],
        orders=MappingProxyType(dict(sorted(orders.items()))),
        thd_pct=float(thd_criterion["high"]),
        thd_to=int(thd["to_order"]),
        fraction_pct=float(thd_criterion["over"]["fraction_pct"]),
        status=worst_status(parts),
        source=sources(parts),
    )
