"""Observers of the windows: for what follows from more than one window (events, flicker) or from the samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.measurement import Measurement
from dsp.response import transfer
from dsp.stream import Source
from dsp.utc import UtcMap
from dsp.window import Window


class RawSamples(NamedTuple):
    """Samples of one channel as its chip took them, in V or A, before the front end is divided out.

    values: float64 [n], a view that holds until the observer returns. time_s: of the first sample, on the clock of
    the windows. rate_hz: the chip's own. first_index: the chip's number of the first sample, which goes on from window
    to window and jumps at gaps.
    """

    values: NDArray[np.float64]
    time_s: float
    rate_hz: float
    first_index: int


class WindowData:
    """One interval that the analyser has just measured.

    All times are seconds on the clock of the windows (the module's, from its first sample); it begins anew when the
    module restarts. measurement.window is "10/12-cycle", or "record" where a record is shorter than a window.
    """

    def __init__(
        self,
        window: Window,
        measurement: Measurement,
        channels: tuple[ChannelSpec, ...],
        places: Mapping[str, tuple[int, int]],
        sources: Sequence[Source],
        utc: UtcMap,
    ) -> None:
        self.window = window
        self.measurement = measurement
        self.channels = channels
        self._places = places
        self._sources = sources
        self._utc = utc

    def utc_ns_of(self, time_s: float) -> int:
        """UTC nanoseconds of a time; 0 where it is not known."""
        return self._utc.utc_ns(time_s)

    def gain_at(self, key: str, frequency_hz: float) -> complex:
        """Response of a front end, samples over terminals. Raises KeyError for a channel that is not there."""
        place = self._places[key]
        response = next(c.response for c in self.channels if self._places[c.key] == place)
        return complex(transfer(response, np.array([frequency_hz]))[0]) if response else 1.0 + 0.0j

    def samples(self, key: str, start_s: float, end_s: float) -> RawSamples:
        """Samples that cover [start_s, end_s], one beyond at either end, as far as they are there: unbroken, from two
        cycles before the window (unless the stream or what follows a gap begins later) to a little past its end.

        Raises KeyError for a channel that is not there."""
        chip, row = self._places[key]
        segment, earliest, clock = self._sources[chip]
        first = min(max(math.floor(clock.index_at(start_s)), earliest), segment.end)
        stop = max(min(math.ceil(clock.index_at(end_s)) + 1, segment.end), first)
        return RawSamples(segment.row(row, first, stop), clock.time_s(first), clock.rate_hz, first)


class Observer(Protocol):
    """Called by the analyser, in order of time, in the thread that pulls. Windows and gaps leave nothing out; at every
    full ten minutes of UTC a window begins before the end of the one before (Window.start_s tells)."""

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        """Intervals that follow each other were measured, one at least; together they cost an observer less. The first
        one gives the samples of all of them. What they give must not be kept."""

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:
        """Samples are missing (their number, over all chips): this interval was not measured."""

    def on_restart(self) -> None:
        """The module restarted: index and clock begin anew."""
