"""Bytes between a line and a chip that runs no application: at once, or at the pace of the baud."""

from __future__ import annotations

from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.line import Line
from device_io.virtual_module.transmitter import BITS_PER_BYTE

MAX_STEP_S = 0.1
"""A computer that is late by more has lost that time."""
MAX_WAITING = 262_144
"""Bytes of the host that wait at most; then the newest are lost, as in a full buffer."""


class LoaderPipe:
    """Two buffers. paced: a byte takes ten bits of the baud, each way; else no time."""

    def __init__(self, board: Esp32Board, line: Line, *, paced: bool) -> None:
        self._board = board
        self._line = line
        self._paced = paced
        self._in = bytearray()
        self._out = bytearray()
        self._new_baud: int | None = None
        self._at = 0.0
        self._rested = True  # time in which nothing waits is not saved up

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._in and not self._out

    def clear(self) -> None:
        """Give up what is under way: nobody is on the line."""
        self._in.clear()
        self._out.clear()
        self._set_baud()

    def send(self, data: bytes) -> None:
        """Bytes of the chip."""
        self._out += data

    def take(self, data: bytes) -> None:
        """Bytes of the host."""
        self._in += data[: MAX_WAITING - len(self._in)]

    def run(self, now: float) -> None:
        """Carry what the time since the last call allows."""
        if self.idle:
            self._rested = True
            return
        room = self._room(now) if self._paced else len(self._in)
        self._deliver(room, now)
        self._line.baud = self._board.baud
        self._send(room if self._paced else len(self._out))

    def _room(self, now: float) -> int:
        """Whole bytes that fit into the time since the last call; the rest of it adds up."""
        seconds = 0.0 if self._rested else min(now - self._at, MAX_STEP_S)
        room = int(seconds * self._board.baud / BITS_PER_BYTE)
        self._at = now - (seconds - room * BITS_PER_BYTE / self._board.baud)
        self._rested = False
        return room

    def _deliver(self, room: int, now: float) -> None:
        piece = bytes(self._in[:room])
        if piece and self._board.state in ("loader", "boot-loop"):
            if self._board.autobaud:
                self._board.baud = self._line.baud
            del self._in[: len(piece)]
            self._board.receive(piece, now)
            self._new_baud = self._board.take_baud() or self._new_baud
        elif piece:
            del self._in[: len(piece)]  # the chip is held in reset, or its application has just begun

    def _send(self, room: int) -> None:
        if self._out:
            del self._out[: self._line.write(bytes(self._out[:room]))]
        if not self._out:
            self._set_baud()

    def _set_baud(self) -> None:
        if self._new_baud is not None:
            self._board.baud, self._new_baud = self._new_baud, None
            self._line.baud = self._board.baud
