"""A sink that keeps what a source delivers, and waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from device_io.source import LinkCounters, LinkPhase, LinkState, ModuleInfo, Readings, SampleBlock


class RecordingSink:
    """`events` holds everything in order; the lists hold it by kind."""

    def __init__(self) -> None:
        self.events: list[object] = []
        self.identities: list[ModuleInfo] = []
        self.blocks: list[SampleBlock] = []
        self.batches = 0
        self.readings: list[Readings] = []
        self.states: list[LinkState] = []
        self.text: list[str] = []
        self._changed = threading.Condition()

    def on_identity(self, info: ModuleInfo) -> None:
        self._keep(self.identities, info)

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        with self._changed:
            self.batches += 1
        for block in blocks:
            self._keep(self.blocks, block)

    def on_readings(self, readings: Readings) -> None:
        self._keep(self.readings, readings)

    def on_state(self, state: LinkState) -> None:
        self._keep(self.states, state)

    def on_text(self, line: str) -> None:
        self._keep(self.text, line)

    def _keep(self, where: list, what: object) -> None:
        with self._changed:
            where.append(what)
            self.events.append(what)
            self._changed.notify_all()

    @property
    def phases(self) -> list[LinkPhase]:
        """Phases without repetitions."""
        phases: list[LinkPhase] = []
        for state in self.states:
            if not phases or phases[-1] != state.phase:
                phases.append(state.phase)
        return phases

    @property
    def counters(self) -> LinkCounters:
        return self.states[-1].counters

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Until the condition holds; fails after the time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not condition():
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"not within {timeout_s} s; states: {[(s.phase, str(s.error)) for s in self.states]}"
                self._changed.wait(left_s)

    def wait_for_phase(self, phase: LinkPhase, timeout_s: float = 30.0, since: int | None = None) -> LinkState:
        """The first state of this phase from now on, or the present one. since: how many states there were before
        whatever leads to it; without it a phase that has come and gone by now is waited for in vain."""
        first = max(len(self.states) - 1, 0) if since is None else since
        self.wait_for(lambda: any(state.phase == phase for state in self.states[first:]), timeout_s)
        return next(state for state in self.states[first:] if state.phase == phase)

    def wait_for_blocks(self, more: int, timeout_s: float = 30.0) -> None:
        """Until so many further blocks have arrived."""
        wanted = len(self.blocks) + more
        self.wait_for(lambda: len(self.blocks) >= wanted, timeout_s)
