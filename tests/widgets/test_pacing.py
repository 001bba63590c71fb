"""Only the latest of many updates is shown."""

from __future__ import annotations

from PySide6.QtCore import QObject

from widgets.pacing import Latest


def test_first_at_once_then_only_the_latest(qtbot):
    owner, shown = QObject(), []
    latest = Latest(owner, shown.append, interval_ms=30)
    for value in range(5):
        latest.put(value)
    assert shown == [0]
    qtbot.waitUntil(lambda: shown == [0, 4], timeout=20_000)
    latest.put(5)
    latest.put(6)
    latest.clear()
    latest.put(7)
    assert shown[-1] == 7
    assert 6 not in shown


def test_nothing_comes_twice(qtbot):
    owner, shown = QObject(), []
    latest = Latest(owner, shown.append, interval_ms=1)
    latest.put("a")
    latest.flush()
    latest.flush()
    assert shown == ["a"]
