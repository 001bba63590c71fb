"""Frequency of each absolute 10 s interval: whole cycles over their duration (IEC 61000-4-30, 5.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dsp.aggregate import RESTARTED_NS, SETTLED_NS
from dsp.observers import WindowData
from dsp.phase import PhaseModel

TEN_SECONDS_NS = 10 * 10**9
CONTIGUOUS_S = 1e-6
LEAP_NS = 10**9
"""A window that starts so far before or behind the interval under way: the host's clock was set."""
WHOLE_S = 0.1
"""An interval is complete when its whole cycles leave out less than this: at most one cycle at either end."""


class TenSeconds(NamedTuple):
    """One interval. frequency_hz: None where no cycle was found. counted_s: duration of the cycles.
    end_ns, end_s: UTC and clock of the windows. length_s: from its tick. gap: samples are missing."""

    end_ns: int
    end_s: float
    length_s: float
    frequency_hz: float | None
    counted_s: float
    gap: bool


class TenSecondFrequency:
    """Counts the cycles of the windows from one 10 s tick of UTC to the next; those that straddle a tick are left out.

    Windows follow each other by whole cycles, but each by its own phase model: where cycles are counted from and to,
    the phase is taken from the samples of one voltage over a window, so that no error adds up. Interrupted cycles
    (gaps, no fundamental) are left out of both the count and the duration.
    """

    def __init__(self) -> None:
        self._start_ns: int | None = None
        self._cycles = 0
        self._seconds = 0.0
        self._gap = self._behind_gap = False
        self._window_end = (0, 0.0)
        self._break()

    def _break(self) -> None:
        """No cycle can be counted on."""
        self._end_s: float | None = None
        self._turns = 0.0  # cycles from the start of the stretch to the start of the window
        self._drift = 0.0  # of the reference voltage against them
        self._reference: tuple[str, float] | None = None
        self._first: tuple[int, float] | None = None  # first whole cycle in the interval
        self._last: tuple[int, float] | None = None

    def on_window(self, data: WindowData) -> list[TenSeconds]:
        """Count a window's cycles; the intervals that end in it."""
        window = data.window
        start_ns = data.utc_ns_of(window.start_s)
        done: list[TenSeconds] = []
        since_ns = 0 if self._start_ns is None else start_ns - self._start_ns
        leapt = not -LEAP_NS <= since_ns <= TEN_SECONDS_NS + LEAP_NS
        if self._end_s is None or leapt or window.model is None or abs(window.start_s - self._end_s) > CONTIGUOUS_S:
            restarted = self._end_s is not None and window.start_s < self._end_s
            if restarted and self._first is not None and self._first[1] >= window.start_s - 0.1:
                self._first = None  # counted by the window that was restarted at the tick
            self._add_stretch()
            self._break()
            done = self._begin(start_ns, window.start_s, restarted=restarted)
        self._window_end = (data.utc_ns_of(window.end_s), window.end_s)
        assert self._start_ns is not None
        model = window.model
        if model is not None and self._first is None and self._end_s is None:
            self._first = (0, window.start_s)
            self._measure_drift(data, model)
        tick_s = window.start_s + (self._start_ns + TEN_SECONDS_NS - start_ns) * 1e-9
        while tick_s <= window.end_s:
            if model is not None:
                self._measure_drift(data, model)
                turns = self._turns + self._drift + _turns_between(model, window.start_s, tick_s)
                self._last = self._cycle_start(model, window.start_s, math.floor(turns + 1e-9))
                self._add_stretch()
                self._first = self._cycle_start(model, window.start_s, math.ceil(turns - 1e-9))
            done.append(self._close(self._start_ns + TEN_SECONDS_NS, tick_s))
            self._start_ns += TEN_SECONDS_NS
            tick_s += TEN_SECONDS_NS * 1e-9
        if model is not None:
            self._turns += window.cycles
            self._end_s = window.end_s
            # Where the stretch ends here, its last cycle does too, but for the drift since it was looked at.
            self._last = (
                round(self._turns),
                window.end_s - self._drift * (window.end_s - window.start_s) / window.cycles,
            )
        return done

    def on_gap(self) -> None:
        """Samples are missing."""
        self._add_stretch()
        self._break()
        self._gap = self._behind_gap = True

    def finish(self) -> list[TenSeconds]:
        """The end: the interval under way, as far as it came."""
        self._add_stretch()
        self._break()
        if self._start_ns is None:
            return []
        end_ns, end_s = self._window_end
        left_s = (self._start_ns + TEN_SECONDS_NS - end_ns) * 1e-9
        if left_s <= WHOLE_S:
            end_ns, end_s = self._start_ns + TEN_SECONDS_NS, end_s + left_s
        return [self._close(end_ns, end_s)]

    def _begin(self, start_ns: int, start_s: float, *, restarted: bool) -> list[TenSeconds]:
        """A new stretch begins: end the interval under way where it is in another one."""
        tick_ns = (start_ns + SETTLED_NS) // TEN_SECONDS_NS * TEN_SECONDS_NS
        nearest_ns = (start_ns + TEN_SECONDS_NS // 2) // TEN_SECONDS_NS * TEN_SECONDS_NS
        if restarted and abs(start_ns - nearest_ns) <= RESTARTED_NS:
            tick_ns = nearest_ns
        done = []
        if tick_ns != self._start_ns:
            if self._start_ns is not None:
                end_ns = self._start_ns + TEN_SECONDS_NS
                done.append(self._close(end_ns, start_s + (end_ns - start_ns) * 1e-9))
            self._start_ns = tick_ns
            self._gap = self._behind_gap and (start_ns - tick_ns) * 1e-9 > WHOLE_S
        self._behind_gap = False
        return done

    def _close(self, end_ns: int, end_s: float) -> TenSeconds:
        frequency = self._cycles / self._seconds if self._cycles > 0 and self._seconds > 0.0 else None
        length_s = (end_ns - (self._start_ns or 0)) * 1e-9
        result = TenSeconds(end_ns, end_s, length_s, frequency, self._seconds, self._gap)
        self._cycles, self._seconds, self._gap = 0, 0.0, False
        return result

    def _add_stretch(self) -> None:
        if self._first is not None and self._last is not None and self._last[0] > self._first[0]:
            self._cycles += self._last[0] - self._first[0]
            self._seconds += self._last[1] - self._first[1]
        self._first = self._last = None

    def _cycle_start(self, model: PhaseModel, start_s: float, number: int) -> tuple[int, float]:
        return number, model.time_after(start_s, number - self._turns - self._drift)

    def _measure_drift(self, data: WindowData, model: PhaseModel) -> None:
        """Phase of the reference voltage against the cycles that were counted."""
        known = self._reference
        key = known[0] if known is not None else _reference_key(data)
        if key is None:
            return
        window = data.window
        raw = data.samples(key, window.start_s, window.end_s)
        times = raw.time_s + np.arange(raw.values.size) / raw.rate_hz
        inside = (times >= window.start_s) & (times < window.end_s)
        if not inside.any():
            return
        tau = times[inside] - window.start_s
        speed = 2.0 * math.pi * model.frequency_hz(window.start_s)
        # Hann: the harmonics vanish though the samples are no whole number of cycles.
        weight = 1.0 - np.cos(2.0 * math.pi * tau / (window.end_s - window.start_s))
        phasor = complex((raw.values[inside] * weight) @ np.exp(-1j * (speed + model.c2 * tau) * tau))
        angle = float(np.angle(phasor))
        if known is None:
            self._reference = (key, angle)
        else:
            self._drift = math.remainder(angle - known[1], 2.0 * math.pi) / (2.0 * math.pi)


def _reference_key(data: WindowData) -> str | None:
    """The first input that carries a fundamental; voltages come first."""
    found = data.window.frequencies_hz
    return next((key for key, frequency in found.items() if math.isfinite(frequency)), None)


def _turns_between(model: PhaseModel, start_s: float, end_s: float) -> float:
    """Cycles of the model from start to end."""
    return (end_s - start_s) * model.frequency_hz(0.5 * (start_s + end_s))
