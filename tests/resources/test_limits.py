"""Limit tables: the numbers, and that each says where it comes from."""

from __future__ import annotations

import pytest

from resources.limits import NAMES, harmonic_limits, voltage_band


def test_en50160_harmonics() -> None:
    limits = harmonic_limits("en50160-lv")
    odd = {3: 5, 5: 6, 7: 5, 9: 1.5, 11: 3.5, 13: 3, 15: 0.5, 17: 2, 19: 1.5, 21: 0.5, 23: 1.5, 25: 1.5}
    even = {2: 2, 4: 1} | dict.fromkeys(range(6, 25, 2), 0.5)
    assert dict(limits.orders) == odd | even
    assert sorted(limits.orders) == list(range(2, 26))
    assert (limits.thd_pct, limits.thd_to, limits.fraction_pct) == (8.0, 40, 95.0)
    assert limits.name == "EN 50160"
    assert limits.edition
    assert limits.status == "verified"


def test_en50160_voltage_band_does_not_claim_to_be_checked() -> None:
    band = voltage_band("en50160-lv")
    assert (band.low_pct, band.high_pct, band.fraction_pct) == (90, 110, 95)
    assert (band.outer_low_pct, band.outer_high_pct) == (85, 110)
    assert band.status == "from memory"


@pytest.mark.parametrize("name", NAMES)
def test_every_table_names_its_source(name: str) -> None:
    assert harmonic_limits(name).source
    assert voltage_band(name).source


def test_limits_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        harmonic_limits("en50160-lv").orders[3] = 99.0  # type: ignore[index]


@pytest.mark.parametrize("name", ["", "en50160", "../parameters"])
def test_an_unknown_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="choose one of en50160-lv"):
        harmonic_limits(name)
