"""From sample blocks to measurements: the one entry to the measurement engine.

blocks -> stream (segments, clock of each chip) -> windows (phase of the fundamental) -> waveform (resampled
coherently) -> spectrum (front end divided out) -> quantities -> Measurement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec, ChipSpec
from dsp.energy import EnergyMeter
from dsp.intake import Intake
from dsp.measurement import Band, Measurement
from dsp.observers import Observer, WindowData
from dsp.quantities import Quantities, QuantityTable
from dsp.short_record import short_window
from dsp.spectrum import FrontEnd, spectrum_of
from dsp.supply_terms import SupplyTerms
from dsp.waveform import Waveform, limits_of, points_for, take_waveform
from dsp.windows import Lost, Window, WindowMaker
from resources.systems import WiringSystem, phases_of

__all__ = ["Analyser", "ChannelSpec", "ChipSpec"]

NO_BAND = Band(0, 0, 0)


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
        self._limits = limits_of(self._channels)
        self._front_end = FrontEnd(self._channels)
        self._energy = EnergyMeter([str(p) for p in phases_of(system)])
        rows = {channel.key: row for row, channel in enumerate(self._channels)}
        self._terms = SupplyTerms(rows, [str(p) for p in phases_of(system)], nominal_voltage_v, signalling_hz)
        frequencies = ("Fqai", *(f"Fq{p}i" for p in phases_of(system)))
        self._table = QuantityTable(
            system,
            self._channels,
            demand_current_a=demand_current_a,
            further=(*frequencies, *self._energy.keys, *self._terms.keys),
        )
        self._points = points_for(max((chip.nominal_rate_hz for chip in self._chips), default=0.0))
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
        spec = self._chips[chip]
        if samples.ndim != 2 or samples.shape[1] != len(spec.channels):
            raise ValueError(f"Chip {chip} has {len(spec.channels)} channels; give samples as [n, channels].")
        if samples.shape[0] == 0:
            return
        self._intake.push(chip, int(first_index), samples, device_time_us, int(utc_ns))

    def pull(self) -> list[Measurement]:
        """All windows that are complete, oldest first. Call it after every few blocks: a chip keeps 5 s at most."""
        if not (self._left_over or self._intake.due(self._windows.needed_s)):
            return []
        self._intake.join()
        return self._drain(final=False)

    def finish(self) -> list[Measurement]:
        """End of a record: the windows that remain.

        Less than a window stays over, which the standard's windows leave out. Where there never was a full window,
        the whole cycles there are give one measurement, "record", with the flag "short".
        """
        self._intake.join()
        for stream in self._windows.streams:
            stream.flush()
        results = self._drain(final=True)
        gap = self._windows.open_gap()
        if gap is not None:
            results.append(self._gap(gap))
        rest = self._windows.rest()
        if not self._measured and rest is not None:
            with np.errstate(all="ignore"):
                window = short_window(self._windows.streams, self._channels, rest, self._windows.cycles_for)
                results.append(self._measure(window, "record", ("short",)))
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

    def _drain(self, *, final: bool) -> list[Measurement]:
        results, self._left_over = self._left_over, []
        self._intake.looked()
        with np.errstate(all="ignore"):
            while (interval := self._windows.next(final=final)) is not None:
                if isinstance(interval, Lost):
                    results.append(self._gap(interval))
                else:
                    results.append(self._measure(interval, "10/12-cycle", ()))
                    self._measured = True
        return results

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

    def _measure(self, window: Window, kind: str, flags: tuple[str, ...]) -> Measurement:
        duration = window.end_s - window.start_s
        locked = window.model is not None
        values: Mapping[str, float | None] = {}
        band, found, clipped = NO_BAND, None, 0
        if locked or "short" not in flags:
            waveform = self._take(window)
            spectrum = spectrum_of(waveform, self._front_end, duration, window.cycles if locked else 0)
            found = self._table.measure(spectrum)
            band = spectrum.band
            self._energy.add(found.powers, window.end_s - max(window.start_s, self._counted_s))
            self._counted_s = window.end_s
            terms = self._terms.numbers(found.values, spectrum)
            found.further[:] = (*self._frequencies(window), *self._energy.numbers, *terms)
            values = found.values
            clipped = waveform.clipped
            flags += self._flags(window, waveform, found)
        else:
            flags += ("no-fundamental",)
        measurement = Measurement(
            end_ns=self._intake.utc.utc_ns(window.end_s),
            start_s=self._intake.clock_s(window.start_s),
            end_s=self._intake.clock_s(window.end_s),
            system=self.system,
            window=kind,
            flags=flags,
            band=band,
            values=values,
            module=self._module,
            phasors=found.phasors if found else {},
            orders=found.orders if found else {},
            clock_ppm=self._clock_ppm(),
            samples_clipped=clipped,
        )
        if self._observers:
            data = WindowData(
                window, measurement, self._channels, self._places, self._windows.streams, self._intake.utc
            )
            for observer in self._observers:
                observer.on_window(data)
        return measurement

    def _take(self, window: Window) -> Waveform:
        parts = np.arange(self._points + 1) / self._points
        if window.model is None:
            instants = window.start_s + (window.end_s - window.start_s) * parts
        else:
            instants = window.model.times_after(window.start_s, window.cycles * parts)
        mean_hz = max(window.cycles, 1) / (window.end_s - window.start_s)
        return take_waveform(self._windows.streams, self._limits, instants, window.end_s, mean_hz)

    def _frequencies(self, window: Window) -> list[float]:
        """Fqai and Fqpi of each phase, by its voltage, else its current; NaN where there is none."""
        phases, own = phases_of(self.system), window.frequencies_hz
        if window.model is None:
            return [math.nan] * (1 + len(phases))
        mean = window.cycles / (window.end_s - window.start_s)
        return [mean, *(own.get(f"V{p}", own.get(f"I{p}", math.nan)) for p in phases)]

    def _flags(self, window: Window, waveform: Waveform, found: Quantities) -> tuple[str, ...]:
        """A current input is dead when its samples do not move (no load still shows noise); a voltage input also
        when it carries no fundamental while another one does."""
        flags = []
        if window.model is None:
            flags.append("no-fundamental")
        elif not window.synchronised:
            flags.append("unsynchronised")
        if any(stream.suspect(window.start_s, window.end_s) for stream in self._windows.streams):
            flags.append("suspect")
        if waveform.clipped:
            flags.append("clipped")
        voltages = [i for key, i in self._table.row.items() if key.startswith("V")]
        dark = found.lit[voltages].any() and not found.lit[voltages].all()
        if waveform.still.any() or dark:
            flags.append("dead-channel")
        return tuple(flags)

    def _clock_ppm(self) -> tuple[float, float] | None:
        clocks = [stream.clock for stream in self._windows.streams]
        if all(clock.exact for clock in clocks):
            return None
        return clocks[0].ppm, max(clock.uncertainty_ppm for clock in clocks)
