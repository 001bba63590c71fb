"""What a doctor of links finds out: one `Check` for each part of the chain from this computer to the module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One part of the chain. name: what was looked at; text: one sentence with the finding; advice: what to do, ""
    where nothing is to be done. state "unknown": it could not be looked at."""

    name: str
    state: Literal["ok", "warn", "bad", "unknown"]
    text: str
    advice: str = ""
