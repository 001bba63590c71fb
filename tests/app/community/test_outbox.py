"""The outbox: nothing lost, nothing twice, in order, within its size."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from app.community.anonymise import anonymise, day_of
from app.community.message import MessageError
from app.community.outbox import FILE, Outbox, OutboxError
from app.community.sent_log import LogLimits
from tests.fakes.community import interval, last_end_s, measurement

NOW_S = 1_795_344_000.0 + 5.0
END_S = 1_795_344_000


def box(folder: Path, **options: object) -> Outbox:
    return Outbox(folder, now=lambda: NOW_S, **options)  # type: ignore[arg-type]


def test_an_interval_goes_in_once_and_out_once(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        assert outbox.put(interval(END_S), "u82f")
        assert not outbox.put(interval(END_S), "u82f")
        assert not outbox.put(interval(END_S), "u82g"), "not in two cells either"
        (waiting,) = outbox.next(9, backdated=False, at_once=True)
        outbox.acknowledged([waiting.id])
        assert outbox.next(9, backdated=True, at_once=True) == []
        assert not outbox.put(interval(END_S), "u82f")
        assert outbox.counts().sent == 1
        assert outbox.counts().last_sent_s == NOW_S
        assert outbox.counts().sent_bytes == len(waiting.payload)


def test_the_same_interval_with_more_shared_is_no_other(tmp_path: Path) -> None:
    measured = measurement(END_S)
    with box(tmp_path) as outbox:
        assert outbox.put(anonymise(measured), "u82f")
        assert not outbox.put(anonymise(measured, ("power",)), "u82f")
        other = measurement(END_S, values={"THV1": 3.0})
        assert outbox.put(anonymise(other), "u82f"), "a second module in the same house"


def test_late_intervals_go_only_where_they_are_taken(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        for number in range(3):
            outbox.put(interval(END_S - 600 * number, number), "u82f")
        assert [w.end_s for w in outbox.next(9, backdated=False, at_once=True)] == [END_S]
        assert [w.end_s for w in outbox.next(9, backdated=True, at_once=True)] == [END_S - 1200, END_S - 600, END_S]
        counts = outbox.counts()
        assert (counts.waiting, counts.late) == (1, 2)
    with Outbox(tmp_path, now=lambda: END_S + 600.0) as at_the_limit:
        assert len(at_the_limit.next(9, backdated=False, at_once=True)) == 1
    with Outbox(tmp_path, now=lambda: END_S + 600.5) as too_late:
        assert too_late.next(9, backdated=False, at_once=True) == []


def test_nothing_goes_before_it_is_due_or_over(tmp_path: Path) -> None:
    with Outbox(tmp_path, now=lambda: END_S + 0.5) as outbox:
        outbox.put(interval(END_S), "u82f")
        assert outbox.next(9, backdated=True, at_once=False) == []
        due_s = outbox.next_due_s(backdated=False)
        assert due_s is not None
        assert END_S < due_s < END_S + 600
    with Outbox(tmp_path, now=lambda: due_s) as later:
        assert len(later.next(9, backdated=True, at_once=False)) == 1
    with Outbox(tmp_path, now=lambda: END_S - 1.0) as clock_set_back:
        assert clock_set_back.next(9, backdated=True, at_once=True) == []


def test_the_future_and_the_empty_are_refused(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        with pytest.raises(MessageError):
            outbox.put(interval(END_S + 600), "u82f")
        with pytest.raises(MessageError):
            outbox.put(anonymise(measurement(END_S, values={"Pc": 5.0})), "u82f")
        assert outbox.counts().waiting == 0


def test_a_full_outbox_gives_up_the_oldest(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        outbox.put(interval(END_S - 600 * 50, 999), "u82f")
        size = outbox.counts().unsent_bytes
    with box(tmp_path, limit_bytes=10 * size + 9) as outbox:
        for number in range(30):
            outbox.put(interval(END_S - 600 * (29 - number), number), "u82f")
        counts = outbox.counts()
        kept = [w.end_s for w in outbox.next(99, backdated=True, at_once=True)]
    assert counts.unsent_bytes <= 10 * size + 9
    assert counts.dropped == 31 - len(kept)
    assert kept == [END_S - 600 * back for back in reversed(range(len(kept)))]
    assert len(kept) >= 9


def test_withdrawing_leaves_nothing_in_the_files(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        for number in range(40):
            outbox.put(interval(END_S - 600 * number, number), "u82f")
        first = outbox.next(1, backdated=True, at_once=True)[0]
        outbox.acknowledged([first.id])
        waiting = outbox.next(99, backdated=True, at_once=True)
        assert outbox.withdraw() == 39
        assert outbox.next(9, backdated=True, at_once=True) == []
        assert outbox.counts().sent == 1, "the log stays"
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [w for w in waiting if w.payload in content or f'"timestamp":{w.end_s},'.encode() in content]


def test_pseudonyms_are_forgotten_when_their_day_is_over_and_sent(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        outbox.put(interval(END_S - 86400), "u82f")
        known = outbox.alias("u82f", day_of(END_S - 86400))
        outbox.settle()
        assert outbox.alias("u82f", day_of(END_S - 86400)) == known, "still to be sent"
        today = outbox.alias("u82f", day_of(END_S))
        outbox.acknowledged([w.id for w in outbox.next(9, backdated=True, at_once=True)])
        outbox.settle()
        assert outbox.alias("u82f", day_of(END_S)) == today
        assert outbox.alias("u82f", day_of(END_S - 86400)) != known


def steps_of_settling(folder: Path, days: int) -> int:
    """How much SQLite does to settle a message while one of each of so many other days waits, in 100 steps."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with box(folder) as outbox:
        for number in range(days):
            outbox.put(interval(END_S - 86400 * (number + 2), number), "u82f")
        outbox.put(interval(END_S, 0), "u82f")
        outbox.acknowledged([w.id for w in outbox.next(9, backdated=False, at_once=True)])
        outbox._db.set_progress_handler(count, 100)
        outbox.settle()
    return steps


def test_settling_does_not_take_the_longer_the_more_waits(tmp_path: Path) -> None:
    """Twice the days are at most twice the work, and little more: each day's pseudonym is looked up, not searched."""
    few, many = steps_of_settling(tmp_path / "few", 40), steps_of_settling(tmp_path / "many", 160)
    assert many <= 6 * few, (few, many)


def test_only_one_sends(tmp_path: Path) -> None:
    with box(tmp_path) as one, box(tmp_path) as other:
        with one.sending(), pytest.raises(OutboxError, match="Another Sensix program"), other.sending():
            pass
        with other.sending():
            pass


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    with box(folder) as outbox:
        outbox.put(interval(END_S), "u82f")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert FILE in modes
    assert os.name != "posix" or all(mode & 0o077 == 0 for mode in modes.values()), modes


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 40, b"SQLite format 3\x00" * 50]
)
def test_a_damaged_file_is_explained(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(OutboxError) as caught:
        box(tmp_path)
    assert "outbox" in str(caught.value)
    assert (tmp_path / FILE).read_bytes() == content


def test_a_word_that_is_no_text_any_more_is_damage(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        outbox.put(interval(END_S), "u82f")
        outbox._db.execute("UPDATE message SET topic = CAST(x'76ff31' AS TEXT)")
        with pytest.raises(OutboxError, match="is damaged"):
            outbox.next(9, backdated=True, at_once=True)


def fill_up(outbox: Outbox) -> None:
    for number in range(2, 19):
        outbox.put(interval(END_S - 600 * number, number), "u82f")


def test_a_full_disk_is_called_so_and_nothing_is_lost(tmp_path: Path) -> None:
    with box(tmp_path) as outbox:
        assert outbox.put(interval(END_S, 1), "u82f")
        (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
        outbox._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutboxError, match=r"disk is full.*check that the disk has room"):
            fill_up(outbox)
        kept = outbox.counts().waiting + outbox.counts().late
        outbox._db.execute("PRAGMA max_page_count = 1000000")
        assert outbox.put(interval(END_S - 600 * 20, 20), "u82f")
        assert outbox.counts().waiting + outbox.counts().late == kept + 1


def test_a_folder_that_can_not_be_and_a_newer_version_are_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match="SENSIX_DATA"):
        box(tmp_path / "file")
    with box(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxError, match="newer version"):
        box(tmp_path)


def test_the_real_clock_serves_too(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        assert outbox.put(interval(last_end_s()), "u82f")


def sent_one_by_one(outbox: Outbox, count: int, first_end_s: int = END_S - 600 * 1000) -> list[int]:
    """Put so many intervals and acknowledge them; their ends."""
    ends_s = [first_end_s + 600 * number for number in range(count)]
    for number, end_s in enumerate(ends_s):
        assert outbox.put(interval(end_s, number), "u82f")
        outbox.acknowledged([w.id for w in outbox.next(9, backdated=True, at_once=True)])
        outbox.settle()
    return ends_s


def test_the_log_keeps_to_its_size_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    now_s = [NOW_S]
    with Outbox(tmp_path, now=lambda: now_s[0]) as outbox:
        assert outbox.log_limits == LogLimits(365, 100)
        size = 0
        for number in range(700):  # a megabyte
            now_s[0] += 1.0
            sent_one_by_one(outbox, 1, END_S - 600 * (1000 - number))
            size = max(size, outbox.counts().log_bytes)
        everything = outbox.counts()
        outbox.log_limits = LogLimits(365, 1)
        counts = outbox.counts()
        kept = list(outbox.sent())
    assert everything.forgotten == 0
    assert everything.log_bytes > 1_000_000
    assert counts.sent == 700, "all that was ever sent"
    assert counts.sent_bytes == everything.sent_bytes
    assert counts.forgotten == 700 - len(kept)
    assert 900_000 < counts.log_bytes == sum(len(sent.payload) for sent in kept) <= 1_000_000
    assert kept[-1].end_s == END_S - 600 * 301, "the newest stay"
    with box(tmp_path) as outbox:
        assert outbox.log_limits == LogLimits(365, 1), "it is remembered"
        for number in (0, 1, 699):
            again = interval(END_S - 600 * (1000 - number), 0)
            assert outbox.knows(again)
            assert not outbox.put(again, "u82f")
        assert outbox.counts().waiting + outbox.counts().late == 0


def test_the_log_keeps_to_its_age_by_the_last_sending(tmp_path: Path) -> None:
    now_s = [NOW_S - 40 * 86400.0]
    with Outbox(tmp_path, now=lambda: now_s[0]) as outbox:
        outbox.log_limits = LogLimits(30, 100)
        sent_one_by_one(outbox, 3, END_S - 41 * 86400)
        now_s[0] += 3600 * 86400.0  # a clock that is wrong for a while
        outbox.settle()
        assert outbox.counts().forgotten == 0
        now_s[0] = NOW_S
        sent_one_by_one(outbox, 2)
        counts, sums = outbox.counts(), outbox.log_sums()
    assert (counts.sent, counts.forgotten) == (5, 3)
    assert sums.forgotten_until_s == NOW_S - 40 * 86400.0


@pytest.mark.parametrize(("days", "mb"), [(0, 5), (-1, 5), (5, 0), (40_000, 5), (5, 10**6)])
def test_limits_of_the_log_that_make_no_sense(tmp_path: Path, days: int, mb: int) -> None:
    with box(tmp_path) as outbox, pytest.raises(ValueError, match="log"):
        outbox.log_limits = LogLimits(days, mb)


@pytest.mark.parametrize(
    "changes",
    [
        ("DROP TABLE forgotten", "DELETE FROM counter", "PRAGMA user_version = 1"),
        ("DROP INDEX message_unsent_alias", "PRAGMA user_version = 2"),
    ],
)
def test_an_outbox_of_before_is_taken_over(tmp_path: Path, changes: tuple[str, ...]) -> None:
    with box(tmp_path) as outbox:
        sent_one_by_one(outbox, 4)
        known = outbox.counts()
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as database:
        for change in changes:
            database.execute(change)
    with box(tmp_path) as outbox:
        assert outbox.counts() == known


def test_what_a_wrong_clock_made_is_given_up_by_the_right_one(tmp_path: Path) -> None:
    with Outbox(tmp_path, now=lambda: NOW_S + 86400.0) as ahead:
        for number in range(3):
            assert ahead.put(interval(END_S + 86400 - 600 * number, number), "u82f")
        assert ahead.put(interval(END_S, 9), "u82f")
    with box(tmp_path) as outbox:
        assert outbox.give_up_future(NOW_S) == 3
        assert [w.end_s for w in outbox.next(9, backdated=True, at_once=True)] == [END_S]
        assert outbox.counts().dropped == 3
