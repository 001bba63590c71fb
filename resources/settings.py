"""The one table of a module's settings, for every link: what there is, what may be written, where it lies on Modbus.

`settings.csv` holds it. Columns: key, name (for people), kind, unit, low and high (of numbers; of the length in bytes
for text), choices (parted by spaces), default, access, link, modbus_* (holding registers).
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """One setting.

    kind: text, number, integer, switch, or choice (of texts, or of numbers where a unit stands beside).
    low, high: bounds of a number; of the length in UTF-8 bytes of a text. access: "rw", "ro", or "wo" (a secret: it
    reads as None). link: the link that a wrong value cuts, "" for none: such a change stands only when it is confirmed.
    modbus_address, modbus_registers: holding registers, -1 and 0 for none. A number is stored times modbus_scale, a
    choice as its place in `choices` unless scaled, a text as UTF-8, high byte first, filled up with zeros.
    """

    key: str
    name: str
    kind: Literal["text", "number", "integer", "switch", "choice"]
    unit: str
    low: float
    high: float
    choices: tuple[str | int, ...]
    default: Value
    access: Literal["rw", "ro", "wo"]
    link: Literal["", "rs485", "wifi"]
    modbus_address: int
    modbus_registers: int
    modbus_scale: int | None

    def problem(self, value: Value) -> str | None:
        """One sentence that says why a value can't be written; None where it can."""
        if self.access == "ro":
            return f"{self.name} can't be changed: it is fixed by the module."
        if self.kind == "text":
            return self._problem_of_text(value)
        if self.kind == "switch":
            return None if isinstance(value, bool) else f"{self.name} is on or off (true or false)."
        if self.kind == "choice":
            good = value in self.choices and not isinstance(value, bool)
            return None if good else f"{self.name} is one of {', '.join(str(c) for c in self.choices)}."
        whole = self.kind == "integer"
        good = not isinstance(value, bool) and isinstance(value, int if whole else (int, float))
        if good and self.low <= cast(float, value) <= self.high:  # False for NaN
            return None
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name} is a {'whole ' if whole else ''}number from {self.low:g} to {self.high:g}{unit}."

    def _problem_of_text(self, value: Value) -> str | None:
        if not isinstance(value, str) or not value.isprintable():
            return f"{self.name} is a text of printable characters."
        size = len(value.encode("utf-8", "replace"))
        if self.low <= size <= self.high:
            return None
        return f"{self.name} has {self.low:g} to {self.high:g} bytes; this has {size}."


@cache
def settings_table() -> Mapping[str, SettingSpec]:
    """{key: spec} in the order of the table."""
    text = Path(__file__).with_name("settings.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["key"]: _spec(row) for row in csv.DictReader(text.splitlines())})


@cache
def modbus_settings() -> Mapping[str, SettingSpec]:
    """Those that lie in holding registers: what is too long for a bus is left to the other links."""
    return MappingProxyType({key: spec for key, spec in settings_table().items() if spec.modbus_registers})


def link_settings(link: str) -> tuple[str, ...]:
    """Keys whose change may cut this link ("rs485" or "wifi")."""
    return tuple(key for key, spec in settings_table().items() if spec.link == link)


def _spec(row: Mapping[str, str]) -> SettingSpec:
    scaled = row["modbus_scale"] != ""
    choices: tuple[str | int, ...] = tuple(row["choices"].split())
    if scaled:
        choices = tuple(int(choice) for choice in choices)
    return SettingSpec(
        key=row["key"],
        name=row["name"],
        kind=cast(Literal["text", "number", "integer", "switch", "choice"], row["kind"]),
        unit=row["unit"],
        low=float(row["low"] or 0),
        high=float(row["high"] or 0),
        choices=choices,
        default=_default(row, scaled),
        access=cast(Literal["rw", "ro", "wo"], row["access"]),
        link=cast(Literal["", "rs485", "wifi"], row["link"]),
        modbus_address=int(row["modbus_address"] or -1),
        modbus_registers=int(row["modbus_registers"] or 0),
        modbus_scale=int(row["modbus_scale"]) if scaled else None,
    )


def _default(row: Mapping[str, str], scaled: bool) -> Value:
    text = row["default"]
    if row["kind"] == "switch":
        return text == "true"
    return int(text) if scaled else text
