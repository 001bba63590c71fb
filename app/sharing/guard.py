"""Finds the windows with a disturbance where the session has none that looks for it in the samples."""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import replace

from dsp.measurement import FLAGS, Measurement

LARGEST_CHANGE = 0.05
"""A window's rms may differ by this share from what it was just before: a dip to 70 % changes it so much in two cycles,
an interruption in one. From one second to the next a mains that is in order changes by much less."""

_WINDOWS = 50
_LEAST = 5
_EVENTS = frozenset(["dip", "swell", "interruption"])


class DisturbanceGuard:
    """Flags windows against the median of the ten seconds before. It needs no declared voltage. For one module."""

    def __init__(self) -> None:
        self._before: dict[str, deque[float]] = {}

    def check(self, measurement: Measurement) -> Measurement:
        """The window, flagged "dip" or "swell" where a voltage has changed too much and no event is flagged yet."""
        found = set()
        for phase in "123":
            rms_v = measurement.values.get(f"V{phase}r")
            if rms_v is None:
                continue
            before = self._before.setdefault(phase, deque(maxlen=_WINDOWS))
            if len(before) >= _LEAST:
                usual_v = statistics.median(before)
                if abs(rms_v - usual_v) > LARGEST_CHANGE * usual_v:
                    found.add("dip" if rms_v < usual_v else "swell")
            before.append(rms_v)
        if not found or _EVENTS.intersection(measurement.flags):
            return measurement
        together = found.union(measurement.flags)
        return replace(measurement, flags=tuple(flag for flag in FLAGS if flag in together))
