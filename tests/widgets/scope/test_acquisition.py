"""Which span of the samples is shown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fakes.scope_signals import CHANNELS, SyntheticSource
from widgets.scope.acquisition import LONGEST_S, Acquisition, RunMode
from widgets.scope.trigger import TriggerSettings, TriggerState


def running(now_s=5.0, **options):
    acquisition = Acquisition()
    acquisition.set_source(SyntheticSource(now_s=now_s, **options))
    return acquisition, acquisition.source


def test_ten_divisions_with_the_trigger_at_the_second():
    acquisition, source = running()
    frame = acquisition.frame(600, CHANNELS)
    assert (acquisition.start_s, acquisition.stop_s) == pytest.approx((-0.01, 0.04))
    assert acquisition.state is TriggerState.TRIGGERED
    assert source.value("V1", frame.origin_s) == pytest.approx(0.0, abs=0.2)
    assert source.now_s - 0.04 - 0.021 < frame.origin_s <= source.now_s - 0.04


def test_every_trace_covers_the_view():
    acquisition, _ = running()
    frame = acquisition.frame(600, CHANNELS)
    assert [trace.key for trace in frame.traces] == list(CHANNELS)
    for trace in frame.traces:
        assert trace.time_s[0] <= frame.origin_s + acquisition.start_s
        assert trace.time_s[-1] >= frame.origin_s + acquisition.stop_s - 2 / 4000


def test_nothing_new_is_no_frame_and_a_touch_is():
    acquisition, source = running()
    assert acquisition.frame(600, CHANNELS) is not None
    assert acquisition.frame(600, CHANNELS) is None
    acquisition.touch()
    assert acquisition.frame(600, CHANNELS) is not None
    source.now_s += 1 / 60
    assert acquisition.frame(600, CHANNELS) is not None


@pytest.mark.parametrize(("step_s", "rolls"), [(0.2, False), (0.5, True), (10.0, True)])
def test_from_500_ms_on_the_picture_rolls_by_whole_pixels(step_s, rolls):
    acquisition, source = running(now_s=30.0, rate_hz=400.0)
    acquisition.set_time_per_division(step_s)
    assert acquisition.rolling is rolls
    origins = []
    for _ in range(5):
        source.now_s += 1.234 * step_s / 60
        acquisition.frame(600, ("V1",))
        origins.append(acquisition.origin_s)
    assert (acquisition.state is TriggerState.ROLLING) is rolls
    if rolls:
        assert acquisition.stop_s == 0.0
        columns = [origin / (10 * step_s / 600) for origin in origins]
        assert columns == pytest.approx([round(column) for column in columns], abs=1e-6)


def test_single_waits_for_the_next_trigger_and_stops():
    acquisition, source = running()
    acquisition.frame(600, CHANNELS)
    acquisition.set_trigger(TriggerSettings("V1", True, 2000.0))
    acquisition.set_mode(RunMode.SINGLE)
    source.now_s += 0.5
    assert acquisition.frame(600, CHANNELS) is not None  # the last picture stays
    assert acquisition.state is TriggerState.WAITING
    acquisition.set_trigger(TriggerSettings("V1", True, 100.0))
    armed_s = source.now_s
    source.now_s += 0.5
    frame = acquisition.frame(600, CHANNELS)
    assert acquisition.mode is RunMode.STOP
    assert acquisition.state is TriggerState.STOPPED
    assert armed_s - 0.05 <= frame.origin_s <= armed_s + 0.021
    source.now_s += 1.0
    assert acquisition.frame(600, CHANNELS) is None
    assert acquisition.origin_s == frame.origin_s


def test_a_frozen_view_goes_back_into_the_history():
    acquisition, source = running(now_s=300.0)
    before = acquisition.frame(600, CHANNELS)
    acquisition.set_mode(RunMode.STOP)
    source.now_s = 310.0
    acquisition.pan(-100.0)
    frame = acquisition.frame(600, CHANNELS)
    assert frame.origin_s == before.origin_s
    assert frame.traces[0].time_s[0] == pytest.approx(before.origin_s - 100.01, abs=2e-3)
    acquisition.pan(-1e6)
    assert acquisition.origin_s + acquisition.stop_s > 0
    acquisition.pan(1e6)
    assert acquisition.origin_s + acquisition.start_s < 310.0


def test_zoom_keeps_the_instant_under_the_pointer_and_has_ends():
    acquisition, _ = running(now_s=300.0)
    acquisition.frame(600, CHANNELS)
    acquisition.set_mode(RunMode.STOP)
    acquisition.zoom(0.5, 0.01)
    part = (0.01 - acquisition.start_s) / acquisition.span_s
    assert part == pytest.approx(0.4)
    acquisition.zoom(1e9, 0.0)
    assert acquisition.span_s == pytest.approx(LONGEST_S)
    acquisition.zoom(1e-12, 0.0)
    assert acquisition.span_s == pytest.approx(0.5e-3)


def test_run_after_a_zoom_takes_the_nearest_step():
    acquisition, _ = running(now_s=300.0)
    acquisition.frame(600, CHANNELS)
    acquisition.set_mode(RunMode.STOP)
    acquisition.zoom(3.7, 0.0)
    acquisition.set_mode(RunMode.RUN)
    assert acquisition.time_per_division_s == 0.02
    assert acquisition.frame(600, CHANNELS) is not None


def test_a_restarted_module_is_seen_although_its_clock_is_smaller():
    acquisition, source = running(now_s=300.0)
    acquisition.frame(600, CHANNELS)
    source.now_s = 2.0
    frame = acquisition.frame(600, CHANNELS)
    assert frame is not None
    assert frame.origin_s < 2.0


def test_without_source_or_samples_there_is_no_frame():
    acquisition = Acquisition()
    assert acquisition.frame(600, CHANNELS) is None
    acquisition.set_source(SyntheticSource(now_s=None))
    assert acquisition.frame(600, CHANNELS) is None
    assert acquisition.origin_s is None


def test_normal_mode_without_a_trigger_shows_nothing_then_keeps_the_last_picture():
    acquisition, source = running()
    acquisition.set_trigger(TriggerSettings("V1", True, 2000.0, normal=True))
    assert acquisition.frame(600, CHANNELS) is None
    acquisition.set_trigger(TriggerSettings("V1", True, 100.0, normal=True))
    source.now_s += 0.1
    origin_s = acquisition.frame(600, CHANNELS).origin_s
    acquisition.set_trigger(TriggerSettings("V1", True, 2000.0, normal=True))
    source.now_s += 0.5
    assert acquisition.frame(600, CHANNELS).origin_s == origin_s
    assert acquisition.state is TriggerState.WAITING


class Lagging(SyntheticSource):
    """Chip 3 is `lag_s` late."""

    lag_s = 0.02

    def read(self, start_s, stop_s, max_points, channels=None):
        traces = super().read(start_s, stop_s, max_points, channels)
        ends = [self.now_s - (self.lag_s if trace.key.endswith("3") else 0.0) for trace in traces]
        return [
            replace(trace, time_s=trace.time_s[trace.time_s <= end], value=trace.value[trace.time_s <= end])
            for trace, end in zip(traces, ends, strict=True)
        ]


def test_the_view_ends_where_the_latest_chip_does():
    acquisition = Acquisition()
    acquisition.set_source(Lagging(now_s=5.0))
    frames = []
    for _ in range(20):
        acquisition.source.now_s += 0.0167
        frames.append(acquisition.frame(600, CHANNELS))
    drawn = [frame for frame in frames if frame is not None]
    assert len(drawn) > 10
    for frame in drawn:
        stop_s = frame.origin_s + acquisition.stop_s
        assert all(trace.time_s[-1] >= stop_s - 1 / 4000 for trace in frame.traces)


def test_a_silent_chip_is_not_waited_for():
    acquisition = Acquisition()
    source = Lagging(now_s=5.0)
    source.lag_s = 2.0
    acquisition.set_source(source)
    frame = acquisition.frame(600, CHANNELS)
    assert frame.origin_s > 5.0 - 0.04 - 0.021
