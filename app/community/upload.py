"""Sends what waits in the outbox: in order, one message under way at a time, so that a kill repeats one at most."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.community import message
from app.community.broker import Broker
from app.community.outbox import Outbox, Waiting
from app.community.session import OldProtocol, Session, UploadError
from app.community.trusted_time import TrustedTime

ACKNOWLEDGED_WITHIN_S = 20.0
"""A broker that has not acknowledged a message for so long counts as gone."""
BACK_OFF_S = (0.5, 900.0)

_LOOK_EVERY_S = 0.1
_STOP_WITHIN_S = 1.0
_SETTLE_EVERY_S = 1.0
_READ_AHEAD = 144
"""Messages that are read from the file at once, a day of a module; whether each may still go is asked when it goes."""


@dataclass
class Progress:
    """What an Uploader has done so far. repeated: sent again after a connection was lost before the acknowledgement."""

    acknowledged: int = 0
    repeated: int = 0
    connections: int = 0


class BackOff:
    """Growing pauses between attempts: 0.5 s, 1, 2, ... 15 min; from the start again once something got through."""

    def __init__(self) -> None:
        self._next_s = BACK_OFF_S[0]

    def failed(self) -> float:
        """Seconds to wait now."""
        pause_s, self._next_s = self._next_s, min(self._next_s * 2, BACK_OFF_S[1])
        return pause_s

    def worked(self) -> None:
        """Begin anew."""
        self._next_s = BACK_OFF_S[0]


class Uploader:
    """Empties an outbox to a broker, in the caller's thread. stopped: asked often; sending ends within 2 s of True.
    consent: only what was put under it. unrecorded: ids that are acknowledged though that could not be written; they
    outlive this. BrokerError for certificates that can't be used."""

    def __init__(
        self,
        outbox: Outbox,
        broker: Broker,
        password: str | None,
        trusted: TrustedTime,
        stopped: Callable[[], bool],
        *,
        consent: str = "",
        unrecorded: set[int] | None = None,
    ) -> None:
        self._consent = consent
        self._unrecorded = set[int]() if unrecorded is None else unrecorded
        self._outbox = outbox
        self._broker = broker
        self._password = password
        self._trusted = trusted
        self._stopped = stopped
        self._context = broker.context()
        self._unsure: int | None = None
        self._settled_s = 0.0
        self.progress = Progress()

    def drain(self, *, at_once: bool = False) -> None:
        """Send all that may go now and wait for its acknowledgements; a new connection for each day and cell.

        at_once: also what is not due yet. Returns when nothing is left or it was stopped.
        :raises UploadError: what was acknowledged until then stays so, the rest waits.
        :raises OutboxError: the outbox fails, or another program is sending from it.
        """
        with self._outbox.sending():
            self._record()
            is_ready = False
            try:
                while not self._stopped() and (waiting := self._next(at_once)):
                    self._trusted.confirm()
                    if not is_ready:
                        self._make_ready()
                        is_ready = True
                    self._send_day(waiting)
            finally:
                self._settle()

    def _make_ready(self) -> None:
        """Before anything is sent. OutboxError where what is acknowledged could not be written."""
        if self._trusted.is_confirmed:
            self._outbox.give_up_future(self._trusted.now())
        self._outbox.check_room()
        self._settled_s = time.monotonic()

    def _settle(self) -> None:
        self._outbox.settle()
        self._settled_s = time.monotonic()

    def _next(self, at_once: bool) -> list[Waiting]:
        return self._outbox.next(
            _READ_AHEAD, backdated=self._broker.accepts_backdated, at_once=at_once, consent=self._consent
        )

    def _send_day(self, ready: Sequence[Waiting]) -> None:
        """Send those of these messages that are of the first one's day and cell, over a connection of their own."""
        first = ready[0]
        session = self._open()
        try:
            for waiting in ready:
                if self._stopped() or (waiting.cell, waiting.day) != (first.cell, first.day):
                    return
                self._send(session, waiting)
        finally:
            session.close()

    def _open(self) -> Session:
        """With MQTT 5, whose acknowledgements tell a refusal. With 3.1.1 where the broker does not take it twice: once
        may be a line or a broker that was just ending."""
        problem = UploadError(f"{self._broker.address} can't be reached.")
        for mqtt5 in (True, True, False):
            session = Session(self._broker, self._password, self._context, mqtt5=mqtt5, stopped=self._stopped)
            try:
                session.open()
            except OldProtocol as old:
                session.close()
                problem = old
            except BaseException:
                session.close()
                raise
            else:
                self.progress.connections += 1
                return session
        raise problem

    def _send(self, session: Session, waiting: Waiting) -> None:
        """Send a message, if it may still go, and write down its acknowledgement before anything else is sent."""
        if not self._outbox.may_go(waiting, backdated=self._broker.accepts_backdated):
            return
        self._pass(waiting)
        if waiting.id == self._unsure:
            self.progress.repeated += 1
        self._unsure = waiting.id
        session.publish(waiting.topic, waiting.payload)
        if self._is_acknowledged(session):
            self._acknowledge(waiting)

    def _is_acknowledged(self, session: Session) -> bool:
        """Wait for it; False where it was stopped before. UploadError if it does not come."""
        sent_s = time.monotonic()
        while not session.loop(_LOOK_EVERY_S):
            waited_s = time.monotonic() - sent_s
            if self._stopped() and waited_s > _STOP_WITHIN_S:
                return False
            if waited_s > ACKNOWLEDGED_WITHIN_S:
                raise UploadError(
                    f"{self._broker.address} has not acknowledged anything for {ACKNOWLEDGED_WITHIN_S:.0f} s; "
                    "what is not acknowledged waits."
                )
        return True

    def _pass(self, waiting: Waiting) -> None:
        """Let nothing out that was not checked: before it was kept, and again where it is not as it was then."""
        now_s = self._trusted.now()
        is_sealed = waiting.seal == message.seal(waiting.payload, waiting.topic, waiting.end_s)
        if is_sealed and waiting.end_s <= now_s:
            return
        try:
            message.check(waiting.payload, now_s=now_s, topic=waiting.topic)
        except message.MessageError as wrong:
            raise UploadError(f"A waiting message must not leave: {wrong}", permanent=True) from None

    def _acknowledge(self, waiting: Waiting) -> None:
        self._unrecorded.add(waiting.id)
        self._record()
        self._unsure = None
        self.progress.acknowledged += 1
        if time.monotonic() - self._settled_s > _SETTLE_EVERY_S:
            self._settle()

    def _record(self) -> None:
        if self._unrecorded:
            self._outbox.acknowledged(sorted(self._unrecorded))
            self._unrecorded.clear()
