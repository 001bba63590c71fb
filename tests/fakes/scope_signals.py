"""A source for the oscilloscope whose samples come from closed formulas of time, with gaps and noise where asked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

CHANNELS = ("V1", "V2", "V3", "I1", "I2", "I3", "IN")


@dataclass(frozen=True)
class SyntheticTrace:
    """One channel over a span, as the oscilloscope wants it."""

    key: str
    time_s: np.ndarray
    value: np.ndarray
    envelope: bool = False
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@dataclass
class SyntheticSource:
    """Mains at `frequency_hz` from 0 s to `now_s`. Phase p has its own sample instants, `skew_s` apart.

    voltage_v: rms. noise: rms of the noise as part of the amplitude, the same for the same sample at every look.
    missing: spans [start, stop) without samples.
    """

    now_s: float | None = 1.0
    rate_hz: float = 4000.0
    frequency_hz: float = 49.982
    voltage_v: float = 230.0
    current_a: float = 14.0
    noise: float = 0.0
    skew_s: float = 20e-6
    channels: tuple[str, ...] = CHANNELS
    missing: list[tuple[float, float]] = field(default_factory=list)
    reads: int = 0

    def latest_s(self) -> float | None:
        return self.now_s

    def oldest_s(self) -> float | None:
        return None if self.now_s is None else max(0.0, self.now_s - 600.0)

    def gaps(self, start_s, stop_s):
        return [gap for gap in self.missing if gap[1] > start_s and gap[0] < stop_s]

    def value(self, key: str, time_s: np.ndarray) -> np.ndarray:
        """The true signal of a channel."""
        phase = 2 * math.pi * self.frequency_hz * np.asarray(time_s, dtype=np.float64)
        if key == "IN":
            return 0.5 * self.current_a * np.sin(3 * phase - 0.4) + 1.5 * np.sin(phase)
        turn = {"1": 0.0, "2": -2 * math.pi / 3, "3": 2 * math.pi / 3}[key[-1]]
        if key.startswith("V"):
            peak = self.voltage_v * math.sqrt(2)
            wave = np.sin(phase + turn) + 0.03 * np.sin(5 * (phase + turn)) + 0.012 * np.sin(15 * (phase + turn))
            return peak * wave
        peak = self.current_a * math.sqrt(2) * {"1": 1.0, "2": 0.85, "3": 0.7}[key[-1]]
        angle = phase + turn - 0.3
        wave = np.sin(angle) - 0.3 * np.sin(3 * angle) + 0.12 * np.sin(5 * angle) + 0.06 * np.sin(11 * angle)
        return peak * wave

    def _samples(self, key: str, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        number = CHANNELS.index(key)
        index = np.arange(first, stop)
        time_s = index / self.rate_hz + self.skew_s * (0 if key == "IN" else int(key[-1]) - 1)
        value = self.value(key, time_s)
        if self.noise:
            spread = np.sin(index * 12.9898 + number * 78.233) * 43758.5453
            amplitude = (self.voltage_v if key.startswith("V") else self.current_a) * math.sqrt(2)
            value = value + self.noise * amplitude * math.sqrt(12) * (spread - np.floor(spread) - 0.5)
        for start_s, stop_s in self.missing:
            value = np.where((time_s >= start_s) & (time_s < stop_s), np.nan, value)
        return time_s, value.astype(np.float32)

    def read(self, start_s, stop_s, max_points, channels=None):
        self.reads += 1
        if self.now_s is None:
            return []
        first = max(0, math.ceil(start_s * self.rate_hz))
        stop = max(first, min(math.ceil(stop_s * self.rate_hz), math.floor(self.now_s * self.rate_hz) + 1))
        keys = [key for key in self.channels if channels is None or key in channels]
        if stop - first <= max(max_points, 2):
            return [SyntheticTrace(key, *self._samples(key, first, stop)) for key in keys]
        size = math.ceil((stop - first) / max(1, max_points // 2 - 1))
        bins = np.arange(first // size, -(-stop // size))
        traces = []
        for key in keys:
            time_s, value = self._samples(key, int(bins[0]) * size, (int(bins[-1]) + 1) * size)
            grid = value.reshape(-1, size)
            low, high = np.fmin.reduce(grid, axis=1), np.fmax.reduce(grid, axis=1)
            pairs = np.column_stack((low, high)).ravel()
            centre_s = time_s.reshape(-1, size).mean(axis=1)
            traces.append(SyntheticTrace(key, np.repeat(centre_s, 2), pairs, True, low, high))
        return traces
