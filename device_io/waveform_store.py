"""The last minutes of a module's waveforms, calibrated, on one clock: written by the link, read by everybody."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from device_io.chip_clock import ChipClock
from device_io.ring_buffer import LEVEL, ChipRing, FloatArray
from device_io.source import ChipInfo, ModuleInfo, SampleBlock
from device_io.utc_map import UtcMap

_STAMPS_USED = 8
"""Time stamps of a run that are looked at, spread evenly."""
_GAPS_KEPT = 4096
"""Gaps remembered a chip; older ones are forgotten first (their samples stay missing)."""


@dataclass(frozen=True)
class Trace:
    """One channel in a window of time.

    time_s: float64 [m], ascending, seconds of the store's clock. value: float32 [m], volts or amperes; NaN where
    samples are missing. envelope False: every point is a sample. envelope True: points 2j and 2j+1 are the extremes
    of bin j in the order in which a polyline meets them, both at the bin's centre; low, high: float32 [m / 2].
    """

    key: str
    time_s: NDArray[np.float64]
    value: FloatArray
    envelope: bool
    low: FloatArray | None = None
    high: FloatArray | None = None


class _Chip:
    """Ring and clock of one front-end chip. Position = index of the module + offset, which changes at a restart."""

    def __init__(self, info: ChipInfo, seconds: float) -> None:
        self.info = info
        self.rate_hz = info.nominal_rate_hz
        self.ring = ChipRing(len(info.channels), math.ceil(seconds * info.nominal_rate_hz))
        self.clock = ChipClock(info.nominal_rate_hz)
        self.scale = np.array([[channel.unit_per_count] for channel in info.channels], np.float32)
        self.offset: int | None = None
        self.gaps: deque[tuple[int, int]] = deque(maxlen=_GAPS_KEPT)

    @property
    def filled(self) -> bool:
        return self.ring.end > self.ring.start


class WaveformStore:
    """Thread-safe ring of the last `seconds` of all channels, with visible gaps.

    Time is float64 seconds on the module's clock, 0 = the first sample stored. Memory is claimed as the ring fills
    (7 channels at 4 ksps, 600 s: 70 MB) and constant from then on. A module that restarted goes on in the same store
    after `restart`.
    """

    def __init__(self, info: ModuleInfo, seconds: float = 600.0) -> None:
        self._lock = threading.Lock()
        self._info = info
        self._chips = [_Chip(chip, seconds) for chip in info.chips]
        self._widths = {number: len(chip.channels) for number, chip in enumerate(info.chips)}
        self._utc = UtcMap()
        self._shift_s: float | None = None  # module's clock to the store's
        self._resume_s: float | None = None

    @property
    def info(self) -> ModuleInfo:
        """The module whose samples these are."""
        return self._info

    def append(self, blocks: Sequence[SampleBlock]) -> None:
        """Store blocks in order of arrival; samples that are there already, and unknown chips, are left out."""
        if not blocks:
            return
        with self._lock:
            if self._shift_s is None:
                first_us = min(block.device_time_us for block in blocks)
                self._shift_s = (self._resume_s or 0.0) - first_us * 1e-6
            runs: dict[int, list[SampleBlock]] = {}
            following: dict[int, int] = {}
            for block in blocks:
                number, first = block.chip, block.first_index
                n, width = block.counts.shape
                if self._widths.get(number) != width or not n:
                    continue
                run = runs.get(number)
                if run is None:
                    runs[number] = [block]
                elif first == following[number]:
                    run.append(block)
                else:
                    self._append_run(self._chips[number], run, self._shift_s)
                    runs[number] = [block]
                following[number] = first + n
            for number, run in runs.items():
                self._append_run(self._chips[number], run, self._shift_s)

    def _append_run(self, chip: _Chip, run: list[SampleBlock], shift_s: float) -> None:
        """Write blocks of one chip that follow each other without a gap."""
        first = run[0]
        counts = first.counts if len(run) == 1 else np.concatenate([block.counts for block in run])
        ring, clock = chip.ring, chip.clock
        if chip.offset is None:
            self._align(chip, first, shift_s)
        offset = chip.offset or 0
        position = first.first_index + offset
        if chip.filled and position < ring.end:
            counts = counts[ring.end - position :]
            if not len(counts):
                return
            position = ring.end
        if chip.filled and position > ring.end:
            chip.gaps.append((ring.end, position))
        ring.write(position, counts, chip.scale)
        self._observe(chip, run, offset, shift_s)
        last = run[-1]
        self._utc.observe(clock.time(ring.end), last.host_time_ns)

    @staticmethod
    def _observe(chip: _Chip, run: list[SampleBlock], offset: int, shift_s: float) -> None:
        """Tell the chip's clock the run's stamps: the median of their deviations, at the run's middle."""
        if len(run) == 1:
            chip.clock.observe(run[0].first_index + offset, run[0].device_time_us * 1e-6 + shift_s, 1)
            return
        some = run if len(run) <= _STAMPS_USED else run[:: len(run) // _STAMPS_USED]
        middle = some[len(some) // 2]
        first_us, first_index, period_us = middle.device_time_us, middle.first_index, chip.clock.period_s * 1e6
        deviations_us = sorted(
            (block.device_time_us - first_us) - (block.first_index - first_index) * period_us for block in some
        )
        time_s = (first_us + deviations_us[len(some) // 2]) * 1e-6 + shift_s
        chip.clock.observe(first_index + offset, time_s, len(some))

    @staticmethod
    def _align(chip: _Chip, first: SampleBlock, shift_s: float) -> None:
        """Fix how the module's index maps to positions: as it is at first; after a restart behind what is stored."""
        time_s = first.device_time_us * 1e-6 + shift_s
        position = first.first_index
        if chip.filled:
            chip.clock.pin(chip.ring.end)
            missing = (time_s - chip.clock.time(chip.ring.end)) * chip.rate_hz
            position = chip.ring.end + max(1, round(missing))
        chip.offset = position - first.first_index
        chip.clock.begin(position, time_s)

    def restart(self, info: ModuleInfo, elapsed_s: float) -> None:
        """The module restarted, its indices and clock begin anew: go on `elapsed_s` after the newest sample.

        elapsed_s: time on this computer's clock since the newest sample arrived.
        :raises ValueError: if the module's channels or rates are not those of this store; it takes a new store.
        """
        if [_shape(chip) for chip in info.chips] != [_shape(chip) for chip in self._info.chips]:
            raise ValueError("the module's channels changed: use a new store")
        with self._lock:
            latest_s = self._latest_s()
            self._info = info
            self._shift_s = None
            self._resume_s = None if latest_s is None else latest_s + max(elapsed_s, 0.0)
            for chip, chip_info in zip(self._chips, info.chips, strict=True):
                chip.info = chip_info
                chip.scale = np.array([[channel.unit_per_count] for channel in chip_info.channels], np.float32)
                chip.offset = None

    def latest_s(self) -> float | None:
        """Time of the newest sample of any chip; None while there is none."""
        with self._lock:
            return self._latest_s()

    def _latest_s(self) -> float | None:
        return max((chip.clock.time(chip.ring.end - 1) for chip in self._chips if chip.filled), default=None)

    def oldest_s(self) -> float | None:
        """Time of the oldest sample of any chip that is still stored; None while there is none."""
        with self._lock:
            return min((chip.clock.time(chip.ring.oldest) for chip in self._chips if chip.filled), default=None)

    def utc_ns(self, time_s: float) -> int | None:
        """UTC nanoseconds (as time.time_ns) at a time of the store, some 5 to 20 ms late; None while it is empty."""
        with self._lock:
            return self._utc.utc_ns(time_s)

    def gaps(self, start_s: float, stop_s: float) -> list[tuple[float, float]]:
        """Spans (start, stop) in which samples of at least one chip are missing, ascending and apart.

        Those that touch the window start_s..stop_s, uncut. Each begins where a sample should have been and ends at
        the first sample after it. What is older than the ring is left out.
        """
        spans: list[tuple[float, float]] = []
        with self._lock:
            for chip in self._chips:
                while chip.gaps and chip.gaps[0][1] <= chip.ring.oldest:
                    chip.gaps.popleft()
                if chip.gaps:
                    edges = np.array(chip.gaps, np.float64)
                    times = chip.clock.times(edges.ravel()).reshape(-1, 2)
                    inside = (times[:, 1] > start_s) & (times[:, 0] < stop_s)
                    spans.extend((float(start), float(stop)) for start, stop in times[inside])
        return _merged(spans)

    def samples(self, chip: int, first: int, n: int) -> FloatArray:
        """A copy [n, channels of the chip] from position `first`; NaN where there is no sample.

        Positions are the module's sample indices until it restarts, and go on growing from then on.
        """
        with self._lock:
            return np.ascontiguousarray(self._chips[chip].ring.copy(first, first + n).T)

    def read(
        self, start_s: float, stop_s: float, max_points: int, channels: Iterable[str] | None = None
    ) -> list[Trace]:
        """Every channel (or those named), in the module's order, from start_s to before stop_s.

        The samples themselves where they are at most `max_points`, else extremes of bins of equal size that are
        anchored to the sample index and thus stay the same while the window moves; bins at the edges are whole.
        A channel without samples in the window has empty arrays.
        """
        wanted = None if channels is None else frozenset(channels)
        traces: list[Trace] = []
        for chip in self._chips:
            rows = [row for row, channel in enumerate(chip.info.channels) if wanted is None or channel.key in wanted]
            if rows:
                traces.extend(self._read_chip(chip, rows, start_s, stop_s, max_points))
        return traces

    def _read_chip(self, chip: _Chip, rows: list[int], start_s: float, stop_s: float, max_points: int) -> list[Trace]:
        keys = [chip.info.channels[row].key for row in rows]
        with self._lock:
            first, stop = self._positions(chip, start_s, stop_s)
            if stop - first <= max(max_points, 2):
                time_s = chip.clock.times(np.arange(first, stop, dtype=np.float64))
                data = chip.ring.copy(first, stop)
                return [Trace(key, time_s, data[row], envelope=False) for key, row in zip(keys, rows, strict=True)]
            # The bin size follows from the width of the window alone, so that it does not flicker as it moves.
            width = min((stop_s - start_s) * chip.rate_hz, chip.ring.capacity)
            size = max(2, math.ceil(width / max(max_points // 2 - 1, 1) - 1e-6))
            if size >= 2 * LEVEL:
                size = -(-size // LEVEL) * LEVEL
            bins = np.arange(first // size, -(-stop // size))
            low, high, rising = _source_of_bins(chip.ring, int(bins[0]), int(bins[-1]) + 1, size)
            centre_s = chip.clock.times((bins.astype(np.float64) + 0.5) * size - 0.5)
        low, high = _reduce(low, np.fmin, len(bins)), _reduce(high, np.fmax, len(bins))
        time_s = np.repeat(centre_s, 2)
        traces = []
        for key, row in zip(keys, rows, strict=True):
            value = np.empty(2 * len(bins), np.float32)
            value[0::2] = np.where(rising[row], low[row], high[row])
            value[1::2] = np.where(rising[row], high[row], low[row])
            traces.append(Trace(key, time_s, value, True, low[row], high[row]))
        return traces

    @staticmethod
    def _positions(chip: _Chip, start_s: float, stop_s: float) -> tuple[int, int]:
        """Positions of the samples with start_s <= time < stop_s that are in the ring."""
        if not chip.filled or not stop_s > start_s:
            return 0, 0
        # Half a nanosecond of grace: the times handed out are rounded.
        grace = 0.5e-9 * chip.rate_hz
        first, stop = (
            math.ceil(min(max(chip.clock.index(edge_s) - grace, chip.ring.oldest), chip.ring.end))
            for edge_s in (start_s, stop_s)
        )
        return first, stop


def _source_of_bins(
    ring: ChipRing, first: int, stop: int, size: int
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """What the extremes of bins first..stop-1 of `size` samples are taken from, and whether the wave rises in them.

    Two arrays [channels, a multiple of the bins], lows and highs: the samples themselves, or the level of 64.
    """
    if size % LEVEL == 0:
        factor = size // LEVEL
        low, high = ring.copy_level(first * factor, stop * factor)
        return low, high, np.ones((len(low), stop - first), np.bool_)
    data = ring.copy(first * size, stop * size)
    return data, data, data[:, size - 1 :: size] >= data[:, ::size]


def _reduce(data: FloatArray, extreme: np.ufunc, bins: int) -> FloatArray:
    """The extreme of each of `bins` equal parts of [channels, n]; NaN counts only where there is nothing else."""
    with np.errstate(invalid="ignore"):
        reduced: FloatArray = extreme.reduce(data.reshape(len(data), bins, -1), axis=2)
    return reduced


def _shape(chip: ChipInfo) -> tuple[float, tuple[tuple[str, str], ...]]:
    return chip.nominal_rate_hz, tuple((channel.key, channel.unit) for channel in chip.channels)


def _merged(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, those that overlap or touch joined."""
    merged: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
