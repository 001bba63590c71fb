"""From the table of settings and a module's values to what the form shows, and back."""

from __future__ import annotations

from collections.abc import Mapping

from device_io.discovery.module_list import kind_of
from device_io.source import Setting as Value
from resources.settings import SettingSpec, settings_table
from widgets.modules.model import Setting, SettingKind, SettingValue

_SECTIONS = {"": "General", "rs485": "RS485", "wifi": "WiFi"}
_KINDS = {
    "text": SettingKind.TEXT,
    "number": SettingKind.NUMBER,
    "integer": SettingKind.NUMBER,
    "choice": SettingKind.CHOICE,
    "switch": SettingKind.SWITCH,
}
_HIDDEN = frozenset({"confirm", "unconfirmed_s", "mqtt_ca"})


def rows(values: Mapping[str, Value], url: str) -> list[Setting]:
    """The form's rows for a module's settings, read over this link."""
    table = settings_table()
    return [_row(table[key], values[key], url) for key in table if key in values and key not in _HIDDEN]


def to_values(changes: Mapping[str, SettingValue]) -> dict[str, Value]:
    """What the form gives, as the module takes it."""
    table = settings_table()
    return {key: _to_value(table[key], value) for key, value in changes.items() if key in table}


def _row(spec: SettingSpec, value: Value, url: str) -> Setting:
    numeric = spec.kind in ("number", "integer")
    secret = spec.access == "wo"
    return Setting(
        key=spec.key,
        label=spec.name,
        kind=_KINDS[spec.kind],
        value="" if secret else _shown(spec, value),
        unit="" if spec.kind == "choice" else spec.unit,
        minimum=spec.low if numeric else None,
        maximum=spec.high if numeric else None,
        decimals=1 if spec.kind == "number" else 0,
        choices=tuple((str(choice), f"{choice} {spec.unit}".rstrip()) for choice in spec.choices),
        section=_SECTIONS[spec.link if spec.link else "wifi" if spec.key.startswith("mqtt") else ""],
        hint="Empty keeps it as is" if secret else "",
        cuts_link=bool(spec.link) and spec.link == kind_of(url),
        read_only=spec.access == "ro",
    )


def _shown(spec: SettingSpec, value: Value) -> Value:
    return next((str(choice) for choice in spec.choices if choice == value), None) if spec.choices else value


def _to_value(spec: SettingSpec, value: SettingValue) -> Value:
    if value is None:
        return None
    if spec.kind == "integer":
        return int(float(value))
    if spec.kind == "number":
        return float(value)
    if spec.kind == "switch":
        return bool(value)
    if spec.kind == "choice":
        return next((choice for choice in spec.choices if str(choice) == str(value)), str(value))
    return str(value)
