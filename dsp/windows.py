"""Cuts the streams of all chips into windows of whole cycles, gapless, and tells what was lost between them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dsp.channels import ChipSpec
from dsp.fits_ahead import FitsAhead
from dsp.phase import HIGHEST_HZ, LOWEST_HZ, PhaseInput, PhaseModel, coarse_frequency
from dsp.phase_fit import AHEAD_CYCLES, KERNEL_CYCLES, FitTask, PhaseFit
from dsp.stream import ChipStream
from dsp.waveform import ROOM
from dsp.window import Window

Result = TypeVar("Result")
Fitting = Generator[Sequence[FitTask], Sequence[PhaseFit | None], Result]
"""Goes on when it is sent the fits that it asked for: so those of several modules can be made in one go."""

UNLOCKED_S = 0.2
"""Length of a window without a fundamental, and of the stretch that is searched for one."""
SHORTEST_SEARCH_S = 0.1
HISTORY_S = 0.12
"""Kept before a window for the phase fit of the next: 4.5 cycles."""
LAGGARD_S = 1.0
"""A chip whose samples end less than this after the oldest that the others still keep has fallen silent."""
SILENT_S = 4.0
"""A live chip of which nothing that counts comes while so much comes of it or another is waited for no longer: what the
others have is given up, and told as a gap."""
TICK_TOLERANCE_S = 1e-4
TICK_APART_S = 1.0
"""UTC ticks nearer to the last one are the same tick, of which the map from UTC changed its mind."""
UNSTEADY_RAD = 0.05
"""Rms deviation of the phase from the fit (3 degrees) above which a window counts as not synchronised."""


@dataclass(frozen=True)
class Lost:
    """An interval that cannot be measured because samples are missing (their number, over all chips)."""

    start_s: float
    end_s: float
    samples: int


@dataclass(frozen=True)
class _Member:
    """Channels of one chip that belong to a reference group."""

    chip: int
    rows: tuple[int, ...]
    floors: tuple[float, ...]


class WindowMaker:
    """State between windows: where the next one starts, and the phase model that predicts it."""

    def __init__(
        self,
        chips: Sequence[ChipSpec],
        nominal_frequency_hz: float | None,
        tick_after: Callable[[float], float],
    ) -> None:
        """tick_after: time of the first UTC tick past a time, at which windows begin anew."""
        self.streams = [ChipStream(c.nominal_rate_hz, len(c.channels), exact=c.exact) for c in chips]
        self._exact = all(c.exact for c in chips)
        self._nominal_hz = nominal_frequency_hz
        self._tick_after = tick_after
        self._groups: list[tuple[list[_Member], list[str]]] = []
        for unit in ("V", "A"):
            members, keys = [], []
            for number, chip in enumerate(chips):
                rows = tuple(i for i, c in enumerate(chip.channels) if c.unit == unit)
                if rows:
                    members.append(_Member(number, rows, tuple(chip.channels[i].floor for i in rows)))
                    keys += [chip.channels[i].key for i in rows]
            if members:
                self._groups.append((members, keys))
        self._reported = 0
        self._ahead = FitsAhead()
        self.clear()

    def clear(self) -> None:
        """Forget samples and phase: the module restarted."""
        for stream in self.streams:
            stream.clear()
        self._cursor: float | None = None
        self._gap_from: float | None = None
        self.needed_s = -np.inf  # until then samples are known to lack
        self._forget_silence()
        self._tick_s = -np.inf
        self._forget_phase()

    def _forget_phase(self) -> None:
        self._model: PhaseModel | None = None
        self._ahead.clear()
        self._settled = False
        self._group = 0
        self._cycles = 10

    def cycles_for(self, frequency_hz: float) -> int:
        """10 cycles in 50 Hz systems, 12 in 60 Hz systems (IEC 61000-4-30)."""
        nominal = self._nominal_hz if self._nominal_hz is not None else frequency_hz
        return 12 if nominal >= 55.0 else 10

    def next(self, *, final: bool = False) -> Fitting[Window | Lost | None]:
        """The next interval; None until more samples arrive. final: no more will, so do without those behind."""
        if any(stream.stepped for stream in self.streams):
            self._forget_times()
        if not self._exact and (silent := self._silent()):
            return self._give_up_waiting(silent)
        if not (final or self._worth_trying()):
            return None
        for stream in self.streams:
            if self._cursor is not None and stream.segments:
                stream.segments[0].forget_before(int(stream.clock.index_at(self._cursor - HISTORY_S)) - ROOM)
        while self.streams and all(stream.segments for stream in self.streams):
            if self._cursor is None:
                self._cursor = self._beginning()
                if self._cursor is None:
                    return None
                if self._gap_from is not None:
                    return self._lost(self._cursor)
            start, end = self.available()
            if start > self._cursor + self._half_sample_s():  # given up while another chip did not deliver
                self._give_up_laggards(start)
                continue
            if self._model is None:
                result = self._unlocked(end, final)
            else:
                result = yield from self._locked((start, end), final)
            if isinstance(result, float):
                if not self._ended(result):
                    self.needed_s = result
                    self._ahead.drop()  # clocks may be corrected meanwhile
                    return None
                self._lose(result)
            elif result is not None:
                self._cursor = self._start_after(result)
                self.needed_s = -np.inf
                return result
        return None

    def _start_after(self, window: Window) -> float:
        """Where the next window starts: at the end of this one, or at the UTC tick within it (IEC 61000-4-30, 4.5.2:
        the interval in progress at the tick is completed, the next begins at the tick and overlaps it)."""
        tick = self._tick_after(max(window.start_s + TICK_TOLERANCE_S, self._tick_s + TICK_APART_S))
        if tick > window.end_s + TICK_TOLERANCE_S:
            return window.end_s
        self._tick_s = tick
        return min(tick, window.end_s)

    def _forget_silence(self) -> None:
        # Samples received of every chip when the last that counts came of each.
        self._heard = [[stream.received for stream in self.streams] for _ in self.streams]
        self._taken = [stream.taken for stream in self.streams]

    def _silent(self) -> list[ChipStream]:
        """Chips of which nothing came while SILENT_S came of another, since the last gap was told."""
        received = [stream.received for stream in self.streams]
        silent: list[ChipStream] = []
        for number, (stream, heard) in enumerate(zip(self.streams, self._heard, strict=True)):
            if stream.taken != self._taken[number]:
                self._heard[number], self._taken[number] = received, stream.taken
            elif any(
                n - m > SILENT_S * s.clock.nominal_rate_hz
                for n, m, s in zip(received, heard, self.streams, strict=True)
            ):
                silent.append(stream)
        return silent

    def _give_up_waiting(self, silent: Sequence[ChipStream]) -> Lost:
        """The gap so far, because chips are silent; it goes on from there."""
        there = [stream for stream in self.streams if stream.segments]
        if self._gap_from is None:
            self._gap_from = self._cursor
        if self._gap_from is None:
            self._gap_from = min(span[0] for span in self._spans())
        end = max(span[1] for span in self._spans())
        self._cursor = None
        self.needed_s = -np.inf
        self._forget_phase()
        for stream in there:
            if stream in silent:
                stream.segments.clear()
            else:
                stream.segments[0].forget_before(int(stream.clock.index_at(end)))
        self._forget_silence()
        lost = self._lost(end)
        self._gap_from = end
        return lost

    def _forget_times(self) -> None:
        """A clock was set: what was planned by it no longer holds; windows begin anew behind a gap."""
        for stream in self.streams:
            stream.stepped = False
        if self._gap_from is None:
            self._gap_from = self._cursor
        self._cursor = None
        self.needed_s = self._tick_s = -np.inf
        self._forget_phase()

    def _worth_trying(self) -> bool:
        """False, at little cost, while the samples known to be lacking have not come and none are missing."""
        for stream in self.streams:
            if not stream.segments:
                return False
            segment = stream.segments[0]
            if segment.closed:
                return True
            if stream.clock.time_s(segment.end) < self.needed_s:
                return False
        return True

    def available(self) -> tuple[float, float]:
        """Interval that the first segments of all chips cover (s), to one period past the last sample."""
        return (
            max(s.clock.time_s(s.segments[0].first) for s in self.streams),
            min(s.clock.time_s(s.segments[0].end) for s in self.streams),
        )

    def rest(self) -> tuple[float, float] | None:
        """What is there but in no window yet (s); None where nothing is."""
        if not self.streams or not all(stream.segments for stream in self.streams):
            return None
        start, end = self.available()
        if self._cursor is not None:
            start = max(start, self._cursor)
        return (start, end) if end > start else None

    def open_gap(self) -> Lost | None:
        """The interval since the last window when samples are missing and no window followed."""
        spans = self._spans()
        if self._gap_from is None and self._cursor is None and not all(stream.segments for stream in self.streams):
            self._gap_from = min((span[0] for span in spans), default=None)  # a chip never delivered
        if self._gap_from is None:
            return None
        end = max((span[1] for span in spans), default=self._gap_from)
        told = end <= self._gap_from and sum(stream.lost for stream in self.streams) == self._reported
        return None if told else self._lost(end)

    def _spans(self) -> list[tuple[float, float]]:
        """What came of each chip of which anything came, from and to (s)."""
        return [span for stream in self.streams if (span := stream.span_s) is not None]

    def _lost(self, end_s: float) -> Lost:
        start = end_s if self._gap_from is None else min(self._gap_from, end_s)
        self._gap_from = None
        total = sum(stream.lost for stream in self.streams)
        samples, self._reported = total - self._reported, total
        return Lost(start, end_s, samples)

    def _half_sample_s(self) -> float:
        return 0.5 / min(stream.clock.rate_hz for stream in self.streams)

    def _beginning(self) -> float | None:
        """Where all chips have samples; None while one of them has not."""
        while True:
            start = self.available()[0]
            spent = [s for s in self.streams if s.clock.time_s(s.segments[0].end) <= start]
            if not spent:
                break
            for stream in spent:
                if not stream.segments[0].closed or len(stream.segments) < 2:
                    return None
                stream.segments.popleft()
        margin = 0.0 if self._exact else max((ROOM + 1) / s.clock.rate_hz for s in self.streams)
        return start + margin

    def _ended(self, needed_s: float) -> bool:
        return any(s.segments[0].closed and s.clock.time_s(s.segments[0].end) < needed_s for s in self.streams)

    def _lose(self, needed_s: float) -> None:
        """Give up the window that was begun, and the closed segments that end before needed_s."""
        if self._gap_from is None:
            self._gap_from = self._cursor
        self._cursor = None
        self.needed_s = -np.inf
        self._forget_phase()
        for stream in self.streams:
            if stream.segments[0].closed and stream.clock.time_s(stream.segments[0].end) < needed_s:
                stream.segments.popleft()

    def _give_up_laggards(self, start_s: float) -> None:
        for stream in self.streams:
            if stream.clock.time_s(stream.segments[0].end) < start_s + LAGGARD_S:
                stream.segments[0].closed = True
        self._lose(start_s + LAGGARD_S)

    def _inputs(self, group: int) -> list[PhaseInput]:
        return [
            PhaseInput(self.streams[m.chip].segments[0], self.streams[m.chip].clock, m.rows, m.floors)
            for m in self._groups[group][0]
        ]

    def _stretches(self, fit: PhaseFit) -> tuple[float, ...]:
        of_chip = dict(zip((m.chip for m in self._groups[self._group][0]), fit.stretches, strict=True))
        return tuple(of_chip.get(chip, 1.0) for chip in range(len(self.streams)))

    def _fits(self, end_s: float, available_s: float, final: bool) -> bool:
        """Whether a window can end at end_s: with the resampler's margin behind it, or, where a file or the delivery
        ends, to half a sample."""
        if end_s + (ROOM + 1) * 2.0 * self._half_sample_s() <= available_s:
            return True
        return final and end_s <= available_s + self._half_sample_s()

    def _unlocked(self, available_s: float, final: bool) -> Window | float | None:
        """Search for a fundamental. None: found. A window of 200 ms: not found. A time: until which samples lack."""
        assert self._cursor is not None
        needed = self._cursor + UNLOCKED_S
        length = min(UNLOCKED_S, available_s - self._cursor)
        complete = available_s >= needed - self._half_sample_s()
        if not complete and not (length >= SHORTEST_SEARCH_S and (final or self._ended(needed))):
            return needed
        for group in range(len(self._groups)):
            frequency = coarse_frequency(self._inputs(group), self._cursor, length)
            if frequency is not None:
                self._model = PhaseModel.of_frequency(self._cursor, frequency)
                self._group, self._settled = group, False
                self._cycles = self.cycles_for(frequency)
                return None
        return self._free_window(available_s, final)

    def _free_window(self, available_s: float, final: bool) -> Window | float:
        assert self._cursor is not None
        end = self._cursor + UNLOCKED_S
        over = final or self._ended(end + (ROOM + 1) * 2.0 * self._half_sample_s())
        if not self._fits(end, available_s, over):
            return end + (ROOM + 1) * 2.0 * self._half_sample_s()
        return Window(self._cursor, end, self.cycles_for(50.0), None, {}, False)

    def _locked(self, available_s: tuple[float, float], final: bool) -> Fitting[Window | float | None]:
        """The next window by the phase; a time until which samples lack; None when the group was changed."""
        assert self._cursor is not None
        assert self._model is not None
        if self._group > 0:
            frequency = coarse_frequency(self._inputs(0), self._cursor, UNLOCKED_S)
            if frequency is not None:  # the voltages are back
                self._group, self._settled = 0, False
                self._ahead.clear()
                self._model = PhaseModel.of_frequency(self._cursor, frequency)
        end = self._model.time_after(self._cursor, self._cycles)
        cycle = (end - self._cursor) / self._cycles
        needed = end + (AHEAD_CYCLES + KERNEL_CYCLES) * cycle
        over = final or self._ended(needed)
        if available_s[1] < needed and not over:
            return needed
        fit: PhaseFit | None = None
        for _ in range(2 if self._settled else 4):
            made = self._ahead.take(self._cursor, cycle)
            if made is None:
                inputs = self._inputs(self._group)
                tasks = [FitTask(inputs, self._model, self._cursor, end, available_s)]
                if self._settled:
                    tasks = self._ahead.foresee(tasks[0], self._cycles, available_s[1] - (needed - end))
                fits = yield tasks
                self._ahead.keep(tasks, fits)
                made = tasks[0], fits[0]
            task, fit = made
            if fit is None:
                return needed
            before = task.model.frequency_hz(0.5 * (task.start_s + task.end_s))
            middle = fit.model.frequency_hz(0.5 * (self._cursor + end))
            if not (fit.present and LOWEST_HZ <= middle <= HIGHEST_HZ):
                self._forget_phase()
                return self._free_window(available_s[1], final)
            self._model = fit.model
            end = fit.model.time_after(self._cursor, self._cycles)
            if abs(middle - before) < 2e-4 * middle:
                break
            self._ahead.clear()
        assert fit is not None
        self._settled = True
        if not self._fits(end, available_s[1], over):
            return needed
        return Window(
            self._cursor,
            end,
            self._cycles,
            fit.model,
            dict(zip(self._groups[self._group][1], fit.frequencies_hz, strict=True)),
            fit.residual_rad <= UNSTEADY_RAD and fit.support >= 0.5,
            self._stretches(fit),
        )
