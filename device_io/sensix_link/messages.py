"""Messages of Sensix Link: one dataclass a kind, to and from the payload of a frame; docs/link-protocol.md section 4.

`pack` raises MessageError when a field does not fit, `unpack` when a payload is malformed; nothing else is raised.
Integers are little-endian. Bytes behind the known fields come from a newer firmware and are ignored, except in
messages that end with text, JSON or samples, which reach to the end of the payload.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from device_io.sensix_link.identity import LinkOptions, identity_from_json, identity_to_json, link_options_from_json
from device_io.sensix_link.json_payload import MessageError, dump_object, is_number, is_text, load_object
from device_io.sensix_link.message_base import U8, ErrorCode, Fixed, Kind, Message, Request, pack_fields, unpack_fields

__all__ = [
    "MESSAGES",
    "Baud",
    "BaudReply",
    "Clock",
    "ErrorCode",
    "ErrorReply",
    "Hello",
    "HelloReply",
    "IdentityReply",
    "IdentityRequest",
    "Kind",
    "LinkOptions",
    "Message",
    "MessageError",
    "Probe",
    "ProbeReply",
    "ReadingsMessage",
    "ReadingsRequest",
    "SettingsRead",
    "SettingsReply",
    "SettingsWrite",
    "Status",
    "StreamReply",
    "StreamStart",
    "StreamStop",
    "identity_from_json",
    "identity_to_json",
    "link_options_from_json",
    "parse_message",
]

Setting = str | int | float | bool | None


@dataclass(frozen=True)
class Hello(Fixed):
    """The host opens a session: versions that it speaks. Ends a running stream. This layout never changes."""

    kind = Kind.HELLO
    _layout = struct.Struct("<BBB")
    request_id: int
    lowest: int
    highest: int


@dataclass(frozen=True)
class HelloReply(Fixed):
    """`chosen`: version of the session, 0 if there is none in common. This layout never changes."""

    kind = Kind.HELLO_REPLY
    _layout = struct.Struct("<BBBB")
    request_id: int
    chosen: int
    lowest: int
    highest: int


class IdentityRequest(Request):
    """Who are you?"""

    kind = Kind.IDENTITY


@dataclass(frozen=True)
class IdentityReply(Message):
    """`identity`: JSON for `identity_from_json` and `link_options_from_json`."""

    kind = Kind.IDENTITY_REPLY
    request_id: int
    identity: bytes

    def pack(self) -> bytes:
        return pack_fields(U8, self.kind, self.request_id) + self.identity

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        (request_id,) = unpack_fields(U8, cls.kind, payload)
        return cls(request_id, payload[1:])


class SettingsRead(Request):
    """Send all settings."""

    kind = Kind.SETTINGS_READ


@dataclass(frozen=True)
class _Settings(Message):
    kind: ClassVar[Kind]
    request_id: int
    values: Mapping[str, Setting] = field(default_factory=dict)

    def pack(self) -> bytes:
        _check_settings(self.kind, self.values)
        return pack_fields(U8, self.kind, self.request_id) + dump_object(self.values)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        (request_id,) = unpack_fields(U8, cls.kind, payload)
        values = load_object(payload[1:], f"{cls.kind.name} payload")
        _check_settings(cls.kind, values)
        return cls(request_id, values)


class SettingsWrite(_Settings):
    """Change these settings, all or none; answered by SETTINGS_REPLY with all settings, or ERROR."""

    kind = Kind.SETTINGS_WRITE


class SettingsReply(_Settings):
    """All settings as they now stand."""

    kind = Kind.SETTINGS_REPLY


@dataclass(frozen=True)
class Baud(Fixed):
    """Switch to this baud after the reply; confirmed by a PROBE at the new one."""

    kind = Kind.BAUD
    _layout = struct.Struct("<BI")
    request_id: int
    baud: int


@dataclass(frozen=True)
class BaudReply(Fixed):
    """Sent at the old baud; both ends then switch."""

    kind = Kind.BAUD_REPLY
    _layout = struct.Struct("<BI")
    request_id: int
    baud: int


@dataclass(frozen=True)
class _Echo(Message):
    kind: ClassVar[Kind]
    request_id: int
    data: bytes = b""

    def pack(self) -> bytes:
        if len(self.data) > MAX_PROBE:
            raise MessageError(f"{self.kind.name} carries {len(self.data)} bytes, {MAX_PROBE} at most.")
        return pack_fields(U8, self.kind, self.request_id) + self.data

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        (request_id,) = unpack_fields(U8, cls.kind, payload)
        if len(payload) > 1 + MAX_PROBE:
            raise MessageError(f"{cls.kind.name} carries {len(payload) - 1} bytes, {MAX_PROBE} at most.")
        return cls(request_id, payload[1:])


MAX_REASON = 160
"""Characters of a module's own words that a sentence takes over."""
MAX_PROBE = 256


class Probe(_Echo):
    """Are you there? `data` (0..256 bytes) comes back unchanged: tries a new baud, keeps a session alive."""

    kind = Kind.PROBE


class ProbeReply(_Echo):
    """The `data` of the PROBE."""

    kind = Kind.PROBE_REPLY


@dataclass(frozen=True)
class StreamStart(Fixed):
    """Start, or change, the stream.

    coding: a `samples.Coding`. chips: bit n = chip n; 0 = no samples. block_samples: wish, 0 = module's choice.
    readings_period_ms: 0 = no readings.
    """

    kind = Kind.STREAM_START
    _layout = struct.Struct("<BBBHI")
    request_id: int
    coding: int
    chips: int
    block_samples: int = 0
    readings_period_ms: int = 0


class StreamStop(Request):
    """Stop the stream; answered by STREAM_REPLY with chips 0 once the last block has left."""

    kind = Kind.STREAM_STOP


@dataclass(frozen=True)
class StreamReply(Fixed):
    """What the module does from now on; fields as in StreamStart."""

    kind = Kind.STREAM_REPLY
    _layout = struct.Struct("<BBBHI")
    request_id: int
    coding: int
    chips: int
    block_samples: int
    readings_period_ms: int


class ReadingsRequest(Request):
    """Send the readings once."""

    kind = Kind.READINGS_READ


@dataclass(frozen=True)
class ReadingsMessage(Message):
    """The module's own readings. request_id: 0 when unsolicited.

    values: {key of resources/parameters.csv: number in the table's unit, None where unknown}.
    """

    kind = Kind.READINGS
    _layout = struct.Struct("<BQ")
    request_id: int
    device_time_us: int
    values: Mapping[str, float | None]

    def pack(self) -> bytes:
        return pack_fields(self._layout, self.kind, self.request_id, self.device_time_us) + dump_object(self.values)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        request_id, device_time_us = unpack_fields(cls._layout, cls.kind, payload)
        values = load_object(payload[cls._layout.size :], "READINGS payload")
        for key, value in values.items():
            if not is_text(key) or not (value is None or is_number(value)):
                raise MessageError(f"READINGS value of {key[:40]!a} is neither a number nor null.")
        return cls(request_id, device_time_us, values)


@dataclass(frozen=True)
class Status(Fixed):
    """Sent once a second while streaming. `boot_id` as in the identity.

    blocks_left_out: sample blocks that the line could not carry since HELLO; frames_damaged: those from the host.
    """

    kind = Kind.STATUS
    _layout = struct.Struct("<IQII")
    boot_id: int
    uptime_us: int
    blocks_left_out: int
    frames_damaged: int


@dataclass(frozen=True)
class Clock(Fixed):
    """What the module's clock is worth; sent once a second while streaming by a module that keeps UTC.

    At device_time_us it was utc_us (since 1970), give or take uncertainty_us (95 %).
    """

    kind = Kind.CLOCK
    _layout = struct.Struct("<QqI")
    device_time_us: int
    utc_us: int
    uncertainty_us: int


@dataclass(frozen=True)
class ErrorReply(Message):
    """The request was refused. code: an `ErrorCode`, or a number of a newer firmware; text: for the log."""

    kind = Kind.ERROR
    _layout = struct.Struct("<BB")
    request_id: int
    code: int
    text: str = ""

    def pack(self) -> bytes:
        return pack_fields(self._layout, self.kind, self.request_id, self.code) + self.text.encode("utf-8", "replace")

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        request_id, code = unpack_fields(cls._layout, cls.kind, payload)
        return cls(request_id, code, payload[2:].decode("utf-8", "replace"))

    def sentence(self) -> str:
        """One sentence for people, on one line whatever the module wrote."""
        known = {code.value: code.name.lower().replace("_", " ") for code in ErrorCode}
        text = " ".join("".join(c if c.isprintable() else " " for c in self.text).split()).rstrip(".")
        end = "…" if len(text) > MAX_REASON else "."
        return f"The module refuses: {text[:MAX_REASON] or known.get(self.code, f'reason {self.code}')}{end}"


MESSAGES: Mapping[int, type[Message]] = {
    message.kind: message
    for message in (
        Hello, HelloReply, IdentityRequest, IdentityReply, SettingsRead, SettingsWrite, SettingsReply, Baud, BaudReply,
        Probe, ProbeReply, StreamStart, StreamStop, StreamReply, ReadingsRequest, ReadingsMessage, Status, Clock,
        ErrorReply,
    )
}  # fmt: skip
"""Every kind but SAMPLES, which samples.py decodes by the batch."""


def parse_message(kind: int, payload: bytes) -> Message | None:
    """The message of a frame, None for a kind that this version does not know (count it, go on). Raises MessageError.

    SAMPLES frames are not for here: collect their payloads for `samples.SampleDecoder`.
    """
    message = MESSAGES.get(kind)
    return None if message is None else message.unpack(payload)


def _check_settings(kind: Kind, values: Mapping[str, object]) -> None:
    for key, value in values.items():
        if not isinstance(key, str) or not (key.isascii() and key.isprintable() and 0 < len(key) <= 64):
            raise MessageError(f"{kind.name}: {str(key)[:40]!a} is not a plain key of 1 to 64 ASCII characters.")
        if not (value is None or isinstance(value, bool) or is_number(value) or is_text(value)):
            raise MessageError(f"{kind.name}: the value of {key} is neither text, number, true, false nor null.")
