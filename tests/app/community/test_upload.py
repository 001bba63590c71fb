"""Sending to a real broker over TLS: verified, in order, acknowledged, a fresh connection a day."""

from __future__ import annotations

import re
import socket
import sqlite3
import statistics
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from app.community.anonymise import day_of
from app.community.broker import Broker, parse_broker, password_of
from app.community.outbox import FILE, Outbox
from app.community.sender import Sender, SenderPhase, SenderState
from app.community.session import Session, UploadError
from app.community.trusted_time import TrustedTime
from app.community.upload import Uploader
from tests.fakes.certificates import Authority, make_ca, make_client_cert, make_server_cert
from tests.fakes.community import INTERVAL_S, Subscriber, interval, last_end_s, wait_for
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.tcp_line import TcpLine
from tests.fakes.unused_port import unused_port

LAST_S = last_end_s()
"""Once for all tests: the clock may reach full 10 minutes between two looks at it."""


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return make_ca(tmp_path)


def fill(outbox: Outbox, count: int) -> list[int]:
    """So many intervals up to the last; their ends, oldest first. The same ones each time."""
    ends_s = [LAST_S - INTERVAL_S * back for back in reversed(range(count))]
    for number, end_s in enumerate(ends_s):
        outbox.put(interval(end_s, number), "u82f")
    return ends_s


def drain(outbox: Outbox, broker: Broker, password: str | None = None) -> Uploader:
    uploader = Uploader(outbox, broker, password, TrustedTime(None, broker), lambda: False)
    uploader.drain(at_once=True)
    return uploader


def refusal(folder: Path, broker: Broker, password: str | None = None) -> UploadError:
    with Outbox(folder / "data") as outbox:
        fill(outbox, 2)
        with pytest.raises(UploadError) as caught:
            drain(outbox, broker, password)
        assert outbox.counts().sent == 0
    assert re.search(r"\w.*\.$", str(caught.value))
    return caught.value


def test_three_days_in_order_each_over_a_connection_of_its_own(tmp_path: Path, ca: Authority) -> None:
    count = 300
    with Mosquitto(tmp_path, tls=ca) as server, Subscriber(server.port, ca.cert) as subscriber:
        broker = parse_broker(server.url, ca=[ca.cert], accepts_backdated=True)
        with Outbox(tmp_path / "data") as outbox:
            ends_s = fill(outbox, count)
            uploader = drain(outbox, broker)
            counts = outbox.counts()
            drain(outbox, broker)
        wait_for(lambda: len(subscriber.received) >= count)
        assert subscriber.ends_s == ends_s
        assert (counts.sent, counts.waiting, counts.late) == (count, 0, 0)
        days = {day_of(end_s) for end_s in ends_s}
        assert uploader.progress.connections == len(days)
        topics = {
            day_of(d["payload"]["timestamp"]): t
            for (t, _), d in zip(subscriber.received, subscriber.documents, strict=True)
        }
        assert len(set(topics.values())) == len(days)
        clients = re.findall(r"New client connected from \S+ as (\S+) \(p5, c1, k\d+\)", server.log)
        assert len(set(clients)) == len(clients) == len(days)
        assert "Will message" not in server.log
        assert "No will message specified" in server.log


def test_late_intervals_stay_at_home_unless_they_are_welcome(tmp_path: Path, ca: Authority) -> None:
    now_s = last_end_s() + 5.0
    with Mosquitto(tmp_path, tls=ca) as server, Outbox(tmp_path / "data", now=lambda: now_s) as outbox:
        for back in range(5):
            outbox.put(interval(last_end_s(now_s) - INTERVAL_S * back, back), "u82f")
        drain(outbox, parse_broker(server.url, ca=[ca.cert]))
        counts = outbox.counts()
        assert (counts.sent, counts.late) == (1, 4)
        drain(outbox, parse_broker(server.url, ca=[ca.cert], accepts_backdated=True))
        assert outbox.counts().sent == 5


def test_certificates_are_verified(tmp_path: Path, ca: Authority) -> None:
    other = make_ca(tmp_path, "other")
    with Mosquitto(tmp_path, tls=ca) as server:
        wrong = refusal(tmp_path, parse_broker(server.url, ca=[other.cert], accepts_backdated=True))
        assert "is not signed by" in str(wrong)
        assert wrong.permanent
        assert "is not signed by" in str(refusal(tmp_path, parse_broker(server.url, accepts_backdated=True)))
    for name, options in (("expired", {"expired": True}), ("name", {"names": ("elsewhere.example",)})):
        pair = make_server_cert(ca, tmp_path, stem=name, **options)  # type: ignore[arg-type]
        with Mosquitto(tmp_path / name, tls=(ca, pair)) as server:
            refused = refusal(tmp_path, parse_broker(server.url, ca=[ca.cert], accepts_backdated=True))
            assert refused.permanent


def test_client_certificates(tmp_path: Path, ca: Authority) -> None:
    mine = make_client_cert(ca, tmp_path, "anybody")
    with Mosquitto(tmp_path, tls=ca, require_certificate=True) as server, Outbox(tmp_path / "data") as outbox:
        assert "client certificate" in str(
            refusal(tmp_path, parse_broker(server.url, ca=[ca.cert], accepts_backdated=True))
        )
        url = f"{server.url}?ca={ca.cert}&cert={mine.cert}&key={mine.key}"
        drain(outbox, parse_broker(url, accepts_backdated=True))
        assert outbox.counts().sent == 2


def test_users_passwords_and_rights(tmp_path: Path, ca: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    acl = "user meter\ntopic write v1/community/devices/#\nuser reader\ntopic read v1/#\n"
    with Mosquitto(tmp_path, tls=ca, passwords={"meter": "right horse", "reader": "x"}, acl=acl) as server:
        place = server.url.removeprefix("mqtts://")

        def broker(user: str) -> Broker:
            return parse_broker(f"mqtts://{user}{place}", ca=[ca.cert], accepts_backdated=True)

        for user, password in (("meter@", "wrong"), ("nobody@", "right horse"), ("", None)):
            wrong = refusal(tmp_path, broker(user), password)
            assert "user or password" in str(wrong)
            assert wrong.permanent
        no_right = refusal(tmp_path, broker("reader@"), "x")
        assert "right to publish" in str(no_right)
        assert no_right.permanent
        secret = tmp_path / "secret"
        secret.write_text("right horse\n")
        monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(secret))
        with Outbox(tmp_path / "data") as outbox:
            drain(outbox, broker("meter@"), password_of(broker("meter@")))
            assert outbox.counts().sent == 2


def test_nobody_there_and_somebody_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = refusal(tmp_path, parse_broker(f"mqtt://127.0.0.1:{unused_port()}", accepts_backdated=True))
    assert "nobody listens there" in str(away)
    assert not away.permanent
    monkeypatch.setattr("app.community.session.CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "check that it is an MQTT broker" in str(
            refusal(tmp_path, parse_broker(f"mqtt://127.0.0.1:{port}", accepts_backdated=True))
        )


def test_a_broker_of_mqtt_3_only(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, extra="max_packet_size 100000") as server, Outbox(tmp_path / "data") as outbox:
        # It ends connections of MQTT 5, as those do that know 3.1.1 only.
        with TcpLine(server.port, refuse=b"\x00\x04MQTT\x05") as line:
            fill(outbox, 3)
            drain(outbox, parse_broker(f"mqtt://127.0.0.1:{line.port}", accepts_backdated=True))
        assert outbox.counts().sent == 3
        assert "(p2, c1" in server.log


def serve_once(listener: socket.socket, target: int) -> None:
    """End the first connection when it has said something; carry the next one."""
    with listener.accept()[0] as first:
        first.recv(10)
    near, _ = listener.accept()
    far = socket.create_connection(("127.0.0.1", target))
    back = threading.Thread(target=carry, args=(far, near))
    back.start()
    carry(near, far)
    back.join(20.0)
    near.close()
    far.close()


def carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_connection_lost_at_its_start_does_not_hide_a_refusal(tmp_path: Path) -> None:
    """MQTT 3.1.1 can't say that a message is not taken: such a broker acknowledges and throws it away."""
    with (
        Mosquitto(tmp_path, acl="topic read v1/#\n") as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        Outbox(tmp_path / "data") as outbox,
    ):
        serving = threading.Thread(target=serve_once, args=(listener, server.port), daemon=True)
        serving.start()
        fill(outbox, 2)
        url = f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UploadError, match="right to publish"):
            drain(outbox, parse_broker(url, accepts_backdated=True))
        assert outbox.counts().sent == 0
        serving.join(30.0)
        assert not serving.is_alive()


def refuse_all(listener: socket.socket) -> None:
    """A broker that knows neither MQTT 5 nor 3.1.1, and says so."""
    with suppress(OSError):
        while True:
            with listener.accept()[0] as near:
                near.recv(100)
                near.sendall(b"\x20\x02\x00\x01")
                near.recv(100)


def test_a_broker_that_knows_no_version_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, Outbox(tmp_path / "data") as outbox:
        serving = threading.Thread(target=refuse_all, args=(listener,), daemon=True)
        serving.start()
        fill(outbox, 2)
        url = f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(UploadError) as caught:
            drain(outbox, parse_broker(url, accepts_backdated=True))
        assert str(caught.value).endswith(".")
        assert outbox.counts().sent == 0
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(30.0)
        assert not serving.is_alive()


@pytest.mark.parametrize("delay_s", [0.0, 0.02])
def test_an_acknowledgement_is_written_down_before_the_next_message_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delay_s: float
) -> None:
    count = 100
    written: list[int] = []
    publish = Session.publish

    def published(self: Session, topic: str, payload: bytes) -> None:
        with closing(sqlite3.connect(tmp_path / "data" / FILE, timeout=10.0)) as database:
            (known,) = database.execute(
                "SELECT (SELECT count(*) FROM message WHERE sent_s IS NOT NULL) + (SELECT count(*) FROM acknowledged)"
            ).fetchone()
        written.append(known)
        publish(self, topic, payload)

    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber, Outbox(tmp_path / "data") as outbox:
        ends_s = fill(outbox, count)
        monkeypatch.setattr(Session, "publish", published)
        with TcpLine(server.port, delay_s) as line:
            drain(outbox, parse_broker(f"mqtt://127.0.0.1:{line.port}", accepts_backdated=True))
        wait_for(lambda: len(subscriber.received) >= count)
        assert subscriber.ends_s == ends_s
    assert written == list(range(count))


def test_what_grows_late_behind_a_slow_message_stays_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two modules in one house: both in time when they are read, the second not any more when the first has gone."""
    end_s = last_end_s()
    now_s = [end_s + 599.0]
    publish = Session.publish

    def published(self: Session, topic: str, payload: bytes) -> None:
        publish(self, topic, payload)
        now_s[0] += 2.0

    with Mosquitto(tmp_path) as server, Outbox(tmp_path / "data", now=lambda: now_s[0]) as outbox:
        for number in range(2):
            outbox.put(interval(end_s, number), "u82f")
        monkeypatch.setattr(Session, "publish", published)
        broker = parse_broker(server.url)
        trusted = TrustedTime(None, broker, clock=lambda: now_s[0])
        Uploader(outbox, broker, None, trusted, lambda: False).drain(at_once=True)
        counts = outbox.counts()
    assert (counts.sent, counts.waiting, counts.late) == (1, 0, 1)


def told_sender(folder: Path, server: Mosquitto, ca: Authority, states: list[SenderState]) -> Sender:
    """Sends all that waits there to a broker that takes late intervals; `states` gets what it tells."""
    broker = parse_broker(server.url, ca=[ca.cert], accepts_backdated=True)
    return Sender(folder, broker, None, None, until_empty=True, on_state=states.append)


def test_the_sender_waits_for_the_broker_and_tells(tmp_path: Path, ca: Authority) -> None:
    server = Mosquitto(tmp_path, tls=ca)
    states: list[SenderState] = []
    with Outbox(tmp_path / "data") as outbox:
        fill(outbox, 10)
        sender = told_sender(tmp_path / "data", server, ca, states)
        sender.start()
        wait_for(lambda: any(state.phase is SenderPhase.WAITING for state in states))
        assert states[-1].error
        with server:
            assert sender.wait(30.0)
        assert sender.state.phase is SenderPhase.DONE
        assert sender.state.progress.acknowledged == 10
        assert outbox.counts().sent == 10


def test_a_broker_that_dies_during_the_handshake_is_waited_for(tmp_path: Path, ca: Authority) -> None:
    server = Mosquitto(tmp_path, tls=ca)
    states: list[SenderState] = []
    with Outbox(tmp_path / "data") as outbox:
        fill(outbox, 3)
        sender = told_sender(tmp_path / "data", server, ca, states)
        with socket.create_server(("127.0.0.1", server.port)) as dying:
            dying.settimeout(20.0)
            sender.start()
            with dying.accept()[0] as near:
                near.settimeout(20.0)
                assert near.recv(1), "it begins the handshake"
        wait_for(lambda: any(state.error for state in list(states)))
        assert sender.state.phase is not SenderPhase.FAILED, sender.state.error
        with server:
            assert sender.wait(30.0)
        assert sender.state.phase is SenderPhase.DONE, sender.state.error
        assert outbox.counts().sent == 3


def test_the_sender_gives_up_when_patience_ends(tmp_path: Path) -> None:
    with Outbox(tmp_path / "data") as outbox:
        fill(outbox, 2)
        broker = parse_broker(f"mqtt://127.0.0.1:{unused_port()}", accepts_backdated=True)
        sender = Sender(tmp_path / "data", broker, None, None, until_empty=True, patience_s=0.2)
        sender.start()
        assert sender.wait(30.0)
        assert sender.state.phase is SenderPhase.FAILED
        assert outbox.counts().sent == 0


def test_the_sender_stops_within_2_s(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as server:
        sender = Sender(tmp_path / "data", parse_broker(server.url), None, None)
        sender.start()
        wait_for(lambda: sender.state.phase is SenderPhase.IDLE)
        started_s = time.monotonic()
        sender.stop()
        assert time.monotonic() - started_s < 6.0, "a third of that on an idle computer"
        assert sender.wait(0.0)


@pytest.mark.parametrize(
    "change", ["payload = x'00'", "payload = CAST('{}' AS BLOB)", "topic = 'v1/me/devices/1/data'"]
)
def test_a_message_that_changed_while_it_waited_does_not_leave(tmp_path: Path, change: str) -> None:
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber, Outbox(tmp_path / "data") as outbox:
        fill(outbox, 1)
        with closing(sqlite3.connect(tmp_path / "data" / FILE, isolation_level=None)) as database:
            database.execute(f"UPDATE message SET {change}")
        with pytest.raises(UploadError, match="must not leave") as caught:
            drain(outbox, parse_broker(server.url, accepts_backdated=True))
        assert caught.value.permanent
        assert subscriber.received == []


@pytest.mark.bench
def test_a_backlog_drains_at_half_of_what_paho_does_one_by_one(tmp_path: Path, ca: Authority) -> None:
    """A month, in turn with the same bytes one by one over TLS to the same broker; prints the median of the ratios."""
    rounds, count = 9, 496
    ratios, ours_s, theirs_s = [], 0.0, 0.0
    with Mosquitto(tmp_path, tls=ca) as server:
        broker = parse_broker(server.url, ca=[ca.cert], accepts_backdated=True)
        for number in range(rounds):
            with Outbox(tmp_path / str(number)) as outbox:
                fill(outbox, count)
                started_s = time.perf_counter()
                drain(outbox, broker)
                one_s = time.perf_counter() - started_s
                messages = [(sent.topic, sent.payload) for sent in outbox.sent()]
            client = mqtt.Client(CallbackAPIVersion.VERSION2)
            client.tls_set(str(ca.cert))
            client.connect("localhost", server.port)
            client.loop_start()
            started_s = time.perf_counter()
            for topic, payload in messages:
                client.publish(topic, payload, qos=1).wait_for_publish(10.0)
            other_s = time.perf_counter() - started_s
            client.disconnect()
            client.loop_stop()
            ratios.append(other_s / one_s)
            ours_s, theirs_s = ours_s + one_s, theirs_s + other_s
    median = statistics.median(ratios)
    total = rounds * count
    print(f"{total / ours_s:.0f} messages a second, paho one by one {total / theirs_s:.0f}; ratio {median:.2f}")
    assert median >= 0.5
