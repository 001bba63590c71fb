"""A Modbus RTU slave: bytes in, bytes out. It never answers what is not for it or not intact.

Frames, functions and exceptions follow Modbus over Serial Line V1.02 (2.5) and Modbus Application Protocol V1.1b3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache

from device_io.virtual_module.rtu_registers import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    ModuleRegisters,
    RegisterFault,
)
from resources.register_map import MAX_READ, MAX_WRITE

MAX_FRAME = 256
READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY, ENCAPSULATED = 3, 4, 6, 16, 43
_IDENTIFICATION = 14
_FIXED_SIZE = {READ_HOLDING: 8, READ_INPUT: 8, WRITE_ONE: 8, ENCAPSULATED: 7}


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def crc16(data: bytes) -> int:
    """The CRC of RTU frames: polynomial 0x8005 reflected, initial value 0xFFFF. Sent low byte first."""
    table = _crc_table()
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def framed(body: bytes) -> bytes:
    """Unit, function and data, with the CRC behind."""
    return body + struct.pack("<H", crc16(body))


def intact(frame: bytes) -> bool:
    """Whether a frame has a possible length and the right CRC."""
    return 4 <= len(frame) <= MAX_FRAME and crc16(frame[:-2]) == int.from_bytes(frame[-2:], "little")


def character_bits(parity: str) -> int:
    """Bits of one character on the line: start, 8 data, parity, stop. Without parity one stop bit, as is the practice
    (the standard asks for two)."""
    return 10 if parity == "N" else 11


def gap_s(baud: int, parity: str) -> float:
    """The silence that ends a frame: 3.5 characters, above 19 200 baud 1.75 ms."""
    return 3.5 * character_bits(parity) / baud if baud <= 19_200 else 0.001_75


class RtuSlave:
    """The units on one bus, seen from its wires.

    Give it what arrives with `receive`, and ask with `answer` for the reply; both with the time (s, growing). gap_s: a
    silence that ends a frame, 0 for that of the units' baud. A request whose length is known is answered as soon as it
    is whole, all else (another function, a damaged frame) when the silence has ended it.
    """

    def __init__(self, units: Sequence[ModuleRegisters], gap_s: float = 0.0) -> None:
        self._units = units
        self._gap_s = gap_s
        self._frame = b""
        self._heard_s = 0.0

    @property
    def waiting(self) -> bool:
        """Whether the beginning of a frame is there that the silence has to end."""
        return bool(self._frame)

    @property
    def gap_s(self) -> float:
        """The silence that ends a frame."""
        return self._gap_s or gap_s(self._units[0].baud, self._units[0].parity)

    def receive(self, data: bytes, now_s: float) -> None:
        """Bytes from the line."""
        if self._frame and now_s - self._heard_s > self.gap_s:
            self._frame = b""  # nobody asked for the answer in time, so there was none
        self._frame = (self._frame + data)[: MAX_FRAME + 1]
        self._heard_s = now_s

    def answer(self, now_s: float, baud: int | None = None) -> bytes:
        """The reply to a request that has ended by now, else nothing. baud: only units of this rate hear it."""
        size = _request_size(self._frame)
        whole = len(self._frame) == size and intact(self._frame)
        if not whole and now_s - self._heard_s < self.gap_s:
            return b""
        frame, self._frame = self._frame, b""
        if not intact(frame) or size not in (None, len(frame)):  # zeros behind a frame leave its CRC right
            return b""
        unit, function, data = frame[0], frame[1], frame[2:-2]
        replies = []
        for registers in self._units:
            if baud not in (None, registers.baud) or unit not in (0, registers.unit):
                continue
            reply = respond(registers, function, data)
            if unit:
                replies.append(framed(bytes([unit]) + reply))
        return _on_one_wire(replies)


def respond(registers: ModuleRegisters, function: int, data: bytes) -> bytes:
    """Function and data of the reply to a request."""
    try:
        return bytes([function]) + _respond(registers, function, data)
    except RegisterFault as fault:
        return bytes([function | 0x80, fault.code])


def _respond(registers: ModuleRegisters, function: int, data: bytes) -> bytes:
    if function in (READ_HOLDING, READ_INPUT):
        address, count = _two(data)
        if not 1 <= count <= MAX_READ:
            raise RegisterFault(ILLEGAL_VALUE)
        if address + count > 0x10000:
            raise RegisterFault(ILLEGAL_ADDRESS)
        read = registers.read_input if function == READ_INPUT else registers.read_holding
        return struct.pack(f">B{count}H", 2 * count, *read(address, count))
    if function == WRITE_ONE:
        address, value = _two(data)
        registers.write(address, [value])
        return data
    if function == WRITE_MANY:
        address, count = _two(data[:4])
        if not 1 <= count <= MAX_WRITE or len(data) != 5 + 2 * count or data[4] != 2 * count:
            raise RegisterFault(ILLEGAL_VALUE)
        registers.write(address, struct.unpack(f">{count}H", data[5:]))
        return data[:4]
    if function == ENCAPSULATED and data[:1] == bytes([_IDENTIFICATION]):
        return _identification(registers, data)
    raise RegisterFault(ILLEGAL_FUNCTION)


def _identification(registers: ModuleRegisters, data: bytes) -> bytes:
    """Reply to function 43/14: basic, regular or extended objects from one on, or a single one."""
    if len(data) != 3:
        raise RegisterFault(ILLEGAL_VALUE)
    category, first = data[1], data[2]
    objects = registers.objects()
    if category == 4:
        if first not in objects:
            raise RegisterFault(ILLEGAL_ADDRESS)
        chosen = {first: objects[first]}
    elif category in (1, 2, 3):
        end = {1: 0x03, 2: 0x80, 3: 0x100}[category]
        start = first if first in objects and first < end else 0  # else from the beginning, as the standard has it
        chosen = {number: text for number, text in objects.items() if start <= number < end}
    else:
        raise RegisterFault(ILLEGAL_VALUE)
    body = b"".join(bytes([number, len(text)]) + text for number, text in chosen.items())
    return bytes([_IDENTIFICATION, category, 0x83, 0, 0, len(chosen)]) + body


def _two(data: bytes) -> tuple[int, int]:
    if len(data) != 4:
        raise RegisterFault(ILLEGAL_VALUE)
    first, second = struct.unpack(">HH", data)
    return first, second


def _request_size(frame: bytes) -> int | None:
    """Length of the request that begins so, None where it can't be told (yet)."""
    if len(frame) < 2:
        return None
    if frame[1] == WRITE_MANY:
        return 9 + frame[6] if len(frame) > 6 else None
    return _FIXED_SIZE.get(frame[1])


def _on_one_wire(replies: list[bytes]) -> bytes:
    """What is read when several units answer at once: a zero of one of them wins."""
    if not replies:
        return b""
    wire = bytearray(max(replies, key=len))
    for reply in replies:
        for n, byte in enumerate(reply):
            wire[n] &= byte
    return bytes(wire)
