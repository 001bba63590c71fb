"""Where the 295 values of the published readings lie, as the table of parameters says it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resources.parameters import PAYLOAD_BYTES, PayloadField, table

COARSE, FINE = 100, 10_000
"""The fundamental in the two forms of THD and harmonics: whole percent, percent x 100."""
CHANNELS = ("V1", "V2", "V3", "I1", "I2", "I3")
ORDERS = 40

_CODES = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q", "uint64": "Q"}
_PARTS = ("V1r", "V12r", "Prot", "I1r", "P1", "SP1", "fSP1", "PF1i", "tAE1", "SE1", "fQE1", "Fq1i", "V12a", "phi1")


class Layout(NamedTuple):
    """keys, fields: in the order of the table, which is that of the payload: first the head, one by one, then 6 THD and
    6 x 40 harmonics as uint16. scales: of the head. parts: its slices as of `Head`. channel_of: place in CHANNELS of
    each of the rest."""

    keys: tuple[str, ...]
    fields: tuple[PayloadField, ...]
    places: Mapping[str, int]
    head: struct.Struct
    scales: tuple[int, ...]
    parts: tuple[slice, ...]
    channel_of: NDArray[np.intp]
    whole: struct.Struct


class Head(NamedTuple):
    """All but THD and harmonics, in wire units, a tuple of L1 L2 L3 each unless said otherwise.

    lines: voltages between phases, 12 23 31. sequence: one number. i: L1 L2 L3, neutral, leakage. p, s, q, the energies
    and hz: L1 L2 L3 and their sum or mean. between: angles 12 23 31. phi: of the currents.
    """

    v: tuple[int, ...]
    lines: tuple[int, ...]
    sequence: tuple[int, ...]
    i: tuple[int, ...]
    p: tuple[int, ...]
    s: tuple[int, ...]
    q: tuple[int, ...]
    pf: tuple[int, ...]
    active_energy: tuple[int, ...]
    apparent_energy: tuple[int, ...]
    reactive_energy: tuple[int, ...]
    hz: tuple[int, ...]
    between: tuple[int, ...]
    phi: tuple[int, ...]


class Distortion(NamedTuple):
    """THD and harmonics of the six channels (`CHANNELS`) in wire units: the fundamentals, the THD, and of the orders
    2..40 their sum and the sum of their squares."""

    fundamentals: list[float]
    thd: list[float]
    sums: list[float]
    squares: list[float]


@cache
def layout() -> Layout:
    """Of the table; AssertionError where that has not the published fields."""
    entries = [(entry.key, entry.payload) for entry in table().values() if entry.payload is not None]
    keys = tuple(key for key, _ in entries)
    fields = tuple(field for _, field in entries)
    head = fields[: -len(CHANNELS) * (1 + ORDERS)]
    tail = [f"TH{channel}" for channel in CHANNELS]
    tail += [f"{channel[1]}{channel[0]}{order}" for channel in CHANNELS for order in range(1, 1 + ORDERS)]
    numbers = np.arange(len(CHANNELS))
    whole = struct.Struct(">" + "".join(_CODES[field.type] for field in fields))
    follows = all(one.offset + one.size == other.offset for one, other in pairwise(fields))
    if not follows or whole.size != PAYLOAD_BYTES or list(keys[len(head) :]) != tail:
        raise AssertionError("the payload fields of the table are not the published ones")
    starts = [keys.index(key) for key in _PARTS]
    return Layout(
        keys=keys,
        fields=fields,
        places={key: place for place, key in enumerate(keys)},
        head=struct.Struct(">" + "".join(_CODES[field.type] for field in head)),
        scales=tuple(field.scale for field in head),
        parts=tuple(slice(*ends) for ends in pairwise([*starts, len(head)])),
        channel_of=np.concatenate([numbers, np.repeat(numbers, ORDERS)]),
        whole=whole,
    )


def head_of(numbers: tuple[int, ...]) -> Head:
    """The head of a payload from its numbers in order."""
    return Head(*[numbers[part] for part in layout().parts])


def payload_keys() -> tuple[str, ...]:
    """Keys of the 295 fields in their order."""
    return layout().keys


def place_of(key: str) -> int:
    """Place of a key among them."""
    return layout().places[key]


def field_of(key: str) -> PayloadField:
    """The field of a key."""
    return layout().fields[place_of(key)]


def limits_of(field: PayloadField) -> tuple[int, int]:
    """Lowest and highest wire value of a field."""
    bits = 8 * field.size
    return (0, 2**bits - 1) if field.type.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
