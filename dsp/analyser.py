"""From sample blocks to measurements: the one entry to the measurement engine.

blocks -> intake (joined) -> stream (segments, clock of each chip) -> windows (phase of the fundamental) -> waveform
(resampled coherently) -> spectrum (front end divided out) -> quantities (of several windows in one go) -> Measurement.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec, ChipSpec
from dsp.energy import EnergyMeter
from dsp.intake import Intake
from dsp.measurement import NO_BAND, Measurement
from dsp.observers import Observer, WindowData
from dsp.quantities import table_for
from dsp.short_record import short_window
from dsp.spectrum import FrontEnd
from dsp.supply_terms import SupplyTerms
from dsp.together import MOST_TOGETHER, Measured, Setup, Taken, fit_together, measure_together
from dsp.waveform import limits_of, points_for
from dsp.window import Window
from dsp.windows import Fitting, Lost, WindowMaker
from resources.systems import WiringSystem, phases_of

__all__ = ["Analyser", "ChannelSpec", "ChipSpec", "pull_analysers"]


class Analyser:
    """Measures windows of exactly 10 (50 Hz) or 12 (60 Hz) cycles, gapless, carried by the fundamental's phase.

    At every full ten minutes of UTC a window begins anew; it overlaps the one in progress, which is completed.

    A window comes out when samples have arrived to 2.5 cycles past its end. Without a fundamental between 42.5 and
    69 Hz windows last 200 ms and give what needs none. Missing samples give one measurement with the flag "gap" from
    the end of the last window to the start of the next. Not safe for use from several threads.

    nominal_frequency_hz: 50 or 60 decides between 10 and 12 cycles; None: the nearer to what is measured.
    nominal_voltage_v: declared voltage that events and deviations refer to.
    demand_current_a: maximum demand load current IL that TDD refers to; without it TDD is null.
    signalling_hz: frequency of mains signalling, below 3 kHz; without it there is no MSV.
    observers: told of every window, gap and restart, within pull, finish and restart.
    """

    def __init__(
        self,
        system: WiringSystem,
        chips: Sequence[ChipSpec],
        *,
        nominal_frequency_hz: float | None = None,
        nominal_voltage_v: float = 230.0,
        demand_current_a: float | None = None,
        signalling_hz: float | None = None,
        module: str | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.system: WiringSystem = system
        self.nominal_voltage_v = nominal_voltage_v
        self._module = module
        self._chips = tuple(chips)
        self._channels = tuple(channel for chip in self._chips for channel in chip.channels)
        self._observers = tuple(observers)
        self._places = {
            channel.key: (number, row) for number, chip in enumerate(chips) for row, channel in enumerate(chip.channels)
        }
        self._energy = EnergyMeter([str(p) for p in phases_of(system)])
        rows = {channel.key: row for row, channel in enumerate(self._channels)}
        self._terms = SupplyTerms(rows, [str(p) for p in phases_of(system)], nominal_voltage_v, signalling_hz)
        frequencies = ("Fqai", *(f"Fq{p}i" for p in phases_of(system)))
        self._table = table_for(
            system,
            self._channels,
            demand_current_a=demand_current_a,
            further=(*frequencies, *self._energy.keys, *self._terms.keys),
        )
        self._setup = Setup(
            self._table,
            FrontEnd(self._channels),
            tuple(len(chip.channels) for chip in self._chips),
            limits_of(self._channels),
            points_for(max((chip.nominal_rate_hz for chip in self._chips), default=0.0)),
        )
        self._voltages = [row for key, row in self._table.row.items() if key.startswith("V")]
        self._windows = WindowMaker(
            self._chips, nominal_frequency_hz, lambda time_s: self._intake.utc.tick_after(time_s)
        )
        self._intake = Intake(self._windows.streams)
        self._counted_s = -math.inf
        self._measured = False
        self._left_over: list[Measurement] = []

    def push(
        self,
        chip: int,
        first_index: int,
        samples: NDArray[np.float32] | NDArray[np.float64],
        device_time_us: float | None,
        utc_ns: int,
    ) -> None:
        """Take the next block of one chip: samples [n, channels] in V or A, with the module-clock time and the UTC
        of its first sample. A jump of first_index is a gap; so is a sample that is no finite number.

        device_time_us: None or NaN where the module tells no time. Where it never does, the rate comes from utc_ns,
        the host's time of arrival; `Measurement.clock_ppm` says how well it is known.

        Raises ValueError where the shape does not fit the chip."""
        channels = self._setup.chips[chip]
        if samples.ndim != 2 or samples.shape[1] != channels:
            raise ValueError(f"Chip {chip} has {channels} channels; give samples as [n, channels].")
        if not len(samples):
            return
        self._intake.push(chip, int(first_index), samples, device_time_us, int(utc_ns))

    def pull(self) -> list[Measurement]:
        """All windows that are complete, oldest first. Call it after every few blocks: a chip keeps 5 s at most."""
        return _drain([self], final=False)[0] if self._begin_pull() else []

    def finish(self) -> list[Measurement]:
        """End of a record: the windows that remain.

        Less than a window stays over, which the standard's windows leave out. Where there never was a full window,
        the whole cycles there are give one measurement, "record", with the flag "short".
        """
        self._intake.join()
        for stream in self._windows.streams:
            stream.flush()
        results = _drain([self], final=True)[0]
        gap = self._windows.open_gap()
        if gap is not None:
            results.append(self._gap(gap))
        rest = self._windows.rest()
        if not self._measured and rest is not None:
            with np.errstate(all="ignore"):
                window = short_window(self._windows.streams, self._channels, rest, self._windows.cycles_for)
                taken = self._take(window, "record", ("short",))
                results += self._give([taken], iter(measure_together([taken])))
        return results

    def restart(self) -> None:
        """The module restarted: its index and clock begin anew; energies go on. The window that was begun is lost."""
        self._intake.join()
        rest = self._windows.rest()
        if rest is not None:
            self._left_over.append(self._gap(Lost(*rest, 0)))
        for observer in self._observers:
            observer.on_restart()
        self._windows.clear()
        self._intake.clear()
        self._counted_s = -math.inf

    def _begin_pull(self) -> bool:
        """Bring blocks that wait into the streams; False where nothing can come of it yet."""
        if not (self._left_over or self._intake.due(self._windows.needed_s)):
            return False
        self._intake.join()
        self._intake.looked()
        return True

    def _next_intervals(self, *, final: bool) -> Fitting[list[Taken | Lost]]:
        """The next windows, MOST_TOGETHER at most, and gaps; in order."""
        found: list[Taken | Lost] = []
        while len(found) < MOST_TOGETHER:
            interval = yield from self._windows.next(final=final)
            if interval is None:
                break
            if isinstance(interval, Lost):
                found.append(interval)
            else:
                self._measured = True
                found.append(self._take(interval, "10/12-cycle", ()))
        return found

    def _gap(self, lost: Lost) -> Measurement:
        for observer in self._observers:
            observer.on_gap(lost.start_s, lost.end_s, lost.samples)
        return Measurement(
            end_ns=self._intake.utc.utc_ns(lost.end_s),
            start_s=self._intake.clock_s(lost.start_s),
            end_s=self._intake.clock_s(lost.end_s),
            system=self.system,
            window="10/12-cycle",
            flags=("gap",),
            band=NO_BAND,
            values=self._energy.registers(),
            module=self._module,
            samples_lost=lost.samples,
        )

    def _take(self, window: Window, kind: str, flags: tuple[str, ...]) -> Taken:
        """A window with its samples, which hold until more are pushed."""
        sources = [(stream.segments[0], stream.segments[0].first, stream.clock) for stream in self._windows.streams]
        return Taken(self._setup, window, kind, flags, sources, window.model is not None or "short" not in flags)

    def _give(self, series: Sequence[Taken | Lost], found: Iterator[Measured | None]) -> list[Measurement]:
        """The measurements of windows and gaps; observers are told."""
        results: list[Measurement] = []
        windows: list[tuple[Taken, Measurement]] = []
        for interval in series:
            if isinstance(interval, Lost):
                self._tell(windows)
                windows = []
                results.append(self._gap(interval))
            else:
                results.append(self._measurement(interval, next(found)))
                windows.append((interval, results[-1]))
        self._tell(windows)
        return results

    def _measurement(self, taken: Taken, found: Measured | None) -> Measurement:
        window, flags = taken.window, taken.flags
        values: Mapping[str, float | None] = {}
        band, clipped = NO_BAND, 0
        quantities = None
        if found is not None:
            quantities, band, clipped = found.quantities, found.spectrum.band, found.clipped
            self._energy.add(quantities.powers, window.end_s - max(window.start_s, self._counted_s))
            self._counted_s = window.end_s
            terms = self._terms.numbers(quantities.values, found.spectrum)
            quantities.further[:] = (*self._frequencies(window), *self._energy.numbers, *terms)
            values = quantities.values
            flags += self._flags(window, found)
        else:
            flags += ("no-fundamental",)
        return Measurement(
            end_ns=self._intake.utc.utc_ns(window.end_s),
            start_s=self._intake.clock_s(window.start_s),
            end_s=self._intake.clock_s(window.end_s),
            system=self.system,
            window=taken.kind,
            flags=flags,
            band=band,
            values=values,
            module=self._module,
            phasors=quantities.phasors if quantities else {},
            orders=quantities.orders if quantities else {},
            clock_ppm=self._clock_ppm(),
            samples_clipped=clipped,
        )

    def _tell(self, windows: Sequence[tuple[Taken, Measurement]]) -> None:
        """Tell the observers of windows that follow each other."""
        if not (windows and self._observers):
            return
        utc = self._intake.utc
        told = [
            WindowData(taken.window, measurement, self._channels, self._places, taken.sources, utc)
            for taken, measurement in windows
        ]
        for observer in self._observers:
            observer.on_windows(told)

    def _frequencies(self, window: Window) -> list[float]:
        """Fqai and Fqpi of each phase, by its voltage, else its current; NaN where there is none."""
        phases, own = phases_of(self.system), window.frequencies_hz
        if window.model is None:
            return [math.nan] * (1 + len(phases))
        mean = window.cycles / (window.end_s - window.start_s)
        return [mean, *(own.get(f"V{p}", own.get(f"I{p}", math.nan)) for p in phases)]

    def _flags(self, window: Window, found: Measured) -> tuple[str, ...]:
        """A current input is dead when its samples do not move (no load still shows noise); a voltage input also
        when it carries no fundamental while another input does."""
        flags = []
        if window.model is None:
            flags.append("no-fundamental")
        elif not window.synchronised:
            flags.append("unsynchronised")
        if any(stream.suspect(window.start_s, window.end_s) for stream in self._windows.streams):
            flags.append("suspect")
        if found.clipped:
            flags.append("clipped")
        lit = found.quantities.lit[self._voltages].tolist()
        if found.still.any() or (window.model is not None and lit and not all(lit)):
            flags.append("dead-channel")
        return tuple(flags)

    def _clock_ppm(self) -> tuple[float, float] | None:
        clocks = [stream.clock for stream in self._windows.streams]
        if all(clock.exact for clock in clocks):
            return None
        return clocks[0].ppm, max(clock.uncertainty_ppm for clock in clocks)


def pull_analysers(analysers: Sequence[Analyser]) -> list[list[Measurement]]:
    """`pull` of several analysers: windows of the same kind of module are measured in one go, which costs less."""
    ready = [analyser for analyser in analysers if analyser._begin_pull()]
    if not ready:
        return [[] for _ in analysers]
    results = dict(zip(map(id, ready), _drain(ready, final=False), strict=True))
    return [results.get(id(analyser), []) for analyser in analysers]


def _drain(analysers: Sequence[Analyser], *, final: bool) -> list[list[Measurement]]:
    """All that is complete, by analyser."""
    results = []
    for analyser in analysers:
        results.append(analyser._left_over)
        analyser._left_over = []
    going = list(range(len(analysers)))
    with np.errstate(all="ignore"):
        while going:
            intervals = fit_together([analysers[i]._next_intervals(final=final) for i in going])
            found = iter(measure_together([of for series in intervals for of in series if isinstance(of, Taken)]))
            for i, series in zip(going, intervals, strict=True):
                results[i] += analysers[i]._give(series, found)
            going = [i for i, series in zip(going, intervals, strict=True) if len(series) >= MOST_TOGETHER]
    return results
