"""The life of one unit on a bus: found, read again and again, lost, found again. Run by the bus' thread."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from device_io.job_queue import Job, JobQueue
from device_io.modbus.errors import BusError, DamagedReply, ExceptionReply
from device_io.modbus.unit import Result, Steps, Stopped, Unit
from device_io.source import (
    LinkCounters,
    LinkError,
    LinkErrorKind,
    LinkPhase,
    LinkState,
    ModuleInfo,
    SampleBlock,
    Sink,
)
from device_io.urls import LinkUrl

if TYPE_CHECKING:
    from device_io.modbus.client import Master

RETRY_S, LONGEST_RETRY_S = 0.5, 2.0
_STATE_EVERY_S = 0.5
_RATE_OVER = 16
_RATE_OVER_S = 30.0
_Work = Callable[[Unit], Steps[Any]]
_PARITIES = {"N": "no parity", "E": "even parity", "O": "odd parity"}


class Station:
    """One unit of a bus and those who wait for it.

    poll_s: time from one set of readings to the next, if the bus allows. snapshots: whether one after the other is
    taken. reconnect: whether a lost unit is looked for again.
    """

    def __init__(self, url: LinkUrl, sink: Sink, *, poll_s: float, snapshots: bool, reconnect: bool) -> None:
        self.url = url
        self.ended = threading.Event()
        self.leaving = threading.Event()
        self._sink = sink
        self._poll_s = poll_s
        self._snapshots = snapshots
        self._reconnect = reconnect
        self._unit: Unit | None = None
        self._known: ModuleInfo | None = None
        self._jobs: JobQueue[_Work] = JobQueue()
        self._turn = threading.RLock()  # held while it uses the bus or tells its sink
        self._running: _Running | None = None
        self._shot: Steps[list[SampleBlock]] | None = None
        self._shot_from_s = 0.0  # no snapshot is begun before
        self._due_s = 0.0
        self._retry_s = RETRY_S
        self._done_s: deque[float] = deque(maxlen=_RATE_OVER)
        self._state: LinkState | None = None
        self._told_s = 0.0
        self._past = LinkCounters()
        self._blocks = 0
        self._next_index: dict[int, int] = {}  # of each chip, behind what was delivered

    @property
    def name(self) -> str:
        """Unit and port, for sentences."""
        return f"Unit {self.url.unit} on {self.url.port}"

    @property
    def connected(self) -> bool:
        """Whether it has told who it is, and has not been lost since. Between turns."""
        return self._unit is not None

    def rate_hz(self) -> float:
        """Sets of readings a second over the last half minute; from any thread."""
        done = [t for t in list(self._done_s) if time.monotonic() - t < _RATE_OVER_S]
        if len(done) < 2:
            return 0.0
        return (len(done) - 1) / max(done[-1] - done[0], time.monotonic() - done[-1], 1e-3)

    def post(self, work: Callable[[Unit], Steps[Result]]) -> Future[Result]:
        """Do this when the unit's turn comes; from any thread."""
        return self._jobs.post(work)

    # The bus' thread

    def due_s(self) -> float:
        """When it wants the bus next (time.monotonic)."""
        if self._unit is None:
            return self._due_s
        if self._shot or self._running or self._jobs:
            return 0.0
        return min(self._due_s, self._shot_from_s) if self._snapshots else self._due_s

    def turn(self, master: Master) -> None:
        """Use the bus for a while. LinkError UNPLUGGED or STALLED if the port fails."""
        with self._turn:
            if not self.leaving.is_set():
                self._use(master)

    def _use(self, master: Master) -> None:
        try:
            if self._unit is None:
                self._connect(master)
            else:
                self._work(self._unit)
        except Stopped:
            pass
        except BusError as error:
            self._lose(self._silence(error))
        except LinkError as error:
            self._lose(error)
            if error.kind in (LinkErrorKind.UNPLUGGED, LinkErrorKind.STALLED):
                raise
        if self._state is not None and time.monotonic() - self._told_s >= _STATE_EVERY_S:
            self.tell(self._state.phase, self._state.error)

    def port_failed(self, error: LinkError) -> None:
        """The port can't be used; the bus tries again."""
        with self._turn:
            if not self.leaving.is_set():
                self._lose(self._of_port(error))

    def _of_port(self, error: LinkError) -> LinkError:
        if self._state is not None and self._state.phase == LinkPhase.LOST and self._state.error is not None:
            before = self._state.error.kind
            if before == LinkErrorKind.UNPLUGGED and error.kind in (LinkErrorKind.NO_SUCH_PORT, LinkErrorKind.REFUSED):
                return self._state.error  # it went away and is not back: those words say it best
        return error

    def fail(self, error: LinkError) -> None:
        """End before anything began."""
        self._fail_jobs(error, for_ever=True)
        self.end()

    def end(self) -> None:
        """The last that happens: it was stopped, or has failed. From any thread; waits for a turn to end."""
        with self._turn:
            if self.ended.is_set():
                return
            failed = self._jobs.closed
            self._fail_jobs(failed or LinkError(LinkErrorKind.REFUSED, "The link was closed."), for_ever=True)
            self.tell(LinkPhase.CLOSED if failed is None else LinkPhase.FAILED, failed)
            self.ended.set()

    def tell(self, phase: LinkPhase, error: LinkError | None = None) -> None:
        """Tell the sink where the link stands."""
        state = LinkState(phase, self.url.text, error, self.url.baud, self._counters())
        before = self._state
        if before is not None and str(error) == str(before.error) and state._replace(error=before.error) == before:
            return
        self._state, self._told_s = state, time.monotonic()
        self._sink.on_state(state)

    def _connect(self, master: Master) -> None:
        unit = Unit(master, self.url.unit, self.leaving.is_set, self.name)
        self._unit = unit
        info = unit.identify(attempts=1 if self._reconnect else 2)  # it is asked again anyway, or never
        if self._known is not None:
            self._past = self._past._replace(reconnects=self._past.reconnects + 1)
        self._retry_s, self._due_s = RETRY_S, 0.0
        self._identified(info)
        self.tell(LinkPhase.CONNECTED)

    def _work(self, unit: Unit) -> None:
        """A step of a job, a set of readings if it is time, a step of a snapshot."""
        if self._running is None and (job := self._jobs.take()) is not None:
            self._running = _Running(job, job.work(unit))
        if self._running is not None and self._running.step():
            self._running = None
        if time.monotonic() >= self._due_s:
            self._due_s = max(self._due_s + self._poll_s, time.monotonic())
            self._poll(unit)
        if self._shot or (self._snapshots and time.monotonic() >= self._shot_from_s):
            self._step_snapshot(unit)

    def _poll(self, unit: Unit) -> None:
        if self._known is None or "readings" not in self._known.capabilities:
            unit.settings()
        else:
            readings = unit.readings()
            self._sink.on_readings(readings)
        self._done_s.append(time.monotonic())
        if unit.restarted:
            self._identified(unit.identify())
        if self._state is None or self._state.phase != LinkPhase.STREAMING:
            self.tell(LinkPhase.STREAMING)

    def _identified(self, info: ModuleInfo) -> None:
        if self._known is None or (self._known.eui, self._known.boot_id) != (info.eui, info.boot_id):
            self._next_index.clear()
        self._known = info
        self._sink.on_identity(info)

    def _step_snapshot(self, unit: Unit) -> None:
        self._shot = self._shot or unit.snapshot()
        try:
            next(self._shot)
        except StopIteration as done:
            self._shot = None
            blocks = self._not_delivered(done.value)
            self._blocks += len(blocks)
            self._sink.on_blocks(blocks)
        except LinkError:
            self._shot = None
            self._shot_from_s = time.monotonic() + LONGEST_RETRY_S
            self._snapshots = self._known is not None and "waveform-snapshot" in self._known.capabilities

    def _not_delivered(self, blocks: list[SampleBlock]) -> list[SampleBlock]:
        """Without the samples that the snapshot before had too: on a quick line it began before that one's end."""
        fresh = []
        for block in blocks:
            again = max(0, self._next_index.get(block.chip, block.first_index) - block.first_index)
            if again < len(block.counts):
                self._next_index[block.chip] = block.first_index + len(block.counts)
                time_us = block.device_time_us + round(again / block.rate_hz * 1e6)
                first_index = block.first_index + again
                fresh.append(
                    block._replace(first_index=first_index, counts=block.counts[again:], device_time_us=time_us)
                )
        return fresh

    def _lose(self, error: LinkError) -> None:
        self._past, self._unit = self._counters(), None
        self._blocks = 0
        self._shot = None
        self._fail_running(error)
        self._due_s = time.monotonic() + self._retry_s
        self._retry_s = min(2.0 * self._retry_s, LONGEST_RETRY_S)
        if self._reconnect:
            self._fail_jobs(error, for_ever=False)
            self.tell(LinkPhase.LOST, error)
        else:
            self._fail_jobs(error, for_ever=True)
            self.leaving.set()

    def _fail_jobs(self, error: LinkError, *, for_ever: bool) -> None:
        if for_ever:
            self._jobs.close(error)
        else:
            self._jobs.fail(error)
        self._fail_running(error)

    def _fail_running(self, error: LinkError) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.job.fail(error)

    def _silence(self, error: BusError) -> LinkError:
        settings = f"{self.url.baud} baud, {_PARITIES[self.url.parity]}"
        if isinstance(error, DamagedReply):
            return LinkError(
                LinkErrorKind.DAMAGED_REPLIES,
                f"{self.name} answers, but what arrives is damaged ({settings}). Check baud and parity, the wires and "
                "the termination, and that no second unit or master has the same address.",
            )
        if isinstance(error, ExceptionReply):
            return LinkError(LinkErrorKind.REFUSED, f"{self.name} refuses to be read ({error}). Update its firmware.")
        if self._known is not None:
            return LinkError(
                LinkErrorKind.STALLED, f"{self.name} does not answer any more. Check its power and the bus wires."
            )
        return LinkError(
            LinkErrorKind.SILENT,
            f"{self.name} does not answer ({settings}). Check its power, its address, baud and parity, and whether "
            "A and B are swapped.",
        )

    def _counters(self) -> LinkCounters:
        unit, past = self._unit, self._past
        if unit is None:
            return past
        return past._replace(
            bytes_received=past.bytes_received + unit.bytes_received,
            frames_good=past.frames_good + unit.frames_good,
            frames_damaged=past.frames_damaged + unit.frames_damaged,
            blocks=past.blocks + self._blocks,
            blocks_repeated=past.blocks_repeated + unit.repeated,
        )


class _Running(NamedTuple):
    """A job and how far it is."""

    job: Job[_Work]
    steps: Steps[Any]

    def step(self) -> bool:
        """Go on with it; True when it has ended. A refusal is the job's own failure, all else the link's too."""
        try:
            next(self.steps)
        except StopIteration as done:
            self.job.done(done.value)
            return True
        except LinkError as error:
            if error.kind != LinkErrorKind.REFUSED:
                raise
            self.job.fail(error)
            return True
        return False
