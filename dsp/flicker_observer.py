"""Flicker of the voltages that an analyser measures: Pst every 10 minutes of UTC, Plt every 2 hours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from dsp.flicker import PST_SETTLING_S, SHORT_TERM_S, SHORT_TERMS, Flickermeter, long_term_severity
from dsp.flicker_filters import LOWEST_RATE_HZ, Lamp, Mains
from dsp.observers import RawSamples, WindowData

SHORT_TERM_NS = round(SHORT_TERM_S * 1e9)

LEAST_VOLTAGE = 0.05
"""Part of the declared voltage under which there is no supply, hence no flicker."""

REACH_S = 2e-3
"""Samples before a window that are asked for, so that none falls between two windows when the clock is corrected."""

SAME_RATE = 5e-3
CLOCK_STEP_S = 1.0
"""Ten minutes of UTC that differ more than this from 600 s of the module's clock: the host's clock was set."""


def lamp_for(declared_v: float) -> Lamp:
    """The reference lamp by the declared voltage: 120 V up to 150 V, else 230 V."""
    return 120 if declared_v <= 150.0 else 230


class FlickerObserver:
    """Observes the windows of an analyser; keys Pst1..3, Plt1..3 by its voltages V1..V3.

    declared_v decides the lamp unless `lamp` does. The mains frequency, 50 or 60 Hz, is that of the windows. A gap, a
    restart, or more than a minute without a fundamental spoils the interval that it touches, and the next if that
    begins less than a minute later. Dips and interruptions do not: the measurement that the values go into is flagged.
    """

    def __init__(self, declared_v: float = 230.0, *, lamp: Lamp | None = None) -> None:
        self._lamp = lamp if lamp is not None else lamp_for(declared_v)
        self._floor_v = LEAST_VOLTAGE * declared_v
        self._mains: Mains | None = None
        self._meters: list[tuple[Flickermeter, list[str]]] = []
        self._keys: tuple[str, ...] = ()
        self._next_index: dict[str, int] = {}
        self._dark_s = 0.0
        self._last_ns: int | None = None  # UTC of the end of the window before
        self._ticks: dict[int, float] = {}  # {UTC ns of a tick: time on the clock of the windows}
        self._pst: dict[int, dict[str, float | None]] = {}  # by the UTC ns of the interval's start

    def values(self, window: str, start_ns: int) -> Mapping[str, float | None]:
        """What belongs to the aggregate "10min" or "2h" that starts at a UTC time: Pst or Plt, None where not
        measurable. Asked when the interval is over, and before the next of its kind is."""
        if window == "10min":
            self._close(start_ns)
            return self._pst.get(start_ns) or {f"Pst{key[1:]}": None for key in self._keys}
        if window != "2h":
            return {}
        terms = [self._pst.get(start_ns + n * SHORT_TERM_NS, {}) for n in range(SHORT_TERMS)]
        return {f"Plt{k[1:]}": long_term_severity([term.get(f"Pst{k[1:]}") for term in terms]) for k in self._keys}

    def pinst(self) -> dict[str, float | None]:
        """{voltage: latest Pinst}, None before it has settled and without a fundamental."""
        result: dict[str, float | None] = dict.fromkeys(self._keys)
        if self._dark_s == 0.0:
            for meter, keys in self._meters:
                result.update((k, v if math.isfinite(v) else None) for k, v in zip(keys, meter.pinst(), strict=True))
        return result

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        """Take the samples of windows."""
        whole = [data for data in windows if data.measurement.window == "10/12-cycle"]
        if whole:
            self._keys = self._keys or tuple(channel.key for channel in whole[0].channels if channel.unit == "V")
        for cycles, run in groupby(whole, lambda data: data.window.cycles if data.window.model is not None else 0):
            if cycles:
                self._dark_s = 0.0
                self._push(list(run), 60 if cycles == 12 else 50)
                continue
            for data in run:
                self._dark_s += data.window.end_s - data.window.start_s
                if self._dark_s > PST_SETTLING_S:
                    self._break()
                else:
                    self._push([data], self._mains)

    def _push(self, windows: list[WindowData], mains: Mains | None) -> None:
        if mains != self._mains and mains is not None:
            self._begin(windows[0], mains)
        for meter, keys in self._meters:
            taken = [self._fresh(windows, meter, number, key) for number, key in enumerate(keys)]
            meter.push([t.values for t in taken], [t.time_s for t in taken])
        for data in windows:
            self._note_tick(data)

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:  # noqa: ARG002
        """Samples are missing: what has been kept is of no use."""
        self._break()

    def on_restart(self) -> None:
        """Index and clock begin anew."""
        self._break()
        self._ticks.clear()

    def _begin(self, data: WindowData, mains: Mains) -> None:
        """Set up for the voltages that there are and their rates."""
        self._break()
        self._mains = mains
        groups: list[tuple[float, list[str]]] = []
        for key in self._keys:
            rate = data.samples(key, data.window.start_s, data.window.end_s).rate_hz
            for other, keys in groups:
                if abs(rate / other - 1.0) < SAME_RATE:
                    keys.append(key)
                    break
            else:
                groups.append((rate, [key]))
        self._meters = [
            (Flickermeter(len(keys), float(round(rate)), self._lamp, mains, floor_v=self._floor_v), keys)
            for rate, keys in groups
            if round(rate) >= LOWEST_RATE_HZ
        ]

    def _break(self) -> None:
        for meter, keys in self._meters:
            for number in range(len(keys)):
                meter.restart(number)
        self._next_index.clear()
        self._last_ns = None

    def _fresh(self, windows: list[WindowData], meter: Flickermeter, number: int, key: str) -> RawSamples:
        """Samples of a voltage that it has not had."""
        got = windows[0].samples(key, windows[0].window.start_s - REACH_S, windows[-1].window.end_s)
        known = self._next_index.get(key)
        skip = 0
        if known is not None:
            skip = min(max(known - got.first_index, 0), got.values.size)
            if got.first_index > known:
                meter.restart(number)
        self._next_index[key] = max(known or 0, got.first_index + got.values.size)
        return RawSamples(got.values[skip:], got.time_s + skip / got.rate_hz, got.rate_hz, got.first_index + skip)

    def _note_tick(self, data: WindowData) -> None:
        """Where a window passes a tick of UTC, end the interval there."""
        end_s = data.window.end_s
        end_ns = data.utc_ns_of(end_s)
        last_ns = self._last_ns if self._last_ns is not None else data.utc_ns_of(data.window.start_s)
        if end_ns < last_ns - CLOCK_STEP_S * 1e9:  # the host's clock was set back: its ticks come again
            self._ticks = {tick_ns: time_s for tick_ns, time_s in self._ticks.items() if tick_ns <= end_ns}
            self._pst = {start_ns: pst for start_ns, pst in self._pst.items() if start_ns + SHORT_TERM_NS <= end_ns}
            last_ns = end_ns
        tick_ns = end_ns // SHORT_TERM_NS * SHORT_TERM_NS
        if tick_ns > last_ns and tick_ns not in self._ticks:
            self._ticks = dict(list(self._ticks.items())[-2:])
            self._ticks[tick_ns] = end_s - (end_ns - tick_ns) * 1e-9
            self._close(tick_ns - SHORT_TERM_NS)
        self._last_ns = max(last_ns, end_ns)

    def _close(self, start_ns: int) -> None:
        """Work out the Pst of the interval that starts at a tick, once it is over (or all but over, when the
        samples have ended)."""
        begin_s = self._ticks.get(start_ns)
        if start_ns in self._pst or begin_s is None:
            return
        end_s = self._ticks.get(start_ns + SHORT_TERM_NS, begin_s + SHORT_TERM_S)
        steady = abs(end_s - begin_s - SHORT_TERM_S) <= CLOCK_STEP_S
        found: dict[str, float | None] = {f"Pst{key[1:]}": None for key in self._keys}
        for meter, keys in self._meters:
            for key, value in zip(keys, meter.pst(begin_s, end_s).tolist(), strict=True):
                found[f"Pst{key[1:]}"] = value if steady and math.isfinite(value) else None
        self._pst = dict(list(self._pst.items())[-2 * SHORT_TERMS :])
        self._pst[start_ns] = found
