"""Phase of the fundamental: its model, and a coarse search for it in a spectrum."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.clock import SampleClock
from dsp.stream import Segment

Floats = NDArray[np.float64]

LOWEST_HZ = 42.4
HIGHEST_HZ = 69.1
"""Fundamentals are found from 42.5 to 69 Hz; the rest is tolerance for the search itself."""

SHARE = 0.15
"""A fundamental holds at least this share of an input's power without DC; noise and other tones do not."""


def advance_times(advance_rad: NDArray[np.float64], speed: Floats | float, bend: Floats | float) -> NDArray[np.float64]:
    """Times x (s) with speed x + bend x^2 = advance_rad, in the form that stays exact for a vanishing bend (rad/s^2);
    speed and bend: numbers, or arrays that fit."""
    least = 0.25 * speed * speed
    root = np.sqrt(np.maximum(4.0 * (least + bend * advance_rad), least))
    return np.asarray(2.0 * advance_rad / (speed + root))


@dataclass(frozen=True)
class PhaseModel:
    """Phase of the fundamental, rad: c0 + c1 tau + c2 tau^2 with tau = t - reference_s."""

    reference_s: float
    c0: float
    c1: float
    c2: float = 0.0

    @staticmethod
    def of_frequency(reference_s: float, frequency_hz: float) -> PhaseModel:
        """A steady frequency."""
        return PhaseModel(reference_s, 0.0, 2.0 * np.pi * frequency_hz)

    def frequency_hz(self, time_s: float) -> float:
        """Frequency at a time."""
        return (self.c1 + 2.0 * self.c2 * (time_s - self.reference_s)) / (2.0 * np.pi)

    def time_after(self, start_s: float, cycles: float) -> float:
        """Time at which the phase has advanced by `cycles` since start_s; as advance_times."""
        speed, advance = self.c1 + 2.0 * self.c2 * (start_s - self.reference_s), 2.0 * math.pi * cycles
        least = 0.25 * speed * speed
        return start_s + 2.0 * advance / (speed + math.sqrt(max(4.0 * (least + self.c2 * advance), least)))


@dataclass(frozen=True)
class PhaseInput:
    """Inputs of one chip that take part: an unbroken segment, the chip's clock, rows of the channels, and the rms
    below which their fundamental is noise."""

    segment: Segment
    clock: SampleClock
    rows: tuple[int, ...]
    floors: tuple[float, ...]


def coarse_frequency(inputs: Sequence[PhaseInput], start_s: float, length_s: float) -> float | None:
    """Frequency of the strongest fundamental in [start_s, start_s + length_s] (0.1 s at least), within about 0.1 Hz;
    None where no input has one."""
    best, found = 0.0, None
    for part in inputs:
        first = max(part.segment.first, int(np.ceil(part.clock.index_at(start_s))))
        stop = min(part.segment.end, int(np.ceil(part.clock.index_at(start_s + length_s))))
        count = stop - first
        if not part.rows or count < 16:
            continue
        samples = part.segment.view(first, stop)[list(part.rows)]
        window = np.hanning(count + 2)[1:-1]
        window /= window.sum()
        samples = samples - (samples @ window)[:, None]
        power = (samples * samples) @ window
        points = 1 << int(np.ceil(np.log2(8 * count)))
        step = part.clock.rate_hz / points
        low, high = int(38.0 / step), min(int(74.0 / step) + 2, points // 2)
        if high - low < 3:
            continue
        magnitude = np.abs(np.fft.rfft(samples * window, n=points, axis=1)[:, low:high])
        for row, floor in enumerate(part.floors):
            peak = int(magnitude[row].argmax())
            if not 0 < peak < high - low - 1:
                continue
            left, middle, right = np.log(np.maximum(magnitude[row, peak - 1 : peak + 2], 1e-300)).tolist()
            bend = left - 2.0 * middle + right
            offset = 0.5 * (left - right) / bend if bend < 0.0 else 0.0
            frequency = (low + peak + offset) * step
            rms = float(np.sqrt(2.0) * magnitude[row, peak])
            sound = rms >= floor and rms * rms >= SHARE * power[row] and LOWEST_HZ <= frequency <= HIGHEST_HZ
            if sound and rms / floor > best:
                best, found = rms / floor, frequency
    return found
