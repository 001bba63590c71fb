"""Limit tables: the numbers, and that each says where it comes from."""

from __future__ import annotations

import dataclasses

import pytest

from resources.limits import NAMES, harmonic_limits
from resources.limits.document import DOCUMENTS, load, numbers, worst_status
from resources.limits.standards import en50160, iec61000_2_2, ieee519_current, ieee519_voltage
from resources.parameters import table

EN_ODD = {3: 5, 5: 6, 7: 5, 9: 1.5, 11: 3.5, 13: 3, 15: 0.5, 17: 2, 19: 1.5, 21: 0.5, 23: 1.5, 25: 1.5}
EN_EVEN = {2: 2, 4: 1} | dict.fromkeys(range(6, 25, 2), 0.5)


def limits_of(standard, quantity, window):
    """{order: {fraction: (low, high)}} of a quantity for one kind of interval."""
    return {
        r.order: {c.fraction_pct: (c.low, c.high) for c in r.criteria if c.window == window}
        for r in standard.requirements
        if r.quantity == quantity
    }


def test_en50160_harmonics() -> None:
    limits = harmonic_limits("en50160-lv")
    assert dict(limits.orders) == EN_ODD | EN_EVEN
    assert sorted(limits.orders) == list(range(2, 26))
    assert (limits.thd_pct, limits.thd_to, limits.fraction_pct) == (8.0, 40, 95.0)
    assert limits.name == "EN 50160"
    assert limits.edition
    assert limits.status == "verified"


@pytest.mark.parametrize("name", NAMES)
def test_every_table_names_its_source(name: str) -> None:
    assert harmonic_limits(name).source


def test_limits_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        harmonic_limits("en50160-lv").orders[3] = 99.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        en50160().requirements[0].key = "x"  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", "en50160", "../parameters"])
def test_an_unknown_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="choose one of en50160-lv"):
        harmonic_limits(name)
    with pytest.raises(ValueError, match="choose one of en50160-lv"):
        load(name)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_has_a_status_and_a_source(name: str) -> None:
    found = list(numbers(load(name)))
    assert len(found) > 5
    for path, _, status, source in found:
        assert status in ("verified", "from memory", "our choice"), path
        assert len(source) > 5, path
        assert (status == "verified") <= ("not yet" not in source), path


def test_a_number_without_source_is_noticed() -> None:
    with pytest.raises(KeyError, match=r"a\.b has no status"):
        list(numbers({"a": {"b": 1}}))
    assert worst_status({"status": "verified", "source": "x", "a": 1}) == "verified"
    mixed = {"status": "verified", "source": "x", "a": 1, "b": {"status": "from memory", "c": 2}}
    assert worst_status(mixed) == "from memory"


def test_en50160_of_a_week() -> None:
    standard = en50160()
    assert limits_of(standard, "frequency", "10s") == {None: {99.5: (99, 101), 100: (94, 104)}}
    assert limits_of(standard, "voltage", "10min") == {None: {95: (90, 110), 100: (85, 110)}}
    assert limits_of(standard, "unbalance", "10min") == {None: {95: (None, 2)}}
    assert limits_of(standard, "flicker", "2h") == {None: {95: (None, 1)}}
    assert limits_of(standard, "THD", "10min") == {None: {95: (None, 8)}}
    harmonics = {h: {95.0: (None, limit)} for h, limit in (EN_ODD | EN_EVEN).items()}
    assert limits_of(standard, "harmonics", "10min") == harmonics
    assert all(c.period == "week" and c.inclusive for r in standard.requirements for c in r.criteria)


def test_en50160_of_an_island() -> None:
    standard = en50160(island=True)
    assert limits_of(standard, "frequency", "10s") == {None: {95: (98, 102), 100: (85, 115)}}
    assert limits_of(standard, "voltage", "10min") == {None: {100: (85, 110)}}
    assert len(standard.requirements) == len(en50160().requirements)


def compatibility_level(h: int) -> float:
    if h % 2 == 0:
        return {2: 2, 4: 1, 6: 0.5, 8: 0.5}.get(h) or 0.25 * 10 / h + 0.25
    if h % 3 == 0:
        return {3: 5, 9: 1.5, 15: 0.4, 21: 0.3}.get(h, 0.2)
    return {5: 6, 7: 5, 11: 3.5, 13: 3}.get(h) or 2.27 * 17 / h - 0.27


def test_compatibility_levels_are_those_of_the_formulas() -> None:
    weekly = limits_of(iec61000_2_2(), "harmonics", "10min")
    daily = limits_of(iec61000_2_2(), "harmonics", "150/180-cycle")
    assert sorted(weekly) == sorted(daily) == list(range(2, 41))
    for h in weekly:
        level = compatibility_level(h)
        assert weekly[h][95][1] == pytest.approx(level, abs=6e-5)
        assert daily[h][99][1] == pytest.approx(level * (1.3 + 0.7 / 45 * (h - 5)), abs=6e-5)
    assert limits_of(iec61000_2_2(), "THD", "10min") == {None: {95: (None, 8)}}
    assert limits_of(iec61000_2_2(), "THD", "150/180-cycle") == {None: {99: (None, 11)}}
    on_file = harmonic_limits("iec61000-2-2-lv")
    assert sorted(on_file.orders) == list(range(2, 51))
    assert on_file.orders[49] == pytest.approx(2.27 * 17 / 49 - 0.27, abs=6e-5)
    assert on_file.orders[5] == 6
    assert on_file.status == "from memory"


@pytest.mark.parametrize(
    ("volts", "single", "thd"),
    [(400, 5, 8), (1000, 5, 8), (1001, 3, 5), (69e3, 3, 5), (110e3, 1.5, 2.5), (161e3, 1.5, 2.5), (400e3, 1, 1.5)],
)
def test_ieee519_voltage(volts: float, single: float, thd: float) -> None:
    standard = ieee519_voltage(volts)
    for quantity, limit in (("harmonics", single), ("THD", thd)):
        for windows in limits_of(standard, quantity, "10min").values():
            assert windows == {95: (None, limit)}
        for windows in limits_of(standard, quantity, "150/180-cycle").values():
            assert windows == {99: (None, pytest.approx(1.5 * limit))}
    assert sorted(limits_of(standard, "harmonics", "10min")) == list(range(2, 41))


ROWS = {
    "below 20": ((0.5, 19.99), (4, 2, 1.5, 0.6, 0.3), 5),
    "20 to 50": ((20, 49.99), (7, 3.5, 2.5, 1, 0.5), 8),
    "50 to 100": ((50, 99.99), (10, 4.5, 4, 1.5, 0.7), 12),
    "100 to 1000": ((100, 1000), (12, 5.5, 5, 2, 1), 15),
    "above 1000": ((1000.01, 1e6), (15, 7, 6, 2.5, 1.4), 20),
}


@pytest.mark.parametrize("name", ROWS)
def test_ieee519_current_by_short_circuit_ratio(name: str) -> None:
    ratios, row, tdd = ROWS[name]
    for ratio in ratios:
        standard = ieee519_current(ratio, 400)
        assert limits_of(standard, "TDD", "10min")[None] == {95: (None, tdd), 99: (None, pytest.approx(1.5 * tdd))}
        found = limits_of(standard, "harmonics", "10min")
        for order, limit in {3: 0, 9: 0, 11: 1, 15: 1, 17: 2, 21: 2, 23: 3, 33: 3, 35: 4, 39: 4}.items():
            assert found[order][95] == (None, row[limit])
            assert found[order][99] == (None, pytest.approx(1.5 * row[limit]))
        daily = limits_of(standard, "harmonics", "150/180-cycle")
        assert daily[5] == {99: (None, 2 * row[0])}


def test_ieee519_even_orders_by_edition() -> None:
    new = limits_of(ieee519_current(30, 400), "harmonics", "10min")
    old = limits_of(ieee519_current(30, 400, "2014"), "harmonics", "10min")
    assert {h: new[h][95][1] for h in (2, 4, 6, 8, 10, 12, 40)} == {
        2: 3.5,
        4: 3.5,
        6: 3.5,
        8: 7,
        10: 7,
        12: 3.5,
        40: 0.5,
    }
    assert {h: old[h][95][1] for h in (2, 6, 8, 12, 40)} == {2: 1.75, 6: 1.75, 8: 1.75, 12: 0.875, 40: 0.125}
    assert all(old[h] == new[h] for h in range(3, 41, 2))


@pytest.mark.parametrize(("ratio", "volts"), [(0, 400), (-1, 400), (float("nan"), 400), (20, 110), (20, 70e3)])
def test_ieee519_refuses_what_it_has_no_table_for(ratio: float, volts: float) -> None:
    with pytest.raises(ValueError, match=r"Give|give"):
        ieee519_current(ratio, volts)
    with pytest.raises(ValueError, match="Give"):
        ieee519_voltage(0)


def test_every_requirement_speaks_of_keys_that_exist() -> None:
    keys = set(table())
    for standard in (en50160(), en50160(True), iec61000_2_2(), ieee519_voltage(400), ieee519_current(20, 400)):
        for requirement in standard.requirements:
            assert requirement.key.replace("p", "1") in keys
            assert requirement.source
