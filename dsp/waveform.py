"""The waveform of a window: all channels at the same instants, whatever the clocks of their chips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChipSpec
from dsp.harmonic_model import continue_signal
from dsp.resample import MARGIN, double_rate, fast_length, interpolate
from dsp.stream import ChipStream

LONGEST_WINDOW_S = 12 / 50.9
"""12 cycles at the low end of a 60 Hz system."""
CLIPPED = 1.0 - 1e-6


@dataclass(frozen=True)
class Waveform:
    """samples [channels, m] at the m instants; clipped: samples at the end of the range, over all channels; still
    [channels]: does not move at all. rates_hz [channels]: the sample rate they came from."""

    samples: NDArray[np.float64]
    clipped: int
    still: NDArray[np.bool_]
    rates_hz: NDArray[np.float64]


def points_for(rate_hz: float) -> int:
    """Instants in a window: a power of two that leaves no line below half the sample rate out, at any frequency."""
    return 1 << int(np.ceil(np.log2(max(64.0, rate_hz * LONGEST_WINDOW_S))))


def take_waveform(
    chips: Sequence[ChipSpec],
    streams: Sequence[ChipStream],
    instants_s: NDArray[np.float64],
    end_s: float,
    frequency_hz: float,
) -> Waveform:
    """Resample the first segment of every stream at the instants (module time, s); end_s: end of the window.

    Where a segment ends within the resampler's margin, the signal is continued by its harmonics of frequency_hz.
    """
    pieces, places, still, rates = [], [], [], []
    clipped = 0
    for chip, stream in zip(chips, streams, strict=True):
        segment, clock = stream.segments[0], stream.clock
        positions = clock.indices_at(instants_s)
        first = int(positions[0]) - MARGIN
        stop = int(positions[-1]) + MARGIN + 2
        before, after = max(0, segment.first - first), max(0, stop - segment.end)
        samples = segment.view(first + before, stop - after)
        inside = segment.view(
            max(segment.first, int(np.ceil(positions[0] - 1e-6))),
            min(segment.end, int(np.ceil(clock.index_at(end_s) - 1e-6))),
        )
        low, high = inside.min(axis=1), inside.max(axis=1)
        limit = CLIPPED * np.array([c.full_scale if c.full_scale else np.inf for c in chip.channels])
        if (np.maximum(high, -low) >= limit).any():
            clipped += int(np.count_nonzero(np.abs(inside) >= limit[:, None]))
        still.append(high <= low)
        if before or after:
            samples = continue_signal(samples, clock.rate_hz, frequency_hz, before, after)
        pieces.append(samples)
        places.append(positions - first)
        rates += [clock.rate_hz] * len(chip.channels)

    usual = int(max(stream.clock.nominal_rate_hz for stream in streams) * LONGEST_WINDOW_S) + 2 * MARGIN + 4
    length = fast_length(max(usual, *(piece.shape[1] for piece in pieces)))  # mostly the usual one: set up once
    together = np.zeros((len(rates), length))
    rows, row = [], 0
    for piece in pieces:
        rows.append(slice(row, row + piece.shape[0]))
        together[rows[-1], : piece.shape[1]] = piece
        row += piece.shape[0]
    doubled = double_rate(together)
    resampled = [interpolate(doubled[part], place) for part, place in zip(rows, places, strict=True)]
    return Waveform(np.concatenate(resampled), clipped, np.concatenate(still), np.array(rates))
