"""What a group of modules may say when its clocks are not known well enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dsp.measurement import FLAGS, Measurement

LIMIT_US = 50.0
"""Clocks may differ by so much (0.9 degrees at 50 Hz) for angles between their phases to mean anything."""
_JOINT = frozenset(["Prot", "V12r", "V23r", "V31r", "V12a", "V23a", "V31a", "u2", "u0", "Se", "PFe"])


def as_clocks_allow(measurement: Measurement, uncertainty_us: float) -> Measurement:
    """The measurement without what joins the phases, flagged "unaligned", where the clocks are worse than the limit."""
    if uncertainty_us <= LIMIT_US:
        return measurement
    values: Mapping[str, float | None] = {
        key: None if _is_joint(key) else value for key, value in measurement.values.items()
    }
    flags = {*measurement.flags, "unaligned"}
    return replace(
        measurement,
        values=values,
        flags=tuple(flag for flag in FLAGS if flag in flags),
        phasors={channel: phasor for channel, phasor in measurement.phasors.items() if channel in ("V1", "I1")},
    )


def _is_joint(key: str) -> bool:
    """Between phases, or an angle of phase 2 or 3 against V1."""
    return key in _JOINT or (key[0] in "23" and key[1:3] in ("VA", "IA"))
