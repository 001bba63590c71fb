"""Burst mode as it is seen from the intervals between messages, and from our own toggles. Times are given."""

from __future__ import annotations

import pytest

from device_io.mqtt.burst import BURST_S, BurstWatch


def watch_of(*times_s: float) -> BurstWatch:
    watch = BurstWatch()
    for time_s in times_s:
        watch.note(time_s)
    return watch


@pytest.mark.parametrize(
    ("times_s", "now_s", "to_begin", "to_end"),
    [
        ((), 0.0, True, False),
        ((0.0,), 1.0, True, False),
        ((0.0, 2.0, 4.0), 5.0, False, False),  # as often anyway
        ((0.0, 60.0, 120.0), 121.0, True, False),
        ((0.0, 60.0, 65.0, 70.0), 71.0, False, True),
        ((0.0, 60.0, 65.0, 70.0), 80.0, True, False),  # over by now
    ],
)
def test_a_toggle_is_sent_only_where_it_changes_something(
    times_s: tuple[float, ...], now_s: float, to_begin: bool, to_end: bool
) -> None:
    watch = watch_of(*times_s)
    assert watch.needs_toggle(True, now_s) == to_begin
    assert watch.needs_toggle(False, now_s) == to_end


def test_what_we_asked_for_counts_before_it_is_seen() -> None:
    watch = watch_of(0.0, 60.0)
    watch.toggled(True, 61.0)
    assert not watch.needs_toggle(True, 62.0), "a second toggle would end it"
    assert watch.needs_toggle(False, 62.0)
    assert watch.needs_toggle(True, 61.5 + BURST_S), "it has ended by itself"
    watch.toggled(False, 63.0)
    assert not watch.needs_toggle(False, 64.0)
