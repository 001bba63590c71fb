"""The module's end of the link with bytes alone and times that are told, not waited for."""

import pytest

from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    ErrorCode,
    Hello,
    IdentityRequest,
    Kind,
    Probe,
    ReadingsRequest,
    SettingsRead,
    SettingsWrite,
    StreamStart,
    StreamStop,
    identity_from_json,
    link_options_from_json,
    parse_message,
)
from device_io.virtual_module.firmware import Firmware
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.transmitter import Transmitter


class Bench:
    def __init__(self, baud=115_200):
        self.now = 0.0
        self.module = VirtualModule("clean")
        self.deframer = Deframer()
        self.received = []
        self.out = Transmitter(self._arrive, baud)
        self.firmware = Firmware(self.module, self.out, lambda t: {"V1r": 230.0, "I1r": None})
        self.firmware.attached(0.0)

    def _arrive(self, data):
        self.received += self.deframer.feed(data)
        return len(data)

    def say(self, message):
        self.firmware.receive(encode_frame(message.kind, message.pack()), self.now)
        return self.run(0.5)

    def run(self, seconds, step=0.005):
        """Messages that arrive in this time; sample blocks are counted only."""
        self.received.clear()
        self.samples = 0
        end = self.now + seconds
        while self.now < end - 1e-9:
            slot = self.module.slot_at(self.now)
            self.now += step
            self.firmware.tick(self.now)
            if self.module.slot_at(self.now) > slot:
                self.firmware.slot(slot)
            self.out.run(step)
        messages = []
        for kind, payload in self.received:
            if kind == Kind.SAMPLES:
                self.samples += 1
            else:
                messages.append(parse_message(kind, payload))
        return messages

    def hello(self):
        return self.say(Hello(1, 1, 1))


def test_boot_log_comes_once_and_between_frames():
    bench = Bench()
    bench.hello()
    lines = bench.deframer.take_text()
    assert lines[0].startswith("ets ")
    assert any(bench.module.info.eui in line for line in lines)
    assert bench.deframer.frames_damaged == 0
    bench.firmware.detached()
    bench.firmware.attached(bench.now)
    bench.hello()
    assert bench.deframer.take_text() == []


def test_nothing_is_answered_before_hello_but_hello():
    bench = Bench()
    for message in (IdentityRequest(7), Probe(8), StreamStart(9, 0, 7)):
        (reply,) = bench.say(message)
        assert (reply.kind, reply.request_id, reply.code) == (Kind.ERROR, message.request_id, ErrorCode.NO_SESSION)
    (reply,) = bench.hello()
    assert (reply.chosen, reply.lowest, reply.highest) == (1, 1, 1)
    (reply,) = bench.say(IdentityRequest(10))
    assert identity_from_json(reply.identity) == bench.module.info
    assert 2_000_000 in link_options_from_json(reply.identity).bauds


def test_no_common_version_opens_no_session():
    bench = Bench()
    (reply,) = bench.say(Hello(3, 4, 9))
    assert reply.chosen == 0
    (reply,) = bench.say(Probe(4))
    assert reply.code == ErrorCode.NO_SESSION


def test_settings():
    bench = Bench()
    bench.hello()
    (reply,) = bench.say(SettingsWrite(2, {"name": "Garage"}))
    assert reply.values["name"] == "Garage"
    (reply,) = bench.say(SettingsWrite(3, {"name": "x", "system": "1P"}))
    assert reply.code == ErrorCode.READ_ONLY
    (reply,) = bench.say(SettingsWrite(4, {"colour": "red"}))
    assert reply.code == ErrorCode.UNKNOWN_SETTING
    (reply,) = bench.say(SettingsRead(5))
    assert reply.values["name"] == "Garage"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (encode_frame(Kind.BAUD, b"\x05"), ErrorCode.MALFORMED),
        (encode_frame(0x7F, b"\x05abc"), ErrorCode.UNKNOWN_REQUEST),
        (encode_frame(Kind.STATUS, bytes([5]) + bytes(19)), ErrorCode.UNKNOWN_REQUEST),
        (encode_frame(Kind.BAUD, b"\x05\x01\x00\x00\x00"), ErrorCode.BAD_VALUE),
        (encode_frame(Kind.STREAM_START, StreamStart(5, 9, 7).pack()), ErrorCode.UNSUPPORTED),
        (encode_frame(Kind.STREAM_START, StreamStart(5, 0, 8).pack()), ErrorCode.BAD_VALUE),
    ],
)
def test_what_cannot_be_done_is_refused(frame, code):
    bench = Bench()
    bench.hello()
    bench.firmware.receive(frame, bench.now)
    (reply,) = bench.run(0.3)
    assert (reply.kind, reply.request_id, reply.code) == (Kind.ERROR, 5, code)


def test_garbage_never_raises():
    bench = Bench()
    bench.hello()
    import random

    rng = random.Random(7)
    frame = encode_frame(Kind.STREAM_START, StreamStart(5, 0, 7).pack())
    for _ in range(500):
        broken = bytearray(frame * 2)
        for _ in range(rng.randrange(1, 6)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        bench.firmware.receive(bytes(broken[rng.randrange(8) :]), bench.now)
    bench.run(0.1)
    (reply,) = bench.hello()[-1:]
    assert reply.chosen == 1


def test_baud_switches_after_the_reply_and_falls_back_unconfirmed():
    bench = Bench()
    bench.hello()
    (reply,) = bench.say(Baud(2, 2_000_000))
    assert reply.baud == 2_000_000
    assert bench.out.baud == 2_000_000
    bench.run(0.8)
    assert bench.out.baud == 115_200
    bench.say(Baud(3, 921_600))
    assert bench.say(Probe(4, b"xyz"))[0].data == b"xyz"
    for _ in range(4):
        bench.run(0.9)
        assert bench.say(Probe(5))[0].kind == Kind.PROBE_REPLY
    assert bench.out.baud == 921_600


def test_a_silent_host_ends_the_session():
    bench = Bench()
    bench.hello()
    bench.say(Baud(2, 2_000_000))
    bench.say(Probe(3))
    bench.say(StreamStart(4, 0, 7))
    bench.run(2.2)
    assert bench.samples > 200
    bench.run(0.5)
    assert bench.out.baud == 115_200
    assert bench.run(1.0) == []
    assert bench.samples == 0
    assert bench.hello()[0].chosen == 1


def test_framing_errors_outside_of_a_switch_bring_the_start_baud_back():
    bench = Bench()
    bench.hello()
    bench.say(Baud(2, 2_000_000))
    bench.firmware.receive(b"\x80\x00", bench.now, framing_errors=True)
    assert bench.out.baud == 2_000_000  # still unconfirmed: noise of the switch
    bench.say(Probe(3))
    bench.firmware.receive(b"\x80\x00", bench.now, framing_errors=True)
    assert bench.out.baud == 115_200


def test_stream_starts_stops_and_counts():
    bench = Bench(2_000_000)
    bench.hello()
    (reply,) = bench.say(StreamStart(2, 1, 0b101, 400, 100))
    assert (reply.coding, reply.chips, reply.block_samples) == (1, 0b101, 100)
    assert reply.readings_period_ms == 1000  # slower than asked, and said
    messages = bench.run(1.0)
    assert bench.samples == 2 * round(1.0 / SLOT_S)
    assert {message.kind for message in messages} == {Kind.STATUS, Kind.READINGS}
    status = next(message for message in messages if message.kind == Kind.STATUS)
    assert (status.boot_id, status.blocks_left_out) == (bench.module.info.boot_id, 0)
    (reply,) = bench.say(StreamStop(3))
    assert (reply.kind, reply.chips) == (Kind.STREAM_REPLY, 0)
    bench.run(0.5)
    assert bench.samples == 0


def test_a_slow_line_leaves_whole_slots_out_and_says_how_many():
    bench = Bench()
    bench.hello()
    bench.say(StreamStart(2, 0, 7))
    messages = bench.run(2.5)
    status = [message for message in messages if message.kind == Kind.STATUS][-1]
    assert status.blocks_left_out > 100
    assert status.blocks_left_out % 3 == 0
    assert 20 < bench.samples < 60
    (reply,) = [m for m in bench.say(Probe(9)) if m.kind == Kind.PROBE_REPLY]  # within 0.5 s in spite of the stream
    assert reply.request_id == 9


def test_readings_on_request():
    bench = Bench()
    bench.hello()
    (reply,) = bench.say(ReadingsRequest(6))
    assert (reply.request_id, reply.values) == (6, {"V1r": 230.0, "I1r": None})


def test_a_new_session_counts_left_out_blocks_from_zero():
    bench = Bench()
    bench.hello()
    bench.say(StreamStart(2, 0, 7))
    bench.run(1.5)
    bench.hello()
    bench.say(StreamStart(3, 0, 1))
    status = next(message for message in bench.run(1.0) if message.kind == Kind.STATUS)
    assert status.blocks_left_out < 60
