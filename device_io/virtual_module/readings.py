"""The readings that a module computes itself: its own samples through the measurement engine."""

from __future__ import annotations

import math

import numpy as np

from device_io.source import ChipInfo
from device_io.virtual_module.module import SLOT_S, VirtualModule
from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from resources.parameters import keys_for, parameter

_SPAN_S = 1.5
"""Samples that one set of readings is made from; the last whole window counts."""
_DIGITS = 7


def measure(module: VirtualModule, t: float) -> dict[str, float | None]:
    """{key of the published payload that exists in the system: value or None} of the 1.5 s before t (s since start).

    Costs nothing between two calls. Energies are None: the virtual module keeps no count.
    """
    info = module.info
    nominal_v = module.settings["nominal_voltage_v"]
    analyser = Analyser(
        info.system,
        [_chip_spec(chip) for chip in info.chips],
        nominal_voltage_v=float(nominal_v) if isinstance(nominal_v, (int, float)) else module.preset.nominal_v,
        module=info.eui,
    )
    scales = [np.array([channel.unit_per_count for channel in chip.channels]) for chip in info.chips]
    last = module.slot_at(t)
    for slot in range(max(0, last - round(_SPAN_S / SLOT_S)), last):
        for block in module.blocks(slot):
            samples = block.counts * scales[block.chip]
            analyser.push(block.chip, block.first_index, samples, block.device_time_us, block.host_time_ns)
    windows = analyser.pull()
    values = windows[-1].values if windows else {}
    own = [key for key in keys_for(info.system) if parameter(key).payload is not None]
    return {key: _rounded(values.get(key)) for key in own if not parameter(key).unit.endswith("h")} | {
        key: None for key in own if parameter(key).unit.endswith("h")
    }


def _chip_spec(chip: ChipInfo) -> ChipSpec:
    channels = (ChannelSpec(c.key, c.unit, c.full_scale, c.response) for c in chip.channels)
    return ChipSpec(chip.nominal_rate_hz, tuple(channels))


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{_DIGITS}g}")
