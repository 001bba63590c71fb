"""The navigation rail: what it shows, keyboard, signals."""

from __future__ import annotations

import itertools

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from tests.fakes.widget_probe import colours_in, picture, shown, tip_at
from widgets.chrome.navigation_rail import NavigationRail, RailPage
from widgets.theme import Theme

# What the offscreen platform says of every window; a real one has nothing to say.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

Key = Qt.Key

PAGES = [
    RailPage("overview", "Overview", "overview"),
    RailPage("live", "Live", "live"),
    RailPage("map", "Map", "map", enabled=False, why="The map needs a network."),
    RailPage("trends", "Trends", "trends"),
    RailPage("settings", "Settings", "settings"),
]


@pytest.fixture
def rail(qtbot) -> NavigationRail:
    rail = shown(qtbot, NavigationRail(PAGES), 76, 700)
    rail.set_current("overview")
    return rail


def item(rail: NavigationRail, name: str) -> QAbstractButton:
    return next(button for button in rail.findChildren(QAbstractButton) if button.text().lower() == name)


def chosen(rail: NavigationRail) -> list[str]:
    seen: list[str] = []
    rail.page_chosen.connect(seen.append)
    return seen


def test_only_what_exists_is_shown(qtbot) -> None:
    rail = NavigationRail([("live", "Live", "live", True, "")])
    qtbot.addWidget(rail)
    assert [button.text() for button in rail.findChildren(QAbstractButton)] == ["Live"]
    assert rail.current is None


def test_a_click_chooses_once(rail) -> None:
    seen = chosen(rail)
    QTest.mouseClick(item(rail, "live"), Qt.MouseButton.LeftButton)
    QTest.mouseClick(item(rail, "live"), Qt.MouseButton.LeftButton)
    assert (seen, rail.current) == (["live"], "live")


def test_arrow_keys_move_along_the_rail_and_skip_what_is_disabled(rail) -> None:
    seen = chosen(rail)
    QTest.keyClick(rail, Key.Key_Tab)
    assert QApplication.focusWidget().text() == "Overview"
    for _ in range(3):
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Down)
    QTest.keyClick(QApplication.focusWidget(), Key.Key_Up)
    assert seen == ["live", "trends", "settings", "trends"]
    assert rail.current == "trends"


def test_code_marks_a_page_silently(rail) -> None:
    seen = chosen(rail)
    rail.set_current("trends")
    assert (rail.current, seen) == ("trends", [])
    with pytest.raises(KeyError):
        rail.set_current("nosuch")


def test_a_disabled_page_says_why(rail) -> None:
    seen = chosen(rail)
    QTest.mouseClick(item(rail, "map"), Qt.MouseButton.LeftButton)
    assert seen == []
    assert tip_at(item(rail, "map")) == "The map needs a network."


@pytest.mark.parametrize(("compact", "width", "pitch"), [(False, 76, 60), (True, 68, 53)])
def test_places(rail, compact, width, pitch) -> None:
    rail.set_compact(compact)
    assert rail.sizeHint().width() == width
    tops = [item(rail, page.label.lower()).y() for page in PAGES[:4]]
    assert [after - before for before, after in itertools.pairwise(tops)] == [pitch] * 3
    bottom = item(rail, "settings").geometry()
    assert rail.height() - bottom.bottom() - 1 == 12
    assert all(item(rail, page.label.lower()).width() == width for page in PAGES)


def test_ten_pages_fit_a_small_window(qtbot) -> None:
    names = "overview live harmonics phasors trends events modules firmware map settings".split()  # noqa: SIM905
    rail = NavigationRail([RailPage(name, name.capitalize(), name) for name in names])
    qtbot.addWidget(rail)
    rail.set_compact(True)
    assert rail.minimumSizeHint().height() <= 720 - 24


def test_other_pages_keep_the_mark_where_they_can(rail) -> None:
    seen = chosen(rail)
    rail.set_current("live")
    rail.set_pages([*PAGES[1:3], RailPage("events", "Events", "events")])
    assert (rail.current, seen) == ("live", [])
    rail.set_pages(PAGES[:1])
    assert rail.current is None


@pytest.mark.parametrize("name", ["dark", "light"])
def test_theme_and_names(rail, name) -> None:
    theme = Theme(name)
    rail.set_theme(theme)
    seen = colours_in(picture(rail))
    assert {theme.colour(token).name() for token in ("rail", "border", "accentbg", "accent")} <= seen
    assert [item(rail, page.label.lower()).accessibleName() for page in PAGES] == [page.label for page in PAGES]
