"""The linear part of the flickermeter (IEC 61000-4-15 ed. 2, block 3), as matrices for whole blocks of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Lamp = Literal[230, 120]
Mains = Literal[50, 60]

HIGH_PASS_HZ = 0.05
LOW_PASS_HZ: dict[Mains, float] = {50: 35.0, 60: 42.0}
"""Corner of the sixth-order Butterworth low-pass."""

SMOOTHING_S = 0.3
"""Time constant of the sliding mean in block 4."""

OUTPUT_HZ = 400.0
"""Rate at which the weighted fluctuation is worked out: what block 3 lets through ends far below half of it."""

BLOCK_S = 0.05
MOST_BLOCKS = 64
"""Blocks that can be worked through at once."""

LOWEST_RATE_HZ = 900.0
"""Below it the input does not pass the 450 Hz that the standard wants."""


@dataclass(frozen=True)
class _Weighting:
    """Response of lamp and eye: gain w1 s / (s^2 + 2 damping s + w1^2) * (1 + s / w2) / ((1 + s / w3) (1 + s / w4)),
    the five in Hz (times 2 pi). calibration_pct: sinusoidal change of voltage at 8.8 Hz that gives Pinst,max = 1."""

    gain: float
    damping_hz: float
    w1_hz: float
    w2_hz: float
    w3_hz: float
    w4_hz: float
    calibration_pct: float


_WEIGHTING: dict[Lamp, _Weighting] = {
    230: _Weighting(1.74802, 4.05981, 9.15494, 2.27979, 1.22535, 21.9, 0.250),
    120: _Weighting(1.6357, 4.167375, 9.077169, 2.939902, 1.394468, 17.31512, 0.321),
}
"""IEC 61000-4-15 ed. 2, table for block 3; calibration from its tables 1a and 1b."""

CALIBRATION_HZ = 8.8


@dataclass(frozen=True)
class BlockFilter:
    """Block 3 over blocks of `length` samples, and block 4 over its outputs; rows multiply from the left.

    With x [states] before a block and its input u [length] (squared voltage over its slow mean):
    y [outputs] = x state_to_output + u input_to_output, x after it = x state_over[0] + u input_to_state. u_all
    [length, outputs + states] holds both of u's matrices. start [states]: the settled state at u = 1.
    state_over[n] carries a state over 2^n blocks, up to MOST_BLOCKS.
    With m the smoothed value before a block and z = scale y^2:
    Pinst [kept] = m decay + z smoothing, m after it = its last. Pinst has the rate pinst_hz.
    """

    rate_hz: float
    length: int
    state_to_output: NDArray[np.float64]
    state_over: tuple[NDArray[np.float64], ...]
    u_all: NDArray[np.float64]
    start: NDArray[np.float64]
    scale: float
    decay: NDArray[np.float64]
    smoothing: NDArray[np.float64]
    pinst_hz: float

    @property
    def outputs(self) -> int:
        """Outputs y of a block."""
        return len(self.smoothing)


def analog_system(lamp: Lamp, mains: Mains) -> tuple[NDArray[np.float64], ...]:
    """State space (a [11, 11], b [11], c [11]) of block 3: x' = a x + b u, y = c x, without the scaling constant.

    First-order high-pass, three second-order low-passes, and the weighting filter as a band-pass and two first-order
    low-passes. Every state is of the size of its section's input, which keeps the matrices well conditioned.
    """
    size = 11
    a, b = np.zeros((size, size)), np.zeros(size)
    high = 2.0 * math.pi * HIGH_PASS_HZ
    a[0, 0], b[0] = -high, high
    source, direct = -np.eye(size)[0], 1.0  # the high-pass gives u minus its state
    low = 2.0 * math.pi * LOW_PASS_HZ[mains]
    for section in range(3):
        p, q = 1 + 2 * section, 2 + 2 * section
        a[p] = low * source
        b[p] = low * direct
        a[p, q] -= low
        a[p, p] -= 2.0 * low * math.cos(math.pi * (2 * section + 1) / 12.0)
        a[q, p] = low
        source, direct = np.eye(size)[q], 0.0
    w = _WEIGHTING[lamp]
    w1, w2, w3, w4 = (2.0 * math.pi * f for f in (w.w1_hz, w.w2_hz, w.w3_hz, w.w4_hz))
    a[7] = w.gain * w1 * source
    a[7, 8] -= w1
    a[7, 7] -= 4.0 * math.pi * w.damping_hz
    a[8, 7] = w1
    a[9, 7], a[9, 9] = w3, -w3
    a[10, 9], a[10, 10] = w4, -w4
    c = np.zeros(size)
    c[9], c[10] = w4 / w2, 1.0 - w4 / w2
    return a, b, c


def scale_of(lamp: Lamp, mains: Mains) -> float:
    """The scaling constant of block 4: Pinst,max = 1 for the calibrating fluctuation.

    A sinusoidal change dU/U of the voltage, peak to peak, is one of dU/U in amplitude in its square; block 4's mean
    of the squared output then swings about a half of its peak by what the smoothing leaves of twice the frequency.
    """
    a, b, c = analog_system(lamp, mains)
    s = 2j * math.pi * CALIBRATION_HZ
    response = abs(complex(c @ np.linalg.solve(s * np.eye(11) - a, b)))
    ripple = 1.0 / abs(1.0 + 2.0 * s * SMOOTHING_S)
    amplitude = response * _WEIGHTING[lamp].calibration_pct / 100.0
    return 2.0 / (amplitude * amplitude * (1.0 + ripple))


@lru_cache(maxsize=16)
def block_filter(rate_hz: float, lamp: Lamp, mains: Mains) -> BlockFilter:
    """Design for a sample rate (Hz; a difference of some 100 ppm to the true one does not matter).

    Exact for an input that runs straight from sample to sample (first-order hold): no warping, and at 4 ksps 0.02 %
    at most of a fluctuation of 33 Hz is lost. Raises ValueError below 900 Hz.
    """
    if not rate_hz >= LOWEST_RATE_HZ:
        raise ValueError(f"Flicker needs at least {LOWEST_RATE_HZ:.0f} samples a second.")
    a, b, c = analog_system(lamp, mains)
    size = b.size
    step = max(1, round(rate_hz / OUTPUT_HZ))
    outputs = 2 * max(1, round(0.5 * BLOCK_S * rate_hz / step))
    length = step * outputs
    # One exponential of the system with its input and the input's slope as states (Van Loan 1978) holds the step.
    joined = np.zeros((size + 2, size + 2))
    joined[:size, :size], joined[:size, size], joined[size, size + 1] = a / rate_hz, b / rate_hz, 1.0
    power = _exponential(joined)
    one, level, slope = power[:size, :size], power[:size, size], power[:size, size + 1]
    # x after = one x + (level - slope) u + slope u_next. With x = w + slope u: w after = one w + inlet u, so that
    # a block needs no sample of the next.
    inlet = level - slope + one @ slope
    powers = np.empty((length + 1, size, size))
    powers[0] = np.eye(size)
    for n in range(length):
        powers[n + 1] = one @ powers[n]
    impulse = powers[:length] @ inlet
    times = step * np.arange(1, outputs + 1)  # y after that many samples of the block
    lag = times[None, :] - 1 - np.arange(length)[:, None]
    through = np.where(lag >= 0, (impulse @ c)[np.maximum(lag, 0)], 0.0)
    u_all = np.hstack([through, impulse[::-1]])
    over = [powers[length].T.copy()]
    while 1 << len(over) <= MOST_BLOCKS:
        over.append(over[-1] @ over[-1])
    start = np.linalg.solve(np.eye(size) - one, inlet)
    fade = math.exp(-step / (rate_hz * SMOOTHING_S))
    ages = 2 * np.arange(1, outputs // 2 + 1)[None, :] - 1 - np.arange(outputs)[:, None]
    smoothing: NDArray[np.float64] = np.where(ages >= 0, (1.0 - fade) * fade ** np.maximum(ages, 0.0), 0.0)
    decay: NDArray[np.float64] = np.exp(-2.0 * step / (rate_hz * SMOOTHING_S) * np.arange(1, outputs // 2 + 1))
    return BlockFilter(
        rate_hz,
        length,
        (c @ powers[times]).T.copy(),
        tuple(over),
        u_all,
        np.asarray(start),
        scale_of(lamp, mains),
        decay,
        smoothing,
        rate_hz / (2 * step),
    )


def _exponential(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(matrix) by its series, halved first until it is small and squared back."""
    halvings = max(0, math.ceil(math.log2(max(float(np.abs(matrix).sum(axis=1).max()), 1e-30))) + 2)
    small = matrix / 2.0**halvings
    result = term = np.eye(matrix.shape[0])
    for n in range(1, 16):
        term = term @ small / n
        result = result + term
    for _ in range(halvings):
        result = result @ result
    return np.asarray(result)
