"""U rms(1/2): the rms over one cycle, beginning at a zero crossing of the fundamental, refreshed each half cycle.

IEC 61000-4-30, 3.25 and 5.4.1: every channel by its own crossings. The bounds fall between samples: the squares are
summed up once and the sum is interpolated, so that a value holds exactly one cycle, never a whole number of samples.

The length of the cycle is tracked here, apart from the phase model of the window: a jump of the phase, or a voltage
that vanishes, must not stretch it. Each channel is correlated with two cycles of a tone under a Hann window, every
half cycle; the median of all advances of the phase is the frequency, whatever a few of them say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.observers import RawSamples, WindowData
from dsp.phase import HIGHEST_HZ, LOWEST_HZ
from dsp.resample import windows_of

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
SMALLEST_GAIN = 1e-3


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
        self._floors = np.array([[found[key].floor] for key in voltages])
        self._listeners = tuple(listeners)
        self._frequency_hz = nominal_frequency_hz or DEFAULT_HZ
        self._slope_hz_s = 0.0
        self._frequency_s = -np.inf
        self._located = False
        self._usual = np.zeros((len(voltages), 1))
        self._crossing_s = np.zeros((len(voltages), 1))
        self._last_s = np.full((len(voltages), 1), -np.inf)
        self._tones: dict[float, NDArray[np.float64]] = {}
        self._tuned_hz = 0.0
        self._gains = np.ones((len(self.keys), 1))

    def on_window(self, data: WindowData) -> None:
        """Observer: measure, and hand the values on."""
        if not self._voltages:
            return
        with np.errstate(all="ignore"):
            values = self._measure(data)
        for listener in self._listeners:
            listener.on_half_cycles(values, data)

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:  # noqa: ARG002
        """Observer: no value reaches over a gap; the frequency is carried on."""
        self._last_s[:] = -np.inf
        for listener in self._listeners:
            listener.on_gap(start_s)

    def on_restart(self) -> None:
        """Observer: times begin anew."""
        self._last_s[:] = -np.inf
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
        raws = [data.samples(key, start - reach, end) for key in self.keys]
        if abs(self._frequency_hz - self._tuned_hz) > RETUNE_HZ:
            self._tune(data)
        self._track(data, raws[: self._voltages])
        ends = self._ends(raws, end)
        return HalfCycles(self.keys, self._voltages, ends, self._rms(raws, ends), self._frequency_hz, self._located)

    def _tune(self, data: WindowData) -> None:
        self._tuned_hz = self._frequency_hz
        self._tones.clear()
        gains = np.array([[abs(data.gain_at(key, self._frequency_hz))] for key in self.keys])
        self._gains = np.where(gains >= SMALLEST_GAIN, gains, np.nan)

    def _tone(self, rate_hz: float) -> NDArray[np.float64]:
        """Real and imaginary part [n, 2] of two cycles of the tuned tone under a Hann window, n odd."""
        near = round(rate_hz)
        tone = self._tones.get(near)
        if tone is None:
            reach = rate_hz / self._tuned_hz
            offsets = np.arange(-int(reach), int(reach) + 1)
            angle = 2.0 * np.pi / reach * offsets
            hann = (1.0 + np.cos(0.5 * angle)) / reach
            tone = self._tones[near] = np.stack([hann * np.cos(angle), -hann * np.sin(angle)], axis=1)
        return tone

    def _track(self, data: WindowData, raws: Sequence[RawSamples]) -> None:
        """Frequency of the window, and the crossings of every channel, from how the phase advances; both carried on
        where nothing is to be seen."""
        start, end = data.window.start_s, data.window.end_s
        middle = 0.5 * (start + end)
        parts, hops, begins = [], [], []
        for raw in raws:
            tone = self._tone(raw.rate_hz)
            hop = max(1, round(0.5 * raw.rate_hz / self._tuned_hz))
            if raw.values.size >= tone.shape[0] + hop:
                parts.append(windows_of(raw.values[None], tone.shape[0])[0, ::hop] @ tone)
                hops.append(hop / raw.rate_hz)
                begins.append(raw.time_s + (tone.shape[0] // 2) / raw.rate_hz)
        count = min((part.shape[0] for part in parts), default=0)
        if len(parts) < len(raws) or count < 2:
            self._model_frequency(data, middle)
            return
        pairs = np.stack([part[:count] for part in parts])
        phasors = pairs[:, :, 0] + 1j * pairs[:, :, 1]
        size = np.abs(phasors)
        mean = size.mean(axis=1, keepdims=True)
        fresh = self._usual <= self._floors
        self._usual += np.where(fresh, 1.0, USUAL_SHARE) * (mean - self._usual)
        present = size >= np.maximum(PRESENT * self._usual, self._floors)
        hop_s = np.array(hops)[:, None]
        turned = phasors[:, 1:] * phasors[:, :-1].conj() * np.exp(-2j * np.pi * self._tuned_hz * hop_s)
        excess = np.angle(turned)
        seen = np.sort(excess[present[:, 1:] & present[:, :-1]])
        median = 0.0
        if seen.size >= FEWEST_STEPS and seen[3 * seen.size // 4] - seen[seen.size // 4] < STEADY_RAD:
            median = 0.5 * float(seen[seen.size // 2] + seen[(seen.size - 1) // 2])
            seen_s = float((np.array(begins) + 0.5 * (count - 1) * hop_s[:, 0]).mean())
            self._follow(self._tuned_hz + median / (2.0 * np.pi * float(hop_s.mean())), seen_s)
        else:
            self._model_frequency(data, middle)

        # A disturbance keeps the crossings of before: the last end of a cycle is one of them.
        usual = np.abs(size - self._usual).max(axis=1, keepdims=True) <= DISTURBED * self._usual
        usual &= np.abs(excess - median).max(axis=1, keepdims=True) <= STEADY_RAD
        instants = np.array(begins)[:, None] + hop_s * np.arange(count) - middle
        still = phasors * np.exp(-2j * np.pi * self._frequency_hz * instants)
        angle = np.angle((still * present).sum(axis=1, keepdims=True))
        crossing = middle + (0.5 * np.pi - angle) / (2.0 * np.pi * self._frequency_hz)
        kept = np.where(np.isfinite(self._last_s), self._last_s, self._crossing_s)
        self._crossing_s = np.where((usual | fresh) & present.any(axis=1, keepdims=True), crossing, kept)

    def _follow(self, frequency_hz: float, time_s: float) -> None:
        if not LOWEST_HZ <= frequency_hz <= HIGHEST_HZ:
            return
        elapsed, change = time_s - self._frequency_s, frequency_hz - self._frequency_hz
        steady = elapsed < NEIGHBOURS_S and abs(change) <= FASTEST_HZ_S * elapsed
        self._slope_hz_s = change / elapsed if steady else 0.0
        self._frequency_hz, self._frequency_s = frequency_hz, time_s

    def _model_frequency(self, data: WindowData, middle_s: float) -> None:
        """No voltage to be seen: the frequency of what the window is locked to, else the last one."""
        self._slope_hz_s, self._frequency_s = 0.0, -np.inf
        if data.window.model is not None and data.window.synchronised:
            self._frequency_hz = data.window.model.frequency_hz(middle_s)

    def _ends(self, raws: Sequence[RawSamples], end_s: float) -> NDArray[np.float64]:
        """Ends [channels, n] of the cycles: the crossings since the last one of each channel, NaN behind the last."""
        cycle = 1.0 / self._frequency_hz
        voltages = raws[: self._voltages]
        begin = np.array([[raw.time_s] for raw in voltages]) + 1.002 * cycle
        until = np.array([[raw.time_s + (raw.values.size - 0.5) / raw.rate_hz] for raw in voltages])
        earliest = np.maximum(self._last_s + 0.25 * cycle, begin)
        first = np.ceil((earliest - self._crossing_s) / (0.5 * cycle))
        last = np.floor((np.minimum(until, end_s) - self._crossing_s) / (0.5 * cycle) + 1e-9)
        counts = last - first + 1.0
        numbers = np.arange(max(0.0, float(counts.max())))
        ends = self._crossing_s + 0.5 * cycle * (first + numbers)
        self._last_s = np.where(counts > 0.0, self._crossing_s + 0.5 * cycle * last, self._last_s)
        ends[numbers >= counts] = np.nan
        return np.asarray(ends[self._bounds]) if len(raws) > self._voltages else ends

    def _rms(self, raws: Sequence[RawSamples], ends_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rms [channels, n] over the cycle before each end."""
        longest = max(raw.values.size for raw in raws)
        if longest < 8 or ends_s.shape[1] == 0:
            return np.full(ends_s.shape, np.nan)
        squares = np.zeros((len(raws), longest + 1))
        for row, raw in zip(squares, raws, strict=True):
            np.multiply(raw.values, raw.values, out=row[1 : raw.values.size + 1])
        sums = np.cumsum(squares, axis=1)
        rates = np.array([[raw.rate_hz] for raw in raws])
        begins = np.array([[raw.time_s] for raw in raws])
        sizes = np.array([[raw.values.size] for raw in raws])
        frequency: NDArray[np.float64] | float = self._frequency_hz
        if self._slope_hz_s:
            frequency += self._slope_hz_s * (ends_s - 0.5 / frequency - self._frequency_s)
        cycles = 1.0 / frequency
        # Entry i of the sums holds what lies before the middle between samples i - 1 and i.
        stop = (ends_s - begins) * rates + 0.5
        total = _interpolate(sums, stop, sizes) - _interpolate(sums, stop - cycles * rates, sizes)
        return np.asarray(np.sqrt(np.maximum(total, 0.0) / (cycles * rates)) / self._gains)


def _interpolate(rows: NDArray[np.float64], places: NDArray[np.float64], last: NDArray[np.intp]) -> NDArray[np.float64]:
    """Rows [channels, n] at fractional places [channels, m], by the cubic through four entries; NaN where the place
    is. last [channels, 1]: the last entry that counts."""
    known = np.isfinite(places)
    base = np.clip(np.where(known, places, 1.0).astype(np.intp), 1, np.maximum(last - 2, 1))
    x = places - base
    flat = rows.ravel()
    index = base + (np.arange(rows.shape[0]) * rows.shape[1])[:, None]
    before, here, next_, after = flat[index - 1], flat[index], flat[index + 1], flat[index + 2]
    rise = next_ - here
    # Newton's form on the entries 0, 1, -1, 2.
    curve = 0.5 * (before - here + rise)
    skew = (after - before - 3.0 * rise) / 6.0
    return np.asarray(here + x * (rise + (x - 1.0) * (curve + (x + 1.0) * skew)))
