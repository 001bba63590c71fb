"""The map's contract: nothing that would hurt it can be built or passes the check."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.community.anonymise import TYPES, anonymise, day_of, map_keys, new_alias, place_of, why_left_out
from app.community.message import MessageError, build, check
from dsp.measurement import FLAGS
from resources.geohash import ALPHABET, encode
from resources.parameters import keys_for
from tests.fakes.community import interval, measurement

END_S = 1_795_344_000
NOW_S = END_S + 30.0

anything = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(0, 20),
    st.integers(-(10**400), 10**400),
    st.sampled_from([-0.0, 1e-300, -5e-324, 100.0, 100.005, 1e7]),
)


def message() -> tuple[bytes, str]:
    alias = new_alias("u82f", day_of(END_S))
    return build(interval(END_S), alias), alias.topic


def refused(payload: bytes, **options: Any) -> str:
    with pytest.raises(MessageError) as caught:
        check(payload, now_s=options.pop("now_s", NOW_S), **options)
    return str(caught.value)


def test_a_message_passes_and_reads_as_the_map_wants_it() -> None:
    payload, topic = message()
    check(payload, now_s=NOW_S, topic=topic)
    document = json.loads(payload)
    assert list(document) == ["eui", "type", "payload", "user_data"]
    assert len(document["payload"]["data"]) == 123
    assert document["payload"]["timestamp"] == END_S
    assert document["type"] == "3PN-PowerMonitor1"
    position = document["user_data"]["position"]
    assert encode(position["lat"], position["lon"]) == "u82f"
    assert topic == f"v1/community/devices/{document['eui']}/data"


@given(
    st.dictionaries(st.sampled_from(keys_for("3P+N")), anything),
    st.sampled_from(["1P", "1P+N", "3P", "3P+N"]),
    st.sets(st.sampled_from(["power", "current-harmonics"])),
    st.integers(10**15, 4 * 10**18),
    st.text(ALPHABET, min_size=4, max_size=4),
)
def test_whatever_was_measured_nothing_harmful_is_built(
    values: dict[str, Any], system: str, share: set[str], end_ns: int, cell: str
) -> None:
    measured = measurement(end_ns / 1e9, system=system, values=values)
    made = anonymise(measured, share)
    payload = build(made, new_alias(cell, day_of(made.end_s)))

    def no_constant(name: str) -> None:
        raise AssertionError(name)

    document = json.loads(payload, parse_constant=no_constant)
    data = document["payload"]["data"]
    assert set(data) == set(map_keys())
    assert type(document["payload"]["timestamp"]) is int
    assert document["payload"]["timestamp"] % 600 == 0
    assert document["type"] == ("1P-PowerMonitor1" if system.startswith("1P") else "3PN-PowerMonitor1")
    for key, value in data.items():
        assert value is None or (type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e7)
        assert value is None or round(value, 2) == value
        if system.startswith("1P") and value is not None:
            assert key in ("Pc", "SPc", "fSPc", "THV1", "THI1") or key[0] == "1", key
        if key in ("Pc", "SPc", "fSPc"):
            assert value is None or "power" in share
        elif "I" in key:
            assert value is None or "current-harmonics" in share
    if why_left_out(measured) is None:
        check(payload, now_s=made.end_s + 1.0)
        with pytest.raises(MessageError, match="future"):
            check(payload, now_s=made.end_s - 1.0)


@given(st.binary(max_size=200))
def test_bytes_are_no_message(payload: bytes) -> None:
    refused(payload)


@given(st.integers(0, 4000), st.integers(0, 255))
def test_a_damaged_message_is_refused_or_harmless(place: int, value: int) -> None:
    payload, topic = message()
    spoilt = bytearray(payload)
    spoilt[place % len(spoilt)] = value
    try:
        check(bytes(spoilt), now_s=NOW_S, topic=topic)
    except MessageError:
        return
    document = json.loads(bytes(spoilt))
    assert set(document["payload"]["data"]) == set(map_keys())
    assert document["payload"]["timestamp"] <= NOW_S
    assert all(v is None or 0 <= v <= 100 for v in document["payload"]["data"].values())


def spoil(path: str, value: Any) -> bytes:
    document = json.loads(message()[0])
    target = document
    *way, last = path.split(".")
    for step in way:
        target = target[step]
    if value is KeyError:
        del target[last]
    else:
        target[last] = copy.deepcopy(value)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("eui", KeyError),
        ("eui", "0011-2233"),
        ("eui", None),
        ("type", "2P-PowerMonitor1"),
        ("type", None),
        ("type", []),
        ("payload", None),
        ("payload.timestamp", KeyError),
        ("payload.timestamp", str(END_S)),
        ("payload.timestamp", END_S * 1000),
        ("payload.timestamp", float(END_S)),
        ("payload.timestamp", END_S + 600),
        ("payload.timestamp", END_S - 1),
        ("payload.timestamp", True),
        ("payload.timestamp", None),
        ("payload.timestamp", 0),
        ("payload.timestamp", -600),
        ("payload.data", []),
        ("payload.data.THV1", KeyError),
        ("payload.data.THV1", "2.5"),
        ("payload.data.THV1", [2.5]),
        ("payload.data.THV1", True),
        ("payload.data.THV1", math.nan),
        ("payload.data.THV1", math.inf),
        ("payload.data.THV1", 1e300),
        ("payload.data.THV1", 10**400),
        ("payload.data.THV1", -0.01),
        ("payload.data.THV1", 100.5),
        ("payload.data.extra", 1),
        ("payload.extra", 1),
        ("extra", 1),
        ("user_data", KeyError),
        ("user_data.position", None),
        ("user_data.position.lat", KeyError),
        ("user_data.position.lat", 46.77),
        ("user_data.position.lat", 90.0),
        ("user_data.position.lat", "46.8457"),
        ("user_data.position.lon", 180.0),
        ("user_data.position.lon", math.nan),
        ("user_data.position.alt", 300),
    ],
)
def test_what_hurts_the_map_is_refused(path: str, value: Any) -> None:
    assert refused(spoil(path, value)).endswith(".")


def test_all_null_a_one_phase_device_with_three_and_keys_twice_are_refused() -> None:
    refused(spoil("payload.data", dict.fromkeys(map_keys())))
    assert "can't know" in refused(spoil("type", TYPES[1]))
    payload, topic = message()
    twice = payload.replace(b'"eui":', b'"eui":"0011223344556677","eui":', 1)
    assert "twice" in refused(twice)
    escaped = payload.replace(b'"eui":', b'"\\u0065ui":"0011223344556677","eui":', 1)
    refused(escaped)
    refused(payload + b" " * 10_000)
    refused(b"\xef\xbb\xbf" + payload)
    refused(payload.decode().encode("utf-16"))
    assert "topic" in refused(payload, topic=topic.replace("community", "alice")).lower()
    assert "different" in refused(payload, topic="v1/community/devices/0011223344556677/data")


@pytest.mark.parametrize("flag", FLAGS)
def test_flagged_intervals_are_left_out(flag: str) -> None:
    reason = why_left_out(measurement(END_S, flags=(flag,)))
    assert reason is not None
    assert flag in reason


def test_only_whole_intervals_on_the_clock_are_shared() -> None:
    assert why_left_out(measurement(END_S)) is None
    assert why_left_out(measurement(END_S + 0.5)) is not None
    assert why_left_out(measurement(END_S + 60)) is not None
    assert why_left_out(measurement(END_S, window="2h")) is not None
    assert why_left_out(measurement(END_S, window="record")) is not None
    assert why_left_out(measurement(END_S, completeness=0.99)) is not None
    assert why_left_out(measurement(END_S, values={"THI1": 5.0, "Pc": 100.0})) is not None


def test_values_are_rounded_to_what_they_mean() -> None:
    values = {"THV1": 2.34567, "1V3": -0.0, "1V5": 0.004, "1I3": 12.3456, "THI1": 12.3456, "Pc": -4321.56}
    share = ("power", "current-harmonics")
    made = anonymise(measurement(END_S, values=values), share).values
    assert [made[key] for key in values] == [2.35, 0.0, 0.0, 12.35, 12.3, -4322]
    assert str(made["1V3"]) == "0.0"
    assert type(made["Pc"]) is int
    assert all(made[key] is None for key in map_keys() if key not in values)
    with pytest.raises(ValueError, match="waveforms"):
        anonymise(measurement(END_S), ("waveforms",))


@given(st.text(ALPHABET, min_size=4, max_size=4))
def test_the_place_is_the_middle_of_the_cell(cell: str) -> None:
    place = place_of(cell)
    assert encode(place["lat"], place["lon"]) == cell
    assert -90 <= place["lat"] < 90


def test_the_interval_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    midnight_s = END_S // 86400 * 86400
    assert day_of(midnight_s) != day_of(midnight_s + 600)
    assert day_of(midnight_s) == day_of(midnight_s - 600)
