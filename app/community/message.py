"""The bytes that leave: how they are made, and the check that nothing passes which would hurt the map.

The map ends its subscriber on what is not JSON, averages late data into the present, erases keys that are left out and
stays silent for a whole cell after one time stamp in the future. So each message is checked, whoever made it.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache, lru_cache
from typing import Any, NoReturn

from app.community.anonymise import INTERVAL_S, TYPES, Alias, Interval, bounds_of, map_keys, place_of
from resources import geohash

RULES = 1
"""Version of `check`: messages that passed an older one are checked again."""
EARLIEST_S = 946_684_800
"""2000-01-01: no recording that is shared is older; a time before it is a clock that was never set."""
LONGEST_BYTES = 8192
TOPIC = re.compile(r"v1/community/devices/[0-9A-F]{16}/data")
_PSEUDONYM = re.compile(r"[0-9A-F]{16}")


class MessageError(ValueError):
    """One sentence: why these bytes must not leave."""


def build(interval: Interval, alias: Alias) -> bytes:
    """The message of an interval: JSON in UTF-8 without spaces. It is not checked."""
    document = {
        "eui": alias.pseudonym,
        "type": interval.type,
        "payload": {"timestamp": interval.end_s, "data": {key: interval.values.get(key) for key in map_keys()}},
        "user_data": {"position": place_of(alias.cell)},
    }
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def seal(payload: bytes, topic: str, end_s: int) -> bytes:
    """A sum over a message that was checked, by these rules: whoever finds it unbroken need not check again."""
    return hashlib.sha256(b"%d %d %s %s" % (RULES, end_s, topic.encode(), payload)).digest()


def check(payload: bytes, *, now_s: float, topic: str | None = None) -> None:
    """Pass bytes that the map takes without harm. now_s: epoch seconds by a clock that is trusted.

    :raises MessageError: for anything else.
    """
    if topic is not None and not TOPIC.fullmatch(topic):
        raise MessageError("The topic is not one of the map's.")
    if len(payload) > LONGEST_BYTES:
        raise MessageError(f"The message has {len(payload)} bytes; {LONGEST_BYTES} are the most.")
    document = _parse(payload)
    _keys(document, ("eui", "type", "payload", "user_data"), "message")
    if not (isinstance(document["eui"], str) and _PSEUDONYM.fullmatch(document["eui"])):
        raise MessageError("The pseudonym is not 16 hexadecimal digits.")
    if topic is not None and f"/{document['eui']}/" not in topic:
        raise MessageError("Topic and message name different pseudonyms.")
    if document["type"] not in TYPES.values():
        raise MessageError("The device type is none that the map knows.")
    _keys(document["payload"], ("timestamp", "data"), "payload")
    _check_time(document["payload"]["timestamp"], now_s)
    _check_data(document["payload"]["data"], document["type"])
    _keys(document["user_data"], ("position",), "user_data")
    _check_place(document["user_data"]["position"])
    if b"\\" in payload or payload.count(b'"') != _quotes():
        raise MessageError("A key is there twice, or written in another way than the map's own.")


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        document = _DECODER.decode(payload.decode("utf-8"))
    except MessageError:
        raise
    except (ValueError, RecursionError):
        raise MessageError("The message is no JSON.") from None
    if not isinstance(document, dict):
        raise MessageError("The message is no JSON object.")
    return document


def _refuse(constant: str) -> NoReturn:
    raise MessageError(f"{constant} is no number that JSON has.")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


@cache
def _quotes() -> int:
    """Quotation marks of a message in which each key is there once and two values are words."""
    around = ("eui", "type", "payload", "timestamp", "data", "user_data", "position", "lat", "lon")
    return 2 * (len(around) + len(map_keys()) + 2)


def _keys(value: Any, names: tuple[str, ...], what: str) -> None:
    if not isinstance(value, dict) or set(value) != set(names):
        raise MessageError(f"The {what} needs exactly these fields: {', '.join(names)}.")


def _check_time(timestamp: Any, now_s: float) -> None:
    if type(timestamp) is not int:
        raise MessageError("The time stamp is no whole number of seconds.")
    if timestamp % INTERVAL_S:
        raise MessageError("The time stamp is not on a full 10 minutes.")
    if timestamp < EARLIEST_S:
        raise MessageError("The time stamp lies before the year 2000.")
    if not timestamp <= now_s:
        raise MessageError("The time stamp lies in the future.")


def _check_data(data: Any, device_type: str) -> None:
    if not isinstance(data, dict) or data.keys() != set(map_keys()):
        raise MessageError(f"The data need exactly the map's {len(map_keys())} keys.")
    bounds = bounds_of(device_type)
    is_empty = True
    for key, value in data.items():
        if value is None:
            continue
        is_empty = False
        if type(value) is not float and type(value) is not int:
            raise MessageError(f"The value of {key} is no number.")
        if key not in bounds:
            raise MessageError(f"A device of type {device_type} can't know {key}.")
        lowest, highest = bounds[key]
        if not lowest <= value <= highest:  # no NaN and no infinity either
            raise MessageError(f"The value of {key} is beyond all bounds.")
    if is_empty:
        raise MessageError("There is no value in the message.")


def _check_place(position: Any) -> None:
    _keys(position, ("lat", "lon"), "position")
    latitude_deg, longitude_deg = position["lat"], position["lon"]
    if not all(type(angle) in (int, float) for angle in (latitude_deg, longitude_deg)):
        raise MessageError("The position is no pair of numbers.")
    if not (-90 <= latitude_deg < 90 and -180 <= longitude_deg < 180):
        raise MessageError("The position is not on the globe.")
    if position != _place(latitude_deg, longitude_deg):
        raise MessageError("The position is finer than a cell of the map.")


@lru_cache
def _place(latitude_deg: float, longitude_deg: float) -> dict[str, float]:
    """The position of the cell that a place is in."""
    return place_of(geohash.encode(latitude_deg, longitude_deg))
