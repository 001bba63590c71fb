"""Energy registers: powers times the true duration of the windows. Nothing is added for gaps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping


class EnergyMeter:
    """Registers since the meter began, with p = 1..3 or c (all phases), in Wh, VAh, varh:

    tAEp: active energy, imported minus exported. SEp: apparent energy. fQEp: fundamental reactive energy, inductive
    minus capacitive. EPp+ EPp- (import, export) and EQp+ EQp- (inductive, capacitive) only grow; those of all phases
    follow the sign of the total power of each window, as a bidirectional meter counts.
    """

    def __init__(self) -> None:
        self._registers: defaultdict[str, float] = defaultdict(float)

    def add(self, values: Mapping[str, float], phases: tuple[str, ...], duration_s: float) -> None:
        """Add a window: values holds Pp, SPp and fSPp (W, VA, var); what is missing or NaN adds nothing."""
        hours = duration_s / 3600.0
        for p in phases:
            active, apparent = values.get(f"P{p}", math.nan), values.get(f"SP{p}", math.nan)
            reactive = values.get(f"fSP{p}", math.nan)
            if math.isfinite(active):
                self._registers[f"tAE{p}"] += active * hours
                self._registers[f"EP{p}+"] += max(active, 0.0) * hours
                self._registers[f"EP{p}-"] += max(-active, 0.0) * hours
            if math.isfinite(apparent):
                self._registers[f"SE{p}"] += apparent * hours
            if math.isfinite(reactive):
                self._registers[f"fQE{p}"] += reactive * hours
                self._registers[f"EQ{p}+"] += max(reactive, 0.0) * hours
                self._registers[f"EQ{p}-"] += max(-reactive, 0.0) * hours

    def registers(self) -> dict[str, float]:
        """Registers so far; those that nothing was ever added to are left out."""
        return dict(self._registers)
