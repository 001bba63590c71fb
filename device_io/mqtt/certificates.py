"""Certificates of the embedded broker: an authority of its own, and a server certificate for this computer's names."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_DAYS = 3650
SERVER_DAYS = 730
RENEW_DAYS = 30
"""A server certificate with less time left is made anew; the authority, which modules know, stays."""


class ServerFiles(NamedTuple):
    """PEM files: the authority's certificate (for clients), the server's certificate and its key."""

    ca: Path
    cert: Path
    key: Path


def names_of_this_computer() -> tuple[str, ...]:
    """Host names and addresses under which others may reach this computer, and it itself."""
    import ifaddr

    host = socket.gethostname()
    names = {"localhost", "127.0.0.1", "::1"}
    if _is_name(host):
        names |= {host, f"{host.split('.', 1)[0]}.local"}
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            names.add(str(address.ip[0] if isinstance(address.ip, tuple) else address.ip))
    return tuple(sorted(names))


def server_files(folder: Path, names: Iterable[str]) -> ServerFiles:
    """The files in a folder; makes what is missing, has run out, or does not bear all of these names. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = ServerFiles(folder / "ca.pem", folder / "broker.pem", folder / "broker.key")
    ca_key_path = folder / "ca.key"
    ca, ca_key = _load(files.ca), _load_key(ca_key_path)
    if ca_key_path.is_file() and (ca_key is None or (ca is not None and not _belong(ca, ca_key))):
        raise OSError(
            f"{ca_key_path} is damaged. Remove the folder {folder}, then give every module the new certificate and a "
            "new password."
        )
    if ca is None or ca_key is None or _days_left(ca) < RENEW_DAYS:
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca = _authority(ca_key)
        _write_key(ca_key_path, ca_key)
        files.ca.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        files.cert.unlink(missing_ok=True)
    wanted = {_general_name(name) for name in names}
    cert, key = _load(files.cert), _load_key(files.key)
    fits = cert is not None and key is not None and _belong(cert, key) and cert.issuer == ca.subject
    if cert is None or not fits or _days_left(cert) < RENEW_DAYS or not wanted <= _names_in(cert):
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(files.key, key)
        files.cert.write_bytes(_server(key, wanted, ca, ca_key).public_bytes(serialization.Encoding.PEM))
    return files


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sensix broker of this computer")])
    return (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    names: set[x509.GeneralName],
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sensix broker")])
    return (
        _builder(subject, ca.subject, key, SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(sorted(names, key=repr)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # the clock of a module may be late
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _load(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _load_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _belong(cert: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    return cert.public_key() == key.public_key()


def _days_left(cert: x509.Certificate) -> float:
    return (cert.not_valid_after_utc - datetime.now(UTC)) / timedelta(days=1)


def _names_in(cert: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _is_name(name: str) -> bool:
    return bool(name) and name.isascii() and all(c.isalnum() or c in "-." for c in name)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.split("%", 1)[0]))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """A new file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
