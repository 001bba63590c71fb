"""What a module keeps for itself, before and after: settings, calibration, counters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from device_io.flashing.told import Told
from device_io.source import Setting
from resources.parameters import table
from resources.settings import settings_table

_ENERGIES = ("Wh", "VAh", "varh")
_SLACK, _LEAST = 0.01, 1.0
"""Net energies may fall a little while a module measures on."""


def differences(before: Mapping[str, Any], after: Told) -> tuple[str, ...]:
    """Sentences on what is not as it was; () where nothing is, or nothing can be compared. before: `Told.as_json`."""
    if after.info is None:
        return ()
    found = []
    settings: Mapping[str, Setting] = before.get("settings") or {}
    specs = settings_table()
    for key, value in settings.items():
        spec = specs.get(key)
        if spec is None or spec.access == "wo" or key == "unconfirmed_s" or after.settings is None:
            continue
        if key not in after.settings:
            found.append(f"{spec.name} was {value!r}; the firmware does not know this setting.")
        elif after.settings[key] != value:
            found.append(f"{spec.name} was {value!r} and is {after.settings[key]!r} now.")
    identity = _identity(before)
    was, now = identity.get("calibrated"), after.info.calibrated
    if identity and was != now:
        found.append(f"The calibration was of {was or 'no date'} and is of {now or 'no date'} now.")
    return (*found, *_counters(before.get("readings") or {}, after.readings or {}))


def eui_of(before: Mapping[str, Any]) -> str | None:
    """Which module told this; None where none answered."""
    return _identity(before).get("eui")


def _counters(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> list[str]:
    found = []
    for key, parameter in table().items():
        was, now = before.get(key), after.get(key)
        if parameter.unit not in _ENERGIES or was is None or now is None:
            continue
        if abs(now) < abs(was) * (1.0 - _SLACK) - _LEAST:
            found.append(f"{parameter.name} went back from {was:g} to {now:g} {parameter.unit}.")
    return found


def _identity(before: Mapping[str, Any]) -> dict[str, Any]:
    try:
        identity = json.loads(before.get("identity") or "{}")
    except ValueError:
        return {}
    return identity if isinstance(identity, dict) else {}
