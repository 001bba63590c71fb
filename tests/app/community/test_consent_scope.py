"""What was made under one consent never leaves under another, whoever was killed in between."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.community import consent as consent_module
from app.community.broker import parse_broker
from app.community.consent import FILE as CONSENT_FILE
from app.community.consent import Choices
from app.community.outbox import FILE, Outbox, OutboxError
from app.community.sender import Sender, SenderPhase
from app.community.service import STANDING, Community, consent_once
from app.community.trusted_time import TrustedTime
from app.community.upload import Uploader
from tests.fakes.community import Subscriber, interval, last_end_s, measurement, wait_for
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.unused_port import unused_port

CHOICES = Choices("u82f", "mqtts://broker.example", ("power",), accepts_backdated=True)


def unsent(folder: Path) -> int:
    with Outbox(folder) as outbox:
        return len(outbox.next(99, backdated=True, at_once=True))


def test_a_single_sending_takes_nothing_of_the_consent_that_stands(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber:
        with Outbox(tmp_path / "data") as outbox:
            outbox.put(interval(last_end_s(), 1), "u82f", STANDING)
            outbox.put(interval(last_end_s(), 2), "u82f", consent_once("mqtts://elsewhere.example"))
            outbox.put(interval(last_end_s(), 3), "u82f", consent_once(server.url))
        broker = parse_broker(server.url, accepts_backdated=True)  # full 10 minutes may pass meanwhile
        sender = Sender(tmp_path / "data", broker, None, None, until_empty=True, consent=consent_once(server.url))
        sender.start()
        assert sender.wait(20.0)
        assert sender.state.phase is SenderPhase.DONE
        wait_for(lambda: len(subscriber.received) >= 1)
        assert subscriber.documents[0]["payload"]["data"]["THV1"] == pytest.approx(1.03)
    assert unsent(tmp_path / "data") == 2


def test_a_kill_while_consent_is_withdrawn_leaves_nothing_to_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    community = Community(tmp_path)
    community.give(CHOICES)
    assert community.offer(measurement(last_end_s())) is None

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "withdraw", killed)
        with pytest.raises(KeyboardInterrupt):
            community.withdraw()
    assert unsent(tmp_path) == 1
    again = Community(tmp_path)
    assert again.given is None
    again.start()
    assert unsent(tmp_path) == 0
    assert "emptying" not in json.loads((tmp_path / CONSENT_FILE).read_text())
    again.give_once()
    again.finish_withdrawing()


def test_withdrawing_while_another_program_reads_is_done_when_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps the bytes of before in a file of its own until nobody reads them any more."""
    monkeypatch.setattr("app.community.outbox_file._BUSY_S", 0.2)
    community = Community(tmp_path)
    community.give(CHOICES)
    assert community.offer(measurement(last_end_s())) is None
    with Outbox(tmp_path) as outbox:
        (waiting,) = outbox.next(9, backdated=True, at_once=True)

    def files() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    with Outbox(tmp_path) as reader:
        reader._db.execute("BEGIN")
        assert reader.counts().waiting + reader.counts().late == 1
        with pytest.raises(OutboxError, match="withdraw again"):
            community.withdraw()
        assert community.given is None
        reader._db.execute("COMMIT")
        Community(tmp_path).start()  # the next start of the program
        assert waiting.payload not in files()
        assert waiting.topic.split("/")[3].encode() not in files()
    assert unsent(tmp_path) == 0


def test_another_text_of_consent_empties_the_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent_module, "VERSION", "0")
    Community(tmp_path).give(CHOICES)
    assert Community(tmp_path).offer(measurement(last_end_s())) is None
    monkeypatch.undo()
    community = Community(tmp_path)
    assert community.given is None
    assert community.offer(measurement(last_end_s() - 600)) is not None
    with Outbox(tmp_path) as outbox:
        outbox.put(interval(last_end_s(), 7), "u82f", consent_once("mqtts://broker.example"))
    community.give(Choices("u82f", "mqtts://broker.example", accepts_backdated=True))
    with Outbox(tmp_path) as outbox:
        (kept,) = outbox.next(9, backdated=True, at_once=True)
        assert outbox.next(9, backdated=True, at_once=True, consent=STANDING) == []
    assert b'"THV1":1.07' in kept.payload, "that of a single sending has its own consent"


def test_the_same_consent_again_loses_nothing(tmp_path: Path) -> None:
    community = Community(tmp_path)
    community.give(CHOICES)
    assert community.offer(measurement(last_end_s())) is None
    community.give(CHOICES)
    assert unsent(tmp_path) == 1


def test_what_another_program_withdraws_does_not_leave(tmp_path: Path) -> None:
    """The sender has read ahead; then a command line withdraws consent."""
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber:
        folder = tmp_path / "data"
        Community(folder).give(Choices("u82f", server.url, accepts_backdated=True))
        with Outbox(folder) as outbox:
            end_s = last_end_s()
            for number in range(30):
                outbox.put(interval(end_s - 600 * number, number), "u82f", STANDING)
            broker = parse_broker(server.url, accepts_backdated=True)
            uploader = Uploader(outbox, broker, None, TrustedTime(None, broker), lambda: False, consent=STANDING)
            sent = []

            def send(session, waiting) -> None:  # type: ignore[no-untyped-def]
                sent.append(waiting)
                if len(sent) == 5:
                    other = threading.Thread(target=Community(folder).withdraw)
                    other.start()
                    other.join(30.0)
                original(session, waiting)

            original = uploader._send
            uploader._send = send  # type: ignore[method-assign]
            uploader.drain(at_once=True)
        wait_for(lambda: len(subscriber.received) >= 4)
        assert len(subscriber.received) == 4
    assert unsent(folder) == 0


def test_a_number_is_never_given_again(tmp_path: Path) -> None:
    """An acknowledgement of a message that was withdrawn must not count for a later one."""
    with Outbox(tmp_path) as outbox:
        outbox.put(interval(last_end_s(), 1), "u82f")
        (gone,) = outbox.next(9, backdated=True, at_once=True)
        outbox.withdraw()
        outbox.acknowledged([gone.id])
        outbox.put(interval(last_end_s(), 2), "u82f")
        assert len(outbox.next(9, backdated=True, at_once=True)) == 1


def test_what_is_acknowledged_while_the_disk_is_full_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutboxError("The outbox can't be used (database or disk is full).")

    unrecorded: set[int] = set()
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber:
        with Outbox(tmp_path / "data") as outbox:
            end_s = last_end_s()
            for number in range(3):
                outbox.put(interval(end_s - 600 * number, number), "u82f")
        broker = parse_broker(server.url, accepts_backdated=True)

        def drain() -> None:
            with Outbox(tmp_path / "data") as outbox:
                trusted = TrustedTime(None, broker)
                Uploader(outbox, broker, None, trusted, lambda: False, unrecorded=unrecorded).drain(at_once=True)

        with monkeypatch.context() as patch:
            patch.setattr(Outbox, "acknowledged", full)
            for _ in range(2):
                with pytest.raises(OutboxError):
                    drain()
        drain()
        wait_for(lambda: len(subscriber.received) >= 3)
        assert len(subscriber.ends_s) == len(set(subscriber.ends_s)) == 3
    assert unrecorded == set()


def test_nothing_is_sent_while_nothing_can_be_written(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber:
        with Outbox(tmp_path / "data") as outbox:
            outbox.put(interval(last_end_s()), "u82f")
            (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
            outbox._db.execute(f"PRAGMA max_page_count = {pages}")
            outbox._db.execute("CREATE TRIGGER full BEFORE UPDATE ON counter BEGIN SELECT RAISE(ABORT, 'full'); END")
            outbox._db.execute("INSERT INTO counter VALUES ('checked', 0)")
            broker = parse_broker(server.url, accepts_backdated=True)
            with pytest.raises(OutboxError):
                Uploader(outbox, broker, None, TrustedTime(None, broker), lambda: False).drain(at_once=True)
        assert subscriber.received == []


def test_an_outbox_of_before_belongs_to_the_consent_of_before(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        outbox.put(interval(last_end_s()), "u82f")
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as database:
        database.execute("ALTER TABLE message DROP COLUMN consent")
        database.execute("PRAGMA user_version = 1")
    Community(tmp_path).give(Choices("u82f", f"mqtt://127.0.0.1:{unused_port()}", accepts_backdated=True))
    assert unsent(tmp_path) == 0
