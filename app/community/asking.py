"""How often a map was asked: it answers 120 questions an hour to an address, whichever program asks, also after a
restart."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from app.data_folder import private_folder

FILE = "community-asked.sqlite"
AN_HOUR = 120
HOUR_S = 3600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS asked (host TEXT NOT NULL, at_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS blocked (host TEXT PRIMARY KEY, until_s REAL NOT NULL);
"""
_BUSY_S = 2.0


class Asking:
    """Counts questions, in a file of `folder` that all programs share; without one, or where it can't be used, for
    itself. Safe from several threads."""

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._own: dict[str, list[float]] = {}
        self._own_blocked: dict[str, float] = {}

    def take(self, host: str) -> float:
        """Count a question. 0, or how many seconds to wait instead: it is not counted then."""
        now_s = self._clock()
        wait_s = self._wait(host, now_s)
        try:
            with self._database() as db:
                db.execute("BEGIN IMMEDIATE")
                db.execute("DELETE FROM asked WHERE at_s <= ? OR at_s > ?", (now_s - HOUR_S, now_s))
                db.execute("DELETE FROM blocked WHERE until_s <= ? OR until_s > ?", (now_s, now_s + HOUR_S))
                known = [row[0] for row in db.execute("SELECT at_s FROM asked WHERE host = ? ORDER BY at_s", (host,))]
                if len(known) >= AN_HOUR:
                    wait_s = max(wait_s, known[-AN_HOUR] + HOUR_S - now_s)
                row = db.execute("SELECT until_s FROM blocked WHERE host = ?", (host,)).fetchone()
                if row is not None:
                    wait_s = max(wait_s, row[0] - now_s)
                if wait_s <= 0.0:
                    db.execute("INSERT INTO asked VALUES (?, ?)", (host, now_s))
                db.execute("COMMIT")
        except (sqlite3.Error, OSError):
            pass  # its own count has to do
        if wait_s <= 0.0:
            self._own.setdefault(host, []).append(now_s)
        return max(wait_s, 0.0)

    def block(self, host: str, seconds: float) -> None:
        """The map wants no questions for so long."""
        until_s = self._clock() + min(seconds, HOUR_S)
        self._own_blocked[host] = until_s
        try:
            with self._database() as db:
                db.execute(
                    "INSERT INTO blocked VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET until_s = excluded.until_s",
                    (host, until_s),
                )
        except (sqlite3.Error, OSError):
            return

    def _wait(self, host: str, now_s: float) -> float:
        """By its own count."""
        known = self._own[host] = [at_s for at_s in self._own.get(host, []) if now_s - HOUR_S < at_s <= now_s]
        wait_s = known[-AN_HOUR] + HOUR_S - now_s if len(known) >= AN_HOUR else 0.0
        return max(wait_s, self._own_blocked.get(host, now_s) - now_s)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        if self._folder is None:
            raise OSError
        path = private_folder(self._folder) / FILE
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = OFF")
            db.executescript(_SCHEMA)
            yield db
