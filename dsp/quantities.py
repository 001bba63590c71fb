"""From a spectrum to the values of a Measurement, under the keys of the parameter table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
LINE_PAIRS = ("12", "23", "31")
POWERS = ("P", "SP", "fSP", "Q1")
FACTORS = ("PF{}i", "dPF{}", "phi{}")
TOTALS = ("Pc", "SPc", "fSPc", "Q1c", "PFc", "dPFc")
_H = np.arange(1, ORDERS + 1)


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
    angles = np.asarray(np.angle(phasors, deg=True))
    angles[angles <= -180.0] = 180.0
    return angles


def _real_parts(spectrum: Spectrum) -> Floats:
    """Real and imaginary parts [channels, 2 lines] of the lines in the band, in turn."""
    return spectrum.lines.view(np.float64)[:, : 2 * spectrum.in_band]


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
        known = set(channels_of(system))
        self.system = system
        self.row = {channel.key: i for i, channel in enumerate(channels) if channel.key in known}
        self.phases = tuple(str(p) for p in phases_of(system))
        self._demand_a = demand_current_a
        self._floors = np.array([channel.floor for channel in channels])
        ranges = np.array([channel.full_scale or math.nan for channel in channels])
        self._layout = Layout()
        self._name_orders(ranges)
        self._name_scalars(channels)
        self._name_phases()
        self._further = self._layout.add(further)

    def _rows(self, keys: Sequence[str]) -> NDArray[np.intp]:
        return np.array([self.row[key] for key in keys], dtype=np.intp)

    def _name_orders(self, ranges: Floats) -> None:
        """Keys of single orders: harmonics of all channels, angles and interharmonics of all but the neutral."""
        add, keys = self._layout.add, list(self.row)
        lines = [key for key in keys if key != "IN"]
        self._all_rows, self._line_rows = self._rows(keys), self._rows(lines)
        self._angle_floors = ANGLE_SHARE * ranges[self._line_rows]
        self._loaded = [p for p in self.phases if f"V{p}" in self.row and f"I{p}" in self.row]
        self._voltages = self._rows([f"V{p}" for p in self._loaded])
        self._currents = self._rows([f"I{p}" for p in self._loaded])
        self._order_at = add([f"{'NI' if key == 'IN' else key[1] + key[0]}{h}" for key in keys for h in _H])
        self._angle_at = add([f"{key[1]}{key[0]}A{h}" for key in lines for h in _H])
        self._between_at = add([f"{key[1]}{key[0]}IH{h}" for key in lines for h in _H])
        self._active_at = add([f"{p}P{h}" for p in self._loaded for h in _H])

    def _name_scalars(self, channels: Sequence[ChannelSpec]) -> None:
        """Keys of single channels: rms and THD of all, crest factor, PWHD and direct current of all but the neutral."""
        add, keys = self._layout.add, list(self.row)
        lines = [key for key in keys if key != "IN"]
        currents = [key for key in lines if key[0] == "I"]
        self._current_rows = self._rows(currents)
        self._rms_at = add([f"{key}r" for key in keys])
        self._thd_at = add([f"TH{key}" for key in keys])
        self._crest_at = add([f"CF{key}" for key in lines])
        self._pwhd_at = add([f"PWH{key}" for key in lines])
        self._direct_at = add([f"DC{key}" for key in lines])
        self._k_at = add([f"KF{key[1]}" for key in currents])
        self._tdd_at = add([f"TDD{key[1]}" for key in currents])
        # Inputs between two lines, where somebody measures those instead of phases.
        between = {channel.key: i for i, channel in enumerate(channels) if channel.key in ("V12", "V23", "V31")}
        self._line_inputs = [between[f"V{pair}"] for pair in LINE_PAIRS] if len(between) == 3 else []

    def _name_phases(self) -> None:
        """Keys of powers, and of three phases together."""
        add = self._layout.add
        self._power_at = add([f"{name}{p}" for name in POWERS for p in self._loaded])
        self._factor_at = add([name.format(p) for name in FACTORS for p in self._loaded])
        self._complete = len(self._loaded) == len(self.phases)
        self._totals_at = add(TOTALS if self._complete else ())
        three = len(self.phases) == 3
        self._star = self._rows([f"V{p}" for p in self.phases if f"V{p}" in self.row]) if three else self._rows([])
        self._has_star = self._star.size == 3
        pairs = [pair for pair in LINE_PAIRS if f"V{pair[0]}" in self.row and f"V{pair[1]}" in self.row]
        self._from, self._to = (self._rows([f"V{pair[end]}" for pair in pairs]) for end in (0, 1))
        self._has_lines = bool(pairs) or (three and bool(self._line_inputs))
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
        numbers = self._layout.empty()
        with np.errstate(all="ignore"):
            squares = squares_of(spectrum.lines)
            lit = lit_channels(spectrum, squares, self._floors)
            rms = np.sqrt(squares[:, : spectrum.in_band].sum(axis=1))
            orders = Orders(squares, spectrum.cycles, spectrum.in_band, spectrum.band.indicative_to)
            subgroups = orders.rms("subgroup")
            passed = spectrum.measured[:, : orders.last * spectrum.cycles + 1 : spectrum.cycles or 1]
            subgroups[:, : passed.shape[1]][~passed] = np.nan
            numbers[self._rms_at] = rms[self._all_rows]
            self._distortion(numbers, spectrum, rms, lit, subgroups)
            turn = self._reference_turn(spectrum, lit)
            self._orders(numbers, spectrum, orders, subgroups, lit, turn)
            powers = self._powers(numbers, spectrum, rms, lit)
            self._three_phases(numbers, spectrum, rms, lit)
        numbers[np.isinf(numbers)] = np.nan  # a ratio to nothing
        fundamental = (self._fundamental(spectrum) * turn).tolist()
        known = lit.tolist() if np.isfinite(turn) else [False] * lit.size
        return Quantities(
            Values(self._layout.place, numbers),
            {key: subgroups[i] for key, i in self.row.items()},
            {key: fundamental[i] for key, i in self.row.items() if known[i]},
            lit,
            powers,
            numbers[self._further],
        )

    def _fundamental(self, spectrum: Spectrum) -> NDArray[np.complex128]:
        """Phasors [channels] of the fundamental; NaN without one."""
        if spectrum.cycles and spectrum.band.indicative_to:
            return spectrum.lines[:, spectrum.cycles]
        return np.full(spectrum.lines.shape[0], complex(math.nan, math.nan))

    def _reference_turn(self, spectrum: Spectrum, lit: NDArray[np.bool_]) -> complex:
        """Unit factor that brings V1 (else the first channel with a fundamental) to angle 0; NaN without one."""
        for i in self.row.values():
            if lit[i]:
                phasor = complex(spectrum.lines[i, spectrum.cycles])
                return phasor.conjugate() / abs(phasor)
        return complex(math.nan, math.nan)

    def _distortion(
        self, numbers: Floats, spectrum: Spectrum, rms: Floats, lit: NDArray[np.bool_], subgroups: Floats
    ) -> None:
        """By subgroups, to the order band.thd_to; the direct current where the front end passes it."""
        last, lines = spectrum.band.thd_to, self._line_rows
        dark = np.where(lit, 0.0, np.nan)
        numbers[self._thd_at] = (thd_pct(subgroups, last) + dark)[self._all_rows]
        numbers[self._crest_at] = (crest_factor(spectrum.lines[:, : spectrum.in_band], rms) + dark)[lines]
        numbers[self._pwhd_at] = (pwhd_pct(subgroups, last) + dark)[lines]
        numbers[self._direct_at] = np.where(spectrum.measured[lines, 0], spectrum.lines[lines, 0].real, np.nan)
        currents = self._current_rows
        numbers[self._k_at] = (k_factor(subgroups, last) + dark)[currents]
        if self._demand_a is not None:
            numbers[self._tdd_at] = (tdd_pct(subgroups, self._demand_a, last) + dark)[currents]

    def _orders(
        self,
        numbers: Floats,
        spectrum: Spectrum,
        orders: Orders,
        subgroups: Floats,
        lit: NDArray[np.bool_],
        turn: complex,
    ) -> None:
        """Harmonic and interharmonic subgroups in % of the channel's fundamental subgroup; angles as angle(X_h)
        - h angle(V1_1), so that they do not depend on where the window starts; active power of each harmonic (W)."""
        last, lines = orders.last, self._line_rows
        if not last:
            return
        scale = np.where(lit, 100.0 / subgroups[:, 1], np.nan)[:, None]
        percent = subgroups * scale
        numbers[self._order_at].reshape(-1, ORDERS)[:] = percent[self._all_rows, 1:]
        between = orders.rms("interharmonic subgroup") * scale
        numbers[self._between_at].reshape(-1, ORDERS)[:] = between[lines, 1:]

        at = slice(spectrum.cycles, last * spectrum.cycles + 1, spectrum.cycles)
        harmonics = np.where(spectrum.measured[:, at], spectrum.lines[:, at], np.nan)
        own = harmonics[lines]
        size = np.abs(own)
        floors = np.where(np.isnan(self._angle_floors), ANGLE_SHARE * size[:, 0], self._angle_floors)
        angles = _degrees(own * turn ** _H[:last])
        angles[~((size >= floors[:, None]) & lit[lines, None])] = np.nan
        numbers[self._angle_at].reshape(-1, ORDERS)[:, :last] = angles

        voltages = self._voltages
        active = (harmonics[voltages] * harmonics[self._currents].conj()).real
        active[~lit[voltages]] = np.nan
        numbers[self._active_at].reshape(-1, ORDERS)[:, :last] = active

    def _powers(self, numbers: Floats, spectrum: Spectrum, rms: Floats, lit: NDArray[np.bool_]) -> Floats:
        """SPp = V I; SPc = Sa is the arithmetic sum; fSPp = Q1p, fSPc = Q1c their sum. PFpi and PFc are P / S with the
        sign of P; dPFp = P1 / S1 and dPFc = P1 / |P1 + j Q1| of the sums. A sum needs all phases."""
        v, i = self._voltages, self._currents
        parts = _real_parts(spectrum)
        fundamental = self._fundamental(spectrum)
        p = np.einsum("pk,pk->p", parts[v], parts[i])  # sum of the real parts of V conj(I)
        phases = PhasePowers(rms[v], rms[i], fundamental[v], fundamental[i], p)
        s, first = phases.s, phases.complex_1
        numbers[self._power_at] = np.concatenate([p, s, first.imag, first.imag])
        both = lit[v] & lit[i]
        factors = np.empty((3, p.size))
        np.divide(p, s, out=factors[0])
        np.divide(first.real, np.abs(first), out=factors[1])
        factors[2] = _degrees(first)
        factors[:, ~both] = np.nan
        numbers[self._factor_at] = factors.ravel()
        powers = np.full((3, len(self.phases) + 1), np.nan)
        if not self._complete:
            powers[:, [self.phases.index(p) for p in self._loaded]] = p, s, first.imag
            return powers
        powers[:, :-1] = p, s, first.imag
        powers[:, -1] = p_c, s_c, q_c = powers[:, :-1].sum(axis=1).tolist()
        p1_c = float(first.real.sum())
        s1_c = math.hypot(p1_c, q_c)
        factor = p_c / s_c if both.any() and s_c > 0.0 else math.nan
        displacement = p1_c / s1_c if both.any() and s1_c > 0.0 else math.nan
        numbers[self._totals_at] = p_c, s_c, q_c, q_c, factor, displacement
        if len(self.phases) == 3:
            numbers[self._arithmetic_at] = s_c
        return powers

    def _three_phases(self, numbers: Floats, spectrum: Spectrum, rms: Floats, lit: NDArray[np.bool_]) -> None:
        """Voltages between lines, angles between the voltages, phase sequence, unbalance; effective apparent power.

        Unbalance (% of the positive sequence) is not measurable while the phases run backwards; without a neutral u0
        does not exist.
        """
        if not self._has_lines:
            return
        fundamental = self._fundamental(spectrum)
        if self._from.size:
            parts = _real_parts(spectrum)
            apart = parts[self._from] - parts[self._to]
            line = np.sqrt(np.einsum("pk,pk->p", apart, apart))
            angles = _degrees(fundamental[self._from] * fundamental[self._to].conj())
            angles[~(lit[self._from] & lit[self._to])] = np.nan
            numbers[self._pair_angles_at] = angles
        else:
            line = rms[self._line_inputs]
            if lit[self._line_inputs].all():
                magnitudes = np.abs(fundamental[self._line_inputs]).tolist()
                numbers[self._u2_at] = unbalance_of_line_voltages_pct(*magnitudes)
        if self._has_star and lit[self._star].any():
            self._sequences(numbers, fundamental[self._star], bool(lit[self._star].all()))
        numbers[self._pairs_at] = line
        if self._effective_at.start == self._effective_at.stop:
            return
        neutral = None if self.system == "3P" else float(rms[self.row["IN"]])
        ve = effective_voltage(rms[self._star], line, neutral is not None)
        se = 3.0 * ve * effective_current(rms[self._currents], neutral)
        lit_phase = bool((lit[self._voltages] & lit[self._currents]).any())
        total = float(numbers[self._totals_at.start])
        numbers[self._effective_at] = se, total / se if lit_phase and se > 0.0 else math.nan

    def _sequences(self, numbers: Floats, phasors: NDArray[np.complex128], complete: bool) -> None:
        """complete: all three voltages carry a fundamental."""
        positive, negative, zero = np.abs(symmetrical_components(phasors)).tolist()
        if complete:
            if positive > DECIDED * negative:
                numbers[self._sequence_at] = 1.0
            elif negative > DECIDED * positive:
                numbers[self._sequence_at] = 0.0
        if positive > negative:
            numbers[self._u2_at] = 100.0 * negative / positive
            numbers[self._u0_at] = 100.0 * zero / positive
