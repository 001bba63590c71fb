"""The one table of everything that is measured: keys, units, wiring systems, and how each travels on the wire.

`parameters.csv` holds it. Columns: key, name, unit ("" where there is none), systems (those it exists in, parted by
spaces), payload_* (the published MQTT payload), modbus_* (input registers), decimals (on screen), map_eligible and
map_thresholds (community map only; limits on screen come from `resources.limits`).

Letters in the keys: p = phase 1..3, h = harmonic order 1..40. `pVh`, `pIh`, `NIh` are % of that channel's fundamental,
`pVAh`, `pIAh` degrees against the fundamental of V1, `pVIHh`, `pIIHh` the interharmonic subgroup after order h in %,
`pVIHAh`, `pIIHAh` the angle of its strongest line, degrees at the crest of V1's fundamental next to the interval's
start, `pPh` watts. Energies end in `+` (imported) or `-` (exported).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from resources.systems import SYSTEMS, WiringSystem

PAYLOAD_BYTES = 704
"""Length of the published payload, without the two zero bytes that the publisher puts in front."""

FieldType = Literal["int8", "int16", "uint16", "int32", "int64", "uint64"]

TYPE_BYTES: Mapping[str, int] = MappingProxyType(
    {"int8": 1, "int16": 2, "uint16": 2, "int32": 4, "int64": 8, "uint64": 8}
)


@dataclass(frozen=True, slots=True)
class PayloadField:
    """Place of a value in the MQTT payload: big-endian, two's complement, unaligned.

    offset: bytes from the start of the 704. scale: wire units per unit, as published.
    fine_scale: scale in the percent-x-100 form, which a reading shows by a fundamental of 10000 instead of 100;
    None where both forms are the same.
    """

    offset: int
    type: FieldType
    scale: int
    fine_scale: int | None = None

    @property
    def size(self) -> int:
        """Bytes."""
        return TYPE_BYTES[self.type]


@dataclass(frozen=True, slots=True)
class ModbusField:
    """Input registers of a value, high word first. address: of the first one, from 0. scale: wire units per unit."""

    address: int
    type: FieldType
    scale: int

    @property
    def registers(self) -> int:
        """How many 16-bit registers it takes."""
        return (TYPE_BYTES[self.type] + 1) // 2


@dataclass(frozen=True, slots=True)
class MapThreshold:
    """A range low..high in which the community map shows a level: "critical", "warning" or "normal"."""

    level: Literal["critical", "warning", "normal"]
    low: float
    high: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One quantity. `payload`: None for what the published payload does not carry. `decimals`: on screen."""

    key: str
    name: str
    unit: str
    systems: frozenset[WiringSystem]
    payload: PayloadField | None
    modbus: ModbusField | None
    decimals: int
    map_eligible: bool
    map_thresholds: tuple[MapThreshold, ...]


@cache
def table() -> Mapping[str, Parameter]:
    """{key: parameter} in the order of the table: first the published payload's, in its order, then the rest."""
    text = Path(__file__).with_name("parameters.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["key"]: _parameter(row) for row in csv.DictReader(text.splitlines())})


@cache
def keys_for(system: WiringSystem) -> tuple[str, ...]:
    """Keys that exist in a wiring system, in table order. ValueError for an unknown system."""
    if system not in SYSTEMS:
        raise ValueError(f'"{system}" is not a wiring system; choose one of {", ".join(SYSTEMS)}.')
    return tuple(key for key, entry in table().items() if system in entry.systems)


def parameter(key: str) -> Parameter:
    """The parameter of a key. KeyError for an unknown one."""
    return table()[key]


def _parameter(row: Mapping[str, str]) -> Parameter:
    payload = modbus = None
    if row["payload_offset"]:
        fine = row["payload_fine_scale"]
        payload = PayloadField(
            int(row["payload_offset"]),
            cast(FieldType, row["payload_type"]),
            int(row["payload_scale"]),
            int(fine) if fine else None,
        )
    if row["modbus_address"]:
        modbus = ModbusField(int(row["modbus_address"]), cast(FieldType, row["modbus_type"]), int(row["modbus_scale"]))
    return Parameter(
        row["key"],
        row["name"],
        row["unit"],
        _systems(row["systems"]),
        payload,
        modbus,
        int(row["decimals"]),
        row["map_eligible"] == "1",
        _thresholds(row["map_thresholds"]),
    )


@cache
def _systems(text: str) -> frozenset[WiringSystem]:
    return frozenset(cast(WiringSystem, name) for name in text.split())


_LEVELS: Mapping[str, Literal["critical", "warning", "normal"]] = MappingProxyType(
    {"c": "critical", "w": "warning", "n": "normal"}
)


@cache
def _thresholds(text: str) -> tuple[MapThreshold, ...]:
    """From "c [8.0,100.0] Critical voltage waveform; n [0.0,8.0] ..."."""
    result = []
    for part in filter(None, text.split("; ")):
        letter, _, rest = part.partition(" [")
        bounds, _, words = rest.partition("]")
        low, _, high = bounds.partition(",")
        result.append(MapThreshold(_LEVELS[letter], float(low), float(high), words.strip()))
    return tuple(result)
