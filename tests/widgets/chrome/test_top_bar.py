"""The top bar: what each setter shows, what it says without a module, and that nothing is cut."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from tests.fakes.widget_probe import colours_in, picture, shown, tip_at
from widgets.chrome.indicators import LinkIndicator, StateIndicator
from widgets.chrome.top_bar import Sync, TopBar
from widgets.controls.button import IconButton
from widgets.controls.label import Label
from widgets.controls.status_icon import Status
from widgets.theme import Theme

# What the offscreen platform says of every window; a real one has nothing to say.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")


@pytest.fixture
def bar(qtbot) -> TopBar:
    return shown(qtbot, TopBar(), 1212)


@pytest.fixture
def connected(bar) -> TopBar:
    bar.set_module("Main panel, house", "3P+N", "0011223344553F0A")
    bar.set_link("USB", "COM5", 4, "good")
    bar.set_flags([])
    QApplication.processEvents()
    return bar


def states(bar: TopBar) -> dict[str, Status]:
    """What the visible indicators say."""
    return {part.full_text(): part.status for part in bar.findChildren(StateIndicator) if part.isVisible()}


def settle(qtbot, bar: TopBar) -> None:
    """Wait until the paced text has caught up."""
    qtbot.waitUntil(lambda: not bar._latest_sync._pause.isActive(), timeout=20_000)


def test_without_a_module_it_says_what_to_do(bar) -> None:
    assert bar.selector.text() == "No module"
    hint = next(part for part in bar.findChildren(Label) if part.isVisible())
    assert "Plug a Sensix module into a USB port" in hint.text
    assert states(bar) == {}
    assert not bar.findChild(LinkIndicator).isVisible()


def test_module_and_link(connected) -> None:
    assert (connected.selector.text(), connected.selector.detail) == ("Main panel, house", "3P+N · EUI …3F0A")
    assert connected.selector.toolTip() == "EUI 0011223344553F0A"
    assert connected.findChild(LinkIndicator).full_text() == "USB COM5 good"
    assert not any(part.isVisible() for part in connected.findChildren(Label))


def test_a_file_has_no_eui(bar) -> None:
    bar.set_module("keating_1999.CFG", "3P", None)
    assert bar.selector.detail == "3P"


def test_while_connecting_it_does_not_ask_to_plug_in(bar) -> None:
    bar.set_link("USB", "COM5", 0, "connecting")
    assert not any(part.isVisible() for part in bar.findChildren(Label))
    assert states(bar)["Waiting for samples"] is Status.WAITING


@pytest.mark.parametrize(("given", "lit"), [(-1, 0), (0, 0), (3, 3), (4, 4), (9, 4)])
def test_bars(bar, given, lit) -> None:
    bar.set_link("USB", "COM5", given, "good")
    assert bar.findChild(LinkIndicator).bars == lit


def test_synchronised_with_frequency(qtbot, connected) -> None:
    settle(qtbot, connected)
    connected.set_sync("synchronised", 49.9823)
    assert states(connected) == {"Synchronised 49.982 Hz": Status.OK, "Not flagged": Status.OK}


@pytest.mark.parametrize(
    ("state", "status"),
    [(Sync.UNSYNCHRONISED, Status.WARN), (Sync.NO_FUNDAMENTAL, Status.WARN), (Sync.WAITING, Status.WAITING)],
)
def test_other_states_show_no_frequency(qtbot, connected, state, status) -> None:
    settle(qtbot, connected)
    connected.set_sync(state, 50.0)
    (text,) = (text for text, shown in states(connected).items() if shown is status)
    assert "50" not in text


def test_an_unknown_state_is_refused(connected) -> None:
    with pytest.raises(ValueError, match="perfect"):
        connected.set_sync("perfect")


def test_frequency_changes_at_most_four_times_a_second(qtbot, connected) -> None:
    settle(qtbot, connected)
    texts = []
    sync = connected._sync
    for step in range(40):
        connected.set_sync("synchronised", 50 + step / 1000)
        texts.append(sync.full_text())
    assert len(set(texts)) <= 2
    qtbot.waitUntil(lambda: sync.full_text() == "Synchronised 50.039 Hz", timeout=20_000)


def test_flags(connected) -> None:
    connected.set_flags(["dip", "gap"], "A dip was present.")
    assert states(connected)["Flagged: dip, gap"] is Status.WARN
    assert connected._flags.toolTip() == "A dip was present."
    connected.set_flags(None)
    assert states(connected)["No values yet"] is Status.WAITING


def test_an_error_takes_the_place_of_what_no_longer_holds(connected) -> None:
    sentence = "The module was unplugged: plug it in again, measuring goes on by itself."
    connected.set_link("USB", "COM5", 0, "lost", sentence)
    assert states(connected) == {sentence: Status.BAD}
    connected.set_link("USB", "COM5", 1, "poor", "Many frames arrive damaged. Use a shorter cable.")
    assert states(connected)["Many frames arrive damaged. Use a shorter cable."] is Status.WARN
    assert "Not flagged" in states(connected)
    connected.set_link("USB", "COM5", 4, "good")
    assert len(states(connected)) == 2
    connected.clear()
    assert connected.selector.text() == "No module"
    assert states(connected) == {}


def test_signals_and_keyboard(qtbot, bar) -> None:
    with qtbot.waitSignal(bar.module_pressed, timeout=20_000):
        QTest.mouseClick(bar.selector, Qt.MouseButton.LeftButton)
    QTest.keyClick(bar.selector, Qt.Key.Key_Tab)
    help_button = QApplication.focusWidget()
    assert isinstance(help_button, IconButton)
    with qtbot.waitSignal(bar.help_pressed, timeout=20_000):
        QTest.keyClick(help_button, Qt.Key.Key_Space)


def visible_parts(bar: TopBar) -> list[QWidget]:
    row = bar.layout()
    parts = (row.itemAt(index).widget() for index in range(row.count()))
    return [part for part in parts if part is not None and part.isVisible()]


def test_everything_fits_a_small_window(qtbot, connected) -> None:
    connected.set_compact(True)
    settle(qtbot, connected)
    connected.set_sync("synchronised", 49.982)
    connected.resize(1280 - 68, 48)
    QApplication.processEvents()
    assert all(part.width() >= part.sizeHint().width() for part in visible_parts(connected))
    assert connected.sizeHint().height() == 48


def test_what_does_not_fit_is_elided_with_a_tool_tip_and_nothing_overlaps(qtbot, connected) -> None:
    sentence = "The port /dev/ttyUSB0 is used by another program: close it, then choose the module again."
    connected.set_module("A very long name that somebody gave to a module in the cellar", "3P+N", "0011223344553F0A")
    connected.set_link("USB", "/dev/serial/by-id/usb-Silicon_Labs_CP2102N-if00-port0", 0, "failed", sentence)
    for width in (1212, 900, 640):
        connected.resize(width, 56)
        QApplication.processEvents()
        ends = 0
        for part in visible_parts(connected):
            assert part.x() >= ends
            ends = part.x() + part.width()
        assert ends <= width
    problem = next(part for part in connected.findChildren(StateIndicator) if part.isVisible())
    assert tip_at(problem) == sentence
    assert tip_at(connected.selector).startswith("A very long name that somebody gave to a module in the cellar\n3P+N")


@pytest.mark.parametrize("name", ["dark", "light"])
def test_theme(connected, name) -> None:
    theme = Theme(name)
    connected.set_theme(theme)
    connected.set_flags(["dip"])
    seen = colours_in(picture(connected))
    assert {theme.colour(token).name() for token in ("surface", "border", "ok", "warnfill")} <= seen
