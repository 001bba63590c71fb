"""Scales of the oscilloscope: the 1-2-5 steps, auto-scale, ticks, and how quantities are written."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from widgets.numbers import MINUS, fixed

TIME_DIVISIONS = 10
DIVISIONS = {"V": 4, "A": 3}
"""Divisions from the zero line to the edge of a pane, by unit."""


def _steps(first: float, last: float) -> tuple[float, ...]:
    exponents = range(math.floor(math.log10(first)), math.ceil(math.log10(last)) + 1)
    values = (float(f"{digit}e{exponent}") for exponent in exponents for digit in (1, 2, 5))
    return tuple(value for value in values if first <= value <= last)


TIME_STEPS_S = _steps(2e-3, 10.0)
STEPS = {"V": _steps(0.1, 1000.0), "A": _steps(0.001, 1000.0)}
"""Units per division that can be chosen, by unit."""
AUTO_SMALLEST = {"V": 1.0, "A": 0.05}
"""Auto-scale stops here: finer, it would only magnify the noise of an idle input."""
ROLLING_FROM_S = 0.5
"""From this time/div on the picture rolls: waiting for a trigger would show it only every few seconds."""


def nearest_step(steps: Sequence[float], value: float) -> float:
    """The step next to `value` in ratio; the ends for what lies beyond them or is not positive."""
    if not value > 0:
        return steps[0]
    return min(steps, key=lambda step: abs(math.log(step / value)))


def move_step(steps: Sequence[float], current: float, count: int) -> float:
    """`count` steps up (down if negative) from `current`, stopping at the ends."""
    index = bisect_left(steps, nearest_step(steps, current)) + count
    return steps[min(max(index, 0), len(steps) - 1)]


@dataclass
class AutoScale:
    """Picks units per division so that a signal fills its pane, without flapping.

    Up at once when the peak leaves the pane; down only after the peak used less than 40 % for `hold_s`. A new step
    leaves 5 % of the pane free, so what made it change cannot change it back: steps are at most 2.5 apart, and
    0.95 / 2.5 < 0.40.
    """

    unit: str
    per_division: float
    hold_s: float = 1.0
    _small_since_s: float | None = None

    def update(self, peak: float, now_s: float) -> float:
        """Units per division for the largest magnitude on screen. A peak that is not finite changes nothing."""
        if not math.isfinite(peak):
            return self.per_division
        full = DIVISIONS[self.unit] * self.per_division
        if peak > full:
            self.fit(peak)
        elif peak < 0.4 * full:
            if self._small_since_s is None or now_s < self._small_since_s:
                self._small_since_s = now_s
            if now_s - self._small_since_s >= self.hold_s:
                self.fit(peak)
        else:
            self._small_since_s = None
        return self.per_division

    def fit(self, peak: float) -> float:
        """The finest step that shows `peak` with 5 % to spare, at once."""
        self._small_since_s = None
        steps = [step for step in STEPS[self.unit] if step >= AUTO_SMALLEST[self.unit]]
        fitting = (step for step in steps if peak <= 0.95 * DIVISIONS[self.unit] * step)
        self.per_division = next(fitting, steps[-1])
        return self.per_division


def tick_values(start: float, stop: float, step: float) -> NDArray[np.float64]:
    """Multiples of `step` from start to stop, both ends included within rounding."""
    first = math.ceil(start / step - 1e-6)
    last = math.floor(stop / step + 1e-6)
    return np.arange(first, last + 1) * step


def nice_step(span: float, most: int) -> float:
    """The finest 1-2-5 step that cuts `span` into at most `most` parts."""
    rough = span / max(most, 1)
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(digit * decade for digit in (1, 2, 5, 10) if digit * decade >= rough * (1 - 1e-9))


def label_stride(step_px: float, least_px: float) -> int:
    """Every how many grid lines a label has room."""
    return next((stride for stride in (1, 2, 5, 10, 20) if stride * step_px >= least_px), 50)


def time_unit(span_s: float) -> tuple[float, str]:
    """(factor from seconds, unit) in which an axis of that span is written."""
    if span_s < 1e-3:
        return 1e6, "µs"
    if span_s < 1.0:
        return 1e3, "ms"
    if span_s < 300.0:
        return 1.0, "s"
    return 1 / 60.0, "min"


def tick_texts(values: Sequence[float], step: float) -> list[str]:
    """Ticks with just the decimals that their step needs."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return [fixed(value, decimals) for value in values]


def short_number(value: float) -> str:
    """Up to three significant digits without trailing zeros: a setting, not a measurement."""
    text = f"{abs(value):.3g}"
    if "e" in text:
        text = f"{abs(value):.0f}" if abs(value) >= 1 else f"{abs(value):.6f}".rstrip("0").rstrip(".")
    return MINUS + text if value < 0 and text != "0" else text


def per_division_text(value: float, unit: str) -> str:
    """A scale or level as the fields show it: "5 ms", "100 V", "200 mA", "1 kV"."""
    magnitude = abs(value)
    if unit == "s" and 0 < magnitude < 1e-3:
        return f"{short_number(value * 1e6)} µs"
    if 0 < magnitude < 1:
        return f"{short_number(value * 1e3)} m{unit}"
    if magnitude >= 1000 and unit != "s":
        return f"{short_number(value / 1e3)} k{unit}"
    return f"{short_number(value)} {unit}"


def duration_text(span_s: float) -> str:
    """The length of a gap in words: "0.8 ms", "250 ms", "1.2 s", "2 min 05 s"."""
    if span_s < 9.95e-3:
        return f"{span_s * 1e3:.1f} ms"
    if span_s < 0.9995:
        return f"{span_s * 1e3:.0f} ms"
    if span_s < 59.95:
        return f"{span_s:.1f} s"
    minutes, seconds = divmod(round(span_s), 60)
    return f"{minutes} min {seconds:02d} s"


def time_text(value_s: float, span_s: float) -> str:
    """A time read at a cursor, with the resolution that a view of that span has; s to three decimals, ms to two."""
    if span_s < 1.0:
        return f"{fixed(value_s * 1e3, 2)} ms"
    return f"{fixed(value_s, 3)} s"
