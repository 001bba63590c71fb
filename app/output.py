"""What a verb prints: results to stdout as text or JSON lines, everything else to stderr."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Mapping
from typing import Any

from app.stopping import Stop, discard_stdout

_NOBODY_READS = (errno.EPIPE, errno.EINVAL)
"""What writing to a pipe gives whose reader is gone; the second on Windows."""


class Refused(Exception):
    """A verb can't do what was asked: one clear sentence that says what to do. Exit code 1."""


class WrongUsage(Exception):
    """The arguments make no sense together: one clear sentence. Exit code 2."""


class Output:
    """Prints for a verb. A reader that goes away is a reason to stop, not an error. Output that can't be written is an
    error: `is_lost` tells it."""

    def __init__(self, *, as_json: bool, stop: Stop) -> None:
        self.as_json = as_json
        self.stop = stop
        self.is_lost = False

    def result(self, fields: Mapping[str, Any], text: str | None = None) -> None:
        """Print one result: a JSON line with --json or where there is no text for people, else the text."""
        if self.as_json or text is None:
            self._print(json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")) + "\n")
        else:
            self._print(text + "\n")

    def note(self, text: str) -> None:
        """Print progress or a remark to stderr."""
        try:
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            self.stop.set()

    def flush(self) -> None:
        """Write what other code printed to stdout."""
        self._print("")

    def _print(self, text: str) -> None:
        try:
            if text:
                sys.stdout.write(text)
            sys.stdout.flush()
        except (OSError, ValueError) as fault:
            discard_stdout()
            self.stop.set()
            if isinstance(fault, OSError) and fault.errno not in _NOBODY_READS:
                self.is_lost = True
                self.note(f"The output can't be written ({fault.strerror}). Write it to a place that has room.")
