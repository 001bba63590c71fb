"""What the side panels show, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from widgets.map.cells import CellStatus
from widgets.numbers import is_measured

Value = float | None
"""None where nothing was measured."""

_ALIKE_SHARE = 0.20
_ALIKE_PCT = 0.3
"""Distortions are alike when they differ by less than a fifth, or by less than so many per cent of the fundamental."""


@dataclass(frozen=True)
class Trend:
    """Values of a cell over time; all sequences of one length, None where there is none.

    time_s: seconds since 1970 (UTC) of the middle of each interval. own: the module's own values at the same times.
    """

    title: str
    subtitle: str
    time_s: Sequence[float] = ()
    mean: Sequence[Value] = ()
    low: Sequence[Value] = ()
    high: Sequence[Value] = ()
    own: Sequence[Value] = ()
    limit: Value = None
    unit: str = "%"


@dataclass(frozen=True)
class Harmonics:
    """Odd harmonics in % of the fundamental by order, of the cell and of the own module; None where not measurable."""

    title: str
    orders: Sequence[int] = ()
    cell: Sequence[Value] = ()
    own: Sequence[Value] = ()
    limits: Sequence[Value] = ()


@dataclass(frozen=True)
class Comparison:
    """One quantity of the own module, of the cell and of the cells around it, in % of the fundamental."""

    name: str
    own: Value
    cell: Value
    neighbours: Value
    decimals: int = 1


@dataclass(frozen=True)
class CellDetail:
    """All that is known of a cell. `text`: what the community map says of it in words. `elsewhere`: why the own module
    tells nothing of this cell, empty where it does."""

    cell: str
    place: str = ""
    size: str = ""
    status: CellStatus = CellStatus.NONE
    status_text: str = ""
    text: str = ""
    comparisons: tuple[Comparison, ...] = ()
    trends: tuple[Trend, ...] = ()
    harmonics: Harmonics | None = None
    elsewhere: str = ""


class Cause(StrEnum):
    """Where a distortion of the voltage comes from."""

    STREET = "street"
    HOUSE = "house"
    NEITHER = "neither"
    UNKNOWN = "unknown"


def verdict(detail: CellDetail) -> tuple[Cause, str]:
    """Me or the street, from the first comparison (the distortion of the voltage)."""
    first = detail.comparisons[0] if detail.comparisons else None
    if first is None or not is_measured(first.cell):
        return Cause.UNKNOWN, "Not known. The cell has no recent data."
    if detail.elsewhere:
        return Cause.UNKNOWN, f"Not known. {detail.elsewhere}"
    if not is_measured(first.own):
        return Cause.UNKNOWN, "Not known. No module of yours is connected."
    own, cell = float(first.own or 0.0), float(first.cell or 0.0)
    alike = abs(own - cell) <= max(_ALIKE_PCT, _ALIKE_SHARE * max(own, cell))
    if not alike and own > cell:
        return Cause.HOUSE, "Your house. Your voltage is worse than the cell."
    if detail.status < CellStatus.WARNING:
        return Cause.NEITHER, "Neither. Your voltage and the cell are normal."
    if alike:
        return Cause.STREET, "The street. Your voltage follows the cell."
    return Cause.STREET, "The street. Your voltage is better than the cell."


@dataclass(frozen=True)
class ConsentSection:
    """A heading and its points."""

    title: str
    points: tuple[str, ...]


@dataclass(frozen=True)
class ConsentChoice:
    """Something that can be shared: key in code, words, what it tells about the household. always: part of every
    message, not to be chosen."""

    key: str
    text: str
    hint: str = ""
    chosen: bool = False
    always: bool = False


@dataclass(frozen=True)
class SentSoFar:
    """What was sent since consent was given. last: in words, "" for never. late: unsent and too late for the map.
    forgotten: sent, and no longer in the log."""

    messages: int = 0
    total_bytes: int = 0
    last: str = ""
    waiting: int = 0
    late: int = 0
    forgotten: int = 0


@dataclass(frozen=True)
class Preview:
    """The message as it would be sent. `missing`: why it cannot be sent yet, empty where it can. `note`: what else is
    to be said of it."""

    payload: bytes = b""
    topic: str = ""
    missing: tuple[str, ...] = field(default=())
    note: str = ""
