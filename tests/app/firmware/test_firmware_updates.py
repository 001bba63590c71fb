"""What is newer, from folders and from a signed catalogue on a real web server; and what of it is not believed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.firmware.updates import UpdateError, Updates
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker as maker


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


class Site:
    """A catalogue on a web server on this computer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = maker.new_key()
        _Quiet.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/index.json"

    @property
    def keys(self) -> list[TrustedKey]:
        return [TrustedKey(self.key.public_key().public_bytes_raw(), "Maker")]

    @property
    def asked(self) -> list[str]:
        return _Quiet.asked

    def publish(self, *versions: str, key: Any = None, **changes: Any) -> None:
        bundles = []
        for version in versions:
            path = maker.bundle(self.folder / f"{version}.zip", key=self.key, version=version)
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


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    site = Site(folder)
    yield site
    site.stop()


def updates(site: Site, tmp_path: Path, **more: Any) -> Updates:
    return Updates(tmp_path / "kept", keys=site.keys, **{"folders": (), "index_url": site.url, **more})


def test_a_newer_one_is_offered_with_three_lines_and_fetched_once(site: Site, tmp_path: Path) -> None:
    site.publish("2.0.0", "2.2.0", "2.1.0", "3.0.0-rc.1")
    service = updates(site, tmp_path)
    assert service.update_for("virtual 2.0.0", chip="ESP32") is None  # nothing was fetched yet
    assert site.asked == []
    service.refresh()
    offer = service.update_for("virtual 2.0.0", chip="ESP32")
    assert offer is not None
    assert (offer.entry.version, offer.installed, offer.newer) == ("2.2.0", "2.0.0", True)
    assert offer.changes == tuple(f"Line {number} of 2.2.0." for number in (1, 2, 3))
    assert [(one.entry.version, one.newer) for one in service.offers("2.1.0")] == [
        ("2.2.0", True),
        ("2.1.0", False),
        ("2.0.0", False),
    ]
    assert service.update_for("2.2.0") is None
    assert service.update_for("2.0.0", chip="ESP32-C3") is None
    told: list[tuple[int, int]] = []
    path = service.fetch(offer.entry, lambda done, total: told.append((done, total)))
    assert path.read_bytes() == (site.folder / "2.2.0.zip").read_bytes()
    assert told[-1] == (offer.entry.size, offer.entry.size)
    asked = len(site.asked)
    assert updates(site, tmp_path).fetch(offer.entry) == path
    assert len(site.asked) == asked


def test_without_a_network_the_kept_catalogue_and_the_folders_serve(site: Site, tmp_path: Path) -> None:
    site.publish("2.2.0")
    updates(site, tmp_path).refresh()
    site.stop()
    service = updates(site, tmp_path)
    with pytest.raises(UpdateError, match="Check the network"):
        service.refresh()
    offer = service.update_for("2.0.0")
    assert offer is not None
    assert offer.entry.version == "2.2.0"
    with pytest.raises(UpdateError, match="can't be reached"):
        service.fetch(offer.entry)
    local = updates(site, tmp_path, folders=(site.folder,), index_url=None)
    offer = local.update_for("2.0.0")
    assert offer is not None
    assert local.fetch(offer.entry) == site.folder / "2.2.0.zip"
    assert len(local.offers("2.0.0")) == 1  # the same bundle in folder and catalogue


def test_not_now_is_remembered_for_that_version_alone(site: Site, tmp_path: Path) -> None:
    site.publish("2.1.0")
    service = updates(site, tmp_path)
    service.refresh()
    service.not_now("2.1.0")
    service = updates(site, tmp_path)
    assert service.update_for("2.0.0") is None
    assert [offer.postponed for offer in service.offers("2.0.0")] == [True]
    site.publish("2.1.0", "2.1.1")
    service.refresh()
    offer = service.update_for("2.0.0")
    assert offer is not None
    assert offer.entry.version == "2.1.1"


def test_what_nobody_trusted_signed_is_not_believed(site: Site, tmp_path: Path) -> None:
    service = updates(site, tmp_path)
    site.publish("2.1.0", key=maker.new_key())
    with pytest.raises(UpdateError, match="nobody who is trusted"):
        service.refresh()
    site.publish("2.1.0")
    index = site.folder / "index.json"
    index.write_bytes(index.read_bytes().replace(b"2.1.0", b"2.9.0"))
    with pytest.raises(UpdateError, match="signature does not match"):
        service.refresh()
    assert service.offers("2.0.0") == ()


def test_what_was_changed_on_the_way_or_on_disk_is_not_taken(site: Site, tmp_path: Path) -> None:
    site.publish("2.1.0")
    service = updates(site, tmp_path)
    service.refresh()
    offer = service.update_for("2.0.0")
    assert offer is not None
    bundle = site.folder / "2.1.0.zip"
    data = bundle.read_bytes()
    bundle.write_bytes(data[:-1] + b"x")
    with pytest.raises(UpdateError, match="is not version"):
        service.fetch(offer.entry)
    bundle.write_bytes(data + b"x")
    with pytest.raises(UpdateError, match="more than was announced"):
        service.fetch(offer.entry)
    bundle.write_bytes(data)
    path = service.fetch(offer.entry)
    path.write_bytes(b"spoilt")
    assert service.fetch(offer.entry).read_bytes() == data
    kept = tmp_path / "kept" / "index.json"
    kept.write_bytes(kept.read_bytes() + b" ")
    assert service.offers("2.0.0") == ()


@pytest.mark.parametrize(
    "url",
    ["http://firmware.example/index.json", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://", "https://a:b@c/x"],
)
def test_only_https_and_this_computer(url: str, site: Site, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="https"):
        updates(site, tmp_path, index_url=url)


def test_a_redirection_leads_nowhere_else(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="https"):
        updates(site, tmp_path, index_url=site.url.replace("index.json", "elsewhere/index.json")).refresh()


def test_what_is_not_there_is_told(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="no such file"):
        updates(site, tmp_path).refresh()
    with pytest.raises(UpdateError, match="No address"):
        updates(site, tmp_path, index_url=None).refresh()
