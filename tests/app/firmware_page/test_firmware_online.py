"""Looking for newer firmware online from the Firmware page, against a real web server on this computer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.firmware.source import Source
from app.firmware_page.facts import Keeping
from app.firmware_page.modules import Used
from app.firmware_page.page import FirmwarePage
from app.window.module_session import ModuleSession
from device_io.flashing.backups import BackupStore
from device_io.flashing.journal import Journal
from device_io.virtual_module.module import VirtualModule
from tests.fakes import firmware_maker
from tests.fakes.firmware_page_bench import question
from tests.fakes.firmware_site import FirmwareSite
from tests.fakes.widget_probe import shown
from widgets.firmware.model import Phase
from widgets.firmware.source_dialog import SourceDialog

LEFT = Qt.MouseButton.LeftButton
URL = "usb:/dev/ttyUSB0"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FirmwareSite]:
    (tmp_path / "site").mkdir()
    site = FirmwareSite(tmp_path / "site")
    yield site
    site.stop()


@pytest.fixture
def open_page(tmp_path: Path, site: FirmwareSite, qtbot: QtBot) -> Iterator:
    """Opens the page of a module that runs 1.0.0, as a start of the program does."""
    pages: list[FirmwarePage] = []
    info = VirtualModule("clean").info

    def open_(address: str = "") -> FirmwarePage:
        folder = tmp_path / "updates"
        source = Source(folder, lambda: site.keys)
        if address:
            source.set_address(address)
        folders = [tmp_path / "bundles", folder / "bundles"]
        store, journal = BackupStore(tmp_path / "backups"), Journal(tmp_path / "journal")
        keeping = Keeping(store, journal, folders, lambda: site.keys, lambda: frozenset({URL}), source)
        page = FirmwarePage(ModuleSession(), keeping, used=lambda: Used(URL, info))
        pages.append(page)
        shown(qtbot, page, 1364, 800)
        qtbot.waitUntil(lambda: page.panel.phase is Phase.READY, timeout=20_000)
        return page

    yield open_
    for page in pages:
        page.end()


def told(page: FirmwarePage) -> str:
    return page.panel.changes.told.text


def dialog() -> SourceDialog:
    (box,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, SourceDialog) and one.isVisible()]
    return box


def test_without_an_address_nobody_is_asked(site, open_page, qtbot) -> None:
    site.publish("2.0.0")
    page = open_page()
    assert "no newer firmware" in page.panel.title.text
    assert page.panel.changes.source_button.text() == "Look online..."
    assert (told(page), site.asked) == ("", [])


def test_an_address_is_set_and_what_is_there_can_be_put_on(site, open_page, qtbot) -> None:
    site.publish("2.0.0")
    page = open_page()
    QTest.mouseClick(page.panel.changes.source_button, LEFT)
    box = dialog()
    box.address.setText("http://firmware.example/index.json")
    QTest.mouseClick(box.look, LEFT)
    assert "https" in box.wrong.text
    assert box.isVisible()
    assert box.address.is_wrong
    box.address.setText(site.url)
    assert not box.wrong.isVisible()
    QTest.mouseClick(box.look, LEFT)
    qtbot.waitUntil(lambda: page.panel.title.text.startswith("2.0.0 is ready"), timeout=20_000)
    assert page.panel.versions.signature.text == "Signed by Maker"
    assert "127.0.0.1 was asked" in told(page)
    assert site.asked == ["/index.json", "/index.sig", "/2.0.0.zip"]


def test_not_now_holds_for_that_version(site, open_page, qtbot) -> None:
    site.publish("2.0.0")
    page = open_page(site.url)
    qtbot.waitUntil(lambda: page.panel.title.text.startswith("2.0.0 is ready"), timeout=20_000)
    QTest.mouseClick(page.panel.primary, LEFT)
    QTest.mouseClick(question().no, LEFT)
    qtbot.waitUntil(lambda: "put 2.0.0 off" in page.panel.lead.text, timeout=20_000)
    assert page.panel.primary.isVisible()
    again = open_page()
    qtbot.waitUntil(lambda: "was asked" in told(again), timeout=20_000)
    qtbot.waitUntil(lambda: "put 2.0.0 off" in again.panel.lead.text, timeout=20_000)
    assert site.asked.count("/2.0.0.zip") == 1
    site.publish("2.0.0", "2.1.0")
    newer = open_page()
    qtbot.waitUntil(lambda: newer.panel.title.text.startswith("2.1.0 is ready"), timeout=20_000)


def test_without_a_network_what_is_here_serves(site, open_page, tmp_path, qtbot) -> None:
    (tmp_path / "bundles").mkdir()
    firmware_maker.bundle(tmp_path / "bundles" / "a.zip", key=site.key, version="1.5.0")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        page = open_page(f"http://127.0.0.1:{nobody.getsockname()[1]}/index.json")
        qtbot.waitUntil(lambda: "can't be reached" in told(page), timeout=20_000)
    assert page.panel.title.text.startswith("1.5.0 is ready")
    assert told(page).endswith(".")


def test_a_list_that_nobody_trusted_signed_changes_nothing(site, open_page, qtbot) -> None:
    site.publish("2.0.0", key=firmware_maker.new_key())
    page = open_page(site.url)
    qtbot.waitUntil(lambda: "nobody who is trusted" in told(page), timeout=20_000)
    assert "no newer firmware" in page.panel.title.text
    site.publish("2.0.0")
    index = site.folder / "index.json"
    index.write_bytes(index.read_bytes().replace(b"2.0.0", b"9.0.0"))
    page = open_page()
    qtbot.waitUntil(lambda: "signature does not match" in told(page), timeout=20_000)
    assert "/2.0.0.zip" not in site.asked


def test_a_bundle_that_nobody_trusted_signed_is_not_offered(site, open_page, qtbot) -> None:
    """Though the list is signed as it must be."""
    site.publish("2.0.0", bundle_key=firmware_maker.new_key())
    page = open_page(site.url)
    qtbot.waitUntil(lambda: "signed by nobody" in told(page), timeout=20_000)
    assert "no newer firmware" in page.panel.title.text


def test_what_is_for_another_board_is_left_there(site, open_page, qtbot) -> None:
    site.publish("2.0.0", boards=["sensix-1p"])
    page = open_page(site.url)
    qtbot.waitUntil(lambda: "was asked" in told(page), timeout=20_000)
    assert "no newer firmware" in page.panel.title.text
    assert "/2.0.0.zip" not in site.asked


def test_a_server_that_says_nothing_holds_nobody_up(site, open_page, qtbot) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        page = open_page(f"http://127.0.0.1:{silent.getsockname()[1]}/index.json")
        assert told(page) == "Asking 127.0.0.1 ..."
        connection, _ = silent.accept()
        with connection:
            begun_s = time.monotonic()
            page.end()
            assert time.monotonic() - begun_s < 5.0, "the server has 10 s"


def test_an_address_of_the_environment_is_shown_and_stays(site, open_page, tmp_path) -> None:
    source = Source(tmp_path / "updates", lambda: site.keys, "https://firmware.example/index.json")
    source.set_address(site.url)
    assert (source.address, source.is_given, source.host) == (
        "https://firmware.example/index.json",
        True,
        "firmware.example",
    )
    assert Source(tmp_path / "updates", lambda: site.keys).address == site.url
    (tmp_path / "updates" / "address.json").write_text(json.dumps({"index": 5}))
    assert Source(tmp_path / "updates", lambda: site.keys).address == ""
