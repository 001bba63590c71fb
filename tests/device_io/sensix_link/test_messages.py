"""Messages: back and forth, and every malformed payload ends in a MessageError with a sentence."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_io.sensix_link.framing import MAX_PAYLOAD
from device_io.sensix_link.messages import (
    MAX_PROBE,
    MAX_REASON,
    MESSAGES,
    Baud,
    Clock,
    ErrorReply,
    Hello,
    HelloReply,
    Kind,
    Message,
    MessageError,
    Probe,
    ReadingsMessage,
    SettingsReply,
    SettingsWrite,
    Status,
    StreamStart,
    parse_message,
)
from device_io.sensix_link.rules import VERSION_HIGHEST, choose_version, version_problem

VALID: list[Message] = [
    Hello(1, 1, 1),
    HelloReply(255, 0, 2, 3),
    SettingsWrite(3, {"name": "Keller", "ratio": 0.5, "on": True, "none": None}),
    SettingsReply(4, {}),
    Baud(5, 3_000_000),
    Probe(6, bytes(range(256))),
    StreamStart(7, 1, 7, 80, 2000),
    ReadingsMessage(0, 2**63, {"V1": 230.1, "I1": None, "EPc": 12345678901234}),
    Status(2**32 - 1, 2**64 - 1, 3, 4),
    Clock(2**64 - 1, -(2**63), 2**32 - 1),
    ErrorReply(9, 5, "Wert ist zu groß"),
]

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
settings_values = st.dictionaries(keys, scalars.filter(lambda v: v is None or abs(v) < 1e300) | st.text(max_size=20))


def checked(kind: int, payload: bytes) -> Message | None:
    """What a payload means; only MessageError with a sentence may come out."""
    try:
        return parse_message(kind, payload)
    except MessageError as error:
        text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    return None


@pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)
def test_back_and_forth(message: Message) -> None:
    payload = message.pack()
    assert len(payload) <= MAX_PAYLOAD
    assert parse_message(message.kind, payload) == message


@settings(deadline=None)
@given(settings_values)
def test_any_plain_settings_pass(values: dict[str, Any]) -> None:
    assert SettingsWrite.unpack(SettingsWrite(1, values).pack()) == SettingsWrite(1, values)


@settings(deadline=None)
@given(st.integers(0, 255), st.binary(max_size=300))
def test_garbage_is_a_message_or_a_message_error(kind: int, payload: bytes) -> None:
    checked(kind, payload)


@settings(deadline=None)
@given(st.sampled_from(VALID), st.data())
def test_mutated_payloads_are_a_message_or_a_message_error(message: Message, data: st.DataObject) -> None:
    payload = bytearray(message.pack())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] = data.draw(
            st.sampled_from([0, 0x22, 0x5B, 0x5D, 0x7B, 0x7D, 0x2C, 0x80, 0xFF]) | st.integers(0, 255)
        )
    checked(message.kind, bytes(payload))


@pytest.mark.parametrize("kind", list(MESSAGES))
def test_a_cut_payload_is_refused(kind: int) -> None:
    with pytest.raises(MessageError, match="bytes"):
        parse_message(kind, b"")


@pytest.mark.parametrize("message", VALID, ids=lambda message: type(message).__name__)
def test_fields_of_newer_firmware_are_ignored(message: Message) -> None:
    longer = checked(message.kind, message.pack() + b"\x07")
    if isinstance(message, Hello | HelloReply | Baud | StreamStart | Status | Clock):
        assert longer == message
    else:
        assert longer != message


def test_unknown_kinds_mean_nothing() -> None:
    assert all(parse_message(kind, b"\x01") is None for kind in range(256) if kind not in set(Kind))
    assert parse_message(Kind.SAMPLES, b"") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "1", "null", '"x"', '{"a":NaN}', '{"a":-Infinity}', '{"a":1e999}', '{"a":1,"a":2}', '{"a":[1]}',
        '{"a":{}}', '{"":1}', '{"ü":1}', '{"a\\n":1}', '{"a":"\\ud800"}', "[" * 9000, '{"a":' * 3000, '{"a":1} x',
        '{"' + "k" * 65 + '":1}', '{"a":' + "9" * 5000 + "}", '{"a":' + "9" * 400 + "}",
    ],
)  # fmt: skip
def test_bad_settings_are_refused(text: str) -> None:
    with pytest.raises(MessageError):
        SettingsWrite.unpack(b"\x01" + text.encode())


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b"{\x00}\x00", '{"a":1}'.encode("utf-16"), b'{"a":"\xc3"}'])
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        SettingsReply.unpack(b"\x01" + data)


@pytest.mark.parametrize("text", ['{"V1":"230"}', '{"V1":true}', '{"V1":[1]}', '{"V1":NaN}', '{"V1":1e309}'])
def test_readings_are_numbers_or_null(text: str) -> None:
    with pytest.raises(MessageError):
        ReadingsMessage.unpack(bytes(9) + text.encode())


@pytest.mark.parametrize(
    "message",
    [
        Hello(256, 1, 1),
        Baud(1, -1),
        StreamStart(1, 0, 0, 65536),
        SettingsWrite(1, {"a": math.nan}),
        SettingsWrite(1, {"a": b"bytes"}),  # type: ignore[dict-item]
        ReadingsMessage(0, 1, {"V1": math.inf}),
        Probe(1, bytes(MAX_PROBE + 1)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_what_does_not_fit_is_refused_before_it_is_sent(message: Message) -> None:
    with pytest.raises(MessageError):
        message.pack()


def test_error_text_is_never_a_reason_to_fail() -> None:
    assert ErrorReply.unpack(b"\x01\xee\xff\xfe") == ErrorReply(1, 0xEE, "\ufffd\ufffd")


@pytest.mark.parametrize(
    ("host", "module", "chosen"),
    [((1, 1), (1, 1), 1), ((1, 1), (1, 3), 1), ((1, 4), (2, 3), 3), ((1, 1), (2, 3), 0), ((4, 5), (1, 3), 0)],
)
def test_the_highest_common_version_is_chosen(host: tuple[int, int], module: tuple[int, int], chosen: int) -> None:
    assert choose_version(*host, *module) == chosen


def test_no_common_version_says_what_to_update() -> None:
    assert version_problem(1, VERSION_HIGHEST + 3) is None
    newer = version_problem(VERSION_HIGHEST + 1, VERSION_HIGHEST + 2)
    assert newer is not None
    assert "update this program" in newer
    older = version_problem(0, 0)
    assert older is not None
    assert "firmware" in older


@pytest.mark.parametrize(
    ("code", "text", "sentence"),
    [
        (5, "Wert ist zu groß.", "The module refuses: Wert ist zu groß."),
        (8, " ", "The module refuses: busy."),
        (99, "", "The module refuses: reason 99."),
        (5, "first\nsecond\x00\x1b[31m", "The module refuses: first second [31m."),
        (5, "x" * 5000, f"The module refuses: {'x' * MAX_REASON}…"),
    ],
)
def test_a_refusal_is_one_short_line(code: int, text: str, sentence: str) -> None:
    assert ErrorReply(1, code, text).sentence() == sentence
