"""Rapid voltage changes between two steady states, by IEC 61000-4-30, 5.11, from half-cycle values.

A voltage is steady while the latest 100 (50 Hz) or 120 (60 Hz) values all lie within the threshold of their own mean;
several voltages are while each of them is. A change lasts from the value that ends one steady state to the next, less
the 100 or 120 half cycles that it takes to see it. From its start until as many half cycles after its end, the
threshold is smaller by the hysteresis. What crosses the threshold of a dip or swell is no rapid voltage change.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.half_cycle import HalfCycles
from dsp.observers import WindowData
from dsp.resample import windows_of
from resources.event_thresholds import EventThresholds, default_thresholds

MOST_CHANGES = 1000
"""Changes that wait to be taken; the oldest are given up beyond it (`changes_lost` counts them)."""
SIXTY_HZ_FROM = 55.0


@dataclass(frozen=True)
class VoltageChange:
    """A rapid voltage change.

    start_ns: UTC of its start; start_s, duration_s: on the clock of the windows. max_v: largest distance of a value
    from the mean before, on any channel; steady_v: largest distance between the means before and after.
    residual_v, depth_pct: the value that lies furthest off, and how far below the mean before it is, in % of the
    declared voltage (negative: above). channels: those that were not steady.
    """

    start_ns: int
    start_s: float
    duration_s: float
    max_v: float
    steady_v: float
    residual_v: float
    depth_pct: float
    channels: tuple[str, ...]
    event: str = "rapid-voltage-change"


@dataclass
class _Running:
    start_s: float
    start_ns: int
    before_v: NDArray[np.float64]
    unsteady: NDArray[np.bool_]
    furthest_v: float = 0.0
    residual_v: float = 0.0
    furthest_row: int = 0
    crossed: bool = False


class VoltageChangeDetector:
    """Listener of half-cycle values that finds rapid voltage changes. A gap discards the change it falls into.

    nominal_voltage_v: the declared voltage. nominal_frequency_hz: decides between 100 and 120 values; None: the
    frequency that is measured first.
    """

    def __init__(
        self,
        nominal_voltage_v: float,
        *,
        nominal_frequency_hz: float | None = None,
        thresholds: EventThresholds | None = None,
    ) -> None:
        if not nominal_voltage_v > 0.0:
            raise ValueError("The nominal voltage must be above 0 V.")
        limits = thresholds or default_thresholds()
        self.changes_lost = 0
        self._nominal_v = nominal_voltage_v
        self._nominal_hz = nominal_frequency_hz
        self._limit_v = 0.01 * limits.rvc_threshold_pct * nominal_voltage_v
        self._low_limit_v = self._limit_v * (1.0 - limits.rvc_hysteresis_share)
        self._dip_v = 0.01 * limits.dip_pct * nominal_voltage_v
        self._swell_v = 0.01 * limits.swell_pct * nominal_voltage_v
        self._finished: deque[VoltageChange] = deque(maxlen=MOST_CHANGES)
        self._values = 0
        self._forget()

    def take_changes(self) -> list[VoltageChange]:
        """The changes that ended, oldest first; each is given once."""
        changes = list(self._finished)
        self._finished.clear()
        return changes

    def on_gap(self, _start_s: float, /) -> None:
        """Listener: steady states are looked for anew."""
        self._forget()

    def on_restart(self) -> None:
        """Listener: the clock begins anew."""
        self._forget()

    def _forget(self) -> None:
        self._blocks: deque[HalfCycles] = deque()
        self._running: _Running | None = None
        self._deviation = self._mean = np.zeros(0)
        self._careful_until_s = -np.inf

    def on_half_cycles(self, values: HalfCycles, data: WindowData) -> None:
        """Listener: the values that ended in one window."""
        rms = values.rms[: values.voltages]
        if not values.located or rms.shape[1] == 0:
            return
        if not self._values:
            nominal = self._nominal_hz if self._nominal_hz is not None else values.frequency_hz
            self._values = 120 if nominal >= SIXTY_HZ_FROM else 100
        if not self._blocks:
            self._deviation = np.full(rms.shape[0], np.nan)
            self._mean = np.full(rms.shape[0], np.nan)
        self._blocks.append(values)
        if self._running is not None or not self._all_steady(float(values.ends_s[0, 0])):
            self._follow(values, data)
        # What one mean takes: that before the next value can be found again.
        kept = sum(block.rms.shape[1] - 1 for block in self._blocks)  # a channel may have one value less
        while kept - (self._blocks[0].rms.shape[1] - 1) >= self._values:
            kept -= self._blocks.popleft().rms.shape[1] - 1

    def _all_steady(self, time_s: float) -> bool:
        """Whether no mean of these values can have one further off than the limit; nothing more is then to be seen."""
        limit = self._limit_v if time_s >= self._careful_until_s else self._low_limit_v
        lows = zip(*(block.lowest for block in self._blocks), strict=True)
        highs = zip(*(block.highest for block in self._blocks), strict=True)
        return all(max(high) - min(low) <= limit for low, high in zip(lows, highs, strict=True))

    def _follow(self, values: HalfCycles, data: WindowData) -> None:
        """One value after another, in order of time, with the mean and the deviation of its latest 100 or 120."""
        moments = []
        for row in range(values.voltages):
            series = np.concatenate([block.rms[row] for block in self._blocks])
            series = series[np.isfinite(series)]
            ends, new = values.ends_s[row], values.rms[row][np.isfinite(values.rms[row])]
            means, deviations = self._moving(series)
            skip = new.size - means.size  # values that had too few before them
            if skip < 0:  # the one before the first new value
                self._mean[row], self._deviation[row] = means[-new.size - 1], deviations[-new.size - 1]
            for number in range(max(0, skip), new.size):
                at = number - new.size
                moments.append((float(ends[number]), row, float(new[at]), float(means[at]), float(deviations[at])))
        moments.sort()
        half_cycle_s = 0.5 / values.frequency_hz
        for time_s, row, value, mean, deviation in moments:
            before = self._mean.copy() if self._running is None else self._mean
            self._mean[row], self._deviation[row] = mean, deviation
            limit = self._low_limit_v
            if self._running is None and time_s >= self._careful_until_s:
                limit = self._limit_v
            unsteady = self._deviation > limit
            if np.isnan(self._deviation).any():
                continue
            if self._running is None and unsteady.any():
                self._running = _Running(time_s, data.utc_ns_of(time_s), before, unsteady.copy())
            running = self._running
            if running is None:
                continue
            running.unsteady |= unsteady
            self._take(running, row, value)
            if not unsteady.any():
                self._stop(running, time_s, half_cycle_s, values.keys)

    def _moving(self, series: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean, and largest distance from it, of every run of 100 or 120 values."""
        if series.size < self._values:
            return np.zeros(0), np.zeros(0)
        runs = windows_of(series[None], self._values)[0]
        means = runs.mean(axis=1)
        return means, np.maximum(runs.max(axis=1) - means, means - runs.min(axis=1))

    def _take(self, running: _Running, row: int, value: float) -> None:
        running.crossed |= not self._dip_v <= value <= self._swell_v
        distance = abs(value - running.before_v[row])
        if distance > running.furthest_v:
            running.furthest_v, running.residual_v, running.furthest_row = float(distance), value, row

    def _stop(self, running: _Running, time_s: float, half_cycle_s: float, keys: tuple[str, ...]) -> None:
        wait = self._values * half_cycle_s
        self._running = None
        self._careful_until_s = time_s + wait
        if running.crossed or not np.isfinite(running.before_v).all():
            return
        if len(self._finished) == MOST_CHANGES:
            self.changes_lost += 1
        before = float(running.before_v[running.furthest_row])
        self._finished.append(
            VoltageChange(
                running.start_ns,
                running.start_s,
                max(0.0, time_s - running.start_s - wait),
                running.furthest_v,
                float(np.abs(self._mean - running.before_v).max()),
                running.residual_v,
                100.0 * (before - running.residual_v) / self._nominal_v,
                tuple(key for key, was in zip(keys, running.unsteady.tolist(), strict=False) if was),
            )
        )
