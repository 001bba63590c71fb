"""Coherent resampling: band-limited interpolation at any instants, in two stages, with its gain known.

Stage 1 doubles the rate with a long linear-phase low-pass, applied in the frequency domain: the zero-stuffed
spectrum is the old one mirrored, so one forward and one inverse FFT do. Stage 2 interpolates between the doubled
samples with 8 taps of a Kaiser-Bessel kernel, whose values are polynomials of the fractional position (Farrow
structure). Such a kernel droops, and stops the images of the doubled rate the better for it (the gridding of
non-uniform FFTs); stage 1 makes up for its droop. What is left of both is a known, real gain, by which the spectrum is
divided (`gain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", np.float64, np.complex128)

FIR_HALF = 255
"""Taps on each side of the middle one of stage 1, at the doubled rate."""
FIR_BETA = 9.0
CUTOFF = 0.99
"""Cut-off of stage 1 as a part of the Nyquist frequency: where the band ends (0.495 of the rate). The mirror images of
what lies below fall between the lines of the spectrum and would leak into every one: from here on they are stopped."""
TAPS = 8
TAPS_BETA = 0.98 * np.pi * 0.75 * TAPS
"""Puts the edge of the kernel's stop band where the images of the doubled rate begin. What remains of an image is
1e-7 of a fundamental."""
DEGREE = 7
DROOP_TO = 0.3
"""Cycles per doubled sample to which stage 1 makes up for the kernel's droop; little passes from 0.25 on."""
MARGIN = FIR_HALF // 2 + 8
"""Samples needed on each side of the outermost instants."""

GRID = 8192
_NEAR = np.arange(1 - TAPS // 2, 1 + TAPS // 2)[:, None]


def _kaiser(x: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Kaiser window of x in [-1, 1], zero outside."""
    inside = np.clip(1.0 - x * x, 0.0, None)
    return np.asarray(np.where(np.abs(x) <= 1.0, np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0.0))


@lru_cache(maxsize=1)
def _fir() -> NDArray[np.float64]:
    """Taps of stage 1, in-band gain 2: a sinc cut off at CUTOFF under a Kaiser window."""
    n = np.arange(-FIR_HALF, FIR_HALF + 1)
    return np.asarray(CUTOFF * np.sinc(CUTOFF * n / 2.0) * _kaiser(n / (FIR_HALF + 1.0), FIR_BETA))


@lru_cache(maxsize=8)
def _fir_gain(points: int) -> NDArray[np.float64]:
    """Real gain of the taps of stage 1 at k / points cycles per doubled sample, k = 0..points / 2."""
    ring = np.zeros(points)
    np.add.at(ring, np.arange(-FIR_HALF, FIR_HALF + 1) % points, _fir())
    return np.ascontiguousarray(np.fft.rfft(ring).real)


@lru_cache(maxsize=1)
def _taps() -> NDArray[np.float64]:
    """[TAPS, DEGREE + 1]: coefficients of u = 2 d - 1 in ascending powers, d in [0, 1) past the doubled sample.

    Tap j weighs the doubled sample at j - TAPS / 2 + 1 relative to the one before the instant.
    """
    u = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    distance = (u[:, None] + 1.0) / 2.0 - (np.arange(TAPS) - TAPS // 2 + 1)
    kernel = _kaiser(distance / (TAPS / 2), TAPS_BETA)
    chebyshev = np.polynomial.chebyshev.chebfit(u, kernel, DEGREE)
    return np.asarray(np.stack([np.polynomial.chebyshev.cheb2poly(column) for column in chebyshev.T]))


def _kernel_gain(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of stage 2 for a tone; frequency in cycles per doubled sample."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    kernel = np.vander(nodes, DEGREE + 1, increasing=True) @ _taps().T
    distance = (nodes[:, None] + 1.0) / 2.0 - (np.arange(TAPS) - TAPS // 2 + 1)
    of_nodes = np.cos(2 * np.pi * frequency[:, None, None] * distance) * (kernel * weights[:, None] / 2.0)
    return np.asarray(of_nodes.sum(axis=(1, 2)))


@lru_cache(maxsize=8)
def _stage_1(points: int) -> NDArray[np.float64]:
    """What stage 1 multiplies the lines k / points cycles per doubled sample with, k = 0..points / 2, each twice: for
    its real and its imaginary part."""
    factors = _fir_gain(points) / _kernel_gain(np.minimum(np.arange(points // 2 + 1) / points, DROOP_TO))
    return np.repeat(factors, 2)


@lru_cache(maxsize=1)
def _gain_table() -> NDArray[np.float64]:
    """Gain of both stages at i / GRID / 2 of the sample rate, i = 0..GRID: that of the taps of stage 1, which weigh
    doubled samples of which every other one is zero."""
    return _fir_gain(4 * GRID)[: GRID + 1] / 2.0


def gain(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gain of both stages for a tone; frequency in cycles per sample, 0..0.5."""
    table = _gain_table()
    position = frequency * (2.0 * GRID)
    left = np.minimum(position.astype(np.intp), GRID - 1)
    return np.asarray(table[left] + (position - left) * (table[left + 1] - table[left]))


def windows_of(rows: NDArray[T], length: int) -> NDArray[T]:
    """Every run of `length` in each row of an array [rows, n]: [rows, n - length + 1, length], not copied.

    What numpy's sliding_window_view gives, at a tenth of its cost for arrays as short as ours.
    """
    shape = (rows.shape[0], rows.shape[1] - length + 1, length)
    return np.lib.stride_tricks.as_strided(rows, shape, (*rows.strides, rows.strides[1]), writeable=False)


@lru_cache(maxsize=64)
def fast_length(at_least: int) -> int:
    """The smallest even number of the form 2^a 3^b 5^c that is not below `at_least`."""
    best = 1 << max(1, (at_least - 1).bit_length())
    five = 1
    while five < best:
        three = five
        while three < best:
            two = 2 * three
            while two < at_least:
                two *= 2
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def resample(
    stretches: Sequence[Sequence[NDArray[np.float64]]], of: Sequence[int], positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Both stages: values [windows, channels, m] at fractional positions [windows, chips, m] in the samples of the
    stretch that each window is of, MARGIN or more away from their ends.

    stretches: samples of each chip, [channels, n]. of: stretch of each window, in order."""
    count, rows = positions.shape[2], sum(len(part) for part in stretches[0])
    values = np.empty((len(of), rows, count))
    at = positions * 2.0
    before = at.astype(np.intp)
    at -= before
    at += at
    at -= 1.0
    # The same memory for every window and chip: it stays in the processor's cache.
    length = fast_length(max(part.shape[1] for chips in stretches for part in chips))
    ring, lines, doubled = np.empty((rows, length)), np.empty((rows, length + 1), complex), np.empty((rows, 2 * length))
    powers, weights, places = np.ones((DEGREE + 1, count)), np.empty((TAPS, count)), np.empty((TAPS, count), np.intp)
    room = np.empty((max(map(len, stretches[0])), TAPS, count))
    done = -1
    for which, found, own_at, own_before in zip(of, values, at, before, strict=True):
        if which != done:
            _lay_out(stretches[which], ring)
            _double_rate(ring, lines, doubled)
            done = which
        row = 0
        for part, u, base in zip(stretches[which], own_at, own_before, strict=True):
            own = slice(row, row + len(part))
            row = own.stop
            _powers_of(u, powers)
            np.matmul(_taps(), powers, out=weights)
            np.add(base, _NEAR, out=places)
            near = doubled[own].take(places, axis=1, out=room[: len(part)], mode="clip")
            np.einsum("ctm,tm->cm", near, weights, out=found[own])
    return values


def _lay_out(chips: Sequence[NDArray[np.float64]], ring: NDArray[np.float64]) -> None:
    """Samples of all chips into ring [channels, n], zeros behind them."""
    row = 0
    for part in chips:
        ring[row : row + len(part), : part.shape[1]] = part
        ring[row : row + len(part), part.shape[1] :] = 0.0
        row += len(part)


def _double_rate(ring: NDArray[np.float64], lines: NDArray[np.complex128], doubled: NDArray[np.float64]) -> None:
    """Stage 1: samples [channels, n] as one turn of a ring, n even, to doubled [channels, 2 n]; lines [channels, n + 1]
    is room for what lies between."""
    half = ring.shape[1] // 2
    np.fft.rfft(ring, axis=1, out=lines[:, : half + 1])
    np.conjugate(lines[:, half - 1 :: -1], out=lines[:, half + 1 :])
    lines.view(np.float64)[:] *= _stage_1(4 * half)
    np.fft.irfft(lines, n=4 * half, axis=1, out=doubled)


def _powers_of(u: NDArray[np.float64], powers: NDArray[np.float64]) -> None:
    """Powers 1..DEGREE of u [m] into powers [DEGREE + 1, m]."""
    powers[1] = u
    have = 1
    while have < DEGREE:
        more = min(have, DEGREE - have)
        np.multiply(powers[1 : 1 + more], powers[have], out=powers[1 + have : 1 + have + more])
        have += more
