"""What the modules page shows, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LinkKind(StrEnum):
    """How a module is reached."""

    USB = "usb"
    RS485 = "rs485"
    WIFI = "wifi"


LINK_WORDS = {LinkKind.USB: "USB", LinkKind.RS485: "RS485", LinkKind.WIFI: "WiFi"}


class LinkState(StrEnum):
    """used: measurements come over it; ready: it can be used; lost: it was there."""

    USED = "used"
    READY = "ready"
    LOST = "lost"


@dataclass(frozen=True)
class Link:
    """One way to a module. detail: port or address, and why it is lost."""

    kind: LinkKind
    state: LinkState
    detail: str = ""


@dataclass(frozen=True)
class Module:
    """A module, once, however many links it has. key: its EUI, or whatever tells it apart. type: "1P" or "3PN"."""

    key: str
    name: str
    eui_end: str = ""
    type: str = ""
    system: str = ""
    firmware: str = ""
    links: tuple[Link, ...] = ()
    note: str = ""
    """What it waits for, or which group it belongs to."""

    can_join: bool = False
    """Whether it may become one of three single-phase modules of a group."""

    is_group: bool = False
    """Whether it is such a group, shown as one module."""


@dataclass(frozen=True)
class Search:
    """How far the search on one kind of link is. text: "3 ports", "address 41 of 247"."""

    kind: LinkKind
    fraction: float
    text: str = ""
    running: bool = True


class SettingKind(StrEnum):
    """How a setting is edited."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    SWITCH = "switch"


SettingValue = str | float | bool | None


@dataclass(frozen=True)
class Setting:
    """A setting of a module. value None: the module does not tell it. choices: (value, words)."""

    key: str
    label: str
    kind: SettingKind
    value: SettingValue = None
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    decimals: int = 0
    choices: tuple[tuple[str, str], ...] = ()
    section: str = ""
    hint: str = ""
    cuts_link: bool = False
    """Whether a change cuts the link that is used now."""

    read_only: bool = False


class CheckState(StrEnum):
    """State of a check of the doctor."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    RUNNING = "running"
    WAITING = "waiting"


CHECK_WORDS = {
    CheckState.OK: "fine",
    CheckState.WARN: "look at it",
    CheckState.BAD: "fails",
    CheckState.RUNNING: "being checked",
    CheckState.WAITING: "waits",
}


@dataclass(frozen=True)
class Check:
    """A link in the chain from the computer to the module, and what to do where it breaks."""

    title: str
    state: CheckState = CheckState.WAITING
    detail: str = ""
    advice: str = ""
