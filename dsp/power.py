"""Powers after IEEE 1459-2010, from the lines of a spectrum. Import is positive; inductive reactive power too."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def degrees(angle_rad: float) -> float:
    """An angle in (-180, 180] degrees."""
    wrapped = math.degrees(math.remainder(angle_rad, 2.0 * math.pi))
    return 180.0 if wrapped <= -180.0 else wrapped


@dataclass(frozen=True)
class PhasePower:
    """One phase: p, s, p1, q1 in W, VA, W, var (p1, q1: of the fundamental, NaN without one).
    lit: both voltage and current carry a fundamental, so that factors and angles mean something."""

    p: float
    s: float
    p1: float
    q1: float
    phi_rad: float
    lit: bool


def phase_power(
    voltage: NDArray[np.complex128],
    current: NDArray[np.complex128],
    voltage_rms: float,
    current_rms: float,
    order_1: int,
    lit: bool,
) -> PhasePower:
    """Powers of a phase from complex rms lines [lines]; order_1: index of the fundamental, 0 where there is none."""
    p = float(voltage.real @ current.real + voltage.imag @ current.imag)
    p1 = q1 = phi = math.nan
    if order_1:
        v1, i1 = complex(voltage[order_1]), complex(current[order_1])
        s1 = v1 * i1.conjugate()
        p1, q1, phi = s1.real, s1.imag, cmath.phase(s1)
    return PhasePower(p, voltage_rms * current_rms, p1, q1, phi, lit)


def power_values(phases: Mapping[str, PhasePower]) -> dict[str, float]:
    """Keys of the powers for each phase name and "c", their sum.

    SPp = Vrms Irms; SPc = Sa is the arithmetic sum; fSPp = Q1p is the reactive power of the fundamental and fSPc
    = Q1c their sum. PFpi and PFc are P / S with the sign of P; dPFp = P1 / S1 and dPFc = P1 / |P1 + jQ1| of the sums.
    """
    values: dict[str, float] = {}
    for name, power in phases.items():
        values[f"P{name}"], values[f"SP{name}"] = power.p, power.s
        values[f"fSP{name}"] = values[f"Q1{name}"] = power.q1
        if power.lit:
            values[f"PF{name}i"] = power.p / power.s
            values[f"dPF{name}"] = math.cos(power.phi_rad)
            values[f"phi{name}"] = degrees(power.phi_rad)
    p, s = sum(power.p for power in phases.values()), sum(power.s for power in phases.values())
    p1, q1 = sum(power.p1 for power in phases.values()), sum(power.q1 for power in phases.values())
    values["Pc"], values["SPc"], values["Sa"] = p, s, s
    values["fSPc"] = values["Q1c"] = q1
    if any(power.lit for power in phases.values()):
        values["PFc"] = p / s
        s1 = math.hypot(p1, q1)
        if s1 > 0.0:
            values["dPFc"] = p1 / s1
    return values


def effective_apparent(
    phase_v: NDArray[np.float64], line_v: NDArray[np.float64], phase_i: NDArray[np.float64], neutral_a: float | None
) -> float:
    """Effective apparent power Se, VA (IEEE 1459-2010, 3.2.2.8), of three phases from rms values [3] each.

    neutral_a: rms current of the neutral of a four-wire system; None for three wires. Ratios rho and xi are 1.
    """
    squares = float(line_v @ line_v)
    if neutral_a is None:
        ve2, ie2 = squares / 9.0, float(phase_i @ phase_i) / 3.0
    else:
        ve2 = (3.0 * float(phase_v @ phase_v) + squares) / 18.0
        ie2 = (float(phase_i @ phase_i) + neutral_a**2) / 3.0
    return 3.0 * math.sqrt(ve2 * ie2)


def unbalance(v1: complex, v2: complex, v3: complex) -> tuple[complex, complex, complex]:
    """Symmetrical components: positive, negative, zero sequence of the fundamental phasors."""
    a = cmath.exp(2j * math.pi / 3.0)
    return (v1 + a * v2 + a * a * v3) / 3.0, (v1 + a * a * v2 + a * v3) / 3.0, (v1 + v2 + v3) / 3.0
