"""The link to a module on a USB serial port: one thread owns the port, everybody else posts jobs to its queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeVar

from device_io.job_queue import Job, JobQueue
from device_io.link_session import LinkSession, SessionEnded, Stopped
from device_io.port_lease import Lease
from device_io.sensix_link.messages import (
    MessageError,
    ReadingsMessage,
    ReadingsRequest,
    Setting,
    SettingsRead,
    SettingsReply,
    SettingsWrite,
)
from device_io.source import LinkError, LinkErrorKind, LinkPhase, Readings, Sink
from device_io.urls import LinkUrl, parse_serial_url
from device_io.usb_connection import UsbConnection

RETRY_S = 0.5
STOP_S = 2.0

Result = TypeVar("Result")
_Work = Callable[[LinkSession], Any]


class UsbLink:
    """A `device_io.source.Source` on a USB serial port.

    url: `usb:PORT[?baud=N]`. reconnect: after any failure keep trying every 0.5 s until stopped (phase LOST), else
    end with phase FAILED. hello_timeout_s: how long a module may take to answer after the port was opened (it may be
    booting). readings_period_s: how often the module sends its own readings, 0 for never. lease: of the port, where
    it is kept for this program's own work.

    Jobs (settings, readings) are done by the thread of the port, in order, also while it streams. They wait while the
    link is opening and fail with its LinkError when it fails. At most 16 wait; further ones fail at once (REFUSED).
    """

    def __init__(
        self,
        url: str | LinkUrl,
        *,
        reconnect: bool = True,
        hello_timeout_s: float = 8.0,
        readings_period_s: float = 0.0,
        lease: Lease | None = None,
    ) -> None:
        """:raises LinkError: (BAD_URL) for what is not the URL of a USB port."""
        self._lease = lease
        self._url = parse_serial_url(url) if isinstance(url, str) else url
        self._reconnect = reconnect
        self._hello_timeout_s = hello_timeout_s
        self._readings_period_ms = round(readings_period_s * 1000)
        self._jobs: JobQueue[_Work] = JobQueue(LinkError(LinkErrorKind.REFUSED, "The link is not open."))
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Returns at once; failures arrive as a state. A link is started once."""
        if self._thread is not None:
            raise RuntimeError("the link was started before")
        self._jobs.open()
        connection = UsbConnection(
            self._url, sink, self._stopping, self._readings_period_ms, self._do_jobs, self._lease
        )
        self._thread = threading.Thread(
            target=self._run, args=(connection,), name=f"usb link {self._url.port}", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End within 2 s. Nothing is delivered after it returns. May be called twice."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_S)

    def read_settings(self) -> Future[Mapping[str, Setting]]:
        """All settings of the module."""
        return self._post(lambda session: session.request(SettingsRead(session.next_id()), SettingsReply).values)

    def write_settings(self, values: Mapping[str, Setting]) -> Future[Mapping[str, Setting]]:
        """Change settings, all or none; the result is all settings as they then stand."""
        wanted = dict(values)
        return self._post(
            lambda session: session.request(SettingsWrite(session.next_id(), wanted), SettingsReply).values
        )

    def read_readings(self) -> Future[Readings]:
        """The module's own readings, now."""

        def ask(session: LinkSession) -> Readings:
            answer = session.request(ReadingsRequest(session.next_id()), ReadingsMessage)
            return Readings(answer.device_time_us, time.time_ns(), answer.values)

        return self._post(ask)

    def _post(self, work: Callable[[LinkSession], Result]) -> Future[Result]:
        return self._jobs.post(work)

    def _do_jobs(self, session: LinkSession) -> None:
        while (job := self._jobs.take()) is not None:
            _do(job, session)

    def _run(self, connection: UsbConnection) -> None:
        error: LinkError | None = None
        try:
            connection.tell(LinkPhase.OPENING)
            while not self._stopping.is_set():
                try:
                    connection.serve(self._hello_timeout_s)
                except Stopped:
                    break
                except LinkError as failure:
                    error = _still_unplugged(error, failure)
                if not self._reconnect or error.kind == LinkErrorKind.BAD_URL:
                    return
                connection.tell(LinkPhase.LOST, error)
                self._jobs.fail(error)
                self._stopping.wait(RETRY_S)
            error = None
        finally:
            self._jobs.close(error or LinkError(LinkErrorKind.REFUSED, "The link was closed."))
            connection.tell(LinkPhase.CLOSED if error is None else LinkPhase.FAILED, error)


def _do(job: Job[_Work], session: LinkSession) -> None:
    """Do it; a refusal or a bad request is the job's own failure, all else the link's too."""
    try:
        result = job.work(session)
    except MessageError as error:
        job.fail(LinkError(LinkErrorKind.REFUSED, str(error)))
    except LinkError as error:
        job.fail(error)
        if error.kind != LinkErrorKind.REFUSED:
            raise
    except (Stopped, SessionEnded):
        job.fail(LinkError(LinkErrorKind.REFUSED, "The link ended before the module answered."))
        raise
    else:
        job.done(result)


def _still_unplugged(before: LinkError | None, now: LinkError) -> LinkError:
    """A port that went away and is not back is still best described by the words for that."""
    absent = now.kind in (LinkErrorKind.NO_SUCH_PORT, LinkErrorKind.REFUSED)
    return before if before is not None and before.kind == LinkErrorKind.UNPLUGGED and absent else now
