"""The readings that a module computes itself: its own samples through the measurement engine."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from device_io.source import ChipInfo
from device_io.virtual_module.module import SLOT_S, VirtualModule
from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from resources.parameters import keys_for, parameter

_SPAN_S = 1.5
"""Samples that one set of readings is made from; the last whole window counts."""
_DIGITS = 7
_COUNTED = {"tAE": "P", "SE": "SP", "fQE": "fSP"}
"""Prefix of an energy's key: that of the power which it counts."""


class ReadingsMaker:
    """Readings as time goes on, with the energies since power-up: between two readings the power of the later one
    counts. Not safe for use from several threads."""

    def __init__(self, module: VirtualModule) -> None:
        self._module = module
        self._time_s = 0.0
        self._values: Mapping[str, float | None] = {}
        self._energies: dict[str, float] = {}

    def at(self, t: float, max_age_s: float) -> dict[str, float | None]:
        """Readings at t (s since power-up), or those of at most max_age_s before."""
        if not self._values or t - self._time_s > max_age_s:
            self._take(t)
        return dict(self._values)

    def _take(self, t: float) -> None:
        values = measure(self._module, t)
        hours = (t - self._time_s) / 3600.0
        for prefix, power in _COUNTED.items():
            for phase in "123c":
                key, watts = f"{prefix}{phase}", values.get(f"{power}{phase}")
                if key in values:
                    if watts is not None and not (prefix == "tAE" and watts < 0.0):  # imported only: it is unsigned
                        self._energies[key] = self._energies.get(key, 0.0) + watts * hours
                    values[key] = self._energies.get(key)
        self._values, self._time_s = values, t


def measure(module: VirtualModule, t: float) -> dict[str, float | None]:
    """{key of the published payload that exists in the system: value or None} of the 1.5 s before t (s since start).

    Costs nothing between two calls. Energies are None: a moment has none.
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
