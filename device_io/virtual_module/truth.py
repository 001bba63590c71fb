"""What a measurement of a preset must show, from the numbers of the preset alone.

Values refer to the module's terminals. Definitions are those of IEEE 1459 and IEC 61000-4-7 and -4-30; import and
inductive are positive. A quantity that changes in time, or from window to window, has no truth: None.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from device_io.source import ChannelInfo
from device_io.virtual_module.front_end import SAMPLE_RATE_HZ, noise_rms, response_at
from device_io.virtual_module.mains import Wave
from device_io.virtual_module.presets import Preset
from resources.parameters import keys_for
from resources.systems import WiringSystem, phases_of

ORDERS = 40
_INDICATIVE = 0.495  # of the sample rate: no number beyond
_NOTHING = 1e-9  # V or A: what rounding leaves where conductors cancel

Truth = dict[str, float | None]


@dataclass(frozen=True)
class _Input:
    """One input: rms phasors by order (in multiples of the fundamental), and the rms of its noise."""

    phasors: Mapping[float, complex]
    sigma: float

    @property
    def rms(self) -> float:
        return math.sqrt(sum(abs(phasor) ** 2 for phasor in self.phasors.values()) + self.sigma**2)

    @property
    def fundamental(self) -> complex:
        return self.phasors.get(1.0, 0j)


def truth(preset: Preset, system: WiringSystem, channels: Sequence[ChannelInfo]) -> Truth:
    """{key: value} for every key of the parameter table that exists in the wiring system; None for no truth."""
    inputs = _inputs(preset, system, channels)
    values: Truth = {}
    _frequency(values, preset, system, inputs)
    for key, measured in inputs.items():
        values[f"{key}r"] = measured.rms
        _harmonics(values, preset, key, measured)
    for phase in phases_of(system):
        _power(values, phase, inputs.get(f"V{phase}"), inputs.get(f"I{phase}"), preset)
    _sums(values, phases_of(system))
    if len(phases_of(system)) == 3 and all(f"V{phase}" in inputs for phase in (1, 2, 3)):
        _three_voltages(values, [inputs[f"V{phase}"] for phase in (1, 2, 3)])
        _effective(values, inputs, system)
    return {key: values.get(key) for key in keys_for(system)}


def no_truth(system: WiringSystem) -> Truth:
    """Every key of a wiring system without a value: for what is played from a file."""
    return dict.fromkeys(keys_for(system))


def _inputs(preset: Preset, system: WiringSystem, channels: Sequence[ChannelInfo]) -> dict[str, _Input]:
    """The inputs that have a truth: steady, with every tone on a bin of the 10/12-cycle window."""
    mains = preset.mains
    rows = preset.wiring.rows(system)
    result = {}
    for channel in channels:
        row = rows[channel.key]
        if mains.varying.intersection(row):
            continue
        phasors: dict[float, complex] = {}
        for source, weight in row.items():
            for tone in mains.waves.get(source, Wave()).tones:
                order = tone.order + tone.frequency_hz / mains.frequency.hz
                if tone.frequency_hz and not mains.frequency.steady:
                    order = math.nan
                phasors[order] = phasors.get(order, 0j) + weight * tone.phasor
        if all(_on_bin(order, preset) for order in phasors):
            kept = {order: phasor for order, phasor in phasors.items() if abs(phasor) > _NOTHING}
            added = mains.noise_v if channel.unit == "V" else mains.noise_a
            sigma = math.hypot(noise_rms(channel), added) * _noise_gain(channel)
            result[channel.key] = _Input(kept, sigma)
    return result


def _noise_gain(channel: ChannelInfo) -> float:
    """Rms of white noise up to 0.495 of the sample rate, referred to the terminals: the response is divided out."""
    step_hz = 5.0
    bins = np.arange(step_hz, _INDICATIVE * SAMPLE_RATE_HZ, step_hz)
    power = np.sum(np.abs(response_at(channel.response, bins)) ** -2.0)
    return math.sqrt(float(power) * step_hz / (0.5 * SAMPLE_RATE_HZ))


def _on_bin(order: float, preset: Preset) -> bool:
    bins = order * _cycles(preset)
    return math.isfinite(bins) and abs(bins - round(bins)) < 1e-9


def _cycles(preset: Preset) -> int:
    return 12 if preset.nominal_hz == 60.0 else 10


def last_order(frequency_hz: float) -> int:
    """Highest harmonic order within 0.495 of the sample rate, 40 at most."""
    return min(ORDERS, math.floor(_INDICATIVE * SAMPLE_RATE_HZ / frequency_hz))


def _frequency(values: Truth, preset: Preset, system: WiringSystem, inputs: Mapping[str, _Input]) -> None:
    """Fq1i..Fq3i, Fqai, Fq10 (Hz): the frequency of the mains, where it is steady and reaches the input."""
    if preset.mains.frequency.steady:
        hz = preset.mains.frequency.hz
        values["Fqai"] = values["Fq10"] = hz
        for phase in phases_of(system):
            voltage = inputs.get(f"V{phase}")
            values[f"Fq{phase}i"] = hz if voltage is None or voltage.fundamental else None


def _harmonics(values: Truth, preset: Preset, key: str, measured: _Input) -> None:
    """Harmonic subgroups (IEC 61000-4-7: the order's bin and its two neighbours) in % of the fundamental's, THD of
    orders 2 to the last one within 0.495 of the sample rate, 40 at most."""
    listed, distortion = ("NI", "THIN") if key == "IN" else (f"{key[1]}{key[0]}", f"TH{key}")
    groups = [0.0] * (ORDERS + 1)
    for order, phasor in measured.phasors.items():
        nearest = round(order)
        if nearest <= ORDERS and abs(order - nearest) * _cycles(preset) < 1.5:
            groups[nearest] = math.hypot(groups[nearest], abs(phasor))
    if groups[1] == 0.0:
        return
    last = last_order(preset.mains.frequency.hz)
    for order in range(1, last + 1):
        values[f"{listed}{order}"] = 100.0 * groups[order] / groups[1]
    values[distortion] = 100.0 * math.hypot(*groups[2 : last + 1]) / groups[1]


def _power(values: Truth, phase: int, v: _Input | None, i: _Input | None, preset: Preset) -> None:
    """Pp: mean of v i (W). SPp = V I of the rms values (VA). fSPp = Q1p = V1 I1 sin(theta1) (var), theta1 = phip the
    angle of V1 minus that of I1 (deg). PFpi = P / S with the sign of P. dPFp = cos(theta1). pPh: of one order (W)."""
    if v is None or i is None:
        return
    common = v.phasors.keys() & i.phasors.keys()
    active = sum((v.phasors[order] * i.phasors[order].conjugate()).real for order in common)
    values[f"P{phase}"] = active
    values[f"SP{phase}"] = v.rms * i.rms
    fundamental = v.fundamental * i.fundamental.conjugate()
    values[f"fSP{phase}"] = values[f"Q1{phase}"] = fundamental.imag
    if abs(fundamental) > 0.0:
        for order in range(1, last_order(preset.mains.frequency.hz) + 1):
            product = v.phasors.get(float(order), 0j) * i.phasors.get(float(order), 0j).conjugate()
            values[f"{phase}P{order}"] = product.real
        values[f"PF{phase}i"] = active / (v.rms * i.rms)
        values[f"phi{phase}"] = _degrees(fundamental)
        values[f"dPF{phase}"] = fundamental.real / abs(fundamental)


def _degrees(phasor: complex) -> float:
    """Angle in -180 < deg <= 180; what rounding puts at -180 is 180."""
    angle = math.degrees(cmath.phase(phasor))
    return 180.0 if angle < -180.0 + 1e-9 else angle


def _sums(values: Truth, phases: Sequence[int]) -> None:
    """Pc, SPc = Sa (arithmetic), fSPc = Q1c: sums over the phases. PFc = Pc / Sa. dPFc = P1c / |P1c + j Q1c|."""
    for total, part in (("Pc", "P"), ("SPc", "SP"), ("fSPc", "fSP"), ("Q1c", "Q1")):
        values[total] = _sum(values, [f"{part}{phase}" for phase in phases])
    values["Sa"] = values["SPc"]
    active, apparent, reactive = values["Pc"], values["Sa"], values["Q1c"]
    lit = [phase for phase in phases if values.get(f"{phase}P1") is not None]
    if active is not None and apparent and reactive is not None and lit:
        first = _sum(values, [f"{phase}P1" for phase in lit]) or 0.0
        values["PFc"] = active / apparent
        values["dPFc"] = first / math.hypot(first, reactive)


def _sum(values: Truth, keys: Sequence[str]) -> float | None:
    parts = [values.get(key) for key in keys]
    return None if None in parts else sum(part for part in parts if part is not None)


def _three_voltages(values: Truth, voltages: Sequence[_Input]) -> None:
    """VpqR: rms of v_p - v_q. Vpqa: angle of V_p minus angle of V_q (deg). u2, u0: symmetrical components of the
    fundamental in % of the positive one, where all three have one. Prot: 1 where the positive one is the larger, else
    0."""
    for first, second in ((0, 1), (1, 2), (2, 0)):
        a, b = voltages[first], voltages[second]
        name = f"V{first + 1}{second + 1}"
        orders = a.phasors.keys() | b.phasors.keys()
        squares = sum(abs(a.phasors.get(order, 0j) - b.phasors.get(order, 0j)) ** 2 for order in orders)
        values[f"{name}r"] = math.sqrt(squares + a.sigma**2 + b.sigma**2)
        if a.fundamental and b.fundamental:
            values[f"{name}a"] = _degrees(a.fundamental / b.fundamental)
    turn = cmath.exp(2j * math.pi / 3.0)
    one, two, three = (voltage.fundamental for voltage in voltages)
    zero = abs(one + two + three) / 3.0
    positive = abs(one + turn * two + turn**2 * three) / 3.0
    negative = abs(one + turn**2 * two + turn * three) / 3.0
    if positive > _NOTHING and all(voltage.fundamental for voltage in voltages):
        values["u2"] = 100.0 * negative / positive
        values["u0"] = 100.0 * zero / positive
    if abs(positive - negative) > 1e-6 * (positive + negative):
        values["Prot"] = 1.0 if positive > negative else 0.0


def _effective(values: Truth, inputs: Mapping[str, _Input], system: WiringSystem) -> None:
    """Se = 3 Ve Ie (IEEE 1459-2010 3.2.2.8, rho = xi = 1), PFe = Pc / Se."""
    currents = [inputs[key] for key in ("I1", "I2", "I3", "IN") if key in inputs]
    if len(currents) != (4 if system == "3P+N" else 3):
        return
    ie = math.sqrt(sum(current.rms**2 for current in currents) / 3.0)
    between = sum((values[f"V{pair}r"] or 0.0) ** 2 for pair in ("12", "23", "31"))
    if system == "3P+N":
        phases = sum(inputs[f"V{phase}"].rms ** 2 for phase in (1, 2, 3))
        ve = math.sqrt((3.0 * phases + between) / 18.0)
    else:
        ve = math.sqrt(between / 9.0)
    values["Se"] = 3.0 * ve * ie
    active = values.get("Pc")
    if active is not None and values["Se"]:
        values["PFe"] = active / values["Se"]
