"""One search on all links at once: USB ports with a hello, RS485 by scanning, brokers by listening."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, cast

from device_io.discovery.identify import identify
from device_io.discovery.module_list import kind_of
from device_io.links import Prompt, open_link
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.urls import RS485_BAUDS, LinkUrl, MqttUrl, parse_url

HELLO_S = 10.0
"""A module that is still booting is waited for so long."""
AGAIN_S = 0.5
"""A port that was plugged in and can't be opened is tried again so soon."""
UNIT_S = 6.0
BROKER_S = 8.0
"""How long a broker is listened to: modules publish every 2 s or more."""
MDNS_S = 3.0
RS485_PARITIES = ("E", "N", "O")
WORKERS = 16


class SearchProgress(NamedTuple):
    """How far the search at one place is: done of total steps; text: what is tried."""

    url: str
    done: int
    total: int
    text: str


class SearchListener(Protocol):
    """Hears of a search, on its threads: return quickly."""

    def on_found(self, url: str, info: ModuleInfo) -> None:
        """A module told who it is. May come twice for one URL."""

    def on_progress(self, progress: SearchProgress) -> None:
        """A place is being looked at."""

    def on_nothing(self, url: str, error: LinkError) -> None:
        """A place was looked at in vain: why."""


class Place(NamedTuple):
    """Where to look: the URL of a module, a port or a broker. scan: look for any unit at any settings on RS485, not
    only for the one that the URL names; on a USB port where no module answers. fresh: it was plugged in just now, and
    the system may still be busy with it: the right to use it comes later, or a program looks whether it is a modem."""

    url: str
    scan: bool = False
    fresh: bool = False


class Search:
    """Looks at places until each is done, or until it is cancelled; further places may be added meanwhile."""

    def __init__(self, listener: SearchListener, *, broker_s: float = BROKER_S, prompt: Prompt | None = None) -> None:
        self._listener = listener
        self._broker_s = broker_s
        self._prompt = prompt
        self._cancelled = threading.Event()
        self._pool = ThreadPoolExecutor(WORKERS, "search")
        self._beside = ThreadPoolExecutor(WORKERS, "search of heard")  # many at one broker keep no port waiting
        self._lock = threading.Lock()
        self._jobs: list[Future[None]] = []

    def look_at(self, places: Iterable[Place]) -> None:
        """Begin to look. Returns at once; a place that is no URL is told as found in vain."""
        for place in places:
            with self._lock:
                if self._cancelled.is_set():
                    return
                self._jobs = [job for job in self._jobs if not job.done()]
                self._jobs.append(self._pool.submit(self._look, place))

    def listen_to_network(self, seconds: float = MDNS_S, interfaces: Sequence[str] | None = None) -> None:
        """Look at the brokers that announce themselves by mDNS. Returns at once.

        interfaces: addresses of this computer to listen on; None: all."""
        with self._lock:
            if not self._cancelled.is_set():
                self._jobs.append(self._pool.submit(self._browse, seconds, interfaces))

    def wait(self, timeout_s: float | None = None, stop: threading.Event | None = None) -> bool:
        """Wait until all places are done; False after the time or when stopped."""
        left_s = timeout_s
        while left_s is None or left_s > 0.0:
            with self._lock:
                jobs = [job for job in self._jobs if not job.done()]
            if not jobs:
                return True
            if stop is not None and stop.is_set():
                return False
            try:
                jobs[0].exception(0.1)
            except TimeoutError:
                left_s = None if left_s is None else left_s - 0.1
        return False

    def cancel(self) -> None:
        """End within 2 s; nothing is told afterwards."""
        with self._lock:  # nothing is begun afterwards
            self._cancelled.set()
        for pool in (self._beside, self._pool):
            pool.shutdown(wait=True, cancel_futures=True)

    def _browse(self, seconds: float, interfaces: Sequence[str] | None) -> None:
        from device_io.mqtt.mdns import MdnsFailure, browse

        with contextlib.suppress(MdnsFailure):  # a computer without a network has nothing to hear
            for service in browse(seconds, interfaces=interfaces, cancel=self._cancelled):
                if service.kind == "broker":
                    self.look_at([Place(f"mqtts://{service.host}:{service.port}")])

    def _look(self, place: Place) -> None:
        self._progress(place.url, 0, 0, "")
        try:
            url = parse_url(place.url)
            if isinstance(url, MqttUrl) and not url.is_module:
                self._listen(url)
            elif isinstance(url, LinkUrl) and url.scheme == "rs485" and place.scan:
                self._scan(url)
            elif place.scan:
                self._identify_or_scan(place.url, cast(LinkUrl, url))
            elif place.fresh:
                self._identify_fresh(place.url, url)
            else:
                self._identify(place.url, url)
        except LinkError as error:
            self._nothing(place.url, error)
        self._progress(place.url, 1, 1, "")

    def _identify(self, text: str, url: LinkUrl | MqttUrl) -> None:
        link = open_link(url, reconnect=False, prompt=self._prompt)
        hello_s = UNIT_S if kind_of(text) == "rs485" else HELLO_S
        self._found(text, identify(link, hello_s, self._cancelled))

    def _identify_fresh(self, text: str, url: LinkUrl | MqttUrl) -> None:
        until_s = time.monotonic() + HELLO_S
        while True:
            try:
                self._identify(text, url)
                return
            except LinkError as error:
                wait = error.kind in (LinkErrorKind.NO_PERMISSION, LinkErrorKind.PORT_BUSY)
                if not wait or time.monotonic() > until_s or self._cancelled.wait(AGAIN_S):
                    raise

    def _identify_or_scan(self, text: str, url: LinkUrl) -> None:
        try:
            self._identify(text, url)
        except LinkError as error:
            if error.kind not in (LinkErrorKind.SILENT, LinkErrorKind.NOT_A_MODULE):
                raise
            self._scan(url)

    def _scan(self, url: LinkUrl) -> None:
        from device_io.modbus.scan import scan

        found = False
        told = [0]

        def progress(done: int, total: int, text: str) -> None:
            if done - told[0] >= 4 or done == total:
                told[0] = done
                self._progress(url.text, done, total, text)

        given = url.text if url.scheme == "rs485" else ""  # what the URL of the bus says is not tried otherwise
        bauds = (url.baud,) if url.baud is not None and "baud=" in given else RS485_BAUDS
        parities = (url.parity,) if "parity=" in given else RS485_PARITIES
        units = scan(url.port, bauds=bauds, parities=parities, progress=progress, cancelled=self._cancelled.is_set)
        for unit in units:
            if unit.info is not None:
                found = True
                self._found(unit.url, unit.info)
        if not found:
            raise LinkError(
                LinkErrorKind.SILENT, f"No module answers on {url.port}. Check A and B, power and the addresses."
            )

    def _listen(self, url: MqttUrl) -> None:
        from device_io.mqtt.listening import listen_for_modules

        heard = 0
        for module in listen_for_modules(url, seconds=self._broker_s, cancel=self._cancelled, prompt=self._prompt):
            heard += 1
            self._progress(url.text, 0, 0, f"{heard} module{'s' if heard != 1 else ''} heard")
            with self._lock:
                if not self._cancelled.is_set():
                    self._jobs.append(self._beside.submit(self._identify_heard, module.url, module.eui))
        if not heard:
            raise LinkError(
                LinkErrorKind.SILENT,
                f"No module publishes at {url.host}. Check that it is in the WiFi and has its token.",
            )

    def _identify_heard(self, url: str, eui: str) -> None:
        """A module that was heard at a broker. It may publish so seldom that nothing more comes from it now."""
        from device_io.mqtt.plain_module import plain_info

        try:
            self._identify(url, parse_url(url))
        except LinkError as error:
            if error.kind is LinkErrorKind.SILENT:
                self._found(url, plain_info(eui))
            else:
                self._nothing(url, error)

    def _found(self, url: str, info: ModuleInfo) -> None:
        if not self._cancelled.is_set():
            self._listener.on_found(url, info)

    def _nothing(self, url: str, error: LinkError) -> None:
        if not self._cancelled.is_set():
            self._listener.on_nothing(url, error)

    def _progress(self, url: str, done: int, total: int, text: str) -> None:
        if not self._cancelled.is_set():
            self._listener.on_progress(SearchProgress(url, done, total, text))
