"""Mains signalling voltage (IEC 61000-4-30, 5.10): its level in each window, and recordings of signals."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HIGHEST_HZ = 3000.0
"""Signalling above it is outside the standard's method."""

ON_LINE = 0.02
"""Distance from a line, in lines, up to which a signal falls on it: it then shows 0.07 % too small at most."""

LONGEST_S = 120.0
"""Longest recording of one signal (5.10.3)."""


def signalling_voltage(
    lines: NDArray[np.complex128], step_hz: float, frequency_hz: float, in_band: int | None = None
) -> NDArray[np.float64]:
    """Rms signalling voltage [channels], in the unit of the lines.

    lines: complex rms [channels, lines] of a 10/12-cycle window, line k at k step_hz. frequency_hz: of the signal,
    above 0 and below 3 kHz. in_band: number of lines that may be used (those up to the band rule's end); None: all.
    The line that the frequency falls on; where it falls between two, the root sum of squares of the four nearest,
    which shows a steady signal midway between two lines 5 % too small (the standard's rule). NaN where one of the
    lines lies beyond the band. Raises ValueError for a frequency outside the limits.
    """
    if not 0.0 < frequency_hz < HIGHEST_HZ:
        raise ValueError(f"Give a signalling frequency between 0 and {HIGHEST_HZ:.0f} Hz.")
    count = lines.shape[1] if in_band is None else min(in_band, lines.shape[1])
    position = frequency_hz / step_hz
    nearest = round(position)
    first, last = math.floor(position) - 1, math.floor(position) + 2
    if abs(position - nearest) <= ON_LINE:
        first = last = nearest
    if first < 1 or last >= count:
        return np.full(lines.shape[0], np.nan)
    found = lines[:, first : last + 1]
    return np.asarray(np.sqrt((found.real**2 + found.imag**2).sum(axis=1)))


@dataclass(frozen=True)
class Signal:
    """One recorded signal. start_s: start of the window that tripped it, end_s: end of the last (s, module clock).
    values_v: {channel key: level (V) in each window, None where not measurable}; peak_v: the highest of all."""

    start_s: float
    end_s: float
    values_v: Mapping[str, tuple[float | None, ...]]
    peak_v: float


class SignalRecorder:
    """Records the level of every window from the moment any channel exceeds the threshold, for `duration_s`.

    threshold_v: typically 0.3 % of the declared voltage or more. duration_s: at most 120 s. A signal that still stands
    when the time is over begins a new recording. A gap ends a recording. Holds the last 100 signals.
    """

    def __init__(self, threshold_v: float, duration_s: float = LONGEST_S) -> None:
        if not (threshold_v > 0.0 and 0.0 < duration_s <= LONGEST_S):
            raise ValueError("Give a threshold above 0 V and a duration of at most 120 s.")
        self.threshold_v = threshold_v
        self.duration_s = duration_s
        self.signals: deque[Signal] = deque(maxlen=100)
        self._windows: list[Mapping[str, float | None]] = []
        self._start_s = self._end_s = 0.0

    def push(self, start_s: float, end_s: float, values_v: Mapping[str, float | None]) -> None:
        """Take the next window: its interval on the module's clock and {channel key: level in V, None or NaN where
        not measurable}."""
        levels = {k: v if v is not None and math.isfinite(v) else None for k, v in values_v.items()}
        if not self._windows:
            if not any(v is not None and v > self.threshold_v for v in levels.values()):
                return
            self._start_s = start_s
        self._windows.append(levels)
        self._end_s = end_s
        if end_s - self._start_s >= self.duration_s - 0.5 * (end_s - start_s):
            self.close()

    def close(self) -> None:
        """End the recording that runs, if one does: samples are missing, or the source has ended."""
        if not self._windows:
            return
        keys = dict.fromkeys(key for window in self._windows for key in window)
        values = {key: tuple(window.get(key) for window in self._windows) for key in keys}
        peak = max(v for row in values.values() for v in row if v is not None)
        self.signals.append(Signal(self._start_s, self._end_s, values, peak))
        self._windows = []
