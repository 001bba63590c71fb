"""Thresholds of voltage events: the defaults of `event_thresholds.json`, each with its source and status there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class EventThresholds:
    """Dip, swell, interruption and their hysteresis in % of the reference voltage; rapid voltage changes in % of the
    declared voltage, their hysteresis as a share of their threshold.

    sliding_share: weight of one 10/12-cycle value in the sliding reference. Raises ValueError, with one sentence,
    where the thresholds contradict each other.
    """

    dip_pct: float
    swell_pct: float
    interruption_pct: float
    hysteresis_pct: float
    sliding_share: float
    rvc_threshold_pct: float
    rvc_hysteresis_share: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.hysteresis_pct < self.swell_pct - 100.0:
            raise ValueError(
                "The hysteresis must be at least 0 % and less than the swell threshold's excess over 100 %."
            )
        if not 0.0 < self.interruption_pct < self.dip_pct <= 100.0 - self.hysteresis_pct:
            raise ValueError(
                "Interruption, dip and 100 % must follow each other, the dip with room for its hysteresis."
            )
        if not 0.0 < self.sliding_share < 1.0:
            raise ValueError("The weight of a value in the sliding reference must lie between 0 and 1.")
        if not (0.0 < self.rvc_threshold_pct < 100.0 and 0.0 <= self.rvc_hysteresis_share < 1.0):
            raise ValueError("The threshold of rapid voltage changes must be above 0 %, its hysteresis below it.")


@cache
def default_thresholds() -> EventThresholds:
    """What the standard has or recommends; `dataclasses.replace` makes others of it."""
    document = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return EventThresholds(**{name: float(entry["value"]) for name, entry in document["values"].items()})
