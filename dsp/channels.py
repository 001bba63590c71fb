"""What the analyser has to know about the inputs it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsp.response import Section


@dataclass(frozen=True)
class ChannelSpec:
    """One input.

    key: V1 V2 V3 I1 I2 I3 IN. unit: "V" or "A".
    full_scale: largest magnitude (peak, in `unit`) the input can represent; None where unknown (files).
    response: sections whose product leads from the terminals to the samples; empty means flat.
    """

    key: str
    unit: str
    full_scale: float | None = None
    response: Sequence[Section] = ()


@dataclass(frozen=True)
class ChipSpec:
    """Inputs that are sampled together by one crystal.

    nominal_rate_hz: sample rate within 3 %. exact: the times of the samples follow from the rate (files), so
    the device times of blocks after the first are not looked at.
    """

    nominal_rate_hz: float
    channels: tuple[ChannelSpec, ...]
    exact: bool = False
