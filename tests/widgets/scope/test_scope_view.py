"""The oscilloscope as a person uses it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from resources.systems import SYSTEMS, channels_of
from tests.fakes.scope_signals import SyntheticSource
from widgets.scope import ScopeView
from widgets.scope.acquisition import RunMode
from widgets.scope.picture import EMPTY, WAITING
from widgets.scope.trigger import TriggerSettings, TriggerState
from widgets.theme import Theme

# The offscreen platform says so whenever a window with a least size is shown.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


@pytest.fixture
def source():
    return SyntheticSource(now_s=20.0)


@pytest.fixture
def scope(qtbot, source):
    view = ScopeView()
    qtbot.addWidget(view)
    view.set_compact(False)
    view.resize(880, 420)
    view.set_source(source)
    view.set_nominal(230.0, 50.0)
    view.show()
    qtbot.waitExposed(view)
    view.pause()
    view.refresh(force=True)
    view.refresh_text()
    return view


def pixels(scope):
    """Picture of the plot as [height, width, 3]."""
    image = scope.plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return data[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(int)


def ink(scope, channel, unit="V"):
    """Number of pixels of a channel's colour inside a pane."""
    colour = scope._theme.phase(channel)
    pane = scope.plot.panes[unit].scene_rect().toRect()
    part = pixels(scope)[pane.top() : pane.bottom(), pane.left() : pane.right()]
    return int(np.sum(np.abs(part - [colour.red(), colour.green(), colour.blue()]).sum(axis=2) < 40))


def drag(scope, start, stop):
    """Press, move in steps, release: as a mouse does."""
    viewport = scope.plot.viewport()
    move = QPoint(round(stop.x()), round(stop.y()))
    begin = QPoint(round(start.x()), round(start.y()))
    send(viewport, "press", begin)
    for part in (0.3, 0.6, 1.0):
        send(viewport, "move", begin + QPoint(*(round(part * v) for v in (move - begin).toTuple())))
    send(viewport, "release", move)


def send(viewport, kind, place):
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    types = {
        "press": QEvent.Type.MouseButtonPress,
        "move": QEvent.Type.MouseMove,
        "release": QEvent.Type.MouseButtonRelease,
    }
    button = Qt.MouseButton.NoButton if kind == "move" else Qt.MouseButton.LeftButton
    held = Qt.MouseButton.NoButton if kind == "release" else Qt.MouseButton.LeftButton
    where = QPointF(place)
    event = QMouseEvent(types[kind], where, viewport.mapToGlobal(where), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(viewport, event)


def wheel(scope, place, notches, modifiers=Qt.KeyboardModifier.NoModifier):
    viewport = scope.plot.viewport()
    event = QWheelEvent(
        QPointF(place), viewport.mapToGlobal(QPointF(place)), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)


def test_curves_are_drawn_in_their_phase_colours(scope):
    for channel in ("V1", "V2", "V3"):
        assert ink(scope, channel) > 300
    assert ink(scope, "IN", "A") > 300
    assert scope.trigger_state is TriggerState.TRIGGERED


def test_a_hidden_channel_is_not_drawn(scope):
    before = ink(scope, "V1")
    scope.toggle_channel("V1")
    scope.refresh(force=True)
    assert ink(scope, "V1") < before / 20
    scope.toggle_channel("V1")
    scope.refresh(force=True)
    assert ink(scope, "V1") == pytest.approx(before, rel=0.1)


@pytest.mark.parametrize("theme", [Theme("dark"), Theme("light"), Theme("light", "us")])
def test_themes(scope, theme):
    scope.set_theme(theme)
    scope.refresh(force=True)
    assert ink(scope, "V1") > 300


@pytest.mark.parametrize("system", SYSTEMS)
def test_systems(qtbot, scope, source, system):
    source.channels = channels_of(system)
    scope.set_system(channels_of(system))
    scope.refresh(force=True)
    scope.refresh_text()
    assert scope.trigger_state is TriggerState.TRIGGERED
    assert [row.key for row in scope.readout._rows] == list(channels_of(system))


def test_the_trigger_channel_must_exist(scope):
    scope.set_trigger(TriggerSettings("V3", True, 100.0))
    scope.set_system(channels_of("1P"))
    assert scope.state()["trigger"]["channel"] == "V1"


def test_a_gap_is_hatched_in_both_panes_and_named(scope, source):
    scope.set_time_per_division(0.05)
    source.now_s, source.missing = 25.0, [(24.7, 24.95)]
    scope.refresh(force=True)
    for pane in scope.plot.panes.values():
        assert [text for _, _, text in pane.grid._gaps_px] == ["gap 250 ms"]
    left, right, _ = scope.plot.panes["V"].grid._gaps_px[0]
    rect = scope.plot.panes["V"].scene_rect()
    inside = pixels(scope)[:, round(rect.left() + left + 3) : round(rect.left() + min(right, rect.width()) - 3)]
    colour = scope._theme.phase("V1")
    assert np.sum(np.abs(inside - [colour.red(), colour.green(), colour.blue()]).sum(axis=2) < 20) == 0


@pytest.mark.parametrize(("now_s", "words"), [(None, WAITING), (20.0, "")])
def test_words_where_there_is_no_picture(scope, source, now_s, words):
    source.now_s = now_s
    scope.set_source(source)
    assert scope.plot.overlay._words == words
    scope.set_source(None)
    assert scope.plot.overlay._words == EMPTY
    assert not scope.has_picture
    assert ink(scope, "V1") == ink(scope, "V2") == 0
    assert scope.csv_text() == ""


def test_readings_at_the_cursors(scope, source):
    origin_s = scope._acquisition.origin_s
    for row in scope.readout._rows:
        true = float(source.value(row.key, np.array(origin_s + 4e-3)))
        assert row.a == pytest.approx(true, abs=1.5 if row.unit == "V" else 0.4)
    assert dict(scope.readout._times)["B−A"] == "10.00 ms"
    assert dict(scope.readout._times)["1 / (B−A)"].startswith("100.00")
    figures = dict(scope.readout._figures)
    assert figures["crest factor"] == "1.44"


def test_cursor_follows_the_mouse_and_the_keys(qtbot, scope):
    flag = scope.plot.overlay._flag("A").center()
    drag(scope, flag, flag + QPointF(60, 0))
    moved = scope.state()["cursors_s"]["A"]
    per_pixel = 0.05 / scope.plot.width_px
    assert moved == pytest.approx(4e-3 + 60 * per_pixel, abs=3 * per_pixel)
    qtbot.keyClick(scope.plot, Qt.Key.Key_Right)
    qtbot.keyClick(scope.plot, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert scope.state()["cursors_s"]["A"] == pytest.approx(moved + 11 * per_pixel)
    qtbot.keyClick(scope.plot, Qt.Key.Key_B)
    qtbot.keyClick(scope.plot, Qt.Key.Key_Left)
    assert scope.state()["cursors_s"]["B"] == pytest.approx(14e-3 - per_pixel)


def test_trigger_level_follows_its_flag_and_the_keys(qtbot, scope):
    flag = scope.plot.overlay._grab_area("T").center()
    height = scope.plot.panes["V"].scene_rect().height()
    drag(scope, flag, flag - QPointF(0, height / 8))
    assert scope.state()["trigger"]["level"] == pytest.approx(100.0, abs=20.0)
    scope.set_trigger(TriggerSettings("V1", True, 100.0))
    qtbot.keyClick(scope.plot, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    assert scope.state()["trigger"]["level"] == pytest.approx(120.0)
    assert scope.header.trigger.currentText() == "V1 rising 120 V"


def test_wheel_and_keys_change_the_scales(qtbot, scope):
    centre = scope.plot.panes["V"].scene_rect().center()
    wheel(scope, centre, -1)
    assert scope.header.time.value == 0.01
    qtbot.keyClick(scope.plot, Qt.Key.Key_Plus)
    assert scope.header.time.value == 0.005
    wheel(scope, centre, 1, Qt.KeyboardModifier.ControlModifier)
    assert scope.header.scales["V"].value == 50.0
    assert scope.state()["per_division"] == {"V": 50.0, "A": None}
    qtbot.keyClick(scope.plot, Qt.Key.Key_Home)
    scope.refresh(force=True)
    assert scope.state()["per_division"] == {"V": None, "A": None}
    assert scope.plot.panes["V"].per_division == 100.0


def test_freeze_pan_into_the_history_and_run_again(qtbot, scope, source):
    qtbot.keyClick(scope.plot, Qt.Key.Key_Space)
    assert scope.mode is RunMode.STOP
    origin_s = scope._acquisition.origin_s
    source.now_s += 3.0
    scope.refresh()
    assert scope._acquisition.origin_s == origin_s
    centre = scope.plot.panes["A"].scene_rect().center()
    drag(scope, centre, centre + QPointF(200, 0))
    assert scope._acquisition.start_s == pytest.approx(-0.01 - 0.05 * 200 / scope.plot.width_px, rel=0.05)
    assert scope.refresh()
    assert scope.trigger_state is TriggerState.STOPPED
    qtbot.keyClick(scope.plot, Qt.Key.Key_Space)
    assert scope.refresh()
    assert scope._acquisition.origin_s > origin_s + 2.5


def test_single_stops_by_itself(scope, source):
    scope.header.run.changed.emit(RunMode.SINGLE)
    source.now_s += 0.2
    scope.refresh()
    scope.refresh_text()
    assert scope.mode is RunMode.STOP
    assert scope.header.run.value is RunMode.STOP
    assert scope.header.chip.text == "Stopped"


def test_settings_survive_and_garbage_does_no_harm(qtbot, scope):
    scope.set_time_per_division(0.02)
    scope.set_per_division("A", 5.0)
    scope.set_trigger(TriggerSettings("I1", False, 2.0, True))
    scope.toggle_channel("V3")
    kept = json.loads(json.dumps(scope.state()))
    other = ScopeView()
    qtbot.addWidget(other)
    other.restore(kept)
    assert other.state() == scope.state()
    other.restore({"time_per_division_s": "soon", "trigger": 7, "hidden": None, "per_division": {"V": -1}})
    assert other.state()["time_per_division_s"] == 0.02


def test_only_what_changed_is_drawn(qtbot, scope, source):
    QApplication.processEvents()
    paints = scope.paint_stats()["paints"]
    assert not scope.refresh()
    QApplication.processEvents()
    assert scope.paint_stats()["paints"] == paints
    source.now_s += 1 / 60
    assert scope.refresh()
    qtbot.waitUntil(lambda: scope.paint_stats()["paints"] > paints, timeout=5000)


def test_ticks_are_left_out_while_painting_is_slow(scope, source):
    scope.plot.paint_s = 0.030
    source.now_s += 1 / 60
    scope._tick()
    drawn = source.reads
    for _ in range(3):
        source.now_s += 1 / 60
        scope._tick()
    assert source.reads == drawn
    assert scope.paint_stats()["skipped"] == 3


def test_it_runs_by_itself_while_shown(qtbot, scope, source):
    scope.hide()
    assert not scope._frame_timer.isActive()
    scope.show()

    def painted():
        source.now_s += 1 / 60
        return scope.paint_stats()["paints"] > before + 5

    before = scope.paint_stats()["paints"]
    qtbot.waitUntil(painted, timeout=5000)
    scope.pause()


def test_click_on_a_name_switches_the_channel_and_space_does_too(qtbot, scope):
    qtbot.mouseClick(scope.readout, Qt.MouseButton.LeftButton, pos=QPoint(10, 24 + 26 + 13))
    assert scope.state()["hidden"] == ["V2"]
    qtbot.keyClick(scope.readout, Qt.Key.Key_Down)
    qtbot.keyClick(scope.readout, Qt.Key.Key_Space)
    assert scope.state()["hidden"] == ["V2", "V3"]
    qtbot.mouseClick(scope.readout, Qt.MouseButton.LeftButton, pos=QPoint(150, 24 + 3 * 26 + 13))
    assert scope.state()["hidden"] == ["V2", "V3"]
    assert scope.readout._selected == "I1"


def test_compact_shows_values_under_the_pointer(scope, source):
    scope.set_compact(True)
    assert scope.readout.isHidden()
    scope.plot._layout.layout.activate()
    scope.refresh(force=True)
    scope._point(scope.plot.panes["A"].scene_rect().center())
    lines = scope.plot.overlay._hover[1]
    assert [name for _, name, _ in lines] == ["t", *channels_of("3P+N")]
    assert all(value != "n/a" for _, _, value in lines)
    scope.plot.left.emit()
    assert scope.plot.overlay._hover is None


def test_copy_and_save(qtbot, scope):
    from widgets.scope.interaction import context_menu

    scope.copy_image()
    assert QApplication.clipboard().image().width() >= 880
    menu = context_menu(scope, Theme())
    texts = {action.text().split("\t")[0]: action for action in menu.actions()}
    with qtbot.waitSignal(scope.save_requested) as asked:
        texts["Save as CSV …"].trigger()
    assert asked.args == ["csv"]
    assert scope.csv_text().splitlines()[0].startswith("time_s,V1_v")
    assert len(scope.csv_text().splitlines()) == pytest.approx(201, abs=1)
    menu.deleteLater()


def test_every_scale_and_span_can_be_drawn(scope, source):
    source.rate_hz, source.now_s = 400.0, 700.0
    for step_s, _ in [(field, None) for field in scope.header.time._values]:
        scope.set_time_per_division(step_s)
        scope.refresh(force=True)
        pixels(scope)
        labels = [text for _, text in scope.plot.time_axis._labels]
        assert labels[-1].endswith((" ms", " s"))
    scope.set_mode(RunMode.STOP)
    for notches in (-30, 60, -200):
        scope.zoom_time(notches)
        scope.refresh(force=True)
        scope.refresh_text()
        pixels(scope)


def test_nothing_is_drawn_wrong_at_no_size(qtbot, scope):
    scope.plot.setMinimumSize(0, 0)
    for size in ((1, 1), (300, 20), (60, 600)):
        scope.resize(*size)
        scope.refresh(force=True)
        scope.grab()


def test_header_has_a_menu_for_the_trigger(scope):
    menu = scope.header.trigger.menu()
    actions = {action.text(): action for action in menu.actions()}
    assert actions["V1"].isChecked()
    actions["I2"].trigger()
    actions = {action.text(): action for action in scope.header.trigger.menu().actions()}
    actions["Falling"].trigger()
    assert scope.state()["trigger"] == {"channel": "I2", "rising": False, "level": 0.0, "normal": False}
    assert scope.header.trigger.currentText() == "I2 falling 0 A"


def test_the_trigger_is_marked_only_where_the_picture_has_one(scope, source):
    assert scope.plot.overlay._trigger_px is not None
    scope.set_time_per_division(1.0)
    source.now_s += 1.0
    scope.refresh()
    scope.refresh()
    assert scope.plot.overlay._trigger_px is None
    scope.set_mode(RunMode.STOP)
    scope.zoom_time(10)
    scope.refresh()
    assert scope.plot.overlay._trigger_px is None


def test_a_frozen_scale_grows_but_does_not_shrink(scope, source):
    scope.set_mode(RunMode.STOP)
    source.voltage_v = 20.0
    for _ in range(3):
        scope.refresh(force=True)
    assert scope.plot.panes["V"].per_division == 100.0
    source.voltage_v = 500.0
    scope.refresh(force=True)
    assert scope.plot.panes["V"].per_division == 200.0
