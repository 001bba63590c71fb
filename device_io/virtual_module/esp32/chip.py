"""What a host reads of the chip: identity, eFuse words and the SPI controller, as far as flashing tools look.

Addresses and bits: ESP32 and ESP32-C3 technical reference manuals.
"""

from __future__ import annotations

from dataclasses import dataclass

from device_io.virtual_module.esp32.flash import Flash

_RUN_COMMAND = 1 << 18
_VENDOR = 0xEF  # Winbond
_SFDP_SIGNATURE = 0x50444653


@dataclass(frozen=True)
class Chip:
    """A chip. revision, block_revision (of its eFuse block, None where it has none): 100 x major + minor.
    spi_*: offsets in the flash memory's SPI controller."""

    name: str
    chip_id: int
    revision: int
    bootloader_offset: int
    magic: int
    security_info: bool
    spi_base: int
    spi_opcode: int
    spi_w0: int
    address_shift: int
    block_revision: int | None = None


ESP32 = Chip("ESP32", 0, 301, 0x1000, 0x00F01D83, False, 0x3FF42000, 0x24, 0x80, 8)
ESP32_C3 = Chip("ESP32-C3", 5, 4, 0x0, 0x1B31506F, True, 0x60002000, 0x20, 0x58, 0, 103)


def mac_of(eui: str) -> bytes:
    """The base MAC address (6 bytes) of a module with this EUI-64 (16 hex digits): its two middle bytes left out."""
    raw = bytes.fromhex(eui)
    return raw[:3] + raw[5:]


class Registers:
    """Words by address. Unknown ones read what was written, else 0."""

    def __init__(
        self,
        chip: Chip,
        mac: bytes,
        flash: Flash,
        *,
        secure_boot: int = 0,
        encryption: bool = False,
        key_digest: bytes = bytes(32),
    ) -> None:
        self._chip = chip
        self._flash = flash
        self.attached = False  # whether the SPI pins are connected to the flash memory
        words = _esp32_words if chip is ESP32 else _c3_words
        self._words = {0x40001000: chip.magic, **words(chip, mac, secure_boot, encryption)}
        key = 0x3FF5A058 if chip is ESP32 else 0x6000889C  # where the eFuses keep the digest for secure boot
        self._words |= {key + at: int.from_bytes(key_digest[at : at + 4], "little") for at in range(0, 32, 4)}
        self._status = 0

    def read(self, address: int) -> int:
        """One word."""
        return self._words.get(address, 0)

    def write(self, address: int, value: int, mask: int = 0xFFFFFFFF) -> None:
        """Change the bits in the mask; the run bit of the SPI controller carries its command out."""
        value = self.read(address) & ~mask | value & mask
        self._words[address] = value
        if address == self._chip.spi_base and value & _RUN_COMMAND:
            self._words[address] = value & ~_RUN_COMMAND
            self._run_spi()

    def _run_spi(self) -> None:
        base, w0 = self._chip.spi_base, self._chip.spi_base + self._chip.spi_w0
        opcode = self.read(base + self._chip.spi_opcode) & 0xFF
        if not self.attached:
            self._words[w0] = 0xFFFFFFFF
        elif opcode == 0x9F:
            self._words[w0] = _VENDOR | 0x40 << 8 | (self._flash.size.bit_length() - 1) << 16
        elif opcode == 0x5A:
            address = self.read(base + 4) >> self._chip.address_shift & 0xFFFFFF
            self._words[w0] = {0: _SFDP_SIGNATURE, 0x10: _VENDOR}.get(address, 0xFFFFFFFF)
        elif opcode in (0x05, 0x35, 0x15):
            self._words[w0] = self._status >> {0x05: 0, 0x35: 8, 0x15: 16}[opcode] & 0xFF
        elif opcode in (0x01, 0x31, 0x11):
            shift = {0x01: 0, 0x31: 8, 0x11: 16}[opcode]
            self._status = self._status & ~(0xFF << shift) | (self.read(w0) & 0xFF) << shift


def _esp32_words(chip: Chip, mac: bytes, secure_boot: int, encryption: bool) -> dict[int, int]:
    fuses = 0x3FF5A000
    clock = 128  # with the calibration below the loader works out a crystal of exactly 40 MHz
    major = chip.revision // 100
    return {
        fuses: (1 << 20 | 1 << 16) if encryption else 0,  # key in use and no longer readable
        fuses + 0x04: int.from_bytes(mac[2:], "big"),
        fuses + 0x08: _crc8(mac) << 16 | int.from_bytes(mac[:2], "big"),
        fuses + 0x0C: (1 << 15 if major >= 1 else 0) | 1 << 9 | 1 << 13,  # package D0WD, 240 MHz
        fuses + 0x10: 0x10 << 8 | clock,
        fuses + 0x14: (1 << 20 if major >= 2 else 0) | chip.revision % 100 << 24 | (0xF << 28 if encryption else 0),
        fuses + 0x18: {0: 0, 1: 1 << 4, 2: 1 << 5}[secure_boot],
        0x3FF6607C: 1 << 31 if major >= 3 else 0,
        0x3FF40014: 40_000_000 // 115_200,
        0x3FF5F06C: 102_400 // clock << 7,
        0x3FF44038: 0x13,
    }


def _c3_words(chip: Chip, mac: bytes, secure_boot: int, encryption: bool) -> dict[int, int]:
    fuses, block_revision = 0x60008800, chip.block_revision or 0
    return {
        fuses + 0x34: 1 << 18 if encryption else 0,
        fuses + 0x38: 1 << 20 if secure_boot else 0,
        fuses + 0x44: int.from_bytes(mac[2:], "big"),
        fuses + 0x48: int.from_bytes(mac[:2], "big"),
        fuses + 0x50: (chip.revision % 100 & 7) << 18 | block_revision % 100 << 24,
        fuses + 0x58: chip.revision // 100 << 24,
        fuses + 0x6C: block_revision // 100,
        0x60000014: 40_000_000 // 115_200,
    }


def _crc8(data: bytes) -> int:
    """CRC-8/MAXIM, which guards the MAC address in the fuses."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
    return crc
