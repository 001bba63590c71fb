"""What the community map answers, taken apart: whatever comes, it ends as these types or as a MapError."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from resources.geohash import PositionError, bounds

LARGEST_PCT = 10_000.0
"""A distortion beyond it is no measurement."""
LATEST_S = 4e9
"""Epoch seconds up to which a window is believed: milliseconds are beyond it."""

_STATUSES = ("critical", "warning", "normal")


class MapErrorKind(StrEnum):
    """Why the map gave nothing."""

    ADDRESS = "address"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    LIMIT = "limit"
    REFUSED = "refused"
    NONSENSE = "nonsense"


class MapError(Exception):
    """One clear sentence. retry_after_s: when it makes sense to ask again; None where that is not known."""

    def __init__(self, kind: MapErrorKind, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.retry_after_s = retry_after_s


class MapCell(NamedTuple):
    """A cell. status: "critical", "warning", "normal" or None where nothing is known."""

    geohash: str
    status: str | None


@dataclass(frozen=True)
class MapCells:
    """The cells of the map. complete: False where the map has more than could be asked for."""

    cells: tuple[MapCell, ...]
    complete: bool


class MapPoint(NamedTuple):
    """One window of a trend: epoch seconds as the map gives them, mean, smallest, largest, and how many messages."""

    time_s: float
    value: float | None
    lowest: float | None
    highest: float | None
    messages: int | None


@dataclass(frozen=True)
class MapMetric:
    """THV or THI of a cell: its name and unit for people, present value, status and trend (may be empty)."""

    key: str
    name: str
    unit: str
    status: str | None
    value: float | None
    trend: tuple[MapPoint, ...]


class MapHarmonic(NamedTuple):
    """An order and its mean in the cell, in % of the fundamental, for voltage and current; None where unknown."""

    order: int
    voltage_pct: float | None
    current_pct: float | None


@dataclass(frozen=True)
class MapDetail:
    """All that the map tells of a cell. `text`: the map's own words, may be empty."""

    geohash: str
    status: str | None
    metrics: tuple[MapMetric, ...]
    harmonics: tuple[MapHarmonic, ...]
    text: str


def nonsense() -> MapError:
    """The error for an answer that is none."""
    return MapError(MapErrorKind.NONSENSE, "The answer is not one of a community map; check the address.")


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object of an answer. MapError for anything else."""
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise nonsense() from None
    if not isinstance(document, dict):
        raise nonsense()
    return document


def said(body: bytes) -> str:
    """What the map says is wrong, as far as it fits into a sentence."""
    try:
        message = json.loads(body.decode("utf-8"))["message"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    words = " ".join(message.split()) if isinstance(message, str) else ""
    return f' ("{words[:120]}")' if words.isprintable() and words else ""


def field_of(document: dict[str, Any], name: str) -> Any:
    """A field that has to be there. MapError where it is not."""
    if name not in document:
        raise nonsense()
    return document[name]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if type(value) not in (int, float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _percent(value: Any) -> float | None:
    """A distortion that can be drawn."""
    number = _number(value)
    return number if number is not None and 0.0 <= number <= LARGEST_PCT else None


def _words(value: Any, usual: str, longest: int) -> str:
    """Text of one line that can be shown anywhere: a terminal obeys what does not print."""
    if not isinstance(value, str):
        return usual
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())
    return line[:longest]


def detail_from(document: dict[str, Any], geohash: str) -> MapDetail:
    """The answer to a question for one cell. MapError where it has no data at all."""
    data = field_of(document, "data")
    data = data if isinstance(data, dict) else {}
    metadata = document.get("metadata")
    names: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
    known = data.get("metrics")
    metrics: dict[str, Any] = known if isinstance(known, dict) else {}
    listed = data.get("order")
    order = (
        [key for key in dict.fromkeys(key for key in listed if isinstance(key, str)) if key in metrics]
        if isinstance(listed, list)
        else list(metrics)
    )
    text = document.get("text")
    return MapDetail(
        geohash,
        _status(document.get("sid")),
        tuple(_metric(key, metrics[key], names.get(key)) for key in order),
        tuple(h for entry in _list(data.get("HDs")) if (h := _harmonic(entry)) is not None),
        _words(text, "", 500),
    )


def _status(value: Any) -> str | None:
    return _STATUSES[value] if type(value) is int and 0 <= value < len(_STATUSES) else None


def cell_from(entry: Any) -> MapCell | None:
    """A cell of a list, None for what is no cell."""
    word = entry.get("h") if isinstance(entry, dict) else None
    if not isinstance(word, str):
        return None
    try:
        bounds(word)
    except PositionError:
        return None
    return MapCell(word.lower(), _status(entry.get("sid")))


def _metric(key: str, entry: Any, told: Any) -> MapMetric:
    entry = entry if isinstance(entry, dict) else {}
    told = told if isinstance(told, dict) else {}
    name, unit = told.get("name"), told.get("units")
    points = []
    for value in _list(entry.get("values")):
        time_s = _number(value.get("x")) if isinstance(value, dict) else None
        if time_s is not None and 0.0 <= time_s <= LATEST_S:
            count = _number(value.get("cnt"))
            points.append(
                MapPoint(
                    time_s,
                    _percent(value.get("y")),
                    _percent(value.get("min")),
                    _percent(value.get("max")),
                    None if count is None else int(count),
                )
            )
    return MapMetric(
        key,
        _words(name, key, 60),
        _words(unit, "%", 12),
        _status(entry.get("sid")),
        _percent(entry.get("value")),
        tuple(points),
    )


def _harmonic(entry: Any) -> MapHarmonic | None:
    if not isinstance(entry, dict) or type(entry.get("x")) is not int:
        return None
    return MapHarmonic(entry["x"], _percent(entry.get("y1")), _percent(entry.get("y2")))
