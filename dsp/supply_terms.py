"""What each window tells of the supply's terms: deviation from the declared voltage, and mains signalling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dsp.signalling import HIGHEST_HZ, signalling_voltage
from dsp.spectrum import Spectrum


class SupplyTerms:
    """Keys UUp, UOp (%) and, where there is a signalling frequency, MSVp (V) of the phase voltages.

    rows: {channel key: row in the spectrum}. declared_v: above 0 V. signalling_hz: above 0 and below 3 kHz, None where
    nobody signals. Raises ValueError for values outside the limits.
    """

    def __init__(
        self, rows: Mapping[str, int], phases: Sequence[str], declared_v: float, signalling_hz: float | None
    ) -> None:
        if not 0.0 < declared_v < math.inf:
            raise ValueError("Give the declared voltage as a number above 0 V.")
        if signalling_hz is not None and not 0.0 < signalling_hz < HIGHEST_HZ:
            raise ValueError(f"Give a signalling frequency between 0 and {HIGHEST_HZ:.0f} Hz.")
        there = [p for p in phases if f"V{p}" in rows]
        self._declared_v, self._signalling_hz = declared_v, signalling_hz
        self._rms_keys = [f"V{p}r" for p in there]
        self._rows = np.array([rows[f"V{p}"] for p in there], dtype=np.intp)
        names = ["UU", "UO"] if signalling_hz is None else ["UU", "UO", "MSV"]
        self.keys = tuple(f"{name}{p}" for name in names for p in there)

    def numbers(self, values: Mapping[str, float | None], spectrum: Spectrum) -> list[float]:
        """Numbers of `keys` for a window with these values and lines; NaN where not measurable.

        One window's deviations (IEC 61000-4-30, annex D) are those of its rms value."""
        share = [math.nan if (v := values.get(key)) is None else v / self._declared_v for key in self._rms_keys]
        numbers = [100.0 * (1.0 - min(s, 1.0)) if s == s else s for s in share]
        numbers += [100.0 * (max(s, 1.0) - 1.0) if s == s else s for s in share]
        if self._signalling_hz is not None:
            if spectrum.cycles < 10:  # no window of 10 or 12 cycles
                return numbers + [math.nan] * len(share)
            step_hz = 1.0 / spectrum.duration_s
            levels = signalling_voltage(spectrum.lines, step_hz, self._signalling_hz, spectrum.in_band)
            numbers += levels[self._rows].tolist()
        return numbers
