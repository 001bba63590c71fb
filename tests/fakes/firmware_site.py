"""A catalogue of firmware on a real web server, on this computer."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker as maker
from tests.fakes.certificates import Pair


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    asked: list[str] = []  # noqa: RUF012 - of the one server of a test

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/elsewhere"):
            self.send_response(302)
            self.send_header("Location", "http://firmware.invalid/index.json")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class FirmwareSite:
    """A catalogue on a web server on this computer. pair: of its certificate, where it is to speak https."""

    def __init__(self, folder: Path, pair: Pair | None = None) -> None:
        self.folder = folder
        self.key = maker.new_key()
        _Quiet.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        if pair is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pair.cert, pair.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"{'https' if pair is not None else 'http'}://127.0.0.1:{self._server.server_address[1]}/index.json"

    @property
    def keys(self) -> list[TrustedKey]:
        return [TrustedKey(self.key.public_key().public_bytes_raw(), "Maker")]

    @property
    def asked(self) -> list[str]:
        return _Quiet.asked

    def publish(self, *versions: str, key: Any = None, bundle_key: Any = None, **changes: Any) -> None:
        """Bundles of these versions and a list of them. key, bundle_key: others than that of the site, to sign with.
        changes: of each entry."""
        bundles = []
        for version in versions:
            path = maker.bundle(self.folder / f"{version}.zip", key=bundle_key or self.key, version=version)
            data = path.read_bytes()
            entry = {
                "name": "Sensix",
                "version": version,
                "chip": "ESP32",
                "boards": [],
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "url": path.name,
                "notes": [f"Line {number} of {version}." for number in range(1, 6)],
            }
            bundles.append(entry | changes)
        signer = key or self.key
        index = json.dumps({"sensix_catalogue": 1, "key_id": maker.key_id(signer), "bundles": bundles}).encode()
        (self.folder / "index.json").write_bytes(index)
        (self.folder / "index.sig").write_bytes(signer.sign(index))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)
