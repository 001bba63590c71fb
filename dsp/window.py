"""A window: the interval that one measurement is of."""

from __future__ import annotations

from dataclasses import dataclass

from dsp.phase import PhaseModel


@dataclass(frozen=True)
class Window:
    """An interval to measure, on the module's clock. model: phase of the fundamental, None where there is none.
    frequencies_hz: {channel: its own frequency over the window}, NaN where it has none. stretches: of each chip, as
    PhaseFit has them; empty where no clock is corrected."""

    start_s: float
    end_s: float
    cycles: int
    model: PhaseModel | None
    frequencies_hz: dict[str, float]
    synchronised: bool
    stretches: tuple[float, ...] = ()
