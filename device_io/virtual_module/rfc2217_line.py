"""A virtual serial line with all that a USB bridge has, over TCP: RFC 2217 carries baud, parity, DTR and RTS."""

from __future__ import annotations

import contextlib
import socket
from typing import cast

import numpy as np
import serial
from serial.rfc2217 import PortManager, Serial

from device_io.sensix_link.rules import START_BAUD
from device_io.virtual_module.line import TcpLine, garbled

MAX_WAITING = 262_144
"""Bytes for a program that does not read; then `write` takes no more."""


class Rfc2217Line(TcpLine):
    """Open its URL with pyserial; one program at a time. Bytes at another baud, or not 8N1, arrive garbled."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"{self.url.replace('socket://', 'rfc2217://')}?ign_set_control"
        self.has_control = True
        self._settings = _Settings()
        self._manager: PortManager | None = None
        self._served: socket.socket | None = None
        self._waiting = b""
        self._rng = np.random.default_rng()

    def read(self) -> bytes:
        """See `Line`."""
        raw = super().read()
        data = b"".join(self._manager.filter(raw)) if raw and self._manager else b""
        if self._client is not self._served:
            self._served = self._client
            self._waiting = b""
            self._settings.let_go()
            self._manager = None if self._client is None else _manager(self._settings, _Sender(self))
        self._flush()
        self.framing_errors = False
        if not data:
            return b""
        if self.autobaud:
            self.baud = self._settings.baudrate
        self.framing_errors = not self._settings.fit(self.baud)
        return garbled(data, self._settings.baudrate, self.baud, self._rng) if self.framing_errors else data

    def write(self, data: bytes) -> int:
        """See `Line`."""
        if self._client is None or self._manager is None:
            return len(data)
        if len(self._waiting) > MAX_WAITING:
            self._flush()
            return 0
        if not self._settings.fit(self.baud):
            data, taken = garbled(data, self.baud, self._settings.baudrate, self._rng), len(data)
        else:
            taken = len(data)
        self.send(b"".join(self._manager.escape(data)))
        return taken

    def take_control(self) -> list[tuple[bool, bool]]:
        """See `Line`."""
        changes, self._settings.changes = self._settings.changes, []
        return changes

    def send(self, raw: bytes) -> None:
        """Bytes for the socket, as they are."""
        self._waiting += raw
        self._flush()

    def _flush(self) -> None:
        if self._waiting and self._client is not None:
            with contextlib.suppress(OSError):
                self._waiting = self._waiting[self._client.send(self._waiting) :]


def _manager(settings: _Settings, sender: _Sender) -> PortManager:
    """It asks for two Serial objects, but uses no more of them than these have."""
    return PortManager(cast("Serial", settings), cast("Serial", sender))


class _Sender:
    """The connection as pyserial's PortManager wants it."""

    def __init__(self, line: Rfc2217Line) -> None:
        self._line = line

    def write(self, data: bytes) -> None:
        self._line.send(data)


class _Settings:
    """The serial port as pyserial's PortManager wants it."""

    def __init__(self) -> None:
        self.baudrate = START_BAUD
        self.bytesize = serial.EIGHTBITS
        self.parity = serial.PARITY_NONE
        self.stopbits = serial.STOPBITS_ONE
        self.rtscts = self.xonxoff = self.break_condition = False
        self.cts = self.dsr = self.cd = True
        self.ri = False
        self.changes: list[tuple[bool, bool]] = []
        self._dtr = self._rts = False

    def fit(self, baud: int) -> bool:
        """Whether the module understands what comes."""
        return self.baudrate == baud and self.parity == serial.PARITY_NONE and self.bytesize == serial.EIGHTBITS

    def let_go(self) -> None:
        """Nobody holds the lines."""
        self._dtr = self._rts = False
        self.changes.append((False, False))

    @property
    def dtr(self) -> bool:
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr = value
        self.changes.append((self._dtr, self._rts))

    @property
    def rts(self) -> bool:
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts = value
        self.changes.append((self._dtr, self._rts))

    def reset_input_buffer(self) -> None:
        """Nothing waits here."""

    def reset_output_buffer(self) -> None:
        """Nothing waits here."""
