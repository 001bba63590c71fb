"""What a verb prints: results to stdout as text or JSON lines, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from app.stopping import Stop, discard_stdout


class Refused(Exception):
    """A verb can't do what was asked: one clear sentence that says what to do. Exit code 1."""


class WrongUsage(Exception):
    """The arguments make no sense together: one clear sentence. Exit code 2."""


class Output:
    """Prints for a verb. A reader that goes away is a reason to stop, not an error."""

    def __init__(self, *, as_json: bool, stop: Stop) -> None:
        self.as_json = as_json
        self.stop = stop

    def result(self, fields: Mapping[str, Any], text: str | None = None) -> None:
        """Print one result: a JSON line with --json or where there is no text for people, else the text."""
        if self.as_json or text is None:
            self._print(json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")))
        else:
            self._print(text)

    def note(self, text: str) -> None:
        """Print progress or a remark to stderr."""
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            self.stop.set()

    def _print(self, text: str) -> None:
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            discard_stdout()
            self.stop.set()
