"""What the window remembers from one start to the next: a small JSON file in the user's configuration folder."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SCHEMA = 1


class Preferences:
    """Plain values by name. Without a path nothing is read or kept. What can't be read counts as not there."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        if path is None:
            return
        with contextlib.suppress(OSError, ValueError):
            document = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(document, dict) and document.get("schema") == SCHEMA:
                self._values = {str(name): value for name, value in document.items() if name != "schema"}

    def get(self, name: str, kind: type, default: Any = None) -> Any:
        """The value of that name if it is of this kind, else the default."""
        value = self._values.get(name)
        return value if isinstance(value, kind) else default

    def set(self, name: str, value: Any) -> None:
        """Remember a JSON value."""
        self._values[name] = value

    def save(self) -> None:
        """Write the file whole or not at all. A full disk costs the preferences, not the program."""
        if self._path is None:
            return
        text = json.dumps({"schema": SCHEMA, **self._values}, indent=1)
        fresh = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(text, encoding="utf-8")
            os.replace(fresh, self._path)
        except OSError as error:
            log.info("Preferences were not kept: %s", error)
