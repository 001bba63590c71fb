"""A clock that only this test moves: what waits does so in no time, and nothing is late."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

_LOOK_S = 1e-6
"""Looking at the clock takes time, too: who waits in a loop gets on."""


@contextmanager
def told_time() -> Iterator[None]:
    """`time.monotonic` and `time.sleep` of the thread that asks for it; those of others are the system's."""
    mine = threading.get_ident()
    monotonic, sleep = time.monotonic, time.sleep
    now_s = monotonic()

    def told() -> float:
        nonlocal now_s
        if threading.get_ident() != mine:
            return monotonic()
        now_s += _LOOK_S
        return now_s

    def pass_by(seconds: float) -> None:
        nonlocal now_s
        if threading.get_ident() != mine:
            sleep(seconds)
        else:
            now_s += seconds

    with patch.object(time, "monotonic", told), patch.object(time, "sleep", pass_by):
        yield
