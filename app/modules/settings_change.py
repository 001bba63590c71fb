"""Changing a module's settings without cutting the branch one sits on."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from device_io.discovery.module_list import KnownLink, Presence, kind_of
from device_io.source import LinkError, LinkErrorKind, ModuleLink, Setting
from resources.settings import settings_table

JOB_S = 10.0
LARGEST_HISTORY = 1_000_000
"""Bytes of the history's file; then its older half is dropped."""


@dataclass(frozen=True)
class Changed:
    """How a change went. settings: all of the module's as they now stand. confirm_s: the module undoes the change after
    so many seconds unless it is confirmed; 0 where it stands. remark: one sentence for the person, "" for none."""

    settings: Mapping[str, Setting]
    confirm_s: int
    remark: str = ""


def problems(changes: Mapping[str, Setting]) -> dict[str, str]:
    """{key: one sentence} of the values that can't be written."""
    table = settings_table()
    found = {}
    for key, value in changes.items():
        problem = table[key].problem(value) if key in table else f"There is no setting {key!r}."
        if problem is not None:
            found[key] = problem
    return found


def cuts(changes: Mapping[str, Setting], used_url: str, links: Sequence[KnownLink]) -> str | None:
    """One sentence where a change may cut the link in use and no other one is proven to work; None where it may go on.

    links: all links of the module, with what is known of each."""
    used = kind_of(used_url)
    table = settings_table()
    cut = {key: table[key].link for key in changes if key in table and table[key].link}
    if used not in cut.values():
        return None
    if any(link.kind not in cut.values() and link.presence is not Presence.LOST for link in links):
        return None
    touching = " and ".join(table[key].name for key, link in cut.items() if link == used)
    there = {link.kind for link in links if link.presence is not Presence.LOST} | {used}
    words = {"rs485": "RS485", "wifi": "WiFi"}
    what = f"the {words[used]} link, the only one there is" if there == {used} else "all links there are"
    return f"{touching}: a mistake would cut {what}. Connect the module by USB as well, then change it."


def write(link: ModuleLink, changes: Mapping[str, Setting], timeout_s: float = JOB_S) -> Changed:
    """Write settings, read them back, compare.

    :raises LinkError: what the link says; REFUSED where the module keeps other values than were written.
    """
    _wait(link.write_settings(dict(changes)), timeout_s)
    now = _wait(link.read_settings(), timeout_s)
    table = settings_table()
    kept = [
        table[key].name
        for key, value in changes.items()
        if key in now and table[key].access == "rw" and not _same(now[key], value)
    ]
    if kept:
        raise LinkError(LinkErrorKind.REFUSED, f"The module did not keep {', '.join(kept)}. Read the settings again.")
    left = now.get("unconfirmed_s")
    return Changed(now, int(left) if isinstance(left, (int, float)) else 0)


def confirm(link: ModuleLink, timeout_s: float = JOB_S) -> None:
    """Make the last change stand. :raises LinkError:"""
    _wait(link.write_settings({"confirm": True}), timeout_s)


def _wait(future: object, timeout_s: float) -> Mapping[str, Setting]:
    try:
        return future.result(timeout_s)  # type: ignore[attr-defined,no-any-return]
    except FutureTimeoutError:
        raise LinkError(LinkErrorKind.SILENT, "The module did not answer in time. Try again.") from None


def _same(one: Setting, other: Setting) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, (int, float)) and isinstance(other, (int, float))
        return numbers and abs(float(one) - float(other)) < 0.051  # a register holds tenths
    return one == other


class History:
    """What was changed when, a JSON line each; secrets are named, never shown. Safe for use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def note(
        self, eui: str, url: str, before: Mapping[str, Setting], changes: Mapping[str, Setting], outcome: str
    ) -> None:
        """Add a change. OSError if it can't be written."""
        table = settings_table()
        secret = {key for key in changes if key in table and table[key].access == "wo"}
        entry = {
            "time": datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "module": eui,
            "link": kind_of(url),
            "changes": {
                key: {"from": None, "to": "(not shown)"} if key in secret else {"from": before.get(key), "to": value}
                for key, value in changes.items()
            },
            "outcome": outcome,
        }
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._shorten()
            line = json.dumps(entry, ensure_ascii=False) + "\n"
            with open(self._path, "ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        line = "\n" + line  # the program was killed in the middle of the one before
                file.write(line.encode("utf-8", "replace"))

    def entries(self, eui: str | None = None) -> list[dict[str, object]]:
        """What was noted, the latest first, of one module or of all."""
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found = []
        for line in reversed(lines):
            try:
                entry = json.loads(line)
            except ValueError:  # the program was killed in the middle of it
                continue
            if isinstance(entry, dict) and (eui is None or entry.get("module") == eui):
                found.append(entry)
        return found

    def _shorten(self) -> None:
        try:
            if self._path.stat().st_size <= LARGEST_HISTORY:
                return
        except OSError:
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(b"".join(lines[len(lines) // 2 :]))
        os.replace(fresh, self._path)
