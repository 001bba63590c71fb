"""The one interval of a record that is too short for a window: the whole cycles there are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from dsp.channels import ChannelSpec
from dsp.harmonic_model import adjust_frequency, refine_frequency
from dsp.phase import PhaseModel
from dsp.stream import ChipStream
from dsp.window import Window


def short_window(
    streams: Sequence[ChipStream],
    channels: Sequence[ChannelSpec],
    rest_s: tuple[float, float],
    cycles_for: Callable[[float], int],
) -> Window:
    """Whole cycles in rest_s from its start, by the frequency of the voltages, else of the currents; without a model
    where not even one cycle of a fundamental is found. cycles_for: of a full window, by the frequency."""
    start, end = rest_s
    for unit in ("V", "A"):
        row = 0
        for stream in streams:
            segment, clock = stream.segments[0], stream.clock
            own = channels[row : row + stream.channels]
            row += stream.channels
            first = max(segment.first, int(np.ceil(clock.index_at(start) - 0.5)))
            stop = min(segment.end, int(np.ceil(clock.index_at(end) - 0.5)))
            if stop - first < 8:
                continue
            samples = segment.view(first, stop)
            level = np.std(samples, axis=1)
            rows = [i for i, c in enumerate(own) if c.unit == unit and level[i] >= c.floor]
            frequency = refine_frequency(samples[rows], clock.rate_hz) if rows else None
            if frequency is None:
                continue
            cycles = int((end - start + 0.5 / clock.rate_hz) * frequency)
            if cycles >= 1:
                cycles = min(cycles, cycles_for(frequency) - 1)
                model = PhaseModel.of_frequency(start, frequency)
                own_hz = {}
                for i in rows:
                    adjusted = adjust_frequency(samples[i : i + 1], clock.rate_hz, frequency, steps=3)
                    own_hz[own[i].key] = math.nan if adjusted is None else adjusted
                return Window(start, start + cycles / frequency, cycles, model, own_hz, True)
    return Window(start, end, 0, None, {}, False)
