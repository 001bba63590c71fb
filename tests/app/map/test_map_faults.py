"""The Map page against the faults of a map, and as much as a map can hold; nothing may hold up the window."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.map.part import NO_CELLS
from app.sharing.link import SharingLink
from tests.fakes.map_country import CountryMap
from tests.fakes.map_page import Watch, loaded, notice, opened, page, paint, preferences
from tests.fakes.map_server import MapServer, cell_name
from tests.fakes.mosquitto import free_port

BLOCKED_S = 0.2
"""The window may not work longer than this without looking at its events."""


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
        shown = page(qtbot, link, preferences(server.url, "u82f"), timeout_s=1.0)
        watch = Watch()
        qtbot.waitUntil(lambda: words in notice(shown), timeout=10_000)
        if fault in ("slow", "silent"):
            assert watch.longest_s < 0.9, "the window does not wait for the map, which takes 1 s"
        qtbot.waitUntil(shown.map.view.notice.retry.isVisible, timeout=10_000)  # the outline may come later
        if fault == "429":
            paint(shown, "error")
            return  # it is not asked again before its time
        server.fault = None
        QTest.mouseClick(shown.map.view.notice.retry, Qt.MouseButton.LeftButton)
        loaded(qtbot, shown, 104)
        assert notice(shown) == ""
        server.fault = fault
        shown.map.open_cell("u82f")
        qtbot.waitUntil(lambda: words in shown.map.panel.notice.text.text, timeout=10_000)
        server.fault = None
        QTest.mouseClick(shown.map.panel.notice.retry, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith("u82f"), timeout=10_000)


def test_a_map_that_is_not_there(qtbot: QtBot, link: SharingLink) -> None:
    shown = page(qtbot, link, preferences(f"http://127.0.0.1:{free_port()}"))
    qtbot.waitUntil(lambda: "can't be reached" in notice(shown), timeout=5000)


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
        qtbot.waitUntil(lambda: notice(shown) == NO_CELLS, timeout=5000)


def test_a_hundred_thousand_cells_do_not_hold_up_the_window(qtbot: QtBot, link: SharingLink) -> None:
    cells = {cell_name(number * 9): (2, 1, 0, None)[number % 4] for number in range(100_000)}
    with MapServer(cells) as server:
        shown = page(qtbot, link, preferences(server.url))
        qtbot.waitUntil(lambda: shown.map.view.isVisible(), timeout=5000)
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
        qtbot.waitUntil(lambda: "Not updated since" in shown.map.view._told.text, timeout=5000)
        assert notice(shown) == ""
        assert len(shown.map.view.canvas.grid) == 4
