"""Harmonics and interharmonics out of the lines of a window (IEC 61000-4-7:2002 + A1:2008, 5.5 and 5.6).

N is the number of cycles in the window, line k stands at k / N of the fundamental, C_k is its rms.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dsp.measurement import ORDERS

Grouping = Literal["component", "subgroup", "group", "interharmonic subgroup", "interharmonic group"]
"""component: C_Nh. subgroup: the root of the sum of squares of C_Nh-1 .. C_Nh+1. group: of C_Nh-N/2 .. C_Nh+N/2, the
squares of both ends halved. interharmonic (centred) subgroup: of C_Nh+2 .. C_Nh+N-2. interharmonic group: of C_Nh+1 ..
C_Nh+N-1. Those of order h lie between h and h + 1; that of order 0 between direct current and the fundamental."""

FEWEST_CYCLES = 10
"""Below, lines are too far apart for neighbours to belong to an order: components stand for groups."""


@lru_cache(maxsize=32)
def _weights(grouping: Grouping, cycles: int) -> NDArray[np.float64]:
    """Weights [cycles, 2] of the squares at Nh + k and at N(h - 1) + k, k = 0..N - 1."""
    ahead, behind = np.zeros(cycles), np.zeros(cycles)
    if grouping == "interharmonic subgroup":
        ahead[2 : cycles - 1] = 1.0
    elif grouping == "interharmonic group":
        ahead[1:] = 1.0
    else:
        ahead[0] = 1.0
        if cycles >= FEWEST_CYCLES and grouping == "subgroup":
            ahead[1] = behind[-1] = 1.0
        elif cycles >= FEWEST_CYCLES and grouping == "group":
            k = np.arange(1, cycles)
            ahead[1:] = np.where(2 * k < cycles, 1.0, np.where(2 * k == cycles, 0.5, 0.0))
            behind[1:] = ahead[:0:-1]
    return np.stack([ahead, behind], axis=1)


def squares_of(lines: NDArray[np.complex128], count: int | None = None) -> NDArray[np.float64]:
    """Squares [..., count] of complex rms lines; without a count, of all; those beyond the lines are 0."""
    used = lines[..., :count]
    squares = np.zeros((*lines.shape[:-1], count or lines.shape[-1]))
    real = np.multiply(used.real, used.real, out=squares[..., : used.shape[-1]])
    real += used.imag * used.imag
    return squares


class Orders:
    """Squares of the lines of all channels, in rows of one order each, from which groupings of any kind follow.

    squares: float64 [..., lines], index = line. count: number of lines within the band; one more line may follow and
    counts for the subgroup of the last order. last: the last harmonic order in the band.
    """

    def __init__(self, squares: NDArray[np.float64], cycles: int, count: int, last: int) -> None:
        self._shape = squares.shape[:-1]
        self.cycles = cycles
        self.last = min(last, ORDERS) if cycles else 0
        self._count = count
        if cycles:
            whole = (ORDERS + 1) * cycles
            if squares.shape[-1] < whole:
                squares = np.concatenate([squares, np.zeros((*self._shape, whole - squares.shape[-1]))], axis=-1)
            self._rows = squares[..., :whole].reshape(-1, cycles)

    def last_of(self, grouping: Grouping) -> int:
        """The last order whose lines lie all in the band; -1 without any. Half the group of the last harmonic, as the
        upper neighbour of its subgroup, may lie beyond: what is there of it counts."""
        if not self.cycles:
            return -1
        if not grouping.startswith("interharmonic"):
            return self.last
        if self.cycles < FEWEST_CYCLES:
            return -1
        top = self.cycles - (2 if grouping == "interharmonic subgroup" else 1)
        return min(ORDERS, (self._count - 1 - top) // self.cycles)

    def squares(self, grouping: Grouping) -> NDArray[np.float64]:
        """Squares [..., last_of(grouping) + 1], index = order; order 0 of harmonics is direct current alone."""
        last = self.last_of(grouping)
        if last < 0:
            return np.zeros((*self._shape, 0))
        sums = (self._rows @ _weights(grouping, self.cycles)).reshape(*self._shape, ORDERS + 1, 2)
        result = sums[..., 0]
        if not grouping.startswith("interharmonic"):
            result[..., 1:] += sums[..., :-1, 1]
            result[..., 0] = self._rows[:: ORDERS + 1, 0].reshape(self._shape)
        return result[..., : last + 1]

    def rms(self, grouping: Grouping) -> NDArray[np.float64]:
        """Rms [..., ORDERS + 1], index = order; NaN beyond the band."""
        result = np.full((*self._shape, ORDERS + 1), np.nan)
        found = self.squares(grouping)
        np.sqrt(found, out=result[..., : found.shape[-1]])
        return result

    def strongest_between(self, lines: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """The strongest line of each interharmonic subgroup from order 1 on, and its own (fractional) order: [...,
        last_of("interharmonic subgroup")] both, nothing without any. lines: those that the squares are of."""
        last, n = self.last_of("interharmonic subgroup"), self.cycles
        if last < 1:
            return lines[..., :0], np.zeros((*self._shape, 0))
        rows = self._rows.reshape(*self._shape, ORDERS + 1, n)[..., 1 : last + 1, 2 : n - 1]
        at = rows.argmax(axis=-1) + (n * np.arange(1, last + 1) + 2)
        rows_at = lines.shape[-1] * np.arange(at.size // last).reshape(*self._shape, 1)
        return lines.ravel().take(at + rows_at), at / n
