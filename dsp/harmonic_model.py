"""Least-squares fit of a fundamental and its harmonics: for records of few cycles and beyond the ends of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.phase import HIGHEST_HZ, LOWEST_HZ, SHARE

MOST_ORDERS = 200
EDGE_CYCLES = 4.0
UNEXPLAINED = 0.7
"""Share of the power that no harmonic accounts for, above which there is no fundamental: in a ramp over two of its
cycles. A sine that is interrupted for two thirds of a record has as much."""
AT_ONCE = 8192
"""Samples whose harmonics are held in memory at once: 27 MB."""


def _basis(tau_s: NDArray[np.float64], frequency_hz: float, orders: int) -> NDArray[np.float64]:
    """[n, 1 + 2 orders]: 1, cosines, sines."""
    angle = 2.0 * np.pi * frequency_hz * tau_s[:, None] * np.arange(1, orders + 1)
    return np.concatenate([np.ones((tau_s.size, 1)), np.cos(angle), np.sin(angle)], axis=1)


def _solve(basis: NDArray[np.float64], data: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares by the normal equations."""
    return _solve_normal(basis.T @ basis, basis.T @ data, basis.shape[0])


def _solve_normal(normal: NDArray[np.float64], right: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Normal equations of so many samples, damped a little so that too short a record has a solution as well."""
    normal[np.diag_indices_from(normal)] += 1e-11 * count
    return np.asarray(np.linalg.solve(normal, right))


def _fit(
    tau_s: NDArray[np.float64], data: NDArray[np.float64], frequency_hz: float, orders: int
) -> NDArray[np.float64]:
    """Coefficients of data [n, channels], some samples at a time: at high rates there are many, and many orders."""
    normal, right = np.zeros((1 + 2 * orders, 1 + 2 * orders)), np.zeros((1 + 2 * orders, data.shape[1]))
    for start in range(0, tau_s.size, AT_ONCE):
        part = slice(start, start + AT_ONCE)
        basis = _basis(tau_s[part], frequency_hz, orders)
        normal += basis.T @ basis
        right += basis.T @ data[part]
    return _solve_normal(normal, right, tau_s.size)


def _orders(rate_hz: float, frequency_hz: float, samples: int) -> int:
    return max(1, min(MOST_ORDERS, int(0.499 * rate_hz / frequency_hz), (samples - 2) // 2))


def continue_signal(
    samples: NDArray[np.float64], rate_hz: float, frequency_hz: float, before: int, after: int
) -> NDArray[np.float64]:
    """Samples [channels, n] with `before` and `after` samples added, continued by the harmonics of the four cycles
    at that end."""
    count = samples.shape[1]
    length = min(count, int(np.ceil(EDGE_CYCLES * rate_hz / frequency_hz)))
    orders = _orders(rate_hz, frequency_hz, length)
    parts = [samples]
    if before:
        solution = _fit(np.arange(length) / rate_hz, samples[:, :length].T, frequency_hz, orders)
        parts.insert(0, (_basis(np.arange(-before, 0) / rate_hz, frequency_hz, orders) @ solution).T)
    if after:
        solution = _fit(np.arange(-length, 0) / rate_hz, samples[:, count - length :].T, frequency_hz, orders)
        parts.append((_basis(np.arange(after) / rate_hz, frequency_hz, orders) @ solution).T)
    return np.concatenate(parts, axis=1)


def refine_frequency(samples: NDArray[np.float64], rate_hz: float) -> float | None:
    """Frequency of a record of one to about ten cycles, samples [channels, n] of one chip; None where no channel
    holds a fundamental, or less than a cycle of it.

    A search over 42.5..69 Hz for the smallest residual, then Gauss-Newton steps on the frequency.
    """
    count = samples.shape[1]
    if count < 8 or not LOWEST_HZ * count / rate_hz >= 0.6:
        return None
    tau = (np.arange(count) - 0.5 * (count - 1)) / rate_hz
    level = samples.std(axis=1)
    used = samples[level > 0.0] / level[level > 0.0, None]
    if used.shape[0] == 0:
        return None
    cycles = count * 50.0 / rate_hz
    thinned = slice(None, None, max(1, int(rate_hz // 2000.0)))
    trial = min(_orders(rate_hz, HIGHEST_HZ, count), 10) if cycles >= 2.5 else 1
    candidates = np.arange(LOWEST_HZ, HIGHEST_HZ, 0.5)
    residuals = [_residual(used[:, thinned], tau[thinned], f, trial) for f in candidates.tolist()]
    frequency = float(candidates[int(np.argmin(residuals))])
    refined = adjust_frequency(used, rate_hz, frequency, steps=8)
    if refined is None or refined * count / rate_hz < 0.99:
        return None
    return refined


def adjust_frequency(samples: NDArray[np.float64], rate_hz: float, frequency_hz: float, steps: int) -> float | None:
    """Gauss-Newton steps from a frequency near the true one, samples [channels, n] of like size; None where it runs
    out of 42.5..69 Hz or no channel holds a fundamental."""
    count = samples.shape[1]
    tau = (np.arange(count) - 0.5 * (count - 1)) / rate_hz
    most = 25 if count * 50.0 / rate_hz >= 2.5 else 5
    frequency = frequency_hz
    share = np.zeros(1)
    for _ in range(steps):
        orders = min(_orders(rate_hz, frequency, count), most)
        basis = _basis(tau, frequency, orders)
        solution = _solve(basis, samples.T)
        rest, power_of = samples.T - basis @ solution, np.maximum(samples.var(axis=1), 1e-300)
        share = 0.5 * (solution[1] ** 2 + solution[1 + orders] ** 2) / power_of
        share[(rest * rest).mean(axis=0) > UNEXPLAINED * power_of] = 0.0
        numbers = np.arange(1, orders + 1)[:, None]
        cosine, sine = solution[1 : 1 + orders] * numbers, solution[1 + orders :] * numbers
        slope = 2 * np.pi * tau[:, None] * (basis[:, 1 + orders :] @ -cosine + basis[:, 1 : 1 + orders] @ sine)
        slope -= basis @ _solve(basis, slope)
        power = float((slope * slope).sum())
        if power <= 0.0:
            return None
        change = float((slope * rest).sum() / power)
        frequency = float(np.clip(frequency + np.clip(change, -1.0, 1.0), LOWEST_HZ, HIGHEST_HZ))
        if abs(change) < 1e-8 * frequency:
            break
    return frequency if (share >= SHARE).any() and LOWEST_HZ < frequency < HIGHEST_HZ else None


def _residual(samples: NDArray[np.float64], tau_s: NDArray[np.float64], frequency_hz: float, orders: int) -> float:
    basis = _basis(tau_s, frequency_hz, orders)
    solution = _solve(basis, samples.T)
    return float(((samples.T - basis @ solution) ** 2).sum())
