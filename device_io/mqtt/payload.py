"""The published readings payload: 295 values in 704 bytes, on the wire behind two zero bytes; docs/mqtt.md.

The payload tells neither length, version, time nor check: what can't be true is all that shows damage.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from resources.parameters import PAYLOAD_BYTES, PayloadField, table

LEAD = b"\0\0"
"""What the publisher puts in front."""
COARSE, FINE = 100, 10_000
"""The fundamental in the two forms of THD and harmonics: whole percent, percent x 100."""

_CODES = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "int64": "q", "uint64": "Q"}
_CHANNELS = ("V1", "V2", "V3", "I1", "I2", "I3")
_ORDERS = 40

# What a value can be at most, in wire units; 0 stands for "not measured" and is always possible.
_MAX_V, _MAX_A, _MAX_W, _MAX_WH = 1_000_000, 1_000_000, 1_000_000_000, 10**15
_MIN_HZ, _MAX_HZ = 40_000, 65_535
_MAX_DEG = 36_000
_MAX_V_PCT, _MAX_A_PCT = 100, 1000
_SLACK, _UNIT = 1.02, 1000  # factors were cut to mV, mA, mW; 1 V or W


class PayloadError(ValueError):
    """Bytes that are no readings payload; one sentence."""


class PayloadValues(Mapping[str, float | None]):
    """{key: value} of the 295 fields in their order. All share one table of keys: making a dict of them would cost more
    than all the rest of decoding."""

    __slots__ = ("_numbers", "_places")

    def __init__(self, places: Mapping[str, int], numbers: list[float | None]) -> None:
        self._places = places
        self._numbers = numbers

    def __getitem__(self, key: str) -> float | None:
        return self._numbers[self._places[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._numbers)

    def __repr__(self) -> str:
        return repr(dict(self))


class Decoded(NamedTuple):
    """values: {key: value in the table's unit} of all 295 fields; None for those of a channel whose fundamental is
    neither 0, 100 nor 10000, for their scale is then unknown. implausible: why the values can't be true, "" if they
    can. head: all but THD and harmonics in wire units, in the order of the table (`place_of`)."""

    values: Mapping[str, float | None]
    implausible: str
    head: tuple[int, ...]


class _Layout(NamedTuple):
    """keys, fields: in the order of the table, which is that of the payload: first the head, one by one, then 6 THD and
    6 x 40 harmonics as uint16. scales: of the head. channel_of, highest_pct: place in _CHANNELS and highest
    plausible value of each of the rest."""

    keys: tuple[str, ...]
    fields: tuple[PayloadField, ...]
    places: Mapping[str, int]
    head: struct.Struct
    scales: tuple[int, ...]
    channel_of: NDArray[np.intp]
    highest_pct: NDArray[np.float64]
    whole: struct.Struct


@cache
def _layout() -> _Layout:
    entries = [(entry.key, entry.payload) for entry in table().values() if entry.payload is not None]
    keys = tuple(key for key, _ in entries)
    fields = tuple(field for _, field in entries)
    head = fields[: -len(_CHANNELS) * (1 + _ORDERS)]
    tail = [f"TH{channel}" for channel in _CHANNELS]
    tail += [f"{channel[1]}{channel[0]}{order}" for channel in _CHANNELS for order in range(1, 1 + _ORDERS)]
    numbers = np.arange(len(_CHANNELS))
    channel_of = np.concatenate([numbers, np.repeat(numbers, _ORDERS)])
    whole = struct.Struct(">" + "".join(_CODES[field.type] for field in fields))
    follows = all(one.offset + one.size == other.offset for one, other in pairwise(fields))
    if not follows or whole.size != PAYLOAD_BYTES or list(keys[len(head) :]) != tail:
        raise AssertionError("the payload fields of the table are not the published ones")
    return _Layout(
        keys=keys,
        fields=fields,
        places={key: place for place, key in enumerate(keys)},
        head=struct.Struct(">" + "".join(_CODES[field.type] for field in head)),
        scales=tuple(field.scale for field in head),
        channel_of=channel_of,
        highest_pct=np.where(channel_of < 3, float(_MAX_V_PCT), float(_MAX_A_PCT)),
        whole=whole,
    )


def payload_keys() -> tuple[str, ...]:
    """Keys of the 295 fields in their order."""
    return _layout().keys


def place_of(key: str) -> int:
    """Place of a key in `Decoded.head`."""
    return _layout().places[key]


def decode_payload(data: bytes) -> Decoded:
    """Take a payload of 704 bytes, or 706 with the two in front, apart. PayloadError for any other length."""
    lead = len(data) - PAYLOAD_BYTES
    if lead not in (0, len(LEAD)):
        raise PayloadError(
            f"A message of {len(data)} bytes is no readings of a Sensix module: they have {PAYLOAD_BYTES} or "
            f"{PAYLOAD_BYTES + len(LEAD)}. Check that nothing else publishes on the module's topic."
        )
    layout = _layout()
    head = layout.head.unpack_from(data, lead)
    percent = np.frombuffer(data, ">u2", offset=lead + layout.head.size)
    channels = len(_CHANNELS)
    fundamentals = percent[channels::_ORDERS].tolist()
    scales = np.array([100.0 if fundamental == FINE else 1.0 for fundamental in fundamentals])
    percent = percent / scales[layout.channel_of]
    odd = _implausible_head(head)
    if not odd and (percent > layout.highest_pct).any():
        odd = f"a harmonic or THD is above {_MAX_V_PCT} % of a voltage or {_MAX_A_PCT} % of a current"
    values: list[float | None] = [value / scale for value, scale in zip(head, layout.scales, strict=True)]
    values += percent.tolist()
    for n, fundamental in enumerate(fundamentals):
        if fundamental not in (0, COARSE, FINE):
            start = len(head) + channels + n * _ORDERS
            values[start : start + _ORDERS] = [None] * _ORDERS
            values[len(head) + n] = None
            odd = odd or f"the fundamental of {_CHANNELS[n]} reads {fundamental}, neither {COARSE} nor {FINE}"
    return Decoded(PayloadValues(layout.places, values), odd, head)


def _implausible_head(head: tuple[int, ...]) -> str:
    """Why these can't be true, "" if they can: outside of what a module at a low-voltage grid can measure, or
    contradicting each other (|P| > S, a line voltage above the sum of its two phase voltages)."""
    for start, end, lowest, highest, words in _ranges():
        part = head[start:end]
        if max(part) > highest or (min(part) < lowest and any(value < lowest and value for value in part)):
            return f"{_layout().keys[start]} or one beside it {words}"
    v1, v2, v3, v12, v23, v31 = head[:6]
    if any(line > _SLACK * (one + other) + _UNIT for line, one, other in ((v12, v1, v2), (v23, v2, v3), (v31, v3, v1))):
        return "a line voltage is more than its two phase voltages together"
    active, apparent = _powers()
    if any(abs(p) > _SLACK * abs(s) + _UNIT for p, s in zip(head[active], head[apparent], strict=True)):
        return "an active power is more than the apparent power"
    return ""


@cache
def _powers() -> tuple[slice, slice]:
    """Where P and S of the phases and their sums are."""
    active, apparent, reactive = place_of("P1"), place_of("SP1"), place_of("fSP1")
    return slice(active, apparent), slice(apparent, reactive)


@cache
def _ranges() -> tuple[tuple[int, int, int, int, str], ...]:
    """(first place, end, lowest, highest, words) of the head; all of it, in parts of one kind. 0 always passes."""
    starts: list[tuple[str, int, int, str]] = [
        ("V1r", 0, _MAX_V, "is a voltage that no module measures"),
        ("Prot", 0, 1, "is neither 0 nor 1"),
        ("I1r", 0, _MAX_A, "is a current that no module measures"),
        ("P1", -_MAX_W, _MAX_W, "is a power that no module measures"),
        ("PF1i", -100, 100, "is no power factor"),
        ("tAE1", -_MAX_WH, _MAX_WH, "is an energy that nobody has used"),
        ("Fq1i", _MIN_HZ, _MAX_HZ, "is a frequency that no grid has"),
        ("V12a", -_MAX_DEG, _MAX_DEG, "is no angle"),
    ]
    ends = [place_of(key) for key, *_ in starts[1:]] + [len(_layout().scales)]
    return tuple(
        (place_of(key), end, lowest, highest, words)
        for (key, lowest, highest, words), end in zip(starts, ends, strict=True)
    )


def encode_payload(values: Mapping[str, float | None], *, fine: bool = True) -> bytes:
    """The 706 bytes of these values: rounded to the nearest, kept within each field, 0 where there is none.

    fine: THD and harmonics as percent x 100, else as whole percent. Keys that the payload does not carry are left out.
    """
    layout = _layout()
    raw = []
    for key, field in zip(layout.keys, layout.fields, strict=True):
        value = values.get(key)
        scale = field.fine_scale if fine and field.fine_scale is not None else field.scale
        low, high = limits_of(field)
        raw.append(0 if value is None else min(max(round(value * scale), low), high))
    return LEAD + layout.whole.pack(*raw)


def pack_raw(raw: Mapping[str, int]) -> bytes:
    """The 706 bytes of wire values {key: value that fits its field}; 0 where there is none."""
    layout = _layout()
    return LEAD + layout.whole.pack(*(raw.get(key, 0) for key in layout.keys))


def field_of(key: str) -> PayloadField:
    """The field of a key."""
    return _layout().fields[place_of(key)]


def limits_of(field: PayloadField) -> tuple[int, int]:
    """Lowest and highest wire value of a field."""
    bits = 8 * field.size
    return (0, 2**bits - 1) if field.type.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
