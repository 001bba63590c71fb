"""Live sharing: the session's windows become means of 10 minutes; those are shared while consent stands. No Qt.

Samples are analysed once, by the session. What is made here of its windows is what dsp.monitor makes of its own; of a
link that brings readings only, the readings are averaged.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from app.community.anonymise import VIRTUAL, is_virtual
from app.community.broker import BrokerError, parse_broker
from app.community.consent import Choices, Given
from app.community.map_answers import MapError
from app.community.outbox import FILE, Counts, Outbox, OutboxError, Waiting
from app.community.sender import SenderPhase, SenderState
from app.community.sent_log import USUAL_LIMITS, LogLimits
from app.community.service import STANDING, Community, Preview
from app.map.own import OwnValues
from app.readings_means import TOO_FEW, WHY, MeanOfReadings, ReadingsMeans
from device_io.source import ModuleInfo
from dsp.aggregate import Aggregates
from dsp.measurement import Measurement
from resources.systems import WiringSystem

log = logging.getLogger(__name__)

NO_MAP = "Give the map's address: its time tells whether this computer's clock is right."
STOP_S = 2.0
AGAIN_S = 60.0
"""Pause before a sender that has ended, or a disk that was full, is tried again."""

_QUEUE = 3000  # windows: 10 minutes
_LOOK_EVERY_S = 0.5
_COUNT_EVERY_S = 15.0
_UNKEPT = 144


class _News:
    """Wakes the thread."""


_NEWS = _News()
_NOTHING = Counts(0, 0, 0, 0, 0, None)


@dataclass(frozen=True)
class SharingState:
    """given: the consent that stands. counts: of the outbox. phase: what the sender does, None without one. error: one
    sentence. left_out: why the last 10 minutes were not taken, None where they were. log: how much of it is kept.
    is_outdated: consent was given to another text. is_login_refused: the broker does not take user or password."""

    given: Given | None = None
    counts: Counts = _NOTHING
    phase: SenderPhase | None = None
    error: str | None = None
    left_out: str | None = None
    log: LogLimits = USUAL_LIMITS
    is_outdated: bool = False
    is_login_refused: bool = False


class SharingService:
    """Runs from `start` to `stop` beside a session, with consent and without: without it, it keeps the own values for
    the comparison with the map and sends nothing. on_state: told of each new state, on threads of its own."""

    def __init__(self, folder: Path, *, on_state: Callable[[SharingState], None] = lambda _: None) -> None:
        self.own = OwnValues()
        self.state = SharingState()
        self._folder = folder
        self._on_state = on_state
        self._community = Community(folder, how_to_trust=NO_MAP, on_state=self._on_sender)
        self._queue: queue.Queue[Measurement | ModuleInfo | _News | None] = queue.Queue(_QUEUE)
        self._making = threading.Lock()  # of the aggregates
        self._aggregates: Aggregates | ReadingsMeans | None = None
        self._system = ""
        self._info: ModuleInfo | None = None
        self._unkept: deque[tuple[Measurement, bool]] = deque(maxlen=_UNKEPT)
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._error: str | None = None
        self._left_out: str | None = None
        self._again_s = 0.0
        self._password: str | None = None
        self._thread = threading.Thread(target=self._run, name="sharing", daemon=True)

    def start(self) -> None:
        """Begin; what consent covers is sent from now on. Once only."""
        self._thread.start()

    def stop(self) -> None:
        """End within 2 s. What waits stays; the interval under way is lost."""
        ends_s = time.monotonic() + STOP_S
        self._stopping.set()
        self._wake()
        self._community.stop()
        if self._thread.is_alive():
            self._thread.join(max(0.0, ends_s - time.monotonic()))

    def add(self, measurement: Measurement) -> None:
        """Take a window of the session. Returns at once: what can't be taken in time is missing from its interval."""
        if not self._stopping.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(measurement)

    def set_module(self, info: ModuleInfo | None) -> None:
        """Another module is measured, or none."""
        while True:
            try:
                self._queue.put_nowait(info)
                return
            except queue.Full:  # what was measured of the module before is of no use without what follows
                self._empty_queue()

    @property
    def given(self) -> Given | None:
        """The consent that stands, as the disk has it."""
        return self._community.given

    # What a page asks for, on a thread that may wait

    def give(self, choices: Choices, password: str | None = None) -> None:
        """Record consent and begin. ValueError, ConsentError or OutboxError when that can't be; why nothing can be sent
        yet is told by `state`."""
        self._password = password or self._password
        self._community.give(choices)
        self._begin_sending()
        self._wake()

    def withdraw(self) -> int:
        """End sending and delete what waits. Returns how many messages were deleted unsent."""
        self._unkept.clear()
        gone = self._community.withdraw()
        self._error = self._left_out = None
        self._wake()
        return gone

    def preview(self, choices: Choices) -> Preview | None:
        """The next message: the first that waits, where these choices are those of the consent; else that of the
        interval under way. None where nothing is measured. Sends nothing."""
        basis = WHY if isinstance(self._aggregates, ReadingsMeans) else ""
        given = self._community.given
        if given is not None and given.choices == choices:
            waiting = self._next_waiting(choices)
            if waiting is not None:
                return Preview(waiting.topic, waiting.payload, waiting.end_s, True, None, basis)
        so_far = self.so_far()
        return None if so_far is None else replace(self._community.preview(so_far, choices), basis=basis)

    def so_far(self) -> Measurement | None:
        """The interval under way, as far as it came."""
        with self._making:
            results = copy.deepcopy(self._aggregates).finish() if self._aggregates is not None else []
        return next((result for result in reversed(results) if result.window == "10min"), None)

    def export_log(self, path: Path) -> int:
        """Write all that the log has to a file; how many messages. OSError or OutboxError if that can't be."""
        return self._community.export_log(path)

    def keep_log(self, wanted: LogLimits) -> None:
        """Keep so much of what was sent. ValueError or OutboxError if that can't be."""
        self._community.keep_log(wanted)
        self._wake()

    # The thread

    def _empty_queue(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()

    def _wake(self) -> None:
        """There is news to tell, or the end has come."""
        self._news.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(_NEWS)

    def _run(self) -> None:
        self._begin_sending()
        self._news.set()
        counted_s = 0.0
        while not self._stopping.is_set():
            try:
                item = self._queue.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                item = _NEWS
            if not isinstance(item, _News):
                try:
                    self._take(item)
                except Exception:
                    log.exception("The interval under way was lost")
                    with self._making:
                        self._aggregates = None
            now_s = time.monotonic()
            if self._again_s and now_s >= self._again_s:
                self._again_s = 0.0
                self._try_again()
            if self._news.is_set() or now_s - counted_s > _COUNT_EVERY_S:
                self._news.clear()
                counted_s = now_s
                self._tell()

    def _take(self, item: Measurement | ModuleInfo | None) -> None:
        if not isinstance(item, Measurement):
            self.own.clear()
            with self._making:
                self._info, self._aggregates = item, None
            return
        self.own.add(item)
        with self._making:
            if self._aggregates is None or item.system != self._system:
                self._aggregates, self._system = self._made(item), item.system
            done = self._aggregates.add(item)
        info = self._info
        for result in done:
            if result.window == "10min":
                self.own.add(result)
                self._offer(result, info is not None and is_virtual(info.eui, info.firmware))

    def _made(self, first: Measurement) -> Aggregates | ReadingsMeans:
        info = self._info
        if info is not None and "waveform-stream" not in info.capabilities:
            return ReadingsMeans(info)
        return Aggregates(cast(WiringSystem, first.system))

    def _offer(self, ten: Measurement, virtual: bool) -> None:
        given = self._community.given
        if given is None:
            return
        if virtual and not parse_broker(given.choices.broker).is_loopback:
            self._left_out = VIRTUAL
        else:
            try:
                self._left_out = self._community.offer(ten)
                if self._left_out and "short" in ten.flags and isinstance(ten, MeanOfReadings):
                    self._left_out = TOO_FEW
            except OutboxError as wrong:
                self._unkept.append((ten, virtual))
                self._fail(str(wrong))
        self._news.set()

    def _try_again(self) -> None:
        """Keep what could not be kept, and send again where sending has ended."""
        self._error = None
        for _ in range(len(self._unkept)):
            self._offer(*self._unkept.popleft())
        self._community.stop()
        self._begin_sending()
        self._news.set()

    def _begin_sending(self) -> None:
        try:
            self._community.start(self._ask_password)
        except (BrokerError, MapError, OutboxError) as wrong:
            self._fail(str(wrong))
        if self._stopping.is_set():
            self._community.stop()

    def _ask_password(self, _prompt: str) -> str:
        if self._password is None:
            raise BrokerError("The broker wants a password: give your consent again, it is asked for then.")
        return self._password

    def _on_sender(self, state: SenderState) -> None:
        """On the sender's thread."""
        if state.phase is SenderPhase.FAILED:
            self._fail(state.error or "Sending has ended.")
        else:
            self._error = state.error
        self._wake()

    def _fail(self, sentence: str) -> None:
        self._error = sentence
        self._again_s = time.monotonic() + AGAIN_S

    def _tell(self) -> None:
        counts, given, sender, log = _NOTHING, None, None, USUAL_LIMITS
        try:
            if (self._folder / FILE).exists():
                status = self._community.status()
                counts, given, sender, log = status.counts, status.given, status.sender, status.log
            else:
                given = self._community.given
        except OutboxError as wrong:
            self._error = str(wrong)
        self.state = SharingState(
            given,
            counts,
            sender.phase if sender else None,
            self._error,
            self._left_out,
            log,
            self._community.is_outdated,
            sender is not None and sender.is_login_refused,
        )
        if not self._stopping.is_set():
            self._on_state(self.state)

    def _next_waiting(self, choices: Choices) -> Waiting | None:
        if not (self._folder / FILE).exists():
            return None
        with Outbox(self._folder, limit_bytes=choices.limit_mb * 2**20) as outbox:
            return next(iter(outbox.next(1, backdated=choices.accepts_backdated, at_once=True, consent=STANDING)), None)
