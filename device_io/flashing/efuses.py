"""Where the eFuses of each chip keep what decides whether it starts an image: the lowest secure version, the revision
of the eFuse block, the keys of secure boot. Bits and words are those of espefuse's definitions (esptool 5.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ESP32_BASE, _ESP32_KEY_2, _ESP32_UNREADABLE_2 = 0x3FF5A000, 0x58, 1 << 17
_KEYS, _KEY_SIZE = 0x9C, 32
"""From the eFuses' base: the first of six blocks of keys (espefuse, BLOCK_KEY0), on these chips."""
_KEYS_ALIKE = tuple(f"ESP32-{chip}" for chip in ("S2", "S3", "C3", "C5", "C6", "C61", "H2", "H4", "H21", "P4"))
_DIGEST_PURPOSES = {9: "SECURE_BOOT_KEY_REVOKE0", 10: "SECURE_BOOT_KEY_REVOKE1", 11: "SECURE_BOOT_KEY_REVOKE2"}
"""Purpose of a block that holds the digest of a key for secure boot, and the flag that takes the key back."""

Bits = tuple[int, int, int]
"""Register from the eFuses' base, lowest bit, width."""


@dataclass(frozen=True)
class EfuseMap:
    """Of one chip. secure_version: the number of its bits that are set counts. block_major, block_minor: revision of
    the eFuse block; any_block, any_chip: upper limits of an image do not count (espefuse: DISABLE_BLK_VERSION_MAJOR,
    DISABLE_WAFER_VERSION_MAJOR). None: the chip has no such thing."""

    secure_version: Bits
    block_major: Bits | None = None
    block_minor: Bits | None = None
    any_block: Bits | None = None
    any_chip: Bits | None = None


_REPEAT_4 = 0x40
_S3_AND_C3 = EfuseMap((0x3C, 14, 16), (0x6C, 0, 2), (0x50, 24, 3), (_REPEAT_4, 1, 1), (_REPEAT_4, 0, 1))
_IN_WORD_2: tuple[Bits, Bits, Bits, Bits] = ((0x4C, 11, 2), (0x4C, 8, 3), (0x4C, 7, 1), (0x4C, 6, 1))

EFUSES = {
    "ESP32": EfuseMap((0x88, 0, 32)),
    "ESP32-S2": EfuseMap((0x3C, 11, 16), (0x50, 25, 2), (0x6C, 4, 3), (_REPEAT_4, 1, 1), (_REPEAT_4, 0, 1)),
    "ESP32-S3": _S3_AND_C3,
    "ESP32-C3": _S3_AND_C3,
    "ESP32-C2": EfuseMap((0x30, 22, 4), (0x44, 28, 2), (0x44, 25, 3), (0x30, 28, 1), (0x30, 27, 1)),
    "ESP32-C5": EfuseMap((0x3C, 9, 9), *_IN_WORD_2),
    "ESP32-C6": EfuseMap((0x3C, 14, 16), (0x50, 30, 2), (0x50, 27, 3), (_REPEAT_4, 1, 1), (_REPEAT_4, 0, 1)),
    "ESP32-C61": EfuseMap((0x38, 8, 16), *_IN_WORD_2),
    "ESP32-H2": EfuseMap((0x3C, 9, 16), (0x6C, 5, 2), (0x6C, 2, 3), (0x6C, 7, 1), (0x50, 23, 1)),
    "ESP32-H21": EfuseMap((0x3C, 9, 16), (0x50, 21, 2), (0x50, 18, 3), (0x50, 23, 1), (0x58, 10, 1)),
    "ESP32-H4": EfuseMap((0x3C, 7, 16), (0x50, 29, 2), (0x50, 26, 3), (0x50, 25, 1), (0x50, 24, 1)),
    "ESP32-P4": EfuseMap((0x3C, 9, 16), *_IN_WORD_2),
    "ESP32-S31": EfuseMap((0x40, 0, 16), (0x5C, 29, 2), (0x5C, 26, 3), (0x5C, 25, 1), (0x5C, 24, 1)),
}


def limits(rom: Any) -> dict[str, Any]:
    """What a chip's eFuses say of the images that it starts, as `FlashIdentity` names it. rom: esptool's connection."""
    place = EFUSES.get(str(rom.CHIP_NAME))
    base = getattr(rom, "EFUSE_BASE", None) or getattr(rom, "EFUSE_RD_REG_BASE", None)
    if place is None or base is None:
        return {}

    def read(bits: Bits | None) -> int:
        return int(rom.read_reg(base + bits[0])) >> bits[1] & (1 << bits[2]) - 1 if bits is not None else 0

    known = place.block_major is not None
    return {
        "secure_version": read(place.secure_version).bit_count(),
        "block_revision": read(place.block_major) * 100 + read(place.block_minor) if known else None,
        "any_newer_block": bool(read(place.any_block)),
        "any_newer_revision": bool(read(place.any_chip)),
    }


def key_digests(rom: Any) -> tuple[str, ...]:
    """SHA-256 of the keys whose signatures secure boot of version 2 takes, () where the eFuses do not tell them."""
    chip = str(rom.CHIP_NAME)
    if chip == "ESP32":
        readable = not rom.read_reg(_ESP32_BASE) & _ESP32_UNREADABLE_2
        places = [_ESP32_BASE + _ESP32_KEY_2] if readable else []
    elif chip not in _KEYS_ALIKE:
        return ()
    else:
        security = rom.get_security_info()
        flags = security["parsed_flags"]
        places = [
            rom.EFUSE_BASE + _KEYS + _KEY_SIZE * block
            for block, purpose in enumerate(security["key_purposes"][:6])
            if purpose in _DIGEST_PURPOSES and not flags[_DIGEST_PURPOSES[purpose]]
        ]
    words = [[int(rom.read_reg(place + at)) for at in range(0, _KEY_SIZE, 4)] for place in places]
    return tuple(b"".join(word.to_bytes(4, "little") for word in digest).hex() for digest in words if any(digest))
