"""What the ROM's loader and the flasher stub share: commands on memory and registers, and one flash write under way."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from device_io.virtual_module.esp32.chip import Chip, Registers
from device_io.virtual_module.esp32.faults import NO_BOARD_FAULTS, BoardFaults
from device_io.virtual_module.esp32.flash import Flash

HEADER = struct.Struct("<BBHI")


class Op(IntEnum):
    """Commands; those from 0xD0 on only the stub knows."""

    FLASH_BEGIN = 0x02
    FLASH_DATA = 0x03
    FLASH_END = 0x04
    MEM_BEGIN = 0x05
    MEM_END = 0x06
    MEM_DATA = 0x07
    SYNC = 0x08
    WRITE_REG = 0x09
    READ_REG = 0x0A
    SPI_SET_PARAMS = 0x0B
    SPI_ATTACH = 0x0D
    READ_FLASH_SLOW = 0x0E
    CHANGE_BAUD = 0x0F
    DEFL_BEGIN = 0x10
    DEFL_DATA = 0x11
    DEFL_END = 0x12
    MD5 = 0x13
    SECURITY_INFO = 0x14
    ERASE_FLASH = 0xD0
    ERASE_REGION = 0xD1
    READ_FLASH = 0xD2
    RUN_USER_CODE = 0xD3
    ENCRYPTED_DATA = 0xD4


class Exit(IntEnum):
    """How a loader is left."""

    RESET = 1  # the strapping pins decide again
    RUN = 2  # boot from the flash memory
    STUB = 3  # the code that was uploaded runs


class Refusal(Exception):
    """A command is answered with this error code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code:#x}")
        self.code = code


class Cipher(Protocol):
    """The flash encryption of the chip."""

    def apply(self, offset: int, data: bytes) -> bytes:
        """Encrypt or decrypt (the same) data at an offset in the flash memory."""


@dataclass
class Machine:
    """The chip while a loader runs. Commands take their payload and return the data of the answer; struct.error if the
    payload has another length. new_baud, exit: what the last command asked for; the owner takes them."""

    chip: Chip
    flash: Flash
    registers: Registers
    faults: BoardFaults = NO_BOARD_FAULTS
    cipher: Cipher | None = None
    ram: dict[int, bytes] = field(default_factory=dict)
    upload_at: int = 0
    uploads_left: int = 0
    upload_number: int = 0
    new_baud: int | None = None
    exit: Exit | None = None

    def read_register(self, payload: bytes) -> int:
        """Value of the word (it goes into the header of the answer)."""
        return self.registers.read(*struct.unpack_from("<I", payload))

    def write_registers(self, payload: bytes) -> bytes:
        """Any number of (address, value, mask, delay)."""
        for address, value, mask, _delay_us in struct.iter_unpack("<4I", payload):
            self.registers.write(address, value, mask)
        return b""

    def set_parameters(self, payload: bytes) -> bytes:
        """Of the flash memory: id, size, block, sector, page, status mask. It knows them itself."""
        struct.unpack("<6I", payload)
        return b""

    def change_baud(self, payload: bytes) -> bytes:
        """New and old baud."""
        self.new_baud = struct.unpack("<2I", payload)[0]
        return b""

    def begin_upload(self, payload: bytes) -> bytes:
        """Code for the RAM comes: size, blocks, block size, address."""
        _size, self.uploads_left, _block, self.upload_at = struct.unpack("<4I", payload)
        self.upload_number = 0
        self.ram[self.upload_at] = b""
        return b""

    def upload(self, number: int, data: bytes) -> bool:
        """A block of it, in order; False if it is none that was announced."""
        if number != self.upload_number or not self.uploads_left:
            return False
        self.upload_number += 1
        self.uploads_left -= 1
        self.ram[self.upload_at] = self.ram.get(self.upload_at, b"") + data
        return True

    def end_upload(self, payload: bytes) -> bytes:
        """Run it, or stay. A jump to where no code was put is a crash: the watchdog resets the chip."""
        stay, entry = struct.unpack("<2I", payload)
        if not stay:
            loaded = any(start <= entry < start + len(code) for start, code in self.ram.items())
            self.exit = Exit.STUB if loaded else Exit.RESET
        return b""

    def md5(self, payload: bytes) -> bytes:
        """MD5 (16 bytes) of a range of the flash memory: address, size, 0, 0."""
        offset, size = struct.unpack_from("<2I", payload)
        return self.digest(self.flash.md5(offset, size))

    def digest(self, value: bytes) -> bytes:
        """The digest, or a wrong one as a fault."""
        return bytes([value[0] ^ 1]) + value[1:] if self.faults.wrong_digest else value

    def security_info(self) -> bytes:
        """Flags, encryption count, purposes of the keys, chip and API."""
        purposes = bytes([9 if self.faults.secure_boot else 0, 4 if self.cipher else 0, 0, 0, 0, 0, 0])
        flags = 1 if self.faults.secure_boot else 0
        return struct.pack("<IB7sII", flags, 1 if self.cipher else 0, purposes, self.chip.chip_id, 0)

    def encrypted(self, offset: int, data: bytes) -> bytes:
        """As the chip's flash controller stores it."""
        return self.cipher.apply(offset, data) if self.cipher else data


@dataclass
class Writing:
    """A write to the flash memory under way. size: bytes to come, uncompressed."""

    at: int
    size: int
    blocks: int
    block_size: int
    compressed: bool
    encrypted: bool = False
    next_block: int = 0
    written: int = 0
    error: int = 0
    inflater: zlib._Decompress = field(default_factory=zlib.decompressobj)


def checksum(data: bytes, seed: int = 0xEF) -> int:
    """XOR of all bytes, as the loaders check data blocks."""
    folded = 0
    while data:
        head, data = data[:4096], data[4096:]
        folded ^= int.from_bytes(head.ljust(4096, b"\0"), "little")
    width = 2048
    while width:
        folded = (folded >> 8 * width) ^ (folded & (1 << 8 * width) - 1)
        width //= 2
    return seed ^ folded
