"""Asks whatever is behind a link who it is."""

from __future__ import annotations

import threading

from device_io.source import (
    LinkError,
    LinkErrorKind,
    LinkPhase,
    LinkState,
    ModuleInfo,
    ModuleLink,
    Readings,
    SampleBlock,
)


class _Listener:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.info: ModuleInfo | None = None
        self.error: LinkError | None = None

    def on_identity(self, info: ModuleInfo) -> None:
        self.info = info
        self.done.set()

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        del blocks

    def on_readings(self, readings: Readings) -> None:
        del readings

    def on_state(self, state: LinkState) -> None:
        if state.error is not None:
            self.error = state.error
        if state.phase is LinkPhase.FAILED:
            self.done.set()

    def on_text(self, line: str) -> None:
        del line


def identify(link: ModuleLink, timeout_s: float, cancelled: threading.Event | None = None) -> ModuleInfo:
    """Open a link, take the identity, close it again.

    :raises LinkError: why there is none: what the link says, SILENT after the time or when cancelled.
    """
    listener = _Listener()
    link.start(listener)
    try:
        left_s = timeout_s
        while left_s > 0.0 and not (cancelled is not None and cancelled.is_set()):
            if listener.done.wait(min(0.1, left_s)):
                break
            left_s -= 0.1
    finally:
        link.stop()
    if listener.info is not None:
        return listener.info
    raise listener.error or LinkError(LinkErrorKind.SILENT, f"Nothing answered within {timeout_s:g} s.")
