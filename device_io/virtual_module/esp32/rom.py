"""The loader in the chip's ROM, as it behaves on the wire (ESP32 of revision 3).

Its quirks are kept: SYNC is answered eight times; a command it does not know is answered under the opcode of the one
before; the value field keeps what was last put there; the number of a block is used up even if its checksum is wrong.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from device_io.virtual_module.esp32.flash import FlashError
from device_io.virtual_module.esp32.machine import HEADER, Exit, Machine, Op, Refusal, Writing, checksum
from device_io.virtual_module.esp32.slip import slip_frame

MAX_BLOCK = 0x1800
_BAD_FORMAT, _FAILED, _BAD_CHECKSUM, _WRITE_FAILED, _READ_FAILED, _BAD_LENGTH, _INFLATE_FAILED = range(0x05, 0x0C)
_SLOW_READ = 64


class RomLoader:
    """Answers frames. State of one stay in the loader."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._value = 0
        self._previous = 0
        self._writing: Writing | None = None
        self._handlers: dict[int, Callable[[bytes, int], bytes]] = {
            Op.FLASH_BEGIN: lambda data, _: self._begin(data, compressed=False),
            Op.FLASH_DATA: self._data,
            Op.FLASH_END: lambda data, _: self._end(data),
            Op.MEM_BEGIN: self._upload_begin,
            Op.MEM_END: lambda data, _: machine.end_upload(data),
            Op.MEM_DATA: self._upload,
            Op.SYNC: self._sync,
            Op.WRITE_REG: lambda data, _: machine.write_registers(data),
            Op.READ_REG: self._read_register,
            Op.SPI_SET_PARAMS: lambda data, _: machine.set_parameters(data),
            Op.SPI_ATTACH: self._attach,
            Op.READ_FLASH_SLOW: self._read_flash,
            Op.CHANGE_BAUD: lambda data, _: machine.change_baud(data),
            Op.DEFL_BEGIN: lambda data, _: self._begin(data, compressed=True),
            Op.DEFL_DATA: self._data,
            Op.DEFL_END: lambda data, _: self._end(data),
            Op.MD5: lambda data, _: machine.md5(data).hex().encode(),
        }
        if machine.chip.security_info:
            self._handlers[Op.SECURITY_INFO] = lambda _data, _check: machine.security_info()

    def take(self, frame: bytes) -> bytes:
        """What it sends in answer to one frame; nothing for what is no request."""
        if len(frame) < HEADER.size or frame[0] != 0:
            return b""
        _, op, length, check = HEADER.unpack_from(frame)
        payload = frame[HEADER.size :]
        handler = self._handlers.get(op)
        if handler is None:
            return self._reply(self._previous, error=_BAD_FORMAT)
        self._previous = op
        if length != len(payload):
            return self._reply(op, error=_BAD_FORMAT)
        try:
            return self._reply(op, handler(payload, check))
        except Refusal as refusal:
            return self._reply(op, error=refusal.code)
        except struct.error:
            return self._reply(op, error=_BAD_FORMAT)
        except FlashError:
            return self._reply(op, error=_FAILED)

    def _reply(self, op: int, data: bytes = b"", error: int = 0) -> bytes:
        status = bytes((1 if error else 0, error, 0, 0))
        frame = slip_frame(HEADER.pack(1, op, len(data) + len(status), self._value) + data + status)
        return frame * 8 if op == Op.SYNC else frame

    def _sync(self, data: bytes, _: int) -> bytes:
        self._value = struct.unpack_from("<I", data)[0]
        return b""

    def _read_register(self, data: bytes, _: int) -> bytes:
        self._value = self._machine.read_register(data)
        return b""

    def _attach(self, data: bytes, _: int) -> bytes:
        if len(data) not in (4, 8):
            raise Refusal(_BAD_FORMAT)
        self._machine.registers.attached = True
        return b""

    def _upload_begin(self, data: bytes, _: int) -> bytes:
        if len(data) != 16 or struct.unpack_from("<3I", data)[2] > MAX_BLOCK:
            raise Refusal(_BAD_FORMAT)
        self._machine.begin_upload(data)
        return b""

    def _upload(self, data: bytes, check: int) -> bytes:
        number, block = _block(data)
        if not self._machine.upload(number, block):
            raise Refusal(_BAD_FORMAT)
        if checksum(block) != check & 0xFF:
            raise Refusal(_BAD_CHECKSUM)
        return b""

    def _begin(self, data: bytes, *, compressed: bool) -> bytes:
        machine = self._machine
        if len(data) != 16 and not (machine.chip.security_info and len(data) == 20):
            raise Refusal(_BAD_FORMAT)
        size, blocks, block_size, offset = struct.unpack_from("<4I", data)
        if block_size > MAX_BLOCK:
            raise Refusal(_BAD_FORMAT)
        if size and not machine.registers.attached:
            raise Refusal(_FAILED)
        machine.flash.erase(offset, size)
        self._writing = Writing(offset, size, blocks, block_size, compressed)
        return b""

    def _data(self, data: bytes, check: int) -> bytes:
        writing = self._writing
        number, block = _block(data)
        if writing is None or number != writing.next_block or len(block) > writing.block_size:
            raise Refusal(_BAD_FORMAT)
        if len(block) % 4 and not writing.compressed:
            raise Refusal(_BAD_FORMAT)
        writing.next_block += 1
        if checksum(block) != check & 0xFF:
            raise Refusal(_BAD_CHECKSUM)
        if writing.compressed:
            try:
                block = writing.inflater.decompress(block)
            except zlib.error:
                raise Refusal(_INFLATE_FAILED) from None
        self._store(writing, block)
        return b""

    def _store(self, writing: Writing, block: bytes) -> None:
        flash, at = self._machine.flash, writing.at + writing.written
        try:
            flash.write(at, block)
        except FlashError:
            raise Refusal(_WRITE_FAILED) from None
        writing.written += len(block)
        if checksum(flash.read(at, len(block))) != checksum(block):
            raise Refusal(_WRITE_FAILED)

    def _end(self, data: bytes) -> bytes:
        stay = struct.unpack("<I", data)[0]
        writing = self._writing
        if writing is None or writing.next_block < writing.blocks or writing.written < writing.size:
            raise Refusal(_FAILED)
        self._writing = None
        self._machine.exit = Exit.RUN if stay else Exit.RESET
        return b""

    def _read_flash(self, data: bytes, _: int) -> bytes:
        offset, length = struct.unpack("<2I", data)
        if length > _SLOW_READ:
            raise Refusal(_BAD_LENGTH)
        try:
            return self._machine.flash.read(offset, length).ljust(_SLOW_READ, b"\0")
        except FlashError:
            raise Refusal(_READ_FAILED) from None


def _block(data: bytes) -> tuple[int, bytes]:
    """Number and contents of a data block."""
    length, number, _, _ = struct.unpack_from("<4I", data)
    if len(data) != 16 + length or length > MAX_BLOCK:
        raise Refusal(_BAD_FORMAT)
    return number, data[16:]
