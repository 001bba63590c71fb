"""The numbers behind the spectrum: percent and absolute values, what is known of an order, what nears its limit.

No Qt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from widgets import numbers

ORDERS = 40
NEAR_LIMIT = 0.80
"""A bar is called out from this share of its limit up."""
NEAR_LIMIT_LEFT = 0.77
"""... and no longer below this one, so that the callout does not flicker."""

_DEAD_SHARE = {"voltage": 0.01, "current": 0.001}
"""Below this share of the strongest channel a fundamental is hum or noise, and a percentage of it means nothing."""

Quantity = Literal["voltage", "current"]
Unit = Literal["percent", "absolute"]
Knowledge = Literal["trusted", "indicative", "n/a"]


class BandLike(Protocol):
    """Highest orders of the band rule."""

    @property
    def trusted_to(self) -> int: ...

    @property
    def indicative_to(self) -> int: ...

    @property
    def thd_to(self) -> int: ...


class LimitsLike(Protocol):
    """A limit table. orders: {order: % of the fundamental}; thd_pct: None where the standard has none."""

    @property
    def name(self) -> str: ...

    @property
    def orders(self) -> Mapping[int, float]: ...

    @property
    def thd_pct(self) -> float | None: ...


@dataclass(frozen=True)
class Finding:
    """An order of a channel (order None: the THD) at `ratio` of its limit; over where ratio > 1."""

    order: int | None
    channel: str
    value_pct: float
    limit_pct: float

    @property
    def ratio(self) -> float:
        """Value over limit."""
        return self.value_pct / self.limit_pct

    @property
    def kind(self) -> str:
        """Status: "bad" over the limit, else "warn"."""
        return "bad" if self.ratio > 1.0 else "warn"

    @property
    def _name(self) -> str:
        return "THD" if self.order is None else numbers.ordinal(self.order)

    @property
    def notice(self) -> str:
        """For the chip: "15th on L3 near limit"."""
        where = "over" if self.kind == "bad" else "near"
        return f"{self._name} on {phase_name(self.channel)} {where} limit"

    @property
    def callout(self) -> str:
        """For the plot: "15th 0.46 of 0.50 %"."""
        word = "over" if self.kind == "bad" else "of"
        value, limit = numbers.fixed(self.value_pct, 2), numbers.fixed(self.limit_pct, 2)
        return f"{self._name} {value} {word} {limit}{numbers.THIN_SPACE}%"


@dataclass(frozen=True)
class Readout:
    """What is known of one order. rows: (channel, percent text, absolute text)."""

    order: int
    title: str
    rows: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]

    @property
    def text(self) -> str:
        """One line, for screen readers and the clipboard."""
        values = [f"{phase_name(channel)} {percent}, {absolute}" for channel, percent, absolute in self.rows]
        return "; ".join((self.title, *values, *self.notes))


@dataclass(frozen=True)
class Spectrum:
    """Orders of the shown channels.

    absolute: {channel: float64 [41] rms in V or A, index = order, NaN where not measurable}; what lies beyond the
    band is NaN whatever came. fundamental_hz: None where unknown.
    """

    quantity: Quantity
    channels: tuple[str, ...]
    absolute: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    percent: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    trusted_to: int = 0
    indicative_to: int = 0
    thd_to: int = 0
    fundamental_hz: float | None = None
    limits: LimitsLike | None = None

    @property
    def unit(self) -> str:
        """V or A."""
        return "V" if self.quantity == "voltage" else "A"

    @property
    def has_data(self) -> bool:
        """False until orders arrived."""
        return bool(self.absolute)

    def values(self, unit: Unit) -> Mapping[str, NDArray[np.float64]]:
        """Percent or absolute values by channel."""
        return self.percent if unit == "percent" else self.absolute

    def knowledge(self, order: int) -> Knowledge:
        """Trusted, indicative, or n/a where no channel has a number."""
        if order > self.indicative_to or order not in self._measured:
            return "n/a"
        return "trusted" if order <= self.trusted_to else "indicative"

    def has_values(self, channel: str, unit: Unit) -> bool:
        """False where a channel has no number at all: dead, or without a fundamental to be compared with."""
        row = self.values(unit).get(channel)
        return row is not None and bool(np.isfinite(row[1:]).any())

    @cached_property
    def _measured(self) -> frozenset[int]:
        found = [np.flatnonzero(np.isfinite(row)) for row in self.absolute.values()]
        return frozenset(int(order) for row in found for order in row)

    def limit_pct(self, order: int) -> float | None:
        """The limit of an order, % of the fundamental."""
        return None if self.limits is None else self.limits.orders.get(order)

    @cached_property
    def not_available(self) -> tuple[tuple[int, int], ...]:
        """Runs (first, last) of neighbouring orders without a number."""
        runs: list[tuple[int, int]] = []
        for order in range(1, ORDERS + 1):
            if self.knowledge(order) == "n/a":
                if runs and runs[-1][1] == order - 1:
                    runs[-1] = (runs[-1][0], order)
                else:
                    runs.append((order, order))
        return tuple(runs)

    def findings(self, before: Sequence[Finding] = ()) -> tuple[Finding, ...]:
        """Trusted orders and THD at or over 80 % of their limit, worst first; one entry an order.

        before: the last findings; those stay a little below 80 %, against flicker.
        """
        if self.limits is None:
            return ()
        known = {(finding.order, finding.channel) for finding in before}
        worst: dict[int | None, Finding] = {}
        for channel, row in self.percent.items():
            candidates: list[tuple[int | None, float, float]] = [
                (order, float(row[order]), limit)
                for order, limit in self.limits.orders.items()
                if 2 <= order <= min(ORDERS, self.trusted_to) and limit > 0 and np.isfinite(row[order])
            ]
            thd = self._thd_pct(row)
            if self.limits.thd_pct and thd is not None:
                candidates.append((None, thd, self.limits.thd_pct))
            for order, value, limit in candidates:
                finding = Finding(order, channel, value, limit)
                floor = NEAR_LIMIT_LEFT if (order, channel) in known else NEAR_LIMIT
                if finding.ratio >= floor and (order not in worst or worst[order].ratio < finding.ratio):
                    worst[order] = finding
        return tuple(sorted(worst.values(), key=lambda finding: -finding.ratio))

    def _thd_pct(self, percent: NDArray[np.float64]) -> float | None:
        part = percent[2 : self.thd_to + 1]
        part = part[np.isfinite(part)]
        return float(np.sqrt(np.sum(part**2))) if len(part) else None

    def readout(self, order: int) -> Readout:
        """Everything that is known of one order."""
        title = f"{numbers.ordinal(order)} order"
        if self.fundamental_hz is not None:
            title += f", {numbers.with_unit(order * self.fundamental_hz, 1, 'Hz')}"
        decimals = 2 if self.quantity == "voltage" else 3
        rows = tuple(
            (
                channel,
                numbers.with_unit(float(self.percent[channel][order]), 2, "%"),
                numbers.with_unit(float(self.absolute[channel][order]), decimals, self.unit),
            )
            for channel in self.channels
            if channel in self.absolute
        )
        notes = []
        if (limit := self.limit_pct(order)) is not None and self.limits is not None:
            notes.append(f"{self.limits.name} limit {numbers.with_unit(limit, 2, '%')}")
        state = self.knowledge(order)
        if state == "indicative":
            notes.append("Indicative: near the end of the input's band")
        elif state == "n/a":
            notes.append("n/a: beyond what the sampling rate can show" if self.trusted_to else "n/a: no fundamental")
        return Readout(order, title, rows, tuple(notes))

    def csv_text(self) -> str:
        """Orders as comma-separated values with a point as decimal sign; empty where not measurable."""
        head = ["order", "frequency_hz", "band"]
        for channel in self.absolute:
            head += [f"{channel}_{self.unit.lower()}", f"{channel}_pct"]
        lines = [",".join([*head, "limit_pct"])]
        for order in range(1, ORDERS + 1):
            frequency = "" if self.fundamental_hz is None else f"{order * self.fundamental_hz:.3f}"
            cells = [str(order), frequency, self.knowledge(order)]
            for channel in self.absolute:
                cells += [_plain(self.absolute[channel][order]), _plain(self.percent[channel][order])]
            limit = self.limit_pct(order)
            lines.append(",".join([*cells, "" if limit is None else f"{limit:g}"]))
        return "\n".join(lines) + "\n"


def channels_shown(channels: Sequence[str], quantity: Quantity) -> tuple[str, ...]:
    """The voltages, or the currents with the neutral last."""
    letter = "V" if quantity == "voltage" else "I"
    return tuple(channel for channel in channels if channel.startswith(letter))


def phase_name(channel: str) -> str:
    """ "V3" -> "L3", "IN" -> "N"."""
    return "N" if channel.endswith("N") else f"L{channel[-1]}"


def build(
    channels: Sequence[str],
    quantity: Quantity,
    orders: Mapping[str, NDArray[np.float64]],
    band: BandLike | None,
    fundamental_hz: float | None,
    limits: LimitsLike | None,
) -> Spectrum:
    """The spectrum of a quantity from absolute values. Limits count for voltages only."""
    shown = channels_shown(channels, quantity)
    reach = min(ORDERS, band.indicative_to) if band is not None else 0
    absolute: dict[str, NDArray[np.float64]] = {}
    percent: dict[str, NDArray[np.float64]] = {}
    for channel in shown:
        if channel not in orders:
            continue
        row = np.full(ORDERS + 1, np.nan)
        source = np.asarray(orders[channel], dtype=np.float64)[: reach + 1]
        row[: len(source)] = np.where(np.isfinite(source), source, np.nan)
        absolute[channel] = row
    strongest = max((row[1] for row in absolute.values() if np.isfinite(row[1])), default=0.0)
    for channel, row in absolute.items():
        lives = row[1] > 0.0 and row[1] >= _DEAD_SHARE[quantity] * strongest
        percent[channel] = row * (100.0 / row[1]) if lives else np.full(ORDERS + 1, np.nan)
    return Spectrum(
        quantity,
        shown,
        absolute,
        percent,
        band.trusted_to if band is not None else 0,
        reach,
        min(reach, band.thd_to) if band is not None else 0,
        fundamental_hz,
        limits if quantity == "voltage" else None,
    )


def _plain(value: float) -> str:
    return f"{value:.6g}" if np.isfinite(value) else ""
