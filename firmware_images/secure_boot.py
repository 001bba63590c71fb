"""Signatures for Secure Boot behind an image (ESP-IDF, "Secure Boot v2" and "Secure Boot v1").

Version 2: up to three blocks of 1216 bytes in the sector behind the image, each with a digest of all before that
sector, a public key (RSA of 3072 bits, or ECDSA) and a signature. The chip starts the image when the SHA-256 of such a
key stands in its eFuses. Version 1: ECDSA over P-256, 68 bytes right behind the image; the public key stands in the
bootloader, which the chip knows by a secret of its own.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from firmware_images.chips import sector_up

Kind = Literal["none", "v1", "v2"]

_BLOCK, _MOST_BLOCKS, _CRC_AT = 1216, 3, 1196
_RSA, _ECDSA = 2, 3
_RSA_KEY = struct.Struct("<384sI384sI")  # modulus, exponent, and two numbers that spare the chip work
_RSA_BITS = 3072
_CURVES = {1: ("SECP192R1", 24), 2: ("SECP256R1", 32), 3: ("SECP384R1", 48)}
_V1_SIZE = 68
_P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


@dataclass(frozen=True)
class SignatureBlock:
    """A block of version 2 whose digest is that of the image. scheme: "RSA" or "ECDSA". key_digest: as in the eFuses,
    64 hexadecimal digits. holds: whether the signature is that of the key over the image."""

    scheme: str
    key_digest: str
    holds: bool


def find_signature(data: bytes, length: int) -> tuple[Kind, int]:
    """The kind of signature behind an image of `length` bytes, and the length with it. Whether it holds is another
    question: see `signature_blocks` and `holds_v1`."""
    sector = sector_up(length)
    if any(_blocks(data, sector)):
        return "v2", min(sector + 0x1000, len(data))
    # Version 1 follows the image at once: version 0 and 64 bytes that are not all erased or zero.
    trailer = data[length : length + _V1_SIZE]
    if len(trailer) == _V1_SIZE and trailer[:4] == bytes(4) and len(set(trailer[4:])) > 2:
        return "v1", length + _V1_SIZE
    return "none", length


def signature_blocks(data: bytes, length: int) -> tuple[SignatureBlock, ...]:
    """The blocks of version 2 behind an image of `length` bytes, their signatures worked out."""
    return tuple(_read(block) for block in _blocks(data, sector_up(length)))


def holds_v1(data: bytes, length: int, bootloader: bytes) -> bool:
    """True when the signature of version 1 behind an image is that of a key which stands in this bootloader.

    The key's place in the bootloader is not written down anywhere: every point of the curve in it is tried."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    raw = data[length + 4 : length + _V1_SIZE]
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    for x, y in _points(bootloader):
        try:
            ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key().verify(
                signature, data[:length], ec.ECDSA(SHA256())
            )
        except (InvalidSignature, ValueError):
            continue
        return True
    return False


def _points(data: bytes) -> Iterator[tuple[int, int]]:
    """The points of P-256 in some data, coordinates big-endian one behind the other."""
    for at in range(len(data) - 63):
        x, y = int.from_bytes(data[at : at + 32], "big"), int.from_bytes(data[at + 32 : at + 64], "big")
        if (y * y - x * x * x + 3 * x - _P256_B) % _P256 == 0:
            yield x, y


def _blocks(data: bytes, sector: int) -> Iterator[bytes]:
    """Blocks whose own checksum holds and whose digest is that of what lies before the sector."""
    for number in range(_MOST_BLOCKS):
        block = data[sector + number * _BLOCK :][:_BLOCK]
        if len(block) < _CRC_AT + 4 or block[0] != 0xE7 or block[1] not in (_RSA, _ECDSA):
            return
        if zlib.crc32(block[:_CRC_AT]) != int.from_bytes(block[_CRC_AT : _CRC_AT + 4], "little"):
            return
        digest = _hash_of(block)(memoryview(data)[:sector]).digest()
        if block[4 : 4 + len(digest)] != digest:
            return
        yield block


def _hash_of(block: bytes) -> Callable[..., hashlib._Hash]:
    return hashlib.sha384 if block[1] == _ECDSA and block[2] == 1 else hashlib.sha256


def _read(block: bytes) -> SignatureBlock:
    if block[1] == _RSA:
        key = block[36 : 36 + _RSA_KEY.size]
        return SignatureBlock("RSA", hashlib.sha256(key).hexdigest(), _rsa_holds(block, key))
    at = 4 + _hash_of(block)().digest_size
    size = 97 if at == 52 else 65  # P-192 takes the room of P-256
    return SignatureBlock("ECDSA", hashlib.sha256(block[at : at + size]).hexdigest(), _ecdsa_holds(block, at, size))


def _rsa_holds(block: bytes, key: bytes) -> bool:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    modulus, exponent, r_squared, m_inverse = _RSA_KEY.unpack(key)
    n = int.from_bytes(modulus, "little")
    at = 36 + _RSA_KEY.size
    if n.bit_length() != _RSA_BITS or not n % 2:
        return False
    # The chip calculates with these as they stand.
    if int.from_bytes(r_squared, "little") != pow(2, 2 * _RSA_BITS, n) or m_inverse != -pow(n, -1, 1 << 32) % (1 << 32):
        return False
    return _verified(
        lambda: (
            rsa.RSAPublicNumbers(exponent, n)
            .public_key()
            .verify(
                block[at : at + 384][::-1],
                block[4:36],
                padding.PSS(padding.MGF1(SHA256()), salt_length=32),
                Prehashed(SHA256()),
            )
        )
    )


def _ecdsa_holds(block: bytes, at: int, size: int) -> bool:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

    name, width = _CURVES.get(block[at], ("", 0))
    if not name or (width == 48) != (size == 97):
        return False
    number = partial(int.from_bytes, byteorder="little")
    point, signed = block[at + 1 :], block[at + size :]
    x, y, r, s = (number(part[start : start + width]) for part in (point, signed) for start in (0, width))
    digest = block[4:at]
    hashed = hashes.SHA384() if len(digest) == 48 else hashes.SHA256()
    return _verified(
        lambda: (
            ec.EllipticCurvePublicNumbers(x, y, getattr(ec, name)())
            .public_key()
            .verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashed)))
        )
    )


def _verified(verify: Callable[[], None]) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        verify()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True
