"""Modules and brokers in the local network by mDNS and DNS-SD (RFC 6762, 6763), and our own broker's name there."""

from __future__ import annotations

import contextlib
import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from zeroconf import ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

Kind = Literal["module", "broker", "plain-broker"]

_TYPES: dict[str, Kind] = {
    "_sensix._tcp.local.": "module",
    "_secure-mqtt._tcp.local.": "broker",
    "_mqtt._tcp.local.": "plain-broker",
}
_BROKER_TYPE = "_secure-mqtt._tcp.local."
_ANSWER_MS = 3000
_REGISTER_S = 10.0
_MOST = 1000


class MdnsFailure(Exception):
    """Why this computer can't be heard or seen by mDNS: one sentence."""


class FoundService(NamedTuple):
    """Something that announces itself. kind: "module", "broker" (TLS) or "plain-broker". host: a name that can be
    looked up; properties: text that it tells of itself (of a module: eui, type, system, token)."""

    kind: Kind
    name: str
    host: str
    addresses: tuple[str, ...]
    port: int
    properties: Mapping[str, str]


def browse(
    seconds: float, *, interfaces: Sequence[str] | None = None, cancel: threading.Event | None = None
) -> Iterator[FoundService]:
    """What announces itself in the local network, each once, for so many seconds.

    interfaces: addresses of this computer to listen on, all of them unless given. Raises MdnsFailure.
    """
    from zeroconf import ServiceBrowser

    cancel = cancel or threading.Event()
    zeroconf = _open(interfaces)
    names: queue.Queue[tuple[str, str]] = queue.Queue(_MOST)

    # Called with these names.
    def note(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:  # noqa: ARG001
        if state_change.name != "Removed" and not names.full():
            names.put_nowait((service_type, name))

    browser: ServiceBrowser | None = None
    known: set[tuple[str, str]] = set()
    try:
        browser = ServiceBrowser(zeroconf, list(_TYPES), handlers=[note])
        end_s = time.monotonic() + seconds
        while not cancel.is_set() and (left_s := end_s - time.monotonic()) > 0.0:
            try:
                found = names.get(timeout=min(left_s, 0.1))
            except queue.Empty:
                continue
            if found in known:
                continue
            info = zeroconf.get_service_info(*found, timeout=_ANSWER_MS)
            service = None if info is None else _service(_TYPES[found[0]], info)
            if service is not None:
                known.add(found)
                yield service
    finally:
        if browser is not None:
            browser.cancel()
        zeroconf.close()


def addresses_of(host: str, *, seconds: float = 1.8, interfaces: Sequence[str] | None = None) -> tuple[str, ...]:
    """The IPv4 addresses of a name that ends in `.local`, asked of the local network; none where nobody answers. Many
    systems do not look such names up by themselves. Raises MdnsFailure."""
    from zeroconf import AddressResolverIPv4  # type: ignore[attr-defined]  # meant to be used, if not listed

    zeroconf = _open(interfaces)
    try:
        wanted = AddressResolverIPv4(f"{host.rstrip('.')}.")
        wanted.request(zeroconf, 1000.0 * seconds)
        return tuple(wanted.parsed_addresses())
    finally:
        zeroconf.close()


class Announcement:
    """Tells the local network of a broker with TLS on this computer, from `start` to `stop`."""

    def __init__(self, port: int, *, name: str | None = None, interfaces: Sequence[str] | None = None) -> None:
        self._port = port
        self._host = socket.gethostname().split(".", 1)[0] or "sensix"
        self._name = name or f"Sensix broker on {self._host}"
        self._interfaces = interfaces
        self._zeroconf: Zeroconf | None = None

    def start(self) -> None:
        """Tell; returns when the name is found to be free, while it is still being told. MdnsFailure if that can't
        be."""
        import asyncio

        from zeroconf import Error, ServiceInfo

        zeroconf = _open(self._interfaces)
        info = ServiceInfo(
            _BROKER_TYPE,
            f"{self._name}.{_BROKER_TYPE}",
            port=self._port,
            addresses=[ipaddress.ip_address(address).packed for address in self._addresses()],
            server=f"{self._host}.local.",
        )
        assert zeroconf.loop is not None
        telling = asyncio.run_coroutine_threadsafe(
            zeroconf.async_register_service(info, allow_name_change=True), zeroconf.loop
        )
        try:
            telling.result(_REGISTER_S)
        except (Error, OSError, TimeoutError) as error:
            zeroconf.close()
            raise MdnsFailure(f"The broker can't be announced in the local network: {error}.") from None
        self._zeroconf = zeroconf

    def stop(self) -> None:
        """Tell that it is gone. May be called twice."""
        from zeroconf import Error

        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            with contextlib.suppress(Error):  # too busy to say goodbye: what was told ends with its time to live
                zeroconf.unregister_all_services()
            zeroconf.close()

    def _addresses(self) -> list[str]:
        if self._interfaces is not None:
            return list(self._interfaces)
        import ifaddr

        found = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
        return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def _open(interfaces: Sequence[str] | None) -> Zeroconf:
    from zeroconf import InterfaceChoice, Zeroconf

    try:
        return Zeroconf(interfaces=InterfaceChoice.All if interfaces is None else list(interfaces))
    except OSError as error:
        raise MdnsFailure(
            f"The local network can't be searched: {(error.strerror or str(error)).lower()}. Check the firewall."
        ) from None


def _service(kind: Kind, info: ServiceInfo) -> FoundService | None:
    if info.port is None or info.server is None:
        return None
    return FoundService(
        kind,
        info.get_name(),
        info.server.rstrip("."),
        tuple(info.parsed_addresses()),
        info.port,
        {key: value or "" for key, value in info.decoded_properties.items()},
    )
