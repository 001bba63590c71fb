"""What each input of a module really carries: conductors on terminals, sensors on conductors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resources.systems import WiringSystem, channels_of, phases_of

Row = dict[str, float]
"""Weights of the quantities of `Mains` in one input."""


@dataclass(frozen=True)
class Wiring:
    """Connections that differ from the right ones.

    voltages: {terminal V1 V2 V3 N: conductor L1 L2 L3 N, or None for an open terminal, which reads nothing}.
    currents: {input I1 I2 I3 IN: conductor, with "-" in front where the sensor is reversed, or None for no sensor}.
    """

    voltages: Mapping[str, str | None] = field(default_factory=dict)
    currents: Mapping[str, str | None] = field(default_factory=dict)

    def conductor(self, key: str) -> str | None:
        """Conductor of a terminal (V1 V2 V3 N) or of a current input, signed."""
        table = self.currents if key.startswith("I") else self.voltages
        return table.get(key, "N" if key in ("N", "IN") else f"L{key[1]}")

    def rows(self, system: WiringSystem) -> dict[str, Row]:
        """Weights of V1 V2 V3 I1 I2 I3 IL in each input of a wiring system.

        With a neutral, an input's voltage is its terminal against terminal N. Without one (3P) it is against the mean
        of the three terminals, the module's own star point, and the three currents have no common part, which has no
        way back.
        """
        phases = phases_of(system)
        return {
            key: self._current(key, system, phases) if key.startswith("I") else self._voltage(key, system, phases)
            for key in channels_of(system)
        }

    def _voltage(self, key: str, system: WiringSystem, phases: tuple[int, ...]) -> Row:
        conductor = self.conductor(key)
        if conductor is None:
            return {}
        row = _potential(conductor)
        if system != "3P":
            return _added(row, _potential(self.conductor("N") or "N"), -1.0)
        connected = [c for c in (self.conductor(f"V{phase}") for phase in phases) if c is not None]
        for other in connected:
            row = _added(row, _potential(other), -1.0 / len(connected))
        return row

    def _current(self, key: str, system: WiringSystem, phases: tuple[int, ...]) -> Row:
        conductor = self.conductor(key)
        if conductor is None:
            return {}
        sign = -1.0 if conductor.startswith("-") else 1.0
        conductor = conductor.lstrip("-")
        if conductor == "N":
            return {f"I{phase}": sign for phase in phases} | {"IL": sign}
        row: Row = {f"I{conductor[1]}": sign}
        if system == "3P":
            for phase in phases:
                row = _added(row, {f"I{phase}": 1.0}, -sign / 3.0)
        return row


def _potential(conductor: str) -> Row:
    return {} if conductor == "N" else {f"V{conductor[1]}": 1.0}


def _added(row: Row, other: Row, weight: float) -> Row:
    keys = (*row, *(key for key in other if key not in row))
    total = {key: row.get(key, 0.0) + weight * other.get(key, 0.0) for key in keys}
    return {key: value for key, value in total.items() if value != 0.0}


RIGHT = Wiring()

MISWIRED: dict[str, tuple[str, Wiring]] = {
    "voltage-swap": ("V2 and V3 exchanged: the rotation runs backward", Wiring({"V2": "L3", "V3": "L2"})),
    "rotation": (
        "L1 L2 L3 moved on by one terminal, the current sensors where they belong",
        Wiring({"V1": "L2", "V2": "L3", "V3": "L1"}),
    ),
    "current-reversed": ("the sensor of I2 turned round", Wiring({}, {"I2": "-L2"})),
    "all-currents-reversed": ("all sensors turned round", Wiring({}, {"I1": "-L1", "I2": "-L2", "I3": "-L3"})),
    "current-swap": ("the sensors of I1 and I2 exchanged", Wiring({}, {"I1": "L2", "I2": "L1"})),
    "current-rotation": ("each sensor one phase on", Wiring({}, {"I1": "L2", "I2": "L3", "I3": "L1"})),
    "current-swap-reversed": ("I1 and I3 exchanged, I1 turned round", Wiring({}, {"I1": "-L3", "I3": "L1"})),
    "neutral-on-phase": ("N on terminal V1 and L1 on terminal N", Wiring({"V1": "N", "N": "L1"})),
    "missing-phase": ("nothing on terminal V3", Wiring({"V3": None})),
    "duplicate-phase": ("L1 on terminals V1 and V2", Wiring({"V2": "L1"})),
    "neutral-reversed": ("the neutral sensor turned round", Wiring({}, {"IN": "-N"})),
}
"""Miswirings by the name that follows `wiring-`: what is wrong, and the connections."""
