"""The file of the outbox: its tables, how it is opened, and what goes wrong with it in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.community import sent_log
from app.data_folder import private_folder

FILE = "community-outbox.sqlite"
_BUSY_S = 10.0
_VERSION = 3
_CHECKPOINT_PAGES = 4000
"""16 MB: each time the disk is waited for twice, which a long backlog would do every second."""


_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    end_s INTEGER NOT NULL,
    due_s REAL NOT NULL,
    cell TEXT NOT NULL,
    day TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    payload BLOB NOT NULL,
    seal BLOB NOT NULL,
    sent_s REAL,
    consent TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS message_unsent ON message (end_s, id) WHERE sent_s IS NULL;
CREATE INDEX IF NOT EXISTS message_unsent_alias ON message (cell, day) WHERE sent_s IS NULL;
CREATE INDEX IF NOT EXISTS message_sent ON message (sent_s) WHERE sent_s IS NOT NULL;
CREATE TABLE IF NOT EXISTS acknowledged (id INTEGER PRIMARY KEY, sent_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS alias (cell TEXT, day TEXT, pseudonym TEXT, PRIMARY KEY (cell, day));
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
{sent_log.SCHEMA}
"""


class OutboxError(Exception):
    """One clear sentence: the outbox can't be used, and what to do."""


def open_file(path: Path) -> sqlite3.Connection:
    """The database, made where there is none, readable by its owner alone. OutboxError where that can't be."""
    with explained():
        private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            _prepare(db)
        except BaseException:
            db.close()
            raise
    return db


@contextmanager
def explained() -> Iterator[None]:
    """Errors of the database and the disk as OutboxError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "decode" not in str(error):
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


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise OutboxError("The outbox was written by a newer version of this program; use that one.")
    if version < _VERSION:
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()  # somebody else may have been quicker
            if version < 2:
                columns = [row[1] for row in db.execute("PRAGMA table_info(message)")]
                if "consent" not in columns:
                    db.execute("ALTER TABLE message ADD COLUMN consent TEXT NOT NULL DEFAULT 'standing'")
                sent_log.begin(db)
            db.execute(f"PRAGMA user_version = {_VERSION}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk has ended it already
                db.execute("ROLLBACK")
            raise
