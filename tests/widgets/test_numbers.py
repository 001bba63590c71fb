"""The way numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widgets import numbers
from widgets.numbers import MINUS, THIN_SPACE


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (231.64, 1, "231.6"),
        (-302.9, 1, f"{MINUS}302.9"),
        (-0.04, 1, "0.0"),
        (-0.0, 3, "0.000"),
        (0.0, 0, "0"),
        (-0.05000001, 1, f"{MINUS}0.1"),
        (9999, 0, "9999"),
        (9999.6, 0, f"10{THIN_SPACE}000"),
        (12345.678, 2, f"12{THIN_SPACE}345.68"),
        (-4194304, 0, f"{MINUS}4{THIN_SPACE}194{THIN_SPACE}304"),
        (None, 2, "n/a"),
        (math.nan, 2, "n/a"),
        (math.inf, 2, "n/a"),
        (-math.inf, 0, "n/a"),
    ],
)
def test_fixed_decimals(value, decimals, text):
    assert numbers.fixed(value, decimals) == text


@given(st.floats(-1e9, 1e9), st.integers(0, 4))
def test_reads_back_as_the_rounded_value(value, decimals):
    text = numbers.fixed(value, decimals)
    back = float(text.replace(MINUS, "-").replace(THIN_SPACE, ""))
    assert back == pytest.approx(value, abs=0.5 * 10**-decimals + 1e-9 * abs(value))
    assert len(text.partition(".")[2]) == decimals
    assert text[0] != MINUS or back < 0


def test_sample_rate_is_split_from_four_digits():
    assert numbers.sample_rate(4000) == f"4{THIN_SPACE}000 S/s"
    assert numbers.sample_rate(800) == "800 S/s"
    assert numbers.sample_rate(None) == "n/a"
    assert numbers.count(4000) == "4000"


def test_units_stand_only_beside_numbers():
    assert numbers.with_unit(0.456, 2, "%") == f"0.46{THIN_SPACE}%"
    assert numbers.with_unit(0.951, 3, "") == "0.951"
    assert numbers.with_unit(None, 2, "%") == "n/a"


def test_switch_to_kilo_falls_on_the_rounded_value():
    assert numbers.kilo(999.4, "W") == ("999", "W")
    assert numbers.kilo(999.6, "W") == ("1.00", "kW")
    assert numbers.kilo(-7924, "W") == (f"{MINUS}7.92", "kW")
    assert numbers.kilo(None, "W") == ("n/a", "W")
    assert numbers.kilo(7924, "W", from_magnitude=100_000) == ("7924", "W")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_ordinals(number, text):
    assert numbers.ordinal(number) == text


@pytest.mark.parametrize(
    ("angle_deg", "text"),
    [
        (0.0, "0.0°"),
        (-0.04, "0.0°"),
        (240.2, f"{MINUS}119.8°"),
        (-180.0, "180.0°"),
        (-179.98, "180.0°"),
        (180.0, "180.0°"),
        (540.0, "180.0°"),
        (359.97, "0.0°"),
        (None, "n/a"),
        (math.nan, "n/a"),
    ],
)
def test_angles(angle_deg, text):
    assert numbers.angle(angle_deg) == text


def test_by_kind_knows_the_decimals():
    assert numbers.by_kind(231.64, "voltage") == "231.6"
    assert numbers.by_kind(49.9821, "frequency") == "49.982"
    assert not numbers.is_measured(math.nan)
    assert not numbers.is_measured(None)
    assert numbers.is_measured(0.0)
