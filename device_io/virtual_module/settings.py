"""The settings of a virtual module: kept in memory, checked as firmware would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Value = str | int | float | bool | None

MAX_NAME = 32
NOMINAL_V = (50.0, 400.0)
NOMINAL_HZ = (50.0, 60.0)


class SettingError(ValueError):
    """A setting that can't be written. `reason`: "unknown", "read-only" or "bad-value"; the text is one sentence."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Settings(Mapping[str, Value]):
    """name (text), nominal_voltage_v (phase to neutral), nominal_frequency_hz (50 or 60), system (read-only)."""

    def __init__(self, name: str, system: str, nominal_v: float, nominal_hz: float) -> None:
        self._values: dict[str, Value] = {
            "name": name,
            "nominal_voltage_v": nominal_v,
            "nominal_frequency_hz": nominal_hz,
            "system": system,
        }

    def __getitem__(self, key: str) -> Value:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def write(self, changes: Mapping[str, Value]) -> None:
        """Change all of these or none. Raises SettingError."""
        for key, value in changes.items():
            _check(key, value, self._values)
        self._values.update(changes)


def _check(key: str, value: Value, known: Mapping[str, Value]) -> None:
    if key not in known:
        raise SettingError("unknown", f"There is no setting {key!r}; there are {', '.join(known)}.")
    if key == "system":
        raise SettingError("read-only", "The wiring system is fixed by the boards in the module.")
    if key == "name":
        if not (isinstance(value, str) and value.isprintable() and len(value) <= MAX_NAME):
            raise SettingError("bad-value", f"A name has at most {MAX_NAME} printable characters.")
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SettingError("bad-value", f"{key} is a number.")
    elif key == "nominal_frequency_hz" and value not in NOMINAL_HZ:
        raise SettingError("bad-value", "The nominal frequency is 50 or 60 Hz.")
    elif key == "nominal_voltage_v" and not NOMINAL_V[0] <= value <= NOMINAL_V[1]:
        raise SettingError("bad-value", f"The nominal voltage is {NOMINAL_V[0]:g} to {NOMINAL_V[1]:g} V.")
