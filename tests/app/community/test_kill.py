"""Broker and application are killed at random: all arrives, in order, and at most one message a kill comes twice."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import pytest

from app.community.outbox import FILE, Outbox
from tests.fakes.certificates import make_ca
from tests.fakes.community import INTERVAL_S, Subscriber, last_end_s, wait_for
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.tcp_line import TcpLine

CHILD = Path(__file__).resolve().parents[2] / "fakes" / "community_child.py"
MESSAGE_S = 0.004
SLOW_S = 0.02
AHEAD = 2
"""Messages that may follow the one after which something is killed."""


class Child:
    """The application as a process, with what it said last."""

    def __init__(self, folder: Path, url: str, count: int, last_s: int, gate: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), str(folder), url, str(count), str(last_s), str(MESSAGE_S), str(gate)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said += iter(self.process.stdout.readline, "")

    def wait_for(self, word: str) -> None:
        wait_for(lambda: any(line.startswith(word) for line in list(self.said)) or self.process.poll() is not None, 60)

    def end(self, timeout_s: float) -> tuple[int, str]:
        code = self.process.wait(timeout_s)
        self._reader.join(5.0)
        assert self.process.stderr is not None
        assert self.process.stdout is not None
        errors = self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        return code, errors


def campaign(folder: Path, count: int, kills: int, seed: int, delay_s: float | None = None) -> None:
    """delay_s: of the line to the broker, each way; None for none."""
    chance = random.Random(seed)
    last_s = last_end_s()
    ca = make_ca(folder)
    expected = [last_s - (count - 1 - number) * INTERVAL_S for number in range(count)]
    points = iter(sorted(chance.sample(range(1, count - (1 + AHEAD) * kills), kills)))
    gate = folder / "gate"
    let_through(gate, 0)
    killed = dict.fromkeys(("application putting", "application sending", "broker"), 0)
    with (
        Mosquitto(folder, tls=ca, persistent=True, extra="queue_qos0_messages true") as broker,
        Subscriber(broker.port, ca.cert) as subscriber,
        nullcontext(broker) if delay_s is None else TcpLine(broker.port, delay_s) as line,
    ):
        broker.save()
        url = f"mqtts://localhost:{line.port}?ca={ca.cert}"
        child = Child(folder / "data", url, count, last_s, gate)
        for _ in range(kills):
            victim = chance.choices(list(killed), (1, 3, 3))[0]
            if victim == "application putting":
                child.wait_for("putting")
            else:
                child.wait_for("sending")
                further = max(next(points), acknowledged(folder) + 1)
                let_through(gate, expected[further - 1 + AHEAD])
                wait_for(partial(reached_or_ended, folder, further, child), 60.0)
            if victim == "broker":  # it takes with it what the subscriber has not fetched since its last kill
                wait_for(partial(caught_up, folder, subscriber), 60.0)
            time.sleep(chance.uniform(0.0, 2 * MESSAGE_S + 2 * (delay_s or 0.0)))  # not a wait: any moment will do
            assert child.process.poll() is None, (child.said, "killed too late")
            killed[victim] += 1
            if victim == "broker":
                known = subscriber.subscribed
                broker.kill()
                broker.start()
                wait_for(partial(is_back, subscriber, known), 60.0)
            else:
                child.process.kill()
                child.end(30.0)
                child = Child(folder / "data", url, count, last_s, gate)
        let_through(gate, last_s)
        code, errors = child.end(120.0 + 0.1 * count)
        assert code == 0, (child.said, errors)
        wait_for(lambda: len(different(subscriber)) >= count, 60.0)
        arrived = subscriber.ends_s
    assert set(arrived) == set(expected), sorted(set(expected) - set(arrived))
    assert arrived == sorted(arrived), "in order"
    repeated = len(arrived) - len(expected)
    assert repeated <= kills, f"{repeated} repeated: {killed}"
    assert len(different(subscriber)) == count, "a repetition is the same message, byte for byte"
    with Outbox(folder / "data") as outbox:
        counts = outbox.counts()
    assert (counts.waiting, counts.late, counts.sent, counts.dropped) == (0, 0, count, 0)
    print(f"{count} intervals, killed: {killed}, {repeated} repeated")


def acknowledged(folder: Path) -> int:
    """How many the application has noted as acknowledged; the subscriber hears of them a second later after a kill."""
    with closing(sqlite3.connect(folder / "data" / FILE, timeout=10.0)) as database:
        (count,) = database.execute(
            "SELECT (SELECT count(*) FROM message WHERE sent_s IS NOT NULL) + (SELECT count(*) FROM acknowledged)"
        ).fetchone()
    return int(count)


def let_through(gate: Path, end_s: int) -> None:
    """Let the application send the intervals up to this one: it can't be through before it was killed often enough."""
    fresh = gate.with_suffix(".new")
    fresh.write_text(str(end_s))
    fresh.replace(gate)


def different(subscriber: Subscriber) -> set[bytes]:
    return {payload for _, payload in list(subscriber.received)}


def caught_up(folder: Path, subscriber: Subscriber) -> bool:
    return len(different(subscriber)) >= acknowledged(folder)


def is_back(subscriber: Subscriber, known: int) -> bool:
    return subscriber.subscribed > known


def reached_or_ended(folder: Path, wanted: int, child: Child) -> bool:
    return acknowledged(folder) >= wanted or child.process.poll() is not None


@pytest.mark.timeout(300)
def test_kills_sample(tmp_path: Path) -> None:
    campaign(tmp_path, 120, 4, random.randrange(2**32))


@pytest.mark.timeout(300)
def test_kills_sample_on_a_slow_line(tmp_path: Path) -> None:
    campaign(tmp_path, 80, 4, random.randrange(2**32), SLOW_S)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_hundred_kills(tmp_path: Path) -> None:
    campaign(tmp_path, 2000, 100, random.randrange(2**32))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_hundred_kills_on_a_slow_line(tmp_path: Path) -> None:
    campaign(tmp_path, 2000, 100, random.randrange(2**32), SLOW_S)
