"""Figures of distortion, from the rms of harmonics (IEC 61000-4-7:2002 + A1:2008, 3.3; IEEE 519-2022; UL 1561).

All take harmonics: float64 [..., orders], rms in any unit, index = order, of any grouping (components give THD, groups
THDG, subgroups THDS), and last: the last order that counts; NaN where there is none or no fundamental.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PWHD_FROM, PWHD_TO = 14, 40


def thd_pct(harmonics: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """Total harmonic distortion of the orders 2..last, % of order 1."""
    return 100.0 * _root(harmonics, 2, last) / harmonics[..., 1]


def thdr_pct(harmonics: NDArray[np.float64], rms: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """Distortion of the orders 2..last, % of the total rms."""
    return 100.0 * _root(harmonics, 2, last) / rms


def tdd_pct(harmonics: NDArray[np.float64], demand_current_a: float, last: int) -> NDArray[np.float64]:
    """Total demand distortion of the orders 2..last (IEEE 519-2022, 3), % of the maximum demand load current IL."""
    return 100.0 * _root(harmonics, 2, last) / demand_current_a


def pwhd_pct(harmonics: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """Partial weighted harmonic distortion, % of order 1: the root of the sum of h (Y_h / Y_1)^2 of the orders 14..40,
    or to `last` where the band ends before."""
    last = min(last, PWHD_TO)
    if last < PWHD_FROM:
        return np.full(harmonics.shape[:-1], np.nan)
    part = harmonics[..., PWHD_FROM : last + 1]
    weighted = (part * part) @ np.arange(PWHD_FROM, last + 1, dtype=np.float64)
    return np.asarray(100.0 * np.sqrt(weighted) / harmonics[..., 1])


def k_factor(harmonics: NDArray[np.float64], last: int) -> NDArray[np.float64]:
    """K-factor of a transformer's load (UL 1561): sum of h^2 I_h^2 over sum of I_h^2, orders 1..last."""
    if last < 1:
        return np.full(harmonics.shape[:-1], np.nan)
    squares = harmonics[..., 1 : last + 1] ** 2
    return np.asarray((squares @ np.arange(1.0, last + 1) ** 2) / squares.sum(axis=-1))


def crest_factor(lines: NDArray[np.complex128], rms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Peak over rms [...], from complex rms lines [..., lines], index 0 direct current; the wave is looked at in more
    than twice as many points as there are lines."""
    points = 1 << (2 * lines.shape[-1]).bit_length()
    wave = np.fft.irfft(lines.astype(np.complex64), n=points, axis=-1)  # 1e-6 of the peak is plenty, at half the time
    scale = points / np.sqrt(2.0)
    direct = lines[..., 0].real * (1.0 - np.sqrt(0.5))  # what scaling by the amplitude of a cosine leaves out
    peak = np.maximum(scale * wave.max(axis=-1) + direct, -(scale * wave.min(axis=-1) + direct))
    return np.asarray(peak / rms)


def _root(harmonics: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
    if last < first:
        return np.full(harmonics.shape[:-1], np.nan)
    part = harmonics[..., first : last + 1]
    return np.asarray(np.sqrt(np.einsum("...h,...h->...", part, part)))
