"""Runs the analyser with half-cycle values, events and rapid voltage changes over a signal in closed form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.events import Event, EventDetector
from dsp.half_cycle import HalfCycleMeter, HalfCycles
from dsp.measurement import Measurement
from dsp.voltage_changes import VoltageChange, VoltageChangeDetector
from resources.event_thresholds import EventThresholds
from resources.systems import WiringSystem, channels_of
from tests.fakes.mains_signal import Chip, blocks


def chips_of(system: WiringSystem, rate_hz: float, ppm: tuple[float, ...] = (0.0, 0.0, 0.0)) -> list[Chip]:
    """A chip a phase; the neutral current is on the last one."""
    keys = channels_of(system)
    chips = []
    for number in range(3 if "V2" in keys else 1):
        own = [key for key in keys if key[1:] == str(number + 1)]
        chips.append(Chip(tuple(own), rate_hz, ppm[number], skew_s=60e-6 * number))
    if "IN" in keys:
        chips[-1].keys = (*chips[-1].keys, "IN")
    return chips


@dataclass
class Outcome:
    events: list[Event]
    changes: list[VoltageChange]
    measurements: list[Measurement]
    flagged: list[tuple[Measurement, tuple[str, ...]]]
    half_cycles: list[HalfCycles]

    def series(self, key: str) -> tuple[np.ndarray, np.ndarray]:
        """Ends and values of one channel, gaps left out."""
        found = [v for v in self.half_cycles if key in v.keys and v.rms.shape[1]]
        ends = np.concatenate([v.ends_s[v.keys.index(key)] for v in found])
        rms = np.concatenate([v.rms[v.keys.index(key)] for v in found])
        return ends[np.isfinite(rms)], rms[np.isfinite(rms)]


@dataclass
class Recorder:
    """Listener that keeps everything."""

    detector: EventDetector
    values: list[HalfCycles] = field(default_factory=list)
    flags: list[tuple[str, ...]] = field(default_factory=list)
    windows: list[Measurement] = field(default_factory=list)

    def on_half_cycles(self, values, data) -> None:
        self.values.append(values)
        self.windows.append(data.measurement)
        self.flags.append(self.detector.active_between(data.window.start_s, data.window.end_s))

    def on_gap(self, start_s, /) -> None:
        pass

    def on_restart(self) -> None:
        pass


class Bench:
    """An analyser with its observers, to be fed block by block."""

    def __init__(
        self,
        chips: list[Chip],
        system: WiringSystem = "3P",
        *,
        thresholds: EventThresholds | None = None,
        sliding_reference: bool = False,
        nominal_frequency_hz: float | None = None,
        currents: bool = False,
        response=(),
    ) -> None:
        specs = [
            ChipSpec(c.rate_hz, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A", 1000.0, response) for k in c.keys))
            for c in chips
        ]
        channels = [channel for spec in specs for channel in spec.channels]
        self.events = EventDetector(channels, 230.0, thresholds=thresholds, sliding_reference=sliding_reference)
        self.changes = VoltageChangeDetector(230.0, nominal_frequency_hz=nominal_frequency_hz, thresholds=thresholds)
        self.recorder = Recorder(self.events)
        self.meter = HalfCycleMeter(
            channels,
            [self.events, self.changes, self.recorder],
            nominal_frequency_hz=nominal_frequency_hz,
            currents=currents,
        )
        self.analyser = Analyser(system, specs, nominal_frequency_hz=nominal_frequency_hz, observers=[self.meter])
        self.measurements: list[Measurement] = []

    def feed(self, stream: Iterable) -> None:
        for number, block in enumerate(stream):
            self.analyser.push(*block)
            if number % 8 == 0:
                self.measurements += self.analyser.pull()

    def finish(self) -> Outcome:
        self.measurements += self.analyser.finish()
        self.meter.finish()
        self.events.finish()
        flagged = list(zip(self.recorder.windows, self.recorder.flags, strict=True))
        return Outcome(
            self.events.take_events(), self.changes.take_changes(), self.measurements, flagged, self.recorder.values
        )


def measure(
    mains, seconds: float, system: WiringSystem = "3P", rate_hz: float = 4000.0, ppm=(0.0, 0.0, 0.0), **options
):
    """Run a whole signal through; options as of Bench. Blocks hold 0.1 s."""
    chips = chips_of(system, rate_hz, ppm)
    bench = Bench(chips, system, **options)
    bench.feed(blocks(mains, chips, seconds, block=int(rate_hz / 10)))
    return bench.finish()
