"""Sends what waits in the outbox: in order, several under way where the line is long, until each is acknowledged."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.community import message
from app.community.broker import Broker
from app.community.outbox import Outbox, Waiting
from app.community.session import OldProtocol, Session, UploadError
from app.community.trusted_time import TrustedTime

ACKNOWLEDGED_WITHIN_S = 20.0
"""A broker that has not acknowledged anything for so long counts as gone."""
MOST_UNDER_WAY = 16
"""Messages that are sent ahead of their acknowledgement, at most: few brokers take more than 20."""
WORTH_WAITING_S = 0.005
"""A line that answers sooner needs no second message under way; a kill then repeats one at most."""
BACK_OFF_S = (0.5, 900.0)

_LOOK_EVERY_S = 0.1
_SETTLE_EVERY_S = 1.0
_SETTLE_EVERY = 256
_READ_AHEAD = 64


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
        self._mqtt5 = True
        self._under_way: dict[int, tuple[Waiting, float]] = {}
        self._unsure: set[int] = set()
        self._quickest_s: float | None = None
        self.progress = Progress()

    def drain(self, *, at_once: bool = False) -> None:
        """Send all that may go now and wait for its acknowledgements; a new connection for each day and cell.

        at_once: also what is not due yet. Returns when nothing is left or it was stopped.
        :raises UploadError: what was acknowledged until then stays so, the rest waits.
        :raises OutboxError: the outbox fails, or another program is sending from it.
        """
        with self._outbox.sending():
            self._record()
            try:
                while not self._stopped() and (first := self._next(1, at_once)):
                    self._trusted.confirm()
                    if self._trusted.is_confirmed:
                        self._outbox.give_up_future(self._trusted.now())
                    self._outbox.check_room()
                    self._send_day(first[0], at_once)
            finally:
                self._outbox.settle()

    def _next(self, count: int, at_once: bool) -> list[Waiting]:
        under_way = [waiting.id for waiting, _ in self._under_way.values()]
        return self._outbox.next(
            count,
            after=under_way,
            backdated=self._broker.accepts_backdated,
            at_once=at_once,
            consent=self._consent,
        )

    def _send_day(self, first: Waiting, at_once: bool) -> None:
        session = self._open()
        try:
            self._under_way.clear()
            self._exchange(session, first, at_once)
        finally:
            self._unsure.update(waiting.id for waiting, _ in self._under_way.values())
            self._under_way.clear()
            session.close()

    def _open(self) -> Session:
        while True:
            session = Session(self._broker, self._password, self._context, mqtt5=self._mqtt5, stopped=self._stopped)
            try:
                session.open()
            except OldProtocol:
                session.close()
                self._mqtt5 = False
                continue
            except BaseException:
                session.close()
                self._mqtt5 = True
                raise
            self.progress.connections += 1
            return session

    def _exchange(self, session: Session, first: Waiting, at_once: bool) -> None:
        """Send the messages of one day and cell over one connection."""
        ready: deque[Waiting] = deque()
        heard_s = settled_s = time.monotonic()
        unsettled = 0
        while True:
            if not ready and not self._stopped():
                for waiting in self._next(_READ_AHEAD, at_once):
                    if (waiting.cell, waiting.day) != (first.cell, first.day):
                        break
                    ready.append(waiting)
            while ready and len(self._under_way) < self._most_under_way() and not self._stopped():
                self._publish(session, ready.popleft())
            if not self._under_way:
                return
            done = session.loop(_LOOK_EVERY_S)
            now_s = time.monotonic()
            if done:
                self._acknowledge(done, now_s)
                heard_s = now_s
                unsettled += len(done)
                if unsettled >= _SETTLE_EVERY or now_s - settled_s > _SETTLE_EVERY_S:
                    self._outbox.settle()
                    settled_s, unsettled = now_s, 0
            elif self._stopped() and now_s - heard_s > _SETTLE_EVERY_S:
                return
            elif now_s - heard_s > ACKNOWLEDGED_WITHIN_S:
                raise UploadError(
                    f"{self._broker.address} has not acknowledged anything for {ACKNOWLEDGED_WITHIN_S:.0f} s; "
                    "what is not acknowledged waits."
                )

    def _publish(self, session: Session, waiting: Waiting) -> None:
        if not self._outbox.still_waits(waiting):
            return
        self._pass(waiting)
        if waiting.id in self._unsure:
            self.progress.repeated += 1
        number = session.publish(waiting.topic, waiting.payload)
        self._under_way[number] = (waiting, time.monotonic())

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

    def _acknowledge(self, numbers: list[int], now_s: float) -> None:
        done = [self._under_way.pop(number) for number in numbers if number in self._under_way]
        self._unrecorded.update(waiting.id for waiting, _ in done)
        self._record()
        for waiting, sent_s in done:
            self._unsure.discard(waiting.id)
            took_s = now_s - sent_s
            self._quickest_s = took_s if self._quickest_s is None else min(self._quickest_s, took_s)
        self.progress.acknowledged += len(done)

    def _record(self) -> None:
        if self._unrecorded:
            self._outbox.acknowledged(sorted(self._unrecorded))
            self._unrecorded.clear()

    def _most_under_way(self) -> int:
        """As many as the line holds: one while its length is not known, or where it is short."""
        if self._quickest_s is None:
            return 1
        return max(1, min(MOST_UNDER_WAY, int(self._quickest_s / WORTH_WAITING_S) + 1))
