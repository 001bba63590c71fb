"""The community map's REST interface: cells and their values. Blocking calls with limits; threads are the caller's."""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app.community.asking import AN_HOUR, HOUR_S, Asking
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
from resources.geohash import CELL_LENGTH, PositionError, bounds

RANGES = {3: "r3", 8: "r8", 24: "r24", 48: "r48"}
"""Hours that are shown, and the map's name for them; their windows last 600, 1600, 4800 and 9600 s."""
CACHE_S = 15.0
PAGE_CELLS = 10_000
LONGEST_BYTES = 32 * 2**20

_CACHED_ANSWERS = 32
_NO_ADDRESS = "This is not the address of a map; write https://HOST."


class MapClient:
    """Asks the map at `base_url` (https, or http on this computer). May be used from several threads.

    Answers are kept for 15 s, as the map keeps them; more than 120 questions an hour are refused here, before the map
    does it. timeout_s: for a whole answer. ca: authorities instead of the system's. asking: counts the questions, for
    this client alone if not given. Every method raises MapError.
    """

    def __init__(
        self,
        base_url: str,
        *,
        ca: Sequence[Path] = (),
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        asking: Asking | None = None,
    ) -> None:
        try:
            parts = urlsplit(base_url.strip())
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise MapError(MapErrorKind.ADDRESS, _NO_ADDRESS) from None
        if parts.scheme not in ("http", "https") or not self._host or parts.query or "@" in parts.netloc:
            raise MapError(MapErrorKind.ADDRESS, _NO_ADDRESS)
        if parts.scheme == "http" and not is_loopback(self._host):
            raise MapError(MapErrorKind.ADDRESS, "http:// is not encrypted and serves for this computer only.")
        self._tls = parts.scheme == "https"
        self._ca = tuple(ca)
        self._name = f"{self._host}:{self._port or (443 if self._tls else 80)}"
        self._path = parts.path.rstrip("/")
        self._timeout_s = timeout_s
        self._clock = clock
        self._lock = threading.Lock()
        self._asking = asking or Asking(clock=clock)
        self._answers: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def cells(self, hours: int = 3) -> MapCells:
        """All cells with their status over the last 3, 8, 24 or 48 hours, page by page."""
        found: dict[str, MapCell] = {}
        offset = 0
        while True:
            query = {**self._range(hours), "category_id": "c0", "limit": str(PAGE_CELLS), "offset": str(offset)}
            try:
                page = self._ask("/api/v1/geohash-area/", query)
            except MapError as wrong:
                if wrong.kind is MapErrorKind.LIMIT and found:
                    return MapCells(tuple(found.values()), False)
                raise
            count, results = field_of(page, "count"), field_of(page, "results")
            if type(count) is not int or not isinstance(results, list):
                raise nonsense()
            known = len(found)
            for entry in results:
                cell = cell_from(entry)
                if cell is not None:
                    found[cell.geohash] = cell
            offset += len(results)
            if offset >= count or len(found) == known:  # a page without anything new ends it
                return MapCells(tuple(found.values()), offset >= count)

    def detail(self, geohash: str, hours: int = 3) -> MapDetail:
        """What the map knows of a cell; what is finer in the geohash is dropped and goes nowhere."""
        try:
            bounds(geohash)
        except PositionError as wrong:
            raise MapError(MapErrorKind.REFUSED, str(wrong)) from None
        cell = geohash[:CELL_LENGTH].lower()
        return detail_from(self._ask(f"/api/v1/geohash-area/{quote(cell)}/", self._range(hours)), cell)

    def clock_offset_s(self) -> float:
        """How far the map's clock (its HTTP Date) is ahead of this computer's, in s, good to about a second."""
        before_s = time.time()
        started_s = self._clock()
        _, headers, _ = self._request("HEAD", f"{self._path}/", deadline_s=started_s + self._timeout_s)
        after_s = time.time()
        try:
            date_s = parsedate_to_datetime(headers.get("Date", "")).timestamp() + _age_s(headers.get("Age", ""))
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
        wait_s = self._asking.take(self._name)
        if wait_s > 0.0:
            raise _limit(wait_s)
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

    def _request(self, method: str, target: str, *, deadline_s: float) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = self._connection()
        late = threading.Event()
        watch = threading.Timer(max(0.0, deadline_s - self._clock()), self._cut, (connection, late))
        watch.daemon = True
        watch.start()  # a time-out of the socket begins anew with every byte
        try:
            self._connect(connection)
            connection.request(
                method,
                target,
                headers={"Accept": "application/json", "Connection": "close", "Cache-Control": "no-cache"},
            )
            answer = connection.getresponse()
            body = bytearray()
            while method != "HEAD" and (piece := answer.read1(65536)):
                body += piece
                if len(body) > LONGEST_BYTES:
                    raise nonsense()
            if late.is_set():
                raise TimeoutError
            if answer.length and method != "HEAD":
                raise http.client.IncompleteRead(bytes(body), answer.length)
            return answer.status, answer.headers, bytes(body)
        except (OSError, http.client.HTTPException, UnicodeError) as wrong:
            raise self._explained(TimeoutError() if late.is_set() else wrong) from None
        finally:
            watch.cancel()
            connection.close()

    def _explained(self, wrong: Exception) -> MapError:
        if isinstance(wrong, TimeoutError):
            return MapError(
                MapErrorKind.SLOW, f"{self._host} did not answer within {self._timeout_s:g} s; try again later."
            )
        if isinstance(wrong, http.client.IncompleteRead):
            return MapError(MapErrorKind.NONSENSE, f"The answer of {self._host} was cut off; try again.")
        if isinstance(wrong, http.client.HTTPException) and not isinstance(wrong, OSError):
            return nonsense()
        reason = getattr(wrong, "verify_message", None) or getattr(wrong, "strerror", None) or wrong
        return MapError(
            MapErrorKind.UNREACHABLE,
            f"{self._host} can't be reached ({reason}); check its address and the network.",
        )

    @staticmethod
    def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
        late.set()
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """TCP, then TLS by hand: the watch has to know the socket during the handshake."""
        sock = socket.create_connection((self._host, connection.port), self._timeout_s)
        connection.sock = sock
        if not self._tls:
            return
        try:
            context = https_context(self._ca)
        except BrokerError as wrong:
            raise MapError(MapErrorKind.ADDRESS, str(wrong)) from None
        secured = context.wrap_socket(sock, server_hostname=self._host, do_handshake_on_connect=False)
        connection.sock = secured
        secured.do_handshake()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self._timeout_s)

    def _refusal(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> MapError:
        if status == 429:
            wait_s = _retry_after_s(headers)
            self._asking.block(self._name, wait_s)
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


def _retry_after_s(headers: http.client.HTTPMessage) -> float:
    """Seconds, or until a date (by the map's own clock, where it tells it): RFC 9110, 10.2.3. An hour at most; a minute
    where it makes no sense."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit() and len(told) < 7:
        return min(float(told), HOUR_S)
    try:
        until_s = parsedate_to_datetime(told).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 60.0
    try:
        now_s = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, TypeError, OverflowError):
        now_s = time.time()
    return min(max(until_s - now_s, 0.0), HOUR_S)


def _age_s(told: str) -> float:
    """How long an answer lay in a cache."""
    return float(told) if told.isascii() and told.isdigit() and len(told) < 7 else 0.0


def _limit(wait_s: float) -> MapError:
    minutes = max(1, math.ceil(wait_s / 60))
    return MapError(
        MapErrorKind.LIMIT,
        f"The map answers {AN_HOUR} questions an hour and has answered them; ask again in {minutes} min.",
        wait_s,
    )
