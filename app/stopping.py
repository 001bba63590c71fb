"""How a verb learns that it should end: SIGINT, SIGTERM, or nobody reads its output any more."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from types import FrameType


class Stop:
    """A flag that a signal or a closed pipe sets; waits look at it."""

    _LOOK_EVERY_S = 0.25

    def __init__(self) -> None:
        self._event = threading.Event()

    def install(self) -> None:
        """Let SIGINT and SIGTERM set the flag. Main thread only."""
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None:
                signal.signal(number, self._on_signal)

    def set(self) -> None:
        """Ask to end."""
        self._event.set()

    def is_set(self) -> bool:
        """True when the verb should end."""
        if not self._event.is_set() and _nobody_reads_stdout():
            self._event.set()
        return self._event.is_set()

    def wait(self, seconds: float | None) -> bool:
        """Wait until asked to end, at most `seconds` (None: for ever). True when asked."""
        left_s = float("inf") if seconds is None else seconds
        while not self.is_set() and left_s > 0:
            step_s = min(left_s, self._LOOK_EVERY_S)
            self._event.wait(step_s)
            left_s -= step_s
        return self._event.is_set()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._event.set()


def _nobody_reads_stdout() -> bool:
    """True when stdout is a pipe whose reader is gone; False where the system cannot tell."""
    if not hasattr(select, "poll"):
        return False
    try:
        descriptor = sys.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, 0)
        return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def discard_stdout() -> None:
    """Point stdout nowhere, so that the interpreter's last flush cannot fail on a closed pipe."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except (OSError, ValueError, AttributeError):
        pass
