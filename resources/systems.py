"""The wiring systems and their channels."""

from __future__ import annotations

from typing import Literal, get_args

WiringSystem = Literal["1P", "1P+N", "3P", "3P+N"]
SYSTEMS: tuple[WiringSystem, ...] = get_args(WiringSystem)

_CHANNELS: dict[WiringSystem, tuple[str, ...]] = {
    "1P": ("V1", "I1"),
    "1P+N": ("V1", "I1", "IN"),
    "3P": ("V1", "V2", "V3", "I1", "I2", "I3"),
    "3P+N": ("V1", "V2", "V3", "I1", "I2", "I3", "IN"),
}


def channels_of(system: WiringSystem) -> tuple[str, ...]:
    """Channel names of a wiring system: voltages, phase currents, neutral current.

    Without a neutral (3P) the voltages refer to the module's own star point.
    """
    return _CHANNELS[system]


def phases_of(system: WiringSystem) -> tuple[int, ...]:
    """Phase numbers of a wiring system: (1,) or (1, 2, 3)."""
    return (1,) if system.startswith("1P") else (1, 2, 3)
