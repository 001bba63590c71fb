"""Energy registers: powers times the true duration of the windows. Nothing is added for gaps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_KINDS = (("tAE", ""), ("EP", "+"), ("EP", "-"), ("SE", ""), ("fQE", ""), ("EQ", "+"), ("EQ", "-"))
# Of P, S, Q1 (0, 1, 2), with which sign, and what each kind takes at least.
_SOURCE = np.array([0, 0, 0, 1, 2, 2, 2])
_SIGN = np.array([[1.0], [1.0], [-1.0], [1.0], [1.0], [1.0], [-1.0]])
_LEAST = np.array([[-np.inf], [0.0], [0.0], [-np.inf], [-np.inf], [0.0], [0.0]])


class EnergyMeter:
    """Registers since the meter began, with p of `phases` and c (all of them), in Wh, VAh, varh:

    tAEp: active energy, imported minus exported. SEp: apparent energy. fQEp: fundamental reactive energy, inductive
    minus capacitive. EPp+ EPp- (import, export) and EQp+ EQp- (inductive, capacitive) only grow; those of all phases
    follow the sign of the total power of each window, as a bidirectional meter counts.

    keys: of the registers; numbers: float64 [keys], NaN for those that nothing was ever added to.
    """

    def __init__(self, phases: Sequence[str]) -> None:
        self._phases = (*phases, "c")
        self.keys = tuple(f"{name}{p}{sign}" for name, sign in _KINDS for p in self._phases)
        self._registers = np.full((len(_KINDS), len(self._phases)), np.nan)
        self._quadrants = np.zeros((4, len(self._phases)))
        self._begun = False  # something was added to every register

    @property
    def numbers(self) -> NDArray[np.float64]:
        return self._registers.ravel()

    def add(self, powers: NDArray[np.float64], duration_s: float) -> None:
        """Add a window: powers [P, S, Q1] x [phases and sum], W, VA, var; what is NaN adds nothing."""
        hourly = powers * (duration_s / 3600.0)
        rows = np.maximum(hourly[_SOURCE] * _SIGN, _LEAST)
        known = np.isfinite(rows)
        if not known.all():
            rows = np.where(known, rows, 0.0)
        if not self._begun:
            self._registers[known & np.isnan(self._registers)] = 0.0
            self._begun = not np.isnan(self._registers).any()
        self._registers += rows
        active, _, reactive = hourly
        quadrant = np.where(active >= 0.0, np.where(reactive >= 0.0, 0, 3), np.where(reactive >= 0.0, 1, 2))
        both = known[0] & known[4]
        self._quadrants[quadrant, np.arange(active.size)] += np.where(both, np.abs(rows[4]), 0.0)

    def registers(self) -> dict[str, float]:
        """Registers so far; those that nothing was ever added to are left out."""
        return {k: v for k, v in zip(self.keys, self.numbers.tolist(), strict=True) if v == v}

    def quadrants_varh(self) -> dict[str, tuple[float, float, float, float]]:
        """{phase or "c": reactive energy in the quadrants I to IV}, varh, all positive (IEC 62053-23): I imports active
        and inductive reactive energy, II exports active and imports reactive, III exports both, IV imports active and
        exports reactive energy."""
        columns = self._quadrants.T.tolist()
        return {p: (q[0], q[1], q[2], q[3]) for p, q in zip(self._phases, columns, strict=True)}
