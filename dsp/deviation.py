"""Under- and over-deviation of a voltage from its declared value (IEC 61000-4-30, annex D)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def deviations_pct(rms_v: ArrayLike, declared_v: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Under-deviation and over-deviation, % of the declared voltage, both >= 0, from the rms values of the 10/12-cycle
    windows of an interval.

    rms_v: [windows, ...] in V; the result has the shape of one window. Under: declared minus the rms of all values
    with those above the declared voltage taken as it; over: likewise from above. NaN values (windows not measured) are
    left out; NaN where none is left. A single window gives its own deviation. Raises ValueError where declared_v is
    not above 0.
    """
    if not declared_v > 0.0:
        raise ValueError("Give the declared voltage as a number above 0 V.")
    share = np.atleast_1d(np.asarray(rms_v, dtype=np.float64)) / declared_v
    there = np.isfinite(share)
    count = there.sum(axis=0)
    number = np.where(count > 0, count, np.nan)
    low = np.where(there, np.minimum(share, 1.0), 0.0)
    high = np.where(there, np.maximum(share, 1.0), 0.0)
    under = 100.0 * (1.0 - np.sqrt((low * low).sum(axis=0) / number))
    over = 100.0 * (np.sqrt((high * high).sum(axis=0) / number) - 1.0)
    return np.asarray(np.maximum(under, 0.0)), np.asarray(np.maximum(over, 0.0))
