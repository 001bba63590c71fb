"""The waveform of a window: all channels at the same instants, whatever the clocks of their chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.harmonic_model import continue_signal
from dsp.resample import MARGIN, double_rate, fast_length, interpolate
from dsp.stream import ChipStream

LONGEST_WINDOW_S = 12 / 50.9
"""12 cycles at the low end of a 60 Hz system."""
REACH = 8
"""Instants taken before the first and after the last of a window: from them the spectrum tells how it goes on."""
ROOM = MARGIN + REACH
"""Samples needed on each side of a window."""
CLIPPED = 1.0 - 1e-6


@dataclass(frozen=True)
class Waveform:
    """samples [channels, m] at the m instants; clipped: samples at the end of the range, over all channels; still
    [channels]: does not move at all. rates_hz [channels]: the sample rate they came from. continued: samples lacked at
    one end and follow from the harmonics there."""

    samples: NDArray[np.float64]
    clipped: int
    still: NDArray[np.bool_]
    rates_hz: NDArray[np.float64]
    continued: bool = False


def points_for(rate_hz: float) -> int:
    """Instants in a window: a power of two that leaves no line below half the sample rate out, at any frequency."""
    return 1 << int(np.ceil(np.log2(max(64.0, rate_hz * LONGEST_WINDOW_S))))


def limits_of(channels: Sequence[ChannelSpec]) -> NDArray[np.float64]:
    """Magnitude [channels] from which on a sample is clipped; infinite where the range is not known."""
    return np.array([CLIPPED * channel.full_scale if channel.full_scale else np.inf for channel in channels])


def take_waveform(
    streams: Sequence[ChipStream],
    limits: NDArray[np.float64],
    instants_s: NDArray[np.float64],
    end_s: float,
    frequency_hz: float,
    stretches: Sequence[float] = (),
) -> Waveform:
    """Resample the first segment of every stream at the instants (module time, s), REACH of which lie before the
    window and as many after it; end_s: end of the window.

    limits: those of `limits_of` for the channels of all streams. Where a segment ends within the resampler's margin,
    the signal is continued by its harmonics of frequency_hz. stretches: of each stream's samples about the middle, by
    which its instants span whole cycles of the mains where its clock is not yet known well.
    """
    positions = np.stack([stream.clock.indices_at(instants_s) for stream in streams])
    if stretches:
        middles = 0.5 * (positions[:, :1] + positions[:, -1:])
        positions = middles + (positions - middles) * np.array(stretches)[:, None]
    firsts = positions[:, 0].astype(np.int64) - MARGIN
    stops = positions[:, -1].astype(np.int64) + (MARGIN + 2)
    usual = int(max(stream.clock.nominal_rate_hz for stream in streams) * LONGEST_WINDOW_S) + 2 * MARGIN + 4
    length = fast_length(max(usual, int((stops - firsts).max())))  # mostly the usual one: set up once
    together = np.zeros((limits.size, length))
    rows, rates, row = [], [], 0
    continued = False
    for stream, first, stop in zip(streams, firsts.tolist(), stops.tolist(), strict=True):
        segment, clock = stream.segments[0], stream.clock
        before, after = max(0, segment.first - first), max(0, stop - segment.end)
        samples = segment.view(first + before, stop - after)
        if before or after:
            continued = True
            samples = continue_signal(samples, clock.rate_hz, frequency_hz, before, after)
        rows.append(slice(row, row + stream.channels))
        together[rows[-1], : samples.shape[1]] = samples
        rates += [clock.rate_hz] * stream.channels
        row += stream.channels
    values = interpolate(double_rate(together), rows, positions - firsts[:, None])

    within = together[:, MARGIN : int((stops - firsts).min()) - MARGIN]
    low, high = within.min(axis=1), within.max(axis=1)
    clipped = 0
    if (np.maximum(high, -low) >= limits).any():
        clipped = sum(
            _clipped(stream, limits[part], instants_s[REACH], end_s) for stream, part in zip(streams, rows, strict=True)
        )
    return Waveform(values, clipped, high <= low, np.array(rates), continued)


def _clipped(stream: ChipStream, limits: NDArray[np.float64], start_s: float, end_s: float) -> int:
    """Clipped samples in [start_s, end_s), over the channels."""
    segment, clock = stream.segments[0], stream.clock
    first = max(segment.first, int(np.ceil(clock.index_at(start_s) - 1e-6)))
    stop = min(segment.end, int(np.ceil(clock.index_at(end_s) - 1e-6)))
    return int(np.count_nonzero(np.abs(segment.view(first, stop)) >= limits[:, None]))
