"""Which module the firmware page is about, and taking its port away from the measurement for a while."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.window.link_words import link_place
from app.window.module_session import ModuleSession
from device_io.discovery.module_list import KnownModule, Presence, kind_of
from device_io.source import LinkError, ModuleInfo


class Used(NamedTuple):
    """What the window measures with: its URL (of a group: theirs, parted by spaces) and who it is, None until it
    answers."""

    url: str
    info: ModuleInfo | None


@dataclass(frozen=True)
class Connected:
    """The module on a USB port. eui, firmware, type: None and "" where it does not answer. paused: URLs of the
    measurement that must let go before its port is worked on."""

    url: str
    eui: str | None
    name: str
    firmware: str
    paused: tuple[str, ...] = ()
    type: str = ""


def connected_module(used: Used | None, modules: Sequence[KnownModule], silent: Iterable[str] = ()) -> Connected | None:
    """The module that is measured with, if it is on USB too; else the first one on USB; else a port on which nothing
    answers (silent); None where there is none."""
    urls = tuple(used.url.split()) if used is not None else ()
    info = used.info if used is not None else None
    if info is not None and info.eui is not None and kind_of(urls[0]) == "usb":
        return _known(urls[0], info, urls)
    on_usb = [(_usb_link(module), module) for module in modules]
    there = [(url, module) for url, module in on_usb if url is not None]
    measured = [
        (url, module)
        for url, module in there
        if (info is not None and info.eui == module.eui) or any(link.url in urls for link in module.links)
    ]
    for url, module in [*measured, *there][:1]:
        return _known(url, module.info, urls if measured else ())
    for url in sorted(silent):
        if kind_of(url) == "usb":
            return silent_module(url, urls)
    return None


def silent_module(url: str, measured: Collection[str]) -> Connected:
    """A port on which nothing answers. measured: URLs that the window measures with, or tries to."""
    return Connected(url, None, f"Module on {link_place(url)}", "", tuple(measured) if url in measured else ())


def _known(url: str, info: ModuleInfo, paused: tuple[str, ...]) -> Connected:
    return Connected(url, info.eui, info.name or info.type, info.firmware, paused, info.type)


def _usb_link(module: KnownModule) -> str | None:
    return next((link.url for link in module.links if link.kind == "usb" and link.presence is not Presence.LOST), None)


class Pause:
    """Keeps the session away from a module while its port is worked on. failed: told why it could not come back."""

    def __init__(self, session: ModuleSession, failed: Callable[[str], None]) -> None:
        self._session = session
        self._failed = failed
        self._urls: tuple[str, ...] = ()

    def begin(self, module: Connected) -> None:
        """The session lets go of this module, if it has it."""
        if module.paused and self._session.is_connected:
            self._urls = module.paused
            self._session.pause()

    def end(self) -> None:
        """The session takes up what it had, unless a person has given it another module meanwhile."""
        urls, self._urls = self._urls, ()
        if not urls or self._session.is_connected:
            return
        try:
            self._session.resume(urls)
        except LinkError as wrong:
            self._failed(str(wrong))
