"""The pace of the line, in made-up time."""

from types import SimpleNamespace

import pytest

from device_io.virtual_module.loader_pipe import MAX_WAITING, LoaderPipe

BAUD = 100_000  # 10 bytes in a millisecond


@pytest.fixture
def bench():
    def make(*, paced, accepts=10**9):
        heard, sent = bytearray(), bytearray()

        def write(data):
            sent.extend(data[:accepts])
            return len(data[:accepts])

        bauds = []
        board = SimpleNamespace(
            baud=BAUD,
            state="loader",
            autobaud=False,
            receive=lambda data, now: heard.extend(data),
            take_baud=lambda: bauds.pop() if bauds else None,
        )
        line = SimpleNamespace(baud=BAUD, write=write)
        pipe = LoaderPipe(board, line, paced=paced)
        return SimpleNamespace(pipe=pipe, board=board, line=line, heard=heard, sent=sent, bauds=bauds)

    return make


def test_unpaced_nothing_waits(bench):
    it = bench(paced=False)
    it.pipe.take(bytes(5000))
    it.pipe.send(bytes(7000))
    it.pipe.run(1.0)
    assert (len(it.heard), len(it.sent)) == (5000, 7000)
    assert it.pipe.idle


@pytest.mark.parametrize("step_s", [0.00005, 0.001, 0.013])
def test_paced_bytes_take_their_time_both_ways(bench, step_s):
    it = bench(paced=True)
    it.pipe.run(0.0)
    it.pipe.run(5.0)  # rest is not saved up
    it.pipe.take(bytes(10_000))
    it.pipe.send(bytes(10_000))
    now = start = 5.0
    it.pipe.run(now)
    while len(it.heard) < 5000:
        now += step_s
        it.pipe.run(now)
    assert now - start == pytest.approx(0.5, abs=step_s + 0.001)
    assert len(it.sent) == len(it.heard)


def test_a_new_baud_holds_once_the_answer_has_left(bench):
    it = bench(paced=False, accepts=3)
    it.bauds.append(460_800)
    it.pipe.take(b"request")
    it.pipe.send(b"answer")
    it.pipe.run(1.0)
    assert it.line.baud == BAUD
    it.pipe.run(1.1)
    assert it.pipe.idle
    assert it.line.baud == it.board.baud == 460_800


def test_a_host_that_sends_without_end_loses_the_newest(bench):
    it = bench(paced=True)
    for _ in range(5):
        it.pipe.take(bytes(100_000))
    it.pipe.run(0.0)
    for step in range(1, 1000):
        it.pipe.run(0.09 * step)
    assert len(it.heard) == MAX_WAITING


def test_a_chip_that_is_held_in_reset_hears_nothing(bench):
    it = bench(paced=False)
    it.board.state = "held"
    it.pipe.take(b"request")
    it.pipe.run(1.0)
    assert it.pipe.idle
    assert not it.heard
