"""What waits to be sent and what was sent: one SQLite file that survives a kill, sleep and months offline.

An interval goes in once, however often it comes; it is sent until a broker has acknowledged it, and never after.
Nothing of a module is kept: only the bytes that are sent, under a pseudonym of the cell and day. The log of what was
sent is `sent_log`'s.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from app.community import message, sent_log
from app.community.anonymise import (
    INTERVAL_S,
    Alias,
    Interval,
    day_of,
    group_of,
    map_keys,
    new_alias,
    random_delay_s,
)
from app.community.outbox_file import FILE, OutboxError, explained, open_file
from app.community.sent_log import LogLimits, LogSums

LATE_S = 600
"""Later than this past its end, an interval would be averaged into others' present: it goes only to a broker that takes
back-dated data."""
AGREE_S = 60.0
"""The computer's clock and a trusted one agree when they differ by no more."""
DEFAULT_LIMIT_BYTES = 64 * 2**20
"""Unsent messages that are kept: some seven months of one module."""

_INSERT = (
    "INSERT OR IGNORE INTO message (end_s, due_s, cell, day, digest, topic, payload, seal, consent) "
    "SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE digest = ?)"
)
_UNSENT_BYTES = "SELECT total(length(payload)) FROM message WHERE sent_s IS NULL"


class Waiting(NamedTuple):
    """A message to be sent. end_s: end of its interval; due_s: when it may go, epoch seconds. seal: of message.seal."""

    id: int
    end_s: int
    due_s: float
    cell: str
    day: str
    topic: str
    payload: bytes
    seal: bytes


class Sent(NamedTuple):
    """A message that was acknowledged, at sent_s (epoch seconds)."""

    sent_s: float
    end_s: int
    topic: str
    payload: bytes


class Counts(NamedTuple):
    """waiting: unsent and in time. late: unsent, older than 10 minutes past their end. dropped: given up for want of
    room, or because they lie in the future, since the outbox was made. last_sent_s: epoch seconds, None where nothing
    was sent. sent_bytes: of all payloads that were sent. forgotten: of those sent, what the log does not have any more;
    log_bytes: of what it has."""

    waiting: int
    late: int
    sent: int
    dropped: int
    unsent_bytes: int
    last_sent_s: float | None
    sent_bytes: int = 0
    forgotten: int = 0
    log_bytes: int = 0


class Outbox:
    """The file in `folder`. Each thread opens its own; several processes may. Every method raises OutboxError when the
    file can't be read or written. limit_bytes: unsent messages that are kept; beyond, the oldest are given up."""

    def __init__(
        self, folder: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES, now: Callable[[], float] = time.time
    ) -> None:
        self._path = folder / FILE
        self._limit_bytes = limit_bytes
        self._now = now
        self._safety = ""
        self._at_most_bytes: float | None = None  # of what is unsent: others only take from it
        self._db = open_file(self._path)

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def alias(self, cell: str, day: str) -> Alias:
        """The pseudonym of a cell and day: kept while it may be needed, then forgotten."""
        with self._writing():
            row = self._db.execute("SELECT pseudonym FROM alias WHERE cell = ? AND day = ?", (cell, day)).fetchone()
            if row is not None:
                return Alias(cell, day, row[0])
            fresh = new_alias(cell, day)
            self._db.execute("INSERT INTO alias VALUES (?, ?, ?)", (cell, day, fresh.pseudonym))
        return fresh

    def put(self, interval: Interval, cell: str, consent: str = "") -> bool:
        """Keep an interval until it is sent, on the disk when this returns. False if it is in there already, sent or
        not. consent: under which it may leave. MessageError for what the map must not get."""
        alias = self.alias(cell, day_of(interval.end_s))
        payload = message.build(interval, alias)
        message.check(payload, now_s=self._now() + AGREE_S, topic=alias.topic)
        with self._writing():
            due_s = interval.end_s + random_delay_s()
            seal = message.seal(payload, alias.topic, interval.end_s)
            digest = _digest(interval)
            row = (interval.end_s, due_s, cell, alias.day, digest, alias.topic, payload, seal, consent, digest)
            is_new = bool(self._db.execute(_INSERT, row).rowcount)
            if is_new:
                self._make_room(len(payload))
        return is_new

    def knows(self, interval: Interval) -> bool:
        """True if the interval is in there, sent or not."""
        with explained():
            row = self._db.execute(
                "SELECT 1 FROM message WHERE digest = :d UNION ALL SELECT 1 FROM forgotten WHERE digest = :d",
                {"d": _digest(interval)},
            ).fetchone()
        return row is not None

    def next(self, count: int, *, backdated: bool, at_once: bool, consent: str = "") -> list[Waiting]:
        """Unsent messages of intervals that are over and may go now, oldest first, at most `count`.

        backdated: late ones as well. at_once: not only when they are due. consent: only what was put under it; "" for
        whatever there is.
        """
        now_s = self._now()
        with explained():
            rows = self._db.execute(
                "SELECT id, end_s, due_s, cell, day, topic, payload, seal FROM message WHERE sent_s IS NULL "
                "AND end_s BETWEEN ? AND ? AND due_s <= ? "
                "AND (consent = ? OR ? = '') AND id NOT IN (SELECT id FROM acknowledged) ORDER BY end_s, id LIMIT ?",
                (self._first_s(backdated), now_s, float("inf") if at_once else now_s, consent, consent, count),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def may_go(self, waiting: Waiting, *, backdated: bool) -> bool:
        """Whether a message may leave: since it was read nobody has deleted it, and it has not come to be late."""
        with explained():
            row = self._db.execute(
                "SELECT 1 FROM message WHERE id = ? AND seal = ? AND sent_s IS NULL AND end_s >= ?",
                (waiting.id, waiting.seal, self._first_s(backdated)),
            ).fetchone()
        return row is not None

    def check_room(self) -> None:
        """OutboxError where nothing can be written: what would be acknowledged now would be sent again."""
        with self._writing():
            self._db.execute(
                "INSERT INTO counter VALUES ('checked', 0) ON CONFLICT (name) DO UPDATE SET value = 1 - value"
            )

    def next_due_s(self, *, backdated: bool, consent: str = "") -> float | None:
        """Epoch seconds when the next message is due; None where none waits."""
        with explained():
            (due_s,) = self._db.execute(
                "SELECT min(due_s) FROM message WHERE sent_s IS NULL AND end_s >= ? "
                "AND (consent = ? OR ? = '') AND id NOT IN (SELECT id FROM acknowledged)",
                (self._first_s(backdated), consent, consent),
            ).fetchone()
        return None if due_s is None else float(due_s)

    def acknowledged(self, ids: Sequence[int]) -> None:
        """A broker has these: they are never sent again. It is in the file when this returns, safe from the end of the
        program; `settle` makes it safe from a power cut. A short list takes it, at a third of what a change of the
        messages themselves would cost."""
        sent_s = self._now()
        with explained():
            self._be_safe("NORMAL")
            for number in ids:
                self._db.execute("INSERT OR IGNORE INTO acknowledged VALUES (?, ?)", (number, sent_s))

    def settle(self) -> None:
        """Bring all that is acknowledged onto the disk and into the log, and the log within its limits; forget the
        pseudonyms of days that are over and sent."""
        today = day_of(int(self._now()) + INTERVAL_S)
        with self._writing():
            sent_log.fold(self._db)
            sent_log.prune(self._db)
            self._db.execute(
                "DELETE FROM alias WHERE day < ? AND NOT EXISTS (SELECT 1 FROM message m WHERE m.cell = alias.cell "
                "AND m.day = alias.day AND m.sent_s IS NULL)",
                (today,),
            )

    def withdraw(self, consent: str = "") -> int:
        """Delete all that is unsent under a consent ("": under any), and all pseudonyms, from the file itself. Returns
        how many messages; where there are none under that consent, nothing is deleted. OutboxError too where another
        program reads the file all the time, so that the bytes of what is deleted are still in it."""
        with explained():
            row = self._db.execute(
                "SELECT 1 FROM message WHERE sent_s IS NULL AND consent = ? LIMIT 1", (consent,)
            ).fetchone()
        if consent and row is None:
            return 0
        self.settle()
        with self._writing():
            gone = self._db.execute(
                "DELETE FROM message WHERE sent_s IS NULL AND (consent = ? OR ? = '')", (consent, consent)
            ).rowcount
            self._db.execute("DELETE FROM alias")
        with explained():
            (is_held, _, _) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_held:
            raise OutboxError(
                "What waited is deleted, but its bytes are still in the outbox's file, since another program reads it; "
                "end that program and withdraw again."
            )
        return int(gone)

    def counts(self) -> Counts:
        """How much waits, is late, was sent and was given up."""
        self._settle_rest()
        with explained():
            log = sent_log.sums(self._db)
            (last_sent_s,) = self._db.execute("SELECT max(sent_s) FROM message WHERE sent_s IS NOT NULL").fetchone()
            (unsent, late, size) = self._db.execute(
                "SELECT count(*), total(end_s < ?), total(length(payload)) FROM message WHERE sent_s IS NULL",
                (self._now() - LATE_S,),
            ).fetchone()
            row = self._db.execute("SELECT value FROM counter WHERE name = 'dropped'").fetchone()
        dropped = row[0] if row else 0
        return Counts(
            unsent - int(late),
            int(late),
            log.sent,
            dropped,
            int(size),
            last_sent_s,
            log.sent_bytes,
            log.forgotten,
            log.sent_bytes - log.forgotten_bytes,
        )

    @property
    def log_limits(self) -> LogLimits:
        """How much of what was sent is kept."""
        with explained():
            return sent_log.limits(self._db)

    @log_limits.setter
    def log_limits(self, wanted: LogLimits) -> None:
        wanted.check()
        with self._writing():
            sent_log.set_limits(self._db, wanted)

    def log_sums(self) -> LogSums:
        """What was sent, and what of it the log does not have any more."""
        with explained():
            return sent_log.sums(self._db)

    def give_up_future(self, now_s: float) -> int:
        """Delete unsent messages of intervals that are not over by this clock, which is trusted: they were made while
        the computer's was wrong, and would pass for later ones. Returns how many."""
        with self._writing():
            rows = self._db.execute(
                "SELECT id FROM message WHERE sent_s IS NULL AND end_s > ?", (now_s + 2 * AGREE_S,)
            ).fetchall()
            self._give_up(rows)
        return len(rows)

    def sent(self) -> Iterator[Sent]:
        """All that was sent, as far as the log reaches, in the order of sending."""
        self._settle_rest()
        with explained():
            rows = self._db.execute(
                "SELECT sent_s, end_s, topic, payload FROM message WHERE sent_s IS NOT NULL ORDER BY sent_s, end_s, id"
            )
            for row in rows:
                yield Sent(*row)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Be the only one that sends from this folder: two would send the same twice. The lock ends with the process.
        OutboxError if another program has it."""
        with closing(sqlite3.connect(self._path.with_name("community-sending.lock"), timeout=0.0)) as lock:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                raise OutboxError(
                    "Another Sensix program is sending from this outbox; close it, or let it do the sending."
                ) from None
            yield

    @contextmanager
    def _writing(self, safety: str = "FULL") -> Iterator[None]:
        """A transaction. FULL: on the disk at its end; NORMAL: out of the program's hands, which survives its end."""
        with explained():
            self._be_safe(safety)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _first_s(self, backdated: bool) -> float:
        """End of the oldest interval that may go now, epoch seconds."""
        return 0.0 if backdated else self._now() - LATE_S

    def _settle_rest(self) -> None:
        """Settle what a program left that ended before it could, or that is being sent right now."""
        with explained():
            rest = self._db.execute("SELECT 1 FROM acknowledged LIMIT 1").fetchone()
        if rest is not None:
            self.settle()

    def _be_safe(self, safety: str) -> None:
        if safety != self._safety:
            self._db.execute(f"PRAGMA synchronous = {safety}")
            self._safety = safety

    def _make_room(self, added: int) -> None:
        """Give up the oldest unsent messages until the rest fits. Sums are made only when the limit may be reached."""
        if self._at_most_bytes is not None:
            self._at_most_bytes += added
            if self._at_most_bytes <= self._limit_bytes:
                return
        sent_log.fold(self._db)
        (size,) = self._db.execute(_UNSENT_BYTES).fetchone()
        gone = []
        if size > self._limit_bytes:
            for number, length in self._db.execute(
                "SELECT id, length(payload) FROM message WHERE sent_s IS NULL ORDER BY end_s, id"
            ):
                if size <= self._limit_bytes:
                    break
                gone.append((number,))
                size -= length
        self._at_most_bytes = size
        self._give_up(gone)

    def _give_up(self, rows: Sequence[tuple[int]]) -> None:
        if rows:
            self._db.executemany("DELETE FROM message WHERE id = ?", rows)
            sent_log.add(self._db, "dropped", len(rows))


def _digest(interval: Interval) -> bytes:
    """The same interval of the same module, whatever else of it is shared: its voltage's harmonics as they are sent."""
    shared = [interval.values.get(key) for key in map_keys() if group_of(key) == "V"]
    return hashlib.sha256(repr((interval.end_s, interval.type, shared)).encode()).digest()
