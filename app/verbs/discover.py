"""discover: every module that can be found, a line each, with all links to it."""

from __future__ import annotations

import argparse
import os
import threading
import time
from typing import Any

from app.ask_password import ask_password
from app.output import Output, WrongUsage
from app.window.link_words import link_kind, link_place
from device_io.discovery.module_list import KnownModule, ModuleList
from device_io.discovery.search import BROKER_S, Place, Search, SearchProgress
from device_io.discovery.usb_ports import plugged_in
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.urls import LinkUrl, parse_url

_TELL_S = 5.0
"""A long scan says that often how far it is."""
_PORT = "COM6" if os.name == "nt" else "/dev/ttyUSB0"
_NOT_WORTH_TELLING = (LinkErrorKind.SILENT, LinkErrorKind.NOT_A_MODULE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "places",
        metavar="URL",
        nargs="*",
        help="where to look as well: usb:PORT, rs485:PORT (scanned, unless unit= is given), mqtts://BROKER[?ca=FILE]",
    )
    parser.add_argument("--only", action="store_true", help="look at the given places alone")
    parser.add_argument("--scan", action="store_true", help="scan serial ports where no module answers as RS485")
    parser.add_argument(
        "--listen", type=float, default=BROKER_S, help=f"seconds to listen to a broker (default: {BROKER_S:g})"
    )
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: when all is looked at)")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print the one list of modules."""
    if not args.listen > 0 or (args.seconds is not None and not args.seconds > 0):
        raise WrongUsage("--listen and --seconds need a number above 0.")
    if args.only and not args.places:
        raise WrongUsage(f"--only needs a place to look at, for example rs485:{_PORT} or mqtts://HOST.")
    places = [_place(text) for text in args.places]
    if not args.only:
        places += [Place(url, args.scan and url.startswith("usb:")) for url in sorted(plugged_in())]
    found = _Found(output, {place.url for place in places if place.url in args.places})
    search = Search(found, broker_s=args.listen, prompt=ask_password)
    try:
        search.look_at(places)
        if not args.only:
            search.listen_to_network()
        search.wait(args.seconds, output.stop)
    finally:
        search.cancel()
    modules = found.modules()
    for module in modules:
        output.result(_to_json(module), _to_text(module))
    if not modules:
        output.note(
            "No module was found. Connect one by USB, or name the port of a bus or a broker: "
            f"discover rs485:{_PORT}, or discover mqtts://HOST."
        )
    return 0


def _place(text: str) -> Place:
    try:
        url = parse_url(text)
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None
    return Place(text, isinstance(url, LinkUrl) and url.scheme == "rs485" and "unit=" not in text)


class _Found:
    """Hears the search on its threads. asked: places that a person named, of which failures are told."""

    def __init__(self, output: Output, asked: set[str]) -> None:
        self._output = output
        self._asked = asked
        self._list = ModuleList()
        self._lock = threading.Lock()
        self._told = 0.0
        self._told_s = time.monotonic()

    def on_found(self, url: str, info: ModuleInfo) -> None:
        with self._lock:
            self._list.see(url, info)

    def on_progress(self, progress: SearchProgress) -> None:
        if progress.total > 1 and progress.text:
            share = progress.done / progress.total
            now_s = time.monotonic()
            if share - self._told >= 0.05 or now_s - self._told_s >= _TELL_S:
                self._told, self._told_s = share, now_s
                self._output.note(f"{progress.url}: {progress.text}, {100 * share:.0f} %")

    def on_nothing(self, url: str, error: LinkError) -> None:
        if url in self._asked or error.kind not in _NOT_WORTH_TELLING:
            self._output.note(f"{url}: {error}")

    def modules(self) -> tuple[KnownModule, ...]:
        with self._lock:
            return self._list.modules()


def _to_json(module: KnownModule) -> dict[str, Any]:
    return {
        "eui": module.eui,
        "type": module.info.type,
        "system": module.info.system,
        "firmware": module.info.firmware,
        "name": module.info.name,
        "links": [link.url for link in module.links],
    }


def _to_text(module: KnownModule) -> str:
    name = f"{module.info.name}  " if module.info.name else ""
    lines = [f"{name}{module.eui}  {module.info.system}  firmware {module.info.firmware}"]
    lines += [f"  {link_kind(link.url):<6} {link_place(link.url):<30} {link.url}" for link in module.links]
    return "\n".join(lines)
