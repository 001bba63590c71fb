"""Certificates made on the fly: an authority of one's own, servers, clients. Keys are readable by their owner only."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Authority(NamedTuple):
    """A certificate authority. cert: the PEM file that others trust. key stays with the authority."""

    cert: Path
    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey


class Pair(NamedTuple):
    """PEM files of a certificate and its private key."""

    cert: Path
    key: Path


def make_ca(folder: Path, name: str = "test-ca") -> Authority:
    """A new authority; its certificate lands in `folder/NAME.pem`."""
    private = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Authority {name}")
    certificate = (
        _builder(subject, subject, private.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(path, certificate, private)


def make_server_cert(
    ca: Authority,
    folder: Path,
    names: Sequence[str] = ("localhost", "127.0.0.1"),
    *,
    expired: bool = False,
    stem: str = "server",
) -> Pair:
    """A server's certificate for these host names and addresses. expired: its time was over yesterday."""
    return _make(ca, folder, stem, names[0], names, ExtendedKeyUsageOID.SERVER_AUTH, expired)


def make_client_cert(ca: Authority, folder: Path, name: str) -> Pair:
    """A client's certificate with this common name: `NAME.pem` and `NAME.key`."""
    return _make(ca, folder, name, name, (), ExtendedKeyUsageOID.CLIENT_AUTH, False)


def _make(
    ca: Authority,
    folder: Path,
    stem: str,
    common_name: str,
    names: Sequence[str],
    purpose: x509.ObjectIdentifier,
    expired: bool,
) -> Pair:
    private = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(common_name), ca.certificate.subject, private.public_key(), expired=expired)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.private.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    certificate = builder.sign(ca.private, hashes.SHA256())
    pair = Pair(folder / f"{stem}.pem", folder / f"{stem}.key")
    pair.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    descriptor = os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    return pair


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = now - timedelta(days=1) if expired else now + timedelta(days=2)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3))
        .not_valid_after(end)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
