"""What flashing is asked for, and what it tells: stages, progress, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from device_io.boot_log import Finding
from device_io.flashing.journal import Unfinished

ASK_S = 3.0
"""How long a module may take to answer before: one that can't is flashed as well."""
CONFIRM_S = 15.0
"""How long a module may take to answer after its reset."""


class Stage(StrEnum):
    """Where it stands; each stage comes at most once, in this order."""

    CHECK = "check"
    RELEASE = "release"
    IDENTIFY = "identify"
    BACKUP = "backup"
    WRITE = "write"
    VERIFY = "verify"
    RESET = "reset"
    CONFIRM = "confirm"


class FlashProgress(NamedTuple):
    """done, total: in the stage's own units (bytes where there are any), total 0 where unknown. eta_s: None as well."""

    stage: Stage
    done: int
    total: int
    eta_s: float | None


@dataclass(frozen=True)
class FlashOptions:
    """baud: of the loader. backup: keep the whole flash first. board: of the module, where a person knows it.
    anew: flash although an earlier job on this module was not finished; its backup stays the way back."""

    baud: int = 460_800
    backup: bool = True
    allow_unsigned: bool = False
    board: str | None = None
    attempts: int = 7
    ask_s: float = ASK_S
    confirm_s: float = CONFIRM_S
    anew: bool = False


@dataclass(frozen=True)
class FlashResult:
    """How it ended. refused: nothing was written. reason: one or two sentences, "" for ok. stage: the last one.
    version: what the module reports. backup: the file that was made, or that leads back.

    unfinished: writing began and the module does not run the new contents for sure: finish, or go back.
    earlier: the job of before that was not finished and is why this one was refused.
    differences: sentences on what the module keeps (settings, calibration, counters) and what it kept before.
    findings: what the module's boot log means. guide: steps for a person, where the module needs a hand.
    """

    result: Literal["ok", "refused", "failed"]
    reason: str = ""
    stage: Stage = Stage.CONFIRM
    backup: Path | None = None
    version: str | None = None
    unfinished: bool = False
    earlier: Unfinished | None = None
    differences: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    guide: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class Refused(Exception):
    """One sentence: why nothing is written."""


class NotFinished(Refused):
    """A job of before was not finished."""

    def __init__(self, earlier: Unfinished) -> None:
        what = f"The update to {earlier.version}" if earlier.what == "flash" else "Putting a backup back"
        super().__init__(f"{what} of this module was begun and not finished. Finish it, or go back to what was there.")
        self.earlier = earlier
