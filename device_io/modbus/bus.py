"""One RS485 bus: a thread owns its port and serves the units on it in turn."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from device_io.modbus.line import LineOpener, open_line
from device_io.modbus.station import RETRY_S, Station
from device_io.source import LinkError, LinkErrorKind

if TYPE_CHECKING:
    from device_io.modbus.client import Master

MAX_UNITS = 32
"""Loads that a bus of the standard carries (TIA-485)."""
STOP_S = 2.0
_IDLE_S = 0.05

_buses: dict[str, Bus] = {}
_lock = threading.Lock()


def join_bus(station: Station, opener: LineOpener = open_line) -> Bus:
    """Put a unit on the bus of its port, which begins with the first one.

    :raises LinkError: (REFUSED) if the bus runs with another baud or parity, has the unit already, or is full.
    """
    with _lock:
        bus = _buses.get(station.url.port)
        if bus is None or not bus.add(station):
            bus = _buses[station.url.port] = Bus(station, opener, bus)
    return bus


def rates(port: str) -> dict[int, float]:
    """{address: sets of readings a second} of the units that are read on a port."""
    with _lock:
        bus = _buses.get(port)
    return bus.rates() if bus else {}


class Bus:
    """The stations of one port and the thread that serves them. It ends with its last station."""

    def __init__(self, first: Station, opener: LineOpener, before: Bus | None = None) -> None:
        self._opener = opener
        self._url = first.url
        self._before = before
        self._stations = [first]
        self._lock = threading.Lock()
        self._over = False
        self._rest_until_s = 0.0  # until then nobody looks for units that are not there
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"rs485 bus {first.url.port}", daemon=True)
        self._thread.start()

    def add(self, station: Station) -> bool:
        """Take a further unit in; False if this bus has ended. LinkError (REFUSED) if it does not fit."""
        with self._lock:
            staying = [other for other in self._stations if not other.leaving.is_set()]
            if self._over or not staying:
                return False
            url, mine = station.url, self._url
            reason = ""
            if (url.baud, url.parity) != (mine.baud, mine.parity):
                reason = f"is in use with {mine.baud} baud and parity {mine.parity}: give all its units the same"
            elif any(other.url.unit == url.unit for other in staying):
                reason = f"is read for unit {url.unit} already: close that link first"
            elif len(staying) >= MAX_UNITS:
                reason = f"serves {MAX_UNITS} units already: use another port for more"
            if reason:
                raise LinkError(LinkErrorKind.REFUSED, f"{url.port} {reason}.")
            self._stations.append(station)
        self._wake.set()
        return True

    def leave(self, station: Station) -> None:
        """Take a unit off, and end with the last one. Nothing is delivered to it after this returns (2 s at most)."""
        station.leaving.set()
        self._wake.set()
        if threading.current_thread() is self._thread:
            return
        station.end()  # without waiting for the turns of others
        with self._lock:
            over = all(other.leaving.is_set() for other in self._stations)
        if over:
            self._thread.join(STOP_S)

    def wake(self) -> None:
        """Somebody has posted a job."""
        self._wake.set()

    def rates(self) -> dict[int, float]:
        """{address: sets of readings a second}."""
        with self._lock:
            return {station.url.unit: station.rate_hz() for station in self._stations}

    def _run(self) -> None:
        if self._before is not None:
            self._before._thread.join(STOP_S)
            self._before = None
        try:
            while self._present():
                self._serve()
        finally:
            with self._lock:
                self._over = True
                left, self._stations = self._stations, []
            for station in left:
                station.end()
            with _lock:
                if _buses.get(self._url.port) is self:
                    del _buses[self._url.port]

    def _present(self) -> list[Station]:
        """The stations, after those who leave have been let go. Empty: this bus is over."""
        with self._lock:
            gone = [station for station in self._stations if station.leaving.is_set()]
            self._stations = [station for station in self._stations if not station.leaving.is_set()]
            self._over = not self._stations
            present = list(self._stations)
        for station in gone:
            station.end()
        return present

    def _serve(self) -> None:
        """Open the port and serve until it fails or nobody is left."""
        from device_io.modbus.client import Master  # pymodbus is loaded with the first bus, not with the program

        assert self._url.baud is not None
        try:
            line = self._opener(self._url.port, self._url.baud, self._url.parity)
        except LinkError as error:
            self._fail(error)
            return
        try:
            master = Master(line, self._url.baud, self._url.parity)
            while stations := self._present():
                self._round(stations, master)
        except LinkError as error:
            self._fail(error)
        finally:
            line.close()

    def _round(self, stations: list[Station], master: Master) -> None:
        """Everybody whose time has come gets a turn. Looking for one that is not there takes a second: no more than
        half of the time goes to that while others are there."""
        self._wake.clear()
        now_s = time.monotonic()
        served = False
        for station in sorted(stations, key=Station.due_s):
            if any(other.leaving.is_set() for other in stations):
                return
            looked = not station.connected
            resting = self._rest_until_s > time.monotonic() and any(other.connected for other in stations)
            if station.due_s() > now_s or (looked and resting):
                continue
            began_s = time.monotonic()
            station.turn(master)
            served = True
            if looked and not station.connected:
                # The bus stays quiet after it, which the next one waits for.
                looked_until_s = time.monotonic() + master.quiet_s
                self._rest_until_s = 2.0 * looked_until_s - began_s
        if not served:
            next_s = min(station.due_s() for station in stations)
            self._wake.wait(min(_IDLE_S, max(0.005, next_s - time.monotonic())))

    def _fail(self, error: LinkError) -> None:
        present = self._present()
        for station in present:
            station.port_failed(error)
        until_s = time.monotonic() + RETRY_S
        while self._present() and (left_s := until_s - time.monotonic()) > 0.0:
            self._wake.wait(left_s)
            self._wake.clear()
