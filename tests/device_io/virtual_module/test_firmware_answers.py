"""A module answers the same request in the same way over its serial line and over a broker."""

from __future__ import annotations

import pytest

from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    Hello,
    HelloReply,
    IdentityRequest,
    Kind,
    Message,
    Probe,
    ReadingsRequest,
    SettingsRead,
    SettingsWrite,
    StreamReply,
    StreamStart,
    StreamStop,
    parse_message,
)
from device_io.virtual_module.firmware import Firmware
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.transmitter import Transmitter
from device_io.virtual_module.wifi_sessions import Sessions

TAG = "0123abcd"
Frame = tuple[int, bytes]


class Module(VirtualModule):
    """Its readings are given, so that both links tell the same."""

    def readings(self, max_age_s: float = 0.2) -> dict[str, float | None]:
        return {"V1r": 230.0, "I1r": None}


def over_the_line(module: VirtualModule, *requests: Message) -> list[Frame]:
    deframer, frames = Deframer(), list[Frame]()

    def arrive(data: bytes) -> int:
        frames.extend(deframer.feed(data))
        return len(data)

    out = Transmitter(arrive, 115_200)
    firmware = Firmware(module, out, lambda _: module.readings())
    for message in requests:
        firmware.receive(encode_frame(message.kind, message.pack()), 1.0)
        out.run(1.0)
    return frames


def over_the_broker(module: VirtualModule, *requests: Message) -> list[Frame]:
    frames: list[Frame] = []
    sessions = Sessions(module, lambda _, message: frames.append((message.kind, message.pack())))
    for message in requests:
        sessions.take(TAG, message.kind, message.pack(), 1.0)
    return frames


@pytest.mark.parametrize(
    "request_made",
    [
        Hello(7, 1, 9),
        Hello(7, 200, 201),
        Probe(7, b"abc"),
        IdentityRequest(7),
        SettingsRead(7),
        SettingsWrite(7, {"name": "cellar"}),
        SettingsWrite(7, {"nam": "cellar"}),
        SettingsWrite(7, {"nominal_voltage_v": -1}),
        ReadingsRequest(7),
        StreamStart(7, 0, 1),
        StreamStart(7, 9, 1),
        StreamStart(7, 0, 0xFF),
        StreamStop(7),
        HelloReply(7, 1, 1, 1),
    ],
    ids=lambda message: type(message).__name__,
)
@pytest.mark.parametrize("greeted", [True, False])
def test_both_ends_answer_alike(request_made: Message, greeted: bool) -> None:
    module = Module("clean", "1P+N")
    requests = (Hello(1, 1, 1), request_made) if greeted else (request_made,)
    line, broker = over_the_line(module, *requests), over_the_broker(module, *requests)
    assert len(line) == len(requests)
    assert line == broker


@pytest.mark.parametrize("payload", [b"", b"\x07"])
@pytest.mark.parametrize("kind", [Kind.HELLO, Kind.SETTINGS_WRITE, 0x7F])
def test_what_is_no_request_is_refused_alike(kind: int, payload: bytes) -> None:
    module = Module("clean", "1P+N")
    frames: list[Frame] = []
    out = Transmitter(lambda data: frames.extend(deframer.feed(data)) or len(data), 115_200)
    deframer = Deframer()
    Firmware(module, out, lambda _: module.readings()).receive(encode_frame(kind, payload), 1.0)
    out.run(1.0)
    broker: list[Frame] = []
    Sessions(module, lambda _, message: broker.append((message.kind, message.pack()))).take(TAG, kind, payload, 1.0)
    assert [one for one, _ in frames] == [Kind.ERROR]
    assert frames == broker


def test_a_broker_has_no_baud_and_unasked_readings_of_its_own() -> None:
    module = Module("clean", "1P+N")
    hello, refused, started = over_the_broker(module, Hello(1, 1, 1), Baud(2, 921_600), StreamStart(3, 0, 1, 0, 2000))
    assert (hello[0], refused[0], started[0]) == (Kind.HELLO_REPLY, Kind.ERROR, Kind.STREAM_REPLY)
    reply = parse_message(*started)
    assert isinstance(reply, StreamReply)
    assert reply.readings_period_ms == 0
