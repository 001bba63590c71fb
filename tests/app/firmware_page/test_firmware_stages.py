"""From a flasher's progress to stages with times, rates and what is left."""

from __future__ import annotations

import pytest

from app.firmware_page.stages import Kind, StageBoard, about, in_time
from device_io.flashing.result import FlashProgress, FlashResult
from device_io.flashing.result import Stage as Step
from widgets.firmware.model import StageState


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def run(board: StageBoard, clock: Clock, step: Step, seconds: float, total: int = 0) -> None:
    """A stage from its beginning to its end, in ten pieces."""
    board.take(FlashProgress(step, 0, 0, None))
    for part in range(1, 11):
        clock.now_s += seconds / 10
        if total:
            left_s = seconds * (10 - part) / 10
            board.take(FlashProgress(step, total * part // 10, total, left_s))


def test_an_update_from_beginning_to_end(clock) -> None:
    board = StageBoard(Kind.UPDATE, bytes_to_write=1_000_000, flash_size=4_000_000, baud=400_000, clock=clock)
    before = board.stages()
    assert [stage.time for stage in before[2:4]] == ["about 1 min 40 s", "about 25 s"]
    assert board.left_s() is None
    run(board, clock, Step.CHECK, 0.4)
    run(board, clock, Step.RELEASE, 0.1)
    run(board, clock, Step.IDENTIFY, 2.0)
    assert not board.writing
    board.take(FlashProgress(Step.BACKUP, 0, 0, None))
    for part in range(1, 5):
        clock.now_s += 5.0
        board.take(FlashProgress(Step.BACKUP, part * 500_000, 4_000_000, 40.0 - 5.0 * part))
    running = board.stages()[2]
    assert (running.state, running.fraction) == (StageState.RUNNING, 0.5)
    assert running.amount == "2.00 of 4.00 MB, 100 kB/s"  # counted from the first bytes on
    assert running.left == "20 s gone, about 20 s left"
    left_s = board.left_s()
    assert left_s is not None
    assert 20.0 + 1_000_000 / 110_000 < left_s < 20.0 + 10.0 + 12.0  # what is measured counts for the writing too
    run(board, clock, Step.WRITE, 20.0, 1_000_000)
    assert board.writing
    run(board, clock, Step.VERIFY, 1.0, 1_000_000)
    run(board, clock, Step.RESET, 0.2)
    run(board, clock, Step.CONFIRM, 3.0)
    board.end(FlashResult("ok", version="2.0.0"))
    after = board.stages()
    assert {stage.state for stage in after} == {StageState.DONE}
    assert [stage.time for stage in after] == ["0.4 s", "2.1 s", "20 s", "20 s", "1.0 s", "0.2 s", "3.0 s"]
    assert after[3].detail == "1 000 000 bytes written"
    assert board.left_s() is None


def test_what_stops_is_marked_and_the_rest_has_no_estimate(clock) -> None:
    board = StageBoard(Kind.UPDATE, bytes_to_write=1000, flash_size=0, clock=clock)
    run(board, clock, Step.CHECK, 0.4)
    run(board, clock, Step.RELEASE, 0.1)
    board.take(FlashProgress(Step.IDENTIFY, 0, 0, None))
    board.end(FlashResult("failed", "No answer.", Step.IDENTIFY))
    stages = board.stages()
    assert [stage.state for stage in stages[:3]] == [StageState.DONE, StageState.FAILED, StageState.WAITING]
    assert {stage.time for stage in stages[2:]} == {""}


@pytest.mark.parametrize("kind", [Kind.FINISH, Kind.GO_BACK])
def test_what_leads_back_is_not_made_anew(clock, kind) -> None:
    board = StageBoard(kind, clock=clock)
    run(board, clock, Step.CHECK, 0.4)
    run(board, clock, Step.RELEASE, 0.1)
    run(board, clock, Step.IDENTIFY, 1.0)
    run(board, clock, Step.WRITE, 2.0, 500)
    stages = board.stages()
    assert stages[2].state is StageState.SKIPPED
    assert "way back" in stages[2].detail
    assert stages[3].title != StageBoard(Kind.UPDATE, clock=clock).stages()[3].title
    assert stages[3].amount.startswith("500 of 500 B")


def test_a_flash_of_unknown_size_has_no_estimate(clock) -> None:
    board = StageBoard(Kind.UPDATE, bytes_to_write=1000, clock=clock)
    run(board, clock, Step.CHECK, 0.4)
    assert board.left_s() is None
    assert board.stages()[2].time == ""


@pytest.mark.parametrize(
    ("seconds", "words", "estimate"),
    [
        (0.0, "0.1 s", "about 1 s"),
        (0.44, "0.4 s", "about 1 s"),
        (9.6, "9.6 s", "about 10 s"),
        (9.97, "10 s", "about 10 s"),
        (59.6, "1 min 00 s", "about 1 min 00 s"),
        (72.0, "1 min 12 s", "about 1 min 12 s"),
    ],
)
def test_times_in_words(seconds, words, estimate) -> None:
    assert in_time(seconds) == words
    assert about(seconds) == estimate
