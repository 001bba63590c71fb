"""Consent, preview and what the window uses of it all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest

from app.community import consent as consent_module
from app.community.consent import DATE, FILE, VERSION, Choices, ConsentRecord, text
from app.community.message import check
from app.community.outbox import FILE as OUTBOX_FILE
from app.community.outbox import Outbox
from app.community.sender import SenderPhase, SenderState
from app.community.service import Community
from app.data_folder import data_folder
from tests.fakes.certificates import make_ca
from tests.fakes.community import INTERVAL_S, Subscriber, last_end_s, measurement, wait_for
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.unused_port import unused_port

CHOICES = Choices("u82f", "mqtts://broker.example", accepts_backdated=True)


def late(back: int) -> float:
    """The end of an interval so many before the last."""
    return last_end_s() - back * INTERVAL_S


def values(number: int) -> dict[str, float | None]:
    return {"THV1": 1.0 + number * 0.01, "1V3": 0.5, "THI1": 20.0, "Pc": 1234.0}


def test_off_by_default(tmp_path: Path) -> None:
    community = Community(tmp_path / "new")
    assert community.given is None
    assert not (tmp_path / "new").exists()
    assert community.offer(measurement(late(0))) == "There is no consent."
    community.start()
    assert community.status().sender is None
    with Outbox(tmp_path / "new") as outbox:
        assert outbox.counts().waiting == 0


def test_what_a_person_is_told() -> None:
    words = {section.title: section.body for section in text(CHOICES)}
    everything = " ".join(words.values())
    for part in ("10 minutes", "u82f", "mqtts://broker.example:8883", "IP address", "account", "join all", "Withdraw"):
        assert part in everything
    assert "load curve" not in everything
    assert "appliance" not in everything
    assert "not shared" in dict(text(Choices("u82f", "mqtts://broker.example")))["How often"]
    more = " ".join(
        section.body for section in text(Choices("u82f", "mqtts://me@b.example", ("power", "current-harmonics")))
    )
    assert "load curve" in more
    assert "appliance" in more
    assert "'me'" in more
    assert f"Version {VERSION} of {DATE}" in everything
    assert len(DATE.split("-")) == 3


def test_another_text_is_another_version() -> None:
    """Who has agreed is asked again only where the version is another: change it, and the date, with any word."""
    every = [
        Choices("u82f", broker, share, accepts_backdated)
        for broker in ("mqtts://broker.example", "mqtts://me@broker.example?cert=a&key=b", "mqtt://localhost")
        for share in ((), ("power",), ("current-harmonics",), ("power", "current-harmonics"))
        for accepts_backdated in (False, True)
    ]
    digest = hashlib.sha256(repr([tuple(map(tuple, text(choices))) for choices in every]).encode()).hexdigest()
    assert (VERSION, DATE, digest[:16]) == ("3", "2026-11-22", "08b6f2d5b8b9ff37")


def test_consent_is_kept_versioned_and_withdrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ConsentRecord(tmp_path).give(CHOICES)
    assert ConsentRecord(tmp_path).given == given
    assert given.version == VERSION
    assert given.at.endswith("Z")
    assert os.name != "posix" or stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    with monkeypatch.context() as patch:
        patch.setattr(consent_module, "VERSION", "another")
        assert ConsentRecord(tmp_path).given is None, "another text is another consent"
    ConsentRecord(tmp_path).give_once()
    assert ConsentRecord(tmp_path).given == given
    ConsentRecord(tmp_path).withdraw()
    assert ConsentRecord(tmp_path).given is None
    assert [entry["what"] for entry in ConsentRecord(tmp_path).history] == ["given", "given once", "withdrawn"]


@pytest.mark.parametrize(
    "spoilt",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"schema": 1, "given": 5}',
        *(
            '{"schema": 1, "given": {"version": "1", "at": "x", "choices": ' + choices + "}}"
            for choices in (
                '{"cell": "u82f"}',
                '{"cell": "u82fjj", "broker": "mqtts://a.b", "share": []}',
                '{"cell": 4, "broker": "mqtts://a.b", "share": []}',
                '{"cell": "u82f", "broker": 7, "share": []}',
                '{"cell": "u82f", "broker": "mqtts://a.b", "share": ["everything"]}',
                '{"cell": "u82f", "broker": "mqtts://a.b", "share": [["power"]]}',
                '{"cell": "u82f", "broker": "mqtts://a.b", "share": [], "more": 1}',
            )
        ),
        '{"schema": 2, "given": {}}',
        "[" * 100_000,
    ],
)
def test_what_can_not_be_read_is_no_consent(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / FILE).write_text(spoilt)
    assert Community(tmp_path).given is None
    assert Community(tmp_path).offer(measurement(late(0))) is not None


@pytest.mark.parametrize(
    "choices",
    [
        Choices("u82", "mqtts://a.b"),
        Choices("abcd", "mqtts://a.b"),
        Choices("u82f", "mqtt://a.b"),
        Choices("u82f", "mqtts://a.b", ("everything",)),
        Choices("u82f", "mqtts://a.b", limit_mb=0),
    ],
)
def test_choices_that_make_no_sense(tmp_path: Path, choices: Choices) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Community(tmp_path).give(choices)
    assert Community(tmp_path).given is None


def test_the_preview_is_what_is_sent(tmp_path: Path) -> None:
    ca = make_ca(tmp_path)
    states: list[SenderState] = []
    with Mosquitto(tmp_path, tls=ca) as server, Subscriber(server.port, ca.cert) as subscriber:
        community = Community(tmp_path / "data", on_state=states.append)
        choices = Choices("u82f", f"{server.url}?ca={ca.cert}", ("power",), accepts_backdated=True)
        last_s = last_end_s()
        measured = [measurement(last_s - back * INTERVAL_S, values=values(back)) for back in (5, 4, 3, 2)]
        previews = [community.preview(one, choices) for one in measured]
        assert all(preview.sendable and preview.reason is None for preview in previews)
        assert [community.offer(one) for one in measured] == ["There is no consent."] * 4
        community.give(choices)
        assert [community.offer(one) for one in measured] == [None] * 4
        assert community.offer(measurement(last_s - INTERVAL_S, flags=("dip",), values=values(9))) is not None
        community.start()
        try:
            wait_for(lambda: len(subscriber.received) >= 4)
            wait_for(
                lambda: any(state.phase is SenderPhase.IDLE and state.progress.acknowledged == 4 for state in states)
            )
            assert [(p.topic, p.payload) for p in previews] == subscriber.received
            again = community.preview(measured[0], choices)
            assert not again.sendable
            assert "not sent twice" in (again.reason or "")
            status = community.status()
            assert (status.counts.sent, status.counts.waiting, status.counts.late) == (4, 0, 0)
            assert status.sender is not None
        finally:
            community.stop()
        assert community.export_log(tmp_path / "log") == 4
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["topic"], line["payload"].encode()) for line in lines] == subscriber.received
    assert all(line["sent"].endswith("Z") for line in lines)


def test_the_log_is_not_written_over_what_sharing_keeps(tmp_path: Path) -> None:
    community = Community(tmp_path / "data")
    community.give(CHOICES)
    assert community.offer(measurement(late(1))) is None
    (tmp_path / "link").symlink_to(tmp_path / "data" / OUTBOX_FILE)
    for path in (tmp_path / "data" / OUTBOX_FILE, tmp_path / "data" / FILE, tmp_path / "link"):
        with pytest.raises(OSError, match="its own state"):
            community.export_log(path)
    assert community.given is not None
    with Outbox(tmp_path / "data") as outbox:
        assert outbox.counts().late + outbox.counts().waiting == 1


def test_the_preview_of_an_interval_under_way(tmp_path: Path) -> None:
    community = Community(tmp_path)
    begin_s = last_end_s()
    part = measurement(begin_s + 130.2, flags=("short",), completeness=0.2, values=values(1))
    preview = community.preview(part, CHOICES)
    assert not preview.sendable
    assert "short" in (preview.reason or "")
    assert preview.end_s == begin_s + 600
    check(preview.payload, now_s=preview.end_s + 1.0, topic=preview.topic)
    old = community.preview(measurement(late(5), values=values(1)), Choices("u82f", "mqtts://a.b"))
    assert not old.sendable
    assert "Too late" in (old.reason or "")


def test_withdrawing_ends_sending_and_empties_the_outbox(tmp_path: Path) -> None:
    community = Community(tmp_path)
    community.give(Choices("u82f", f"mqtt://127.0.0.1:{unused_port()}", accepts_backdated=True))
    last_s = last_end_s()
    for back in range(5):
        assert community.offer(measurement(last_s - back * INTERVAL_S, values=values(back))) is None
    community.start()
    assert community.status().sender is not None
    assert community.withdraw() == 5
    status = community.status()
    assert (status.given, status.sender, status.counts.waiting, status.counts.late) == (None, None, 0, 0)
    assert b'"timestamp"' not in (tmp_path / OUTBOX_FILE).read_bytes()
    assert community.offer(measurement(late(0))) == "There is no consent."


def test_other_choices_are_another_consent(tmp_path: Path) -> None:
    community = Community(tmp_path)
    community.give(Choices("u82f", "mqtts://broker.example", ("power",), accepts_backdated=True))
    community.offer(measurement(late(3), values=values(3)))
    community.give(CHOICES)
    assert community.status().counts.late == 0
    community.offer(measurement(late(2), values=values(2)))
    community.give(CHOICES)
    assert community.status().counts.late == 1, "the same again loses nothing"


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.delenv("SENSIX_DATA")
    assert data_folder().name.lower() == "sensix"
