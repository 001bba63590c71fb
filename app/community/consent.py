"""Consent: what a person is told, and the record of what they agreed to. Off until given; each change asks anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from app.community.anonymise import shared_groups
from app.community.broker import parse_broker
from app.data_folder import private_folder
from resources.geohash import CELL_LENGTH, bounds

VERSION = "3"
DATE = "2026-11-22"
"""Of the text below: whoever agreed to another version is asked again."""
FILE = "community.json"
SCHEMA = 1


class ConsentError(Exception):
    """One clear sentence: consent can't be kept or does not cover this."""


@dataclass(frozen=True)
class Choices:
    """What consent is given for. cell: geohash of 4 letters. share: of anonymise.CHOICES. broker: its address. map_url:
    the map's REST address, "" for none. limit_mb: room for what is unsent."""

    cell: str
    broker: str
    share: tuple[str, ...] = ()
    accepts_backdated: bool = False
    map_url: str = ""
    limit_mb: int = 64


@dataclass(frozen=True)
class Given:
    """Consent that stands. at: UTC, ISO 8601."""

    version: str
    at: str
    choices: Choices


class Section(NamedTuple):
    """A heading and its words."""

    title: str
    body: str


def text(choices: Choices) -> tuple[Section, ...]:
    """What a person reads before they agree, for these choices, in plain words."""
    south_deg, west_deg, north_deg, east_deg = bounds(choices.cell)
    broker = parse_broker(choices.broker)
    groups = shared_groups(choices.share)
    sent = ["the harmonics of the voltage and their sum (THD), as means of 10 minutes"]
    if "P" in groups:
        sent.append("active, apparent and reactive power of all phases together, as means of 10 minutes")
    if "I" in groups:
        sent.append("the harmonics of the currents and their sum (THD), as means of 10 minutes")
    infer = (
        "The voltage's harmonics are much the same in a whole street. They change a little with large loads and with "
        "your own inverter or charger, and they show that somebody in this cell measures at that time."
    )
    if "P" in groups:
        infer += (
            " Power is your load curve: from it others can tell when somebody gets up, cooks, leaves the house or is "
            "away, and whether there is a solar system. You chose to send it."
        )
    if "I" in groups:
        infer += (
            " The currents' harmonics show which kinds of appliance run and when, for example a charger or a heat pump."
            " You chose to send them."
        )
    account = (
        f" You send under the account {broker.user!r}: with an account of your own, the broker's operator can join all "
        "your days and knows whose they are."
        if broker.user
        else " An account of your own at the broker would let its operator join all your days."
    )
    if broker.url.cert:
        account += " You send with a certificate of your own: it joins all your days as an account does."
    return (
        Section(
            "What is sent",
            f"Every message holds {'; '.join(sent)}; the kind of module (one or three phases); the end of the 10 "
            f"minutes; and as the place the centre of the cell {choices.cell}, which reaches from {south_deg:.2f} to "
            f"{north_deg:.2f} degrees of latitude and from {west_deg:.2f} to {east_deg:.2f} degrees of longitude, some "
            "20 km by 20 to 40 km. Ten minutes with a disturbance or missing samples are left out. Over RS485 and WiFi "
            "the means are made of the module's own readings, one every few seconds. You can read the exact bytes of "
            "the next message at any time, also before you agree.",
        ),
        Section(
            "What is not sent",
            "Neither the module's number nor names, addresses, your network or the exact place; they are not kept for "
            "sending either. Instead of the module's number stands a random one, made anew for each cell and day. "
            "Waveforms and single events are not sent.",
        ),
        Section(
            "How often",
            "One message for each 10 minutes, some 2 kilobytes, at a random moment of the 10 minutes that follow. "
            + (
                "What could not be sent in time is sent later, since this broker takes it."
                if choices.accepts_backdated
                else "What could not be sent within 10 minutes stays here and is not shared."
            ),
        ),
        Section(
            "Where to",
            f"To the broker {broker.address}{', encrypted' if broker.tls else ' on this computer'}. It passes the "
            "messages on to the community map, which shows the mean of each cell to everybody. Where you are alone in "
            "a cell, its values are yours. The broker's operator sees the IP address that you send from, and by it "
            "could tell roughly where you are and join your days." + account,
        ),
        Section("What others can infer", infer),
        Section(
            "How to end it",
            "Withdraw at any time with one click, or with the command community withdraw: sending stops at once and "
            "what waits is deleted. What was sent is part of the map's means and can't be called back; nobody can tell "
            "which part is yours. A log of all that was sent stays on this computer for you.",
        ),
        Section(
            "This text",
            f"Version {VERSION} of {DATE}. If it changes you are asked again, and nothing is sent until you agree.",
        ),
    )


class ConsentRecord:
    """The file in `folder` that holds the consent that stands, and when it was given and withdrawn. What can't be read
    counts as no consent."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder = folder
        self._now = now

    @property
    def given(self) -> Given | None:
        """The consent that stands for the present text; None where there is none."""
        given: Any = self._read().get("given")
        try:
            choices = dict(given["choices"])
            found = Given(
                str(given["version"]), str(given["at"]), Choices(**{**choices, "share": tuple(choices["share"])})
            )
            check_choices(found.choices)
        except (TypeError, KeyError, ValueError, AttributeError):
            return None
        return found if found.version == VERSION else None

    @property
    def is_outdated(self) -> bool:
        """Whether consent stands for another text than the present one: it has to be asked for again."""
        given: Any = self._read().get("given")
        return isinstance(given, dict) and str(given.get("version")) != VERSION

    @property
    def history(self) -> tuple[dict[str, Any], ...]:
        """{"what": "given", "given once" or "withdrawn", "at", "version"}, oldest first."""
        entries = self._read().get("history")
        return tuple(entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()

    def give(self, choices: Choices) -> Given:
        """Record consent to the present text for these choices. ValueError for choices that make no sense."""
        check_choices(choices)
        given = Given(VERSION, self._stamp(), choices)
        self._write({"version": given.version, "at": given.at, "choices": asdict(choices)}, "given")
        return given

    def give_once(self) -> None:
        """Note that consent was given for a single sending; nothing stands afterwards that did not before."""
        self._write(self._read().get("given"), "given once")

    def withdraw(self) -> None:
        """From now on there is no consent; `emptied` is to follow."""
        self._write(None, "withdrawn", is_emptying=True)

    @property
    def is_emptying(self) -> bool:
        """Whether the outbox still has to be emptied: the program ended while consent was withdrawn."""
        return self._read().get("emptying") is True

    def emptied(self) -> None:
        """Nothing that was made under the consent of before is left."""
        document = self._read()
        if document.pop("emptying", None) is not None:
            self._replace(document)

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads((self._folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) and document.get("schema") == SCHEMA else {}

    def _write(self, given: Any, what: str, *, is_emptying: bool = False) -> None:
        history = [*self.history, {"what": what, "at": self._stamp(), "version": VERSION}]
        emptying = {"emptying": True} if is_emptying or self.is_emptying else {}
        self._replace({"schema": SCHEMA, "given": given, "history": history, **emptying})

    def _replace(self, document: dict[str, Any]) -> None:
        body = json.dumps(document, indent=1)
        fresh = self._folder / (FILE + ".new")
        try:
            private_folder(self._folder)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._folder / FILE)
        except OSError as error:
            raise ConsentError(
                f"Consent can't be recorded ({error.strerror or error}); check the folder, or name another with "
                "SENSIX_DATA."
            ) from None


def check_choices(choices: Choices) -> None:
    """ValueError, with one clear sentence, for choices that can't be agreed to."""
    bounds(choices.cell)
    if len(choices.cell) != CELL_LENGTH or choices.cell != choices.cell.lower():
        raise ValueError("The place has to be a cell of 4 letters and nothing finer.")
    shared_groups(choices.share)
    parse_broker(choices.broker)
    if type(choices.limit_mb) is not int or not 1 <= choices.limit_mb <= 100_000:
        raise ValueError("The room for unsent messages has to be 1 to 100000 MB.")
