"""What a test leaves behind. A thread that was joined, and what it held, may take a moment to vanish."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

PATIENCE_S = 15.0


def comes_true(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> bool:
    """Whether the condition holds before the time is over."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def open_handles() -> int:
    """Files and sockets that this process has open; 0 where the system does not tell."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


class Holdings:
    """The threads and handles of this process at the time when it is made."""

    def __init__(self) -> None:
        self.threads = set(threading.enumerate())
        self.handles = open_handles()

    def check_threads(self) -> None:
        """No thread outlives a test."""
        comes_true(lambda: set(threading.enumerate()) <= self.threads)
        assert set(threading.enumerate()) <= self.threads

    def check(self) -> None:
        """Neither a thread nor a handle does."""
        self.check_threads()
        comes_true(lambda: open_handles() <= self.handles)
        assert open_handles() <= self.handles
