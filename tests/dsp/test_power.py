"""Powers against sums over the waveforms and numbers worked out by hand; sequences."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.power import PhasePowers, effective_powers, phase_powers
from dsp.sequences import symmetrical_components, unbalance_of_line_voltages_pct

N, LINES = 10, 100


def random_lines(seed: int, rows: int) -> np.ndarray:
    """Order 1 large, a few harmonics, one interharmonic, some direct current."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((rows, LINES), dtype=complex)
    lines[:, 0] = rng.uniform(-2, 2, rows)
    lines[:, [30, 47, 50, 70]] = rng.uniform(0, 20, (rows, 4)) * np.exp(2j * np.pi * rng.random((rows, 4)))
    lines[:, N] = rng.uniform(80, 240, rows) * np.exp(2j * np.pi * rng.random(rows))
    return lines


def waves(lines: np.ndarray) -> np.ndarray:
    """One window of the lines, sampled closely."""
    t = np.arange(2000) / 2000
    turns = np.exp(2j * np.pi * np.outer(np.arange(1, LINES), t))
    return lines[:, :1].real + math.sqrt(2) * (lines[:, 1:] @ turns).real


def effective(wave: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(wave**2, axis=-1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_single_phase_against_its_waveform(seed: int) -> None:
    v, i = random_lines(seed, 2), random_lines(seed + 5000, 2)
    found = phase_powers(v, i, N)
    u, a = waves(v), waves(i)
    only = np.zeros_like(v), np.zeros_like(i)
    only[0][:, N], only[1][:, N] = v[:, N], i[:, N]
    u1, a1 = waves(only[0]), waves(only[1])
    quarter = -np.roll(u1, 2000 // N // 4, axis=1)  # u1 a quarter of a period later, reversed: -90 degrees and 180
    p, s = np.mean(u * a, axis=1), effective(u) * effective(a)
    p1, q1 = np.mean(u1 * a1, axis=1), -np.mean(quarter * a1, axis=1)
    s1, v_h, i_h = effective(u1) * effective(a1), effective(u - u1), effective(a - a1)
    expected = {
        "p": p, "s": s, "p1": p1, "q1": q1, "s1": s1, "v_h": v_h, "i_h": i_h,
        "s_n": np.sqrt(s**2 - s1**2), "d_i": effective(u1) * i_h, "d_v": v_h * effective(a1), "s_h": v_h * i_h,
        "p_h": p - p1, "d_h": np.sqrt((v_h * i_h) ** 2 - (p - p1) ** 2), "n": np.sqrt(s**2 - p**2),
        "pf": p / s, "dpf": p1 / s1,
    }  # fmt: skip
    for name, truth in expected.items():
        assert getattr(found, name) == pytest.approx(truth, rel=1e-8, abs=1e-5), name
    assert found.s_n**2 == pytest.approx(found.d_i**2 + found.d_v**2 + found.s_h**2)


def test_signs_of_the_four_quadrants() -> None:
    """I import inductive, II export inductive, III export capacitive, IV import capacitive."""
    for angle, p_sign, q_sign in ((30, 1, 1), (150, -1, 1), (-150, -1, -1), (-30, 1, -1)):
        v, i = np.array([230.0 + 0j]), np.array([cmath.rect(5.0, math.radians(-angle))])  # current lags by angle
        found = PhasePowers(np.abs(v), np.abs(i), v, i, (v * i.conj()).real)
        assert found.p1[0] == pytest.approx(p_sign * 1150 * math.cos(math.radians(30)))
        assert found.q1[0] == pytest.approx(q_sign * 575)
        assert found.pf[0] == pytest.approx(found.dpf[0])
        assert found.d_h[0] == 0.0


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.floats(0.5, 2.0), st.floats(0.0, 2.0))
def test_three_phases_against_their_waveforms(seed: int, four: bool, rho: float, xi: float) -> None:
    v, i = random_lines(seed, 3), random_lines(seed + 5000, 3)
    if not four:
        i -= i.mean(axis=0)  # three wires bring nothing back
    neutral = i.sum(axis=0) if four else None
    found = effective_powers(v, i, neutral, N, rho=rho, xi=xi)
    u, a = waves(v), waves(i)
    only_v, only_i = np.zeros_like(v), np.zeros_like(i)
    only_v[:, N], only_i[:, N] = v[:, N], i[:, N]
    parts = {}
    for name, (volts, amperes) in {"": (u, a), "1": (waves(only_v), waves(only_i))}.items():
        between = sum(effective(volts[p] - volts[q]) ** 2 for p, q in ((0, 1), (1, 2), (2, 0)))
        star = sum(effective(volts) ** 2)
        currents = sum(effective(amperes) ** 2)
        if four:
            parts["ve" + name] = math.sqrt((3 * star + xi * between) / (9 * (1 + xi)))
            parts["ie" + name] = math.sqrt((currents + rho * effective(amperes.sum(axis=0)) ** 2) / 3)
        else:
            parts["ve" + name], parts["ie" + name] = math.sqrt(between / 9), math.sqrt(currents / 3)
    ve, ie, ve1, ie1 = (parts[k] for k in ("ve", "ie", "ve1", "ie1"))
    ve_h, ie_h = math.sqrt(ve**2 - ve1**2), math.sqrt(ie**2 - ie1**2)
    p = float(np.mean(u * a, axis=1).sum())
    turn = cmath.exp(2j * math.pi / 3)
    v_plus, i_plus = ((x[0, N] + turn * x[1, N] + turn**2 * x[2, N]) / 3 for x in (v, i))
    plus = 3 * v_plus * i_plus.conjugate()
    expected = {
        "ve": ve, "ie": ie, "ve1": ve1, "ie1": ie1, "p": p, "se": 3 * ve * ie, "se1": 3 * ve1 * ie1,
        "ve_h": ve_h, "ie_h": ie_h, "de_i": 3 * ve1 * ie_h, "de_v": 3 * ve_h * ie1, "se_h": 3 * ve_h * ie_h,
        "se_n": math.sqrt((3 * ve * ie) ** 2 - (3 * ve1 * ie1) ** 2), "n": math.sqrt((3 * ve * ie) ** 2 - p**2),
        "pf": p / (3 * ve * ie), "s1_plus": abs(plus), "pf1_plus": plus.real / abs(plus),
        "su1": math.sqrt(max((3 * ve1 * ie1) ** 2 - abs(plus) ** 2, 0)),
        "s_a": float((effective(u) * effective(a)).sum()),
        "s1_v": abs((v[:, N] * i[:, N].conj()).sum()),
    }  # fmt: skip
    for name, truth in expected.items():
        assert getattr(found, name) == pytest.approx(truth, rel=1e-7, abs=1e-3), name
    assert found.se_n**2 == pytest.approx(found.de_i**2 + found.de_v**2 + found.se_h**2)


def test_one_loaded_phase_by_hand() -> None:
    """230 V in balance, 10 A in L1 and back in the neutral: Ie^2 = 200 / 3, Se = 3 * 230 * Ie, S1+ = P."""
    turn = cmath.exp(-2j * math.pi / 3)
    v, i = np.zeros((3, 20), dtype=complex), np.zeros((3, 20), dtype=complex)
    v[:, N] = 230.0, 230.0 * turn, 230.0 * turn**2
    i[0, N] = 10.0
    found = effective_powers(v, i, i.sum(axis=0), N)
    assert found.se == pytest.approx(3 * 230 * math.sqrt(200 / 3))
    assert found.s1_plus == pytest.approx(2300.0)
    assert found.su1 == pytest.approx(math.sqrt((3 * 230) ** 2 * 200 / 3 - 2300.0**2))
    assert found.pf1_plus == pytest.approx(1.0)
    assert found.se_n == pytest.approx(0.0, abs=1e-3)


@given(
    st.lists(st.floats(200.0, 260.0), min_size=3, max_size=3),
    st.lists(st.floats(-12.0, 12.0), min_size=3, max_size=3),
)
def test_unbalance_from_phasors_and_from_line_voltages(sizes: list[float], angles: list[float]) -> None:
    degrees = [a - 120 * p for p, a in enumerate(angles)]
    v = np.array([cmath.rect(s, math.radians(d)) for s, d in zip(sizes, degrees, strict=True)])
    # What the sequences mean: they add up to the phasors again, each with its own turn.
    turn = cmath.exp(2j * math.pi / 3)
    one, two, zero = symmetrical_components(v)
    assert zero + np.array([1, turn**2, turn]) * one + np.array([1, turn, turn**2]) * two == pytest.approx(v)
    lines = abs(v[0] - v[1]), abs(v[1] - v[2]), abs(v[2] - v[0])
    u2 = unbalance_of_line_voltages_pct(*lines)
    assert u2 == pytest.approx(100 * abs(two / one), rel=1e-6, abs=2e-6)
    beta = sum(x**4 for x in lines) / sum(x**2 for x in lines) ** 2
    if u2 > 0.1:
        root = math.sqrt(3 - 6 * beta)
        assert u2 == pytest.approx(100 * math.sqrt((1 - root) / (1 + root)), rel=1e-6)


def test_line_voltages_that_make_no_triangle() -> None:
    assert unbalance_of_line_voltages_pct(400.0, 400.0, 400.0) == 0.0
    assert unbalance_of_line_voltages_pct(400.0, 200.0, 200.0) == pytest.approx(100.0)
    for sides in ((400.0, 100.0, 100.0), (0.0, 0.0, 0.0), (math.nan, 1.0, 1.0), (math.inf, 1.0, 1.0)):
        assert math.isnan(unbalance_of_line_voltages_pct(*sides))
