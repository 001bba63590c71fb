"""The verb community, as a user calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app import cli
from app.community import feed
from app.community.outbox import Outbox
from app.community.service import consent_once
from dsp.measurement import Measurement
from resources.geohash import encode
from tests.fakes.certificates import make_ca
from tests.fakes.command_line import ROOT, Simulation, environment
from tests.fakes.community import Subscriber, interval, last_end_s, wait_for
from tests.fakes.community_verb import run
from tests.fakes.comtrade_writer import FakeChannel, FakeRecord
from tests.fakes.map_server import MapServer
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.unused_port import unused_port

RATE_HZ = 600.0
START_S = datetime(2024, 3, 5, 9, 59, 58, tzinfo=UTC).timestamp()
WHOLE_END_S = START_S + 2 + 600
POSITION = "46.771234,23.594567"

pytestmark = pytest.mark.timeout(300)  # the record that most tests share is measured within the first of them


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("SENSIX_MAP_URL", raising=False)
    monkeypatch.setitem(cli.VERBS, "community", "share 10-minute values with the community map")
    return tmp_path / "data"


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten whole minutes of the clock and 2 s on either side: 3 % of order 3, 1 % of order 5 in V1."""
    t = np.arange(int(604 * RATE_HZ)) / RATE_HZ
    wave = np.sin(2 * np.pi * 50 * t)
    volts = 325.0 * (wave + 0.03 * np.sin(2 * np.pi * 150 * t) + 0.01 * np.sin(2 * np.pi * 250 * t + 1.0))
    stamp = datetime.fromtimestamp(START_S, UTC).strftime("%d/%m/%Y,%H:%M:%S.%f")
    made = FakeRecord(
        [
            FakeChannel("V1", "V", volts, phase="A", a=0.02),
            FakeChannel("I1", "A", 10.0 * wave, phase="A", a=0.001),
        ],
        format="BINARY",
        rate_hz=RATE_HZ,
        status_count=0,
        station="Alices cellar",
        start=stamp,
        trigger=stamp,
    )
    return made.write(tmp_path_factory.mktemp("record"))


@pytest.fixture(scope="module")
def measured(record: Path) -> list[Measurement]:
    """What is measured of the record."""
    return list(feed.measurements_of_file(record, lambda: False))


@pytest.fixture
def known(record: Path, measured: list[Measurement], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record, which is not measured again."""
    real = feed.measurements_of_file

    def measurements(
        path: Path, stopped: Callable[[], bool], mapping: Mapping[str, str] | None = None
    ) -> Iterable[Measurement]:
        return measured if path == record else real(path, stopped, mapping)

    monkeypatch.setattr(feed, "measurements_of_file", measurements)
    return record


def test_preview_then_send_then_never_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, known: Path, data: Path
) -> None:
    ca = make_ca(tmp_path)
    with Mosquitto(tmp_path, tls=ca) as server, Subscriber(server.port, ca.cert) as subscriber:
        where = ("--position", POSITION, "--accepts-backdated")
        code, (preview,), _ = run(capsys, "preview", known, *where)
        assert (code, preview["sendable"], preview["reason"]) == (0, True, None)
        assert not subscriber.received
        to = ("--broker", server.url, "--ca", ca.cert)

        code, lines, told = run(capsys, "send", known, *where, *to)
        assert (code, lines) == (1, [])
        assert "--consent" in told
        assert not subscriber.received

        code, (sent,), told = run(capsys, "send", known, *where, *to, "--consent")
        assert (code, sent["sent"], sent["left_out"]) == (0, 1, 2), told
        wait_for(lambda: len(subscriber.received) >= 1)
        assert subscriber.ends_s == [WHOLE_END_S]
        assert subscriber.received[0] == (preview["topic"], preview["payload"].encode())
        for document in subscriber.documents:
            values = {key: value for key, value in document["payload"]["data"].items() if value is not None}
            assert document["type"] == "1P-PowerMonitor1"
            assert values["1V3"] == pytest.approx(3.0, abs=0.02)
            assert values["1V5"] == pytest.approx(1.0, abs=0.02)
            assert values["THV1"] == pytest.approx(3.16, abs=0.02)
            assert set(values) <= {"THV1", *(f"1V{order}" for order in range(3, 40, 2))}
            place = document["user_data"]["position"]
            assert encode(place["lat"], place["lon"]) == "u82f"

        code, (again,), _ = run(capsys, "send", known, *where, *to, "--consent", "--share", "power")
        assert (code, again["sent"], again["already_known"]) == (0, 0, 1)
        assert len(subscriber.received) == 1

        code, (status,), _ = run(capsys, "status")
        assert (code, status["sent"], status["waiting"], status["late"], status["consent"]) == (0, 1, 0, 0, None)
        code, (log,), _ = run(capsys, "log", "--out", tmp_path / "log.jsonl")
        assert (code, log["written"]) == (0, 1)
    kept = [path.read_bytes() for path in data.iterdir()] + [(tmp_path / "log.jsonl").read_bytes()]
    for content in kept:
        for trace in (b"46.77", b"23.59", b"Alice", str(known).encode(), b"cellar"):
            assert trace not in content


def test_sharing_more_is_a_choice(capsys: pytest.CaptureFixture[str], known: Path) -> None:
    where = (known, "--position", "u82f", "--accepts-backdated")
    for share, has_power, has_current in (
        ("power", True, False),
        ("current-harmonics", False, True),
        ("", False, False),
    ):
        _, (preview,), _ = run(capsys, "preview", *where, "--share", share)
        data = json.loads(preview["payload"])["payload"]["data"]
        assert (data["Pc"] is not None) == has_power
        assert (data["THI1"] is not None) == has_current
        assert len(data) == 123


def test_late_data_is_not_sent_to_a_broker_that_does_not_take_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, known: Path
) -> None:
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber:
        code, _, told = run(capsys, "send", known, "--position", "u82f", "--broker", server.url, "--consent")
        assert code == 1
        assert "--accepts-backdated" in told
        _, (status,), _ = run(capsys, "status")
        assert (status["late"], status["sent"]) == (1, 0)
        code, (gone,), _ = run(capsys, "withdraw")
        assert (code, gone["deleted"]) == (0, 1)
        assert not subscriber.received


def test_a_clock_that_is_wrong_sends_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path, known: Path) -> None:
    with Mosquitto(tmp_path) as server, Subscriber(server.port) as subscriber, MapServer(clock_ahead_s=300.0) as map_:
        send = ("send", known, "--position", "u82f", "--broker", server.url, "--consent", "--accepts-backdated")
        code, _, told = run(capsys, *send, "--map", map_.url)
        assert code == 1
        behind = re.search(r"(\d+) s behind", told)
        assert behind is not None
        assert int(behind[1]) == pytest.approx(300, abs=6), "the Date counts whole seconds; an answer takes up to 10 s"
        assert not subscriber.received
        map_.clock_ahead_s = 0.0
        code, (sent,), _ = run(capsys, *send, "--map", map_.url)
        assert (code, sent["sent"]) == (0, 1)
        wait_for(lambda: len(subscriber.received) >= 1)


def test_a_broker_that_is_away_keeps_everything(capsys: pytest.CaptureFixture[str], known: Path) -> None:
    url = f"mqtt://127.0.0.1:{unused_port()}"
    send = (
        "send",
        known,
        "--position",
        "u82f",
        "--broker",
        url,
        "--consent",
        "--accepts-backdated",
        "--patience",
        0.2,
    )
    code, _, told = run(capsys, *send)
    assert code == 1
    assert "waits in the outbox" in told
    _, (status,), _ = run(capsys, "status")
    assert status["late"] == 1


def short_record(folder: Path, seconds: float) -> Path:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    volts = FakeChannel("V1", "V", 325.0 * np.sin(2 * np.pi * 50 * t), phase="A", a=0.02)
    folder.mkdir()
    return FakeRecord([volts], format="BINARY", rate_hz=RATE_HZ, status_count=0).write(folder)


def test_it_ends_within_2_s_when_asked(tmp_path: Path, data: Path) -> None:
    url = f"mqtt://127.0.0.1:{unused_port()}"
    with Outbox(data) as outbox:
        outbox.put(interval(last_end_s()), "u82f", consent_once(url))
    record = short_record(tmp_path / "short", 1.0)
    program = "import sys; from app import cli; cli.VERBS['community'] = 'share'; sys.exit(cli.main(sys.argv[1:]))"
    arguments = [
        "community",
        "send",
        str(record),
        "--position",
        "u82f",
        "--broker",
        url,
        "--consent",
        "--accepts-backdated",
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Trying again" in line:
            break
    started_s = time.monotonic()
    process.terminate()
    out, errors = process.communicate(timeout=20.0)
    assert time.monotonic() - started_s < 6.0, "a third of that on an idle computer"
    assert process.returncode == 0, (out, errors)
    assert "waits in the outbox" in errors


@pytest.mark.parametrize("position", [("--position", "-33.87,151.21"), ("--position=-33.87,151.21",)])
def test_a_position_south_of_the_equator(
    capsys: pytest.CaptureFixture[str], known: Path, position: tuple[str, ...]
) -> None:
    code, (preview,), told = run(capsys, "preview", known, *position, "--accepts-backdated")
    assert code == 0, told
    place = json.loads(preview["payload"])["user_data"]["position"]
    assert encode(place["lat"], place["lon"]) == encode(-33.87, 151.21)


def test_channels_that_are_not_recognised_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    t = np.arange(int(2 * RATE_HZ)) / RATE_HZ
    wave = 325.0 * np.sin(2 * np.pi * 50 * t)
    fifth = wave + 16.25 * np.sin(2 * np.pi * 250 * t)
    names = (("Bus A", wave), ("Bus B", fifth))
    channels = [FakeChannel(name, "V", volts, phase="", a=0.02) for name, volts in names]
    record = FakeRecord(channels, format="BINARY", rate_hz=RATE_HZ, status_count=0).write(tmp_path)
    where = ("--position", "u82f")
    code, _, told = run(capsys, "preview", record, *where)
    assert (code, "--channels" in told) == (1, True), told
    code, (preview,), _ = run(capsys, "preview", record, *where, "--channels", "V1=Bus B")
    assert code == 0
    assert json.loads(preview["payload"])["payload"]["data"]["1V5"] == pytest.approx(5.0, abs=0.05)
    code, _, told = run(capsys, "preview", record, *where, "--channels", "V1")
    assert (code, "V1=NAME" in told) == (2, True), told
    code, _, told = run(capsys, "preview", "usb:/dev/none", *where, "--channels", "V1=1")
    assert (code, "COMTRADE file" in told) == (2, True), told


def test_preview_of_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulation("--usb", "--preset", "office") as simulation:
        before_s = time.time()
        code, (preview,), told = run(capsys, "preview", simulation.told["usb"], "--position", "u82f", "--seconds", 3)
        after_s = time.time()
        eui = simulation.told["eui"]
    assert code == 0
    assert not preview["sendable"]
    assert "Not sendable yet" in told
    document = json.loads(preview["payload"])
    assert document["payload"]["data"]["1V5"] > 0.0
    assert document["payload"]["timestamp"] % 600 == 0
    assert before_s < document["payload"]["timestamp"] <= after_s + 600
    assert eui not in json.dumps(preview)


def test_a_virtual_module_is_not_sent_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with Simulation("--usb", "--preset", "office") as simulation:
        to = ("--broker", "mqtts://broker.invalid", "--time-from", "https://map.invalid", "--consent")
        code, lines, told = run(capsys, "send", simulation.told["usb"], "--position", "u82f", *to)
    assert (code, lines) == (1, [])
    assert "measures no grid" in told


def test_a_short_record_is_shown_but_not_sendable(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for seconds in (0.1, 5.0):
        path = short_record(tmp_path / str(seconds), seconds)
        code, (preview,), told = run(capsys, "preview", path, "--position", "u82f")
        assert (code, preview["sendable"]) == (0, False)
        assert "Not sendable yet" in told
        assert len(json.loads(preview["payload"])["payload"]["data"]) == 123


def test_the_map(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with MapServer() as server:
        code, cells, _ = run(capsys, "map", "--map", server.url, "--range", 24)
        assert code == 0
        assert {"cell": "u82f", "status": "normal"} in cells
        monkeypatch.setenv("SENSIX_MAP_URL", server.url)
        code, (cell,), _ = run(capsys, "map", "u82f")
        assert (code, cell["metrics"]["THV"], cell["metrics"]["THI"]) == (0, 2.45, None)
        server.fault = "429"
        code, _, told = run(capsys, "map", "u82f")
        assert code == 1
        assert "120 questions an hour" in told


def test_the_log_is_kept_as_long_as_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Outbox(data) as outbox:
        for number in range(3):
            outbox.put(interval(last_end_s() - 600 * number, number), "u82f")
        outbox.acknowledged([w.id for w in outbox.next(9, backdated=True, at_once=True)])
    code, (status,), _ = run(capsys, "status")
    assert (code, status["log"], status["log_days"], status["log_mb"]) == (0, 3, 365, 100)
    code, (kept,), _ = run(capsys, "log", "--keep-days", 30)
    assert (code, kept["log_days"], kept["log_mb"], kept["log_forgotten"]) == (0, 30, 100, 0)
    monkeypatch.setattr("app.community.sent_log.MB", 2000)
    code, (kept,), _ = run(capsys, "log", "--keep-mb", 1)
    assert (code, kept["log"], kept["log_forgotten"]) == (0, 1, 2)
    out = tmp_path / "log.jsonl"
    code, (written,), _ = run(capsys, "log", "--out", out)
    assert (code, written["written"]) == (0, 1)
    head, line = (json.loads(text) for text in out.read_text(encoding="utf-8").splitlines())
    assert head["no_longer_kept"] == 2
    assert head["sent_until"].endswith("Z")
    assert "payload" in line


def test_each_front_says_in_its_own_words_how_to_trust_a_clock(capsys: pytest.CaptureFixture[str], known: Path) -> None:
    to = ("--broker", "mqtts://broker.invalid", "--accepts-backdated", "--consent", "--patience", "1")
    code, lines, told = run(capsys, "send", known, "--position", "u82f", *to)
    assert (code, lines) == (1, [])
    assert "--time-from" in told


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["log", "--keep-days", "0"], 2),
        (["log", "--keep-mb", "0"], 2),
        ([], 2),
        (["dance"], 2),
        (["preview"], 2),
        (["preview", "FILE"], 2),
        (["preview", "FILE", "--position", "nowhere"], 2),
        (["preview", "FILE", "--position", "99,0"], 2),
        (["preview", "FILE", "--position", "u82f", "--share", "everything"], 2),
        (["preview", "FILE", "--position", "u82f", "--seconds", "nan"], 2),
        (["preview", "/no/such/file", "--position", "u82f"], 1),
        (["preview", "usb:/no/such/port", "--position", "u82f"], 1),
        (["preview", "usb:", "--position", "u82f"], 2),
        (["send", "FILE", "--position", "u82f"], 2),
        (["send", "FILE", "--position", "u82f", "--broker", "mqtt://192.168.0.1", "--consent"], 2),
        (["send", "FILE", "--position", "u82f", "--broker", "mqtts://a:b@c.example", "--consent"], 2),
        (["send", "FILE", "--position", "u82f", "--broker", "mqtts://c.example", "--ca", "/none", "--consent"], 2),
        (["send", "FILE", "--position", "u82f", "--broker", "mqtts://c.example", "--key", "/none", "--consent"], 2),
        (["send", "FILE", "--position", "u82f", "--broker", "mqtts://c.example", "--count", "0", "--consent"], 2),
        (["map"], 2),
        (["map", "--map", "http://map.example"], 1),
        (["map", "--range", "5"], 2),
        (["log"], 2),
        (["log", "--out", "/no/such/folder/file"], 1),
    ],
)
def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str], known: Path, arguments: list[str], code: int) -> None:
    found, lines, told = run(capsys, *[str(known) if word == "FILE" else word for word in arguments])
    assert (found, lines) == (code, [])
    assert told.strip()


def test_the_folder_may_be_out_of_reach(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSIX_DATA", os.devnull)
    code, _, told = run(capsys, "status")
    assert code == 1
    assert "SENSIX_DATA" in told
