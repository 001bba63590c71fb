"""What may leave the house: from a 10-minute measurement to values that tell of the grid, not of the people."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Protocol

from dsp.measurement import FLAGS
from resources import geohash
from resources.parameters import table

INTERVAL_S = 600
INTERVAL_NS = INTERVAL_S * 10**9
LONGEST_DELAY_S = 540
"""The latest that an interval is sent after its end, chosen at random: well before the next one ends."""

CHOICES = ("power", "current-harmonics")
"""What may be shared beside the voltage's harmonics, each by a choice of its own."""
TYPES = {1: "1P-PowerMonitor1", 3: "3PN-PowerMonitor1"}
"""The map's device types by number of phases."""

VIRTUAL_EUIS, VIRTUAL_FIRMWARE = "0253454E", "virtual"
"""How EUI or firmware of a virtual module begin."""
VIRTUAL = "A virtual module measures no grid; its values go to a broker on this computer only."

_POWER = ("Pc", "SPc", "fSPc")
_LIMITS = {"V": (0.0, 100.0), "I": (0.0, 1000.0), "P": (-1e7, 1e7)}
"""Bounds of a value by its group, in % and W, VA, var: beyond them it is no measurement."""


class Aggregate(Protocol):
    """What is taken of a measurement (dsp.measurement.Measurement is one); its module is never looked at."""

    @property
    def end_ns(self) -> int:
        """End of the interval, UTC nanoseconds."""

    @property
    def system(self) -> str:
        """Wiring system."""

    @property
    def window(self) -> str:
        """Kind of interval."""

    @property
    def flags(self) -> tuple[str, ...]:
        """What was wrong in it."""

    @property
    def completeness(self) -> float:
        """Share that was measured, 0..1."""

    @property
    def values(self) -> Mapping[str, float | None]:
        """{key: value}."""


@dataclass(frozen=True)
class Interval:
    """One interval without identity. end_s: epoch seconds, a multiple of 600. type: the map's device type. values:
    {each of the map's keys: rounded number or None}."""

    end_s: int
    type: str
    values: Mapping[str, float | int | None]


@dataclass(frozen=True)
class Alias:
    """Who a module is to the map for a day in a cell. pseudonym: 16 random hex digits."""

    cell: str
    day: str
    pseudonym: str

    @property
    def topic(self) -> str:
        """The topic of its messages: the same words for everybody but for the pseudonym."""
        return f"v1/community/devices/{self.pseudonym}/data"


@cache
def map_keys() -> tuple[str, ...]:
    """The 123 keys of the map, in the table's order."""
    return tuple(key for key, entry in table().items() if entry.map_eligible)


def group_of(key: str) -> str:
    """Of a key of the map: "V" harmonics of voltage, "I" of current, "P" power."""
    if key in _POWER:
        return "P"
    return key[2] if key.startswith("TH") else key[1]


def shared_groups(choices: Iterable[str]) -> frozenset[str]:
    """The groups that are sent with these choices. ValueError for an unknown one."""
    groups = {"V"}
    for choice in choices:
        if choice not in CHOICES:
            raise ValueError(f'"{choice}" is nothing that can be shared; choose of {", ".join(CHOICES)}.')
        groups.add("P" if choice == "power" else "I")
    return frozenset(groups)


@cache
def bounds_of(device_type: str) -> Mapping[str, tuple[float, float]]:
    """{each of the map's keys that a device of this type can know: (smallest, largest) value that is a measurement}."""
    system = "1P" if device_type == TYPES[1] else "3P"
    return {key: _LIMITS[group_of(key)] for key in map_keys() if system in table()[key].systems}


def is_virtual(eui: str | None, firmware: str) -> bool:
    """Whether a module is a virtual one: its values have no place on a map of the grid."""
    return firmware.startswith(VIRTUAL_FIRMWARE) or (eui or "").upper().startswith(VIRTUAL_EUIS)


def why_left_out(measurement: Aggregate) -> str | None:
    """One sentence why an interval can't be shared; None for one that can: whole, on the clock, without flags."""
    if measurement.window != "10min":
        return "Only 10-minute values are shared."
    if measurement.flags:
        what = "; ".join(f"{flag} ({_meaning(flag)})" if _meaning(flag) else flag for flag in measurement.flags)
        return f"Flagged intervals are left out; this one has: {what}."
    if measurement.end_ns % INTERVAL_NS or measurement.completeness < 1.0:
        return "The interval is not whole: it does not last from one 10 minutes of the clock to the next."
    if all(value is None for value in anonymise(measurement).values.values()):
        return "Nothing of the voltage could be measured in this interval."
    return None


def _meaning(flag: str) -> str:
    """A flag in a few words."""
    return FLAGS.get(flag, "").partition(":")[0].partition(";")[0]


def anonymise(measurement: Aggregate, choices: Iterable[str] = ()) -> Interval:
    """The values that may be shared, rounded to the table's decimals; all others None. The end is the next full 10
    minutes, also of an interval under way."""
    groups = shared_groups(choices)
    device_type = TYPES[1 if measurement.system.startswith("1P") else 3]
    bounds = bounds_of(device_type)
    values = {
        key: _rounded(key, measurement.values.get(key)) if group_of(key) in groups and key in bounds else None
        for key in map_keys()
    }
    return Interval(-(-measurement.end_ns // INTERVAL_NS) * INTERVAL_S, device_type, values)


def place_of(cell: str) -> dict[str, float]:
    """The only position of a cell: its centre, in degrees, to 4 decimals."""
    latitude_deg, longitude_deg = geohash.decode(cell)
    return {"lat": round(latitude_deg, 4), "lon": round(longitude_deg, 4)}


def day_of(end_s: int) -> str:
    """The UTC day in which an interval lies, "2026-11-22"; the one that ends at midnight belongs to the day before."""
    return datetime.fromtimestamp(end_s - INTERVAL_S, UTC).date().isoformat()


def new_alias(cell: str, day: str) -> Alias:
    """A fresh pseudonym: from the system's random numbers and nothing else."""
    return Alias(cell, day, secrets.token_hex(8).upper())


def new_client_id() -> str:
    """A fresh MQTT client id, as long as every broker takes it."""
    return secrets.token_hex(10)


def random_delay_s() -> float:
    """How long after its end an interval is sent, so that the time tells nothing of the module: 1..540 s."""
    return random.SystemRandom().uniform(1.0, LONGEST_DELAY_S)


def _rounded(key: str, value: float | None) -> float | int | None:
    lowest, highest = _LIMITS[group_of(key)]
    if value is None or not lowest <= value <= highest:  # no NaN and no infinity either
        return None
    decimals = table()[key].decimals
    if decimals == 0:
        return round(value)
    return round(float(value), decimals) + 0.0  # no -0.0
