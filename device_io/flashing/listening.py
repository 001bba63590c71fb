"""What a module prints at its start, heard without a word to it; and starting it by the reset line."""

from __future__ import annotations

import contextlib
import threading
import time

from device_io.port_lease import Lease
from device_io.sensix_link.rules import START_BAUD
from device_io.source import LinkError
from device_io.transport import open_transport

_HOLD_S = 0.1
_MOST_LINES = 500
_CHUNK_S = 0.1


def restart(port: str) -> None:
    """Pull the reset line of a port that has one; nothing where there is none or the port is gone."""
    import serial

    if port.lower().startswith("socket://"):
        return
    with contextlib.suppress(serial.SerialException, OSError, ValueError):
        line = serial.serial_for_url(port, baudrate=START_BAUD, timeout=0.1, exclusive=True)
        try:
            line.dtr = False
            line.rts = True
            time.sleep(_HOLD_S)
            line.rts = False
        finally:
            line.close()


def boot_lines(
    port: str, seconds: float, *, lease: Lease | None = None, cancelled: threading.Event | None = None
) -> list[str]:
    """Lines that come in this time, after a restart where the port can do one. [] where the port can't be opened."""
    restart(port)
    heard = bytearray()
    try:
        transport = open_transport(port, START_BAUD, lease)
    except LinkError:
        return []
    try:
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0.0 and not (cancelled is not None and cancelled.is_set()):
            heard += transport.read_available(min(left_s, _CHUNK_S))
    except LinkError:
        pass
    finally:
        transport.close()
    text = heard.decode("ascii", "replace").replace("\r", "\n")
    return [line for line in text.split("\n") if line.strip()][-_MOST_LINES:]
