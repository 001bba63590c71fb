"""The status bar: its facts, their short form, and the clock."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta, timezone

import pytest

from tests.fakes.widget_probe import colours_in, picture, shown, tip_at
from widgets.chrome.status_bar import StatusBar
from widgets.theme import Theme

# What the offscreen platform says of every window; a real one has nothing to say.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

THIN = "\u2009"
NOW = datetime(2026, 11, 22, 14, 32, 7, 900_000, tzinfo=timezone(timedelta(hours=2)))


@pytest.fixture
def bar(qtbot) -> StatusBar:
    return shown(qtbot, StatusBar(clock=lambda: NOW), 1364)


@pytest.fixture
def filled(qtbot, bar) -> StatusBar:
    bar.set_rate(4000.0, 7)
    bar.set_window("10 cycles, 200 ms")
    bar.set_lost(0, "14:19:20")
    bar.set_calibrated("2026-10-02")
    bar.set_method("Class S method, not certified", "Built the way class S asks, never tested by a laboratory.")
    qtbot.waitUntil(lambda: not bar._lost._pause.isActive(), timeout=20_000)
    return bar


def test_facts(filled) -> None:
    assert filled.text().splitlines() == [
        f"4{THIN}000 S/s × 7 channels",
        "Window 10 cycles, 200 ms",
        "0 samples lost since 14:19:20",
        "Calibrated 2026-10-02",
        "Class S method, not certified",
        "2026-11-22 14:32:07 UTC+02:00",
    ]
    assert "0 samples lost" in filled.accessibleDescription()


def test_nothing_known_shows_the_time_alone(filled) -> None:
    filled.clear()
    assert filled.text() == "2026-11-22 14:32:07 UTC+02:00"


@pytest.mark.parametrize(
    ("hours", "minutes", "shows"), [(0, 0, "UTC+00:00"), (5, 45, "UTC+05:45"), (-3, -30, "UTC−03:30")]
)
def test_utc_offset(qtbot, hours, minutes, shows) -> None:
    zone = timezone(timedelta(hours=hours, minutes=minutes))
    bar = StatusBar(clock=lambda: NOW.astimezone(zone))
    qtbot.addWidget(bar)
    assert bar.text().endswith(shows)


def test_singular(qtbot, bar) -> None:
    bar.set_rate(8000.0, 1)
    bar.set_lost(1)
    assert bar.text().splitlines()[:2] == [f"8{THIN}000 S/s × 1 channel", "1 sample lost"]


def test_lost_samples_stand_out_and_are_paced(qtbot, filled) -> None:
    theme = Theme("dark")
    assert theme.colour("warn").name() not in colours_in(picture(filled))
    for count in range(1, 12_346):
        filled.set_lost(count, "14:19:20")
    assert "1 sample lost since 14:19:20" in filled.text().splitlines()
    qtbot.waitUntil(lambda: f"12{THIN}345 samples lost since 14:19:20" in filled.text(), timeout=20_000)
    assert theme.colour("warn").name() in colours_in(picture(filled))


def test_not_calibrated_is_said(bar) -> None:
    bar.set_calibrated("")
    assert "Not calibrated" in bar.text()
    bar.set_calibrated(None)
    assert "alibrated" not in bar.text()


def test_tool_tips(filled) -> None:
    assert tip_at(filled, 20) == f"4{THIN}000 S/s × 7 channels"
    method = next(place for place, item in filled._places if "Class S" in item.runs[0][0])
    assert tip_at(filled, method.center().x()).endswith("never tested by a laboratory.")
    assert tip_at(filled, filled.width() // 2).count("\n") == 5


@pytest.mark.parametrize(
    ("compact", "width"), [(False, 1364), (True, 1212), (True, 620), (False, 620), (True, 240), (False, 240)]
)
def test_nothing_overlaps_or_leaves_the_bar(filled, compact, width) -> None:
    filled.set_compact(compact)
    filled.resize(width, filled.sizeHint().height())
    picture(filled)
    places = sorted((place.left(), place.right()) for place, _ in filled._places)
    assert places[0][0] >= 0
    assert places[-1][1] <= width
    assert all(before[1] < after[0] for before, after in itertools.pairwise(places))


def test_a_small_window_has_the_short_form_and_keeps_all_in_the_tool_tip(filled) -> None:
    filled.set_compact(True)
    assert filled.sizeHint().height() == 24
    picture(filled)
    drawn = ["".join(text for text, _ in filled._runs(item)) for _, item in filled._places]
    assert sorted(drawn) == sorted(
        [f"4{THIN}000 S/s × 7", "Window 10 cycles, 200 ms", "0 samples lost", "2026-11-22 14:32:07 UTC+02:00"]
    )
    assert tip_at(filled, filled.width() // 2).count("\n") == 5


def test_the_clock_ticks_on_the_second_and_rests_while_hidden(qtbot) -> None:
    moments = [NOW]
    bar = shown(qtbot, StatusBar(clock=lambda: moments[0]), 600)
    assert bar._second.isActive()
    assert bar._second.interval() == 100
    before = picture(bar)
    moments[0] = NOW + timedelta(seconds=1)
    qtbot.waitUntil(lambda: picture(bar) != before, timeout=20_000)
    bar.hide()
    assert not bar._second.isActive()
