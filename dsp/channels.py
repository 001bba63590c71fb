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

    @property
    def floor(self) -> float:
        """Rms (V or A) under which a fundamental is noise: what needs one is then not measurable.

        3e-5 of the range: the whole noise of a front end with 88 dB, some 20 times what falls into one line. Without
        a range (files) 0.1 V or 1 mA.
        """
        if self.full_scale is not None and self.full_scale > 0.0:
            return 3e-5 * self.full_scale
        return 0.1 if self.unit == "V" else 1e-3


@dataclass(frozen=True)
class ChipSpec:
    """Inputs that are sampled together by one crystal.

    nominal_rate_hz: sample rate within 3 %. exact: the times of the samples follow from the rate (files), so
    the device times of blocks after the first are not looked at.
    """

    nominal_rate_hz: float
    channels: tuple[ChannelSpec, ...]
    exact: bool = False
