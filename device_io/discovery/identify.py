"""Asks whatever is behind a link who it is."""

from __future__ import annotations

import threading

from device_io.first_contact import FirstContact
from device_io.source import LinkError, LinkErrorKind, ModuleInfo, ModuleLink


def identify(link: ModuleLink, timeout_s: float, cancelled: threading.Event | None = None) -> ModuleInfo:
    """Open a link, take the identity, close it again.

    :raises LinkError: why there is none: what the link says, SILENT after the time or when cancelled.
    """
    listener = FirstContact()
    link.start(listener)
    try:
        listener.wait(timeout_s, cancelled)
    finally:
        link.stop()
    if listener.info is not None:
        return listener.info
    raise listener.error or LinkError(LinkErrorKind.SILENT, f"Nothing answered within {timeout_s:g} s.")
