"""The community map's REST interface: cells and their values. Blocking calls with limits; threads are the caller's."""

from __future__ import annotations

import http.client
import math
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.community.broker import BrokerError, https_context
from app.community.map_answers import (
    MapCell,
    MapCells,
    MapDetail,
    MapError,
    MapErrorKind,
    cell_from,
    detail_from,
    field_of,
    nonsense,
    parse,
    said,
)
from device_io.urls import is_loopback
from resources.geohash import PositionError, bounds

RANGES = {3: "r3", 8: "r8", 24: "r24", 48: "r48"}
"""Hours that are shown, and the map's name for them; their windows last 600, 1600, 4800 and 9600 s."""
CACHE_S = 15.0
REQUESTS_AN_HOUR = 120
PAGE_CELLS = 10_000
LONGEST_BYTES = 32 * 2**20

_CACHED_ANSWERS = 32
_NO_ADDRESS = "This is not the address of a map; write https://HOST."


class MapClient:
    """Asks the map at `base_url` (https, or http on this computer). May be used from several threads.

    Answers are kept for 15 s, as the map keeps them; more than 120 questions an hour are refused here, before the map
    does it. timeout_s: for a whole answer. ca: authorities instead of the system's. Every method raises MapError.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca: Sequence[Path] = (),
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            parts = urlsplit(base_url.strip())
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise MapError(MapErrorKind.ADDRESS, _NO_ADDRESS) from None
        if parts.scheme not in ("http", "https") or not self._host or parts.query:
            raise MapError(MapErrorKind.ADDRESS, _NO_ADDRESS)
        if parts.scheme == "http" and not is_loopback(self._host):
            raise MapError(MapErrorKind.ADDRESS, "http:// is not encrypted and serves for this computer only.")
        self._tls = parts.scheme == "https"
        self._ca = tuple(ca)
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: deque[float] = deque()
        self._blocked_until_s = -math.inf
        self._answers: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def cells(self, hours: int = 3) -> MapCells:
        """All cells with their status over the last 3, 8, 24 or 48 hours, page by page."""
        found: dict[str, MapCell] = {}
        offset = 0
        while True:
            query = {**self._range(hours), "category_id": "c0", "limit": str(PAGE_CELLS), "offset": str(offset)}
            page = self._ask("/api/v1/geohash-area/", query)
            count, results = field_of(page, "count"), field_of(page, "results")
            if type(count) is not int or not isinstance(results, list):
                raise nonsense()
            for entry in results:
                cell = cell_from(entry)
                if cell is not None:
                    found[cell.geohash] = cell
            offset += len(results)
            if offset >= count or not results:
                return MapCells(tuple(found.values()), offset >= count)
            if self._left() == 0:
                return MapCells(tuple(found.values()), False)

    def detail(self, geohash: str, hours: int = 3) -> MapDetail:
        """What the map knows of a cell."""
        try:
            bounds(geohash)
        except PositionError as wrong:
            raise MapError(MapErrorKind.REFUSED, str(wrong)) from None
        document = self._ask(f"/api/v1/geohash-area/{quote(geohash.lower())}/", self._range(hours))
        return detail_from(document, geohash.lower())

    def clock_offset_s(self) -> float:
        """How far the map's clock (its HTTP Date) is ahead of this computer's, in s, good to about a second."""
        before_s = time.time()
        started_s = self._clock()
        _, headers, _ = self._request("HEAD", f"{self._path}/", deadline_s=started_s + self._timeout_s)
        after_s = time.time()
        try:
            date_s = parsedate_to_datetime(headers.get("Date", "")).timestamp()
        except (ValueError, TypeError, OverflowError):
            raise MapError(MapErrorKind.NONSENSE, f"{self._host} does not tell its time.") from None
        return date_s + 0.5 - (before_s + after_s) / 2

    def _range(self, hours: int) -> dict[str, str]:
        if hours not in RANGES:
            raise MapError(MapErrorKind.REFUSED, f"The map has these ranges: {', '.join(map(str, RANGES))} hours.")
        return {"relative_time_range": RANGES[hours]}

    def _ask(self, path: str, query: dict[str, str]) -> Any:
        """The JSON of an answer, from the cache if it is fresh."""
        target = f"{self._path}{path}?{urlencode(query)}"
        now_s = self._clock()
        with self._lock:
            known = self._answers.get(target)
            if known is not None and now_s - known[0] < CACHE_S:
                return known[1]
            self._count(now_s)
        status, headers, body = self._request("GET", target, deadline_s=now_s + self._timeout_s)
        if status != 200:
            raise self._refusal(status, headers, body)
        document = parse(body)
        with self._lock:
            self._answers[target] = (self._clock(), document)
            self._answers.move_to_end(target)
            while len(self._answers) > _CACHED_ANSWERS:
                self._answers.popitem(last=False)
        return document

    def _count(self, now_s: float) -> None:
        while self._asked and now_s - self._asked[0] >= 3600.0:
            self._asked.popleft()
        wait_s = self._blocked_until_s - now_s
        if len(self._asked) >= REQUESTS_AN_HOUR:
            wait_s = max(wait_s, self._asked[0] + 3600.0 - now_s)
        if wait_s > 0:
            raise _limit(wait_s)
        self._asked.append(now_s)

    def _left(self) -> int:
        with self._lock:
            return REQUESTS_AN_HOUR - len(self._asked)

    def _request(self, method: str, target: str, *, deadline_s: float) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        try:
            connection.request(method, target, headers={"Accept": "application/json", "Connection": "close"})
            sock = connection.sock
            answer = connection.getresponse()
            body = bytearray()
            while method != "HEAD":
                left_s = deadline_s - self._clock()
                if left_s <= 0:
                    raise TimeoutError
                if sock is not None and sock.fileno() >= 0:
                    sock.settimeout(left_s)
                piece = answer.read1(65536)
                if not piece:
                    break
                body += piece
                if len(body) > LONGEST_BYTES:
                    raise nonsense()
            if answer.length:
                raise http.client.IncompleteRead(bytes(body), answer.length)
            return answer.status, answer.headers, bytes(body)
        except TimeoutError:
            raise MapError(
                MapErrorKind.SLOW, f"{self._host} did not answer within {self._timeout_s:g} s; try again later."
            ) from None
        except http.client.IncompleteRead:
            raise MapError(MapErrorKind.NONSENSE, f"The answer of {self._host} was cut off; try again.") from None
        except http.client.HTTPException:
            raise nonsense() from None
        except (OSError, UnicodeError) as wrong:
            reason = getattr(wrong, "verify_message", None) or getattr(wrong, "strerror", None) or wrong
            raise MapError(
                MapErrorKind.UNREACHABLE,
                f"{self._host} can't be reached ({reason}); check its address and the network.",
            ) from None
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            context = https_context(self._ca)
        except BrokerError as wrong:
            raise MapError(MapErrorKind.ADDRESS, str(wrong)) from None
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)

    def _refusal(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> MapError:
        if status == 429:
            wait = headers.get("Retry-After", "")
            wait_s = float(min(int(wait), 3600)) if wait.isascii() and wait.isdigit() and len(wait) < 7 else 60.0
            with self._lock:
                self._blocked_until_s = self._clock() + wait_s
            return _limit(wait_s)
        if 300 <= status < 400:
            return MapError(MapErrorKind.ADDRESS, "The map has moved; ask its operator for the new address.")
        words = said(body)
        if status == 500:
            return MapError(
                MapErrorKind.REFUSED,
                f"The map has no answer to this{words}; it answers so for a cell where nobody shares. Check the cell, "
                "or try again later.",
            )
        return MapError(MapErrorKind.REFUSED, f"The map refuses this with code {status}{words}; check its address.")


def _limit(wait_s: float) -> MapError:
    minutes = max(1, math.ceil(wait_s / 60))
    return MapError(
        MapErrorKind.LIMIT,
        f"The map answers {REQUESTS_AN_HOUR} questions an hour and has answered them; ask again in {minutes} min.",
        wait_s,
    )
