"""What a module answers to each request of Sensix Link (docs/link-protocol.md, section 5), whatever link it came over.
The ends of the links keep what is theirs: sessions, the stream under way, the baud."""

from __future__ import annotations

from collections.abc import Callable

from device_io.sensix_link.messages import (
    ErrorCode,
    ErrorReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Message,
    MessageError,
    Probe,
    ProbeReply,
    ReadingsMessage,
    ReadingsRequest,
    SettingsRead,
    SettingsReply,
    SettingsWrite,
    StreamReply,
    StreamStart,
    identity_to_json,
    parse_message,
)
from device_io.sensix_link.rules import VERSION_HIGHEST, VERSION_LOWEST, choose_version
from device_io.sensix_link.samples import Coding
from device_io.virtual_module.front_end import SAMPLE_RATE_HZ
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.settings import SettingError

MIN_READINGS_PERIOD_MS = 1000

Measure = Callable[[float], dict[str, float | None]]
"""The module's own readings at a time (s)."""

_SETTING_ERRORS = {
    "unknown": ErrorCode.UNKNOWN_SETTING,
    "read-only": ErrorCode.READ_ONLY,
    "bad-value": ErrorCode.BAD_VALUE,
}


def request_of(kind: int, payload: bytes) -> tuple[int, Message | ErrorReply]:
    """(request id, the request); an ERROR to answer where it is none that the firmware knows."""
    request_id = payload[0] if payload else 0
    try:
        message = parse_message(kind, payload)
    except MessageError as error:
        return request_id, ErrorReply(request_id, ErrorCode.MALFORMED, str(error))
    if message is None:
        text = f"kind {kind} is not known to this firmware"
        return request_id, ErrorReply(request_id, ErrorCode.UNKNOWN_REQUEST, text)
    return request_id, message


def hello_reply(message: Hello) -> HelloReply:
    """The version that both speak; chosen is 0 where there is none, and no session begins."""
    chosen = choose_version(message.lowest, message.highest, VERSION_LOWEST, VERSION_HIGHEST)
    return HelloReply(message.request_id, chosen, VERSION_LOWEST, VERSION_HIGHEST)


def no_session(request_id: int) -> ErrorReply:
    """To anything before HELLO."""
    return ErrorReply(request_id, ErrorCode.NO_SESSION, "say HELLO first")


def stream_reply(module: VirtualModule, message: StreamStart) -> StreamReply | ErrorReply:
    """The stream that the module will send."""
    count = len(module.info.chips)
    if message.chips >> count:
        return ErrorReply(message.request_id, ErrorCode.BAD_VALUE, f"there are {count} chips")
    if message.coding not in list(Coding):
        text = f"coding {message.coding} is none of the identity's"
        return ErrorReply(message.request_id, ErrorCode.UNSUPPORTED, text)
    period = message.readings_period_ms and max(message.readings_period_ms, MIN_READINGS_PERIOD_MS)
    return StreamReply(message.request_id, message.coding, message.chips, round(SLOT_S * SAMPLE_RATE_HZ), period)


def stream_stopped(request_id: int) -> StreamReply:
    """No stream; also what STREAM_STOP is answered with."""
    return StreamReply(request_id, int(Coding.RAW24), 0, 0, 0)


def readings_message(module: VirtualModule, measure: Measure, request_id: int, now: float) -> ReadingsMessage:
    """The module's own readings; request_id 0: unasked."""
    return ReadingsMessage(request_id, module.device_time_us(now), measure(now))


def answer(module: VirtualModule, measure: Measure, request_id: int, message: Message, now: float) -> Message:
    """To every request that leaves the link as it is. now: seconds since the module's start."""
    if isinstance(message, Probe):
        return ProbeReply(request_id, message.data)
    if isinstance(message, IdentityRequest):
        return IdentityReply(request_id, identity_to_json(module.info))
    if isinstance(message, SettingsWrite):
        try:
            module.settings.write(message.values)
        except SettingError as error:
            return ErrorReply(request_id, _SETTING_ERRORS[error.reason], str(error))
    if isinstance(message, (SettingsRead, SettingsWrite)):
        return SettingsReply(request_id, module.settings)
    if isinstance(message, ReadingsRequest):
        return readings_message(module, measure, request_id, now)
    return ErrorReply(request_id, ErrorCode.UNKNOWN_REQUEST, "nobody asks a module this over this link")
