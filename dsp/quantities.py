"""From a spectrum to the values of a Measurement, under the keys of the parameter table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.measurement import ORDERS
from dsp.power import PhasePower, degrees, effective_apparent, phase_power, power_values, unbalance
from dsp.spectrum import Spectrum, harmonics_of, lit_channels, rms_of, subgroups_of, thd_pct
from resources.systems import WiringSystem, channels_of, phases_of

PAIRS = (("1", "2"), ("2", "3"), ("3", "1"))
ANGLE_SHARE = 1e-5
"""A harmonic below this share of the range (else of the fundamental) has no angle: five times a front end's noise."""
DECIDED = 2.0
"""The phase sequence is decided when one of the two symmetrical components is so many times the other."""


@dataclass(frozen=True)
class Quantities:
    """values: {key: number}, NaN where not measurable. spectral: values of single orders, None where not measurable.
    orders: {channel: [ORDERS + 1] rms}. phasors: {channel: complex rms of the fundamental}. lit: channels [channels]
    that carry a fundamental."""

    values: dict[str, float]
    spectral: dict[str, float | None]
    orders: dict[str, NDArray[np.float64]]
    phasors: dict[str, complex]
    lit: NDArray[np.bool_]


def _nullable(numbers: NDArray[np.float64]) -> list[float | None]:
    """All numbers in one list, None for those that are NaN."""
    flat = numbers.ravel()
    boxed = flat.astype(object)
    boxed[np.isnan(flat)] = None
    result: list[float | None] = boxed.tolist()
    return result


class QuantityTable:
    """Names of what a wiring system and its channels give, made once; `measure` fills in the numbers."""

    def __init__(self, system: WiringSystem, channels: Sequence[ChannelSpec]) -> None:
        known = set(channels_of(system))
        self.system = system
        self.channels = tuple(channels)
        self.row = {channel.key: i for i, channel in enumerate(channels) if channel.key in known}
        self.phases = tuple(str(p) for p in phases_of(system))
        self._floors = np.array([channel.floor for channel in channels])
        self._ranges = np.array([channel.full_scale or math.inf for channel in channels])
        self._rows = list(self.row.values())
        numbers = range(1, ORDERS + 1)
        self._pairs = [p for p in self.phases if f"V{p}" in self.row and f"I{p}" in self.row]
        self._power_rows = ([self.row[f"V{p}"] for p in self._pairs], [self.row[f"I{p}"] for p in self._pairs])
        self._angle_rows = [i for key, i in self.row.items() if key != "IN"]
        order_names = ["NI" if key == "IN" else key[1] + key[0] for key in self.row]
        angle_names = [f"{key[1]}{key[0]}A" for key in self.row if key != "IN"]
        self._order_keys = [f"{name}{h}" for name in order_names for h in numbers]
        self._angle_keys = [f"{name}{h}" for name in angle_names for h in numbers]
        self._power_keys = [f"{p}P{h}" for p in self._pairs for h in numbers]
        self._thd_keys = [f"TH{key}" for key in self.row]

    def measure(self, spectrum: Spectrum) -> Quantities:
        """Everything that one window gives, but frequencies and energies."""
        lines = spectrum.lines[:, : spectrum.in_band]
        rms = rms_of(lines)
        lit = lit_channels(spectrum, self._floors)
        harmonics, subgroups = harmonics_of(spectrum), subgroups_of(spectrum)
        levels: list[float] = rms.tolist()
        values: dict[str, float] = {f"{key}r": levels[i] for key, i in self.row.items()}
        line_rms = self._line_voltages(lines, values)
        self._powers(spectrum, levels, lit, values, line_rms)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._distortion(spectrum, rms, lit, subgroups, values)
        turn = self._reference_turn(harmonics[:, 1], lit)
        spectral = self._orders(harmonics, subgroups, lit, turn)
        if len(self.phases) == 3:
            self._sequences(harmonics[:, 1], lit, values)
        phasors = {key: complex(harmonics[i, 1] * turn) for key, i in self.row.items() if lit[i] and np.isfinite(turn)}
        orders = {key: subgroups[i] for key, i in self.row.items()}
        return Quantities(values, spectral, orders, phasors, lit)

    def _line_voltages(self, lines: NDArray[np.complex128], values: dict[str, float]) -> dict[str, float]:
        """Line-to-line voltages from the difference of the waveforms."""
        result = {}
        for a, b in PAIRS:
            if f"V{a}" in self.row and f"V{b}" in self.row:
                difference = lines[self.row[f"V{a}"]] - lines[self.row[f"V{b}"]]
                values[f"V{a}{b}r"] = result[a + b] = float(rms_of(difference[None])[0])
        return result

    def _powers(
        self,
        spectrum: Spectrum,
        rms: list[float],
        lit: NDArray[np.bool_],
        values: dict[str, float],
        line_rms: dict[str, float],
    ) -> None:
        powers: dict[str, PhasePower] = {}
        for p in self._pairs:
            v, i = self.row[f"V{p}"], self.row[f"I{p}"]
            both = bool(lit[v] and lit[i])
            band = slice(0, spectrum.in_band)
            powers[p] = phase_power(
                spectrum.lines[v, band], spectrum.lines[i, band], rms[v], rms[i], spectrum.cycles, both
            )
        sums = power_values(powers)
        if len(powers) < len(self.phases):  # a sum needs all phases
            sums = {key: value for key, value in sums.items() if "c" not in key and key != "Sa"}
        elif len(self.phases) == 1:  # effective and arithmetic apparent power are of three phases
            del sums["Sa"]
        values.update(sums)
        if len(powers) < 3:
            return
        if len(line_rms) == 3 and (self.system == "3P" or "IN" in self.row):
            phase_v = np.array([rms[self.row[f"V{p}"]] for p in self.phases])
            phase_i = np.array([rms[self.row[f"I{p}"]] for p in self.phases])
            neutral = None if self.system == "3P" else float(rms[self.row["IN"]])
            values["Se"] = effective_apparent(phase_v, np.array(list(line_rms.values())), phase_i, neutral)
        if "PFc" in values and values.get("Se", 0.0) > 0.0:
            values["PFe"] = values["Pc"] / values["Se"]

    def _distortion(
        self,
        spectrum: Spectrum,
        rms: NDArray[np.float64],
        lit: NDArray[np.bool_],
        subgroups: NDArray[np.float64],
        values: dict[str, float],
    ) -> None:
        """THD, crest factor, K-factor (sum of h^2 Ih^2 over sum of Ih^2, UL 1561)."""
        last = spectrum.band.thd_to
        thd = np.where(lit, thd_pct(subgroups, last), np.nan)
        values.update(zip(self._thd_keys, thd[self._rows].tolist(), strict=True))
        points = 1 << (2 * spectrum.lines.shape[1]).bit_length()
        wave = spectrum.lines[:, : spectrum.in_band] * (points / np.sqrt(2.0))
        wave[:, 0] *= np.sqrt(2.0)
        wave = np.fft.irfft(wave, n=points, axis=1)
        peak = np.maximum(wave.max(axis=1), -wave.min(axis=1))
        crest = np.where(lit, peak / rms, np.nan)
        squares = subgroups[:, 1 : last + 1] ** 2
        k_factor = np.where(lit, squares @ np.arange(1.0, last + 1) ** 2 / squares.sum(axis=1), np.nan)
        for p in self.phases:
            if f"V{p}" in self.row:
                values[f"CFV{p}"] = float(crest[self.row[f"V{p}"]])
            if f"I{p}" in self.row:
                values[f"CFI{p}"] = float(crest[self.row[f"I{p}"]])
                values[f"KF{p}"] = float(k_factor[self.row[f"I{p}"]]) if last else math.nan

    def _reference_turn(self, fundamental: NDArray[np.complex128], lit: NDArray[np.bool_]) -> complex:
        """Unit factor that brings V1 (else the first channel with a fundamental) to angle 0; NaN without one."""
        for i in self.row.values():
            if lit[i]:
                return complex(np.conj(fundamental[i]) / abs(fundamental[i]))
        return complex(math.nan, math.nan)

    def _orders(
        self,
        harmonics: NDArray[np.complex128],
        subgroups: NDArray[np.float64],
        lit: NDArray[np.bool_],
        turn: complex,
    ) -> dict[str, float | None]:
        """Harmonics in % of the channel's fundamental subgroup; angles as angle(X_h) - h angle(V1_1), so that they do
        not depend on where the window starts; active power of each harmonic (W)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            percent = 100.0 * subgroups[:, 1:] / subgroups[:, 1:2]
        percent[~lit] = np.nan
        values = dict(zip(self._order_keys, _nullable(percent[self._rows]), strict=True))

        rows = self._angle_rows
        size = np.abs(harmonics[rows, 1:])
        scale = np.where(np.isfinite(self._ranges[rows]), self._ranges[rows], size[:, 0])
        angles = np.angle(harmonics[rows, 1:] * turn ** np.arange(1, ORDERS + 1), deg=True)
        angles[angles <= -180.0] = 180.0
        angles[~(size >= ANGLE_SHARE * scale[:, None])] = np.nan
        angles[~lit[rows]] = np.nan
        values.update(zip(self._angle_keys, _nullable(angles), strict=True))

        voltage, current = self._power_rows
        active = (harmonics[voltage, 1:] * harmonics[current, 1:].conj()).real
        active[~lit[voltage]] = np.nan
        values.update(zip(self._power_keys, _nullable(active), strict=True))
        return values

    def _sequences(self, fundamental: NDArray[np.complex128], lit: NDArray[np.bool_], values: dict[str, float]) -> None:
        """Angles between the voltages, phase sequence, unbalance u2 and u0 (% of the positive sequence).

        Unbalance is not measurable while the phases run backwards. Without a neutral u0 does not exist.
        """
        for a, b in PAIRS:
            i, j = self.row.get(f"V{a}"), self.row.get(f"V{b}")
            if i is not None and j is not None and lit[i] and lit[j]:
                values[f"V{a}{b}a"] = degrees(float(np.angle(fundamental[i] * fundamental[j].conj())))
        rows = [self.row[f"V{p}"] for p in self.phases if f"V{p}" in self.row]
        if len(rows) < 3 or not lit[rows].any():
            return
        positive, negative, zero = (abs(u) for u in unbalance(*(complex(fundamental[i]) for i in rows)))
        if lit[rows].all():
            if positive > DECIDED * negative:
                values["Prot"] = 1.0
            elif negative > DECIDED * positive:
                values["Prot"] = 0.0
        if positive > negative:
            values["u2"] = 100.0 * negative / positive
            if self.system != "3P":
                values["u0"] = 100.0 * zero / positive
