"""The settings of a virtual module: kept in memory, checked as firmware would."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from resources.settings import Value, settings_table

CONFIRM_S = 60.0
"""A change that may cut a link is undone after this time unless somebody confirms it."""


class SettingError(ValueError):
    """A setting that can't be written. `reason`: "unknown", "read-only" or "bad-value"; the text is one sentence."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Settings(Mapping[str, Value]):
    """The values of `resources.settings`; secrets read as None. Safe for use from several threads.

    A change of a link's settings counts at once but stands only when `confirm` is written within 60 s, over whatever
    link; `unconfirmed_s` tells the seconds left. clock: seconds, growing. on_change: called with the keys that changed,
    by the thread that changed them, or that noticed the time-out in `tick`.
    """

    def __init__(
        self, name: str, system: str, nominal_v: float, nominal_hz: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._before: dict[str, Value] = {}  # what an unconfirmed change replaced
        self._revert_at = math.inf
        self.on_change: list[Callable[[frozenset[str]], None]] = []
        self._values: dict[str, Value] = {key: spec.default for key, spec in settings_table().items()}
        self._values |= {
            "name": name,
            "nominal_voltage_v": nominal_v,
            "nominal_frequency_hz": nominal_hz,
            "system": system,
        }

    def __getitem__(self, key: str) -> Value:
        if key == "unconfirmed_s":
            left_s = self._revert_at - self._clock()
            return max(0, math.ceil(left_s)) if math.isfinite(left_s) else 0
        value = self._values[key]
        return None if settings_table()[key].access == "wo" else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def secret(self, key: str) -> Value:
        """The value of any setting as the firmware itself sees it."""
        return self._values[key]

    def write(self, changes: Mapping[str, Value]) -> None:
        """Change all of these or none. Raises SettingError."""
        for key, value in changes.items():
            _check(key, value)
        with self._lock:
            wanted = {key: value for key, value in changes.items() if key != "confirm"}
            changed = frozenset(key for key, value in wanted.items() if value != self._values[key])
            for key in changed:
                if settings_table()[key].link:
                    self._before.setdefault(key, self._values[key])
                    self._revert_at = self._clock() + CONFIRM_S
            self._values.update(wanted)
            if changes.get("confirm"):
                self._before.clear()
                self._revert_at = math.inf
        self._tell(changed)

    def stored(self) -> dict[str, Value]:
        """What a restart finds: the values without an unconfirmed change, secrets included."""
        with self._lock:
            values = self._values | self._before
        return {key: value for key, value in values.items() if key not in ("confirm", "unconfirmed_s")}

    def restore(self, values: Mapping[str, Value]) -> None:
        """Take stored values as they are; unknown keys are left out. For the start of a module."""
        with self._lock:
            self._values |= {key: value for key, value in values.items() if key in self._values}

    def tick(self) -> None:
        """Undo a change that nobody confirmed in time."""
        with self._lock:
            if self._clock() < self._revert_at:
                return
            changed = frozenset(self._before)
            self._values |= self._before
            self._before.clear()
            self._revert_at = math.inf
        self._tell(changed)

    def _tell(self, changed: frozenset[str]) -> None:
        if changed:
            for told in self.on_change:
                told(changed)


def _check(key: str, value: Value) -> None:
    spec = settings_table().get(key)
    if spec is None:
        raise SettingError("unknown", f"There is no setting {key!r}; there are {', '.join(settings_table())}.")
    problem = spec.problem(value)
    if problem is not None:
        raise SettingError("read-only" if spec.access == "ro" else "bad-value", problem)
