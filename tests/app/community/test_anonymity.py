"""Nothing that leaves or is kept for leaving tells who or where somebody is."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.community import anonymise as anonymising
from app.community.anonymise import anonymise, day_of, new_alias, new_client_id
from app.community.consent import FILE as CONSENT_FILE
from app.community.consent import Choices
from app.community.outbox import Outbox
from app.community.service import Community
from resources.geohash import bounds, cell_of, encode
from resources.parameters import keys_for
from tests.fakes.community import last_end_s, measurement

words = st.text("bcdfghjkmnpqrstvwxyzäß-", min_size=6, max_size=20)
euis = st.integers(2**60, 2**64 - 1).map("{:016X}".format).filter(lambda eui: len(set(eui)) > 5)


@dataclass(frozen=True)
class Home:
    """All that could give somebody away."""

    eui: str
    name: str
    user: str
    host: str
    ssid: str
    latitude_deg: float
    longitude_deg: float

    @property
    def traces(self) -> list[str]:
        """In every form that one would look for."""
        mac = self.eui[:6] + self.eui[10:]
        number = int(self.eui, 16)
        exact = [f"{angle:.{digits}f}" for angle in (self.latitude_deg, self.longitude_deg) for digits in (3, 5, 7)]
        names = [self.name, self.user, self.host, self.ssid]
        forms = [self.eui, mac, ":".join(mac[i : i + 2] for i in range(0, 12, 2)), str(number), f"{number:b}"]
        finer = [encode(self.latitude_deg, self.longitude_deg, length) for length in (5, 6, 9)]
        return [*forms, *(form.lower() for form in forms), *names, *exact, *finer]


@st.composite
def homes(draw: st.DrawFn) -> Home:
    cell = draw(st.text("0123456789bcdefghjkmnpqrstuvwxyz", min_size=4, max_size=4))
    return home_in(cell, draw)


def home_in(cell: str, draw: st.DrawFn) -> Home:
    box = bounds(cell)
    # Not at the very centre: that place is what everybody in the cell gives.
    up, right = draw(st.floats(0.01, 0.4)), draw(st.floats(0.01, 0.4))
    return Home(
        draw(euis),
        draw(words),
        draw(words),
        draw(words),
        draw(words),
        box.south_deg + up * (box.north_deg - box.south_deg),
        box.west_deg + right * (box.east_deg - box.west_deg),
    )


@st.composite
def two_homes_in_one_cell(draw: st.DrawFn) -> tuple[Home, Home]:
    cell = draw(st.text("0123456789bcdefghjkmnpqrstuvwxyz", min_size=4, max_size=4))
    return home_in(cell, draw), home_in(cell, draw)


readings = st.fixed_dictionaries({key: st.floats(0, 50) | st.none() for key in ("THV1", "1V3", "1V5", "THI1", "Pc")})
shares = st.sets(st.sampled_from(["power", "current-harmonics"]))


@contextmanager
def chance(seed: int) -> Iterator[None]:
    """The same random numbers again, to see what else a message depends on."""
    source = random.Random(seed)
    with (
        mock.patch.object(anonymising.secrets, "token_hex", lambda count: source.randbytes(count).hex()),
        mock.patch.object(anonymising.random, "SystemRandom", return_value=source),
    ):
        yield


def live(folder: Path, home: Home, values: dict[str, float | None], share: set[str], end_s: int) -> dict[str, bytes]:
    """Preview, consent, one interval, a log: every file and every byte that comes of it."""
    environment = {"USER": home.user, "LOGNAME": home.user, "HOSTNAME": home.host, "COMPUTERNAME": home.host}
    with mock.patch.dict("os.environ", environment):
        everything = dict.fromkeys(keys_for("3P+N"), 0.5) | values
        measured = measurement(end_s, values=everything, module=home.eui)
        community = Community(folder / "data")
        cell = cell_of(f"{home.latitude_deg!r},{home.longitude_deg!r}")
        choices = Choices(cell, "mqtts://broker.example", tuple(sorted(share)), accepts_backdated=True)
        preview = community.preview(measured, choices)
        community.give(choices)
        assert community.offer(measured) is None
        with Outbox(folder / "data") as outbox:
            (waiting,) = outbox.next(9, backdated=True, at_once=True)
            assert (waiting.topic, waiting.payload) == (preview.topic, preview.payload)
            outbox.acknowledged([waiting.id])
            outbox.settle()
        community.export_log(folder / "log")
        client_id = new_client_id()
    made = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    made["log"] = (folder / "log").read_bytes()
    return made | {"topic": waiting.topic.encode(), "payload": waiting.payload, "client id": client_id.encode()}


@settings(max_examples=20)
@given(homes(), readings, shares, st.integers(1, 4000))
def test_no_trace_of_a_home(home: Home, values: dict[str, float | None], share: set[str], ago: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        made = live(Path(name), home, values, share, last_end_s() - 600 * ago)
    for what, content in made.items():
        assert bytes.fromhex(home.eui) not in content
        # SQLite writes cell and day without anything between: that is no finer cell.
        content = re.sub(rb"[0-9a-z]{4}(?=\d{4}-\d\d-\d\d)", b"|", content)
        found = [trace for trace in home.traces if trace.encode() in content]
        assert not found, f"{found} in {what}"


@settings(max_examples=15)
@given(two_homes_in_one_cell(), readings, shares, st.integers(0, 2**32))
def test_two_homes_in_one_cell_are_the_same_to_the_byte(
    homes: tuple[Home, Home], values: dict[str, float | None], share: set[str], seed: int
) -> None:
    """With the same random numbers: nothing that leaves is a function of who or where in the cell one is."""
    end_s = last_end_s() - 6000
    made = []
    for home in homes:
        with tempfile.TemporaryDirectory() as name, chance(seed):
            files = live(Path(name), home, values, share, end_s)
            with closing(sqlite3.connect(Path(name) / "data" / "community-outbox.sqlite")) as database:
                rows = [database.execute(f"SELECT * FROM {table}").fetchall() for table in ("message", "alias")]
            log = [{k: v for k, v in json.loads(line).items() if k != "sent"} for line in files["log"].splitlines()]
            consent = json.loads(files[CONSENT_FILE])["given"]["choices"]
            made.append(
                (
                    files["topic"],
                    files["payload"],
                    files["client id"],
                    [(*row[:9], row[10]) for row in rows[0]],
                    log,
                    consent,
                )
            )
    assert made[0] == made[1]


@settings(max_examples=30)
@given(homes(), st.integers(0, 3000), st.integers(1, 3000))
def test_two_days_share_nothing_but_cell_and_type(home: Home, first: int, apart: int) -> None:
    cell = cell_of(f"{home.latitude_deg!r},{home.longitude_deg!r}")
    end_s = last_end_s() - first * 86400
    texts = []
    with tempfile.TemporaryDirectory() as name, Outbox(Path(name)) as outbox:
        for moment in (end_s - apart * 86400, end_s):
            interval = anonymise(measurement(moment, values={"THV1": 1.0 + moment % 7, "1V3": moment % 11 * 0.1}))
            assert outbox.put(interval, cell)
            assert outbox.alias(cell, day_of(moment)) == outbox.alias(cell, day_of(moment)), "one a day"
        early, late = outbox.next(9, backdated=True, at_once=True)
        for waiting in (early, late):
            document = json.loads(waiting.payload)
            del document["payload"], document["user_data"], document["type"]
            texts.append([waiting.topic.removesuffix("/data").removeprefix("v1/community/devices/"), document])
    (one_topic, one), (other_topic, other) = texts
    assert one_topic != other_topic
    assert set(one) == set(other) == {"eui"}
    assert one["eui"] != other["eui"]
    shared = {one_topic[i : i + 9] for i in range(8)} & {other_topic[i : i + 9] for i in range(8)}
    assert not shared


def test_pseudonyms_and_client_ids_never_come_twice() -> None:
    aliases = {new_alias("u82f", "2026-01-01").pseudonym for _ in range(2000)}
    clients = {new_client_id() for _ in range(2000)}
    assert len(aliases) == len(clients) == 2000
    assert all(len(name) <= 23 for name in clients)


def test_the_moment_of_sending_is_random_and_before_the_next_interval(tmp_path: Path) -> None:
    with Outbox(tmp_path) as outbox:
        end_s = last_end_s() - 600 * 200
        for number in range(200):
            outbox.put(anonymise(measurement(end_s + 600 * number, values={"THV1": 1.0})), "u82f")
        waiting = outbox.next(500, backdated=True, at_once=True)
    delays = [message.due_s - message.end_s for message in waiting]
    assert all(0 < delay < 600 for delay in delays)
    assert min(delays) < 60 < 480 < max(delays)
    assert len({round(delay, 3) for delay in delays}) > 190
    assert [m.due_s for m in waiting] == sorted(m.due_s for m in waiting), "later intervals are never due earlier"


@pytest.mark.parametrize("where", ["46.77123,23.59456", "u82fjx3k9"])
def test_a_fine_position_is_gone_before_anything_is_kept(tmp_path: Path, where: str) -> None:
    community = Community(tmp_path)
    community.give(Choices(cell_of(where), "mqtts://broker.example"))
    community.offer(measurement(last_end_s()))
    for path in tmp_path.iterdir():
        for trace in ("46.77", "23.59", "u82fj"):
            assert trace.encode() not in path.read_bytes()
    with pytest.raises(ValueError, match="finer"):
        community.give(Choices("u82fj", "mqtts://broker.example"))
