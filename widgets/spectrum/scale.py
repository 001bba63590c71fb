"""The y scale of the spectrum: nice steps, linear or logarithmic, that do not flap with every window. No Qt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from widgets.spectrum.model import ORDERS, Spectrum, Unit, phase_name

SHRINK_AFTER = 20
"""Updates in a row (5 s at 4 a second) that must be content with less before the scale shrinks."""

_HEADROOM = 1.05
_SMALLEST_TOP = {"%": 0.5, "V": 1.0, "A": 0.05}
_STEPS = (1.0, 2.0, 5.0, 10.0)
_DECADES = {"%": 4, "V": 4, "A": 5}


@dataclass(frozen=True)
class Scale:
    """bottom..top in the shown unit; ticks: values with a grid line; decimals: of their labels."""

    bottom: float
    top: float
    ticks: tuple[float, ...]
    decimals: int
    logarithmic: bool

    def fraction(self, value: float) -> float:
        """Height 0..1 of a value; over 1 where it is off the scale, 0 for what lies under it."""
        if not self.logarithmic:
            return max(0.0, value / self.top)
        if value <= self.bottom:
            return 0.0
        return math.log(value / self.bottom) / math.log(self.top / self.bottom)

    def label(self, tick: float) -> str:
        """A tick without unit. Logarithmic ticks carry the decimals that they need."""
        if self.logarithmic:
            return f"{tick:.{max(0, -round(math.log10(tick)))}f}"
        return f"{tick:.{self.decimals}f}"


def linear(largest: float, unit: str, lines: int = 8) -> Scale:
    """0 to a little over `largest`, with at most `lines` steps of 1, 2 or 5 times a power of ten."""
    need = max(largest * _HEADROOM, _SMALLEST_TOP[unit])
    raw = need / lines
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in _STEPS if power * nice >= raw * (1 - 1e-9))
    count = math.ceil(need / step - 1e-9)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    ticks = tuple(round(index * step, decimals + 1) for index in range(count + 1))
    return Scale(0.0, ticks[-1], ticks, decimals, False)


def logarithmic(largest: float, unit: str) -> Scale:
    """Whole decades with `largest` in the uppermost."""
    exponent = math.ceil(math.log10(max(largest, _SMALLEST_TOP[unit])) - 1e-9)
    first = exponent - _DECADES[unit]
    ticks = tuple(10.0**power for power in range(first, exponent + 1))
    return Scale(ticks[0], ticks[-1], ticks, 0, True)


def largest_value(spectrum: Spectrum, unit: Unit, logarithmic_scale: bool) -> float:
    """What the scale has to hold: bars from order 2 up (all of them on a logarithmic scale) and limits.

    In percent a channel that carries hardly any fundamental does not count, and the neutral, whose fundamental
    cancels, no more than to double the scale: their bars are cut at the edge instead of flattening all others.
    """
    values = spectrum.values(unit)
    first = 1 if logarithmic_scale else 2
    fundamentals = {channel: _finite_max(row[1:2]) for channel, row in spectrum.absolute.items()}
    strongest = max(fundamentals.values(), default=0.0)
    phases = neutral = 0.0
    for channel, row in values.items():
        largest = _finite_max(row[first : ORDERS + 1])
        if unit == "percent" and phase_name(channel) == "N":
            neutral = max(neutral, largest)
        elif unit == "absolute" or fundamentals[channel] >= 0.01 * strongest:
            phases = max(phases, largest)
    largest = max(phases, min(neutral, 2.0 * phases))
    if spectrum.limits is not None:
        limit = max((pct for order, pct in spectrum.limits.orders.items() if 2 <= order <= ORDERS), default=0.0)
        largest = max(largest, limit if unit == "percent" else limit / 100.0 * strongest)
    return largest


class ScaleChooser:
    """Grows at once, shrinks only after `SHRINK_AFTER` updates that all needed less."""

    def __init__(self) -> None:
        self._scale: Scale | None = None
        self._key: tuple[object, ...] = ()
        self._recent: list[float] = []

    def choose(self, spectrum: Spectrum, unit: Unit, logarithmic_scale: bool, lines: int, *, new_data: bool) -> Scale:
        """The scale for a spectrum. new_data: False for a mere repaint, which never counts as an update."""
        sign = "%" if unit == "percent" else spectrum.unit
        largest = largest_value(spectrum, unit, logarithmic_scale)
        key = (spectrum.quantity, sign, logarithmic_scale, lines, spectrum.channels, spectrum.limits is not None)
        if self._scale is None or key != self._key:
            self._key, self._recent = key, []
            self._scale = self._make(largest, sign, logarithmic_scale, lines)
            return self._scale
        wanted = self._make(largest, sign, logarithmic_scale, lines)
        if wanted.top > self._scale.top:
            self._scale, self._recent = wanted, []
        elif wanted.top == self._scale.top:
            self._recent = []
        elif new_data:
            self._recent.append(largest)
            if len(self._recent) >= SHRINK_AFTER:
                self._scale = self._make(max(self._recent), sign, logarithmic_scale, lines)
                self._recent = []
        return self._scale

    @staticmethod
    def _make(largest: float, sign: str, logarithmic_scale: bool, lines: int) -> Scale:
        return logarithmic(largest, sign) if logarithmic_scale else linear(largest, sign, lines)


def _finite_max(values: Sequence[float] | np.ndarray) -> float:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(finite.max()) if len(finite) else 0.0
