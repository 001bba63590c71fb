"""Booting what the flash memory really holds, as the ROM and ESP-IDF's second-stage bootloader do, with their words."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from device_io.virtual_module.esp32.chip import Chip
from device_io.virtual_module.esp32.flash import Flash, FlashError
from device_io.virtual_module.esp32.image_maker import IDF_VERSION
from device_io.virtual_module.esp32.image_reader import (
    TABLE_OFFSET,
    ImageError,
    Partition,
    Read,
    read_image,
    read_ota_sequence,
    read_table,
)
from device_io.virtual_module.esp32.machine import Cipher

POWER_ON, RTC_WATCHDOG, SOFTWARE = "0x1 (POWERON_RESET)", "0x10 (RTCWDT_RTC_RESET)", "0x3 (SW_RESET)"
_DOWNLOAD, _FROM_FLASH = "0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))", "0x13 (SPI_FAST_FLASH_BOOT)"
_APP, _DATA = 0, 1
_FACTORY, _OTA_0, _OTA_LAST = 0x00, 0x10, 0x1F
_OTA_DATA = 0x00


@dataclass(frozen=True)
class Boot:
    """How a start went. kind "error": the chip prints `log` and resets, again and again; `error` is what stopped it.
    slot: "factory" or "ota_N". log: lines as on the wire. restart: reason of the reset that follows an error.
    partitions: of the table, if it could be read."""

    kind: Literal["app", "error"]
    log: tuple[str, ...]
    version: str = ""
    project: str = ""
    slot: str = ""
    error: str = ""
    restart: str = SOFTWARE
    partitions: tuple[Partition, ...] = ()


class FlashCipher:
    """Stands in for the chip's AES: a key stream by sector. Its own inverse."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def apply(self, offset: int, data: bytes) -> bytes:
        """Encrypt or decrypt data at an offset."""
        first, last = offset // 0x1000, (offset + len(data)) // 0x1000
        stream = b"".join(
            hashlib.shake_128(self._key + number.to_bytes(4, "little")).digest(0x1000)
            for number in range(first, last + 1)
        )[offset % 0x1000 :][: len(data)]
        return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(data), "little")


def reset_line(reason: str, *, download: bool = False) -> tuple[str, ...]:
    """What the ROM prints first."""
    lines = ("ets Jul 29 2019 12:21:46", "", f"rst:{reason},boot:{_DOWNLOAD if download else _FROM_FLASH}")
    return (*lines, "waiting for download") if download else lines


def boot(
    flash: Flash, chip: Chip, *, trusted: bytes | None = None, cipher: Cipher | None = None, reason: str = POWER_ON
) -> Boot:
    """Start the chip from its flash memory. trusted: digest of the key that secure boot asks for, None without.
    reason: of the reset."""
    log = list(reset_line(reason))

    def read(offset: int, length: int) -> bytes:
        try:
            data = flash.read(offset, length)
        except FlashError:
            return b"\xff" * length  # beyond the end nothing answers
        return cipher.apply(offset, data) if cipher else data

    try:
        _start_bootloader(read, chip, trusted, log)
    except ImageError as error:
        return Boot("error", tuple(log), error=str(error), restart=RTC_WATCHDOG)
    try:
        partitions = read_table(read)
    except ImageError as error:
        log += [
            f"E (40) {error}",
            "E (41) boot: Failed to verify partition table",
            "E (42) boot: load partition table error!",
        ]
        return Boot("error", tuple(log), error=str(error))
    log.append("I (50) boot: Partition Table:")
    log += [f"I (51) boot: {p.label:16} {p.type:02x} {p.subtype:02x} {p.offset:08x} {p.size:08x}" for p in partitions]
    return _start_app(read, chip, trusted, partitions, log)


def _start_bootloader(read: Read, chip: Chip, trusted: bytes | None, log: list[str]) -> None:
    offset = chip.bootloader_offset
    head = int.from_bytes(read(offset, 4), "little")
    if head & 0xFF != 0xE9:
        text = f"invalid header: {head:#010x}"
        log += [text] * 8
        raise ImageError(text)
    try:
        read_image(read, offset, TABLE_OFFSET - offset, chip, app=False, trusted=trusted)
    except ImageError as error:
        if "Checksum" in str(error):
            words = str(error).split()
            text = f"csum err:{words[-1]}!={words[-3]}"
        elif "secure_boot" in str(error):
            text = "secure boot verification failed"
        else:
            text = f"flash read err, {offset:x}"
        log += [text, "ets_main.c 371 "]
        raise ImageError(text) from None
    log.append(f"I (29) boot: ESP-IDF {IDF_VERSION} 2nd stage bootloader")


def _start_app(read: Read, chip: Chip, trusted: bytes | None, partitions: list[Partition], log: list[str]) -> Boot:
    slots = {p.subtype - _OTA_0: p for p in partitions if p.type == _APP and _OTA_0 <= p.subtype <= _OTA_LAST}
    if factory := next((p for p in partitions if p.type == _APP and p.subtype == _FACTORY), None):
        slots[-1] = factory
    error = "boot: No bootable app partitions in the partition table"
    for index in _order(read, partitions, slots):
        partition = slots.get(index)
        if partition is not None:
            try:
                image = read_image(read, partition.offset, partition.size, chip, app=True, trusted=trusted)
            except ImageError as problem:
                log.append(f"E (90) {problem}")
            else:
                log.append(f"I (95) boot: Loaded app from partition at offset {partition.offset:#x}")
                slot = "factory" if index < 0 else f"ota_{index}"
                return Boot("app", tuple(log), image.version, image.project, slot, partitions=tuple(partitions))
        name = "Factory app partition" if index < 0 else f"OTA app partition slot {index}"
        log.append(f"E (91) boot: {name} is not bootable")
    log.append(f"E (92) {error}")
    return Boot("error", tuple(log), error=error, partitions=tuple(partitions))


def _order(read: Read, partitions: list[Partition], slots: dict[int, Partition]) -> list[int]:
    """Slots in the order in which they are tried (-1 factory): the chosen one, those below it, those above it."""
    count = sum(index >= 0 for index in slots)
    data = next((p for p in partitions if p.type == _DATA and p.subtype == _OTA_DATA), None)
    sequences = [] if data is None else [read_ota_sequence(read(data.offset + at, 32)) for at in (0, 0x1000)]
    valid = [sequence for sequence in sequences if sequence is not None]
    if valid and count:
        chosen = (max(valid) - 1) % count
    else:
        chosen = -1 if -1 in slots or not count else 0
    lowest = -1 if -1 in slots or not count else 0
    return [*range(chosen, lowest - 1, -1), *range(chosen + 1, count)]
