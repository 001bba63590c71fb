"""Who may use the embedded broker: a password a module, kept as salted hashes; each may touch only its own topics."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from pathlib import Path

from device_io.mqtt.topics import split_topic

DESKTOP = "desktop"
"""The user name of this program; its password is made anew with every start and kept nowhere."""
_ROUNDS = 10_000  # passwords are random, 120 bits
_PASSWORD_BYTES = 15


class Accounts:
    """The accounts in a file. Safe for use from several threads. OSError where the file can't be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._hashes: dict[str, tuple[bytes, bytes]] = {}
        self.desktop_password = secrets.token_urlsafe(_PASSWORD_BYTES)
        if path.exists():
            try:
                stored = json.loads(path.read_text(encoding="utf-8"))
                self._hashes = {
                    user: (bytes.fromhex(salt), bytes.fromhex(digest)) for user, (salt, digest) in stored.items()
                }
            except (ValueError, TypeError, AttributeError):
                raise OSError(f"{path} is damaged. Remove it, then give every module a new password.") from None

    def add(self, eui: str) -> str:
        """A new password for the module, which replaces an older one."""
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        salt = secrets.token_bytes(16)
        with self._lock:
            self._hashes[eui.upper()] = salt, _digest(password, salt)
            self._save()
        return password

    def remove(self, eui: str) -> None:
        """This module may connect no more."""
        with self._lock:
            if self._hashes.pop(eui.upper(), None) is not None:
                self._save()

    def modules(self) -> tuple[str, ...]:
        """EUIs that have a password."""
        with self._lock:
            return tuple(sorted(self._hashes))

    def is_right(self, user: str | None, password: str | None) -> bool:
        """Whether this is the user's password."""
        if user == DESKTOP:
            return hmac.compare_digest((password or "").encode(), self.desktop_password.encode())
        with self._lock:
            salt, digest = self._hashes.get((user or "").upper(), (b"", b""))
        return hmac.compare_digest(_digest(password or "", salt), digest)

    def may_use(self, user: str | None, topic: str) -> bool:
        """Whether a user may publish, receive, or subscribe to this topic: the desktop all of v1/, a module its own."""
        if user == DESKTOP:
            return topic.startswith("v1/")
        parts = split_topic(topic)
        return parts is not None and user is not None and parts[1].upper() == user.upper()

    def _save(self) -> None:
        stored = {user: [salt.hex(), digest.hex()] for user, (salt, digest) in self._hashes.items()}
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(stored, file)
        beside.replace(self._path)


def _digest(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
