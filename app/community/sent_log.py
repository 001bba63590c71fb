"""The log of what was sent, within an age and a size that the user sets. What leaves it is still never sent again.

Works on the outbox's database, within its transactions. Sums are kept beside the messages: adding up a year of them
would read the whole file.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

DAY_S = 86_400.0
MB = 1_000_000
_PIECE = 500

SCHEMA = """
CREATE TABLE IF NOT EXISTS forgotten (digest BLOB PRIMARY KEY) WITHOUT ROWID;
"""


class LogLimits(NamedTuple):
    """How long and how much of what was sent is kept: days 1..36500, mb 1..100000 (a million bytes each)."""

    days: int = 365
    mb: int = 100

    def check(self) -> LogLimits:
        """Itself. ValueError, with one clear sentence, for numbers that make no sense."""
        if not 1 <= self.days <= 36_500:
            raise ValueError("The log is kept for 1 to 36500 days.")
        if not 1 <= self.mb <= 100_000:
            raise ValueError("The log may have 1 to 100000 MB.")
        return self


USUAL_LIMITS = LogLimits()


class LogSums(NamedTuple):
    """sent, sent_bytes: of all that was ever sent. forgotten, forgotten_bytes: of these, what the log does not have any
    more, sent up to forgotten_until_s (epoch seconds, 0 for nothing)."""

    sent: int
    sent_bytes: int
    forgotten: int
    forgotten_bytes: int
    forgotten_until_s: float


def begin(db: sqlite3.Connection) -> None:
    """Add up what an outbox of an older version holds."""
    sent, size = db.execute("SELECT count(*), total(length(payload)) FROM message WHERE sent_s IS NOT NULL").fetchone()
    add(db, "sent", sent)
    add(db, "sent_bytes", int(size))


def limits(db: sqlite3.Connection) -> LogLimits:
    """As set, or the usual ones."""
    return LogLimits(int(_value(db, "log_days", USUAL_LIMITS.days)), int(_value(db, "log_mb", USUAL_LIMITS.mb)))


def set_limits(db: sqlite3.Connection, wanted: LogLimits) -> None:
    """From now on; what is beyond them is forgotten at once."""
    _set(db, "log_days", wanted.days)
    _set(db, "log_mb", wanted.mb)
    prune(db)


def sums(db: sqlite3.Connection) -> LogSums:
    """What was sent and forgotten."""
    names = ("sent", "sent_bytes", "forgotten", "forgotten_bytes")
    return LogSums(*(int(_value(db, name, 0)) for name in names), _value(db, "forgotten_until_s", 0.0))


def fold(db: sqlite3.Connection) -> None:
    """Take the list of the acknowledged into the messages."""
    ids = "SELECT m.id FROM acknowledged a JOIN message m ON m.id = a.id WHERE m.sent_s IS NULL"
    count, size = db.execute(f"SELECT count(*), total(length(payload)) FROM message WHERE id IN ({ids})").fetchone()
    if count:
        db.execute(
            "UPDATE message SET sent_s = (SELECT a.sent_s FROM acknowledged a WHERE a.id = message.id) "
            f"WHERE id IN ({ids})"
        )
        add(db, "sent", count)
        add(db, "sent_bytes", int(size))
    db.execute("DELETE FROM acknowledged")


def prune(db: sqlite3.Connection) -> None:
    """Forget the oldest messages beyond the limits, but for their digests. Age counts from the last sending: a clock
    that is wrong now forgets nothing."""
    wanted = limits(db)
    (last_s,) = db.execute("SELECT max(sent_s) FROM message WHERE sent_s IS NOT NULL").fetchone()
    if last_s is None:
        return
    known = sums(db)
    size = known.sent_bytes - known.forgotten_bytes
    oldest = db.execute(
        "SELECT id, sent_s, length(payload) FROM message WHERE sent_s IS NOT NULL ORDER BY sent_s, end_s, id"
    )
    gone, gone_bytes, until_s = [], 0, 0.0
    for number, sent_s, length in oldest:
        if size <= wanted.mb * MB and sent_s >= last_s - wanted.days * DAY_S:
            break
        gone.append(number)
        size, gone_bytes, until_s = size - length, gone_bytes + length, sent_s
    for first in range(0, len(gone), _PIECE):
        piece = gone[first : first + _PIECE]
        marks = ",".join("?" * len(piece))
        db.execute(f"INSERT OR IGNORE INTO forgotten SELECT digest FROM message WHERE id IN ({marks})", piece)
        db.execute(f"DELETE FROM message WHERE id IN ({marks})", piece)
    if gone:
        add(db, "forgotten", len(gone))
        add(db, "forgotten_bytes", gone_bytes)
        _set(db, "forgotten_until_s", until_s)


def _value(db: sqlite3.Connection, name: str, usual: float) -> float:
    row = db.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
    return usual if row is None else float(row[0])


def _set(db: sqlite3.Connection, name: str, value: float) -> None:
    db.execute(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", (name, value)
    )


def add(db: sqlite3.Connection, name: str, added: int) -> None:
    """Add to a sum."""
    db.execute(
        "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        (name, added),
    )
