"""From sample blocks to measurements: the one entry to the measurement engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from resources.systems import WiringSystem

__all__ = ["Analyser", "ChannelSpec", "ChipSpec"]


class Analyser:
    """Measures windows of exactly 10 (50 Hz) or 12 (60 Hz) cycles, gapless, carried by the fundamental's phase."""

    def __init__(
        self,
        system: WiringSystem,
        chips: Sequence[ChipSpec],
        *,
        nominal_frequency_hz: float | None = None,
        nominal_voltage_v: float = 230.0,
        module: str | None = None,
    ) -> None:
        self._system = system
        self._chips = tuple(chips)

    def push(
        self,
        chip: int,
        first_index: int,
        samples: NDArray[np.float32] | NDArray[np.float64],
        device_time_us: float,
        utc_ns: int,
    ) -> None:
        """Take the next block of one chip: samples [n, channels] in V or A, with the module-clock time and the UTC
        of its first sample. A jump of first_index is a gap."""

    def pull(self) -> list[Measurement]:
        """All windows that are complete, oldest first."""
        return []

    def finish(self) -> list[Measurement]:
        """End of a record: the windows that remain; a record shorter than one window gives one "record"."""
        return []

    def restart(self) -> None:
        """The module restarted: its index and clock begin anew; energies go on."""
