"""The way of blocks into the streams: taken at once, but joined and timed only when a window may come of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.stream import Block, ChipStream
from dsp.utc import UtcMap

LONGEST_WAIT_S = 0.5
"""Samples that wait longer are joined whether a window comes of them or not."""
SLACK_S = 1e-3
"""The end of what waits is looked for so much earlier, and by what the clock's rate is uncertain."""


class Intake:
    """Blocks of all chips that wait, and the origin of the times: that of the first block. utc: of those times."""

    def __init__(self, streams: Sequence[ChipStream]) -> None:
        self._streams = streams
        self._most = [int(LONGEST_WAIT_S * stream.clock.nominal_rate_hz) for stream in streams]
        self.clear()

    def clear(self) -> None:
        """The module restarted: forget what waits, and the times."""
        self.utc = UtcMap()
        self._origin_us: float | None = None
        self._origin_utc_ns: int | None = None
        self._next: list[int | None] = [None] * len(self._streams)
        self._forget_blocks()
        self._fresh = False  # what was joined has not been looked at

    def _forget_blocks(self) -> None:
        self._blocks: list[list[Block]] = [[] for _ in self._streams]
        self._counts = [0] * len(self._streams)
        self._told: list[tuple[int, int]] = []  # chip and UTC of each block, in order

    def push(
        self,
        chip: int,
        first_index: int,
        samples: NDArray[np.float32] | NDArray[np.float64],
        device_time_us: float | None,
        utc_ns: int,
    ) -> None:
        """Take a copy of a block as `Analyser.push` has it; none of 0 samples."""
        time_s = math.nan
        if device_time_us is not None and math.isfinite(device_time_us):
            if self._origin_us is None:
                self._origin_us = device_time_us
            time_s = (device_time_us - self._origin_us) * 1e-6
        if self._origin_utc_ns is None:
            self._origin_utc_ns = utc_ns
        count = len(samples)
        own = samples.astype(np.float64)
        self._blocks[chip].append(Block(first_index, own, time_s, (utc_ns - self._origin_utc_ns) * 1e-9))
        self._told.append((chip, utc_ns))
        self._counts[chip] += count
        if self._next[chip] != first_index or self._counts[chip] > self._most[chip]:
            self.join()
        self._next[chip] = first_index + count

    def due(self, until_s: float) -> bool:
        """Whether the streams have something new, or may reach until_s on all chips with what waits."""
        if self._fresh:
            return True
        for stream, count in zip(self._streams, self._counts, strict=True):
            clock = stream.clock
            if not stream.plain or not stream.segments:
                return bool(self._told)
            slack_s = SLACK_S + 1e-6 * clock.uncertainty_ppm * count / clock.rate_hz
            if clock.time_s(stream.segments[-1].end + count) < until_s - slack_s:
                return False
        return True

    def join(self) -> None:
        """Bring what waits into the streams."""
        if not self._told:
            return
        with np.errstate(all="ignore"):
            times = [
                iter(stream.push_together(blocks) if blocks else ())
                for stream, blocks in zip(self._streams, self._blocks, strict=True)
            ]
        for chip, utc_ns in self._told:
            self.utc.note(next(times[chip]), utc_ns)
        self._forget_blocks()
        self._fresh = True

    def looked(self) -> None:
        """Note that the streams were looked at."""
        self._fresh = False

    def clock_s(self, time_s: float) -> float:
        """A time of the windows on the module's clock."""
        return time_s + (self._origin_us or 0.0) * 1e-6
