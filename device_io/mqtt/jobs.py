"""Jobs of a WiFi link that wait: until it is known what the module can do, or for its next readings."""

from __future__ import annotations

import time
from collections.abc import Callable

from device_io.job_queue import MOST, too_many
from device_io.source import LinkError, LinkErrorKind, Readings

Done = Callable[[Readings], None]
Failed = Callable[[LinkError], None]


class WaitingJobs:
    """At most 16 wait; further ones fail at once (REFUSED). Not safe for use from several threads."""

    def __init__(self) -> None:
        self._held: list[tuple[Callable[[], None], Failed]] = []
        self._readers: list[tuple[float, Done, Failed]] = []

    def hold(self, again: Callable[[], None], failed: Failed) -> None:
        """Keep a job until `resume`."""
        if self._has_room(failed):
            self._held.append((again, failed))

    def await_readings(self, patience_s: float, done: Done, failed: Failed) -> None:
        """Wait for the next readings, so long."""
        if self._has_room(failed):
            self._readers.append((time.monotonic() + patience_s, done, failed))

    def resume(self) -> None:
        """Do the jobs that were held."""
        held, self._held = self._held, []
        for again, _ in held:
            again()

    def readings(self, readings: Readings) -> None:
        """The readings came."""
        readers, self._readers = self._readers, []
        for _, done, _ in readers:
            done(readings)

    def tick(self) -> None:
        """Give up those that waited too long."""
        now_s = time.monotonic()
        late = [reader for reader in self._readers if now_s > reader[0]]
        self._readers = [reader for reader in self._readers if now_s <= reader[0]]
        for _, _, failed in late:
            failed(LinkError(LinkErrorKind.SILENT, "The module has sent no readings in time. Try again."))

    def fail(self, error: LinkError) -> None:
        """None of it can be done."""
        held, self._held = self._held, []
        readers, self._readers = self._readers, []
        for failed in [failed for _, failed in held] + [failed for _, _, failed in readers]:
            failed(error)

    def _has_room(self, failed: Failed) -> bool:
        if len(self._held) + len(self._readers) < MOST:
            return True
        failed(too_many())
        return False
