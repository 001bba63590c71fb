"""The declared voltage that events refer to, where nobody told it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # a live module is measured without it
    from device_io.comtrade import ComtradeRecord

USUAL_V = (230.0, 120.0, 100.0)
"""Of low voltage to neutral: most of the world, the Americas, Japan."""
NEAR = 0.2
"""What lies within this share of a usual voltage is of that."""
_FIRST_S = 1.0
_PIECE_S = 0.1
_FEWEST_SAMPLES = 16


def usual_voltage_v(rms_v: float, told_v: float | None = None) -> float | None:
    """The voltage that a module was told is declared, where the rms is near it; else the usual one that is nearest,
    None where none is near."""
    if told_v is not None and told_v > 0.0 and abs(rms_v / told_v - 1.0) <= NEAR:
        return told_v
    nearest_v = min(USUAL_V, key=lambda usual_v: abs(rms_v / usual_v - 1.0))
    return nearest_v if abs(rms_v / nearest_v - 1.0) <= NEAR else None


def assumed_voltage_v(record: ComtradeRecord) -> float:
    """230, 120 or 100 V where the first second comes near, else (medium voltage, other systems) its own rms, three
    digits of it.

    The highest tenth of a second on any voltage counts (of a record shorter than three of them: the highest cycle), so
    that a record may begin or end with a dip. 230 where it shows none."""
    columns = [i for i, key in enumerate(record.assigned) if key.startswith("V")]
    length = max(int(_FIRST_S * record.rate_hz), _FEWEST_SAMPLES)
    samples = next((block for _, block in record.blocks(length)), np.zeros((0, 0)))
    highest = 0.0
    if columns and len(samples):
        voltages = samples[:, columns]
        piece_s = _PIECE_S if len(voltages) >= 3 * _PIECE_S * record.rate_hz else _cycle_s(record)
        piece = min(max(round(piece_s * record.rate_hz), _FEWEST_SAMPLES), len(voltages))
        for start in range(0, len(voltages) - piece + 1, piece):
            with np.errstate(all="ignore"):
                rms = np.sqrt(np.mean(np.square(voltages[start : start + piece]), axis=0))
            highest = max(highest, *(float(value) for value in rms if np.isfinite(value)), 0.0)
    if (usual_v := usual_voltage_v(highest)) is not None:
        return usual_v
    return float(f"{highest:.3g}") if highest > 1.0 else USUAL_V[0]


def _cycle_s(record: ComtradeRecord) -> float:
    """A cycle by the frequency that the record states, of 50 Hz without one."""
    stated_hz = record.line_frequency_hz or 0.0
    return 1.0 / (stated_hz if 42.5 <= stated_hz <= 69.0 else 50.0)
