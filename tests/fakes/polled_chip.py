"""A chip whose register is polled by a timer of another rate, in closed form. Shares nothing with dsp."""

from __future__ import annotations

import numpy as np


def polled_indices(
    polls: int,
    poll_hz: float,
    chip_hz: float,
    *,
    first_poll_s: float = 0.0,
    first_update_s: float = 0.0,
    jitter_s: float = 0.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """(number of the chip's sample that each poll reads, times of the polls in s)."""
    times = first_poll_s + np.arange(polls) / poll_hz
    late = jitter_s * np.random.default_rng(seed).standard_normal(polls)
    return np.floor((times + late - first_update_s) * chip_hz).astype(np.int64), times


def pushed(deduplicator: object, polls: np.ndarray, sizes: list[int], first: int = 0) -> tuple[np.ndarray, list, bool]:
    """Push polls in blocks of the sizes, over and over, then flush: (samples, states, indices without a jump)."""
    parts, states, at, number, expected, whole = [], [], 0, 0, None, True
    ended = False
    while not ended:
        ended = at >= len(polls)
        if ended:
            index, samples, state = deduplicator.flush()  # type: ignore[attr-defined]
        else:
            size = sizes[number % len(sizes)]
            index, samples, state = deduplicator.push(first + at, polls[at : at + size])  # type: ignore[attr-defined]
            at, number = at + size, number + 1
        if len(samples):
            whole = whole and expected in (None, index)
            expected = index + len(samples)
        parts.append(samples)
        states.append(state)
    return np.concatenate(parts), states, whole
