"""Serial ports of this computer by their USB identity, and what comes and goes. An identity never proves a module."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from serial.tools import list_ports

from device_io.discovery.virtual_registry import virtual_urls

BRIDGES: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (0x10C4, 0xEA60): "Silicon Labs CP210x",
        (0x10C4, 0xEA64): "Silicon Labs CP2102C",
        (0x10C4, 0xEA70): "Silicon Labs CP2105",
        (0x10C4, 0xEA71): "Silicon Labs CP2108",
        (0x1A86, 0x7523): "WCH CH340",
        (0x1A86, 0x7522): "WCH CH340K",
        (0x1A86, 0x5523): "WCH CH341",
        (0x1A86, 0x55D3): "WCH CH343",
        (0x1A86, 0x55D4): "WCH CH9102",
        (0x0403, 0x6001): "FTDI FT232R",
        (0x0403, 0x6010): "FTDI FT2232",
        (0x0403, 0x6011): "FTDI FT4232",
        (0x0403, 0x6014): "FTDI FT232H",
        (0x0403, 0x6015): "FTDI FT-X",
        (0x067B, 0x2303): "Prolific PL2303",
        (0x067B, 0x23A3): "Prolific PL2303",
        (0x303A, 0x1001): "Espressif USB-Serial/JTAG",
        (0x303A, 0x1002): "Espressif bridge",
    }
)
"""(vendor, product) of the USB-serial bridges that modules and RS485 adapters use."""
POLL_S = 0.5
"""How often the ports are listed: what is plugged in shows within 2 s."""


@dataclass(frozen=True)
class UsbPort:
    """A serial port behind USB. bridge: its chip in words, "" for one that is not known."""

    device: str
    vid: int
    pid: int
    serial_number: str
    bridge: str


def usb_ports(ports: Iterable[Any] | None = None) -> tuple[UsbPort, ...]:
    """Serial ports with a USB identity, sorted by name. ports: as `list_ports.comports` gives them (the default)."""
    found = list_ports.comports() if ports is None else ports
    return tuple(
        UsbPort(port.device, port.vid, port.pid or 0, port.serial_number or "", BRIDGES.get((port.vid, port.pid), ""))
        for port in sorted(found, key=lambda port: str(port.device))
        if port.vid is not None
    )


def plugged_in() -> frozenset[str]:
    """URLs of what is connected to this computer: serial ports with a USB identity, and virtual modules whose port is
    there."""
    urls = {f"usb:{port.device}" for port in usb_ports()}
    return frozenset(urls | {url for url in virtual_urls() if _is_there(url)})


def _is_there(url: str) -> bool:
    """Whether the device of a serial URL exists; what is reached over a network counts as there."""
    port = url.partition(":")[2].partition("?")[0]
    return "//" in port or os.path.exists(port)


class PortWatcher:
    """Tells what was plugged in and pulled out, from a thread of its own. places: lists the URLs that are there."""

    def __init__(
        self,
        on_added: Callable[[str], None],
        on_removed: Callable[[str], None],
        *,
        places: Callable[[], frozenset[str]] = plugged_in,
        period_s: float = POLL_S,
    ) -> None:
        self._on_added = on_added
        self._on_removed = on_removed
        self._places = places
        self._period_s = period_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="port watcher", daemon=True)

    def start(self) -> None:
        """Begin; what is there already is told as added."""
        self._thread.start()

    def stop(self) -> None:
        """End within 2 s."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _run(self) -> None:
        known: frozenset[str] = frozenset()
        while not self._stopping.is_set():
            try:
                present = self._places()
            except OSError:  # a port went away while the system was asked for it
                present = known
            for url in sorted(known - present):
                self._on_removed(url)
            for url in sorted(present - known):
                self._on_added(url)
            known = present
            self._stopping.wait(self._period_s)
