"""The thread that empties the outbox, with growing pauses while the broker can't be had."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from app.community.broker import Broker, BrokerError
from app.community.outbox import DEFAULT_LIMIT_BYTES, Outbox, OutboxError
from app.community.rest import MapClient
from app.community.session import UploadError
from app.community.trusted_time import TrustedTime
from app.community.upload import BACK_OFF_S, BackOff, Progress, Uploader

log = logging.getLogger(__name__)

STOP_S = 2.0
_LOOK_EVERY_S = 5.0


class SenderPhase(StrEnum):
    """What the sender does."""

    IDLE = "idle"  # all that may go is sent
    SENDING = "sending"
    WAITING = "waiting"  # an attempt failed, it will be tried again
    DONE = "done"  # all that may go is sent, and the thread has ended
    FAILED = "failed"  # the thread has ended before that


@dataclass(frozen=True)
class SenderState:
    """error: one sentence, None where nothing is wrong. retry_in_s: pause before the next attempt. is_login_refused:
    the broker does not take user or password."""

    phase: SenderPhase
    error: str | None = None
    retry_in_s: float = 0.0
    progress: Progress = field(default_factory=Progress)
    is_login_refused: bool = False


class Sender:
    """Sends from the outbox in `folder` in a thread of its own.

    until_empty: send at once, whatever is due, and end with it; else go on, each message at its time. patience_s: with
    until_empty, how long nothing may get through before it gives up. how_to_trust: see TrustedTime.
    consent, unrecorded: see Uploader.
    on_state: told of each new state, on the sender's thread.
    """

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        password: str | None,
        time_source: MapClient | None,
        *,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        until_empty: bool = False,
        patience_s: float = 60.0,
        how_to_trust: str = "",
        consent: str = "",
        unrecorded: set[int] | None = None,
        on_state: Callable[[SenderState], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._broker = broker
        self._password = password
        self._time_source = time_source
        self._limit_bytes = limit_bytes
        self._until_empty = until_empty
        self._patience_s = patience_s
        self._how_to_trust = how_to_trust
        self._consent = consent
        self._unrecorded = unrecorded
        self._on_state = on_state
        self._stop = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="community sender", daemon=True)
        self.state = SenderState(SenderPhase.IDLE)

    def start(self) -> None:
        """Begin. Once only."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._woken.set()

    def stop(self) -> None:
        """End within 2 s: an attempt to connect that hangs is left to end by itself and sends nothing more."""
        self._stop.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end of the thread. True when it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            trusted = TrustedTime(self._time_source, self._broker, how=self._how_to_trust)
            with Outbox(self._folder, limit_bytes=self._limit_bytes, now=trusted.now) as outbox:
                uploader = Uploader(
                    outbox,
                    self._broker,
                    self._password,
                    trusted,
                    self._stop.is_set,
                    consent=self._consent,
                    unrecorded=self._unrecorded,
                )
                self._work(outbox, uploader)
        except (OutboxError, BrokerError) as wrong:
            self._tell(SenderState(SenderPhase.FAILED, str(wrong), progress=self.state.progress))
        except Exception:
            log.exception("Sending failed within this program")
            words = "Sending failed within this program; what is not acknowledged waits. It is tried again."
            self._tell(SenderState(SenderPhase.FAILED, words, progress=self.state.progress))

    def _work(self, outbox: Outbox, uploader: Uploader) -> None:
        pauses = BackOff()
        worked_s, acknowledged = time.monotonic(), 0
        while not self._stop.is_set():
            self._tell(SenderState(SenderPhase.SENDING, self.state.error, progress=uploader.progress))
            try:
                uploader.drain(at_once=self._until_empty)
            except UploadError as wrong:
                if uploader.progress.acknowledged > acknowledged:
                    worked_s, acknowledged = time.monotonic(), uploader.progress.acknowledged
                    pauses.worked()
                gives_up = wrong.permanent or time.monotonic() - worked_s > self._patience_s
                if self._until_empty and gives_up:
                    self._tell(SenderState(SenderPhase.FAILED, str(wrong), progress=uploader.progress))
                    return
                pause_s = BACK_OFF_S[1] if wrong.permanent else pauses.failed() * random.uniform(0.5, 1.0)
                if self._until_empty:
                    pause_s = min(pause_s, _LOOK_EVERY_S)
                self._tell(
                    SenderState(SenderPhase.WAITING, str(wrong), pause_s, uploader.progress, wrong.is_login_refused)
                )
                self._stop.wait(pause_s)
                continue
            if self._until_empty and not self._stop.is_set():
                self._tell(SenderState(SenderPhase.DONE, progress=uploader.progress))
                return
            pauses.worked()
            self._tell(SenderState(SenderPhase.IDLE, progress=uploader.progress))
            self._rest(outbox)

    def _rest(self, outbox: Outbox) -> None:
        """Until something is due, but look at the clock now and then: it may have been set, or the computer slept."""
        due_s = outbox.next_due_s(backdated=self._broker.accepts_backdated, consent=self._consent)
        pause_s = _LOOK_EVERY_S if due_s is None else max(0.1, min(due_s - time.time(), _LOOK_EVERY_S))
        self._woken.clear()
        if not self._stop.is_set():
            self._woken.wait(pause_s)

    def _tell(self, state: SenderState) -> None:
        self.state = state
        self._on_state(state)
