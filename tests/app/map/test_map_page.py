"""The Map page: what is asked for and when, and what is drawn of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.community.consent import Choices
from app.community.service import Community
from app.map.page import MapPage
from app.map.pages import MapPages
from app.map.part import NO_ADDRESS
from app.sharing.link import SharingLink
from app.window.module_session import ModuleSession
from device_io.virtual_module.faults import parse_faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from resources import geohash
from tests.fakes.community import last_end_s
from tests.fakes.map_country import CountryMap
from tests.fakes.map_page import loaded, notice, opened, page, paint, preferences
from tests.fakes.map_server import MapServer, cell_name
from tests.fakes.session_signals import SessionSignals
from tests.fakes.unused_port import unused_port


def test_nothing_is_asked_before_the_page_is_opened(qtbot: QtBot, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url, "u82f"), show=False)
        qtbot.wait(100)
        assert server.asked == []
        shown.window().show()
        loaded(qtbot, shown, 104)
        assert all("/geohash-area/?" in path for path in server.asked), "no cell is asked for, not even the own one"
        assert "sends its geohash and those beside it" in shown.map.panel.notice.text.text


def test_status_of_cells_as_the_map_has_it(qtbot: QtBot, link: SharingLink) -> None:
    with MapServer() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 4)
        grid = shown.map.view.canvas.grid
        assert dict(zip(grid.names, grid.status.tolist(), strict=True)) == {"u82f": 2, "u82g": 3, "ezs4": 4, "u4pr": 1}
        assert shown.map.view.canvas.grid.at(46.77, 23.59) == grid.names.index("u82f")


def test_without_an_address_the_outline_alone(qtbot: QtBot, link: SharingLink) -> None:
    shown = page(qtbot, link, preferences())
    qtbot.waitUntil(lambda: shown.map.view.isVisible(), timeout=20_000)
    assert notice(shown) == NO_ADDRESS
    paint(shown, "offline")
    words = shown.map.view.notice.text
    assert words.height() >= words.heightForWidth(words.width()), "nothing of it is cut"


def test_the_environment_names_a_map(qtbot: QtBot, link: SharingLink, monkeypatch: pytest.MonkeyPatch) -> None:
    with MapServer() as server:
        monkeypatch.setenv("SENSIX_MAP_URL", server.url)
        shown = page(qtbot, link, preferences())
        loaded(qtbot, shown, 4)


def test_another_time_range_is_asked_for(qtbot: QtBot, link: SharingLink) -> None:
    with MapServer() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 4)
        opened(qtbot, shown, "u82f")
        QTest.mouseClick(shown.map.view.range._cells[0], Qt.MouseButton.LeftButton)
        wanted = ("geohash-area/?", "geohash-area/u82f/", "geohash-area/u82g/")
        qtbot.waitUntil(
            lambda: all(any(part in path and "r3" in path for path in server.asked) for part in wanted), timeout=15_000
        )
        assert not any("r48" in path for path in server.asked)


def test_only_the_last_of_many_cells_is_shown_and_few_are_asked_for(qtbot: QtBot, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 104)
        names = shown.map.view.canvas.grid.names[:40]
        for name in names:
            shown.map.open_cell(name)
        qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith(names[-1]), timeout=20_000)
        asked = [path for path in server.asked if "/geohash-area/?" not in path]
        assert len(asked) <= 8, "three at once, the last, and those around it"
        opened(qtbot, shown, names[0])
        shown.map.open_cell(names[-1])
        assert shown.map.panel.heading.text.startswith(names[-1]), "kept for ten minutes"


def neighbours_of(cell: str) -> set[str]:
    """The four cells that have a side in common with it."""
    south, west, north, east = geohash.bounds(cell)
    middle = ((south + north) / 2, (west + east) / 2)
    steps = ((north - south, 0.0), (south - north, 0.0), (0.0, east - west), (0.0, west - east))
    return {geohash.encode(middle[0] + up, middle[1] + right) for up, right in steps}


def asked_cells(server: MapServer) -> set[str]:
    """Cells that the map was asked for one by one."""
    return {path.split("/")[-2] for path in list(server.asked) if "/geohash-area/?" not in path}


def test_me_or_the_street(qtbot: QtBot, session: SessionSignals, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url, "u82f"))
        loaded(qtbot, shown, 104)
        opened(qtbot, shown, "u82f")
        sentence = shown.map.panel.comparison
        assert sentence.sentence == "Not known. No module of yours is connected."
        session.connect_module()
        session.measure(last_end_s() - 600, 302)
        qtbot.waitUntil(lambda: len(link.service.own.present(time.time()).trend) >= 1, timeout=20_000)
        beside = {neighbour for neighbour in neighbours_of("u82f") if neighbour in server.cells}
        qtbot.waitUntil(lambda: asked_cells(server) >= beside | {"u82f"}, timeout=20_000)
        qtbot.waitUntil(lambda: sentence._detail.comparisons[0].neighbours is not None, timeout=20_000)
        shown.map._show_detail()
        assert sentence.sentence == "The street. Your voltage follows the cell."
        assert "10 minutes" in shown.map.panel.text.text
        first = sentence._detail.comparisons[0]
        assert first.own == pytest.approx(3.2)
        assert first.cell == pytest.approx(3.36)
        assert first.neighbours is not None
        asked = asked_cells(server)
        assert asked == beside | {"u82f"}
        assert 2 <= len(asked) <= 5, "the four beside it at most"
        for size in ((1364, 816), (952, 556)):
            paint(shown, "cell", size)
        other = next(name for name in server.cells if name not in asked and server.cells[name] == 2)
        before = len(server.asked)
        opened(qtbot, shown, other)
        assert sentence.sentence == "Not known. Your module is not in this cell."
        assert len(server.asked) >= before + 1
        session.ended.emit()
        qtbot.waitUntil(lambda: link.service.own.present(time.time()).thv_pct is None, timeout=20_000)


def test_neighbours_are_asked_for_a_few_cells_only_and_the_own_is_like_any(
    qtbot: QtBot, link: SharingLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.map.loader.AROUND_AN_HOUR", 3)
    names = [cell_name(number) for number in range(20_000, 20_400)]
    with CountryMap(dict.fromkeys(names, 2)) as server:
        shown = page(qtbot, link, preferences(server.url, names[0]))
        loaded(qtbot, shown, 400)

        wanted: set[str] = set()
        for cell in (names[40], names[0], names[200]):
            opened(qtbot, shown, cell)
            beside = neighbours_of(cell) & set(names)
            assert beside
            wanted.update(beside, {cell})
            qtbot.waitUntil(lambda: wanted <= asked_cells(server), timeout=20_000)
        for cell in (names[300], names[390]):
            opened(qtbot, shown, cell)
            assert neighbours_of(cell) & set(names) - wanted
        qtbot.wait(150)
        assert asked_cells(server) == wanted | {names[300], names[390]}


def test_own_values_before_the_first_ten_minutes(qtbot: QtBot, session: SessionSignals, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url, "u82f"))
        session.connect_module()
        session.measure(last_end_s(), 30, 0.2)
        qtbot.waitUntil(lambda: link.service.own.present(time.time()).thv_pct is not None, timeout=20_000)
        opened(qtbot, shown, "u82f")
        assert "median of the last 10 s" in shown.map.panel.text.text


def test_places_and_geohashes_are_found(qtbot: QtBot, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 104)
        field = shown.map.view.search
        field.setFocus()
        QTest.keyClicks(field, "u82f")
        QTest.keyClick(field, Qt.Key.Key_Return)
        qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith("u82f"), timeout=20_000)
        assert shown.map.panel.heading.text == "u82f, near Cluj-Napoca"


def test_the_map_is_left_alone_while_nobody_looks(qtbot: QtBot, link: SharingLink) -> None:
    with MapServer() as server:
        shown = page(qtbot, link, preferences(server.url))
        loaded(qtbot, shown, 4)
        assert shown.map._refresh.isActive()
        shown.show_part("sharing")
        assert not shown.map._refresh.isActive()
        shown.show_part("map")
        assert shown.map._refresh.isActive()
        shown.window().hide()
        assert not shown.map._refresh.isActive()
        shown.window().show()
        qtbot.wait(100)
        assert len(server.asked) == 1, "a fresh answer serves"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state of sharing is kept."""
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path))
    return tmp_path


def test_a_module_on_its_line_is_compared_and_previewed(qtbot: QtBot, data: Path) -> None:
    port = UsbPort(VirtualModule("office"), parse_faults(""))
    session = ModuleSession()
    with CountryMap() as server:
        pages = MapPages(session, preferences(server.url, "u82f"), session)
        try:
            session.connect_to(port.start())
            with qtbot.waitSignal(session.measured, timeout=20_000):
                pass
            shown = pages.make()
            assert isinstance(shown, MapPage)
            qtbot.addWidget(shown)
            shown.show()
            loaded(qtbot, shown, 104)
            own = pages.share().service.own
            qtbot.waitUntil(lambda: own.present(time.time()).thv_pct is not None, timeout=20_000)
            opened(qtbot, shown, "u82f")
            assert shown.map.panel.comparison._detail.comparisons[0].own == pytest.approx(3.0, abs=2.5)
            shown.show_part("sharing")
            qtbot.waitUntil(lambda: '"THV1":' in shown.sharing.preview.text, timeout=20_000)
            assert shown.sharing.preview.chip.text == "Not sendable yet"
        finally:
            pages.close()
            session.disconnect_module()
            port.stop()


def kept(pages: MapPages) -> int:
    """How many intervals wait."""
    counts = pages.share().service.state.counts
    return counts.waiting + counts.late


@pytest.mark.parametrize("consents", [True, False])
def test_sharing_goes_on_though_nobody_opens_the_page(
    qtbot: QtBot, session: SessionSignals, data: Path, consents: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.map.pages.RESUME_MS", 20)
    if consents:
        Community(data).give(Choices("u82f", f"mqtt://127.0.0.1:{unused_port()}"))
    pages = MapPages(session, preferences(), session)  # type: ignore[arg-type]
    try:
        session.connect_module()
        if consents:
            qtbot.waitUntil(lambda: pages._sharing is not None, timeout=20_000)
            qtbot.waitUntil(lambda: pages.share().service.state.given is not None, timeout=20_000)
            session.measure(last_end_s() - 600, 301)
            # Late is what waits when full 10 minutes pass meanwhile.
            qtbot.waitUntil(lambda: kept(pages) >= 1, timeout=20_000)
            assert kept(pages) == 1
        else:
            qtbot.waitUntil(lambda: not pages._resume.isActive(), timeout=20_000)
            assert pages._sharing is None
            assert list(data.iterdir()) == []
    finally:
        pages.close()
