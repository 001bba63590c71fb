"""Energy registers: powers times the true duration of the windows. Nothing is added for gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_KINDS = (("tAE", ""), ("EP", "+"), ("EP", "-"), ("SE", ""), ("fQE", ""), ("EQ", "+"), ("EQ", "-"))


class EnergyMeter:
    """Registers since the meter began, with p of `phases` and c (all of them), in Wh, VAh, varh:

    tAEp: active energy, imported minus exported. SEp: apparent energy. fQEp: fundamental reactive energy, inductive
    minus capacitive. EPp+ EPp- (import, export) and EQp+ EQp- (inductive, capacitive) only grow; those of all phases
    follow the sign of the total power of each window, as a bidirectional meter counts.

    keys: of the registers; numbers: of the keys, NaN for those that nothing was ever added to.
    """

    def __init__(self, phases: Sequence[str]) -> None:
        self._phases = (*phases, "c")
        self.keys = tuple(f"{name}{p}{sign}" for name, sign in _KINDS for p in self._phases)
        count = len(self._phases)
        self._registers = [[math.nan] * count for _ in _KINDS]
        self._quadrants = [[0.0] * 4 for _ in self._phases]

    @property
    def numbers(self) -> list[float]:
        return [number for row in self._registers for number in row]

    def add(self, powers: NDArray[np.float64], duration_s: float) -> None:
        """Add a window: powers [P, S, Q1] x [phases and sum], W, VA, var; what is NaN adds nothing."""
        active, apparent, reactive = (powers * (duration_s / 3600.0)).tolist()
        imported, inductive = [max(p, 0.0) for p in active], [max(q, 0.0) for q in reactive]
        exported, capacitive = [max(-p, 0.0) for p in active], [max(-q, 0.0) for q in reactive]
        added = (active, imported, exported, apparent, reactive, inductive, capacitive)
        for register, row in zip(self._registers, added, strict=True):
            for place, energy in enumerate(row):
                if math.isfinite(energy):
                    before = register[place]
                    register[place] = before + energy if before == before else energy
        for quadrants, p, q in zip(self._quadrants, active, reactive, strict=True):
            if math.isfinite(p) and math.isfinite(q):
                quadrants[(0 if q >= 0.0 else 3) if p >= 0.0 else (1 if q >= 0.0 else 2)] += abs(q)

    def registers(self) -> dict[str, float]:
        """Registers so far; those that nothing was ever added to are left out."""
        return {k: v for k, v in zip(self.keys, self.numbers, strict=True) if v == v}

    def quadrants_varh(self) -> dict[str, tuple[float, float, float, float]]:
        """{phase or "c": reactive energy in the quadrants I to IV}, varh, all positive (IEC 62053-23): I imports active
        and inductive reactive energy, II exports active and imports reactive, III exports both, IV imports active and
        exports reactive energy."""
        return {p: (q[0], q[1], q[2], q[3]) for p, q in zip(self._phases, self._quadrants, strict=True)}
