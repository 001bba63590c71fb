"""Frequency of the half-cycle values, and a zero crossing of every voltage, apart from the phase model of the windows.

A jump of the phase, or a voltage that vanishes, must not stretch a cycle. Each voltage is correlated with two cycles of
a tone under a Hann window, every half cycle; the median of all advances of the phase is the frequency, whatever a few
of them say. What needs the samples is worked out for several windows in one go.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsp.observers import RawSamples
from dsp.phase import HIGHEST_HZ, LOWEST_HZ
from dsp.window import Window

DEFAULT_HZ = 50.0
RETUNE_HZ = 0.02
"""Change of the frequency after which the correlating tone, and the gain of the front ends, are worked out anew."""
PRESENT = 0.1
"""Part of a channel's usual fundamental above which its phase is looked at."""
USUAL_SHARE = 0.0033
"""Weight of one window in a channel's usual fundamental: about a minute."""
DISTURBED = 0.1
"""Part of the usual fundamental that a channel must be off for its crossings to be kept from before."""
FEWEST_STEPS = 6
STEADY_RAD = 0.1
"""Quartile distance of the advances of the phase above which they are no frequency (noise, other tones), and what one
advance may lie off the median where the phase does not jump."""
FASTEST_HZ_S = 4.0
"""A greater change of the frequency between two windows is none of a mains (a generator that starts: 4 Hz/s)."""
NEIGHBOURS_S = 0.5
"""Middles of windows that follow each other lie closer than this."""
SAME_RATE = 0.01
"""Channels whose sample rates differ by less are correlated with the same tone: the phase of a crystal's error."""
BEYOND = 4.0
"""Samples past the end of a window that are looked at, so that the cubic through the sums always lies between them."""


class Cycles(NamedTuple):
    """Half cycles of a voltage by number n: crossing number n is at crossing_s + h - bend h^2, h = n half_s."""

    crossing_s: float
    half_s: float
    bend: float

    def time_s(self, number: int) -> float:
        """Time of a crossing."""
        h = number * self.half_s
        return self.crossing_s + h * (1.0 - self.bend * h)


class Advances(NamedTuple):
    """Phasors of voltages, one each half cycle, and their advances over what the tuned tone makes.

    phasors, sizes [voltages][n]; excess [voltages][n - 1], rad. begins_s, rates_hz: of the samples; hops_s: from phasor
    to phasor. spans: of each window, its first phasor and the one behind its last.
    """

    phasors: NDArray[np.complex128]
    sizes: list[list[float]]
    excess: list[list[float]]
    begins_s: list[float]
    rates_hz: list[float]
    hops_s: list[float]
    spans: list[tuple[int, int]]


class CycleTracker:
    """floors: rms (V) of each voltage under which its fundamental is noise. nominal_frequency_hz: used until a
    fundamental was found, which `located` tells. tuned_hz: of the tone.

    last_s: the last crossing of each voltage up to which values were given; whoever gives them keeps it."""

    def __init__(self, floors: Sequence[float], nominal_frequency_hz: float | None) -> None:
        self.frequency_hz = nominal_frequency_hz or DEFAULT_HZ
        self.located = False
        self.tuned_hz = 0.0
        self.last_s = [-math.inf] * len(floors)
        self._floors = list(floors)
        self._slope_hz_s = 0.0
        self._frequency_s = -math.inf
        self._usual = [0.0] * len(floors)
        self._crossing_s = [0.0] * len(floors)
        self._tones: dict[int, NDArray[np.float64]] = {}

    def restart(self) -> None:
        """Times begin anew."""
        self.on_gap()
        self._frequency_s = -math.inf

    def on_gap(self) -> None:
        """Samples are missing; the frequency is carried on."""
        self.last_s = [-math.inf] * len(self.last_s)

    @property
    def off_tune(self) -> bool:
        """Whether the tone no longer fits the frequency."""
        return abs(self.frequency_hz - self.tuned_hz) > RETUNE_HZ

    def tune(self) -> None:
        """Make the tone anew for the frequency."""
        self.tuned_hz = self.frequency_hz
        self._tones.clear()

    def locate(self, window: Window) -> None:
        """Before the first window that has a fundamental: begin with its frequency."""
        if not self.located and window.model is not None:
            self.frequency_hz = window.model.frequency_hz(0.5 * (window.start_s + window.end_s))
            self.located = True

    def cycles(self, row: int) -> Cycles:
        """Half cycles of a voltage, over a frequency that changes steadily."""
        crossing, slope = self._crossing_s[row], self._slope_hz_s
        if not slope:
            return Cycles(crossing, 0.5 / self.frequency_hz, 0.0)
        here_hz = self.frequency_hz + slope * (crossing - self._frequency_s)
        return Cycles(crossing, 0.5 / here_hz, 0.5 * slope / self.frequency_hz)

    def _tone(self, rate_hz: float) -> NDArray[np.float64]:
        """Two cycles of the tuned tone under a Hann window, [samples of half a cycle, 4 half cycles x (re, -im)]."""
        near = round(rate_hz)
        tone = self._tones.get(near)
        if tone is None:
            cycle = rate_hz / self.tuned_hz
            half = max(1, round(0.5 * cycle))
            offsets = np.arange(4 * half) - (2 * half - 0.5)
            angle = 2.0 * np.pi / cycle * offsets
            hann = np.where(np.abs(offsets) < cycle, (1.0 + np.cos(0.5 * angle)) / cycle, 0.0)
            pair = np.stack([hann * np.cos(angle), -hann * np.sin(angle)], axis=1)  # [4 half, 2]
            tone = np.ascontiguousarray(pair.reshape(4, half, 2).transpose(1, 0, 2).reshape(half, 8))
            self._tones[near] = tone
        return tone

    def _phasors(self, rows: NDArray[np.float64], rate_hz: float) -> tuple[NDArray[np.complex128], int]:
        """Fundamental [rows, n] of two cycles each, one every half cycle, from rows [rows, samples] of one rate; and
        the samples of half a cycle."""
        tone = self._tone(rate_hz)
        half = tone.shape[0]
        count = rows.shape[1] // half
        blocks = rows[:, : count * half].reshape(rows.shape[0], count, half)
        parts = (blocks @ tone).view(np.complex128)  # [rows, half cycles, place in the kernel]
        last = max(0, count - 3)
        return parts[:, :last, 0] + parts[:, 1:-2, 1] + parts[:, 2:-1, 2] + parts[:, 3:, 3], half

    def look(self, raws: Sequence[RawSamples], rows: NDArray[np.float64], windows: Sequence[Window]) -> Advances:
        """What the samples of the voltages say, rows [voltages, n] from raws on; of the first window alone where the
        chips have different rates."""
        rates, begins = [raw.rate_hz for raw in raws], [raw.time_s for raw in raws]
        sizes = [raw.values.size for raw in raws]
        if max(rates) - min(rates) < SAME_RATE * rates[0]:
            phasors, half = self._phasors(rows[:, : min(sizes)], rates[0])
            hops = [half / rate for rate in rates]
        else:
            found = [self._phasors(rows[i : i + 1, : sizes[i]], rate) for i, rate in enumerate(rates)]
            count = min(part.shape[1] for part, _ in found)
            phasors = np.concatenate([part[:, :count] for part, _ in found])
            hops = [half / rate for (_, half), rate in zip(found, rates, strict=True)]
            windows = windows[:1]
        voltages, count = phasors.shape
        hop, begin = sum(hops) / voltages, sum(begins) / voltages
        reach, beyond = 2.0 / self.frequency_hz, BEYOND / min(rates)
        spans = [
            (
                min(max(0, round((window.start_s - reach - begin) / hop)), count),
                min(max(0, math.floor((window.end_s + beyond - begin) / hop) - 3), count),
            )
            for window in windows
        ]
        turned = phasors[:, 1:] * phasors[:, :-1].conj()
        turned *= np.array([[cmath.exp(-2j * math.pi * self.tuned_hz * hop)] for hop in hops])
        excess = np.arctan2(turned.imag, turned.real)
        return Advances(phasors, np.abs(phasors).tolist(), excess.tolist(), begins, rates, hops, spans)

    def follow(self, seen: Advances, number: int, window: Window) -> None:
        """Frequency of a window, and the crossings of every channel, from how the phase advances; both carried on where
        nothing is to be seen."""
        first, stop = seen.spans[number]
        count = stop - first
        if count < 2:
            self._model_frequency(window)
            return
        sizes = [own[first:stop] for own in seen.sizes]
        excess = [own[first : stop - 1] for own in seen.excess]
        fresh = [usual <= floor for usual, floor in zip(self._usual, self._floors, strict=True)]
        for row, own in enumerate(sizes):
            self._usual[row] += (1.0 if fresh[row] else USUAL_SHARE) * (sum(own) / count - self._usual[row])
        least = [max(PRESENT * usual, floor) for usual, floor in zip(self._usual, self._floors, strict=True)]
        lows, highs = [min(own) for own in sizes], [max(own) for own in sizes]

        ordered: list[float] = []
        for own, size, low, limit in zip(excess, sizes, lows, least, strict=True):
            if low < limit:
                ordered += [e for e, (one, other) in zip(own, pairwise(size), strict=True) if min(one, other) >= limit]
            else:
                ordered += own
        ordered.sort()
        steps, median = len(ordered), 0.0
        if steps >= FEWEST_STEPS and ordered[3 * steps // 4] - ordered[steps // 4] < STEADY_RAD:
            median = 0.5 * (ordered[steps // 2] + ordered[(steps - 1) // 2])
            hop = sum(seen.hops_s) / len(seen.hops_s)
            seen_s = sum(seen.begins_s) / len(seen.begins_s) + (first + 0.5 * (count + 3)) * hop
            self._follow(self.tuned_hz + median / (2.0 * math.pi * hop), seen_s)
        else:
            self._model_frequency(window)

        # A disturbance keeps the crossings of before: the last end of a cycle is one of them.
        middle = first + count // 2
        for row, phasor in enumerate(seen.phasors[:, middle].tolist()):
            usual = self._usual[row]
            steady = (1.0 - DISTURBED) * usual <= lows[row] and highs[row] <= (1.0 + DISTURBED) * usual
            steady = steady and median - STEADY_RAD <= min(excess[row]) and max(excess[row]) <= median + STEADY_RAD
            if (steady or fresh[row]) and abs(phasor) >= least[row]:
                at = seen.begins_s[row] + (middle + 2) * seen.hops_s[row] - 0.5 / seen.rates_hz[row]
                quarter = 0.5 * math.pi - cmath.phase(phasor)
                self._crossing_s[row] = at + quarter / (2.0 * math.pi * self.frequency_hz)
            elif math.isfinite(self.last_s[row]):
                self._crossing_s[row] = self.last_s[row]

    def _follow(self, frequency_hz: float, time_s: float) -> None:
        if not LOWEST_HZ <= frequency_hz <= HIGHEST_HZ:
            return
        elapsed, change = time_s - self._frequency_s, frequency_hz - self.frequency_hz
        steady = elapsed < NEIGHBOURS_S and abs(change) <= FASTEST_HZ_S * elapsed
        self._slope_hz_s = change / elapsed if steady else 0.0
        self.frequency_hz, self._frequency_s = frequency_hz, time_s

    def _model_frequency(self, window: Window) -> None:
        """No voltage to be seen: the frequency of what the window is locked to, else the last one."""
        self._slope_hz_s, self._frequency_s = 0.0, -math.inf
        if window.model is not None and window.synchronised:
            self.frequency_hz = window.model.frequency_hz(0.5 * (window.start_s + window.end_s))
