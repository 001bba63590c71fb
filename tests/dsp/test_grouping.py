"""Groups, subgroups and interharmonics against the sums of the standard, written out line by line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.distortion import crest_factor, k_factor, pwhd_pct, tdd_pct, thd_pct, thdr_pct
from dsp.grouping import Orders, squares_of

GROUPINGS = ("component", "subgroup", "group", "interharmonic subgroup", "interharmonic group")


def by_the_book(c: np.ndarray, n: int, h: int, grouping: str) -> float:
    """c: rms of the lines; n: cycles in the window."""
    if grouping == "component":
        return c[n * h]
    if grouping == "subgroup":
        return math.sqrt(sum(c[n * h + k] ** 2 for k in (-1, 0, 1)))
    if grouping == "group":
        inner = sum(c[n * h + k] ** 2 for k in range(-n // 2 + 1, n // 2))
        return math.sqrt(0.5 * c[n * h - n // 2] ** 2 + inner + 0.5 * c[n * h + n // 2] ** 2)
    first, last = (2, n - 2) if grouping == "interharmonic subgroup" else (1, n - 1)
    return math.sqrt(sum(c[n * h + k] ** 2 for k in range(first, last + 1)))


@pytest.mark.parametrize("cycles", [10, 12])
@pytest.mark.parametrize("grouping", GROUPINGS)
def test_every_grouping_of_every_order(cycles: int, grouping: str) -> None:
    rng = np.random.default_rng(cycles)
    lines = rng.standard_normal((3, 45 * cycles)) + 1j * rng.standard_normal((3, 45 * cycles))
    orders = Orders(squares_of(lines), cycles, lines.shape[1] - 1, 40)
    found = orders.rms(grouping)
    first = 0 if grouping.startswith("inter") else 1
    truth = [[by_the_book(np.abs(row), cycles, h, grouping) for h in range(first, 41)] for row in lines]
    assert orders.last_of(grouping) == 40
    assert found[:, first:] == pytest.approx(np.array(truth), rel=1e-12)
    if first:
        assert found[:, 0] == pytest.approx(np.abs(lines[:, 0]))


@pytest.mark.parametrize(("cycles", "between"), [(10, range(2, 9)), (12, range(2, 11))])
def test_interharmonic_lines_are_two_to_n_minus_two(cycles: int, between: range) -> None:
    for k in range(cycles):
        lines = np.zeros((1, 30 * cycles), dtype=complex)
        lines[0, 5 * cycles + k] = 2.0
        found = Orders(squares_of(lines), cycles, 30 * cycles, 20).rms("interharmonic subgroup")[0]
        assert found[5] == (2.0 if k in between else 0.0)
        assert np.nansum(found) == found[5]


@pytest.mark.parametrize(("cycles", "count", "last", "between"), [(10, 397, 39, 38), (12, 397, 32, 32)])
def test_interharmonics_end_with_the_band(cycles: int, count: int, last: int, between: int) -> None:
    """4 ksps: 396 lines to 1980 Hz. After order 39 of 50 Hz come lines 392 to 398: not all there."""
    orders = Orders(np.ones((1, count + 1)), cycles, count, last)
    found = orders.rms("interharmonic subgroup")[0]
    assert np.isfinite(found).tolist() == [h <= between for h in range(41)]
    harmonics = orders.rms("subgroup")[0]
    assert np.isfinite(harmonics).tolist() == [h <= last for h in range(41)]


def test_a_short_record_has_components_only() -> None:
    lines = np.ones((2, 200), dtype=complex)
    orders = Orders(squares_of(lines), 4, 199, 20)
    for grouping in ("component", "subgroup", "group"):
        assert orders.rms(grouping)[:, 1:21] == pytest.approx(1.0)
    assert np.isnan(orders.rms("interharmonic subgroup")).all()
    assert np.isnan(Orders(squares_of(lines), 0, 199, 0).rms("subgroup")).all()


def test_distortion_of_each_grouping() -> None:
    """Order 1 with 10, a line beside order 5 with 3, one between with 4, order 15 with 1."""
    lines = np.zeros((1, 400), dtype=complex)
    lines[0, [10, 51, 65, 150]] = 10.0, 3.0, 4.0, 1.0
    orders = Orders(squares_of(lines), 10, 399, 39)
    rms = np.sqrt(squares_of(lines).sum(axis=1))
    component, subgroup, group = (orders.rms(kind) for kind in ("component", "subgroup", "group"))
    assert thd_pct(component, 39)[0] == pytest.approx(10.0)
    assert thd_pct(subgroup, 39)[0] == pytest.approx(10 * math.sqrt(10))
    assert thd_pct(group, 39)[0] == pytest.approx(10 * math.sqrt(10 + 16))
    assert thd_pct(subgroup, 14)[0] == pytest.approx(30.0)
    assert thdr_pct(subgroup, rms, 39)[0] == pytest.approx(100 * math.sqrt(10 / 126))
    assert tdd_pct(subgroup, 50.0, 39)[0] == pytest.approx(2 * math.sqrt(10))
    assert pwhd_pct(subgroup, 39)[0] == pytest.approx(10 * math.sqrt(15))
    assert np.isnan(pwhd_pct(subgroup, 13)).all()
    assert pwhd_pct(subgroup, 14)[0] == 0.0
    assert k_factor(subgroup, 39)[0] == pytest.approx((100 + 25 * 9 + 225) / 110)
    assert np.isnan(thd_pct(subgroup, 1)).all()
    assert np.isnan(k_factor(subgroup, 0)).all()


def test_crest_factor_of_a_wave_with_direct_current() -> None:
    t = np.arange(20_000) / 20_000
    lines = np.zeros((1, 200), dtype=complex)
    wave = np.full(t.size, 3.0)
    lines[0, 0] = 3.0
    for k, rms, angle in ((10, 10.0, 0.3), (30, 4.0, 2.0), (70, 2.0, -1.0)):
        lines[0, k] = rms * np.exp(1j * angle)
        wave += math.sqrt(2) * rms * np.cos(2 * np.pi * k * t + angle)
    effective = math.sqrt(np.mean(wave**2))
    found = crest_factor(lines, np.array([effective]))[0]
    assert found == pytest.approx(np.abs(wave).max() / effective, rel=2e-3)
    assert crest_factor(-lines, np.array([effective]))[0] == pytest.approx(found, rel=1e-5)
