"""The flasher stub, which tools upload into the RAM: two status bytes, own error codes, large blocks, fast reads.

A block is acknowledged before it is written; what goes wrong then is the answer to the next one, and the command that
ends the write waits for all of it.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable

from device_io.virtual_module.esp32.flash import SECTOR, FlashError
from device_io.virtual_module.esp32.machine import HEADER, Exit, Machine, Op, Refusal, Writing, checksum
from device_io.virtual_module.esp32.slip import slip_frame

GREETING = slip_frame(b"OHAI")
MAX_BLOCK = 0x4000
(
    _BAD_LENGTH,
    _BAD_CHECKSUM,
    _BAD_BLOCK_SIZE,
    _INVALID,
    _SPI_FAILED,
    _UNLOCK_FAILED,
    _NOT_WRITING,
    _INFLATE_FAILED,
    _NOT_ENOUGH,
    _TOO_MUCH,
) = range(0xC0, 0xCA)
_UNKNOWN = 0xFF


class StubLoader:
    """Answers frames. State of one run of the stub."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        machine.registers.attached = True
        self._value = 0
        self._writing: Writing | None = None
        self._reading: _Reading | None = None
        self._later: Callable[[], bytes] | None = None
        self._handlers: dict[int, Callable[[bytes, int], bytes]] = {
            Op.FLASH_BEGIN: lambda data, _: self._begin(data, compressed=False),
            Op.FLASH_DATA: self._data,
            Op.FLASH_END: lambda data, _: self._end(data),
            Op.ENCRYPTED_DATA: self._data,
            Op.MEM_BEGIN: lambda data, _: machine.begin_upload(data),
            Op.MEM_END: lambda data, _: machine.end_upload(data),
            Op.MEM_DATA: self._upload,
            Op.SYNC: lambda _data, _check: b"",
            Op.WRITE_REG: lambda data, _: machine.write_registers(data),
            Op.READ_REG: self._read_register,
            Op.SPI_SET_PARAMS: lambda data, _: machine.set_parameters(data),
            Op.SPI_ATTACH: self._attach,
            Op.CHANGE_BAUD: lambda data, _: machine.change_baud(data),
            Op.DEFL_BEGIN: lambda data, _: self._begin(data, compressed=True),
            Op.DEFL_DATA: self._data,
            Op.DEFL_END: lambda data, _: self._end(data),
            Op.MD5: lambda data, _: machine.md5(data),
            Op.ERASE_FLASH: lambda _data, _check: self._erase(struct.pack("<2I", 0, machine.flash.size), 0),
            Op.ERASE_REGION: self._erase,
            Op.READ_FLASH: self._read_flash,
            Op.RUN_USER_CODE: self._run,
        }
        if machine.chip.security_info:
            self._handlers[Op.SECURITY_INFO] = lambda _data, _check: machine.security_info()

    def take(self, frame: bytes) -> bytes:
        """What it sends in answer to one frame."""
        if self._reading is not None:
            return self._read_on(self._reading, frame)
        if len(frame) < HEADER.size or frame[0] != 0:
            return b""
        _, op, length, check = HEADER.unpack_from(frame)
        payload = frame[HEADER.size :]
        handler = self._handlers.get(op)
        if handler is None:
            return self._reply(op, error=_UNKNOWN)
        if length != len(payload):
            return self._reply(op, error=_BAD_LENGTH)
        self._value = 0
        try:
            out = self._reply(op, handler(payload, check))
        except Refusal as refusal:
            return self._reply(op, error=refusal.code)
        except struct.error:
            return self._reply(op, error=_BAD_LENGTH)
        except FlashError:
            return self._reply(op, error=_SPI_FAILED)
        if op == Op.SYNC:
            return out * 8
        later, self._later = self._later, None
        return out + later() if later else out

    def _reply(self, op: int, data: bytes = b"", error: int = 0) -> bytes:
        return slip_frame(HEADER.pack(1, op, len(data) + 2, self._value) + data + bytes((error, 0)))

    def _read_register(self, data: bytes, _: int) -> bytes:
        self._value = self._machine.read_register(data)
        return b""

    def _upload(self, data: bytes, check: int) -> bytes:
        number, block = _block(data)
        if checksum(block) != check & 0xFF:
            raise Refusal(_BAD_CHECKSUM)
        if not self._machine.upload(number, block):
            raise Refusal(_INVALID)
        return b""

    def _attach(self, data: bytes, _: int) -> bytes:
        if len(data) < 4:
            raise Refusal(_BAD_LENGTH)
        return b""

    def _run(self, _data: bytes, _: int) -> bytes:
        self._machine.exit = Exit.RUN
        return b""

    def _erase(self, data: bytes, _: int) -> bytes:
        offset, size = struct.unpack("<2I", data)
        if offset % SECTOR or size % SECTOR:
            raise Refusal(_BAD_LENGTH)
        self._machine.flash.erase(offset, size)
        return b""

    def _begin(self, data: bytes, *, compressed: bool) -> bytes:
        if len(data) not in (16, 20):
            raise Refusal(_BAD_LENGTH)
        size, blocks, block_size, offset = struct.unpack_from("<4I", data)
        if block_size > MAX_BLOCK:
            raise Refusal(_BAD_BLOCK_SIZE)
        encrypted = len(data) == 20 and data[16] != 0
        self._writing = Writing(offset, size, blocks, block_size, compressed, encrypted)
        return b""

    def _data(self, data: bytes, check: int) -> bytes:
        writing = self._writing
        if writing is None:
            raise Refusal(_NOT_WRITING)
        _, block = _block(data)
        if checksum(block) != check & 0xFF:
            raise Refusal(_BAD_CHECKSUM)
        if writing.error:
            raise Refusal(writing.error)
        self._later = lambda: self._store(writing, block)
        return b""

    def _store(self, writing: Writing, block: bytes) -> bytes:
        """Write after the acknowledgement: sends nothing, keeps the error for the next command."""
        left = writing.size - writing.written
        if writing.compressed:
            try:
                block = writing.inflater.decompress(block)
            except zlib.error:
                writing.error = _INFLATE_FAILED
                return b""
            if len(block) > left:
                writing.error = _TOO_MUCH
                return b""
        else:
            block = block[:left]  # the last one is padded
        at, flash = writing.at + writing.written, self._machine.flash
        try:
            self._erase_ahead(writing, at, len(block))
            flash.write(at, self._machine.encrypted(at, block) if writing.encrypted else block)
        except FlashError:
            writing.error = _SPI_FAILED
            return b""
        writing.written += len(block)
        return b""

    def _erase_ahead(self, writing: Writing, at: int, length: int) -> None:
        """Erase the sectors that this piece is the first to touch."""
        if not length:
            return
        first = at // SECTOR if not writing.written else (at + SECTOR - 1) // SECTOR
        end = (at + length + SECTOR - 1) // SECTOR
        if end > first:
            self._machine.flash.erase(first * SECTOR, (end - first) * SECTOR)

    def _end(self, data: bytes) -> bytes:
        stay = struct.unpack("<I", data)[0]
        writing = self._writing
        if writing is None:
            raise Refusal(_NOT_WRITING)
        if writing.error:
            raise Refusal(writing.error)
        if writing.written < writing.size:
            raise Refusal(_NOT_ENOUGH)
        self._writing = None
        if not stay:
            self._machine.exit = Exit.RESET
        return b""

    def _read_flash(self, data: bytes, _: int) -> bytes:
        offset, length, block_size, in_flight = struct.unpack("<4I", data)
        if not 0 < block_size <= MAX_BLOCK or not in_flight:
            raise Refusal(_BAD_BLOCK_SIZE)
        self._machine.flash.read(offset, length)
        reading = self._reading = _Reading(self._machine, offset, length, block_size, in_flight)
        self._later = lambda: self._read_on(reading, b"")
        return b""

    def _read_on(self, reading: _Reading, frame: bytes) -> bytes:
        out = reading.acknowledged(frame)
        if reading.over:
            self._reading = None
        return out


class _Reading:
    """A range on its way to the host: raw frames, each acknowledged with the count of bytes so far, then the digest."""

    def __init__(self, machine: Machine, offset: int, length: int, block_size: int, in_flight: int) -> None:
        self._machine = machine
        self._at, self._end, self._start = offset, offset + length, offset
        self._block_size = block_size
        self._window = in_flight * block_size
        self._heard = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self.over = False

    def acknowledged(self, frame: bytes) -> bytes:
        """What to send once the host has said how much it has: as many frames as it wants under way."""
        if len(frame) == 4:
            self._heard = int.from_bytes(frame, "little")
        out: list[bytes] = []
        while self._at < self._end and self._at - self._start - self._heard < self._window:
            data = self._machine.flash.read(self._at, min(self._block_size, self._end - self._at))
            self._digest.update(data)
            self._at += len(data)
            out.append(slip_frame(data))
        if self._heard >= self._end - self._start and not self.over:
            self.over = True
            out.append(slip_frame(self._machine.digest(self._digest.digest())))
        return b"".join(out)


def _block(data: bytes) -> tuple[int, bytes]:
    """Number and contents of a data block."""
    length, number, _, _ = struct.unpack_from("<4I", data)
    if len(data) != 16 + length:
        raise Refusal(_BAD_LENGTH)
    return number, data[16:]
