"""Passwords of brokers: from the system's keyring, the file named by SENSIX_PASSWORD_FILE, or a person."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl

SERVICE = "sensix"
"""Name of the service in the keyring; the account there is `account_of(url)`."""
FILE_VARIABLE = "SENSIX_PASSWORD_FILE"

Prompt = Callable[[str], str | None]
"""Asks a person with this sentence; None when they give up. Called on the connection's thread."""


def account_of(url: MqttUrl) -> str:
    """Whose password it is: user@host:port."""
    return f"{url.user}@{url.host}:{url.port}"


def find_password(url: MqttUrl, prompt: Prompt | None = None) -> str | None:
    """The password for the user in the URL; None where the URL names no user.

    :raises LinkError: (LOGIN_REFUSED) if there is none anywhere, or its file can't be read.
    """
    if url.user is None:
        return None
    password = _from_keyring(account_of(url)) or _from_file() or (prompt and prompt(f"Password of {account_of(url)}"))
    if not password:
        raise LinkError(
            LinkErrorKind.LOGIN_REFUSED,
            f"There is no password for {account_of(url)}. Store it in the keyring (service {SERVICE}), or put it into "
            f"a file that only you can read and name that file in {FILE_VARIABLE}.",
        )
    return password


def store_password(url: MqttUrl, password: str) -> bool:
    """Keep the password in the system's keyring; False where there is no keyring."""
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, account_of(url), password)
    except (KeyringError, OSError, RuntimeError):
        return False
    return True


def _from_keyring(account: str) -> str | None:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, account)
    except (KeyringError, OSError, RuntimeError):  # a headless computer has none
        return None


def _from_file() -> str | None:
    name = os.environ.get(FILE_VARIABLE)
    if not name:
        return None
    try:
        return Path(name).read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, UnicodeDecodeError):
        raise LinkError(
            LinkErrorKind.LOGIN_REFUSED, f"The password file {name} can't be read. Check {FILE_VARIABLE}."
        ) from None
