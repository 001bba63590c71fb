"""Jobs for the one thread that owns a port: anybody posts them, that thread takes them, in order."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from device_io.source import LinkError, LinkErrorKind

MOST = 16
"""Jobs that may wait."""

Work = TypeVar("Work")


class Job(Generic[Work]):
    """One that was taken: whoever has it ends it, with `done` or `fail`. work: what was posted."""

    def __init__(self, work: Work, future: Future[Any]) -> None:
        self.work = work
        self._future = future

    def done(self, result: object) -> None:
        """It was done, and this came of it."""
        self._future.set_result(result)

    def fail(self, error: LinkError) -> None:
        """It can't be done."""
        self._future.set_exception(error)


class JobQueue(Generic[Work]):
    """At most 16 jobs wait; further ones fail at once (REFUSED), and after `close` all do. Safe for use from several
    threads; what waits on a job's future is called without a lock held, so it may post the next one.

    closed: as the property, until `open`.
    """

    def __init__(self, closed: LinkError | None = None) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Job[Work]] = deque()
        self._closed = closed

    @property
    def closed(self) -> LinkError | None:
        """Why nothing can be posted; None while it can."""
        return self._closed

    def __bool__(self) -> bool:
        """Whether a job waits."""
        return bool(self._waiting)

    def open(self) -> None:
        """Take jobs from now on."""
        self._closed = None

    def post(self, work: Work) -> Future[Any]:
        """Put a job behind those that wait; its result, or why there is none, is the future's."""
        future: Future[Any] = Future()
        with self._lock:
            error = self._closed or (too_many() if len(self._waiting) >= MOST else None)
            if error is None:
                self._waiting.append(Job(work, future))
        if error is not None:
            future.set_exception(error)
        return future

    def take(self) -> Job[Work] | None:
        """The next job, None if none waits. Those that were cancelled meanwhile are left out."""
        while True:
            with self._lock:
                if not self._waiting:
                    return None
                job = self._waiting.popleft()
            if job._future.set_running_or_notify_cancel():
                return job

    def fail(self, error: LinkError) -> None:
        """None of those that wait can be done. Those that are posted meanwhile wait for better times."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        for job in waiting:
            if job._future.set_running_or_notify_cancel():
                job.fail(error)

    def close(self, error: LinkError) -> None:
        """Nothing can be done any more, now or later."""
        with self._lock:
            self._closed = error
        self.fail(error)


def too_many() -> LinkError:
    """Why a job is refused while others wait."""
    return LinkError(LinkErrorKind.REFUSED, "Too many requests wait for the module. Try again in a moment.")
