"""The published readings payload: 295 values in 704 bytes, on the wire behind two zero bytes; docs/mqtt.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from device_io.mqtt.payload_layout import CHANNELS, COARSE, FINE, ORDERS, Distortion, Head, head_of, layout, limits_of
from device_io.mqtt.plausibility import why_impossible
from resources.parameters import PAYLOAD_BYTES

LEAD = b"\0\0"
"""What the publisher puts in front."""

_FINE_SCALE = FINE / COARSE
_HARMONICS = np.ones(ORDERS)
_HARMONICS[0] = 0.0


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
    can. head, distortion: the same in wire units."""

    values: Mapping[str, float | None]
    implausible: str
    head: Head
    distortion: Distortion


def is_payload(data: bytes) -> bool:
    """Whether it has the length of a readings payload."""
    return len(data) - PAYLOAD_BYTES in (0, len(LEAD))


def decode_payload(data: bytes) -> Decoded:
    """Take a payload of 704 bytes, or 706 with the two in front, apart. PayloadError for any other length."""
    if not is_payload(data):
        raise PayloadError(
            f"A message of {len(data)} bytes is no readings of a Sensix module: they have {PAYLOAD_BYTES} or "
            f"{PAYLOAD_BYTES + len(LEAD)}. Check that nothing else publishes on the module's topic."
        )
    lead = len(data) - PAYLOAD_BYTES
    places = layout()
    numbers = places.head.unpack_from(data, lead)
    wire = np.frombuffer(data, ">u2", offset=lead + places.head.size).astype(np.float64)
    channels = len(CHANNELS)
    orders = wire[channels:].reshape(channels, ORDERS)
    fundamentals = orders[:, 0].tolist()
    values: list[float | None] = [value / scale for value, scale in zip(numbers, places.scales, strict=True)]
    fine = fundamentals.count(FINE)
    if 0 < fine < channels:
        scales = np.where(orders[:, 0] == FINE, _FINE_SCALE, 1.0)
        values += (wire / scales[places.channel_of]).tolist()
    else:
        values += (wire / _FINE_SCALE if fine else wire).tolist()
    for n, fundamental in enumerate(fundamentals):
        if fundamental not in (0, COARSE, FINE):
            start = len(numbers) + channels + n * ORDERS
            values[start : start + ORDERS] = [None] * ORDERS
            values[len(numbers) + n] = None
    head = head_of(numbers)
    distortion = Distortion(
        fundamentals,
        wire[:channels].tolist(),
        (orders @ _HARMONICS).tolist(),
        ((orders * orders) @ _HARMONICS).tolist(),
    )
    odd = why_impossible(head, distortion)
    if lead and not data.startswith(LEAD):
        odd = odd or "the two bytes in front of it are not 0"
    return Decoded(PayloadValues(places.places, values), odd, head, distortion)


def encode_payload(values: Mapping[str, float | None], *, fine: bool = True) -> bytes:
    """The 706 bytes of these values: rounded to the nearest, kept within each field, 0 where there is none.

    fine: THD and harmonics as percent x 100, else as whole percent. Keys that the payload does not carry are left out.
    """
    places = layout()
    raw = []
    for key, field in zip(places.keys, places.fields, strict=True):
        value = values.get(key)
        scale = field.fine_scale if fine and field.fine_scale is not None else field.scale
        low, high = limits_of(field)
        raw.append(0 if value is None else min(max(round(value * scale), low), high))
    return LEAD + places.whole.pack(*raw)


def pack_raw(raw: Mapping[str, int]) -> bytes:
    """The 706 bytes of wire values {key: value that fits its field}; 0 where there is none."""
    places = layout()
    return LEAD + places.whole.pack(*(raw.get(key, 0) for key in places.keys))
