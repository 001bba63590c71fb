"""The one list of modules: the same EUI seen on two links is one module with two links. No threads, no ports."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum

from device_io.source import ModuleInfo
from device_io.urls import MqttUrl, parse_url


class Presence(StrEnum):
    """How a link to a module stands."""

    READY = "ready"
    USED = "used"
    LOST = "lost"


@dataclass(frozen=True)
class KnownLink:
    """One way to a module. kind: "usb", "rs485" or "wifi". problem: why it can't be used, one sentence."""

    url: str
    kind: str
    presence: Presence = Presence.READY
    streams: bool = False
    problem: str | None = None


@dataclass(frozen=True)
class KnownModule:
    """A module with its links, the best first. info: what it tells over the best link that tells most."""

    eui: str
    info: ModuleInfo
    links: tuple[KnownLink, ...]


_PREFERRED = ("usb", "wifi", "rs485")
"""Among links that give the same: USB needs no network, WiFi carries more than the bus."""


def kind_of(url: str) -> str:
    """ "usb", "rs485" or "wifi"."""
    scheme = url.partition(":")[0].lower()
    return "wifi" if scheme.startswith("mqtt") else scheme


def place_of(url: str) -> tuple[str, str, str]:
    """What a URL leads to, however it is written and its line is set: kind, port or broker, and unit or topic."""
    parsed = parse_url(url)
    if isinstance(parsed, MqttUrl):
        return "wifi", f"{parsed.user or ''}@{parsed.host}:{parsed.port}", f"{parsed.token}/{parsed.eui}"
    port = os.path.realpath(parsed.port) if parsed.port.startswith("/") else parsed.port  # udev has several names
    return parsed.scheme, port, str(parsed.unit) if parsed.scheme == "rs485" else ""


class ModuleList:
    """What was seen where. Modules stay in the order in which they were first seen."""

    def __init__(self) -> None:
        self._infos: dict[str, dict[str, ModuleInfo]] = {}  # by EUI, then by URL
        self._links: dict[str, dict[str, KnownLink]] = {}

    def see(self, url: str, info: ModuleInfo, presence: Presence = Presence.READY) -> None:
        """A module told over a URL who it is. What that URL led to before is replaced."""
        eui = info.eui
        if eui is None:
            return
        place = place_of(url)
        for other, links in list(self._links.items()):
            for known in [known for known in links if place_of(known) == place]:
                if other != eui or known != url:
                    self._forget(other, known)
        streams = "waveform-stream" in info.capabilities
        self._infos.setdefault(eui, {})[url] = info
        self._links.setdefault(eui, {})[url] = KnownLink(url, kind_of(url), presence, streams)

    def set_presence(self, url: str, presence: Presence, problem: str | None = None) -> None:
        """A link's state changed."""
        for links in self._links.values():
            if url in links:
                known = links[url]
                links[url] = KnownLink(url, known.kind, presence, known.streams, problem)

    def forget(self, url: str) -> None:
        """There is nothing at this URL any more. A module without links leaves the list."""
        for eui in list(self._links):
            self._forget(eui, url)

    def modules(self) -> tuple[KnownModule, ...]:
        """All modules, links best first."""
        return tuple(
            KnownModule(eui, self._best_info(eui), tuple(sorted(links.values(), key=_rank)))
            for eui, links in self._links.items()
        )

    def best_link(self, eui: str) -> KnownLink | None:
        """The link to use: one that streams before one that does not, none that is lost."""
        links = [link for link in self._links.get(eui, {}).values() if link.presence is not Presence.LOST]
        return min(links, key=_rank, default=None)

    def _best_info(self, eui: str) -> ModuleInfo:
        infos = self._infos[eui].values()
        return max(infos, key=lambda info: (len(info.capabilities), len(info.channels)))

    def _forget(self, eui: str, url: str) -> None:
        if self._links[eui].pop(url, None) is None:
            return
        self._infos[eui].pop(url)
        if not self._links[eui]:
            del self._links[eui], self._infos[eui]


def _rank(link: KnownLink) -> tuple[bool, bool, int, str]:
    return (link.presence is Presence.LOST, not link.streams, _PREFERRED.index(link.kind), link.url)
