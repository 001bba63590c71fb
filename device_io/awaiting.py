"""Waiting for what another thread does, so that a person can stop it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

_LOOK_S = 0.1

Result = TypeVar("Result")


def result_of(future: Future[Result], timeout_s: float, cancelled: threading.Event | None = None) -> Result:
    """What comes of a job. :raises FutureTimeoutError: after the time, or within 0.1 s when cancelled."""
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = deadline - time.monotonic()
        try:
            return future.result(max(min(_LOOK_S, left_s), 0.0))
        except FutureTimeoutError:
            if left_s <= _LOOK_S or (cancelled is not None and cancelled.is_set()):
                raise
