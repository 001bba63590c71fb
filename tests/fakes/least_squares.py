"""Least squares with the frequency among the unknowns: the tones of samples at known times, without any window."""

from __future__ import annotations

import numpy as np


def tones_by_least_squares(
    time_s: np.ndarray, samples: np.ndarray, frequency_hz: float, last_order: int, *, steps: int = 4
) -> tuple[float, np.ndarray]:
    """(frequency in Hz, complex rms [channels, last_order + 1], cosine phases at time 0) of samples [n, channels].

    A Fourier series of all orders (and direct current) is fitted to every channel; the frequency that they share is
    refined by Gauss-Newton steps from a guess that lies within half a turn over the record.
    """
    middle_s = 0.5 * (time_s[0] + time_s[-1])
    t = time_s - middle_s
    orders = np.arange(last_order + 1)
    for step in range(steps):
        angle = 2 * np.pi * frequency_hz * t[:, None] * orders
        basis = np.concatenate([np.cos(angle), -np.sin(angle[:, 1:])], axis=1)
        found, *_ = np.linalg.lstsq(basis, samples, rcond=None)
        cosine, sine = found[: last_order + 1], np.vstack([np.zeros(samples.shape[1]), found[last_order + 1 :]])
        if step == steps - 1:
            break
        slope = -2 * np.pi * t[:, None] * (np.sin(angle) @ (orders[:, None] * cosine))
        slope -= 2 * np.pi * t[:, None] * (np.cos(angle) @ (orders[:, None] * sine))
        rest, free = samples - basis @ found, slope - basis @ np.linalg.lstsq(basis, slope, rcond=None)[0]
        frequency_hz += float(np.sum(free * rest) / np.sum(free * free))
    tones = (cosine + 1j * sine).T / np.sqrt(2.0)
    tones[:, 0] = cosine[0]
    return frequency_hz, tones * np.exp(-2j * np.pi * frequency_hz * middle_s * orders)
