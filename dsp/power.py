"""Powers after IEEE 1459-2010. Import is positive; so is inductive reactive power of an import.

Fundamental (1) and the rest (H: harmonics, interharmonics and direct current) are kept apart: X_H^2 = X^2 - X_1^2.
Every property is worked out when asked for. All inputs are rms values, complex for the fundamental's phasors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.sequences import symmetrical_components

Floats = NDArray[np.float64]
Phasors = NDArray[np.complex128]


def _rest(whole: Floats, part: Floats) -> Floats:
    """Root of whole^2 - part^2, 0 where rounding makes it negative."""
    return np.sqrt(np.maximum((whole - part) * (whole + part), 0.0))


@dataclass(frozen=True)
class PhasePowers:
    """Powers of single phases (IEEE 1459-2010, 3.1.2), each an array [..., phases].

    v, i: rms, V and A. v1, i1: phasors of the fundamental. p: active power, W.
    """

    v: Floats
    i: Floats
    v1: Phasors
    i1: Phasors
    p: Floats

    @property
    def s(self) -> Floats:
        """Apparent power S = V I, VA."""
        return self.v * self.i

    @property
    def complex_1(self) -> Phasors:
        """P1 + j Q1 of the fundamental, VA."""
        return self.v1 * self.i1.conj()

    @property
    def p1(self) -> Floats:
        """Fundamental active power V1 I1 cos(theta1), W."""
        return self.complex_1.real

    @property
    def q1(self) -> Floats:
        """Fundamental reactive power V1 I1 sin(theta1), var; theta1: angle of V1 minus angle of I1."""
        return self.complex_1.imag

    @property
    def s1(self) -> Floats:
        """Fundamental apparent power, VA."""
        return np.abs(self.complex_1)

    @property
    def v_h(self) -> Floats:
        """Rms of the voltage without the fundamental, V."""
        return _rest(self.v, np.abs(self.v1))

    @property
    def i_h(self) -> Floats:
        """Rms of the current without the fundamental, A."""
        return _rest(self.i, np.abs(self.i1))

    @property
    def s_n(self) -> Floats:
        """Nonfundamental apparent power SN, VA: SN^2 = S^2 - S1^2 = DI^2 + DV^2 + SH^2."""
        return _rest(self.s, self.s1)

    @property
    def d_i(self) -> Floats:
        """Current distortion power DI = V1 IH, var."""
        return np.abs(self.v1) * self.i_h

    @property
    def d_v(self) -> Floats:
        """Voltage distortion power DV = VH I1, var."""
        return self.v_h * np.abs(self.i1)

    @property
    def s_h(self) -> Floats:
        """Harmonic apparent power SH = VH IH, VA."""
        return self.v_h * self.i_h

    @property
    def p_h(self) -> Floats:
        """Harmonic active power PH = P - P1, W."""
        return self.p - self.p1

    @property
    def d_h(self) -> Floats:
        """Harmonic distortion power DH = root of SH^2 - PH^2, var."""
        return _rest(self.s_h, np.abs(self.p_h))

    @property
    def n(self) -> Floats:
        """Nonactive power N = root of S^2 - P^2, var; it has no sign."""
        return _rest(self.s, np.abs(self.p))

    @property
    def pf(self) -> Floats:
        """Power factor P / S, with the sign of P."""
        return self.p / self.s

    @property
    def dpf(self) -> Floats:
        """Displacement (fundamental) power factor P1 / S1, with the sign of P1."""
        return self.p1 / self.s1


def phase_powers(voltages: Phasors, currents: Phasors, order_1: int) -> PhasePowers:
    """From complex rms lines [phases, lines]; order_1: index of the fundamental."""
    return PhasePowers(
        np.sqrt(np.sum(np.abs(voltages) ** 2, axis=1)),
        np.sqrt(np.sum(np.abs(currents) ** 2, axis=1)),
        voltages[:, order_1],
        currents[:, order_1],
        np.sum((voltages * currents.conj()).real, axis=1),
    )


def effective_voltage(phase_v: Floats, line_v: Floats, four_wires: bool, xi: float = 1.0) -> Floats:
    """Ve (IEEE 1459-2010, 3.2.2.8), V: of the rms values [..., 3] against neutral and between lines.

    xi: power of the loads in delta over that of those in star, for four wires. Three wires need line_v only."""
    squares = np.einsum("...p,...p->...", line_v, line_v)
    if not four_wires:
        return np.asarray(np.sqrt(squares / 9.0))
    star = 3.0 * np.einsum("...p,...p->...", phase_v, phase_v)
    return np.asarray(np.sqrt((star + xi * squares) / (9.0 * (1.0 + xi))))


def effective_current(phase_a: Floats, neutral_a: Floats | float | None, rho: float = 1.0) -> Floats:
    """Ie (IEEE 1459-2010, 3.2.2.8), A: of the rms values [..., 3]; neutral_a [...], None: three wires. rho: resistance
    of the neutral over that of a line."""
    squares = np.einsum("...p,...p->...", phase_a, phase_a)
    return np.asarray(np.sqrt((squares if neutral_a is None else squares + rho * neutral_a * neutral_a) / 3.0))


@dataclass(frozen=True)
class EffectivePowers:
    """Effective powers of three phases (IEEE 1459-2010, 3.2.2 and 3.2.3).

    ve, ie: effective voltage and current, V and A; ve1, ie1: those of the fundamental. phases: the three by
    themselves. v_plus, i_plus: positive-sequence phasors of the fundamental.
    """

    ve: float
    ie: float
    ve1: float
    ie1: float
    phases: PhasePowers
    v_plus: complex
    i_plus: complex

    @property
    def p(self) -> float:
        """Active power, W."""
        return float(self.phases.p.sum())

    @property
    def se(self) -> float:
        """Effective apparent power Se = 3 Ve Ie, VA."""
        return 3.0 * self.ve * self.ie

    @property
    def se1(self) -> float:
        """Fundamental effective apparent power Se1 = 3 Ve1 Ie1, VA."""
        return 3.0 * self.ve1 * self.ie1

    @property
    def ve_h(self) -> float:
        """Nonfundamental effective voltage, V."""
        return _root_of_rest(self.ve, self.ve1)

    @property
    def ie_h(self) -> float:
        """Nonfundamental effective current, A."""
        return _root_of_rest(self.ie, self.ie1)

    @property
    def se_n(self) -> float:
        """Nonfundamental effective apparent power, VA: SeN^2 = Se^2 - Se1^2 = DeI^2 + DeV^2 + SeH^2."""
        return _root_of_rest(self.se, self.se1)

    @property
    def de_i(self) -> float:
        """Current distortion power DeI = 3 Ve1 IeH, var."""
        return 3.0 * self.ve1 * self.ie_h

    @property
    def de_v(self) -> float:
        """Voltage distortion power DeV = 3 VeH Ie1, var."""
        return 3.0 * self.ve_h * self.ie1

    @property
    def se_h(self) -> float:
        """Harmonic apparent power SeH = 3 VeH IeH, VA."""
        return 3.0 * self.ve_h * self.ie_h

    @property
    def de_h(self) -> float:
        """Harmonic distortion power DeH = root of SeH^2 - PH^2, var."""
        return _root_of_rest(self.se_h, abs(float(self.phases.p_h.sum())))

    @property
    def n(self) -> float:
        """Nonactive power N = root of Se^2 - P^2, var."""
        return _root_of_rest(self.se, abs(self.p))

    @property
    def complex_1_plus(self) -> complex:
        """P1+ + j Q1+, VA: 3 V1+ times the conjugate of I1+."""
        return 3.0 * self.v_plus * self.i_plus.conjugate()

    @property
    def s1_plus(self) -> float:
        """Positive-sequence fundamental apparent power S1+, VA."""
        return abs(self.complex_1_plus)

    @property
    def su1(self) -> float:
        """Fundamental unbalanced power SU1 = root of Se1^2 - S1+^2, VA."""
        return _root_of_rest(self.se1, self.s1_plus)

    @property
    def pf(self) -> float:
        """Effective power factor P / Se."""
        return self.p / self.se

    @property
    def pf1_plus(self) -> float:
        """Positive-sequence fundamental power factor P1+ / S1+."""
        return self.complex_1_plus.real / self.s1_plus

    @property
    def s_a(self) -> float:
        """Arithmetic apparent power, VA: sum of the phases' S."""
        return float(self.phases.s.sum())

    @property
    def s1_v(self) -> float:
        """Fundamental vector apparent power, VA: magnitude of the sum of the phases' P1 + j Q1."""
        return float(abs(self.phases.complex_1.sum()))


def effective_powers(
    voltages: Phasors, currents: Phasors, neutral: Phasors | None, order_1: int, *, rho: float = 1.0, xi: float = 1.0
) -> EffectivePowers:
    """From complex rms lines [3, lines] of voltages and currents, [lines] of the neutral's current; None: three wires.

    order_1: index of the fundamental. rho, xi: as in effective_current and effective_voltage.
    """
    phases = phase_powers(voltages, currents, order_1)
    line = np.sqrt(np.sum(np.abs(voltages - np.roll(voltages, -1, axis=0)) ** 2, axis=1))
    line_1 = np.abs(phases.v1 - np.roll(phases.v1, -1))
    four = neutral is not None
    in_rms = None if neutral is None else float(np.linalg.norm(neutral))
    in_1 = None if neutral is None else abs(complex(neutral[order_1]))
    return EffectivePowers(
        float(effective_voltage(phases.v, line, four, xi)),
        float(effective_current(phases.i, in_rms, rho)),
        float(effective_voltage(np.abs(phases.v1), line_1, four, xi)),
        float(effective_current(np.abs(phases.i1), in_1, rho)),
        phases,
        complex(symmetrical_components(phases.v1)[0]),
        complex(symmetrical_components(phases.i1)[0]),
    )


def _root_of_rest(whole: float, part: float) -> float:
    return float(np.sqrt(max((whole - part) * (whole + part), 0.0)))
