"""The result of one interval: the same for a live link, a file and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

WINDOWS = ("10/12-cycle", "150/180-cycle", "10s", "10min", "2h", "record")

FLAGS = {
    "dip": "a dip was present",
    "swell": "a swell was present",
    "interruption": "an interruption was present",
    "gap": "samples are missing in or beside the interval; values are null",
    "short": "measured in part only: the record is shorter than a window, or measuring began or ended in the interval",
    "clipped": "at least one sample stood at the end of the input's range",
    "unsynchronised": "the window could not be locked to the fundamental",
    "suspect": "values that cannot be true, or samples read out of step with the chip: some repeated or lost",
    "no-fundamental": "no fundamental between 42.5 and 69 Hz was found; values that need one are null",
    "dead-channel": "an input shows no signal",
    "unaligned": "the clocks of grouped modules are not known well enough: what joins their phases is null",
    "unreliable-firmware": "the sender's firmware is known to send wrong values",
    "wiring-corrected": "inputs were swapped or reversed in software",
}
"""The closed list of flags, each with its meaning."""

ORDERS = 40
"""Harmonic orders that are listed; those beyond the band are null."""


@dataclass(frozen=True)
class Band:
    """Highest orders by the band rule: trusted up to 0.40, indicative up to 0.495 of the sample rate.

    0 where there is no fundamental. `thd_to`: the last order that THD includes.
    """

    trusted_to: int
    indicative_to: int
    thd_to: int


NO_BAND = Band(0, 0, 0)


@dataclass(frozen=True)
class Measurement:
    """One interval.

    end_ns: UTC nanoseconds of its END. start_s, end_s: the same interval on the source's clock (seconds).
    values: {key of the table: value in the table's unit; None where not measurable}.
    corrected: only where a sender's known fault is undone with certainty.
    phasors: {channel: complex rms phasor of the fundamental}, V1 (else the reference channel) at angle 0;
        absent channels left out.
    orders: {channel: float64 [ORDERS + 1] rms of each harmonic subgroup in V or A, index = order, NaN where
        not measurable}.
    samples_lost, samples_clipped: missing; at the end of an input's range, over all channels.
    clock_ppm: (deviation of the first chip's sample rate from its nominal one, uncertainty of the rates: 95 %, the
        largest of all chips); None for files, whose rate is taken as it is.
    completeness: share of an aggregate's interval that was measured, 0..1.
    """

    end_ns: int
    start_s: float
    end_s: float
    system: str
    window: str
    flags: tuple[str, ...]
    band: Band
    values: Mapping[str, float | None]
    corrected: Mapping[str, float] = field(default_factory=dict)
    module: str | None = None
    phasors: Mapping[str, complex] = field(default_factory=dict)
    orders: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    samples_lost: int = 0
    samples_clipped: int = 0
    clock_ppm: tuple[float, float] | None = None
    completeness: float = 1.0
