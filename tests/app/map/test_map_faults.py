"""The Map page against the faults of a map, and as much as a map can hold; nothing may hold up the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.map.page import MapPage
from app.map.part import NO_CELLS
from app.sharing.link import SharingLink
from tests.fakes.map_country import CountryMap
from tests.fakes.map_page import Watch, loaded, notice, opened, page, paint, preferences
from tests.fakes.map_server import MapServer, cell_name
from tests.fakes.unused_port import unused_port

BLOCKED_S = 0.4
"""The window may not work longer than this without looking at its events: eight times what an idle computer needs."""


def be_patient(shown: MapPage, timeout_s: float) -> None:
    """Let the page wait so long for an answer from now on."""
    assert shown.loader._client is not None
    shown.loader._client._timeout_s = timeout_s


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("500", "no answer"),
        ("429", "ask again in 2 min"),
        ("slow", "did not answer within 1 s"),
        ("silent", "did not answer within 1 s"),
        ("cut", "cut off"),
        ("wrong json", "not one of a community map"),
        ("array", "not one of a community map"),
        ("html", "not one of a community map"),
        ("deep", "not one of a community map"),
        ("redirect", "has moved"),
    ],
)
def test_a_fault_is_explained_and_tried_again(qtbot: QtBot, link: SharingLink, fault: str, words: str) -> None:
    with CountryMap() as server:
        server.fault = fault
        is_slow = fault in ("slow", "silent")
        shown = page(qtbot, link, preferences(server.url, "u82f"), timeout_s=1.0 if is_slow else 30.0)
        watch = Watch()
        qtbot.waitUntil(lambda: bool(server.asked), timeout=20_000)
        looks = watch.looks
        qtbot.waitUntil(lambda: words in notice(shown), timeout=20_000)
        if is_slow:
            assert watch.looks > looks + 3, "the window does not wait for the map, which takes 1 s"
        qtbot.waitUntil(shown.map.view.notice.retry.isVisible, timeout=20_000)  # the outline may come later
        if fault == "429":
            paint(shown, "error")
            return  # it is not asked again before its time
        server.fault = None
        be_patient(shown, 30.0)
        QTest.mouseClick(shown.map.view.notice.retry, Qt.MouseButton.LeftButton)
        loaded(qtbot, shown, 104)
        assert notice(shown) == ""
        server.fault = fault
        be_patient(shown, 1.0 if is_slow else 30.0)
        shown.map.open_cell("u82f")
        qtbot.waitUntil(lambda: words in shown.map.panel.notice.text.text, timeout=20_000)
        server.fault = None
        be_patient(shown, 30.0)
        QTest.mouseClick(shown.map.panel.notice.retry, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith("u82f"), timeout=20_000)


def test_a_map_that_is_not_there(qtbot: QtBot, link: SharingLink) -> None:
    shown = page(qtbot, link, preferences(f"http://127.0.0.1:{unused_port()}"))
    qtbot.waitUntil(lambda: "can't be reached" in notice(shown), timeout=20_000)


def test_null_and_empty_are_drawn_as_such(qtbot: QtBot, link: SharingLink) -> None:
    with MapServer() as server:
        server.fault = "null"
        shown = page(qtbot, link, preferences(server.url, "u82f"))
        loaded(qtbot, shown, 2)
        assert shown.map.view.canvas.grid.status.tolist() == [1, 1]
        opened(qtbot, shown, "u82f")
        assert shown.map.panel.comparison.sentence == "Not known. The cell has no recent data."
        paint(shown, "null")
    with MapServer({}) as server:
        shown = page(qtbot, link, preferences(server.url))
        qtbot.waitUntil(lambda: notice(shown) == NO_CELLS, timeout=20_000)


@pytest.mark.timeout(180)
def test_a_hundred_thousand_cells_do_not_hold_up_the_window(qtbot: QtBot, link: SharingLink) -> None:
    cells = {cell_name(number * 9): (2, 1, 0, None)[number % 4] for number in range(100_000)}
    with MapServer(cells) as server:
        shown = page(qtbot, link, preferences(server.url), timeout_s=60.0)
        qtbot.waitUntil(lambda: shown.map.view.isVisible(), timeout=20_000)
        shown.window().grab()
        watch = Watch()
        loaded(qtbot, shown, 100_000)
        qtbot.wait(100)
        assert watch.longest_work_s < BLOCKED_S, f"the window worked {watch.longest_work_s:.3f} s without a pause"
        assert "100\u2009000 cells" in shown.map.view._told.text
        assert len(server.asked) == 10


def test_an_address_that_is_none_is_told(qtbot: QtBot, link: SharingLink) -> None:
    shown = page(qtbot, link, preferences("ftp://map.example"))
    assert "not the address of a map" in notice(shown)
    shown = page(qtbot, link, preferences("http://map.example"))
    assert "not encrypted" in notice(shown)


def test_a_silent_refresh_leaves_the_old_cells(qtbot: QtBot, link: SharingLink) -> None:
    with MapServer() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 4)
        shown.loader._client._answers.clear()
        server.fault = "500"
        shown.map._refresh.timeout.emit()
        qtbot.waitUntil(lambda: "Not updated since" in shown.map.view._told.text, timeout=20_000)
        assert notice(shown) == ""
        assert len(shown.map.view.canvas.grid) == 4
