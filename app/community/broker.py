"""The broker that messages go to: its address, its certificates, its password."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from device_io.urls import is_loopback

PORTS = {"mqtts": 8883, "mqtt": 1883}
PASSWORD_FILE = "SENSIX_PASSWORD_FILE"
_SERVICE = "sensix-community"
_FORM = "Write mqtts://HOST, for example mqtts://broker.example:8883?ca=FILE."


class BrokerError(ValueError):
    """One clear sentence: what is wrong with the broker's address or files, and what to do."""


@dataclass(frozen=True)
class Broker:
    """Where to send. ca: authorities that are trusted instead of the system's. cert, key: a client's own certificate.
    accepts_backdated: it takes intervals that are older than 10 minutes."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    ca: tuple[Path, ...] = ()
    cert: Path | None = None
    key: Path | None = None
    accepts_backdated: bool = False

    @property
    def is_loopback(self) -> bool:
        """True for a broker on this very computer."""
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """scheme://host:port for people, without user name and files."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """TLS with verification of certificate and name, None for mqtt://. BrokerError for files that can't be used."""
        return tls_context(self.ca, self.cert, self.key) if self.tls else None


def parse_broker(text: str, *, ca: Sequence[Path] = (), accepts_backdated: bool = False) -> Broker:
    """From mqtts://[user@]host[:port][?ca=FILE&cert=FILE&key=FILE]; `ca` adds to those of the address.

    mqtt:// is for a broker on this computer only. BrokerError for anything else; a password has no place in it.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise BrokerError(f"The broker's address has no valid port or host. {_FORM}") from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.fragment:
        raise BrokerError(f"This is not the address of a broker. {_FORM}")
    if parts.password is not None:
        raise BrokerError(
            f"A password does not belong into an address, where others can read it: put it into a file named by "
            f"{PASSWORD_FILE}, into the system's keyring, or type it when asked."
        )
    files: dict[str, list[Path]] = {"ca": list(ca), "cert": [], "key": []}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in files or not value:
            raise BrokerError(f"{name!r} means nothing in a broker's address; ca, cert and key name files. {_FORM}")
        files[name].append(Path(value))
    if len(files["cert"]) != len(files["key"]) or len(files["cert"]) > 1:
        raise BrokerError("A client's certificate needs both files once: cert=FILE and key=FILE.")
    tls = parts.scheme == "mqtts"
    if not tls and not is_loopback(parts.hostname):
        raise BrokerError("mqtt:// is not encrypted and serves for this computer only; use mqtts://.")
    return Broker(
        parts.hostname,
        port or PORTS[parts.scheme],
        tls,
        parts.username or None,
        tuple(files["ca"]),
        files["cert"][0] if files["cert"] else None,
        files["key"][0] if files["key"] else None,
        accepts_backdated,
    )


def tls_context(ca: Sequence[Path] = (), cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client's TLS with verification of certificate and host name; trusts `ca`, or the system's authorities where
    there is none. BrokerError for files that can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = _ClosedSocket
    for path in ca:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError):
            raise BrokerError(f"{path} is no readable certificate of an authority; give a PEM file.") from None
    if not ca:
        context.load_default_certs()
    if cert is not None:
        try:
            context.load_cert_chain(cert, key, password="")
        except (OSError, ssl.SSLError):
            raise BrokerError(
                f"{cert} and {key} are no certificate with its unencrypted key; give two PEM files of one pair."
            ) from None
    return context


class _ClosedSocket(ssl.SSLSocket):
    """One that does not stay open when the handshake fails: paho leaves it to the garbage collection."""

    def do_handshake(self, block: bool = False) -> None:
        """As ssl.SSLSocket."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def password_of(broker: Broker, ask: Callable[[str], str] | None = None) -> str | None:
    """The password of the broker's user: from the file that SENSIX_PASSWORD_FILE names, else the keyring, else asked
    for. None where the broker has no user. BrokerError when it can't be had."""
    if broker.user is None:
        return None
    named = os.environ.get(PASSWORD_FILE)
    if named:
        try:
            return Path(named).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            raise BrokerError(
                f"The file that {PASSWORD_FILE} names can't be read; check its path and rights."
            ) from None
    known = _keyring_password(broker)
    if known is not None:
        return known
    if ask is None:
        raise BrokerError(
            f"The broker wants a password: put it into a file and name that with {PASSWORD_FILE}, or keep it in the "
            "system's keyring."
        )
    return ask(f"Password for {broker.address}: ")


def keep_password(broker: Broker, password: str) -> bool:
    """Put the password into the system's keyring; False where there is none."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(_SERVICE, _account(broker), password)
    except (KeyringError, RuntimeError, OSError):
        return False
    return True


def forget_password(broker: Broker) -> None:
    """Take the password out of the keyring, if it is in there."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(_SERVICE, _account(broker))
    except (KeyringError, RuntimeError, OSError):
        return


def _keyring_password(broker: Broker) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(_SERVICE, _account(broker))
    except (KeyringError, RuntimeError, OSError):
        return None


def _account(broker: Broker) -> str:
    return f"{broker.user}@{broker.address}"
