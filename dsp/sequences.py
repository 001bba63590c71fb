"""Symmetrical components and unbalance of three phases (IEC 61000-4-30:2015, 5.7)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_A = np.exp(2j * np.pi / 3.0)
_FORTESCUE = np.array([[1.0, _A, _A * _A], [1.0, _A * _A, _A], [1.0, 1.0, 1.0]]) / 3.0


def symmetrical_components(phasors: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Positive, negative and zero sequence [..., 3] of the phasors [..., 3] of L1, L2, L3."""
    return np.asarray(phasors @ _FORTESCUE.T)


def unbalance_of_line_voltages_pct(u12: float, u23: float, u31: float) -> float:
    """Negative-sequence unbalance u2, %, from the fundamental magnitudes between the lines alone.

    Of any unit. beta = (u12^4 + u23^4 + u31^4) / (u12^2 + u23^2 + u31^2)^2, u2^2 = (1 - r) / (1 + r) with
    r = root of 3 - 6 beta. The phase sequence is taken to be right: r cannot tell. NaN where the three do not make a
    triangle.
    """
    a, b, c = u12 * u12, u23 * u23, u31 * u31
    total = a + b + c
    if not 0.0 < total < math.inf:
        return math.nan
    a, b, c = a / total, b / total, c / total
    # 3 - 6 beta = 1 - 2 d with d the spread of the squares: without the loss of digits near balance.
    twice_spread = 2.0 * ((a - b) ** 2 + (b - c) ** 2 + (c - a) ** 2)
    if twice_spread > 1.0:
        return math.nan
    root = math.sqrt(1.0 - twice_spread)
    return 100.0 * math.sqrt(twice_spread / (1.0 + root) / (1.0 + root))
