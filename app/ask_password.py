"""Asks for a password on the terminal."""

from __future__ import annotations

import getpass
import sys


def ask_password(sentence: str) -> str | None:
    """What a person types unseen; None where there is no terminal, or nothing was typed."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    try:
        return getpass.getpass(f"{sentence}: ") or None
    except (EOFError, KeyboardInterrupt):
        return None
