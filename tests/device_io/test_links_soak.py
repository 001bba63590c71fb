"""Campaigns on the three links that their own tests lack: a sample in every run, the full counts with `make soak`.

Damaged replies of the bus are in modbus/test_mutated_frames.py, the broker's restarts in mqtt/test_wifi_link.py, noise
for readings in mqtt/test_payload.py.
"""

from __future__ import annotations

import contextlib
import random
import sys
import zlib
from typing import NamedTuple

import psutil
import pytest

from device_io import usb_link
from device_io.modbus import bus, client, station
from device_io.modbus.rs485_link import Rs485Link
from device_io.mqtt.payload import PayloadError, encode_payload
from device_io.mqtt.readings import SUSPECT, ReadingsDecoder
from device_io.sensix_link.difference import MAX_COUNT, MIN_COUNT
from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.identity import identity_from_json
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    Clock,
    ErrorReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Kind,
    Message,
    MessageError,
    Probe,
    ReadingsMessage,
    SettingsReply,
    SettingsWrite,
    Status,
    StreamStart,
    identity_to_json,
    parse_message,
)
from device_io.sensix_link.samples import Coding, SampleDecoder, encode_samples
from device_io.source import LinkErrorKind, LinkPhase
from device_io.virtual_module.faults import Faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_faults import RtuFaults
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.leftovers import comes_true
from tests.fakes.mqtt_publisher import sound_values
from tests.fakes.plug import Plug
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.rtu_line import running_module

DELIMITER = b"\xc0"


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes changed, lost, repeated or put in (those that mean something to a frame above all)."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(6):
            case 0 | 1 if at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            case 2 if at < len(body):
                body[at] = rng.choice((0xC0, 0xDB, 0xDC, 0xDD, 0xFA, rng.randrange(256)))
            case 3:
                del body[at : at + rng.choice((1, 2, 40))]
            case 4:
                body[at:at] = body[at : at + rng.choice((1, 2, 40))]
            case _:
                body[at:at] = rng.choice((b"\xc0", b"\xdb", b"\xc0\xfa", b"E (7) wifi: lost\n", rng.randbytes(3)))
    return bytes(body)


class SensixLinkCampaign:
    """Frames of every kind over a line that damages each of them, into the decoders of the host."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        module = VirtualModule("office")
        self.chips = module.info.chips
        messages: list[Message] = [
            Hello(1, 1, 1),
            HelloReply(1, 1, 1, 1),
            IdentityRequest(2),
            IdentityReply(2, identity_to_json(module.info)),
            SettingsWrite(3, {"name": "Keller", "mqtt_period_s": 7}),
            SettingsReply(3, dict(module.settings)),
            Baud(4, 2_000_000),
            BaudReply(4, 2_000_000),
            Probe(5, bytes(range(256))),
            StreamStart(6, Coding.DIFFERENCE, 7),
            ReadingsMessage(0, 10**9, {"V1r": 230.1, "I1r": None}),
            Status(1, 2, 3, 4),
            Clock(10**9, 10**15, 5000),
            ErrorReply(9, 5, "Wert ist zu groß"),
        ]
        self.sent = [(int(message.kind), message.pack()) for message in messages]
        for block in module.blocks(0) + module.blocks(1):
            for coding in Coding:
                payload = encode_samples(block.chip, block.first_index, block.device_time_us, 0, block.counts, coding)
                self.sent.append((int(Kind.SAMPLES), payload))
        self.intact = set(self.sent)
        self.deframer = Deframer()
        self.unharmed = self.by_chance = 0

    def run(self, count: int) -> None:
        """So many frames, each damaged before and behind its CRC was made."""
        tail = b""
        for _ in range(count):
            kind, payload = self.rng.choice(self.sent)
            wire = mutated(encode_frame(kind, payload), self.rng)
            heard = tail + wire
            for got in self.deframer.feed(wire):
                self.decode(*got)
                if got in self.intact:  # it was hit outside of what the CRC covers
                    self.unharmed += 1
                else:
                    assert fits(got, heard)
                    self.by_chance += 1
            tail = heard[-20_000:]
            self.deframer.take_text()
            self.decode(kind, mutated(payload, self.rng))  # as over the broker, where no CRC guards a message
        self.deframer.feed(DELIMITER)
        assert self.deframer.feed(encode_frame(*self.sent[0])) == [self.sent[0]]

    def decode(self, kind: int, payload: bytes) -> None:
        """Whatever a frame holds, it is decoded or refused with a MessageError."""
        if kind == Kind.SAMPLES:
            decoder = SampleDecoder(
                {number: chip.nominal_rate_hz for number, chip in enumerate(self.chips)},
                {number: len(chip.channels) for number, chip in enumerate(self.chips)},
            )
            for block in decoder.decode([payload], 0):
                assert MIN_COUNT <= block.counts.min() <= block.counts.max() <= MAX_COUNT
            return
        with contextlib.suppress(MessageError):
            message = parse_message(kind, payload)
            if isinstance(message, IdentityReply):
                identity_from_json(message.identity)


def fits(got: tuple[int, bytes], heard: bytes) -> bool:
    """Whether these bytes, with a CRC-32 that fits them, stand between two delimiters of what was heard."""
    body = bytes([0xFA, got[0]]) + got[1]
    body += zlib.crc32(body).to_bytes(4, "little")
    return body.replace(b"\xdb", b"\xdb\xdd").replace(DELIMITER, b"\xdb\xdc") in heard.split(DELIMITER)


def sensix_link_campaign(count: int) -> None:
    seed = random.randrange(1 << 32)
    campaign = SensixLinkCampaign(seed)
    campaign.run(count)
    print(
        f"\nof {count} damaged frames {campaign.by_chance} had a CRC-32 that fits by chance, "
        f"{campaign.unharmed} were hit outside of it and arrived whole"
    )
    assert campaign.by_chance == 0, f"seed {seed}: one in four thousand million"
    assert campaign.unharmed < count // 4
    assert campaign.deframer.frames_damaged > count // 4


def test_a_sample_of_damaged_frames_of_the_sensix_link() -> None:
    sensix_link_campaign(5_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_damaged_frames_of_the_sensix_link() -> None:
    sensix_link_campaign(1_000_000)


def payload_campaign(count: int) -> None:
    """Published readings, damaged also in their length, through the decoder of the link."""
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    sound = encode_payload(sound_values())
    decoder = ReadingsDecoder()
    assert decoder.take(sound, 0).flags == ()
    refused = suspect = same = 0
    for _ in range(count):
        data = mutated(sound, rng)
        if len(data) not in (704, 706):
            with pytest.raises(PayloadError, match="is no readings"):
                decoder.take(data, 0)
            refused += 1
            continue
        readings = decoder.take(data, 0)
        suspect += SUSPECT in readings.flags
        same += data[-704:] == sound[-704:]
        unknown = [key for key, value in readings.values.items() if value is None]
        assert not unknown or SUSPECT in readings.flags, f"seed {seed}"
    taken = count - refused - same
    print(f"\nof {count} damaged payloads {refused} were refused by length; of {taken} others {suspect} were suspect")
    assert refused > count // 4
    assert suspect > taken // 4
    assert decoder.take(sound, 0).flags == (), "nothing of the damage stays"


def test_a_sample_of_damaged_payloads() -> None:
    payload_campaign(3_000)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_damaged_payloads() -> None:
    payload_campaign(1_000_000)


class Usage(NamedTuple):
    """What the process holds, as the system counts it."""

    threads: int
    handles: int

    @classmethod
    def now(cls) -> Usage:
        process = psutil.Process()
        return cls(process.num_threads(), process.num_handles() if sys.platform == "win32" else process.num_fds())

    def is_back(self) -> bool:
        """Whether no more is held than then; a thread that was joined may take a moment to vanish."""
        return comes_true(lambda: all(now <= then for now, then in zip(Usage.now(), self, strict=True)))


def pull(plug: Plug, sink: RecordingSink, kind: LinkErrorKind) -> None:
    """Pull a plug until that is told, put it back, and wait until the link is up again."""
    states, identities = len(sink.states), len(sink.identities)
    plug.out = True
    sink.wait_for(
        lambda: any(s.phase == LinkPhase.LOST and s.error and s.error.kind == kind for s in sink.states[states:])
    )
    plug.out = False
    sink.wait_for(lambda: len(sink.identities) > identities and sink.states[-1].phase == LinkPhase.STREAMING)


def unplug_and_replug(times: int, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One link whose module is pulled and put back, again and again; its stream goes on every time."""
    monkeypatch.setattr(usb_link, "RETRY_S", 0.02)
    plug = Plug()
    before = Usage.now()
    port = UsbPort(VirtualModule("office"), Faults(unplug=(plug,)), transport)  # type: ignore[arg-type]
    link, sink = usb_link.UsbLink(port.start()), RecordingSink()
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.STREAMING)
        sink.wait_for_blocks(3)
        running = Usage.now()
        for n in range(1, times + 1):
            pull(plug, sink, LinkErrorKind.UNPLUGGED)
            sink.wait_for_blocks(3)
            assert running.is_back(), f"{running} before, {Usage.now()} after {n} times"
            sink.events.clear()
            sink.blocks.clear()
            del sink.states[:-1]
        counters = sink.counters
    finally:
        link.stop()
        port.stop()
    assert counters.reconnects >= times
    assert counters.frames_damaged <= counters.reconnects, "at most the frame that was on the line"
    assert before.is_back(), f"{before} before, {Usage.now()} at the end"


TRANSPORTS = ["tcp"] if sys.platform == "win32" else ["pty", "tcp"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_three_times_unplugged(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unplug_and_replug(3, transport, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_times_unplugged(monkeypatch: pytest.MonkeyPatch) -> None:
    unplug_and_replug(1000, TRANSPORTS[0], monkeypatch)


def off_and_on(times: int, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One bus on a real port whose unit loses its power and whose adapter is pulled, in turn, with quicker waits."""
    for name, value in (("RETRY_S", 0.02), ("LONGEST_RETRY_S", 0.05)):
        monkeypatch.setattr(station, name, value)
    monkeypatch.setattr(bus, "RETRY_S", 0.02)
    monkeypatch.setattr(client.Master.__init__, "__kwdefaults__", {"reply_s": 0.2, "quiet_s": 0.05})
    off, unplugged = Plug(), Plug()
    before = Usage.now()
    faults = RtuFaults(off=(off,), unplug=(unplugged,))  # type: ignore[arg-type]
    port = Rs485Port(running_module("clean"), faults, transport)
    link, sink = Rs485Link(port.start(), readings_period_s=0.02), RecordingSink()
    link.start(sink)
    try:
        sink.wait_for(lambda: len(sink.readings) >= 1)
        running = Usage.now()
        for n in range(1, times + 1):
            plug, kind = (off, LinkErrorKind.STALLED) if n % 2 else (unplugged, LinkErrorKind.UNPLUGGED)
            pull(plug, sink, kind)
            count = len(sink.readings)
            sink.wait_for(lambda count=count: len(sink.readings) > count)
            assert running.is_back(), f"{running} before, {Usage.now()} after {n} times"
            sink.events.clear()
            del sink.states[:-1]
        counters = sink.counters
    finally:
        link.stop()
        port.stop()
    assert counters.reconnects >= times
    assert before.is_back(), f"{before} before, {Usage.now()} at the end"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_four_times_off_and_on(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    off_and_on(4, transport, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_thousand_times_off_and_on(monkeypatch: pytest.MonkeyPatch) -> None:
    off_and_on(1000, TRANSPORTS[0], monkeypatch)
