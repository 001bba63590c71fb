"""What a module tells of itself over its link before it is flashed, and what is put back afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from device_io.awaiting import result_of
from device_io.first_contact import FirstContact
from device_io.port_lease import Lease
from device_io.sensix_link.identity import identity_to_json
from device_io.source import LinkError, LinkErrorKind, ModuleInfo, Setting
from device_io.urls import LinkUrl
from device_io.usb_link import UsbLink
from resources.settings import settings_table

_JOB_S = 4.0
_AWAY_S = 0.3
_AWAY = (LinkErrorKind.NO_SUCH_PORT, LinkErrorKind.UNPLUGGED, LinkErrorKind.PORT_BUSY, LinkErrorKind.REFUSED)


class Told:
    """info: None where the module did not answer; then `silence` says why. settings, readings: None where not told.
    lines: what the module printed meanwhile."""

    def __init__(self) -> None:
        self.info: ModuleInfo | None = None
        self.silence: LinkError | None = None
        self.settings: Mapping[str, Setting] | None = None
        self.readings: Mapping[str, float | None] | None = None
        self.lines: list[str] = []

    def as_json(self) -> dict[str, Any]:
        """For a backup."""
        return {
            "identity": identity_to_json(self.info).decode() if self.info is not None else None,
            "settings": dict(self.settings) if self.settings is not None else None,
            "readings": dict(self.readings) if self.readings is not None else None,
        }


def ask_module(
    url: LinkUrl,
    timeout_s: float,
    lease: Lease,
    *,
    everything: bool = True,
    restore: Mapping[str, Setting] | None = None,
    cancelled: threading.Event | None = None,
) -> Told:
    """Open the link, take identity, settings and readings (the identity alone without `everything`), close it.

    restore: settings that are written where the module's differ (what can't be read is not written)."""
    told, listener = Told(), FirstContact()
    link = UsbLink(url, reconnect=False, hello_timeout_s=timeout_s, lease=lease)
    link.start(listener)
    try:
        listener.wait(timeout_s + 1.0, cancelled)
        told.info = listener.info
        if told.info is not None and everything:
            with contextlib.suppress(LinkError, FutureTimeoutError):
                told.settings = result_of(link.read_settings(), _JOB_S, cancelled)
                wanted = _differing(told.settings, restore or {})
                if wanted and not (cancelled is not None and cancelled.is_set()):
                    told.settings = _write(link, wanted) or told.settings
            with contextlib.suppress(LinkError, FutureTimeoutError):
                told.readings = result_of(link.read_readings(), _JOB_S, cancelled).values
    finally:
        link.stop()
    told.silence, told.lines = listener.failed, listener.lines
    return told


def _write(link: UsbLink, wanted: Mapping[str, Setting]) -> Mapping[str, Setting] | None:
    """Write them all; where the firmware refuses, those that it takes. Returns all settings as they then stand."""
    with contextlib.suppress(LinkError):
        return link.write_settings({**wanted, "confirm": True}).result(_JOB_S)
    now = None
    for key, value in wanted.items():
        with contextlib.suppress(LinkError):
            now = link.write_settings({key: value, "confirm": True}).result(_JOB_S)
    return now


def await_module(
    url: LinkUrl,
    timeout_s: float,
    lease: Lease,
    *,
    everything: bool = True,
    restore: Mapping[str, Setting] | None = None,
    cancelled: threading.Event | None = None,
) -> Told:
    """The same for a module that has just been started: its port may be away for a moment, and come back."""
    deadline = time.monotonic() + timeout_s
    while True:
        left_s = max(deadline - time.monotonic(), 0.1)
        told = ask_module(url, left_s, lease, everything=everything, restore=restore, cancelled=cancelled)
        away = told.silence is not None and told.silence.kind in _AWAY
        if told.info is not None or not away or time.monotonic() + _AWAY_S > deadline:
            return told
        if (cancelled or threading.Event()).wait(_AWAY_S):
            return told


def _differing(now: Mapping[str, Setting], wanted: Mapping[str, Setting]) -> dict[str, Setting]:
    table = settings_table()
    return {
        key: value
        for key, value in wanted.items()
        if key in now and key in table and table[key].access == "rw" and now[key] != value
    }
