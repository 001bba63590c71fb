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
LINE_PAIRS = ("12", "23", "31")
POWERS = ("P", "SP", "fSP", "Q1")
FACTORS = ("PF{}i", "dPF{}", "phi{}")
TOTALS = ("Pc", "SPc", "fSPc", "Q1c", "PFc", "dPFc")
_H = range(1, ORDERS + 1)


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


def _wrapped(angles_deg: Floats) -> Floats:
    """The same angles in (-180, 180] degrees."""
    return np.asarray(angles_deg - 360.0 * np.ceil(angles_deg / 360.0 - 0.5))


class _Windows:
    """Lines of several windows of equal cycles and band, and what many quantities need of them.

    lines, measured: [windows, channels, lines]; squares: of the lines; products [windows, channels, channels]: sums of
    the real parts of X conj(Y) over the lines in the band (V, A, W); lit, rms: [windows, channels]; fundamental: its
    phasors [windows, channels], NaN without one.
    """

    def __init__(self, spectra: Sequence[Spectrum], floors: Floats) -> None:
        one = spectra[0]
        self.cycles, self.in_band, self.band = one.cycles, one.in_band, one.band
        self.lines = np.array([spectrum.lines for spectrum in spectra])
        self.measured = np.array([spectrum.measured for spectrum in spectra])
        self.squares = squares_of(self.lines)
        self.lit = lit_channels(self.squares, self.measured, self.cycles, floors)
        parts = self.lines.view(np.float64)[..., : 2 * self.in_band]
        self.products = parts @ parts.swapaxes(1, 2)
        self.rms: Floats = np.sqrt(np.diagonal(self.products, axis1=1, axis2=2))
        if self.cycles and self.band.indicative_to:
            self.fundamental = self.lines[..., self.cycles]
        else:
            self.fundamental = np.full(self.rms.shape, complex(math.nan, math.nan))


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
        self._between_angle_at = add([f"{key[1]}{key[0]}IHA{h}" for key in lines for h in _H])
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
            taken = _Windows(spectra, self._floors)
            orders = Orders(taken.squares, taken.cycles, taken.in_band, taken.band.indicative_to)
            subgroups = orders.rms("subgroup")
            passed = taken.measured[..., : orders.last * taken.cycles + 1 : taken.cycles or 1]
            subgroups[..., : passed.shape[-1]][~passed] = np.nan
            numbers[:, self._rms_at] = taken.rms[:, self._all_rows]
            self._distortion(numbers, taken, subgroups)
            turn = self._reference_turn(taken)
            self._orders(numbers, taken, orders, subgroups, turn)
            powers = self._powers(numbers, taken)
            self._three_phases(numbers, taken)
            numbers[np.isinf(numbers)] = np.nan  # a ratio to nothing
            known = taken.lit & np.isfinite(turn)[:, None]
            fundamental = (taken.fundamental * turn[:, None]).tolist()
        return [
            Quantities(
                Values(self._layout.place, own),
                {key: subgroups[number, i] for key, i in self.row.items()},
                {key: fundamental[number][i] for key, i in self.row.items() if known[number, i]},
                taken.lit[number],
                powers[number],
                own[self._further],
            )
            for number, own in enumerate(numbers)
        ]

    def _reference_turn(self, taken: _Windows) -> NDArray[np.complex128]:
        """Unit factors [windows] that bring V1 (else the first channel with a fundamental) to angle 0; NaN without."""
        lit = taken.lit[:, self._all_rows]
        number = np.arange(lit.shape[0])
        reference = lit.argmax(axis=1)
        phasors = taken.fundamental[number, self._all_rows[reference]]
        turn = phasors.conj() / np.abs(phasors)
        turn[~lit[number, reference]] = complex(math.nan, math.nan)
        return np.asarray(turn)

    def _distortion(self, numbers: Floats, taken: _Windows, subgroups: Floats) -> None:
        """By subgroups, to the order band.thd_to; the direct current where the front end passes it."""
        last, lines, currents = taken.band.thd_to, self._line_rows, self._current_rows
        dark = np.where(taken.lit, 0.0, np.nan)
        numbers[:, self._thd_at] = (thd_pct(subgroups, last) + dark)[:, self._all_rows]
        crest = crest_factor(taken.lines[:, lines, : taken.in_band], taken.rms[:, lines])
        numbers[:, self._crest_at] = crest + dark[:, lines]
        numbers[:, self._pwhd_at] = (pwhd_pct(subgroups, last) + dark)[:, lines]
        direct = np.where(taken.measured[..., 0], taken.lines[..., 0].real, np.nan)
        numbers[:, self._direct_at] = direct[:, lines]
        numbers[:, self._k_at] = (k_factor(subgroups, last) + dark)[:, currents]
        if self._demand_a is not None:
            numbers[:, self._tdd_at] = (tdd_pct(subgroups, self._demand_a, last) + dark)[:, currents]

    def _orders(
        self, numbers: Floats, taken: _Windows, orders: Orders, subgroups: Floats, turn: NDArray[np.complex128]
    ) -> None:
        """Harmonic and interharmonic subgroups in % of the channel's fundamental subgroup, their angles, and the
        active power of each harmonic (W).

        The angle of line k of a window of N cycles is angle(X_k) - k / N angle(V1_1): what it has at the crest of V1's
        fundamental that is next to the window's start. For the harmonics (k = N h) every crest gives the same; that of
        an interharmonic subgroup is its strongest line's. None where a line is as small as noise."""
        last, lines, windows = orders.last, self._line_rows, numbers.shape[0]
        if not last:
            return
        scale = np.where(taken.lit, 100.0 / subgroups[..., 1], np.nan)[..., None]
        numbers[:, self._order_at] = (subgroups * scale)[:, self._all_rows, 1:].reshape(windows, -1)
        between = orders.rms("interharmonic subgroup") * scale
        numbers[:, self._between_at] = between[:, lines, 1:].reshape(windows, -1)

        at = slice(taken.cycles, last * taken.cycles + 1, taken.cycles)
        harmonics = np.where(taken.measured[..., at], taken.lines[..., at], np.nan)
        first = harmonics[:, lines, 0]
        floors = np.where(np.isnan(self._angle_floors), ANGLE_SHARE * np.abs(first), self._angle_floors)[..., None]
        reference_deg = _degrees(turn.conj())[:, None, None]
        dark = ~taken.lit[:, lines, None]

        def angles(at: slice, phasors: NDArray[np.complex128], order: Floats) -> None:
            found = _wrapped(_degrees(phasors) - order * reference_deg)
            found[dark | ~(np.abs(phasors) >= floors)] = np.nan
            _by_order(numbers, at)[..., : found.shape[-1]] = found

        angles(self._angle_at, harmonics[:, lines], np.arange(1.0, last + 1.0))
        if orders.last_of("interharmonic subgroup") > 0:
            strongest, order = orders.strongest_between(taken.lines)
            angles(self._between_angle_at, strongest[:, lines], order[:, lines])

        voltages = self._voltages
        active = (harmonics[:, voltages] * harmonics[:, self._currents].conj()).real
        active[~taken.lit[:, voltages]] = np.nan
        _by_order(numbers, self._active_at)[..., :last] = active

    def _powers(self, numbers: Floats, taken: _Windows) -> Floats:
        """SPp = V I; SPc = Sa is the arithmetic sum; fSPp = Q1p, fSPc = Q1c their sum. PFpi and PFc are P / S with the
        sign of P; dPFp = P1 / S1 and dPFc = P1 / |P1 + j Q1| of the sums. A sum needs all phases."""
        v, i = self._voltages, self._currents
        p = taken.products[:, v, i]
        phases = PhasePowers(taken.rms[:, v], taken.rms[:, i], taken.fundamental[:, v], taken.fundamental[:, i], p)
        s, first = phases.s, phases.complex_1
        three = np.array([p, s, first.imag]).swapaxes(0, 1)  # [windows, P S Q1, phases]
        numbers[:, self._power_at] = three[:, [0, 1, 2, 2]].reshape(p.shape[0], -1)
        both = taken.lit[:, v] & taken.lit[:, i]
        factors = np.array([p / s, first.real / np.abs(first), _degrees(first)])
        factors[:, ~both] = np.nan
        numbers[:, self._factor_at] = factors.swapaxes(0, 1).reshape(p.shape[0], -1)
        powers = np.full((p.shape[0], 3, len(self.phases) + 1), np.nan)
        if not self._complete:
            powers[..., [self.phases.index(phase) for phase in self._loaded]] = three
            return powers
        powers[..., :-1] = three
        powers[..., -1] = three.sum(axis=2)
        p_c, s_c, q_c = powers[..., -1].T
        p1_c = first.real.sum(axis=1)
        dark = np.where(both.any(axis=1), 0.0, np.nan)
        factor, displacement = p_c / s_c + dark, p1_c / np.hypot(p1_c, q_c) + dark
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
        fundamental, lit, rms = taken.fundamental, taken.lit, taken.rms
        if self._from.size:
            # |X - Y|^2 = |X|^2 + |Y|^2 - 2 Re X conj(Y), line by line.
            one, other, products = self._from, self._to, taken.products
            square = products[:, one, one] + products[:, other, other] - 2.0 * products[:, one, other]
            line = np.sqrt(np.maximum(square, 0.0))
            angles = _degrees(fundamental[:, self._from] * fundamental[:, self._to].conj())
            angles[~(lit[:, self._from] & lit[:, self._to])] = np.nan
            numbers[:, self._pair_angles_at] = angles
        else:
            line = rms[:, self._line_inputs]
            for number in np.flatnonzero(lit[:, self._line_inputs].all(axis=1)).tolist():
                magnitudes = np.abs(fundamental[number, self._line_inputs]).tolist()
                numbers[number, self._u2_at] = unbalance_of_line_voltages_pct(*magnitudes)
        numbers[:, self._pairs_at] = line
        if self._has_star:
            self._sequences(numbers, fundamental[:, self._star], lit[:, self._star])
        if self._effective_at.start == self._effective_at.stop:
            return
        neutral = None if self.system == "3P" else rms[:, self.row["IN"]]
        ve = effective_voltage(rms[:, self._star], line, neutral is not None)
        se = 3.0 * ve * effective_current(rms[:, self._currents], neutral)
        lit_phase = (lit[:, self._voltages] & lit[:, self._currents]).any(axis=1)
        factor = np.where(lit_phase, numbers[:, self._totals_at.start] / se, np.nan)
        numbers[:, self._effective_at] = np.array([se, factor]).T

    def _sequences(self, numbers: Floats, phasors: NDArray[np.complex128], lit: NDArray[np.bool_]) -> None:
        """lit [windows, 3]: which voltages carry a fundamental; the sequence of the phases needs all, unbalance one."""
        positive, negative, zero = np.abs(symmetrical_components(phasors)).T
        complete = lit.all(axis=1)
        forward, backward = positive > DECIDED * negative, negative > DECIDED * positive
        sequence = np.where(forward, 1.0, np.where(backward, 0.0, np.nan))
        numbers[:, self._sequence_at] = np.where(complete, sequence, np.nan)[:, None]
        share = np.where(lit.any(axis=1) & (positive > negative), 100.0 / positive, np.nan)
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
