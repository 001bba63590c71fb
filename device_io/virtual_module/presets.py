"""The presets of the virtual module, one table each. Voltages in V and currents in A (rms), angles in degrees.

Harmonics are {order: (% of the fundamental, angle against the fundamental's own phase)}.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass

from device_io.virtual_module.mains import Event, Flicker, Frequency, Mains, Tone, Wave, wave
from device_io.virtual_module.wiring import MISWIRED, RIGHT, Wiring

VOLTAGES = frozenset({"V1", "V2", "V3"})
CURRENTS = frozenset({"I1", "I2", "I3", "IL"})
_ANGLES = (0.0, -120.0, 120.0)
Harmonics = dict[int, tuple[float, float]]


@dataclass(frozen=True)
class Preset:
    """What a virtual module measures, and how it is connected. `nominal_v`: phase to neutral."""

    name: str
    description: str
    nominal_v: float
    nominal_hz: float
    mains: Mains
    wiring: Wiring = RIGHT


class UnknownPreset(ValueError):
    """There is no preset of that name; the text lists those there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no preset {name!r}. Choose one of: {', '.join(preset_names())}.")


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises UnknownPreset.
    """
    if name in _PRESETS:
        return _PRESETS[name]()
    if name.startswith("wiring-") and name.removeprefix("wiring-") in MISWIRED:
        return _miswired(name)
    raise UnknownPreset(name)


def preset_names() -> tuple[str, ...]:
    """Names of all presets, the miswirings last."""
    return (*_PRESETS, *(f"wiring-{name}" for name in MISWIRED))


def _three(
    volts: tuple[float, float, float],
    amperes: tuple[float, float, float],
    lag_deg: tuple[float, float, float],
    voltage_harmonics: tuple[Harmonics, Harmonics, Harmonics] = ({}, {}, {}),
    current_harmonics: tuple[Harmonics, Harmonics, Harmonics] = ({}, {}, {}),
) -> dict[str, Wave]:
    """Three phases of positive sequence from total rms values; `lag_deg`: how far the fundamental of each current lags
    its voltage (180: export)."""
    waves = {}
    for n, angle in enumerate(_ANGLES):
        v, i = voltage_harmonics[n], current_harmonics[n]
        waves[f"V{n + 1}"] = wave(_fundamental(volts[n], v), angle, v)
        waves[f"I{n + 1}"] = wave(_fundamental(amperes[n], i), angle - lag_deg[n], i)
    return waves


def _fundamental(rms: float, harmonics: Harmonics) -> float:
    return rms / math.sqrt(1.0 + sum((percent / 100.0) ** 2 for percent, _ in harmonics.values()))


def _clean() -> Preset:
    waves = _three((230.0, 230.0, 230.0), (10.0, 10.0, 10.0), (30.0, 30.0, 30.0))
    return Preset(
        "clean",
        "230 V, 50 Hz, 10 A lagging by 30 degrees on each phase; sines, balanced, nothing but the chips' own noise",
        230.0,
        50.0,
        Mains(Frequency(50.0), waves),
    )


# An office: many small rectifiers without correction, LED light, some motors of fans.
_OFFICE_V: Harmonics = {
    2: (0.12, 40.0), 3: (1.0, 25.0), 4: (0.08, 110.0), 5: (2.6, 168.0), 6: (0.05, 10.0), 7: (1.5, -30.0),
    8: (0.04, 75.0), 9: (0.48, 140.0), 10: (0.04, 0.0), 11: (1.0, 65.0), 12: (0.03, 20.0), 13: (0.8, -100.0),
    14: (0.03, 50.0), 15: (0.3, 35.0), 16: (0.02, 0.0), 17: (0.48, 10.0), 19: (0.4, -75.0), 21: (0.16, 60.0),
    23: (0.3, 130.0), 25: (0.26, 20.0), 27: (0.1, 45.0), 29: (0.18, -60.0), 31: (0.16, 150.0), 33: (0.06, 30.0),
    35: (0.12, -15.0), 37: (0.1, 80.0), 38: (0.01, 0.0), 39: (0.05, -140.0), 40: (0.01, 60.0),
}  # fmt: skip
_OFFICE_I: Harmonics = {
    2: (0.4, 20.0), 3: (13.4, 172.0), 4: (0.2, 60.0), 5: (10.6, -8.0), 7: (6.6, 165.0), 9: (2.9, -25.0),
    11: (3.1, 170.0), 13: (2.3, -12.0), 15: (1.0, 150.0), 17: (1.3, -40.0), 19: (1.0, 120.0), 21: (0.5, -70.0),
    23: (0.7, 95.0), 25: (0.6, -95.0), 27: (0.3, 60.0), 29: (0.4, -130.0), 31: (0.4, 40.0), 33: (0.15, 165.0),
    35: (0.25, 10.0), 37: (0.2, 130.0), 39: (0.1, -35.0), 40: (0.03, 0.0),
}  # fmt: skip


def _scaled(harmonics: Harmonics, factor: float, turn_deg: float = 0.0, **changed: tuple[float, float]) -> Harmonics:
    """The table times a factor, each order turned by `turn_deg`; `changed`: h15=(percent, angle) replaces an order."""
    table = {order: (percent * factor, angle + turn_deg) for order, (percent, angle) in harmonics.items()}
    return table | {int(key[1:]): value for key, value in changed.items()}


def _office() -> Preset:
    waves = _three(
        (231.6, 229.9, 230.8),
        (14.5, 12.2, 10.2),
        (14.0, 17.0, 21.0),
        (_OFFICE_V, _scaled(_OFFICE_V, 0.99, 3.0), _scaled(_OFFICE_V, 1.01, -4.0, h15=(0.46, 28.0))),
        (
            _scaled(_OFFICE_I, 0.995),
            _scaled(_OFFICE_I, 1.257, 9.0),
            _scaled(_OFFICE_I, 1.745, -12.0, h3=(24.4, 150.0)),
        ),
    )
    return Preset(
        "office",
        "231.6/229.9/230.8 V, 49.98 Hz; computers and LED light: THD of the currents 19/24/34 %, third harmonic in N",
        230.0,
        50.0,
        Mains(Frequency(49.98), waves),
    )


def _workshop() -> Preset:
    # Motors on all phases, a six-pulse drive (5th, 7th, 11th, 13th), a cycloconverter's interharmonics at 2.6 and
    # 7.4 times the fundamental (on bins of the 10-cycle window), ripple control is not present.
    drive: Harmonics = {
        5: (24.0, 178.0), 7: (11.0, 2.0), 11: (7.2, -175.0), 13: (4.6, 5.0), 17: (3.2, 170.0), 19: (2.2, -5.0),
        23: (1.5, 175.0), 25: (1.1, 0.0), 29: (0.8, 160.0), 31: (0.6, -20.0), 35: (0.4, 0.0), 37: (0.3, 0.0),
    }  # fmt: skip
    volts: Harmonics = {
        3: (0.5, 10.0), 5: (3.4, -160.0), 7: (1.9, 40.0), 11: (1.6, -70.0), 13: (1.2, 110.0), 17: (0.8, 0.0),
        19: (0.6, 60.0), 23: (0.4, 0.0), 25: (0.3, 0.0),
    }  # fmt: skip
    waves = _three((226.4, 228.9, 224.7), (22.0, 19.5, 24.5), (38.0, 41.0, 36.0), (volts,) * 3, (drive,) * 3)
    for n, angle in enumerate(_ANGLES):
        between = (Tone(0.6, 20.0 + angle, 2.6), Tone(0.4, -35.0 + angle, 7.4))
        key = f"I{n + 1}"
        waves[key] = Wave((*waves[key].tones, *between))
    return Preset(
        "workshop",
        "motors and a six-pulse drive: 19 to 25 A lagging by about 38 degrees, 5th and 7th, interharmonics, unbalance",
        230.0,
        50.0,
        Mains(Frequency(50.02), waves, noise_v=0.05, noise_a=0.01),
    )


def _solar() -> Preset:
    inverter: Harmonics = {
        2: (0.6, 0.0), 3: (1.8, 60.0), 5: (2.2, -40.0), 7: (1.4, 120.0), 9: (0.6, 0.0), 11: (0.9, 170.0),
        13: (0.7, -90.0), 17: (0.4, 30.0), 19: (0.4, 0.0), 23: (0.3, 0.0), 25: (0.2, 0.0),
    }  # fmt: skip
    volts: Harmonics = {3: (0.6, 0.0), 5: (1.6, 150.0), 7: (1.1, -20.0), 9: (0.3, 0.0), 11: (0.6, 90.0), 13: (0.4, 0.0)}
    waves = _three((238.2, 237.5, 238.9), (11.4, 11.2, 11.5), (178.0, 178.5, 177.5), (volts,) * 3, (inverter,) * 3)
    return Preset(
        "solar",
        "a photovoltaic inverter exports 8 kW: voltages at 238 V, frequency wandering by 30 mHz within two minutes",
        230.0,
        50.0,
        Mains(Frequency(50.0, wander_hz=0.03, wander_period_s=120.0), waves),
    )


def _broken_neutral() -> Preset:
    # The neutral is open on the grid's side: three unequal loads (S) between the phases and their own star point. The
    # point moves to where the currents add up to nothing; nothing flows in N.
    loads_s = (1.0 / 95.0, 1.0 / 42.0, 1.0 / 27.0)
    grid = [230.0 * cmath.exp(1j * math.radians(angle)) for angle in _ANGLES]
    star = sum(y * e for y, e in zip(loads_s, grid, strict=True)) / sum(loads_s)
    waves = {}
    for n, (load, source) in enumerate(zip(loads_s, grid, strict=True)):
        size, angle = cmath.polar(source - star)
        waves[f"V{n + 1}"] = wave(size, math.degrees(angle))
        waves[f"I{n + 1}"] = wave(size * load, math.degrees(angle))
    return Preset(
        "broken-neutral",
        "the neutral is open upstream: phase voltages far apart under unequal loads, line-to-line voltages as ever",
        230.0,
        50.0,
        Mains(Frequency(50.0), waves),
    )


def _flicker() -> Preset:
    waves = _three((230.0, 230.0, 230.0), (10.0, 10.0, 10.0), (10.0, 10.0, 10.0))
    # IEC 61000-4-15 ed. 2, 230 V lamp, 50 Hz: Pst = 1.00 at 39 changes a minute of 0.894 %.
    lamp = Flicker(VOLTAGES, frequency_hz=39.0 / 120.0, depth_pct=0.894, rectangular=True)
    return Preset(
        "flicker",
        "all voltages change by 0.894 % 39 times a minute, in steps (Pst = 1.00); currents steady",
        230.0,
        50.0,
        Mains(Frequency(50.0), waves, flicker=(lamp,)),
    )


def _dip() -> Preset:
    waves = _three((230.0, 230.0, 230.0), (10.0, 10.0, 10.0), (0.0, 0.0, 0.0))
    event = Event(VOLTAGES | CURRENTS, factor=0.60, start_s=5.0, duration_s=0.180, every_s=10.0)
    return Preset(
        "dip",
        "all voltages fall to 60 % (138 V) for 180 ms every 10 s, first 5 s after the start; resistive load follows",
        230.0,
        50.0,
        Mains(Frequency(50.0), waves, events=(event,)),
    )


def _us_house() -> Preset:
    supply: Harmonics = {3: (1.4, 20.0), 5: (1.2, 160.0), 7: (0.7, -40.0), 9: (0.3, 0.0), 11: (0.3, 0.0)}
    load: Harmonics = {3: (9.0, 170.0), 5: (4.5, -20.0), 7: (2.2, 150.0), 9: (1.0, 0.0), 11: (0.6, 0.0)}
    waves = {
        "V1": wave(121.3, 0.0, supply),
        "V2": wave(120.6, 180.0, supply),
        "I1": wave(21.4, -12.0, load),
        "I2": wave(15.2, 168.0 - 5.0, load),
    }
    return Preset(
        "us-house",
        "split phase 120/240 V, 60 Hz: two legs at 180 degrees on V1 and V2, nothing on the third input",
        120.0,
        60.0,
        Mains(Frequency(60.0), waves),
    )


def _miswired(name: str) -> Preset:
    # Loads that differ from phase to phase, so that a wrong connection shows in more than angles.
    waves = _three((230.4, 231.7, 229.2), (9.2, 6.1, 7.7), (12.0, 24.0, 18.0))
    description, wiring = MISWIRED[name.removeprefix("wiring-")]
    return Preset(name, description, 230.0, 50.0, Mains(Frequency(50.0), waves), wiring)


_PRESETS: dict[str, Callable[[], Preset]] = {
    "clean": _clean,
    "office": _office,
    "workshop": _workshop,
    "solar": _solar,
    "broken-neutral": _broken_neutral,
    "flicker": _flicker,
    "dip": _dip,
    "us-house": _us_house,
}
