"""What is newer, from folders and from a signed catalogue on a real web server; and what of it is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.firmware.updates import UpdateError, Updates
from tests.fakes import firmware_maker as maker
from tests.fakes.certificates import make_ca, make_server_cert
from tests.fakes.firmware_site import FirmwareSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FirmwareSite]:
    folder = tmp_path / "site"
    folder.mkdir()
    site = FirmwareSite(folder)
    yield site
    site.stop()


def updates(site: FirmwareSite, tmp_path: Path, **more: Any) -> Updates:
    return Updates(tmp_path / "kept", keys=site.keys, **{"folders": (), "index_url": site.url, **more})


def test_a_newer_one_is_offered_with_three_lines_and_fetched_once(site: FirmwareSite, tmp_path: Path) -> None:
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


def test_without_a_network_the_kept_catalogue_and_the_folders_serve(site: FirmwareSite, tmp_path: Path) -> None:
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


def test_not_now_is_remembered_for_that_version_alone(site: FirmwareSite, tmp_path: Path) -> None:
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


def test_what_nobody_trusted_signed_is_not_believed(site: FirmwareSite, tmp_path: Path) -> None:
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


def test_what_was_changed_on_the_way_or_on_disk_is_not_taken(site: FirmwareSite, tmp_path: Path) -> None:
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
def test_only_https_and_this_computer(url: str, site: FirmwareSite, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="https"):
        updates(site, tmp_path, index_url=url)


def test_a_redirection_leads_nowhere_else(site: FirmwareSite, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="https"):
        updates(site, tmp_path, index_url=site.url.replace("index.json", "elsewhere/index.json")).refresh()


def test_what_is_not_there_is_told(site: FirmwareSite, tmp_path: Path) -> None:
    with pytest.raises(UpdateError, match="no such file"):
        updates(site, tmp_path).refresh()
    with pytest.raises(UpdateError, match="No address"):
        updates(site, tmp_path, index_url=None).refresh()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("", ""),
        ("expired", "certificate has expired"),
        ("named otherwise", "mismatch"),
        ("of another", "unable to get"),
    ],
)
def test_over_https_the_certificate_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    ca = make_ca(tmp_path)
    trusted = make_ca(tmp_path, "another") if fault == "of another" else ca
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted.cert))
    names = ("elsewhere.invalid",) if fault == "named otherwise" else ("127.0.0.1",)
    (tmp_path / "site").mkdir()
    site = FirmwareSite(tmp_path / "site", make_server_cert(ca, tmp_path, names, expired=fault == "expired"))
    try:
        site.publish("2.0.0")
        if not fault:
            assert updates(site, tmp_path).refresh().entries[0].version == "2.0.0"
            return
        with pytest.raises(UpdateError, match=words) as refused:
            updates(site, tmp_path).refresh()
        assert str(refused.value).startswith("The certificate of 127.0.0.1 is not to be trusted: ")
        assert site.asked == []
    finally:
        site.stop()
