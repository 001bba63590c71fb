"""All that is measured of one source, from its samples: windows, aggregates, flicker and events, in order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dsp.aggregate import Aggregates
from dsp.analyser import Analyser, pull_analysers
from dsp.channels import ChipSpec
from dsp.events import Event, EventDetector
from dsp.flicker_filters import Lamp
from dsp.flicker_observer import FlickerObserver
from dsp.half_cycle import HalfCycleListener, HalfCycleMeter
from dsp.measurement import FLAGS, NO_BAND, WINDOWS, Measurement
from dsp.observers import Observer, WindowData
from dsp.ten_seconds import WHOLE_S, TenSecondFrequency, TenSeconds
from dsp.voltage_changes import VoltageChange, VoltageChangeDetector
from resources.event_thresholds import EventThresholds
from resources.systems import WiringSystem

Result = Measurement | Event | VoltageChange


class _Watch:
    """Observer that notes, for each window, the events in it and the 10 s that end in it."""

    def __init__(self, events: EventDetector) -> None:
        self._events = events
        self.frequency = TenSecondFrequency()
        self.seen: deque[tuple[Measurement, tuple[str, ...], list[TenSeconds]]] = deque()

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        for data in windows:
            present = self._events.active_between(data.window.start_s, data.window.end_s)
            whole = data.measurement.window == "10/12-cycle"
            self.seen.append((data.measurement, present, self.frequency.on_window(data) if whole else []))

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:
        del start_s, end_s, samples
        self.frequency.on_gap()

    def on_restart(self) -> None:
        self.frequency.on_gap()


class Monitor:
    """An Analyser with what follows from its windows and samples; the same calls, and events among the results.

    every: names of the intervals that are given (of WINDOWS; "record" always is). events: give dips, swells,
    interruptions and rapid voltage changes; windows and aggregates are flagged with them in any case. A window is
    flagged when an event lasts in it: all half-cycle values up to its end are known by then, so that no flag comes
    late. lamp: reference lamp of the flickermeter, None: by the nominal voltage. The rest as Analyser and
    EventDetector have it. Not safe for use from several threads.
    """

    def __init__(
        self,
        system: WiringSystem,
        chips: Sequence[ChipSpec],
        *,
        every: Collection[str] = WINDOWS,
        events: bool = True,
        nominal_frequency_hz: float | None = None,
        nominal_voltage_v: float = 230.0,
        demand_current_a: float | None = None,
        signalling_hz: float | None = None,
        lamp: Lamp | None = None,
        thresholds: EventThresholds | None = None,
        sliding_reference: bool = False,
        module: str | None = None,
    ) -> None:
        self._module = module
        self._every = frozenset(every) | {"record"}
        channels = [channel for chip in chips for channel in chip.channels]
        self._events = EventDetector(
            channels, nominal_voltage_v, thresholds=thresholds, sliding_reference=sliding_reference
        )
        self._changes = VoltageChangeDetector(
            nominal_voltage_v, nominal_frequency_hz=nominal_frequency_hz, thresholds=thresholds
        )
        self._give_events = events
        listeners: list[HalfCycleListener] = [self._events, *([self._changes] if events else [])]
        self._meter = HalfCycleMeter(channels, listeners, nominal_frequency_hz=nominal_frequency_hz)
        flicker = FlickerObserver(nominal_voltage_v, lamp=lamp)
        self._watch = _Watch(self._events)
        observers: list[Observer] = [self._meter, self._watch]
        if self._every & {"10min", "2h"}:
            observers.append(flicker)
        self._aggregates = Aggregates(system, flicker.values)
        self._aggregated = bool(self._every & {"150/180-cycle", "10min", "2h"})
        self._ten_second_flags: set[str] = set()
        self._last: Measurement | None = None
        self.analyser = Analyser(
            system,
            chips,
            nominal_frequency_hz=nominal_frequency_hz,
            nominal_voltage_v=nominal_voltage_v,
            demand_current_a=demand_current_a,
            signalling_hz=signalling_hz,
            module=module,
            observers=observers,
        )

    def push(
        self,
        chip: int,
        first_index: int,
        samples: NDArray[np.float32] | NDArray[np.float64],
        device_time_us: float,
        utc_ns: int,
    ) -> None:
        """Take the next block of one chip, as Analyser.push does."""
        self.analyser.push(chip, first_index, samples, device_time_us, utc_ns)

    def pull(self) -> list[Result]:
        """What is complete, in order of its end. Call it after every few blocks."""
        return self._given(self.analyser.pull())

    def finish(self) -> list[Result]:
        """End of a record: what remains; intervals and events under way are given as far as they came."""
        results: list[Measurement] = self._follow(self.analyser.finish())
        self._meter.finish()
        self._events.finish()
        tens = [self._ten_seconds(ten) for ten in self._watch.frequency.finish()]
        rest = self._aggregates.finish()
        return self._in_order([*results, *tens, *rest])

    def restart(self) -> None:
        """The module restarted: its index and clock begin anew; energies and aggregates go on."""
        self.analyser.restart()
        self._aggregates.restart()

    def _given(self, measurements: list[Measurement]) -> list[Result]:
        """What follows from a pull; events come with the windows that they are found in."""
        return self._in_order(self._follow(measurements)) if measurements else []

    def _follow(self, measurements: Iterable[Measurement]) -> list[Measurement]:
        """Measurements with the flags of their events, and what they complete."""
        results: list[Measurement] = []
        seen = self._watch.seen
        for measurement in measurements:
            if not seen or seen[0][0] is not measurement:  # a gap
                results.append(measurement)
                results += self._aggregates.add(measurement) if self._aggregated else []
                continue
            _, present, tens = seen.popleft()
            if present:
                together = {*present, *measurement.flags}
                measurement = replace(measurement, flags=tuple(flag for flag in FLAGS if flag in together))
            results.append(measurement)
            self._ten_second_flags.update(measurement.flags)
            self._last = measurement
            results += [self._ten_seconds(ten) for ten in tens]
            results += self._aggregates.add(measurement) if self._aggregated else []
        return results

    def _ten_seconds(self, ten: TenSeconds) -> Measurement:
        """A 10 s frequency with the flags of the windows in its interval, the last of which reaches into the next."""
        assert self._last is not None
        flags = self._ten_second_flags
        whole = ten.counted_s > 10.0 - WHOLE_S
        if ten.gap:
            flags.add("gap")
        elif not whole and "no-fundamental" not in flags:
            flags.add("short")
        self._ten_second_flags = set(self._last.flags)
        end_s = self._last.end_s - (self._last.end_ns - ten.end_ns) * 1e-9
        return Measurement(
            end_ns=ten.end_ns,
            start_s=end_s - ten.length_s,
            end_s=end_s,
            system=self.analyser.system,
            window="10s",
            flags=tuple(flag for flag in FLAGS if flag in flags),
            band=NO_BAND,
            values={"Fq10": ten.frequency_hz},
            module=self._module,
            completeness=1.0 if whole and not ten.gap else min(ten.counted_s / 10.0, 1.0),
        )

    def _in_order(self, measurements: list[Measurement]) -> list[Result]:
        results: list[Result] = [m for m in measurements if m.window in self._every]
        events: list[Event | VoltageChange] = [*self._events.take_events(), *self._changes.take_changes()]
        if self._give_events:
            results += events
        return sorted(results, key=_end_ns)


def pull_together(monitors: Sequence[Monitor]) -> list[list[Result]]:
    """`pull` of several modules: their windows are measured in one go, which costs less than one after another."""
    measured = pull_analysers([monitor.analyser for monitor in monitors])
    return [monitor._given(found) for monitor, found in zip(monitors, measured, strict=True)]


def _end_ns(result: Result) -> int:
    if isinstance(result, Measurement):
        return result.end_ns
    return result.start_ns + round(result.duration_s * 1e9)
