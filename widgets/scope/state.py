"""The oscilloscope's settings as plain values, and back from whatever was kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from widgets.scope.scales import STEPS, TIME_STEPS_S, nearest_step
from widgets.scope.trigger import TriggerSettings


@dataclass(frozen=True)
class Kept:
    """Settings that could be read; None or empty where not. `per_division`: None stands for automatic."""

    time_per_division_s: float | None = None
    per_division: dict[str, float | None] = field(default_factory=dict)
    trigger: TriggerSettings | None = None
    hidden: set[str] = field(default_factory=set)
    cursors: dict[str, float] = field(default_factory=dict)
    cursors_shown: bool = True


def scope_state(
    time_per_division_s: float,
    per_division: Mapping[str, float | None],
    trigger: TriggerSettings,
    hidden: Iterable[str],
    cursors: Mapping[str, float],
    cursors_shown: bool,
) -> dict[str, Any]:
    """A plain dictionary that JSON can hold."""
    return {
        "time_per_division_s": nearest_step(TIME_STEPS_S, time_per_division_s),
        "per_division": dict(per_division),
        "trigger": {
            "channel": trigger.channel,
            "rising": trigger.rising,
            "level": trigger.level,
            "normal": trigger.normal,
        },
        "hidden": sorted(hidden),
        "cursors_s": dict(cursors),
        "cursors_shown": cursors_shown,
    }


def settings_from(state: Mapping[str, Any]) -> Kept:
    """Whatever of a kept state makes sense."""
    time_s = _number(state.get("time_per_division_s"))
    scales = _mapping(state.get("per_division"))
    cursors = _mapping(state.get("cursors_s"))
    hidden = state.get("hidden")
    return Kept(
        nearest_step(TIME_STEPS_S, time_s) if time_s is not None and time_s > 0 else None,
        {unit: _step(unit, scales[unit]) for unit in STEPS if unit in scales},
        _trigger(_mapping(state.get("trigger"))),
        {name for name in hidden if isinstance(name, str)} if isinstance(hidden, list | tuple | set) else set(),
        {name: value for name in "AB" if (value := _number(cursors.get(name))) is not None},
        state.get("cursors_shown") is not False,
    )


def _trigger(kept: Mapping[str, Any]) -> TriggerSettings | None:
    channel, level = kept.get("channel"), _number(kept.get("level"))
    if not isinstance(channel, str) or level is None:
        return None
    return TriggerSettings(channel, kept.get("rising") is not False, level, kept.get("normal") is True)


def _step(unit: str, value: object) -> float | None:
    number = _number(value)
    return nearest_step(STEPS[unit], number) if number is not None and number > 0 else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
