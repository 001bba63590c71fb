"""From a module's identity to what the measurement engine wants to know of its chips."""

from __future__ import annotations

import math

from device_io.source import ModuleInfo
from dsp.analyser import ChannelSpec, ChipSpec


def chip_specs(info: ModuleInfo, *, exact: bool = False) -> tuple[ChipSpec, ...]:
    """One spec a chip. `exact`: times follow from the rate alone, as in a file."""
    return tuple(
        ChipSpec(
            chip.nominal_rate_hz,
            tuple(
                ChannelSpec(channel.key, channel.unit, _finite(channel.full_scale), channel.response)
                for channel in chip.channels
            ),
            exact=exact,
        )
        for chip in info.chips
    )


def _finite(full_scale: float) -> float | None:
    """A file does not always know the largest value its recorder could represent."""
    return full_scale if math.isfinite(full_scale) else None
