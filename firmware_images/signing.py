"""Ed25519 keys and signatures of bundles and catalogues. Private keys are files that only their owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from firmware_images.errors import ImageError, Reason
from firmware_images.paths import read_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Signature = Literal["trusted", "unknown", "none"]
"""trusted: by a key that is trusted here; unknown: whole, but by another key; none: not signed."""

TRUSTED_KEYS = Path(__file__).with_name("trusted_keys.json")
SIGNATURE_SIZE = 64

_PRIME = 2**255 - 19
# Solves d y^4 + 2 y^2 = 1 on the curve: a point of order 8.
_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_WEAK = {0, 1, _PRIME - 1, _PRIME, _PRIME + 1, _ORDER_8, _PRIME - _ORDER_8}
"""y of the points of small order: under such a "key" a signature of zeros holds for many texts."""


@dataclass(frozen=True)
class TrustedKey:
    """The public half of a key (32 bytes) and whose it is."""

    public_key: bytes
    name: str = ""

    @property
    def key_id(self) -> str:
        """How manifests name the key: the public half itself, 64 hexadecimal digits."""
        return self.public_key.hex()


def load_trusted_keys(path: Path = TRUSTED_KEYS) -> tuple[TrustedKey, ...]:
    """Public keys from a JSON file {"keys": [{"name", "public_key": 64 hex digits}]}, a PEM file or a folder of both.

    A file that does not exist holds no keys, so that the one that comes with the application may be missing.

    :raises ImageError: BAD_KEY, UNREADABLE.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in (".json", ".pem", ".pub"))
        return tuple(key for file in files for key in load_trusted_keys(file))
    if not path.exists():
        return ()
    data = read_file(path)
    if data.lstrip().startswith(b"-----BEGIN"):
        return (TrustedKey(_public_from_pem(data, path), path.stem),)
    try:
        keys = tuple(TrustedKey(bytes.fromhex(key["public_key"]), str(key["name"])) for key in json.loads(data)["keys"])
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = None
    if keys is None or any(len(key.public_key) != 32 for key in keys):
        raise ImageError(Reason.BAD_KEY, f"{path} is no list of public keys. See docs/firmware-bundle.md.")
    return keys


def make_key(path: Path, passphrase: str | None = None) -> TrustedKey:
    """Make a private key in a PEM file that only its owner can read, and its public half beside it (`.pub`).

    :raises ImageError: BAD_KEY when the file exists or can't be written.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    locked: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        locked = serialization.BestAvailableEncryption(passphrase.encode())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        # O_EXCL: an existing key is never overwritten; the mode holds from the first moment.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        path.with_name(path.name + ".pub").write_bytes(public)
    except FileExistsError:
        raise ImageError(Reason.BAD_KEY, f"{path} exists. Choose another name for the new key.") from None
    except OSError as error:
        raise ImageError(Reason.BAD_KEY, f"{path} can't be written: {error.strerror or error}.") from None
    return TrustedKey(key.public_key().public_bytes_raw(), path.stem)


def load_key(path: Path, passphrase: str | None = None) -> Ed25519PrivateKey:
    """A private Ed25519 key from a PEM file. :raises ImageError: BAD_KEY, UNREADABLE."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data = read_file(path)
    try:
        key = serialization.load_pem_private_key(data, passphrase.encode() if passphrase else None)
    except TypeError:
        wanted = "needs a passphrase" if not passphrase else "has no passphrase"
        raise ImageError(Reason.BAD_KEY, f"The key in {path} {wanted}.") from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = " Or the passphrase is wrong." if passphrase else ""
        raise ImageError(Reason.BAD_KEY, f"{path} is no private key in PEM form.{wrong}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ImageError(Reason.BAD_KEY, f"{path} is no Ed25519 key. Make one with --new-key.")
    return key


def is_locked(path: Path) -> bool:
    """True when a key file asks for a passphrase. :raises ImageError: UNREADABLE."""
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in read_file(path)


def is_private(path: Path) -> bool:
    """False when others than the owner may read the file, where the system has such rights."""
    return os.name != "posix" or not path.stat().st_mode & 0o077


def key_id_of(key: Ed25519PrivateKey) -> str:
    """How manifests name a private key: its public half, 64 hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def signature_state(
    signed: bytes, signature: bytes | None, key_id: str | None, trusted_keys: Iterable[TrustedKey]
) -> Signature:
    """What a signature over `signed` is worth. Since `key_id` is the public key, every signature can be checked.

    :raises ImageError: TAMPERED when it does not hold, or one of signature and key is missing.
    """
    if signature is None and key_id is None:
        return "none"
    if signature is None or key_id is None:
        missing = "signature" if signature is None else "name of its key"
        raise ImageError(
            Reason.TAMPERED, f"The {missing} was taken out. Do not use this package; get it again from its maker."
        )
    if not _holds(signed, signature, key_id):
        raise ImageError(
            Reason.TAMPERED,
            "The signature does not match: somebody changed the package, or it was damaged. "
            "Do not use it; get it again from its maker.",
        )
    return "trusted" if any(key.key_id == key_id for key in trusted_keys) else "unknown"


def _holds(signed: bytes, signature: bytes, key_id: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(signature) != SIGNATURE_SIZE:
        return False
    try:
        if int.from_bytes(bytes.fromhex(key_id), "little") & (1 << 255) - 1 in _WEAK:
            return False
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key_id)).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _public_from_pem(data: bytes, path: Path) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ImageError(Reason.BAD_KEY, f"{path} is no public Ed25519 key in PEM form.")
    return key.public_bytes_raw()
