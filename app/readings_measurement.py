"""From a module's own readings to the measurement that everything else shows and prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
from numpy.typing import NDArray

from device_io.source import ModuleInfo, Readings
from dsp.measurement import FLAGS, NO_BAND, ORDERS, Band, Measurement
from dsp.spectrum import band_of
from resources.parameters import keys_for
from resources.systems import phases_of

WINDOW_S = 0.2
SAMPLE_RATE_HZ = 4000.0
"""Of the ADE9153A's waveform register, where a module does not describe its chips."""


def measurement_of(readings: Readings, info: ModuleInfo) -> Measurement:
    """A 10/12-cycle measurement with the values as sent. Orders beyond the band by the module's sample rate keep the
    number that was sent in `values`; `band` says how far they can be trusted."""
    values = {key: _finite(readings.values.get(key)) for key in keys_for(info.system)}
    frequency_hz = values.get("Fqai")
    rate_hz = info.chips[0].nominal_rate_hz if info.chips else SAMPLE_RATE_HZ
    device_us = readings.device_time_us
    end_s = (device_us * 1e-6) if device_us is not None else readings.host_time_ns * 1e-9
    present = set(readings.flags)
    if frequency_hz is None or not 42.5 <= frequency_hz <= 69.0:
        present.add("no-fundamental")
        frequency_hz = None
    band = NO_BAND if frequency_hz is None else band_of(rate_hz, frequency_hz)
    return Measurement(
        end_ns=readings.host_time_ns,
        start_s=end_s - WINDOW_S,
        end_s=end_s,
        system=info.system,
        window="10/12-cycle",
        flags=tuple(flag for flag in FLAGS if flag in present),
        band=band,
        values=values,
        corrected=readings.corrected,
        module=info.eui,
        phasors=_phasors(values, info) if frequency_hz is not None else {},
        orders=_orders(values, info, band),
    )


def _orders(values: Mapping[str, float | None], info: ModuleInfo, band: Band) -> dict[str, NDArray[np.float64]]:
    """Rms of each order in V or A: per cent of the fundamental, which follows from rms and THD."""
    orders: dict[str, NDArray[np.float64]] = {}
    for phase in phases_of(info.system):
        for letter in "VI":
            fundamental = _fundamental(values, f"{letter}{phase}")
            if fundamental is None or not band.indicative_to:
                continue
            row = np.full(ORDERS + 1, np.nan)
            for order in range(1, band.indicative_to + 1):
                pct = values.get(f"{phase}{letter}{order}")
                if pct is not None:
                    row[order] = fundamental * pct / 100.0
            orders[f"{letter}{phase}"] = row
    return orders


def _fundamental(values: Mapping[str, float | None], channel: str) -> float | None:
    """Rms of the fundamental, from rms and THD."""
    rms, thd_pct = values.get(f"{channel}r"), values.get(f"TH{channel}")
    return None if rms is None else rms / math.hypot(1.0, (thd_pct or 0.0) / 100.0)


def _phasors(values: Mapping[str, float | None], info: ModuleInfo) -> dict[str, complex]:
    """Fundamentals by the angles between the phases (V12a, V31a) and of the currents (phi); those that are known."""
    turns: dict[int, float | None] = {1: 0.0, 2: _negative(values.get("V12a")), 3: values.get("V31a")}
    phasors: dict[str, complex] = {}
    for phase in phases_of(info.system):
        turn, lag = turns[int(phase)], values.get(f"phi{phase}")
        volts, amperes = _fundamental(values, f"V{phase}"), _fundamental(values, f"I{phase}")
        if turn is None or volts is None:
            continue
        phasors[f"V{phase}"] = _polar(volts, turn)
        if amperes is not None and lag is not None:
            phasors[f"I{phase}"] = _polar(amperes, turn - lag)
    return phasors


def _polar(rms: float, angle_deg: float) -> complex:
    return cast(complex, rms * np.exp(1j * math.radians(angle_deg)))


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
