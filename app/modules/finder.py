"""The window's list of modules: what is plugged in is watched, the rest is searched when somebody asks. No Qt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import NamedTuple

from device_io.discovery.module_list import KnownLink, KnownModule, ModuleList, Presence, kind_of
from device_io.discovery.search import Place, Search, SearchProgress
from device_io.discovery.usb_ports import PortWatcher, plugged_in
from device_io.links import Prompt
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.urls import LinkUrl, parse_url


class KindProgress(NamedTuple):
    """How far the search is on one kind of link. fraction 0..1; text: what is tried, or what it came to."""

    kind: str
    fraction: float
    text: str
    running: bool


class ModuleFinder:
    """Keeps the one list. on_change: called on any thread when it, or the progress, has changed: return quickly.

    prompt: asks for the passwords of brokers."""

    def __init__(
        self,
        on_change: Callable[[], None],
        *,
        places: Callable[[], frozenset[str]] = plugged_in,
        prompt: Prompt | None = None,
    ) -> None:
        self._on_change = on_change
        self.prompt = prompt
        self._lock = threading.RLock()
        self._list = ModuleList()
        self._progress: dict[str, SearchProgress] = {}
        self._problems: dict[str, LinkError] = {}
        self._used: set[str] = set()
        self._plugged_in: set[str] = set()
        self._gone: set[str] = set()  # what was pulled out and not looked at since
        self._search = self._new_search()
        self._watcher = PortWatcher(self._plugged, self._pulled, places=places)
        self._stopped = False

    def start(self) -> None:
        """Begin to watch what is plugged in."""
        self._watcher.start()

    def stop(self) -> None:
        """End within 4 s; on_change is not called afterwards."""
        self._stopped = True
        self._watcher.stop()
        self._search.cancel()

    def modules(self) -> tuple[KnownModule, ...]:
        """All modules, each once, links best first."""
        with self._lock:
            return self._list.modules()

    def module(self, eui: str) -> KnownModule | None:
        """One of them."""
        return next((module for module in self.modules() if module.eui == eui), None)

    def best_link(self, eui: str) -> KnownLink | None:
        """The link to measure over; None where all are lost."""
        with self._lock:
            return self._list.best_link(eui)

    def search(self, places: Iterable[Place]) -> None:
        """Look at these places too."""
        with self._lock:
            fresh = [place for place in places if place.url not in self._used]
            for place in fresh:
                self._problems.pop(place.url, None)
                self._gone.discard(place.url)
            self._search.look_at(fresh)

    def listen_to_network(self) -> None:
        """Look at what announces itself in the local network as well."""
        with self._lock:
            self._search.listen_to_network()

    def add(self, text: str) -> str | None:
        """Look at an address that a person typed. One sentence if it is none."""
        try:
            url = parse_url(text)
        except LinkError as wrong:
            return str(wrong)
        scan = isinstance(url, LinkUrl) and url.scheme == "rs485" and "unit=" not in text
        self.search([Place(text.strip(), scan)])
        return None

    def cancel(self) -> None:
        """End what is being searched; watching goes on, and what was plugged in and not asked to the end is asked
        again."""
        with self._lock:
            old, self._search = self._search, self._new_search()
            unasked = [url for url, part in self._progress.items() if url in self._plugged_in and not part.done]
            self._progress.clear()

        def end() -> None:
            old.cancel()  # it lets go of the ports
            self.search(Place(url) for url in unasked if url in self._plugged_in)

        threading.Thread(target=end, name="end of a search", daemon=True).start()
        self._on_change()

    def use(self, url: str, info: ModuleInfo | None, presence: Presence, problem: str | None = None) -> None:
        """The window measures over this link: it is not asked by the search meanwhile."""
        with self._lock:
            self._used.add(url)
            if presence is Presence.USED:
                self._gone.discard(url)
            if info is not None:
                self._list.see(url, info, presence)
            self._list.set_presence(url, presence, problem)
        self._on_change()

    def release(self, url: str) -> None:
        """The window has let go of this link."""
        with self._lock:
            self._used.discard(url)
            if url in self._gone:
                self._list.forget(url)
            else:
                self._list.set_presence(url, Presence.READY)
        self._on_change()

    def progress(self) -> list[KindProgress]:
        """The search on each kind of link on which there is one."""
        with self._lock:
            kinds: dict[str, list[SearchProgress]] = {}
            for url, progress in self._progress.items():
                kinds.setdefault(kind_of(url), []).append(progress)
        return [_together(kind, parts) for kind, parts in kinds.items()]

    def silent(self) -> tuple[str, ...]:
        """URLs of USB ports on which nothing answers as a module."""
        quiet = (LinkErrorKind.SILENT, LinkErrorKind.NOT_A_MODULE)
        with self._lock:
            return tuple(url for url, error in self._problems.items() if url.startswith("usb:") and error.kind in quiet)

    def problem_of(self, url: str) -> LinkError | None:
        """Why nothing was found at a place."""
        with self._lock:
            return self._problems.get(url)

    # What the search and the watcher tell, on their threads

    def on_found(self, url: str, info: ModuleInfo) -> None:
        """See `SearchListener`."""
        with self._lock:
            if url not in self._used and url not in self._gone:  # pulled out while its link was closed
                self._list.see(url, info)
        self._told()

    def on_progress(self, progress: SearchProgress) -> None:
        """See `SearchListener`."""
        with self._lock:
            self._progress[progress.url] = progress
        self._told()

    def on_nothing(self, url: str, error: LinkError) -> None:
        """See `SearchListener`."""
        with self._lock:
            self._problems[url] = error
            if error.kind is not LinkErrorKind.PORT_BUSY:
                self._list.set_presence(url, Presence.LOST, str(error))
        self._told()

    def _plugged(self, url: str) -> None:
        with self._lock:
            self._plugged_in.add(url)
        self.search([Place(url, fresh=True)])

    def _pulled(self, url: str) -> None:
        with self._lock:
            self._progress.pop(url, None)
            self._problems.pop(url, None)
            self._plugged_in.discard(url)
            self._gone.add(url)
            if url not in self._used:
                self._list.forget(url)
        self._told()

    def _new_search(self) -> Search:
        return Search(self, prompt=self.prompt)

    def _told(self) -> None:
        if not self._stopped:
            self._on_change()


def _together(kind: str, parts: list[SearchProgress]) -> KindProgress:
    running = [part for part in parts if part.done < part.total or part.total == 0]
    shares = [part.done / part.total if part.total else 0.0 for part in parts]
    text = next((part.text for part in running if part.text), "")
    places = f"{len(parts)} place{'s' if len(parts) != 1 else ''}"
    return KindProgress(kind, sum(shares) / len(shares), text or places, bool(running))
