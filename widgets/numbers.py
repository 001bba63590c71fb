"""How numbers are written: fixed decimals by kind, a true minus, thin spaces, and "n/a" for what is not measurable."""

from __future__ import annotations

import math

MINUS = "\u2212"
THIN_SPACE = "\u2009"
NOT_AVAILABLE = "n/a"

DECIMALS = {
    "voltage": 1,
    "current": 2,
    "power": 0,
    "kilo": 2,
    "power-factor": 3,
    "frequency": 3,
    "thd-voltage": 2,
    "thd-current": 1,
    "harmonic": 2,
    "angle": 1,
    "time": 3,
}
"""Decimals by what the instrument can know."""

_GROUP_FROM_DIGITS = 5


def is_measured(value: float | None) -> bool:
    """True for a finite number: None, NaN and infinity are not measurable."""
    return value is not None and math.isfinite(value)


def fixed(value: float | None, decimals: int, *, group_from: int = _GROUP_FROM_DIGITS) -> str:
    """`value` with exactly `decimals` decimals, thousands split by thin spaces from `group_from` digits up.

    "n/a" where it is not measurable. What rounds to zero has no sign.
    """
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    digits = f"{abs(value):.{decimals}f}"
    whole, point, fraction = digits.partition(".")
    if len(whole) >= group_from:
        whole = f"{int(whole):,}".replace(",", THIN_SPACE)
    negative = value < 0 and any(digit in "123456789" for digit in digits)
    return f"{MINUS if negative else ''}{whole}{point}{fraction}"


def by_kind(value: float | None, kind: str) -> str:
    """`value` with the decimals of a kind (a key of `DECIMALS`); KeyError for another."""
    return fixed(value, DECIMALS[kind])


def with_unit(value: float | None, decimals: int, unit: str) -> str:
    """Number, thin space, unit; the unit is left out beside "n/a" and where it is empty."""
    text = fixed(value, decimals)
    return f"{text}{THIN_SPACE}{unit}" if unit and text != NOT_AVAILABLE else text


def count(value: int) -> str:
    """A whole number: "4194304" as "4 194 304" (thin spaces), "4000" as it is."""
    return fixed(value, 0)


def sample_rate(rate_hz: float | None) -> str:
    """Samples a second: "4 000 S/s". The one number that is split from four digits up."""
    text = fixed(rate_hz, 0, group_from=4)
    return text if text == NOT_AVAILABLE else f"{text} S/s"


def kilo(value: float | None, unit: str, *, from_magnitude: float = 1000.0, decimals: int = 0) -> tuple[str, str]:
    """(text, unit) of a power or energy: "840", "W" below `from_magnitude`, "7.92", "kW" from there up.

    The decision falls on the rounded value, so that 999.6 W never shows as "1000 W".
    """
    if value is not None and math.isfinite(value) and round(abs(value), decimals) >= from_magnitude:
        return fixed(value / 1000.0, DECIMALS["kilo"]), f"k{unit}"
    return fixed(value, decimals), unit


def ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "11th", "15th", "22nd"."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def wrapped_deg(angle_deg: float) -> float:
    """The same angle within (-180, 180]."""
    wrapped = math.remainder(angle_deg, 360.0)
    return 180.0 if wrapped == -180.0 else wrapped


def angle(angle_deg: float | None, decimals: int = DECIMALS["angle"]) -> str:
    """An angle within (-180, 180] degrees: "−119.8°". What rounds to -180 is written 180."""
    if angle_deg is None or not math.isfinite(angle_deg):
        return NOT_AVAILABLE
    rounded = round(wrapped_deg(angle_deg), decimals)
    return f"{fixed(180.0 if rounded <= -180.0 else rounded, decimals)}°"
