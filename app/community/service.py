"""The community upload as the window and the command line use it: consent, preview, intervals in, state out. No Qt."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.community import message
from app.community.anonymise import Aggregate, anonymise, day_of, why_left_out
from app.community.broker import BrokerError, parse_broker, password_of
from app.community.consent import Choices, ConsentError, ConsentRecord, Given, check_choices
from app.community.map_answers import MapError
from app.community.outbox import FILE, LATE_S, Counts, Outbox
from app.community.rest import MapClient
from app.community.sender import Sender, SenderPhase, SenderState
from app.community.sent_log import LogLimits

STANDING = "standing"
"""The consent that stands, as the outbox calls it."""


@dataclass(frozen=True)
class Preview:
    """The next message: payload is what would leave, byte for byte, on this topic. end_s: end of its interval.

    sendable: it may be sent as it is. reason: why not, or what else is to be said of it, in one sentence. basis: how
    the values came about, where not from the waveform.
    """

    topic: str
    payload: bytes
    end_s: int
    sendable: bool
    reason: str | None
    basis: str = ""


@dataclass(frozen=True)
class Status:
    """given: the consent that stands. counts: of the outbox. sender: what the sending thread does, None without one.
    log: how much of what was sent is kept."""

    given: Given | None
    counts: Counts
    sender: SenderState | None
    log: LogLimits


class Community:
    """The state in `folder`. Safe from several threads: each call opens what it needs.

    on_state: told of the sender's states, on its thread. how_to_trust: see TrustedTime.
    """

    def __init__(
        self, folder: Path, *, how_to_trust: str = "", on_state: Callable[[SenderState], None] = lambda _: None
    ) -> None:
        self.folder = folder
        self._how_to_trust = how_to_trust
        self._consent = ConsentRecord(folder)
        self._on_state = on_state
        self._keeping = threading.Lock()  # nothing is kept between the end of consent and the emptying of the outbox
        self._lock = threading.Lock()
        self._sender: Sender | None = None
        self._unrecorded: set[int] = set()

    @property
    def given(self) -> Given | None:
        """The consent that stands; None: nothing is sent."""
        return self._consent.given

    @property
    def is_outdated(self) -> bool:
        """Whether consent was given to another text, so that nothing is sent until it is given again."""
        return self._consent.is_outdated

    def give(self, choices: Choices) -> Given:
        """Record consent and begin to keep intervals; `start` sends them. What waits under another consent (other
        choices, another text) is deleted. ValueError or ConsentError when that can't be."""
        check_choices(choices)
        with self._keeping:
            self.stop()
            self._finish_withdrawing()
            known = self._consent.given
            if (known is None or known.choices != choices) and (self.folder / FILE).exists():
                with self._outbox() as outbox:
                    outbox.withdraw(STANDING)
            return self._consent.give(choices)

    def give_once(self) -> None:
        """Note in the record that consent was given for one sending."""
        self._consent.give_once()

    def withdraw(self) -> int:
        """End sending and empty the outbox. Returns how many messages were deleted unsent."""
        with self._keeping:
            self._consent.withdraw()
            self.stop()
            return self._finish_withdrawing()

    def finish_withdrawing(self) -> None:
        """Empty the outbox where consent was withdrawn and the program ended before it could."""
        with self._keeping:
            self._finish_withdrawing()

    def _finish_withdrawing(self) -> int:
        if not self._consent.is_emptying:
            return 0
        with self._outbox() as outbox:
            gone = outbox.withdraw()
        self._consent.emptied()
        return gone

    def offer(self, measurement: Aggregate) -> str | None:
        """Keep a 10-minute measurement for sending, if there is consent. Returns why it was left out, None if it was
        not. Returns quickly, but it writes to the disk: not for the window's own thread."""
        with self._keeping:
            given = self._consent.given
            if given is None:
                return "There is no consent."
            reason = why_left_out(measurement)
            if reason is not None:
                return reason
            try:
                with self._outbox(given.choices.limit_mb) as outbox:
                    outbox.put(anonymise(measurement, given.choices.share), given.choices.cell, STANDING)
            except message.MessageError as wrong:
                return str(wrong)
        with self._lock:
            if self._sender is not None:
                self._sender.wake()
        return None

    def preview(self, measurement: Aggregate, choices: Choices) -> Preview:
        """The message of a measurement, also of an interval under way, exactly as it would leave under these choices.
        Needs no consent and sends nothing. Its pseudonym is kept for the day."""
        interval = anonymise(measurement, choices.share)
        with self._outbox() as outbox:
            alias = outbox.alias(choices.cell, day_of(interval.end_s))
            known = outbox.knows(interval)
        payload = message.build(interval, alias)
        reason = why_left_out(measurement)
        if reason is None:
            try:
                message.check(payload, now_s=time.time(), topic=alias.topic)
            except message.MessageError as wrong:
                reason = str(wrong)
        sendable = reason is None
        if sendable and known:
            reason = "This interval is sent already, or waits in the outbox; it is not sent twice."
        elif sendable and interval.end_s < time.time() - LATE_S and not choices.accepts_backdated:
            sendable, reason = (
                False,
                "Too late: it is older than 10 minutes and goes only to a broker that takes such data.",
            )
        return Preview(alias.topic, payload, interval.end_s, sendable and not known, reason)

    def start(self, ask_password: Callable[[str], str] | None = None) -> None:
        """Send from now on what consent covers, each message at its time. Does nothing without consent, or if it is
        sending already. BrokerError or MapError for an address, file or password that can't be used."""
        self.finish_withdrawing()
        given = self._consent.given
        with self._lock:
            if given is None or self._sender is not None:
                return
            choices = given.choices
            broker = parse_broker(choices.broker, accepts_backdated=choices.accepts_backdated)
            source = MapClient(choices.map_url, ca=broker.ca) if choices.map_url else None
            self._sender = Sender(
                self.folder,
                broker,
                password_of(broker, ask_password),
                source,
                limit_bytes=choices.limit_mb * 2**20,
                how_to_trust=self._how_to_trust,
                consent=STANDING,
                unrecorded=self._unrecorded,
                on_state=self._on_state,
            )
            self._sender.start()

    def stop(self) -> None:
        """End sending within 2 s; what waits stays."""
        with self._lock:
            sender, self._sender = self._sender, None
        if sender is not None:
            sender.stop()

    def status(self) -> Status:
        """Where things stand."""
        with self._outbox() as outbox:
            counts, log = outbox.counts(), outbox.log_limits
        with self._lock:
            state = None if self._sender is None else self._sender.state
        return Status(self._consent.given, counts, state, log)

    def keep_log(self, wanted: LogLimits) -> None:
        """Keep so much of what was sent, from now on; the rest is forgotten at once. ValueError for numbers that make
        no sense."""
        with self._outbox() as outbox:
            outbox.log_limits = wanted

    def export_log(self, path: Path) -> int:
        """Write the log to a file of JSON lines: when, to which topic, and the bytes as they left. A first line says
        how many messages the log does not have any more, and until when, if there are such. Returns how many messages
        were written. OSError if it can't be."""
        if path.exists() and any(path.samefile(own) for own in self.folder.glob("community*")):
            raise OSError(errno.EPERM, "sharing keeps its own state there")
        count = 0
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file, self._outbox() as outbox:
            sums = outbox.log_sums()
            if sums.forgotten:
                gone = {"no_longer_kept": sums.forgotten, "sent_until": iso(sums.forgotten_until_s)}
                file.write(json.dumps(gone) + "\n")
            for sent in outbox.sent():
                line = {
                    "sent": iso(sent.sent_s),
                    "interval_end": iso(sent.end_s),
                    "topic": sent.topic,
                    "payload": sent.payload.decode("utf-8"),
                }
                file.write(json.dumps(line) + "\n")
                count += 1
        return count

    def _outbox(self, limit_mb: int = 64) -> Outbox:
        return Outbox(self.folder, limit_bytes=limit_mb * 2**20)


def consent_once(broker: str) -> str:
    """The consent of a single sending to this broker, as the outbox calls it."""
    return f"once {parse_broker(broker).address}"


def iso(time_s: float) -> str:
    """Epoch seconds as UTC, ISO 8601 with seconds."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


__all__ = [
    "BrokerError",
    "Choices",
    "Community",
    "ConsentError",
    "MapError",
    "Preview",
    "SenderPhase",
    "SenderState",
    "Status",
    "iso",
]
