"""The oscilloscope under mouse and keys."""

from __future__ import annotations

import json

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtWidgets import QApplication

from resources.systems import channels_of
from tests.fakes.scope_probe import drag, wheel
from widgets.scope import ScopeView
from widgets.scope.acquisition import RunMode
from widgets.scope.trigger import TriggerSettings, TriggerState
from widgets.theme import Theme

# The offscreen platform says so whenever a window with a least size is shown.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


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


def test_header_has_a_menu_for_the_trigger(scope):
    menu = scope.header.trigger.menu()
    actions = {action.text(): action for action in menu.actions()}
    assert actions["V1"].isChecked()
    actions["I2"].trigger()
    actions = {action.text(): action for action in scope.header.trigger.menu().actions()}
    actions["Falling"].trigger()
    assert scope.state()["trigger"] == {"channel": "I2", "rising": False, "level": 0.0, "normal": False}
    assert scope.header.trigger.currentText() == "I2 falling 0 A"


def test_a_frozen_scale_grows_but_does_not_shrink(scope, source):
    scope.set_mode(RunMode.STOP)
    source.voltage_v = 20.0
    for _ in range(3):
        scope.refresh(force=True)
    assert scope.plot.panes["V"].per_division == 100.0
    source.voltage_v = 500.0
    scope.refresh(force=True)
    assert scope.plot.panes["V"].per_division == 200.0
