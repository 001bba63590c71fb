"""The community map's REST interface on a loopback port, with the faults a real one has."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


def cell_name(number: int) -> str:
    """The geohash number `number` of 4 letters."""
    return "".join(ALPHABET[number >> shift & 31] for shift in (15, 10, 5, 0))


class MapServer:
    """A map for the time of a `with` block.

    cells: {geohash: sid}. page_limit: cells in a page at most. clock_ahead_s: how far its Date is ahead.
    fault: None, or one of "500", "429", "slow" (drips bytes), "silent", "cut", "wrong json", "array", "html", "null",
    "redirect", "no date", "deep", "slow head" (drips a header), "gzip", "latin", "repeat" (the first page for ever).
    retry_after: what 429 says.
    Asked: the paths of all requests.
    """

    def __init__(
        self, cells: dict[str, int | None] | None = None, *, page_limit: int = 10**9, clock_ahead_s: float = 0.0
    ) -> None:
        self.cells = {"u82f": 2, "u82g": 1, "ezs4": 0, "u4pr": 3} if cells is None else cells
        self.page_limit = page_limit
        self.clock_ahead_s = clock_ahead_s
        self.fault: str | None = None
        self.retry_after = "120"
        self.asked: list[str] = []
        self.ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its base address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> MapServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def listing(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """A page of cells."""
        offset, limit = int(query["offset"][0]), min(int(query["limit"][0]), self.page_limit)
        names = list(self.cells)
        results: list[Any] = [{"h": name, "sid": self.cells[name]} for name in names[offset : offset + limit]]
        return {"count": len(names), "next": None, "previous": None, "results": results}

    def detail(self, cell: str) -> dict[str, Any]:
        """A cell with two windows."""
        values = [{"x": 1795344000, "y": 2.5, "cnt": 3, "max": 2.9, "min": 2.1}, {"x": 1795344600, "y": 2.4, "cnt": 1}]
        return {
            "h": cell,
            "sid": self.cells[cell],
            "data": {
                "HDs": [{"x": order, "y1": 6.0 / order, "y2": None} for order in range(3, 41, 2)],
                "order": ["THV", "THI"],
                "labels": [],
                "metrics": {
                    "THV": {"sid": 2, "value": 2.45, "values": values},
                    "THI": {"sid": None, "value": None, "values": []},
                },
            },
            "metadata": {"THV": {"name": "THD of voltage", "text": "", "units": "%"}},
            "text": "Normal voltage waveform",
        }


NULLS = {"h": None, "sid": None, "data": {"HDs": None, "order": None, "metrics": None}, "metadata": None, "text": None}


def _handler(server: MapServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(time.time() + server.clock_ahead_s, usegmt=True)

        def do_HEAD(self) -> None:
            server.asked.append(self.path)
            if server.fault == "silent":
                server.ending.wait(30.0)
                return
            if server.fault == "no date":
                self.send_response_only(200)
            else:
                self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            server.asked.append(self.path)
            fault = _FAULTS.get(server.fault or "")
            if fault is not None:
                fault(self)
                return
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            prefix = "/api/v1/geohash-area/"
            if not parts.path.startswith(prefix) or query.get("relative_time_range", [""])[0] not in (
                "r3",
                "r8",
                "r24",
                "r48",
            ):
                self.answer(500, {"message": "Server error", "details": "range"})
            elif parts.path == prefix:
                page = server.listing({**query, "offset": ["0"]} if server.fault == "repeat" else query)
                if server.fault == "repeat":
                    page = {**page, "results": page["results"][:2]}
                if server.fault == "null":
                    page["results"] = [None, {"h": None, "sid": 1}, {"h": "u82f", "sid": None}, {"h": "u82g"}, 7]
                    page["count"] = 5
                self.answer(200, page)
            elif server.fault == "null":
                self.answer(200, NULLS)
            elif (cell := parts.path[len(prefix) :].rstrip("/")) in server.cells:
                self.answer(200, server.detail(cell))
            else:
                self.answer(500, {"message": "Unknown geohash", "details": cell})

        def answer(self, code: int, document: Any, **headers: str) -> None:
            self.raw(code, json.dumps(document).encode(), **headers)

        def raw(self, code: int, body: bytes, length: int | None = None, **headers: str) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.send_header("Connection", "close")
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def drip_head(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while not server.ending.wait(0.05):
                try:
                    self.wfile.write(b"x")
                    self.wfile.flush()
                except OSError:
                    break
            self.close_connection = True

        def drip(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            while not server.ending.wait(0.05):
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    break
            self.close_connection = True

    _FAULTS: dict[str, Callable[[Handler], object]] = {
        "500": lambda h: h.answer(500, {"message": "Something broke", "details": "?"}),
        "429": lambda h: h.answer(
            429, {"message": "Request was throttled", "details": "?"}, Retry_After=server.retry_after
        ),
        "slow": lambda h: h.drip(),
        "silent": lambda h: server.ending.wait(30.0),
        "slow head": lambda h: h.drip_head(),
        "gzip": lambda h: h.raw(200, gzip.compress(b" " * 10**7), Content_Encoding="gzip"),
        "latin": lambda h: h.raw(200, '{"count": "é"}'.encode("latin-1"), Content_Type="application/json; charset=x"),
        "cut": lambda h: h.raw(200, b'{"count": 4, "results": [', length=4000),
        "wrong json": lambda h: h.raw(200, b"{'count': 4}"),
        "array": lambda h: h.raw(200, b"[1, 2]"),
        "html": lambda h: h.raw(200, b"<html>Welcome to the hotel</html>"),
        "deep": lambda h: h.raw(200, b"[" * 200_000),
        "redirect": lambda h: h.raw(301, b"", Location="http://203.0.113.1/"),
    }
    return Handler
