"""Tones beside the fundamental, found in its demodulated phasors and set apart from its phase.

A tone next to the fundamental turns in the phasors at the difference of both frequencies: it moves their phase and
their size alike, a quarter of a turn apart. A change of the fundamental's own phase leaves its size as it is. So
phase and size together tell one from the other; what they do not explain is left in the phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

MOST_TONES = 3
NEAREST = 0.04
FURTHEST = 0.98
"""Distance of a tone from the fundamental, in parts of it."""
STEP_RAD = 0.8
"""Step of the search, in phase from the middle of the phasors to their end."""
CLOSEST_RAD = 1.5
"""Tones closer to each other are not told apart."""
REFINEMENTS = 6
REST = 2e-5
"""Relative rms that is left when every tone is found."""
MIRRORED_RAD = 0.3
ALIKE = 0.2
"""Tones whose rates mirror each other so closely are a swing of the frequency, where the squares of what their sizes
lack to the sidebands of one are less than this share of their own."""
LEAST_GAIN = 0.25
"""Share of the squares of what is left that a tone explains at least; noise never does."""
ENOUGH_GAIN = 1e-3
EXPLAINED = 100.0
"""The squares of what is left must shrink by this, and by four times more for every tone; otherwise there was none,
but a step, noise or a frequency that swings."""
IN_SIZE = 0.02
"""Least part of the squares that must be in the size of the phasors: a tone moves it as much as their phase."""

SHAPE = 5
"""Real terms of the fundamental: size and its slope; phase, its slope and its bend."""


@dataclass(frozen=True)
class _Search:
    """Prepared for a number of phasors. powers [n, 3]: 1, x, x^2; shape [2 n, SHAPE]: terms of the fundamental; fit:
    its pseudo-inverse; rates [k]: of the tones that are tried, rad from the middle to the end; tones [2 n, 2 k]: those
    without what the fundamental's terms explain of them; roots [k, 2, 2]: by which they become orthonormal."""

    x: NDArray[np.float64]
    powers: NDArray[np.float64]
    shape: NDArray[np.float64]
    fit: NDArray[np.float64]
    rates: NDArray[np.float64]
    tones: NDArray[np.float64]
    roots: NDArray[np.float64]


@dataclass(frozen=True)
class _Tones:
    """rates of the tones; terms [SHAPE + 2 tones, rows]: of the fundamental, and real and imaginary part of each tone;
    rest: sum of squares that they leave."""

    rates: list[float]
    terms: NDArray[np.float64]
    rest: float


@lru_cache(maxsize=32)
def _search(count: int, furthest: int) -> _Search:
    x = np.linspace(-1.0, 1.0, count)
    none, one = np.zeros(count), np.ones(count)
    size = np.stack([one, x, none, none, none], axis=1)
    phase = np.stack([none, none, one, x, x * x], axis=1)
    shape = np.concatenate([size, phase])
    above = np.arange(NEAREST * furthest, FURTHEST * furthest, STEP_RAD)
    rates = np.concatenate([-above[::-1], above])
    q, _ = np.linalg.qr(shape)
    tones = np.stack([_columns(np.exp(1j * rate * x)) for rate in rates.tolist()], axis=1)  # [2 n, k, 2]
    tones -= np.tensordot(q, np.tensordot(q, tones, axes=(0, 0)), axes=(1, 0))
    normal = np.einsum("nki,nkj->kij", tones, tones)
    roots = np.linalg.inv(np.linalg.cholesky(normal)).transpose(0, 2, 1)
    powers = np.stack([one, x, x * x], axis=1)
    return _Search(x, powers, shape, np.linalg.pinv(shape), rates, tones.reshape(2 * count, -1), roots)


def _columns(turning: NDArray[np.complex128]) -> NDArray[np.float64]:
    """[2 n, 2]: what the real and the imaginary part of a tone's phasor add to (real, imaginary) parts."""
    return np.stack(
        [np.concatenate([turning.real, turning.imag]), np.concatenate([-turning.imag, turning.real])], axis=1
    )


def phase_without_tones(
    phasors: NDArray[np.complex128], cycles: float, bend_rad: float
) -> tuple[NDArray[np.float64], float] | None:
    """Phase of a fundamental with the tones beside it left out, as coefficients [3, rows] of 1, x, x^2 (rad), x from
    -1 to 1 over the phasors, and the rms (relative) of what is left; None where no tones explain the phasors.

    phasors [rows, n]: evenly spaced, without the phase that is known, so that they hardly turn. cycles: of the
    fundamental from the first to the last. bend_rad: x^2 term of the phase that was taken out, by which a steady tone
    now bends the other way.
    """
    search = _search(phasors.shape[1], round(np.pi * cycles))
    bend = np.exp(-1j * bend_rad * search.x * search.x)
    rows = phasors / phasors.mean(axis=1, keepdims=True)
    enough = rows.size * REST * REST
    y = _parts(rows)
    left = y - search.shape @ (search.fit @ y)
    squares = (left * left).sum(axis=1)
    before = float(squares.sum())
    if float(squares[: phasors.shape[1]].sum()) < IN_SIZE * before:
        return None
    found = _find(search, bend, y, left, before, enough)
    if found is None:
        return None
    # Once more without the phase that was found: small angles alone add to the imaginary parts.
    phase = found.terms[2:SHAPE]
    rows = rows * np.exp(-1j * (search.powers @ phase).T) / (1.0 + found.terms[0][:, None])
    again = _refine(search, bend, _parts(rows), found.rates, 0.0)
    if not _explained(before, again):
        return None
    return phase + again.terms[2:SHAPE], float(np.sqrt(again.rest / rows.size))


def _parts(rows: NDArray[np.complex128]) -> NDArray[np.float64]:
    """[2 n, rows]: real parts less 1, imaginary parts."""
    return np.concatenate([rows.real - 1.0, rows.imag], axis=1).T


def _find(
    search: _Search,
    bend: NDArray[np.complex128],
    y: NDArray[np.float64],
    left: NDArray[np.float64],
    rest: float,
    enough: float,
) -> _Tones | None:
    """One tone after another, each where it explains most of what is left; None where they do not explain it all."""
    best: _Tones | None = None
    rates: list[float] = []
    before = rest
    while rest > enough and len(rates) < MOST_TONES:
        along = (left.T @ search.tones).reshape(y.shape[1], -1, 2).transpose(1, 0, 2)
        gain = np.add.reduce((along @ search.roots) ** 2, axis=(1, 2))
        for known in rates:
            gain[np.abs(search.rates - known) < CLOSEST_RAD] = 0.0
        place = int(gain.argmax())
        if gain[place] < LEAST_GAIN * rest:
            break
        found = _refine(search, bend, y, [*rates, float(search.rates[place])], enough)
        rates, rest = found.rates, found.rest
        left = y - _design(search, bend, rates) @ found.terms
        if _explained(before, found):
            best = found
    return best


def _explained(before: float, found: _Tones) -> bool:
    """Whether these tones are what there was: few, and no two that make up a swing of the frequency, whose sidebands
    b and -conj(b) mirror each other."""
    tones = found.terms[SHAPE::2] + 1j * found.terms[SHAPE + 1 :: 2]
    for (one, size), (other, other_size) in combinations(zip(found.rates, tones, strict=True), 2):
        if abs(one + other) < MIRRORED_RAD:
            squares = np.abs(size + other_size.conj()) ** 2
            if float(squares.sum()) < ALIKE * float((np.abs(size) ** 2 + np.abs(other_size) ** 2).sum()):
                return False
    return EXPLAINED * 4.0 ** len(found.rates) * found.rest <= before


def _design(search: _Search, bend: NDArray[np.complex128], rates: list[float]) -> NDArray[np.float64]:
    tones = [_columns(bend * np.exp(1j * rate * search.x)) for rate in rates]
    return np.concatenate([search.shape, *tones], axis=1)


def _refine(
    search: _Search, bend: NDArray[np.complex128], y: NDArray[np.float64], rates: list[float], enough: float
) -> _Tones:
    """Least squares for all terms and the tones' rates (variable projection: Kaufman 1975), from rates near the true
    ones."""
    best = _Tones(rates, np.zeros((0, y.shape[1])), np.inf)
    for _ in range(REFINEMENTS):
        design = _design(search, bend, rates)
        q, r = np.linalg.qr(design)
        inner = q.T @ y
        left = y - q @ inner
        rest = float((left * left).sum())
        if not rest < best.rest:
            break
        done = rest <= enough or best.rest - rest < ENOUGH_GAIN * rest
        best = _Tones(rates, np.linalg.solve(r, inner), rest)
        if done:
            break
        # How each tone moves with its rate, without what the other terms can make up for.
        half = search.x.size
        moved = []
        for place in range(SHAPE, design.shape[1], 2):
            one, other = design[:, place : place + 2].T
            here = np.outer(one, best.terms[place]) + np.outer(other, best.terms[place + 1])
            turned = np.concatenate([-here[half:], here[:half]])
            moved.append(turned * np.concatenate([search.x, search.x])[:, None])
        slopes = np.concatenate(moved, axis=1)
        slopes -= q @ (q.T @ slopes)
        flat = slopes.reshape(y.shape[0], len(rates), -1).transpose(1, 0, 2).reshape(len(rates), -1)
        normal = flat @ flat.T
        normal[np.diag_indices_from(normal)] *= 1.0 + 1e-9
        change = np.linalg.solve(normal, flat @ left.ravel()).tolist()
        rates = [rate + min(max(c, -STEP_RAD), STEP_RAD) for rate, c in zip(rates, change, strict=True)]
    return best
