"""Jobs for a port's thread: order, bound, cancelling, failing, closing."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from device_io.job_queue import MOST, JobQueue
from device_io.source import LinkError, LinkErrorKind

LOST = LinkError(LinkErrorKind.UNPLUGGED, "It is gone. Plug it in again.")
PATIENCE_S = 30.0


def test_jobs_come_in_order_and_end_their_futures():
    jobs: JobQueue[str] = JobQueue()
    assert not jobs
    assert jobs.take() is None
    futures = [jobs.post(name) for name in "abc"]
    assert jobs
    for name in "abc":
        job = jobs.take()
        assert job.work == name
        job.done(name.upper())
    assert [future.result(0) for future in futures] == ["A", "B", "C"]
    assert not jobs


def test_sixteen_wait_and_the_next_one_is_refused_until_there_is_room():
    jobs: JobQueue[int] = JobQueue()
    waiting = [jobs.post(n) for n in range(MOST)]
    assert MOST == 16
    refused = jobs.post(MOST)
    assert refused.exception(0).kind is LinkErrorKind.REFUSED
    assert "Try again" in str(refused.exception(0))
    jobs.take().done(None)
    assert not jobs.post(MOST).done()
    assert [future.done() for future in waiting] == [True] + [False] * (MOST - 1)


def test_a_cancelled_job_is_left_out():
    jobs: JobQueue[str] = JobQueue()
    first, second = jobs.post("first"), jobs.post("second")
    assert first.cancel()
    job = jobs.take()
    assert job.work == "second"
    assert not second.cancel(), "it has begun"
    job.fail(LOST)
    assert second.exception(0) is LOST
    third = jobs.post("third")
    assert third.cancel()
    jobs.fail(LOST)
    assert third.cancelled()


def test_failing_fails_those_that_wait_and_takes_new_ones():
    jobs: JobQueue[str] = JobQueue()
    taken_future, waiting = jobs.post("taken"), jobs.post("waiting")
    taken = jobs.take()
    jobs.fail(LOST)
    assert waiting.exception(0) is LOST
    assert not taken_future.done(), "whoever took it ends it"
    taken.done(1)
    assert taken_future.result(0) == 1
    assert not jobs.post("later").done()


def test_a_closed_queue_refuses_until_it_is_opened():
    shut = LinkError(LinkErrorKind.REFUSED, "The link is not open.")
    jobs: JobQueue[str] = JobQueue(shut)
    assert jobs.post("early").exception(0) is shut
    jobs.open()
    waiting = jobs.post("now")
    jobs.close(LOST)
    assert waiting.exception(0) is LOST
    assert jobs.post("late").exception(0) is LOST
    assert jobs.closed is LOST


@pytest.mark.parametrize("end", [JobQueue.fail, JobQueue.close])
def test_who_hears_of_a_failure_may_post_the_next_job(end):
    """A future calls back on the thread that fails it: with a lock held that would wait for itself for ever."""
    jobs: JobQueue[str] = JobQueue()
    again: list[Future[object]] = []
    jobs.post("first").add_done_callback(lambda _: again.append(jobs.post("again")))
    ender = threading.Thread(target=end, args=(jobs, LOST), daemon=True)
    ender.start()
    ender.join(PATIENCE_S)
    assert not ender.is_alive()
    assert len(again) == 1


def test_every_job_of_many_threads_ends_once():
    jobs: JobQueue[int] = JobQueue()
    futures: list[Future[int]] = []
    posters = [threading.Thread(target=lambda: futures.extend(jobs.post(n) for n in range(200))) for _ in range(4)]
    for poster in posters:
        poster.start()
    done = 0
    while any(poster.is_alive() for poster in posters) or jobs:
        job = jobs.take()
        if job is not None:
            job.done(job.work)
            done += 1
    for poster in posters:
        poster.join(PATIENCE_S)
    assert len(futures) == 800
    assert all(future.done() for future in futures)
    assert sum(future.exception(0) is None for future in futures) == done > 0
