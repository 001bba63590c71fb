"""The nominal frequency that a record states, where what is measured leaves it open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.specs import chip_specs
from dsp.analyser import Analyser

if TYPE_CHECKING:
    from device_io.comtrade import ComtradeRecord

SYSTEMS_HZ = {50.0: (42.4, 57.6), 60.0: (50.9, 69.1)}
"""Nominal frequency: fundamentals of its system (IEC 61000-4-30: 42.5 to 57.5 and 51 to 69 Hz, and some tolerance)."""
_NEAR_HZ = 1.0
_FIRST_S = 0.25
_FEWEST_SAMPLES = 1024


def stated_frequency_hz(record: ComtradeRecord) -> float | None:
    """50 or 60 where the record states it and its first quarter of a second shows what systems of both may have.
    None: what is measured tells it alone."""
    stated_hz = record.line_frequency_hz
    nominal_hz = next((n for n in SYSTEMS_HZ if stated_hz is not None and abs(stated_hz - n) <= _NEAR_HZ), None)
    if nominal_hz is None:
        return None
    found = list(_frequencies_hz(record))
    both = all(lowest <= hz <= highest for hz in found for lowest, highest in SYSTEMS_HZ.values())
    return nominal_hz if found and both else None


def _frequencies_hz(record: ComtradeRecord) -> Iterator[float]:
    """Of what begins the record."""
    info = record.info
    analyser = Analyser(info.system, chip_specs(info, exact=True))
    length = max(int(_FIRST_S * record.rate_hz), _FEWEST_SAMPLES)
    for first_index, samples in record.blocks(length):
        analyser.push(0, first_index, samples, first_index / record.rate_hz * 1e6, record.start_utc_ns)
        break
    for measurement in [*analyser.pull(), *analyser.finish()]:
        if (frequency_hz := measurement.values.get("Fqai")) is not None:
            yield frequency_hz
