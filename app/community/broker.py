"""The broker that messages go to: an address of device_io's, with what sharing wants to know beside it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from device_io.mqtt.dialling import tls_context
from device_io.mqtt.passwords import SERVICE, Prompt, account_of, find_password, store_password
from device_io.source import LinkError
from device_io.urls import MqttUrl, is_loopback, parse_broker_url

_OLD_SERVICE = "sensix-community"
"""Where the keyring held passwords before they were kept with those of the WiFi link."""


class BrokerError(ValueError):
    """One clear sentence: what is wrong with the broker's address, files or password, and what to do."""


@dataclass(frozen=True)
class Broker:
    """Where to send. more_ca: authorities that are trusted beside that of the address. accepts_backdated: it takes
    intervals that are older than 10 minutes."""

    url: MqttUrl
    more_ca: tuple[Path, ...] = ()
    accepts_backdated: bool = False

    @property
    def host(self) -> str:
        """Name or address."""
        return self.url.host

    @property
    def port(self) -> int:
        """TCP port."""
        return self.url.port

    @property
    def tls(self) -> bool:
        """False for mqtt:// on this computer."""
        return self.url.scheme == "mqtts"

    @property
    def user(self) -> str | None:
        """Account at the broker."""
        return self.url.user

    @property
    def ca(self) -> tuple[Path, ...]:
        """Authorities that are trusted instead of the system's."""
        return (*([Path(self.url.ca)] if self.url.ca else []), *self.more_ca)

    @property
    def is_loopback(self) -> bool:
        """True for a broker on this very computer."""
        return is_loopback(self.host)

    @property
    def address(self) -> str:
        """scheme://host:port for people, without user name and files."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.url.scheme}://{host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """TLS with verification of certificate and name, None for mqtt://. BrokerError for files that can't be used."""
        if not self.tls:
            return None
        first, *more = map(str, self.ca) if self.ca else [None]
        try:
            context = tls_context(replace(self.url, ca=first))
        except LinkError as wrong:
            raise BrokerError(str(wrong)) from None
        return _trusting(context, more)


def parse_broker(text: str, *, ca: Sequence[Path] = (), accepts_backdated: bool = False) -> Broker:
    """From mqtts://[user@]host[:port][?ca=FILE&cert=FILE&key=FILE]; `ca` adds to that of the address.

    mqtt:// is for a broker on this computer only. BrokerError for anything else; a password has no place in it.
    """
    try:
        return Broker(parse_broker_url(text), tuple(ca), accepts_backdated)
    except LinkError as wrong:
        raise BrokerError(str(wrong)) from None


def https_context(ca: Sequence[Path]) -> ssl.SSLContext:
    """TLS for a map: trusts `ca`, or the system's authorities where there is none. BrokerError for files that can't be
    used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not ca:
        context.load_default_certs()
    return _trusting(context, [str(path) for path in ca])


def password_of(broker: Broker, ask: Prompt | None = None) -> str | None:
    """The password of the broker's user: from the keyring, else the file that SENSIX_PASSWORD_FILE names, else asked
    for. None where the broker has no user. BrokerError when it can't be had."""
    if broker.user is not None:
        _move_old_entry(broker)
    try:
        return find_password(broker.url, ask)
    except LinkError as wrong:
        raise BrokerError(str(wrong)) from None


def keep_password(broker: Broker, password: str) -> bool:
    """Put the password into the system's keyring; False where there is none."""
    return store_password(broker.url, password)


def _trusting(context: ssl.SSLContext, ca: Sequence[str]) -> ssl.SSLContext:
    for name in ca:
        try:
            context.load_verify_locations(name)
        except (OSError, ssl.SSLError):
            raise BrokerError(f"{name} is no readable certificate of an authority; give a PEM file.") from None
    return context


def _move_old_entry(broker: Broker) -> None:
    import keyring
    from keyring.errors import KeyringError

    account = f"{broker.user}@{broker.address}"
    try:
        old = keyring.get_password(_OLD_SERVICE, account)
        if old is None:
            return
        if keyring.get_password(SERVICE, account_of(broker.url)) is None and not store_password(broker.url, old):
            return
        keyring.delete_password(_OLD_SERVICE, account)
    except (KeyringError, OSError, RuntimeError):  # a computer without one
        return
