"""What modules publish, message after message: the readings of virtual modules with energies that grow, restarts and
late messages, in each form; and what becomes of a message on a bad way."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from device_io.mqtt.payload import encode_payload
from device_io.mqtt.published_firmware import imitate
from device_io.source import ChipInfo
from device_io.virtual_module.mains import Event, Flicker, Frequency, Mains, wave
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.presets import Harmonics, Preset
from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from resources.parameters import keys_for, parameter
from resources.systems import WiringSystem

Form = Literal["fine", "coarse", "published"]
FORMS: tuple[Form, ...] = ("fine", "coarse", "published")
Values = dict[str, float | None]
_COUNTED = {"tAE": "P", "SE": "SP", "fQE": "fSP"}


class Sent(NamedTuple):
    """A message and when it came."""

    time_ns: int
    payload: bytes


def windows(preset: str | Preset, system: WiringSystem, seconds: float) -> list[Values]:
    """What a module measures: every window of 10 or 12 cycles of so many seconds, without energies."""
    module = VirtualModule(preset, system)
    analyser = Analyser(system, [_chip(chip) for chip in module.info.chips], nominal_voltage_v=module.preset.nominal_v)
    scales = [np.array([channel.unit_per_count for channel in chip.channels]) for chip in module.info.chips]
    own = [
        key for key in keys_for(system) if parameter(key).payload is not None and not parameter(key).unit.endswith("h")
    ]
    found: list[Values] = []
    for slot in range(module.slot_at(seconds)):
        for block in module.blocks(slot):
            samples = block.counts * scales[block.chip]
            analyser.push(block.chip, block.first_index, samples, block.device_time_us, block.host_time_ns)
        found += [{key: _seven(one.values.get(key)) for key in own} for one in analyser.pull()]
    return found


def sent(measured: list[Values], rng: random.Random, form: Form) -> Iterator[Sent]:
    """Messages of these windows. The module may have counted for years, is restarted at some time (its energies are
    then 0, or as last stored), and some messages come late together with the next."""
    interval_s = rng.choice((2.0, 2.0, 5.0, 60.0))
    before_wh = rng.choice((0.0, 1e3, 1e7, 1e9))
    restarts = rng.randrange(2 * len(measured))
    energies: dict[str, float] = {}
    stored: dict[str, float] = {}
    time_s = 1.8e9
    for number, values in enumerate(measured):
        if number % 9 == 0:
            stored = dict(energies)
        if number == restarts:
            energies = rng.choice(({}, stored, {key: wh for key, wh in stored.items() if key.startswith("tAE")}))
        passed_s = interval_s * rng.choice((1.0, 1.0, 1.0, 0.99, 1.01, 3.0))
        time_s += passed_s if rng.random() < 0.99 else 0.0
        _count(values, energies, passed_s / 3600.0, before_wh)
        whole = values | energies
        yield Sent(
            round(time_s * 1e9), imitate(whole) if form == "published" else encode_payload(whole, fine=form == "fine")
        )


def damaged(data: bytes, rng: random.Random) -> bytes:
    """The message with one to three bits or bytes that are not what they were."""
    places, bits = rng.randint(1, 3), rng.random() < 0.5
    body = bytearray(data)
    while bytes(body) == data:
        for _ in range(places):
            place = rng.randrange(2, len(body))
            body[place] = body[place] ^ 1 << rng.randrange(8) if bits else rng.randrange(256)
    return bytes(body)


def some_mains(rng: random.Random) -> Preset:
    """Mains, loads, harmonics and events by chance: dips and swells of some phases, load steps, flicker, a ramp."""
    nominal_v, nominal_hz = rng.choice(((230.0, 50.0), (120.0, 60.0), (277.0, 60.0)))
    waves = {}
    current_pct = rng.uniform(2.0, 60.0)
    for phase, angle_deg in (("1", 0.0), ("2", -120.0), ("3", 120.0)):
        lag_deg = rng.uniform(-180.0, 180.0) if rng.random() < 0.3 else rng.uniform(-60.0, 60.0)
        amperes = rng.choice((0.0, 0.01, 0.2, rng.uniform(1.0, 60.0), rng.uniform(1.0, 60.0)))
        waves[f"V{phase}"] = wave(nominal_v * rng.uniform(0.9, 1.1), angle_deg, _harmonics(rng, 2.5))
        waves[f"I{phase}"] = wave(amperes, angle_deg - lag_deg, _harmonics(rng, current_pct))
    touched = ({"V1", "V2", "V3"}, {"V1"}, {"I2"}, {"I1", "I2", "I3"}, {"V2", "I2"}, {"V3", "I3", "V1", "I1"})
    events = tuple(
        Event(
            frozenset(rng.choice(touched)),
            rng.choice((0.0, 0.05, 0.4, 0.7, 0.95, 1.05, 1.2, 1.8)),
            rng.uniform(0.5, 8.0),
            rng.choice((0.02, 0.1, 0.3, 1.0, 5.0)),
            rng.uniform(6.0, 20.0),
        )
        for _ in range(rng.randrange(7))
    )
    lamp = Flicker(frozenset(touched[0]), rng.uniform(0.2, 12.0), rng.uniform(0.2, 4.0), rng.random() < 0.5)
    ramp = Frequency(nominal_hz + rng.uniform(-0.3, 0.3), 0.05, 20.0, rng.choice((0.0, 0.5, -0.5)), 3.0, 2.0)
    mains = Mains(
        ramp if rng.random() < 0.5 else Frequency(ramp.hz),
        waves,
        noise_v=rng.choice((0.0, 0.05, 0.3)),
        noise_a=rng.choice((0.0, 0.01)),
        events=events,
        flicker=(lamp,) if rng.random() < 0.3 else (),
    )
    return Preset("by chance", "", nominal_v, nominal_hz, mains)


def _harmonics(rng: random.Random, percent: float) -> Harmonics:
    return {
        order: (rng.expovariate(order**0.7 / percent), rng.uniform(-180.0, 180.0))
        for order in range(2, 41)
        if rng.random() < (0.9 if order % 2 else 0.3)
    }


def _count(values: Mapping[str, float | None], energies: dict[str, float], hours: float, before_wh: float) -> None:
    """As the virtual module does; the parts of the active energy from before are those of three unequal phases."""
    for prefix, power in _COUNTED.items():
        for phase, share in zip("123c", (0.3, 0.5, 0.2, 1.0), strict=True):
            watts, key = values.get(f"{power}{phase}"), f"{prefix}{phase}"
            if watts is not None:
                energies.setdefault(key, before_wh * share if prefix == "tAE" else 0.0)
                if prefix != "tAE" or watts > 0.0:
                    energies[key] += watts * hours


def _chip(chip: ChipInfo) -> ChipSpec:
    return ChipSpec(
        chip.nominal_rate_hz, tuple(ChannelSpec(c.key, c.unit, c.full_scale, c.response) for c in chip.channels)
    )


def _seven(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")
