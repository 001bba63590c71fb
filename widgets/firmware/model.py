"""What the firmware page shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StageState(StrEnum):
    """State of a stage; the icons of `Status` belong to it."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Stage:
    """A stage of an update. `time`: what it took, or an estimate ("about 9 s"), in words.

    fraction 0..1, amount ("1.13 of 1.79 MB, 62 kB/s") and left ("18 s gone, about 11 s left") hold while it runs.
    """

    key: str
    title: str
    detail: str = ""
    state: StageState = StageState.WAITING
    time: str = ""
    fraction: float | None = None
    amount: str = ""
    left: str = ""


STAGES = (
    Stage("check", "Ask the module", "Who it is, its settings and counters"),
    Stage("update-mode", "Put the module into update mode", "Chip, flash and layout must suit the firmware"),
    Stage("backup", "Back up the whole module", "Every byte of its flash, checked by digest"),
    Stage("write", "Write the new firmware"),
    Stage("compare", "Compare what was written", "Digests of what stands in the flash"),
    Stage("restart", "Restart the module"),
    Stage("confirm", "Hear from the new firmware", "Its version; settings and calibration compared with before"),
)
"""The seven stages of an update, before it begins."""


@dataclass(frozen=True)
class Version:
    """A firmware. `version` is empty where it is not known. slot: "in slot A", where the module has slots."""

    version: str = ""
    date: str = ""
    slot: str = ""
    signed: bool | None = None
    """True by a key that is trusted, False not so, None not said."""
    signature: str = ""
    """In words, where it is not just "Signed by Sensix" or "Not signed"."""


@dataclass(frozen=True)
class Change:
    """A line of what changes, and what it means."""

    title: str
    detail: str = ""


@dataclass(frozen=True)
class Backup:
    """A backup in words: when it was taken, what is in it, its SHA-256, and the folder it is kept in. key: tells it
    from others."""

    taken: str = ""
    content: str = ""
    sha256: str = ""
    kept_in: str = ""
    verified: bool = False
    key: str = ""


class Phase(StrEnum):
    """Where the page stands."""

    EMPTY = "empty"
    READY = "ready"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    FAILED = "failed"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Headline:
    """The sentence at the top and what to know about it. guide: steps to take after a failure, in order. action: what
    the primary button says, "" for none, None for the words of the phase. can_go_back: in RECOVERY, whether what was
    there before can be put back."""

    phase: Phase
    title: str
    lead: str = ""
    guide: tuple[str, ...] = ()
    action: str | None = None
    can_go_back: bool = True


EMPTY = Headline(
    Phase.EMPTY,
    "No module is connected over USB",
    "Connect a module with a USB cable. Firmware is written over USB alone.",
)


@dataclass(frozen=True)
class Network:
    """A WiFi network in reach; strength 0..4 bars."""

    name: str
    strength: int = 0
    secured: bool = True


@dataclass(frozen=True)
class Provisioning:
    """What a module needs to come into the network. No field is kept by the widget after it was handed on."""

    network: str
    password: str
    broker: str
    broker_password: str = ""


class Severity(StrEnum):
    """How bad a finding in a boot log is."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """What a line of a boot log means, and what to do about it."""

    severity: Severity
    title: str
    advice: str = ""
