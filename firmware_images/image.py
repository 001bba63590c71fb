"""Application and bootloader images of the ESP32 family (ESP-IDF, "App Image Format").

A 24-byte header, up to 16 segments (address, length, data), an XOR checksum at the end of a 16-byte block, a SHA-256
over all of it, and, where secure boot is used, a signature. Images without the SHA-256 are not taken: the checksum
alone lets 1 fault in 256 pass and does not cover the header.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass

from firmware_images.chips import Chip, chip_by_id
from firmware_images.errors import ImageError, Reason
from firmware_images.secure_boot import Kind, find_signature

IMAGE_MAGIC = 0xE9
_HEADER = struct.Struct("<BBBBIB3sHBHH4sB")
_SEGMENT = struct.Struct("<II")
_MOST_SEGMENTS = 16
_DESCRIPTOR_AT = 0x20
_APP_DESCRIPTOR = struct.Struct("<II8x32s32s16s16s32s32sHHB")
_APP_MAGIC = 0xABCD5432
_APP_DESCRIPTOR_SIZE = 256
_BOOTLOADER_DESCRIPTOR = struct.Struct("<B2xBI32s24s")
_BOOTLOADER_MAGIC = 0x50
_ENCRYPTED_BITS_A_BYTE = 7.9
_ANY_REVISION = 0xFFFF
_SPI_MODES = {0: "QIO", 1: "QOUT", 2: "DIO", 3: "DOUT", 4: "FAST_READ", 5: "SLOW_READ"}


@dataclass(frozen=True)
class Segment:
    """What the bootloader loads or maps at an address. offset: of the data in the image, in bytes."""

    address: int
    offset: int
    size: int


@dataclass(frozen=True)
class AppDescriptor:
    """What an application says of itself (esp_app_desc_t). Texts are as the build wrote them. Revisions of the eFuse
    block that it needs: in hundredths, 0 and None for any."""

    version: str
    project: str
    time: str
    date: str
    idf_version: str
    elf_sha256: str
    secure_version: int
    min_efuse_block_revision: int
    max_efuse_block_revision: int | None


@dataclass(frozen=True)
class BootloaderDescriptor:
    """What a bootloader of ESP-IDF 5.2 or later says of itself."""

    version: int
    secure_version: int
    idf_version: str
    date_time: str


@dataclass(frozen=True)
class AppImage:
    """An image that is whole. Its checksum and SHA-256 hold, or it would not be here.

    min_revision, max_revision: of the chip, in hundredths (301 = v3.1); max_revision None for any.
    flash_size: bytes the header says, None where it uses a code that is not known. length: bytes up to the end of the
    hash; total_length: with padding and signature. secure_boot_signature: whether it holds is for `check_package`.
    """

    chip: Chip
    segments: tuple[Segment, ...]
    entry: int
    spi_mode: str
    flash_size: int | None
    min_revision: int
    max_revision: int | None
    checksum: int
    sha256: str
    length: int
    total_length: int
    secure_boot_signature: Kind
    app: AppDescriptor | None
    bootloader: BootloaderDescriptor | None


def parse_image(data: bytes) -> AppImage:
    """Read the image at the start of `data`; what follows it there is not looked at, but for a secure-boot signature.

    :raises ImageError: NOT_AN_IMAGE, ENCRYPTED, TRUNCATED, BAD_HEADER, WRONG_CHIP (one not known here), BAD_CHECKSUM,
        NO_HASH, BAD_HASH.
    """
    if not data or data[0] != IMAGE_MAGIC:
        raise _not_an_image(data)
    if len(data) < _HEADER.size:
        raise ImageError(Reason.TRUNCATED, "The image ends within its header. Get the file again.")
    fields = _HEADER.unpack_from(data)
    _, count, mode, size_code, entry, _, _, chip_id, min_old, min_full, max_full, _, hashed = fields
    if not 1 <= count <= _MOST_SEGMENTS:
        raise ImageError(Reason.BAD_HEADER, f"The image says it has {count} segments; 1 to 16 are possible.")
    chip = chip_by_id(chip_id)
    if chip is None:
        raise ImageError(Reason.WRONG_CHIP, f"The image is for a chip with id {chip_id}, which is not known here.")
    segments, end = _read_segments(data, count)
    checksum_at = end // 16 * 16 + 15
    if checksum_at >= len(data):
        raise ImageError(Reason.TRUNCATED, "The image ends before its checksum. Get the file again.")
    checksum = _checksum(data, segments)
    if checksum != data[checksum_at]:
        raise ImageError(Reason.BAD_CHECKSUM, "The image is damaged: its checksum does not match. Get the file again.")
    sha256 = _check_hash(data, checksum_at + 1, hashed)
    length = checksum_at + 1 + 32
    signature, total_length = find_signature(data, length)
    return AppImage(
        chip=chip,
        segments=segments,
        entry=entry,
        spi_mode=_SPI_MODES.get(mode, f"{mode:#x}"),
        flash_size=1 << 20 + (size_code >> 4) if size_code >> 4 <= 7 else None,
        # Builds before ESP-IDF 4.4 fill in one number alone: the major one, and on the ESP32-C3 the minor one.
        min_revision=min_full or min_old * (1 if chip.name == "ESP32-C3" else 100),
        max_revision=max_full if max_full not in (0, _ANY_REVISION) else None,
        checksum=checksum,
        sha256=sha256,
        length=length,
        total_length=total_length,
        secure_boot_signature=signature,
        app=_app_descriptor(data, segments[0]),
        bootloader=_bootloader_descriptor(data, segments[0]),
    )


def same_code(first: bytes, second: bytes) -> bool:
    """True when two images are alike but for flash mode, speed and size, which a flasher may set, and the hash."""
    try:
        one, other = parse_image(first), parse_image(second)
    except ImageError:
        return False
    end = one.length - 32
    return one.length == other.length and first[:2] + first[4:end] == second[:2] + second[4:end]


def _read_segments(data: bytes, count: int) -> tuple[tuple[Segment, ...], int]:
    segments, at = [], _HEADER.size
    for number in range(count):
        if at + _SEGMENT.size > len(data):
            raise ImageError(Reason.TRUNCATED, f"The image ends before segment {number + 1} of {count}.")
        address, size = _SEGMENT.unpack_from(data, at)
        at += _SEGMENT.size
        if at + size > len(data):
            raise ImageError(
                Reason.TRUNCATED,
                f"The image ends within segment {number + 1} of {count}: {at + size - len(data)} bytes are missing. "
                "Get the file again.",
            )
        if size % 4:
            raise ImageError(
                Reason.BAD_HEADER,
                f"Segment {number + 1} of the image has {size} bytes, no multiple of 4: no chip would start it.",
            )
        segments.append(Segment(address, at, size))
        at += size
    return tuple(segments), at


def _checksum(data: bytes, segments: tuple[Segment, ...]) -> int:
    checksum = 0xEF
    for segment in segments:
        content = data[segment.offset : segment.offset + segment.size]
        # XOR of all bytes: fold the content, as one number, onto itself.
        folded, width = int.from_bytes(content, "little"), len(content)
        while width > 1:
            width = (width + 1) // 2
            folded = (folded >> 8 * width) ^ (folded & (1 << 8 * width) - 1)
        checksum ^= folded
    return checksum


def _check_hash(data: bytes, end: int, hashed: int) -> str:
    if hashed == 0:
        raise ImageError(
            Reason.NO_HASH, "The image carries no SHA-256, so damage could go unseen. Build it with the hash appended."
        )
    if hashed != 1:
        raise ImageError(Reason.BAD_HEADER, "The image's header is damaged: its hash flag is neither 0 nor 1.")
    if end + 32 > len(data):
        raise ImageError(Reason.TRUNCATED, "The image ends within its SHA-256. Get the file again.")
    digest = hashlib.sha256(memoryview(data)[:end]).digest()
    if digest != data[end : end + 32]:
        raise ImageError(Reason.BAD_HASH, "The image is damaged: its SHA-256 does not match. Get the file again.")
    return digest.hex()


def _app_descriptor(data: bytes, segment: Segment) -> AppDescriptor | None:
    if segment.size < _APP_DESCRIPTOR_SIZE:
        return None
    fields = _APP_DESCRIPTOR.unpack_from(data, _DESCRIPTOR_AT)
    magic, secure_version, version, project, time, date, idf_version, elf, min_block, max_block, _ = fields
    if magic != _APP_MAGIC:
        return None
    return AppDescriptor(
        version=_text(version),
        project=_text(project),
        time=_text(time),
        date=_text(date),
        idf_version=_text(idf_version),
        elf_sha256=elf.hex(),
        secure_version=secure_version,
        min_efuse_block_revision=min_block if min_block != _ANY_REVISION else 0,
        max_efuse_block_revision=max_block if max_block not in (0, _ANY_REVISION) else None,
    )


def _bootloader_descriptor(data: bytes, segment: Segment) -> BootloaderDescriptor | None:
    if segment.size < _BOOTLOADER_DESCRIPTOR.size:
        return None
    magic, secure_version, version, idf_version, date_time = _BOOTLOADER_DESCRIPTOR.unpack_from(data, _DESCRIPTOR_AT)
    # One byte of magic is little: the IDF version beside it must be a text too.
    if magic != _BOOTLOADER_MAGIC or not _text(idf_version)[:1].isalnum():
        return None
    return BootloaderDescriptor(version, secure_version, _text(idf_version), _text(date_time))


def _text(field: bytes) -> str:
    text = field.split(b"\0", 1)[0].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _not_an_image(data: bytes) -> ImageError:
    if not data:
        return ImageError(Reason.TRUNCATED, "The image is empty. Get the file again.")
    if bits_a_byte(data) > _ENCRYPTED_BITS_A_BYTE:
        return ImageError(
            Reason.ENCRYPTED, "The image looks encrypted. Use the plain image; the module encrypts its flash itself."
        )
    return ImageError(Reason.NOT_AN_IMAGE, "This is no ESP32 firmware image: it does not start with the byte E9.")


def bits_a_byte(data: bytes) -> float:
    """Entropy of the byte values of `data` (its first MiB), 0 to 8 bits; encrypted data comes close to 8."""
    data = data[: 1 << 20]
    counts = [data.count(value) for value in range(256)]
    return -sum(count / len(data) * math.log2(count / len(data)) for count in counts if count)
