"""Secure Boot of version 2, as the chip works it out: RSA-PSS with 3072 bits, one block in the sector behind an image.

The key of a virtual chip is made with its first contents and kept nowhere; what remains of it, as in a real chip, is
the digest of its public half in the eFuses.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SECTOR = 0x1000
BLOCK_SIZE = 1216
_BITS = 3072
_KEY = slice(36, 812)


def new_key() -> RSAPrivateKey:
    """A key to sign with."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, _BITS)


def sign(image: bytes, key: RSAPrivateKey) -> bytes:
    """The image, padded to a whole sector, and the sector with its signature."""
    from cryptography.hazmat.primitives.asymmetric import padding, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    image += b"\xff" * (-len(image) % SECTOR)
    digest = hashlib.sha256(image).digest()
    pss = padding.PSS(padding.MGF1(SHA256()), salt_length=32)
    signature = key.sign(digest, pss, utils.Prehashed(SHA256()))
    block = b"\xe7\x02\0\0" + digest + _public(key.public_key().public_numbers().n, 65537) + signature[::-1]
    block += struct.pack("<I", zlib.crc32(block))
    return image + block.ljust(BLOCK_SIZE, b"\0").ljust(SECTOR, b"\xff")


def key_digest(sector: bytes) -> bytes:
    """What goes into the eFuses for the key of a signature: 32 bytes; zeros where there is no signature."""
    return hashlib.sha256(sector[_KEY]).digest() if sector[:2] == b"\xe7\x02" else bytes(32)


def starts(content: bytes, sector: bytes, trusted: bytes) -> bool:
    """Whether a chip with this digest in its eFuses takes the signature sector behind some content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
    from cryptography.hazmat.primitives.hashes import SHA256

    checked, crc = sector[:1196], int.from_bytes(sector[1196:1200], "little")
    digest = hashlib.sha256(content).digest()
    if key_digest(sector) != trusted or not any(trusted) or zlib.crc32(checked) != crc or sector[4:36] != digest:
        return False
    modulus, exponent = int.from_bytes(sector[36:420], "little"), int.from_bytes(sector[420:424], "little")
    pss = padding.PSS(padding.MGF1(SHA256()), salt_length=32)
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        key.verify(sector[812:1196][::-1], digest, pss, utils.Prehashed(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _public(modulus: int, exponent: int) -> bytes:
    """A public key as the chip's arithmetic unit takes it."""
    r_squared = (1 << 2 * _BITS) % modulus
    inverse = -pow(modulus, -1, 1 << 32) % (1 << 32)
    return struct.pack(
        "<384sI384sI", modulus.to_bytes(384, "little"), exponent, r_squared.to_bytes(384, "little"), inverse
    )
