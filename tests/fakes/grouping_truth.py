"""Harmonic subgroups of a case's true signal over its true window, by Fourier's integrals and by a plain transform.

Both take exactly N cycles from a start. For tones between the lines they differ: the integral is what IEC 61000-4-7
(3.1) starts from; a transform of M samples adds half of the step between the window's ends to every line, divided by
M. Steady frequency only.
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from tests.fakes.accuracy_case import KEYS, START_S, Case, Error, largest, worse


def by_integral(case: Case, start_s: float) -> dict[str, np.ndarray]:
    """{channel: rms of subgroups 0..40, index = order (0: nothing)} from start_s (device time), in closed form."""
    lines = np.arange(_last(case) * case.cycles + 2)
    ratios = np.concatenate([np.arange(case.last_order + 1), case.interharmonics])
    turns = ratios * case.cycles
    both = np.concatenate([turns, -turns])
    # A tone of p turns in the window gives line k: exp(j pi (p - k)) sinc(p - k); a real one has its mirror image.
    leaks = np.exp(1j * np.pi * (both[:, None] - lines)) * np.sinc(both[:, None] - lines)
    begin = np.exp(2j * np.pi * ratios * case.frequency_hz * (start_s - START_S))
    found = {}
    for key, tones in case.tones().items():
        beside = [
            cmath.rect(0.01 * abs(tones[1]), 1.0 + number + 0.5 * KEYS.index(key))
            for number in range(len(case.interharmonics))
        ]
        phasors = np.concatenate([tones, beside]) * begin
        found[key] = np.concatenate([phasors, phasors.conj()]) @ leaks
    return {key: _subgroups(case, values) for key, values in found.items()}


def by_transform(case: Case, start_s: float, points: int = 16384) -> dict[str, np.ndarray]:
    """The same by the plain transform of so many samples, evenly spaced, the first at the start."""
    time_s = start_s - START_S + np.arange(points) / points * case.cycles / case.frequency_hz
    lines = np.fft.rfft(case.values_at(time_s, KEYS), axis=0) * math.sqrt(2.0) / points
    return {key: _subgroups(case, lines[:, row]) for row, key in enumerate(KEYS)}


def _last(case: Case) -> int:
    return min(40, int(0.4 * case.rate_hz * (1 - 2e-4) / case.frequency_hz))


def _subgroups(case: Case, lines: np.ndarray) -> np.ndarray:
    power = np.abs(lines) ** 2
    at = case.cycles * np.arange(1, _last(case) + 1)
    return np.concatenate([[0.0], np.sqrt(power[at - 1] + power[at] + power[at + 1])])


def grouping_error(case: Case, orders: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> Error:
    """Worst of all subgroups 1..0.8 of Nyquist, ppm of h1."""
    worst = Error(0.0, "")
    last = _last(case)
    for key, groups in truth.items():
        off = 1e6 * (orders[key][1 : last + 1] - groups[1 : last + 1]) / abs(case.tones()[key][1])
        worst = worse(largest(off, lambda i, k=key: f"order {i + 1}, {k}"), worst)
    return worst
