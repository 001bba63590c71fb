"""What waits to be sent and what was sent: one SQLite file that survives a kill, sleep and months offline.

An interval goes in once, however often it comes; it is sent until a broker has acknowledged it, and never after.
Nothing of a module is kept: only the bytes that are sent, under a pseudonym of the cell and day.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from app.community import message
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
from app.data_folder import private_folder

FILE = "community-outbox.sqlite"
LATE_S = 600
"""Later than this past its end, an interval would be averaged into others' present: it goes only to a broker that takes
back-dated data."""
AGREE_S = 60.0
"""The computer's clock and a trusted one agree when they differ by no more."""
DEFAULT_LIMIT_BYTES = 64 * 2**20
"""Unsent messages that are kept: some seven months of one module."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY,
    end_s INTEGER NOT NULL,
    due_s REAL NOT NULL,
    cell TEXT NOT NULL,
    day TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    seal BLOB NOT NULL,
    sent_s REAL
);
CREATE INDEX IF NOT EXISTS message_unsent ON message (end_s, id) WHERE sent_s IS NULL;
CREATE INDEX IF NOT EXISTS message_sent ON message (sent_s) WHERE sent_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS acknowledged (id INTEGER PRIMARY KEY, sent_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS alias (cell TEXT, day TEXT, pseudonym TEXT, PRIMARY KEY (cell, day));
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_INSERT = (
    "INSERT OR IGNORE INTO message (end_s, due_s, cell, day, digest, topic, payload, seal) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_UNSENT_BYTES = "SELECT total(length(payload)) FROM message WHERE sent_s IS NULL"
_BUSY_S = 10.0
_VERSION = 1


class OutboxError(Exception):
    """One clear sentence: the outbox can't be used, and what to do."""


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
    room since the outbox was made. last_sent_s: epoch seconds, None where nothing was sent. sent_bytes: of all payloads
    that were sent."""

    waiting: int
    late: int
    sent: int
    dropped: int
    unsent_bytes: int
    last_sent_s: float | None
    sent_bytes: int = 0


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
        with _explained():
            private_folder(folder)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

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

    def put(self, interval: Interval, cell: str) -> bool:
        """Keep an interval until it is sent, on the disk when this returns. False if it is in there already, sent or
        not. MessageError for what the map must not get."""
        alias = self.alias(cell, day_of(interval.end_s))
        payload = message.build(interval, alias)
        message.check(payload, now_s=self._now() + AGREE_S, topic=alias.topic)
        with self._writing():
            due_s = interval.end_s + random_delay_s()
            seal = message.seal(payload, alias.topic, interval.end_s)
            row = (interval.end_s, due_s, cell, alias.day, _digest(interval), alias.topic, payload, seal)
            is_new = bool(self._db.execute(_INSERT, row).rowcount)
            if is_new:
                self._make_room(len(payload))
        return is_new

    def knows(self, interval: Interval) -> bool:
        """True if the interval is in there, sent or not."""
        with _explained():
            row = self._db.execute("SELECT 1 FROM message WHERE digest = ?", (_digest(interval),)).fetchone()
        return row is not None

    def next(self, count: int, *, after: Sequence[int] = (), backdated: bool, at_once: bool) -> list[Waiting]:
        """Unsent messages of intervals that are over and may go now, oldest first, at most `count`, without the ids
        `after`.

        backdated: late ones as well. at_once: not only when they are due.
        """
        now_s = self._now()
        first_s = 0 if backdated else now_s - LATE_S
        with _explained():
            rows = self._db.execute(
                "SELECT id, end_s, due_s, cell, day, topic, payload, seal FROM message WHERE sent_s IS NULL "
                f"AND end_s BETWEEN ? AND ? AND due_s <= ? AND id NOT IN ({','.join('?' * len(after))}) "
                "AND id NOT IN (SELECT id FROM acknowledged) ORDER BY end_s, id LIMIT ?",
                (first_s, now_s, float("inf") if at_once else now_s, *after, count),
            ).fetchall()
        return [Waiting(*row) for row in rows]

    def next_due_s(self, *, backdated: bool) -> float | None:
        """Epoch seconds when the next message is due; None where none waits."""
        with _explained():
            (due_s,) = self._db.execute(
                "SELECT min(due_s) FROM message WHERE sent_s IS NULL AND end_s >= ? "
                "AND id NOT IN (SELECT id FROM acknowledged)",
                (0 if backdated else self._now() - LATE_S,),
            ).fetchone()
        return None if due_s is None else float(due_s)

    def acknowledged(self, ids: Sequence[int]) -> None:
        """A broker has these: they are never sent again. It is in the file when this returns, safe from the end of the
        program; `settle` makes it safe from a power cut. A short list takes it, at a third of what a change of the
        messages themselves would cost."""
        sent_s = self._now()
        with _explained():
            self._be_safe("NORMAL")
            for number in ids:
                self._db.execute("INSERT OR IGNORE INTO acknowledged VALUES (?, ?)", (number, sent_s))

    def settle(self) -> None:
        """Bring all that is acknowledged onto the disk and into the log; forget the pseudonyms of days that are over
        and sent."""
        today = day_of(int(self._now()) + INTERVAL_S)
        with self._writing():
            self._fold()
            self._db.execute(
                "DELETE FROM alias WHERE day < ? AND NOT EXISTS (SELECT 1 FROM message m WHERE m.cell = alias.cell "
                "AND m.day = alias.day AND m.sent_s IS NULL)",
                (today,),
            )

    def withdraw(self) -> int:
        """Delete all that is unsent, and all pseudonyms, from the file itself. Returns how many messages."""
        self.settle()
        with self._writing():
            gone = self._db.execute("DELETE FROM message WHERE sent_s IS NULL").rowcount
            self._db.execute("DELETE FROM alias")
        with _explained():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(gone)

    def counts(self) -> Counts:
        """How much waits, is late, was sent and was given up."""
        self._settle_rest()
        with _explained():
            (sent, last_sent_s, sent_bytes) = self._db.execute(
                "SELECT count(*), max(sent_s), total(length(payload)) FROM message WHERE sent_s IS NOT NULL"
            ).fetchone()
            (unsent, late, size) = self._db.execute(
                "SELECT count(*), total(end_s < ?), total(length(payload)) FROM message WHERE sent_s IS NULL",
                (self._now() - LATE_S,),
            ).fetchone()
            row = self._db.execute("SELECT value FROM counter WHERE name = 'dropped'").fetchone()
        dropped = row[0] if row else 0
        return Counts(unsent - int(late), int(late), sent, dropped, int(size), last_sent_s, int(sent_bytes))

    def sent(self) -> Iterator[Sent]:
        """All that was ever sent, in the order of sending."""
        self._settle_rest()
        with _explained():
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

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA secure_delete = ON")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise OutboxError("The outbox was written by a newer version of this program; use that one.")
        if version < _VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")

    @contextmanager
    def _writing(self, safety: str = "FULL") -> Iterator[None]:
        """A transaction. FULL: on the disk at its end; NORMAL: out of the program's hands, which survives its end."""
        with _explained():
            self._be_safe(safety)
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _fold(self) -> None:
        """Take the list of the acknowledged into the messages."""
        self._db.execute(
            "UPDATE message SET sent_s = (SELECT a.sent_s FROM acknowledged a WHERE a.id = message.id) "
            "WHERE id IN (SELECT id FROM acknowledged) AND sent_s IS NULL"
        )
        self._db.execute("DELETE FROM acknowledged")

    def _settle_rest(self) -> None:
        """Settle what a program left that ended before it could, or that is being sent right now."""
        with _explained():
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
        self._fold()
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
        if gone:
            self._db.executemany("DELETE FROM message WHERE id = ?", gone)
            self._db.execute(
                "INSERT INTO counter VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
                (len(gone), len(gone)),
            )


def _digest(interval: Interval) -> bytes:
    """The same interval of the same module, whatever else of it is shared: its voltage's harmonics as they are sent."""
    shared = [interval.values.get(key) for key in map_keys() if group_of(key) == "V"]
    return hashlib.sha256(repr((interval.end_s, interval.type, shared)).encode()).digest()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise OutboxError(
                f"The outbox can't be used ({error}); check that the disk has room and the folder is yours."
            ) from None
        raise OutboxError(
            f"The outbox is damaged ({error}); move {FILE} away to begin a new one, unsent intervals are lost with it."
        ) from None
    except OSError as error:
        raise OutboxError(
            f"The outbox can't be kept ({error.strerror or error}); check the folder or name another with SENSIX_DATA."
        ) from None
