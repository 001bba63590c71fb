"""From a spectrum to the values of a Measurement, under the keys of the parameter table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.distortion import crest_factor, k_factor, pwhd_pct, tdd_pct, thd_pct
from dsp.grouping import Orders, squares_of
from dsp.measurement import ORDERS
from dsp.power import PhasePowers, effective_current, effective_voltage
from dsp.sequences import symmetrical_components, unbalance_of_line_voltages_pct
from dsp.spectrum import Spectrum, lit_channels
from dsp.values import Layout, Values
from resources.systems import WiringSystem, channels_of, phases_of

Floats = NDArray[np.float64]

ANGLE_SHARE = 1e-5
"""A harmonic below this share of the range (else of the fundamental) has no angle: five times a front end's noise."""
DECIDED = 2.0
"""The phase sequence is decided when one of the two symmetrical components is so many times the other."""
FORWARD = 1.001
"""Unbalance is measured where the positive sequence is so many times the negative one: in a split-phase system (two
voltages opposite to each other) both are alike, and noise alone would decide."""
LINE_PAIRS = ("12", "23", "31")
POWERS = ("P", "SP", "fSP", "Q1")
FACTORS = ("PF{}i", "dPF{}", "phi{}")
TOTALS = ("Pc", "SPc", "fSPc", "Q1c", "PFc", "dPFc")
_H = np.arange(1.0, ORDERS + 1.0)


@dataclass(frozen=True)
class Quantities:
    """values: of all keys. orders: {channel: [ORDERS + 1] rms of the harmonic subgroups}. phasors: {channel: complex
    rms of the fundamental}. lit: channels [channels] that carry a fundamental. powers: [P, S, Q1] x [phases, sum] for
    the energies, NaN where not measurable. further: the part of `values` that somebody else measures: fill it in before
    `values` is given away.
    """

    values: Values
    orders: dict[str, Floats]
    phasors: dict[str, complex]
    lit: NDArray[np.bool_]
    powers: Floats
    further: Floats


def _degrees(phasors: NDArray[np.complex128]) -> Floats:
    """Angles in (-180, 180] degrees."""
    angles = np.degrees(np.arctan2(phasors.imag, phasors.real))
    angles[angles <= -180.0] = 180.0
    return angles


class _Windows:
    """Lines of several windows of equal cycles and band, and what many quantities need of them.

    lines: [windows, channels, lines], the channels in the order of `rows`; squares: of the lines that orders are made
    of; passed: whether the front end passes direct current and the harmonics [windows, channels, orders]; products
    [windows, channels, channels]: sums of the real parts of X conj(Y) over the lines in the band (V, A, W); lit, rms:
    [windows, channels]; dark: 0 where lit, else NaN; fundamental: its phasors [windows, channels], NaN without one.
    """

    def __init__(self, spectra: Sequence[Spectrum], rows: NDArray[np.intp], floors: Floats) -> None:
        one = spectra[0]
        self.cycles, self.in_band, self.band = n, in_band, band = one.cycles, one.in_band, one.band
        last = min(band.indicative_to, ORDERS) if n else 0
        self.lines = np.empty((len(spectra), rows.size, one.lines.shape[1]), dtype=np.complex128)
        for lines, spectrum in zip(self.lines, spectra, strict=True):
            spectrum.lines.take(rows, axis=0, out=lines, mode="clip")  # straight into place
        passed = [spectrum.measured[:, : last * n + 1 : n or 1] for spectrum in spectra]
        self.passed = np.array(passed).take(rows, axis=1)
        self.squares = squares_of(self.lines, (ORDERS + 1) * n or None)
        if 0 < n + n // 2 < self.lines.shape[2]:
            self.lit = lit_channels(self.squares, n, floors) & self.passed[..., min(1, last)]
        else:
            self.lit = np.zeros(self.lines.shape[:2], dtype=bool)
        self.dark = np.where(self.lit, 0.0, np.nan)
        parts = self.lines.view(np.float64)[..., : 2 * in_band]
        self.products = parts @ parts.swapaxes(1, 2)
        self.rms: Floats = np.sqrt(np.diagonal(self.products, axis1=1, axis2=2))
        self.fundamental = self.lines[..., n] if last else np.full(self.rms.shape, complex(math.nan, math.nan))


class QuantityTable:
    """Names of what a wiring system and its channels give, made once; `measure` fills in the numbers.

    demand_current_a: maximum demand load current IL, that TDD refers to; without it TDD is null. further: keys that
    somebody else measures and fills in.
    """

    def __init__(
        self,
        system: WiringSystem,
        channels: Sequence[ChannelSpec],
        *,
        demand_current_a: float | None = None,
        further: Sequence[str] = (),
    ) -> None:
        if demand_current_a is not None and not 0.0 < demand_current_a < math.inf:
            raise ValueError("The demand current must be above 0 A.")
        given = {channel.key: i for i, channel in enumerate(channels)}
        keys = [key for key in channels_of(system) if key in given]
        self.system = system
        self.row = {key: i for i, key in enumerate(keys)}
        self.phases = tuple(str(p) for p in phases_of(system))
        self._demand_a = demand_current_a
        # Inputs between two lines, where somebody measures those instead of phases.
        between = [f"V{pair}" for pair in LINE_PAIRS if f"V{pair}" in given]
        self._line_inputs = slice(len(keys), len(keys) + 3) if len(between) == 3 else None
        self._from_channels = np.array([given[key] for key in (*keys, *between)], dtype=np.intp)
        self._in_given_order = np.array([self.row[key] for key in given if key in self.row], dtype=np.intp)
        self._floors = np.array([channels[i].floor for i in self._from_channels])
        ranges = np.array([channels[i].full_scale or math.nan for i in self._from_channels])
        self._layout = Layout()
        self._name_orders(ranges)
        self._name_scalars()
        self._name_phases()
        self._further = self._layout.add(further)

    def _rows(self, keys: Sequence[str]) -> slice | NDArray[np.intp]:
        """Where these channels are in arrays of all; a slice, which costs least, where they lie side by side."""
        rows = [self.row[key] for key in keys]
        if rows and rows == list(range(rows[0], rows[0] + len(rows))):
            return slice(rows[0], rows[0] + len(rows))
        return np.array(rows, dtype=np.intp)

    def _name_orders(self, ranges: Floats) -> None:
        """Keys of single orders: harmonics of all channels, angles and interharmonics of all but the neutral."""
        add, keys = self._layout.add, list(self.row)
        lines = [key for key in keys if key != "IN"]
        self._lines = slice(0, len(lines))
        self._angle_floors = ANGLE_SHARE * ranges[self._lines]
        self._loaded = [p for p in self.phases if f"V{p}" in self.row and f"I{p}" in self.row]
        voltages, currents = ([f"{unit}{p}" for p in self._loaded] for unit in "VI")
        self._voltages, self._currents = self._rows(voltages), self._rows(currents)
        self._voltage_rows = np.array([self.row[key] for key in voltages], dtype=np.intp)
        self._current_rows = np.array([self.row[key] for key in currents], dtype=np.intp)
        self._order_at = add(
            [f"{'NI' if key == 'IN' else key[1] + key[0]}{h}" for key in keys for h in range(1, ORDERS + 1)]
        )
        self._angle_at = add([f"{key[1]}{key[0]}A{h}" for key in lines for h in range(1, ORDERS + 1)])
        self._between_at = add([f"{key[1]}{key[0]}IH{h}" for key in lines for h in range(1, ORDERS + 1)])
        self._between_angle_at = add([f"{key[1]}{key[0]}IHA{h}" for key in lines for h in range(1, ORDERS + 1)])
        self._active_at = add([f"{p}P{h}" for p in self._loaded for h in range(1, ORDERS + 1)])

    def _name_scalars(self) -> None:
        """Keys of single channels: rms and THD of all, crest factor, PWHD and direct current of all but the neutral."""
        add, keys = self._layout.add, list(self.row)
        lines = [key for key in keys if key != "IN"]
        currents = [key for key in lines if key[0] == "I"]
        self._all, self._line_currents = slice(0, len(keys)), self._rows(currents)
        self._rms_at = add([f"{key}r" for key in keys])
        self._thd_at = add([f"TH{key}" for key in keys])
        self._crest_at = add([f"CF{key}" for key in lines])
        self._pwhd_at = add([f"PWH{key}" for key in lines])
        self._direct_at = add([f"DC{key}" for key in lines])
        self._k_at = add([f"KF{key[1]}" for key in currents])
        self._tdd_at = add([f"TDD{key[1]}" for key in currents])

    def _name_phases(self) -> None:
        """Keys of powers, and of three phases together."""
        add = self._layout.add
        self._power_at = add([f"{name}{p}" for name in POWERS for p in self._loaded])
        self._factor_at = add([name.format(p) for name in FACTORS for p in self._loaded])
        self._complete = len(self._loaded) == len(self.phases)
        self._totals_at = add(TOTALS if self._complete else ())
        three = len(self.phases) == 3
        self._has_star = three and all(f"V{p}" in self.row for p in self.phases)
        pairs = [pair for pair in LINE_PAIRS if f"V{pair[0]}" in self.row and f"V{pair[1]}" in self.row]
        self._from, self._to = (
            np.array([self.row[f"V{pair[end]}"] for pair in pairs], dtype=np.intp) for end in (0, 1)
        )
        self._has_lines = bool(pairs) or (three and self._line_inputs is not None)
        self._pairs_at = add([f"V{pair}r" for pair in pairs or (LINE_PAIRS if self._has_lines else ())])
        self._pair_angles_at = add([f"V{pair}a" for pair in pairs])
        self._sequence_at = add(["Prot"] if self._has_star else [])
        self._u2_at = add(["u2"] if self._has_star or (self._has_lines and not pairs) else [])
        self._u0_at = add(["u0"] if self._has_star and self.system != "3P" else [])
        wires = self.system == "3P" or "IN" in self.row
        self._arithmetic_at = add(["Sa"] if three and self._complete else [])
        self._effective_at = add(["Se", "PFe"] if three and self._complete and wires else [])

    def measure(self, spectrum: Spectrum) -> Quantities:
        """Everything that one window gives, but the further keys."""
        return self._measure([spectrum])[0]

    def measure_each(self, spectra: Sequence[Spectrum]) -> list[Quantities]:
        """The same of several windows, at a fraction of the cost where they have the same cycles, lines and band."""
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, spectrum in enumerate(spectra):
            alike.setdefault((spectrum.cycles, spectrum.in_band, spectrum.band), []).append(number)
        found: dict[int, Quantities] = {}
        for group in alike.values():
            found.update(zip(group, self._measure([spectra[number] for number in group]), strict=True))
        return [found[number] for number in range(len(spectra))]

    def _measure(self, spectra: Sequence[Spectrum]) -> list[Quantities]:
        """Windows of the same cycles, lines and band."""
        numbers = np.full((len(spectra), len(self._layout.place)), np.nan)
        with np.errstate(all="ignore"):
            taken = _Windows(spectra, self._from_channels, self._floors)
            orders = Orders(taken.squares, taken.cycles, taken.in_band, taken.band.indicative_to)
            subgroups = orders.rms("subgroup")
            if not taken.passed.all():
                subgroups[..., : taken.passed.shape[-1]][~taken.passed] = np.nan
            numbers[:, self._rms_at] = taken.rms[:, self._all]
            self._distortion(numbers, taken, subgroups)
            turn = self._reference_turn(taken)
            self._orders(numbers, taken, orders, subgroups, turn)
            powers = self._powers(numbers, taken)
            self._three_phases(numbers, taken)
            numbers[np.isinf(numbers)] = np.nan  # a ratio to nothing
            known = (taken.lit & np.isfinite(turn)[:, None]).tolist()
            fundamental = (taken.fundamental * turn[:, None]).tolist()
        return [
            Quantities(
                Values(self._layout.place, own),
                {key: subgroups[number, i] for key, i in self.row.items()},
                {key: fundamental[number][i] for key, i in self.row.items() if known[number][i]},
                taken.lit[number],
                powers[number],
                own[self._further],
            )
            for number, own in enumerate(numbers)
        ]

    def _reference_turn(self, taken: _Windows) -> NDArray[np.complex128]:
        """Unit factors [windows] that bring V1 (else the first channel with a fundamental) to angle 0; NaN without."""
        lit = taken.lit[:, self._in_given_order]
        number = np.arange(lit.shape[0])
        reference = self._in_given_order[lit.argmax(axis=1)]
        phasors = taken.fundamental[number, reference] + taken.dark[number, reference]
        return np.asarray(phasors.conj() / np.abs(phasors))

    def _distortion(self, numbers: Floats, taken: _Windows, subgroups: Floats) -> None:
        """By subgroups, to the order band.thd_to; the direct current where the front end passes it."""
        last, lines, currents = taken.band.thd_to, self._lines, self._line_currents
        bright = subgroups + taken.dark[..., None]
        numbers[:, self._thd_at] = thd_pct(bright, last)[:, self._all]
        crest = crest_factor(taken.lines[:, lines, : taken.in_band], taken.rms[:, lines])
        numbers[:, self._crest_at] = crest + taken.dark[:, lines]
        numbers[:, self._pwhd_at] = pwhd_pct(bright[:, lines], last)
        direct = taken.lines[:, lines, 0].real
        numbers[:, self._direct_at] = np.where(taken.passed[:, lines, 0], direct, np.nan)
        numbers[:, self._k_at] = k_factor(bright[:, currents], last)
        if self._demand_a is not None:
            numbers[:, self._tdd_at] = tdd_pct(bright[:, currents], self._demand_a, last)

    def _orders(
        self, numbers: Floats, taken: _Windows, orders: Orders, subgroups: Floats, turn: NDArray[np.complex128]
    ) -> None:
        """Harmonic and interharmonic subgroups in % of the channel's fundamental subgroup, their angles, and the
        active power of each harmonic (W)."""
        last, lines, windows = orders.last, self._lines, numbers.shape[0]
        if not last:
            return
        scale = (100.0 / subgroups[..., 1] + taken.dark)[..., None]
        numbers[:, self._order_at] = (subgroups * scale)[:, self._all, 1:].reshape(windows, -1)
        between = orders.rms("interharmonic subgroup")[:, lines, 1:] * scale[:, lines]
        numbers[:, self._between_at] = between.reshape(windows, -1)

        at = slice(taken.cycles, last * taken.cycles + 1, taken.cycles)
        harmonics = taken.lines[..., at]
        if not taken.passed[..., 1:].all():
            harmonics = np.where(taken.passed[..., 1:], harmonics, np.nan)
        strongest, order = orders.strongest_between(taken.lines)
        angles = self._angles_deg(
            np.concatenate([harmonics[:, lines], strongest[:, lines]], axis=2),
            np.concatenate([np.broadcast_to(_H[:last], harmonics[:, lines].shape), order[:, lines]], axis=2),
            turn,
        )
        angles += taken.dark[:, lines, None]
        _by_order(numbers, self._angle_at)[..., :last] = angles[..., :last]
        _by_order(numbers, self._between_angle_at)[..., : strongest.shape[-1]] = angles[..., last:]
        voltages, currents = harmonics[:, self._voltages], harmonics[:, self._currents]
        active = voltages.real * currents.real + voltages.imag * currents.imag
        _by_order(numbers, self._active_at)[..., :last] = active + taken.dark[:, self._voltages, None]

    def _angles_deg(self, phasors: NDArray[np.complex128], order: Floats, turn: NDArray[np.complex128]) -> Floats:
        """Angles in (-180, 180] degrees of lines [windows, channels, n], the first of which is the fundamental, at
        these orders (line k of a window of N cycles: k / N).

        They are angle(X_k) - k / N angle(V1_1): what a line has at the crest of V1's fundamental that is next to the
        window's start. For the harmonics every crest gives the same. None where a line is as small as noise."""
        parts = phasors.real, phasors.imag
        squares = parts[0] * parts[0] + parts[1] * parts[1]
        floors = np.where(np.isnan(self._angle_floors), ANGLE_SHARE**2 * squares[..., 0], self._angle_floors**2)
        turns = np.arctan2(parts[1], parts[0])
        turns += order * np.arctan2(turn.imag, turn.real)[:, None, None]
        turns *= 0.5 / math.pi
        turns -= np.ceil(turns - 0.5)
        turns[~(squares >= floors[..., None])] = np.nan
        turns *= 360.0
        return turns

    def _powers(self, numbers: Floats, taken: _Windows) -> Floats:
        """SPp = V I; SPc = Sa is the arithmetic sum; fSPp = Q1p, fSPc = Q1c their sum. PFpi and PFc are P / S with the
        sign of P; dPFp = P1 / S1 and dPFc = P1 / |P1 + j Q1| of the sums. A sum needs all phases."""
        v, i, windows, count = self._voltages, self._currents, numbers.shape[0], len(self._loaded)
        p = taken.products[:, self._voltage_rows, self._current_rows]
        phases = PhasePowers(taken.rms[:, v], taken.rms[:, i], taken.fundamental[:, v], taken.fundamental[:, i], p)
        s, first = phases.s, phases.complex_1
        p1, q1 = first.real, first.imag
        numbers[:, self._power_at] = np.concatenate([p, s, q1, q1], axis=1)
        dark = taken.dark[:, v] + taken.dark[:, i]
        factors = np.concatenate([p / s + dark, p1 / np.abs(first) + dark, _degrees(first) + dark], axis=1)
        numbers[:, self._factor_at] = factors
        powers = np.full((windows, 3, len(self.phases) + 1), np.nan)
        three = powers[..., : len(self.phases)] if self._complete else np.empty((windows, 3, count))
        three[:, 0], three[:, 1], three[:, 2] = p, s, q1
        if not self._complete:
            powers[..., [self.phases.index(phase) for phase in self._loaded]] = three
            return powers
        np.add.reduce(three, axis=2, out=powers[..., -1])
        p_c, s_c, q_c = powers[..., -1].T
        p1_c = np.add.reduce(p1, axis=1)
        some = np.fmin.reduce(dark, axis=1, initial=np.nan)
        factor, displacement = p_c / s_c + some, p1_c / np.hypot(p1_c, q_c) + some
        numbers[:, self._totals_at] = np.array([p_c, s_c, q_c, q_c, factor, displacement]).T
        if len(self.phases) == 3:
            numbers[:, self._arithmetic_at] = s_c[:, None]
        return powers

    def _three_phases(self, numbers: Floats, taken: _Windows) -> None:
        """Voltages between lines, angles between the voltages, phase sequence, unbalance; effective apparent power.

        Unbalance (% of the positive sequence) is not measurable while the phases run backwards; without a neutral u0
        does not exist.
        """
        if not self._has_lines:
            return
        fundamental, dark, rms = taken.fundamental, taken.dark, taken.rms
        if self._from.size:
            # |X - Y|^2 = |X|^2 + |Y|^2 - 2 Re X conj(Y), line by line.
            one, other, products = self._from, self._to, taken.products
            square = products[:, one, one] + products[:, other, other] - 2.0 * products[:, one, other]
            line = np.sqrt(np.maximum(square, 0.0))
            between = fundamental[:, one] * fundamental[:, other].conj()
            numbers[:, self._pair_angles_at] = _degrees(between) + dark[:, one] + dark[:, other]
        else:
            line = rms[:, self._line_inputs]
            for number in np.flatnonzero(taken.lit[:, self._line_inputs].all(axis=1)).tolist():
                magnitudes = np.abs(fundamental[number, self._line_inputs]).tolist()
                numbers[number, self._u2_at] = unbalance_of_line_voltages_pct(*magnitudes)
        numbers[:, self._pairs_at] = line
        if self._has_star:
            self._sequences(numbers, fundamental[:, :3], taken.lit[:, :3])
        if self._effective_at.start == self._effective_at.stop:
            return
        neutral = None if self.system == "3P" else rms[:, self.row["IN"]]
        ve = effective_voltage(rms[:, :3], line, neutral is not None)
        se = 3.0 * ve * effective_current(rms[:, self._currents], neutral)
        some = np.fmin.reduce(dark[:, self._voltages] + dark[:, self._currents], axis=1, initial=np.nan)
        numbers[:, self._effective_at] = np.array([se, numbers[:, self._totals_at.start] / se + some]).T

    def _sequences(self, numbers: Floats, phasors: NDArray[np.complex128], lit: NDArray[np.bool_]) -> None:
        """lit [windows, 3]: which voltages carry a fundamental; the sequence of the phases needs all, unbalance one."""
        positive, negative, zero = np.abs(symmetrical_components(phasors)).T
        complete = lit.all(axis=1)
        forward, backward = positive > DECIDED * negative, negative > DECIDED * positive
        sequence = np.where(forward, 1.0, np.where(backward, 0.0, np.nan))
        numbers[:, self._sequence_at] = np.where(complete, sequence, np.nan)[:, None]
        share = np.where(lit.any(axis=1) & (positive > FORWARD * negative), 100.0 / positive, np.nan)
        numbers[:, self._u2_at] = (share * negative)[:, None]
        numbers[:, self._u0_at] = (share * zero)[:, None]


def _by_order(numbers: Floats, at: slice) -> Floats:
    """A part of the numbers [windows, keys] as [windows, channels, ORDERS]; writes through."""
    return numbers[:, at].reshape(numbers.shape[0], -1, ORDERS)


@lru_cache(maxsize=32)
def _shared_table(
    system: WiringSystem, channels: tuple[ChannelSpec, ...], demand_current_a: float | None, further: tuple[str, ...]
) -> QuantityTable:
    return QuantityTable(system, channels, demand_current_a=demand_current_a, further=further)


def table_for(
    system: WiringSystem, channels: Sequence[ChannelSpec], *, demand_current_a: float | None, further: tuple[str, ...]
) -> QuantityTable:
    """The table of a kind of module, the same object for all modules of that kind."""
    return _shared_table(system, tuple(replace(c, response=()) for c in channels), demand_current_a, further)
