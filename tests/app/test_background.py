"""Work beside the window: its result, its failure, and an end of the window in the middle of it."""

from __future__ import annotations

import threading

import pytest
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.background import Background


def test_result_and_failure_arrive_on_the_windows_thread(qtbot: QtBot) -> None:
    background = Background()
    told: list[tuple[str, object, threading.Thread]] = []

    def fail() -> None:
        raise ValueError("no")

    def note(what: str):  # type: ignore[no-untyped-def]
        return lambda result: told.append((what, str(result), threading.current_thread()))

    background.run(lambda: 7, note("done"), note("failed"), "seven")
    background.run(fail, note("done"), note("failed"), "failure")
    qtbot.waitUntil(lambda: len(told) == 2, timeout=20_000)
    assert {entry[:2] for entry in told} == {("done", "7"), ("failed", "no")}
    assert {entry[2] for entry in told} == {threading.main_thread()}


def test_what_is_forgotten_is_not_told(qtbot: QtBot) -> None:
    background = Background()
    gate = threading.Event()
    told: list[int] = []
    background.run(lambda: gate.wait(5.0), lambda _: told.append(1), lambda _: told.append(2), "forgotten")
    background.forget()
    gate.set()
    background.run(lambda: 3, told.append, told.append, "wanted")
    qtbot.waitUntil(lambda: told == [3], timeout=20_000)


@pytest.mark.parametrize("parent", [QObject, QWidget])
def test_a_window_may_end_at_any_moment(qtbot: QtBot, parent: type[QObject]) -> None:
    """Without luck a signal of an object that is being deleted ends the program."""
    for number in range(300):
        window = parent()
        background = Background(window)
        gate = threading.Event()
        for _ in range(2):
            background.run(lambda gate=gate: gate.wait(5.0), lambda _: None, lambda _: None, f"work {number}")
        gate.set()
        del background
        del window
    qtbot.wait(50)
