from __future__ import annotations

import random
import threading

import pytest

from device_io.improv.client import ImprovClient, Network
from device_io.improv.packets import (
    Command,
    Packet,
    PacketError,
    PacketReader,
    PacketType,
    State,
    encode,
    encode_command,
    parse_texts,
)
from device_io.source import LinkError, LinkErrorKind
from device_io.transport import open_transport
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort


def test_a_packet_byte_for_byte():
    # The example of the protocol's description: the request of the current state.
    packet = bytes.fromhex("49 4d 50 52 4f 56 01 03 02 02 00")
    assert encode_command(Command.STATE) == packet + bytes([sum(packet) % 256]) + b"\n"


def test_packets_are_found_between_other_bytes_however_they_come():
    packets = [Packet(PacketType.STATE, b"\x02"), Packet(PacketType.RESULT, bytes(range(200))), Packet(3, b"")]
    noise = [b"I (29) boot: IMPROVised\r\n", b"\xc0\xfaIMPRO", b"IMPROV\x02\x01\x00", b"plain I"]
    line = b"".join(n + encode(PacketType(p.type), p.data) for n, p in zip(noise, packets, strict=False)) + noise[3]
    for seed in range(50):
        rng, reader, place = random.Random(seed), PacketReader(), 0
        found, rest = [], b""
        while place < len(line):
            size = rng.randint(1, 40)
            more, others = reader.feed(line[place : place + size])
            found, rest, place = found + more, rest + others, place + size
        assert found == packets
        assert rest + reader.flush() == b"".join(noise)


def test_a_damaged_packet_is_none():
    line = bytearray(encode(PacketType.STATE, b"\x04"))
    line[9] ^= 1
    packets, _ = PacketReader().feed(bytes(line) + encode(PacketType.STATE, b"\x02"))
    assert packets == [Packet(PacketType.STATE, b"\x02")]


def test_random_bytes_never_raise():
    rng = random.Random(3)
    reader = PacketReader()
    for _ in range(3000):
        data = bytearray(encode_command(Command.WIFI_SETTINGS, ("Workshop", "x" * rng.randint(0, 60))))
        for _ in range(rng.randint(0, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for packet in reader.feed(bytes(data))[0]:
            try:
                parse_texts(packet.data)
            except PacketError:
                continue


@pytest.fixture
def provisioned():
    module = VirtualModule("clean")
    port = UsbPort(module, transport="tcp")
    transport = open_transport(port.start().removeprefix("usb:"), 115_200)
    yield module, transport
    transport.close()
    port.stop()


def test_scan_and_join(provisioned):
    module, transport = provisioned
    client = ImprovClient(transport, "the port")
    assert client.state() is State.READY
    assert client.device().firmware == "Sensix"
    networks = client.networks()
    assert networks[0] == Network("Workshop", -48, True)
    assert [network.ssid for network in networks] == ["Workshop", "Guests", "Garden"]
    with pytest.raises(LinkError) as caught:
        client.join("Workshop", "short")
    assert caught.value.kind is LinkErrorKind.REFUSED
    assert "password" in str(caught.value)
    assert module.settings["wifi_ssid"] == ""
    client.join("Workshop", "long enough")
    assert client.state() is State.PROVISIONED
    assert module.settings["wifi_ssid"] == "Workshop"
    assert module.settings.secret("wifi_password") == "long enough"


def test_waiting_can_be_stopped():
    class Silent:
        def read_available(self, timeout_s):
            return b""

        def write(self, data):
            cancelled.set()

    cancelled = threading.Event()
    with pytest.raises(LinkError, match="Stopped"):
        ImprovClient(Silent(), "COM5", cancelled).networks()
