"""Which rows of a record are read, at which rate, and where samples are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from device_io.comtrade.config import Config
from device_io.comtrade.data import NO_STAMP, SampleData
from device_io.comtrade.errors import FileError

_PROBED_ROWS = 64
_ROWS_PER_BLOCK = 65536
_UNIFORM_SHARE = 0.01  # of a sample interval that a time stamp may be off, besides its own rounding


@dataclass(frozen=True)
class Span:
    """The part of a record with one sample rate.

    start, stop: rows of the .dat. samples: how many there would be with none missing. start_s: its first sample,
    from that of the record. numbered: the sample numbers of the file tell where samples are missing.
    """

    start: int
    stop: int
    samples: int
    rate_hz: float
    start_s: float
    numbered: bool
    notes: tuple[str, ...]

    def blocks(
        self, data: SampleData, columns: Sequence[int], samples_per_block: int
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(index of the first sample from the start of the span, samples as stored), without gaps inside a block."""
        index, number = 0, None
        for rows in data.rows(columns, self.start, self.stop, samples_per_block):
            if not self.numbered:
                yield index, rows.samples
                index += len(rows.samples)
                continue
            numbers = rows.numbers
            if number is None:
                number = int(numbers[0]) - 1
            steps = np.diff(numbers, prepend=number)
            steps[(steps < 1) & (numbers <= 1)] = 1  # a counter that began anew
            if (steps < 1).any():
                row = int(np.argmax(steps < 1))
                raise FileError(
                    f"The .dat file is damaged: sample number {numbers[row]} stands after {numbers[row] - steps[row]}."
                )
            edges = [0, *np.flatnonzero(steps > 1).tolist(), len(numbers)]
            for begin, end in pairwise(edges):
                if end > begin:
                    index += int(steps[begin]) - 1
                    if index + end - begin > self.samples:
                        raise FileError(
                            f"The .dat file is damaged: sample number {numbers[begin]} lies beyond the "
                            f"{self.samples} samples that the .cfg states."
                        )
                    yield index, rows.samples[begin:end]
                    index += end - begin
            number = int(numbers[-1])


def choose_span(config: Config, data: SampleData, name: str) -> Span:
    """The rows to read: all of a record with one rate, else the part with the most samples. FileError where the .dat
    (called `name`) is cut, does not fit the .cfg, or has no constant rate."""
    announced = config.sections[-1].end
    notes: list[str] = []
    numbered = _check_numbers(data, name, notes)
    rows = min(data.row_count, announced)
    missing = 0
    if data.row_count < announced:
        missing = _missing_samples(data, announced, len(config.sections)) if numbered else 0
        if data.row_count + missing != announced:
            raise FileError(
                f'"{name}" ends after {data.row_count} of {announced} samples: it is cut. '
                "Copy the record again from where it came."
            )
        notes.append(f"{missing} samples are missing in the record.")
    elif data.row_count > announced:
        notes.append(
            f'"{name}" holds {data.row_count} samples; the first {announced}, which the .cfg states, are read.'
        )
    sections = _merged(config)
    durations = [(end - start) / rate if rate else 0.0 for start, end, rate in sections]
    if len(sections) == 1:
        best = 0
    else:
        best = int(np.argmax([end - start for start, end, _ in sections]))
        notes.append(_sections_note(sections, best))
    start, end, rate = sections[best]
    stop = rows if best == len(sections) - 1 else end
    if rate == 0:
        if len(sections) > 1:
            raise FileError("Part of the record has no sample rate: only records with a constant rate can be read.")
        rate = _rate_from_stamps(data, start, stop, config.time_unit_s)
        notes.append(f"The record states no sample rate: {rate:.6g} Hz follows from its time stamps.")
    return Span(start, stop, end - start, rate, sum(durations[:best]), numbered, tuple(notes))


def _merged(config: Config) -> list[tuple[int, int, float]]:
    """(first row, end row, rate) of each section, neighbours with the same rate joined."""
    merged: list[tuple[int, int, float]] = []
    for section in config.sections:
        start = merged[-1][1] if merged else 0
        if merged and merged[-1][2] == section.rate_hz:
            merged[-1] = (merged[-1][0], section.end, section.rate_hz)
        else:
            merged.append((start, section.end, section.rate_hz))
    return merged


def _sections_note(sections: Sequence[tuple[int, int, float]], best: int) -> str:
    start, end, rate = sections[best]
    others = ", ".join(
        f"{first + 1}-{last} at {other:g} Hz" for k, (first, last, other) in enumerate(sections) if k != best
    )
    return (
        f"The record changes its sample rate: samples {start + 1}-{end} at {rate:g} Hz, its largest part, are read; "
        f"{others} are left out."
    )


def _check_numbers(data: SampleData, name: str, notes: list[str]) -> bool:
    """Whether the sample numbers count the samples. FileError where they are no numbers of samples at all."""
    probe = next(data.rows([], 0, _PROBED_ROWS, _PROBED_ROWS), None)
    if probe is None or len(probe.numbers) < 2:
        return False
    steps = np.diff(probe.numbers)
    if np.median(steps) == 1 and (steps > 0).all():
        return True
    if steps[0] >= 0 and (steps == steps[0]).all():
        notes.append(f'The sample numbers in "{name}" do not count the samples: their order in the file is taken.')
        return False
    raise FileError(
        f'"{name}" does not fit its .cfg file: its sample numbers are not 1, 2, 3 and so on. '
        "The two files do not belong together, or one is damaged."
    )


def _missing_samples(data: SampleData, announced: int, sections: int) -> int:
    """Samples left out inside a record whose last row carries the announced number; else 0."""
    first = next(data.rows([], 0, 1, 1), None)
    last = next(data.rows([], max(data.row_count - 1, 0), data.row_count, 1), None)
    if sections > 1 or first is None or last is None:
        return 0
    spanned = int(last.numbers[0]) - int(first.numbers[0]) + 1
    return spanned - data.row_count if spanned == announced else 0


def _rate_from_stamps(data: SampleData, start: int, stop: int, time_unit_s: float) -> float:
    """The constant rate (Hz) that all time stamps share within their rounding."""
    refusal = FileError(
        "The record states no sample rate and its time stamps are not evenly spaced: only records with a constant "
        "rate can be read."
    )
    count, span = 0, 0
    for _, elapsed in _elapsed(data, start, stop, refusal):
        count += len(elapsed)
        span = int(elapsed[-1])
    if count < 2 or span <= 0 or not 0 < time_unit_s < 1:
        raise refusal
    interval = span / (count - 1)
    allowed = 1.0 + _UNIFORM_SHARE * interval
    for first, elapsed in _elapsed(data, start, stop, refusal):
        ideal = (first + np.arange(len(elapsed))) * interval
        if (np.abs(elapsed - ideal) > allowed).any():
            raise refusal
    return 1.0 / (interval * time_unit_s)


def _elapsed(data: SampleData, start: int, stop: int, refusal: FileError) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(number of rows before, time since the first row in time units) block by block; 32-bit stamps may wrap."""
    before, last, total = 0, None, 0
    for rows in data.rows([], start, stop, _ROWS_PER_BLOCK):
        if (rows.stamps == NO_STAMP).any():
            raise refusal
        steps = np.diff(rows.stamps, prepend=rows.stamps[0] if last is None else last)
        steps[steps < -(2**31)] += 2**32
        elapsed = total + np.cumsum(steps)
        yield before, elapsed
        before, last, total = before + len(elapsed), int(rows.stamps[-1]), int(elapsed[-1])
