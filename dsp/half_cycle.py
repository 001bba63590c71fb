"""U rms(1/2): the rms over one cycle, beginning at a zero crossing of the fundamental, refreshed each half cycle.

IEC 61000-4-30, 3.25 and 5.4.1: every channel by its own crossings. The bounds fall between samples: the squares are
summed up once and the sum is interpolated, so that a value holds exactly one cycle, never a whole number of samples.

The length of the cycle is tracked here, apart from the phase model of the window: a jump of the phase, or a voltage
that vanishes, must not stretch it. Each channel is correlated with two cycles of a tone under a Hann window, every
half cycle; the median of all advances of the phase is the frequency, whatever a few of them say.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.observers import RawSamples, WindowData
from dsp.phase import HIGHEST_HZ, LOWEST_HZ

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
PAD = 2
SPARE = 64
EDGE = 2.5
BEYOND = 4.0
"""Samples: zeros about the rows, room for longer windows, distance of a bound from the last sample that is there, and
what is asked for past the end of a window, so that the cubic always lies between samples."""
SMALLEST_GAIN = 1e-3
LONGEST_REST_S = 1.0
"""More than what can be left behind the last window of a record."""


@dataclass(frozen=True)
class HalfCycles:
    """Values whose cycle ended in one window.

    keys: channels; the first `voltages` of them are voltages, then currents over the same cycles.
    ends_s, rms: float64 [channels, n], ascending in time, V or A at the terminals; a channel with fewer values than n
        has NaN behind them. frequency_hz: of the fundamental, in the middle of the window.
    located: the frequency is measured or carried on; False: none was ever found and the nominal one stands in.
    """

    keys: tuple[str, ...]
    voltages: int
    ends_s: NDArray[np.float64]
    rms: NDArray[np.float64]
    frequency_hz: float
    located: bool

    @cached_property
    def lowest(self) -> list[float]:
        """Lowest value of each voltage (V), NaN where it has none."""
        lowest: list[float] = np.fmin.reduce(self.rms[: self.voltages], axis=1, initial=np.nan).tolist()
        return lowest

    @cached_property
    def highest(self) -> list[float]:
        """Highest value of each voltage (V), NaN where it has none."""
        highest: list[float] = np.fmax.reduce(self.rms[: self.voltages], axis=1, initial=np.nan).tolist()
        return highest

    def latest(self, before: NDArray[np.float64]) -> NDArray[np.float64]:
        """Last value of each voltage (V), that of `before` where it has none here."""
        result = before.copy()
        for row, values in enumerate(self.rms[: self.voltages]):
            found = values[np.isfinite(values)]
            if found.size:
                result[row] = found[-1]
        return result


class HalfCycleListener(Protocol):
    """Takes the values of one window after another."""

    def on_half_cycles(self, values: HalfCycles, data: WindowData) -> None:
        """The values that ended in a window. `data` must not be kept."""

    def on_gap(self, start_s: float, /) -> None:
        """Samples are missing from here on; the next values come after them."""

    def on_restart(self) -> None:
        """The module restarted: times begin anew."""


class HalfCycleMeter:
    """Observer of the windows that gives the half-cycle values of all voltages to its listeners.

    nominal_frequency_hz: used until a fundamental was found. currents: give those too, each over the cycles of its
    phase's voltage (the neutral: of V1).
    """

    def __init__(
        self,
        channels: Sequence[ChannelSpec],
        listeners: Sequence[HalfCycleListener],
        *,
        nominal_frequency_hz: float | None = None,
        currents: bool = False,
    ) -> None:
        found = {channel.key: channel for channel in channels}
        voltages = [key for key in found if found[key].unit == "V"]
        others = [key for key in found if found[key].unit == "A"] if currents else []
        self.keys = (*voltages, *others)
        self._voltages = len(voltages)
        bounds = [voltages.index("V" + key[1:]) if "V" + key[1:] in voltages else 0 for key in others]
        self._bounds = np.array([*range(len(voltages)), *bounds], dtype=np.intp)
        self._floors = [found[key].floor for key in voltages]
        self._listeners = tuple(listeners)
        self._frequency_hz = nominal_frequency_hz or DEFAULT_HZ
        self._slope_hz_s = 0.0
        self._frequency_s = -np.inf
        self._located = False
        self._usual = [0.0] * len(voltages)
        self._crossing_s = [0.0] * len(voltages)
        self._last_s = [-math.inf] * len(voltages)
        self._tones: dict[int, NDArray[np.float64]] = {}
        self._tuned_hz = 0.0
        self._rate_hz = math.inf
        self._rows = np.zeros((len(self.keys), 0))
        self._gains = np.ones((len(self.keys), 1))
        self._latest: WindowData | None = None  # kept for the samples behind it, should it stay the last

    def on_window(self, data: WindowData) -> None:
        """Observer: measure, and hand the values on."""
        if not self._voltages:
            return
        self._latest = data
        with np.errstate(all="ignore"):
            values = self._measure(data)
        for listener in self._listeners:
            listener.on_half_cycles(values, data)

    def finish(self) -> None:
        """End of a record: the values of the cycles behind the last window. Call it after the analyser's finish and
        before those of the listeners."""
        data, self._latest = self._latest, None
        if data is None:
            return
        last = data.window
        raws = [data.samples(key, last.end_s, last.end_s + LONGEST_REST_S) for key in self.keys[: self._voltages]]
        end_s = min(raw.time_s + raw.values.size / raw.rate_hz for raw in raws)
        if not end_s > last.end_s:
            return
        rest = copy(data)
        rest.window = replace(last, start_s=last.end_s, end_s=end_s)
        self.on_window(rest)

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:  # noqa: ARG002
        """Observer: no value reaches over a gap; the frequency is carried on."""
        self._latest = None
        self._last_s = [-math.inf] * self._voltages
        for listener in self._listeners:
            listener.on_gap(start_s)

    def on_restart(self) -> None:
        """Observer: times begin anew."""
        self._latest = None
        self._last_s = [-math.inf] * self._voltages
        self._frequency_s = -np.inf
        for listener in self._listeners:
            listener.on_restart()

    def _measure(self, data: WindowData) -> HalfCycles:
        window = data.window
        start, end = window.start_s, window.end_s
        if not self._located and window.model is not None:
            self._frequency_hz = window.model.frequency_hz(0.5 * (start + end))
            self._located = True
        reach = 2.0 / self._frequency_hz
        raws = [data.samples(key, start - reach, end + BEYOND / self._rate_hz) for key in self.keys]
        self._rate_hz = raws[0].rate_hz
        if abs(self._frequency_hz - self._tuned_hz) > RETUNE_HZ:
            self._tune(data)
        needed = max(raw.values.size for raw in raws) + 2 * PAD
        if self._rows.shape[1] < needed:
            self._rows = np.zeros((len(raws), needed + SPARE))
        rows = self._rows
        for row, raw in zip(rows, raws, strict=True):
            stop = PAD + raw.values.size
            row[PAD:stop] = raw.values
            row[stop:] = 0.0
        self._track(data, raws[: self._voltages], rows)
        ends, rms = self._values(raws, rows, end)
        return HalfCycles(self.keys, self._voltages, ends, rms, self._frequency_hz, self._located)

    def _tune(self, data: WindowData) -> None:
        self._tuned_hz = self._frequency_hz
        self._tones.clear()
        gains = np.array([[abs(data.gain_at(key, self._frequency_hz))] for key in self.keys])
        self._gains = np.where(gains >= SMALLEST_GAIN, gains, np.nan)

    def _tone(self, rate_hz: float) -> NDArray[np.float64]:
        """Two cycles of the tuned tone under a Hann window, [samples of half a cycle, 4 half cycles x (re, -im)]."""
        near = round(rate_hz)
        tone = self._tones.get(near)
        if tone is None:
            cycle = rate_hz / self._tuned_hz
            half = max(1, round(0.5 * cycle))
            offsets = np.arange(4 * half) - (2 * half - 0.5)
            angle = 2.0 * np.pi / cycle * offsets
            hann = np.where(np.abs(offsets) < cycle, (1.0 + np.cos(0.5 * angle)) / cycle, 0.0)
            pair = np.stack([hann * np.cos(angle), -hann * np.sin(angle)], axis=1)  # [4 half, 2]
            tone = np.ascontiguousarray(pair.reshape(4, half, 2).transpose(1, 0, 2).reshape(half, 8))
            self._tones[near] = tone
        return tone

    def _phasors(self, rows: NDArray[np.float64], size: int, rate_hz: float) -> tuple[NDArray[np.complex128], int]:
        """Fundamental [rows, n] of two cycles each, one every half cycle, from rows of one rate with `size` samples;
        and the samples of half a cycle."""
        tone = self._tone(rate_hz)
        half = tone.shape[0]
        count = size // half
        blocks = rows[:, PAD : PAD + count * half].reshape(rows.shape[0], count, half)
        parts = (blocks @ tone).view(np.complex128)  # [rows, half cycles, place in the kernel]
        last = count - 3
        if last < 1:
            return parts[:, :0, 0], half
        return (
            parts[:, :last, 0] + parts[:, 1 : last + 1, 1] + parts[:, 2 : last + 2, 2] + parts[:, 3 : last + 3, 3],
            half,
        )

    def _track(self, data: WindowData, raws: Sequence[RawSamples], rows: NDArray[np.float64]) -> None:
        """Frequency of the window, and the crossings of every channel, from how the phase advances; both carried on
        where nothing is to be seen."""
        rates = [raw.rate_hz for raw in raws]
        sizes = [raw.values.size for raw in raws]
        if max(rates) - min(rates) < SAME_RATE * rates[0]:
            phasors, half = self._phasors(rows[: len(raws)], min(sizes), rates[0])
            hops = [half / rate for rate in rates]
        else:
            found = [self._phasors(rows[i : i + 1], sizes[i], rate) for i, rate in enumerate(rates)]
            count = min(part.shape[1] for part, _ in found)
            phasors = np.concatenate([part[:, :count] for part, _ in found])
            hops = [half / rate for (_, half), rate in zip(found, rates, strict=True)]
        count = phasors.shape[1]
        if count < 2:
            self._model_frequency(data)
            return
        size = np.abs(phasors)
        lows, highs = np.minimum.reduce(size, axis=1).tolist(), np.maximum.reduce(size, axis=1).tolist()
        means = [total / count for total in np.add.reduce(size, axis=1).tolist()]
        fresh = [usual <= floor for usual, floor in zip(self._usual, self._floors, strict=True)]
        for row, mean in enumerate(means):
            self._usual[row] += (1.0 if fresh[row] else USUAL_SHARE) * (mean - self._usual[row])
        least = [max(PRESENT * usual, floor) for usual, floor in zip(self._usual, self._floors, strict=True)]

        unturn = np.array([[cmath.exp(-2j * math.pi * self._tuned_hz * hop)] for hop in hops])
        turned = phasors[:, 1:] * phasors[:, :-1].conj() * unturn
        excess = np.arctan2(turned.imag, turned.real)
        seen = excess.ravel()
        if any(low < limit for low, limit in zip(lows, least, strict=True)):
            present = size >= np.array(least)[:, None]
            seen = excess[present[:, 1:] & present[:, :-1]]
        ordered = sorted(seen.tolist())
        steps, median = len(ordered), 0.0
        if steps >= FEWEST_STEPS and ordered[3 * steps // 4] - ordered[steps // 4] < STEADY_RAD:
            median = 0.5 * (ordered[steps // 2] + ordered[(steps - 1) // 2])
            hop = sum(hops) / len(hops)
            seen_s = sum(raw.time_s for raw in raws) / len(raws) + 0.5 * (count + 3) * hop
            self._follow(self._tuned_hz + median / (2.0 * math.pi * hop), seen_s)
        else:
            self._model_frequency(data)

        # A disturbance keeps the crossings of before: the last end of a cycle is one of them.
        smallest, largest = np.minimum.reduce(excess, axis=1).tolist(), np.maximum.reduce(excess, axis=1).tolist()
        middle = count // 2
        for row, phasor in enumerate(phasors[:, middle].tolist()):
            usual = self._usual[row]
            steady = (1.0 - DISTURBED) * usual <= lows[row] and highs[row] <= (1.0 + DISTURBED) * usual
            steady = steady and median - STEADY_RAD <= smallest[row] and largest[row] <= median + STEADY_RAD
            if (steady or fresh[row]) and abs(phasor) >= least[row]:
                at = raws[row].time_s + (middle + 2) * hops[row] - 0.5 / rates[row]
                quarter = 0.5 * math.pi - cmath.phase(phasor)
                self._crossing_s[row] = at + quarter / (2.0 * math.pi * self._frequency_hz)
            elif math.isfinite(self._last_s[row]):
                self._crossing_s[row] = self._last_s[row]

    def _follow(self, frequency_hz: float, time_s: float) -> None:
        if not LOWEST_HZ <= frequency_hz <= HIGHEST_HZ:
            return
        elapsed, change = time_s - self._frequency_s, frequency_hz - self._frequency_hz
        steady = elapsed < NEIGHBOURS_S and abs(change) <= FASTEST_HZ_S * elapsed
        self._slope_hz_s = change / elapsed if steady else 0.0
        self._frequency_hz, self._frequency_s = frequency_hz, time_s

    def _model_frequency(self, data: WindowData) -> None:
        """No voltage to be seen: the frequency of what the window is locked to, else the last one."""
        self._slope_hz_s, self._frequency_s = 0.0, -np.inf
        if data.window.model is not None and data.window.synchronised:
            self._frequency_hz = data.window.model.frequency_hz(0.5 * (data.window.start_s + data.window.end_s))

    def _values(
        self, raws: Sequence[RawSamples], rows: NDArray[np.float64], end_s: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends and rms [channels, n] of the cycles since the last one of each channel, NaN behind a channel's last."""
        half_s = 0.5 / self._frequency_hz
        terms, counts = [], []
        for row, raw in enumerate(raws[: self._voltages]):
            crossing, edge = self._crossing_s[row], EDGE / raw.rate_hz
            earliest = max(self._last_s[row] + 0.5 * half_s, raw.time_s + 2.0 * half_s + edge)
            latest = min(end_s, raw.time_s + raw.values.size / raw.rate_hz - edge)
            first = math.ceil((earliest - crossing) / half_s)
            counts.append(math.floor((latest - crossing) / half_s + 1e-9) - first + 1)
            terms.append((crossing, first))
        longest = max(counts)
        if longest <= 0:
            nothing = np.zeros((len(raws), 0))
            return nothing, nothing
        # Crossings from two before the first end on, over a frequency that changes steadily.
        crossings, firsts = np.array(terms).T[:, :, None]
        numbers = firsts + np.arange(-2.0, longest)
        if self._slope_hz_s:
            halves = numbers * (0.5 / (self._frequency_hz + self._slope_hz_s * (crossings - self._frequency_s)))
            times = crossings + halves * (1.0 - (0.5 * self._slope_hz_s / self._frequency_hz) * halves)
        else:
            times = crossings + half_s * numbers
        for row, count in enumerate(counts):
            if count > 0:
                self._last_s[row] = times.item(row, count + 1)
        if len(raws) > self._voltages:
            times, counts = times[self._bounds], [counts[row] for row in self._bounds.tolist()]
        begins, rates = np.array([(raw.time_s, raw.rate_hz) for raw in raws]).T[:, :, None]
        places = (times - begins) * rates
        places += PAD
        ends = times[:, 2:]
        square = _integrals(rows, places) / (places[:, 2:] - places[:, :-2])
        rms = np.sqrt(np.maximum(square, 0.0)) / self._gains
        if min(counts) < longest:
            for row, count in enumerate(counts):
                ends[row, max(count, 0) :] = rms[row, max(count, 0) :] = np.nan
        return ends, rms


def _integrals(rows: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integral of the squares of rows [channels, n] from each fractional sample to the next but one: places
    [channels, m], ascending, give [channels, m - 2].

    Midpoint rule, and between the middles of samples the cubic through the four sums around.
    """
    length = rows.shape[1]
    flat = (rows * rows).ravel()
    shifted = places + 0.5  # base: the first entry whose middle the place has not passed
    index = shifted.astype(np.intp)
    np.minimum(np.maximum(index, 1, out=index), length - 2, out=index)
    x = shifted - index
    index += length * np.arange(rows.shape[0])[:, None]
    whole = np.add.reduceat(flat, index.ravel()).reshape(index.shape)
    behind, here, ahead = flat.take(index - 1), flat.take(index), flat.take(index + 1)
    skew = (ahead - here - here + behind) / 6.0
    part = x * (here + (x - 1.0) * (0.5 * (here - behind) + (x + 1.0) * skew))
    return np.asarray(whole[:, :-2] + whole[:, 1:-1] + part[:, 2:] - part[:, :-2])
