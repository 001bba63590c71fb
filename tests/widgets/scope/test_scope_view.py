"""What the oscilloscope draws."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, SampleBlock
from device_io.waveform_store import WaveformStore
from resources.systems import SYSTEMS, channels_of
from tests.fakes.scope_probe import ink, pixels
from widgets.scope.acquisition import RunMode
from widgets.scope.picture import EMPTY, WAITING
from widgets.scope.trigger import TriggerSettings, TriggerState
from widgets.theme import Theme

# The offscreen platform says so whenever a window with a least size is shown.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


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


def test_only_what_changed_is_drawn(qtbot, scope, source):
    QApplication.processEvents()
    paints = scope.paint_stats()["paints"]
    assert not scope.refresh()
    QApplication.processEvents()
    assert scope.paint_stats()["paints"] == paints
    source.now_s += 1 / 60
    assert scope.refresh()
    qtbot.waitUntil(lambda: scope.paint_stats()["paints"] > paints, timeout=20_000)


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
    qtbot.waitUntil(painted, timeout=20_000)
    scope.pause()


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


def test_a_stream_that_stalls_is_said(scope, source):
    for _ in range(3):
        scope._text_tick()
    assert scope.header.chip.text == "Triggered"
    for _ in range(3):
        scope._text_tick()
    assert scope.header.chip.text == "Waiting"
    source.now_s += 0.1
    scope.refresh()
    scope._text_tick()
    assert scope.header.chip.text == "Triggered"


def test_figures_of_a_long_view_come_from_what_is_drawn(scope, source):
    source.rate_hz, source.now_s = 400.0, 300.0
    scope.set_time_per_division(10.0)
    scope.refresh(force=True)
    scope.refresh_text()
    figures = dict(scope.readout._figures)
    assert float(figures["peak to peak"].split()[0]) == pytest.approx(664.0, abs=8.0)
    assert figures["crest factor"] == "n/a"


def test_samples_of_a_real_store_are_drawn_with_their_gap(qtbot, scope):
    chip = ChipInfo(4000.0, tuple(ChannelInfo(key, key[0].replace("I", "A"), 1e-4, 800.0) for key in ("V1", "I1")))
    store = WaveformStore(ModuleInfo(None, "test", "1P", "0", (chip,)))
    for block in range(150):
        index = np.arange(block * 80, block * 80 + 80)
        wave = np.sin(2 * np.pi * 50.0 / 4000.0 * index)
        counts = np.column_stack((3_250_000 * wave, 100_000 * wave)).astype(np.int32)
        if not 140 <= block < 145:
            store.append([SampleBlock(0, int(index[0]), 4000.0, counts, int(index[0]) * 250, int(index[0]) * 250_000)])
    scope.set_system(channels_of("1P"))
    scope.set_source(store)
    scope.set_time_per_division(0.05)
    assert scope.refresh(force=True)
    assert ink(scope, "V1") > 300
    assert scope.plot.panes["V"].per_division == 100.0
    assert scope.plot.panes["A"].per_division == 5.0
    assert [text for _, _, text in scope.plot.panes["A"].grid._gaps_px] == ["gap 100 ms"]
