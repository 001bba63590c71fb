"""The map's client against a map with every fault."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.community.asking import AN_HOUR, Asking
from app.community.broker import parse_broker
from app.community.map_answers import MapError, MapErrorKind, cell_from, detail_from, parse
from app.community.rest import CACHE_S, MapClient
from app.community.session import UploadError
from app.community.trusted_time import TrustedTime
from tests.fakes.map_server import MapServer, cell_name
from tests.fakes.unused_port import unused_port


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def client(server: MapServer, **options: object) -> MapClient:
    return MapClient(server.url, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("hours", "name"), [(3, "r3"), (8, "r8"), (24, "r24"), (48, "r48")])
def test_cells_and_ranges(hours: int, name: str) -> None:
    with MapServer() as server:
        found = client(server).cells(hours)
        assert {cell.geohash: cell.status for cell in found.cells} == {
            "u82f": "normal",
            "u82g": "warning",
            "ezs4": "critical",
            "u4pr": None,
        }
        assert found.complete
        assert f"relative_time_range={name}" in server.asked[0]


def test_a_cell() -> None:
    with MapServer() as server:
        detail = client(server).detail("U82F", 24)
    assert (detail.geohash, detail.status, detail.text) == ("u82f", "normal", "Normal voltage waveform")
    thv, thi = detail.metrics
    assert (thv.key, thv.name, thv.unit, thv.status, thv.value) == ("THV", "THD of voltage", "%", "normal", 2.45)
    assert [(p.value, p.lowest, p.messages) for p in thv.trend] == [(2.5, 2.1, 3), (2.4, None, 1)]
    assert (thi.key, thi.name, thi.value, thi.trend) == ("THI", "THI", None, ())
    assert [(h.order, h.voltage_pct, h.current_pct) for h in detail.harmonics][:2] == [(3, 2.0, None), (5, 1.2, None)]


def test_an_empty_map() -> None:
    with MapServer({}) as server:
        found = client(server).cells()
    assert found.cells == ()
    assert found.complete


def test_a_hundred_thousand_cells_in_pages() -> None:
    cells: dict[str, int | None] = {cell_name(number * 7): number % 4 for number in range(100_000)}
    with MapServer(cells) as server:
        found = client(server, timeout_s=30.0).cells()
        assert len(server.asked) == 10
    assert len(found.cells) == 100_000
    assert found.complete


def test_short_pages_end_with_the_hours_allowance() -> None:
    cells: dict[str, int | None] = {cell_name(number): 2 for number in range(400)}
    with MapServer(cells, page_limit=2) as server:
        found = client(server).cells()
        assert len(server.asked) == AN_HOUR
    assert len(found.cells) == 2 * AN_HOUR
    assert not found.complete


def test_answers_are_kept_for_15_s() -> None:
    clock = Clock()
    with MapServer() as server:
        asking = client(server, clock=clock)
        for _ in range(5):
            asking.cells()
        assert len(server.asked) == 1
        asking.cells(8)
        asking.detail("u82f")
        assert len(server.asked) == 3
        clock.s += CACHE_S
        asking.cells()
        assert len(server.asked) == 4


def test_no_more_than_120_an_hour() -> None:
    clock = Clock()
    with MapServer() as server:
        asking = client(server, clock=clock)
        for _ in range(AN_HOUR):
            asking.cells()
            clock.s += CACHE_S
        with pytest.raises(MapError) as caught:
            asking.cells()
        assert caught.value.kind is MapErrorKind.LIMIT
        assert len(server.asked) == AN_HOUR
        assert caught.value.retry_after_s == pytest.approx(3600 - AN_HOUR * CACHE_S)
        clock.s += caught.value.retry_after_s or 0.0
        asking.cells()


def test_the_limit_holds_after_a_restart_and_for_all_programs(tmp_path: Path) -> None:
    now_s = [1000.0]

    def asking() -> Asking:
        return Asking(tmp_path, clock=lambda: now_s[0])

    with MapServer() as server:
        for number in range(AN_HOUR):
            now_s[0] += 1.0
            client(server, asking=asking()).cells((3, 8)[number % 2])
        with pytest.raises(MapError) as caught:
            client(server, asking=asking()).cells()
        assert caught.value.kind is MapErrorKind.LIMIT
        assert caught.value.retry_after_s == pytest.approx(3600.0 - (AN_HOUR - 1))
        assert len(server.asked) == AN_HOUR
        now_s[0] += 3600.0 - (AN_HOUR - 1)
        client(server, asking=asking()).cells()
        now_s[0] = 500.0  # the clock was set back: what lies in the future is not believed
        client(server, asking=asking()).cells()


def test_what_the_map_wants_holds_after_a_restart(tmp_path: Path) -> None:
    with MapServer() as server:
        server.fault = "429"
        with pytest.raises(MapError):
            client(server, asking=Asking(tmp_path)).cells()
        server.fault = None
        with pytest.raises(MapError, match="ask again in 2 min"):
            client(server, asking=Asking(tmp_path)).cells()
        assert len(server.asked) == 1


def test_a_count_that_can_not_be_kept_counts_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "community-asked.sqlite").mkdir(parents=True)
    for place in (tmp_path / "file", tmp_path / "folder"):
        asking = Asking(place, clock=lambda: 5.0)
        assert [asking.take("map") for _ in range(AN_HOUR)] == [0.0] * AN_HOUR
        assert asking.take("map") == 3600.0
        assert asking.take("another") == 0.0


@pytest.mark.parametrize(("told", "wait_s"), [("date", 300.0), ("7200", 3600.0), ("soon", 60.0), ("-5", 60.0)])
def test_both_forms_of_retry_after(told: str, wait_s: float) -> None:
    with MapServer(clock_ahead_s=5000.0) as server:  # a date is one of the map's clock
        asked_s = time.time()
        server.retry_after = formatdate(asked_s + 5300.0, usegmt=True) if told == "date" else told
        server.fault = "429"
        with pytest.raises(MapError) as caught:
            client(server).cells()
        took_s = time.time() - asked_s if told == "date" else 0.0
    assert caught.value.retry_after_s is not None
    assert wait_s - took_s - 1.0 <= caught.value.retry_after_s <= wait_s + 1.0, "dates count whole seconds"


def test_a_map_that_repeats_itself_is_not_asked_for_ever() -> None:
    with MapServer({cell_name(number): 2 for number in range(10)}) as server:
        server.fault = "repeat"
        found = client(server).cells()
        assert len(server.asked) == 2
    assert not found.complete
    assert len(found.cells) == 2


def test_what_can_not_be_drawn_is_left_out() -> None:
    points = [
        {"x": 1795344000000, "y": 2.0},  # milliseconds
        {"x": -5, "y": 2.0},
        {"x": 1e300, "y": 2.0},
        {"x": 1795344000, "y": 1e308, "min": -3.0, "max": 1e999},
    ]
    metric = {"sid": 9, "value": -1.0, "values": points}
    document = {
        "sid": True,
        "data": {"HDs": [{"x": 3, "y1": -0.5, "y2": 1e300}], "order": ["THV", "THV"], "metrics": {"THV": metric}},
        "metadata": {"THV": {"name": "\x1b[31mTHD\n of\tvoltage" + "x" * 500, "units": "\x07%"}},
        "text": "a\x1b]0;title\x07b",
    }
    detail = detail_from(document, "u82f")
    (one,) = detail.metrics
    assert one.trend == ((1795344000.0, None, None, None, None),)
    assert (one.value, one.status, detail.status) == (None, None, None)
    assert one.name.startswith("[31mTHD of voltage")
    assert (len(one.name), one.unit, detail.text) == (60, "%", "a ]0;title b")
    assert detail.harmonics == ((3, None, None),)


def test_a_mark_in_front_of_the_answer_does_no_harm() -> None:
    assert parse(b"\xef\xbb\xbf{}") == {}


def test_throttled_by_the_map() -> None:
    clock = Clock()
    with MapServer() as server:
        asking = client(server, clock=clock)
        server.fault = "429"
        with pytest.raises(MapError, match="ask again in 2 min") as caught:
            asking.cells()
        assert caught.value.retry_after_s == 120.0
        server.fault = None
        with pytest.raises(MapError, match="ask again"):
            asking.cells(8)
        assert len(server.asked) == 1, "it does not ask meanwhile"
        clock.s += 121.0
        assert asking.cells(8).complete


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("500", MapErrorKind.REFUSED, "Something broke"),
        ("slow", MapErrorKind.SLOW, "did not answer within 1 s"),
        ("silent", MapErrorKind.SLOW, "did not answer within 1 s"),
        ("slow head", MapErrorKind.SLOW, "did not answer within 1 s"),
        ("gzip", MapErrorKind.NONSENSE, "not one of a community map"),
        ("latin", MapErrorKind.NONSENSE, "not one of a community map"),
        ("cut", MapErrorKind.NONSENSE, "cut off"),
        ("wrong json", MapErrorKind.NONSENSE, "not one of a community map"),
        ("array", MapErrorKind.NONSENSE, "not one of a community map"),
        ("html", MapErrorKind.NONSENSE, "not one of a community map"),
        ("deep", MapErrorKind.NONSENSE, "not one of a community map"),
        ("redirect", MapErrorKind.ADDRESS, "moved"),
    ],
)
def test_faults_are_told_in_a_sentence(fault: str, kind: MapErrorKind, words: str) -> None:
    with MapServer() as server:
        server.fault = fault
        timeout_s = 1.0 if kind is MapErrorKind.SLOW else 30.0
        for ask in (lambda a: a.cells(), lambda a: a.detail("u82f")):
            with pytest.raises(MapError, match=words) as caught:
                ask(client(server, timeout_s=timeout_s))
            assert caught.value.kind is kind
            assert str(caught.value).endswith(".")
        server.fault = None
        assert client(server).cells().complete, "it works again"


def test_null_everywhere() -> None:
    with MapServer() as server:
        server.fault = "null"
        found = client(server).cells()
        assert [(cell.geohash, cell.status) for cell in found.cells] == [("u82f", None), ("u82g", None)]
        detail = client(server).detail("u82f")
    assert (detail.status, detail.metrics, detail.harmonics, detail.text) == (None, (), (), "")


@pytest.mark.parametrize("place", ["u82f", "U82FJ", "u82fjx3k9qzz"])
def test_no_place_finer_than_a_cell_is_asked_for(place: str) -> None:
    with MapServer() as server:
        assert client(server).detail(place).geohash == "u82f"
        (asked,) = server.asked
    assert asked.startswith("/api/v1/geohash-area/u82f/?")


def test_an_unknown_cell_and_range() -> None:
    with MapServer() as server:
        with pytest.raises(MapError, match=r"Unknown geohash.*nobody shares"):
            client(server).detail("9999")
        with pytest.raises(MapError, match="3, 8, 24, 48 hours"):
            client(server).cells(5)
        with pytest.raises(MapError, match="no geohash"):
            client(server).detail("../etc")
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        "",
        "map",
        "ftp://127.0.0.1",
        "http://",
        "http://map.example",
        "http://[::1",
        "http://127.0.0.1:x",
        "https://me:x@map.example",
    ],
)
def test_addresses(address: str) -> None:
    with pytest.raises(MapError) as caught:
        MapClient(address)
    assert caught.value.kind is MapErrorKind.ADDRESS


def test_nobody_there() -> None:
    with pytest.raises(MapError, match="can't be reached"):
        MapClient(f"http://127.0.0.1:{unused_port()}").cells()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, json_values, json_values, json_values, json_values)
def test_any_answer_ends_as_values_or_as_a_sentence(
    one: object, two: object, three: object, four: object, x: object
) -> None:
    document = {
        "sid": one,
        "data": {
            "HDs": [two, {"x": one, "y1": three, "y2": four}, three],
            "order": ["THV", two, x],
            "metrics": {
                "THV": {"sid": two, "value": three, "values": [one, {"x": 1.0, "y": four, "cnt": x, "min": one}]},
                "o": x,
            },
        },
        "metadata": x,
        "text": four,
    }
    detail = detail_from(document, "u82f")
    assert detail.status in ("critical", "warning", "normal", None)
    for metric in detail.metrics:
        assert metric.value is None or abs(metric.value) < float("inf")
    assert cell_from(x) is None or isinstance(x, dict)
    for part in ("data", "metadata"):
        detail_from({**document, part: two, "data": two}, "u82f")


# The map's clock.


def trusted(server: MapServer | None, broker: str = "mqtts://broker.example") -> TrustedTime:
    return TrustedTime(None if server is None else client(server), parse_broker(broker))


@pytest.mark.parametrize("ahead_s", [0.0, 50.0, -50.0])
def test_clocks_that_agree(ahead_s: float) -> None:
    with MapServer(clock_ahead_s=ahead_s) as server:
        time_of = trusted(server)
        time_of.confirm()
        time_of.confirm()
        assert len(server.asked) == 1, "an hour long"
        assert time_of.now() <= time.time() + min(0.0, ahead_s) + 1.5, "never ahead of the map"


@pytest.mark.parametrize(("ahead_s", "word"), [(70.0, "behind"), (-70.0, "ahead"), (1e7, "behind")])
def test_clocks_that_do_not_agree(ahead_s: float, word: str) -> None:
    with MapServer(clock_ahead_s=ahead_s) as server, pytest.raises(UploadError, match=word) as caught:
        trusted(server).confirm()
    assert caught.value.permanent


@pytest.mark.parametrize("fault", ["no date", "silent"])
def test_a_clock_that_can_not_be_compared(fault: str) -> None:
    with MapServer() as server:
        server.fault = fault
        with pytest.raises(UploadError, match="can't be compared"):
            TrustedTime(client(server, timeout_s=1.0), parse_broker("mqtts://broker.example")).confirm()


def test_without_a_trusted_clock_only_this_computer_is_sent_to() -> None:
    with pytest.raises(UploadError, match="Say where to ask") as caught:
        TrustedTime(None, parse_broker("mqtts://broker.example"), how="Say where to ask.").confirm()
    assert caught.value.permanent
    trusted(None, "mqtt://127.0.0.1:1").confirm()
