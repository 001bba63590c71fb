"""Running aggregate of many measurements, by the rule of each key (IEC 61000-4-30, 4.4; `resources.aggregation`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.measurement import FLAGS, ORDERS, Band, Measurement
from dsp.values import Values
from resources.aggregation import Rule, rules_for
from resources.systems import WiringSystem, phases_of

DIRECTED = 0.5
"""Length of the mean unit vector from which angles have a common direction (1: all alike, 0: none at all)."""

_SUMMED = (Rule.RMS, Rule.MEAN, Rule.UNDER, Rule.OVER, Rule.CYCLES, Rule.ANGLE, Rule.LAST)


class _Names(NamedTuple):
    """keys: those that are summed up, those of one rule side by side; derived: from them. place: of all in a result.
    columns: of each rule."""

    keys: tuple[str, ...]
    derived: tuple[str, ...]
    place: dict[str, int]
    columns: dict[Rule, slice]


@cache
def _names(system: WiringSystem) -> _Names:
    rules = rules_for(system)
    of_rule = {rule: [key for key, own in rules.items() if own is rule] for rule in Rule}
    columns: dict[Rule, slice] = {}
    keys: list[str] = []
    for rule in _SUMMED:
        columns[rule] = slice(len(keys), len(keys) + len(of_rule[rule]))
        keys += of_rule[rule]
    derived = of_rule[Rule.DERIVED]
    place = {key: i for i, key in enumerate((*keys, *derived, *of_rule[Rule.OWN]))}
    return _Names(tuple(keys), tuple(derived), place, columns)


class Layout:
    """Column of each key in the vectors of numbers, those of one rule side by side."""

    def __init__(self, system: WiringSystem) -> None:
        self.system = system
        self.keys, self.derived, self.place, self.columns = _names(system)
        self._source: Mapping[str, int] | None = None
        self._from = self._to = np.zeros(0, dtype=np.intp)

    def rows(self, block: Sequence[Measurement]) -> NDArray[np.float64]:
        """Numbers [measurements, keys], NaN where a key is absent or not measurable."""
        rows = np.full((len(block), len(self.keys)), np.nan)
        for row, measurement in zip(rows, block, strict=True):
            values = measurement.values
            if isinstance(values, Values):
                if values.place is not self._source:
                    self._learn(values.place)
                row[self._to] = values.numbers[self._from]
            else:
                row[:] = [math.nan if (x := values.get(key)) is None else x for key in self.keys]
        return rows

    def _learn(self, place: Mapping[str, int]) -> None:
        """Where the analyser keeps what we need; once for all its windows."""
        here = [i for i, key in enumerate(self.keys) if key in place]
        self._source = place
        self._to = np.array(here, dtype=np.intp)
        self._from = np.array([place[self.keys[i]] for i in here], dtype=np.intp)


class Accumulator:
    """Sums over the measurements added so far; constant memory.

    A key without a valid number in any of them has none in the result; else the mean is over the valid ones.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        size = len(layout.keys)
        self._sums = np.zeros(size)
        self._counts = np.zeros(size)
        self._last = np.full(size, np.nan)
        angles = layout.columns[Rule.ANGLE]
        self._vectors = np.zeros(angles.stop - angles.start, dtype=np.complex128)
        self._phasors: dict[str, complex] = {}
        self._orders: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._derived: set[str] = set()
        self._flags: set[str] = set()
        self._band: Band | None = None
        self.count = 0
        self.samples_lost = self.samples_clipped = 0
        self.module: str | None = None

    def add(self, block: Sequence[Measurement]) -> None:
        """Add measurements; many at once cost little each."""
        columns = self._layout.columns
        rows = self._layout.rows(block)
        self.count += len(block)
        valid = np.isfinite(rows)
        self._counts += valid.sum(axis=0)
        with np.errstate(all="ignore"):
            for rule, of in _TRANSFORMS.items():
                part = columns[rule]
                self._sums[part] += np.where(valid[:, part], of(rows[:, part]), 0.0).sum(axis=0)
        part = columns[Rule.ANGLE]
        turned = np.radians(rows[:, part])
        self._vectors.real += np.where(valid[:, part], np.cos(turned), 0.0).sum(axis=0)
        self._vectors.imag += np.where(valid[:, part], np.sin(turned), 0.0).sum(axis=0)
        part = columns[Rule.LAST]
        for row in rows[:, part]:
            np.copyto(self._last[part], row, where=np.isfinite(row))
        for measurement in block:
            self._add_extras(measurement)
        self._add_orders(block)

    def merge(self, later: Accumulator) -> None:
        """Add what another one has, of later measurements."""
        self.count += later.count
        self.samples_lost += later.samples_lost
        self.samples_clipped += later.samples_clipped
        self.module = later.module
        self._sums += later._sums
        self._counts += later._counts
        self._vectors += later._vectors
        np.copyto(self._last, later._last, where=np.isfinite(later._last))
        self._derived |= later._derived
        self._flags |= later._flags
        self._narrow(later._band)
        for key, phasor in later._phasors.items():
            self._phasors[key] = self._phasors.get(key, 0j) + phasor
        for key, (sums, counts) in later._orders.items():
            known = self._orders.setdefault(key, (np.zeros(ORDERS + 1), np.zeros(ORDERS + 1)))
            np.add(known[0], sums, out=known[0])
            np.add(known[1], counts, out=known[1])

    def _narrow(self, band: Band | None) -> None:
        """Keep the narrowest band of all that have one."""
        if band is None or band == self._band or band.indicative_to == 0:
            return
        mine = self._band or band
        self._band = Band(
            min(mine.trusted_to, band.trusted_to),
            min(mine.indicative_to, band.indicative_to),
            min(mine.thd_to, band.thd_to),
        )

    def add_gap(self, measurement: Measurement, share: float = 1.0) -> None:
        """Add what a gap tells: its flags and the registers, and the samples lost in the share of it that counts."""
        self._flags.update(measurement.flags)
        self.samples_lost += round(share * measurement.samples_lost)
        part = self._layout.columns[Rule.LAST]
        row = self._layout.rows([measurement])[0, part]
        np.copyto(self._last[part], row, where=np.isfinite(row))

    def _add_extras(self, measurement: Measurement) -> None:
        values = measurement.values
        if len(self._derived) < len(self._layout.derived):
            self._derived.update(key for key in self._layout.derived if values.get(key) is not None)
        self._flags.update(measurement.flags)
        self.samples_lost += measurement.samples_lost
        self.samples_clipped += measurement.samples_clipped
        self.module = measurement.module
        for key, phasor in measurement.phasors.items():
            self._phasors[key] = self._phasors.get(key, 0j) + phasor
        self._narrow(measurement.band)

    def _add_orders(self, block: Sequence[Measurement]) -> None:
        for key in dict.fromkeys(key for measurement in block for key in measurement.orders):
            rows = np.array([m.orders[key] for m in block if key in m.orders])
            valid = np.isfinite(rows)
            sums, counts = self._orders.setdefault(key, (np.zeros(ORDERS + 1), np.zeros(ORDERS + 1)))
            sums += np.where(valid, rows * rows, 0.0).sum(axis=0)
            counts += valid.sum(axis=0)

    def result(
        self,
        *,
        window: str,
        end_ns: int,
        start_s: float,
        end_s: float,
        flags: set[str],
        extra: Mapping[str, float | None],
        completeness: float,
    ) -> Measurement:
        """The aggregate, with `flags` besides those of its parts, and values (`extra`) that are no aggregates."""
        together = self._flags | flags
        return Measurement(
            end_ns=end_ns,
            start_s=start_s,
            end_s=end_s,
            system=self._layout.system,
            window=window,
            flags=tuple(flag for flag in FLAGS if flag in together),
            band=self._band or Band(0, 0, 0),
            values=self._values(extra),
            module=self.module,
            phasors={key: total / self.count for key, total in self._phasors.items()},
            orders=self._order_levels(),
            samples_lost=self.samples_lost,
            samples_clipped=self.samples_clipped,
            completeness=completeness,
        )

    def _order_levels(self) -> dict[str, NDArray[np.float64]]:
        with np.errstate(divide="ignore", invalid="ignore"):
            return {key: np.sqrt(sums / counts) for key, (sums, counts) in self._orders.items()}

    def _values(self, extra: Mapping[str, float | None]) -> Values:
        columns = self._layout.columns
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self._sums / self._counts
            mean[columns[Rule.RMS]] = np.sqrt(mean[columns[Rule.RMS]])
            mean[columns[Rule.UNDER]] = 100.0 - 100.0 * np.sqrt(mean[columns[Rule.UNDER]])
            mean[columns[Rule.OVER]] = 100.0 * np.sqrt(mean[columns[Rule.OVER]]) - 100.0
            mean[columns[Rule.CYCLES]] = 1.0 / mean[columns[Rule.CYCLES]]
            part = columns[Rule.ANGLE]
            angles = np.angle(self._vectors, deg=True)
            angles[angles <= -180.0] = 180.0
            mean[part] = np.where(np.abs(self._vectors) >= DIRECTED * self._counts[part], angles, np.nan)
            mean[part][self._counts[part] == 0.0] = np.nan
        mean[columns[Rule.LAST]] = self._last[columns[Rule.LAST]]
        layout = self._layout
        numbers = np.full(len(layout.place), np.nan)
        numbers[: len(mean)] = np.where(np.isfinite(mean), mean, np.nan)
        values = Values(layout.place, numbers)
        found = derived_values(values, layout.system)
        numbers[len(mean) : len(mean) + len(layout.derived)] = [
            found.get(key, math.nan) if key in self._derived else math.nan for key in layout.derived
        ]
        for key, value in extra.items():
            if key in layout.place and value is not None:
                numbers[layout.place[key]] = value
        return values


_TRANSFORMS: dict[Rule, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    Rule.RMS: np.square,
    Rule.MEAN: lambda x: x,
    # Annex D limits each rms value at the declared voltage: its deviation in % tells it.
    Rule.UNDER: lambda x: np.square(1.0 - 0.01 * x),
    Rule.OVER: lambda x: np.square(1.0 + 0.01 * x),
    Rule.CYCLES: np.reciprocal,
}


def derived_values(values: Mapping[str, float | None], system: WiringSystem) -> dict[str, float]:
    """Apparent powers, factors and angles of an interval from its rms values and mean powers (IEEE 1459-2010).

    The keys and formulas are those of `dsp.power`; P1 and Q1 of the interval give the displacement.
    """
    found: dict[str, float] = {}

    def of(key: str) -> float:
        value = values.get(key)
        return math.nan if value is None else value

    def ratio(p: float, s: float) -> float:
        return p / s if s > 0.0 else math.nan

    phases = [str(p) for p in phases_of(system)]
    for p in phases:
        found[f"SP{p}"] = of(f"V{p}r") * of(f"I{p}r")
        found[f"PF{p}i"] = ratio(of(f"P{p}"), found[f"SP{p}"])
        p1, q1 = of(f"{p}P1"), of(f"Q1{p}")
        found[f"dPF{p}"] = ratio(p1, math.hypot(p1, q1))
        found[f"phi{p}"] = math.degrees(math.atan2(q1, p1))
    found["SPc"] = found["Sa"] = sum(found[f"SP{p}"] for p in phases)
    found["PFc"] = ratio(of("Pc"), found["SPc"])
    p1 = sum(of(f"{p}P1") for p in phases)
    found["dPFc"] = ratio(p1, math.hypot(p1, of("Q1c")))
    if len(phases) == 3:
        line2 = of("V12r") ** 2 + of("V23r") ** 2 + of("V31r") ** 2
        current2 = sum(of(f"I{p}r") ** 2 for p in phases)
        if system == "3P":
            found["Se"] = math.sqrt(line2 * current2 / 3.0)
        else:
            phase2 = sum(of(f"V{p}r") ** 2 for p in phases)
            found["Se"] = math.sqrt((3.0 * phase2 + line2) / 18.0 * (current2 + of("INr") ** 2) * 3.0)
        found["PFe"] = ratio(of("Pc"), found["Se"])
    return {key: value for key, value in found.items() if math.isfinite(value)}
