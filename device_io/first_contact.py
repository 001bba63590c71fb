"""A sink that waits until a link has told who is behind it, or has failed."""

from __future__ import annotations

import threading

from device_io.source import LinkError, LinkPhase, LinkState, ModuleInfo, Readings, SampleBlock

_LINES = 200


class FirstContact:
    """info: once it was told. error: the last that any state named; failed: that of a link that has given up. lines:
    the last that the module printed."""

    def __init__(self) -> None:
        self.info: ModuleInfo | None = None
        self.error: LinkError | None = None
        self.failed: LinkError | None = None
        self.lines: list[str] = []
        self._settled = threading.Event()

    def wait(self, timeout_s: float, cancelled: threading.Event | None = None) -> bool:
        """Wait until it is known; False after the time or when cancelled, which is seen within 0.1 s."""
        left_s = timeout_s
        while left_s > 0.0 and not (cancelled is not None and cancelled.is_set()):
            if self._settled.wait(min(0.1, left_s)):
                return True
            left_s -= 0.1
        return False

    def on_identity(self, info: ModuleInfo) -> None:
        """See `Sink`."""
        self.info = info
        self._settled.set()

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        """Not of interest."""

    def on_readings(self, readings: Readings) -> None:
        """Not of interest."""

    def on_state(self, state: LinkState) -> None:
        """See `Sink`."""
        if state.error is not None:
            self.error = state.error
        if state.phase is LinkPhase.FAILED:
            self.failed = state.error
            self._settled.set()

    def on_text(self, line: str) -> None:
        """See `Sink`."""
        self.lines = [*self.lines[1 - _LINES :], line]
