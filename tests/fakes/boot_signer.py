"""Keys for secure boot, made on the fly, and Espressif's own tool that signs with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.fakes import esp_tools

CURVES = {"P-192": ec.SECP192R1, "P-256": ec.SECP256R1, "P-384": ec.SECP384R1}


@cache
def a_key(kind: str = "RSA", number: int = 0) -> Any:
    """A private key of this run: "RSA" (3072 bits) or the name of a curve. number: another one of that kind."""
    del number
    return rsa.generate_private_key(65537, 3072) if kind == "RSA" else ec.generate_private_key(CURVES[kind]())


def sign(folder: Path, image: bytes, *keys: Any, version: int = 2) -> bytes:
    """What `espsecure sign-data` makes of an image: with its signature behind it, one block a key."""
    plain, signed = folder / "plain.bin", folder / "signed.bin"
    plain.write_bytes(image)
    signed.unlink(missing_ok=True)
    named = [argument for number, key in enumerate(keys) for argument in ("--keyfile", _pem(folder, key, number))]
    esp_tools.run(
        "espsecure", "sign-data", "--version", str(version), *named, "--output", str(signed), str(plain)
    )  # fmt: skip
    return signed.read_bytes()


def digest(folder: Path, key: Any) -> str:
    """What `espsecure digest-sbv2-public-key` says goes into the eFuses, in hexadecimal."""
    out = folder / "digest.bin"
    out.unlink(missing_ok=True)
    esp_tools.run("espsecure", "digest-sbv2-public-key", "--keyfile", _pem(folder, key), "--output", str(out))
    return out.read_bytes().hex()


def public_v1(folder: Path, key: Any) -> bytes:
    """The public half of a P-256 key as a bootloader of version 1 holds it."""
    out = folder / "public.bin"
    out.unlink(missing_ok=True)
    esp_tools.run("espsecure", "extract-public-key", "--version", "1", "--keyfile", _pem(folder, key), str(out))
    return out.read_bytes()


def _pem(folder: Path, key: Any, number: int = 0) -> str:
    path = folder / f"key{number}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return str(path)
