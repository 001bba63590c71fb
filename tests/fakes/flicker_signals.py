"""Modulated voltages in closed form, and the levels at which they flicker with severity or sensation 1."""

from __future__ import annotations

import math

import numpy as np

RECTANGULAR = {
    (230, 50): {1: 2.715, 2: 2.191, 7: 1.450, 39: 0.894, 110: 0.722, 1620: 0.407, 4000: 2.343},
    (120, 60): {1: 3.181, 2: 2.564, 7: 1.694, 39: 1.040, 110: 0.844, 1620: 0.548, 4800: 4.837},
    (120, 50): {1: 3.178, 2: 2.561, 7: 1.694, 39: 1.045, 110: 0.844, 1620: 0.545, 4000: 3.426},
    (230, 60): {1: 2.719, 2: 2.194, 7: 1.450, 39: 0.895, 110: 0.723, 1620: 0.409, 4800: 3.263},
}
"""IEC 61000-4-15 ed. 2, table 5: {(lamp V, mains Hz): {changes a minute: change of voltage in % for Pst = 1}}."""

_LOW_230 = {0.5: 2.325, 1: 1.397, 2: 0.879, 4: 0.497, 6: 0.325, 8.8: 0.250, 12: 0.314, 16: 0.486}
_LOW_120 = {0.5: 2.453, 1: 1.465, 2: 0.942, 4: 0.570, 6: 0.393, 8.8: 0.321, 12: 0.417, 16: 0.660}
SINUSOIDAL = {
    (230, 50): {**_LOW_230, 20: 0.704, 25: 1.037, 100 / 3: 2.128},
    (120, 60): {**_LOW_120, 20: 0.977, 25: 1.464, 100 / 3: 2.570, 40: 4.393},
    (120, 50): {**_LOW_120, 20: 0.978, 25: 1.476, 100 / 3: 3.111},
    (230, 60): {**_LOW_230, 20: 0.703, 25: 1.029, 100 / 3: 1.758, 40: 2.963},
}
"""IEC 61000-4-15 ed. 2, tables 1a and 1b: {(lamp V, mains Hz): {Hz: change of voltage in % for Pinst,max = 1}}."""


def rectangular(t: np.ndarray, changes_per_minute: float, change_pct: float) -> np.ndarray:
    """Factor on a voltage that changes by change_pct, peak to peak, that many times a minute."""
    return 1 + change_pct / 200 * np.where((t * changes_per_minute / 120) % 1 < 0.5, 1.0, -1.0)


def sinusoidal(t: np.ndarray, frequency_hz: float, change_pct: float) -> np.ndarray:
    """Factor on a voltage that swings by change_pct, peak to peak."""
    return 1 + change_pct / 200 * np.sin(2 * np.pi * frequency_hz * t)


def mains(t: np.ndarray, rms_v: float, frequency_hz: float, phase_rad: float = 0.0) -> np.ndarray:
    """Plain sine."""
    return math.sqrt(2) * rms_v * np.sin(2 * np.pi * frequency_hz * t + phase_rad)
