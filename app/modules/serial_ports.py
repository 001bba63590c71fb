"""The serial ports of this computer, for a person to choose from."""

from __future__ import annotations

from serial.tools import list_ports


def serial_ports() -> list[tuple[str, str]]:
    """(device, description) of every port, those with a USB identity first. May take a second on some systems."""
    ports = sorted(list_ports.comports(), key=lambda port: (port.vid is None, port.device))
    return [(port.device, port.description or "") for port in ports]
