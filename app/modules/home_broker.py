"""The broker for a home without one, started by a switch in the window. No Qt."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from device_io.mqtt.embedded_broker import EmbeddedBroker
    from device_io.mqtt.mdns import Announcement

PORT = 8883
TOKEN = "home"


class Access(NamedTuple):
    """What a module needs to come to the broker. The password is told once."""

    host: str
    port: int
    token: str
    user: str
    password: str
    ca_file: Path


class HomeBroker:
    """At most one broker, for the local network. Starting and adding modules wait: not for the window's thread.

    announce: tell the local network by mDNS. Failures raise BrokerFailure of device_io.mqtt.embedded_broker."""

    def __init__(self, folder: Path, *, port: int = PORT, host: str = "0.0.0.0", announce: bool = True) -> None:
        self._folder, self._port, self._host = folder, port, host
        self._announce = announce
        self._broker: EmbeddedBroker | None = None
        self._announcement: Announcement | None = None

    @property
    def is_running(self) -> bool:
        """Whether it was started."""
        return self._broker is not None

    @property
    def url(self) -> str | None:
        """For this program; None while it does not run."""
        return self._broker.url if self._broker is not None else None

    def start(self) -> str:
        """Begin to listen; returns the URL for this program. Without effect while it runs."""
        from device_io.mqtt.embedded_broker import EmbeddedBroker
        from device_io.mqtt.mdns import Announcement, MdnsFailure

        if self._broker is None:
            broker = EmbeddedBroker(self._folder, self._port, self._host)
            broker.start()
            self._broker = broker
            if self._announce:
                announcement = Announcement(self._port)
                with contextlib.suppress(MdnsFailure):  # a network without multicast: modules are told the address
                    announcement.start()
                    self._announcement = announcement
        return self._broker.url

    def stop(self) -> None:
        """End within 3 s. May be called twice."""
        broker, announcement = self._broker, self._announcement
        self._broker = self._announcement = None
        if announcement is not None:
            announcement.stop()
        if broker is not None:
            broker.stop()

    def add_module(self, eui: str) -> Access:
        """A new password for a module. RuntimeError while the broker does not run."""
        if self._broker is None:
            raise RuntimeError("the broker does not run")
        password = self._broker.add_module(eui)
        return Access(_address(self._host), self._port, TOKEN, eui.upper(), password, self._broker.ca_file)

    def password(self, sentence: str) -> str | None:
        """This program's own password, where the question is about its account on this broker."""
        if self._broker is None:
            return None
        from device_io.mqtt.accounts import DESKTOP

        here = {"localhost", "127.0.0.1", "::1", self._host, _address(self._host)}
        own = tuple(f" {DESKTOP}@{host}:{self._port}" for host in here)
        return self._broker.desktop_password if sentence.endswith(own) else None


def _address(listening: str) -> str:
    """Where others reach this computer: the address it listens on. Where that is all of them, its own in its network,
    as far as it can be told without sending anything; its name where it listens to IPv6 alone."""
    if listening not in ("", "0.0.0.0", "::"):
        return listening
    if listening == "::":
        return socket.gethostname()
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # TEST-NET-1: a datagram socket only chooses its own address
        return str(probe.getsockname()[0])
    return socket.gethostname()
