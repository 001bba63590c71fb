"""What an event means for equipment: its place beside ITIC and SEMI F47, and the classes of EN 50160.

Events come from U rms(1/2), one cycle long and new every half cycle: what is shorter than half a cycle can't be
resolved, and the part of the curves below it is for drawing only.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from resources.limits.tolerance import Curve, EventGrid, itic, semi_f47, short_interruption_s

IticRegion = Literal["no interruption", "prohibited", "no damage", "not resolvable"]
SemiF47Region = Literal["required", "recommended", "not required", "not resolvable"]


def curve_at(curve: Curve, duration_s: float) -> float:
    """Residual voltage of a curve at a duration, %; its ends go on level.

    At a step the side before it counts: each part of a curve holds up to and including its last duration.
    """
    durations = [point[0] for point in curve.points]
    after = bisect_left(durations, duration_s)
    if after == len(durations):
        return curve.points[-1][1]
    (end_s, end_pct), (start_s, start_pct) = curve.points[after], curve.points[max(after - 1, 0)]
    if after == 0 or duration_s == end_s or start_pct == end_pct:
        return end_pct
    share = math.log(duration_s / start_s) / math.log(end_s / start_s)
    return start_pct + share * (end_pct - start_pct)


def itic_region(duration_s: float | None, residual_pct: float | None, nominal_frequency_hz: float = 50.0) -> IticRegion:
    """Where an event lies: "no interruption" (equipment works on), "no damage" (below: it may stop), "prohibited"
    (above: it may be damaged).

    residual_pct: lowest, for a swell highest, voltage in % of the reference. "not resolvable": shorter than half a
    cycle, or duration or residual not known.
    """
    if not _resolvable(duration_s, residual_pct, nominal_frequency_hz):
        return "not resolvable"
    assert duration_s is not None
    assert residual_pct is not None
    envelope = itic()
    if residual_pct > curve_at(envelope.upper, duration_s):
        return "prohibited"
    return "no interruption" if residual_pct >= curve_at(envelope.lower, duration_s) else "no damage"


def semi_f47_region(
    duration_s: float | None, residual_pct: float | None, nominal_frequency_hz: float = 50.0
) -> SemiF47Region:
    """Whether equipment has to ride through a sag: "required", "recommended" or "not required".

    Swells are no part of SEMI F47: "not required". "not resolvable" as in `itic_region`.
    """
    if not _resolvable(duration_s, residual_pct, nominal_frequency_hz):
        return "not resolvable"
    assert duration_s is not None
    assert residual_pct is not None
    if residual_pct > 100.0:
        return "not required"
    curves = semi_f47(nominal_frequency_hz)
    if duration_s <= curves.required.points[-1][0] and residual_pct >= curve_at(curves.required, duration_s):
        return "required"
    return "recommended" if residual_pct >= curve_at(curves.recommended, duration_s) else "not required"


@dataclass(frozen=True)
class GridCounts:
    """Events by class. counts: int [rows, columns] of the grid. outside: events that belong to none."""

    grid: EventGrid
    counts: NDArray[np.int64]
    outside: int


def count_events(
    grid: EventGrid, durations_s: Sequence[float | None], residuals_pct: Sequence[float | None]
) -> GridCounts:
    """Count dips or swells in the classes of EN 50160.

    durations_s, residuals_pct: one of each for an event, polyphase events once; None or NaN where not known, which is
    outside as is what is too short, too long or not beyond the bound. ValueError for lists of different length.
    """
    counts = np.zeros((len(grid.residual_from_pct), len(grid.up_to_s)), np.int64)
    outside = 0
    for duration_s, residual_pct in zip(durations_s, residuals_pct, strict=True):
        place = _class(grid, duration_s, residual_pct)
        if place is None:
            outside += 1
        else:
            counts[place] += 1
    return GridCounts(grid, counts, outside)


def count_interruptions(durations_s: Sequence[float]) -> tuple[int, int]:
    """(short, long) interruptions by EN 50160."""
    short = sum(duration <= short_interruption_s() for duration in durations_s)
    return short, len(durations_s) - short


def _class(grid: EventGrid, duration_s: float | None, residual_pct: float | None) -> tuple[int, int] | None:
    if duration_s is None or residual_pct is None:
        return None
    beyond = residual_pct < grid.bound_pct if grid.kind == "dips" else residual_pct > grid.bound_pct
    rows = [row for row, lowest in enumerate(grid.residual_from_pct) if residual_pct >= lowest]
    columns = [column for column, longest in enumerate(grid.up_to_s) if grid.from_s <= duration_s <= longest]
    return (rows[0], columns[0]) if beyond and rows and columns else None


def _resolvable(duration_s: float | None, residual_pct: float | None, nominal_frequency_hz: float) -> bool:
    if duration_s is None or residual_pct is None or not math.isfinite(duration_s) or not math.isfinite(residual_pct):
        return False
    return duration_s * nominal_frequency_hz >= 0.5
