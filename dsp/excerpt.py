"""Waveform excerpt of an event: the samples of all channels about its start and its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dsp.observers import WindowData

BEFORE_CYCLES = 2.0
AFTER_CYCLES = 5.0
"""An excerpt holds so much before and after the start, and again about the end: 14 cycles at most, however long the
event lasts."""


@dataclass(frozen=True)
class Trace:
    """Unbroken samples of one channel as its chip took them: float32 [n], V or A. start_ns: UTC of the first."""

    key: str
    start_ns: int
    rate_hz: float
    values: NDArray[np.float32]


@dataclass
class _Stretch:
    """An interval to be taken, and what was taken of it: {channel: (start_ns, rate, next index, pieces)}."""

    start_s: float
    end_s: float
    taken: dict[str, tuple[int, float, int, list[NDArray[np.float32]]]] = field(default_factory=dict)


class ExcerptTaker:
    """Collects one event's excerpt window by window."""

    def __init__(self, keys: Sequence[str], start_s: float, cycle_s: float) -> None:
        self._keys = tuple(keys)
        self._stretches = [_Stretch(start_s - BEFORE_CYCLES * cycle_s, start_s + AFTER_CYCLES * cycle_s)]

    def end_at(self, end_s: float, cycle_s: float) -> None:
        """The event ended: its end is wanted too, joined to the start where they meet."""
        begin, until = end_s - BEFORE_CYCLES * cycle_s, end_s + AFTER_CYCLES * cycle_s
        if begin <= self._stretches[-1].end_s:
            self._stretches[-1].end_s = max(self._stretches[-1].end_s, until)
        else:
            self._stretches.append(_Stretch(begin, until))

    def take(self, data: WindowData) -> bool:
        """Take what this window has of it; True when nothing more is wanted of later windows."""
        until = data.window.end_s
        for stretch in self._stretches:
            for key in self._keys:
                self._take(data, stretch, key, min(stretch.end_s, until))
        return until >= self._stretches[-1].end_s

    @staticmethod
    def _take(data: WindowData, stretch: _Stretch, key: str, until_s: float) -> None:
        known = stretch.taken.get(key)
        if known is not None and stretch.end_s < data.window.start_s:
            return
        raw = data.samples(key, stretch.start_s, until_s)
        if known is None:
            if raw.values.size:
                stop = raw.first_index + raw.values.size
                pieces = [raw.values.astype(np.float32)]
                stretch.taken[key] = (data.utc_ns_of(raw.time_s), raw.rate_hz, stop, pieces)
            return
        start_ns, rate, following, pieces = known
        skip = following - raw.first_index
        if 0 <= skip < raw.values.size:
            pieces.append(raw.values[skip:].astype(np.float32))
            stretch.taken[key] = (start_ns, rate, raw.first_index + raw.values.size, pieces)

    def traces(self) -> tuple[Trace, ...]:
        """What was taken: channel after channel about the start, then about the end."""
        return tuple(
            Trace(key, start_ns, rate, np.concatenate(pieces))
            for stretch in self._stretches
            for key, (start_ns, rate, _, pieces) in stretch.taken.items()
        )
