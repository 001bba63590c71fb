"""Whatever is published on a module's topics, neither the link nor the module falls over it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from device_io.mqtt.payload import encode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.sensix_link.messages import Kind
from device_io.source import LinkPhase
from device_io.urls import MqttUrl, parse_url
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.wifi_port import WifiPort
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Publisher, sound_values
from tests.fakes.recording_sink import RecordingSink

EUI = "0253454E000000F1"
BASE = f"v1/home/devices/{EUI}/0"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


def messages(rng: random.Random, count: int) -> Iterator[bytes]:
    """Random bytes behind every kind there is, and behind none."""
    kinds = [int(kind) for kind in Kind] + [0, 0x7F, 0xFF]
    yield b""
    for _ in range(count):
        body = rng.randbytes(rng.choice((0, 1, 2, 5, 25, 26, 200, 3000)))
        yield bytes([rng.choice(kinds)]) + rng.choice((b"", b"\x01", b"\x01{}", b'\x02{"eui":1}')) + body


def test_a_link_outlives_rubbish(broker: Mosquitto) -> None:
    module = VirtualModule(eui=EUI)
    url = parse_url(broker.url)
    assert isinstance(url, MqttUrl)
    port = WifiPort(module, url)
    sink = RecordingSink()
    link = WifiLink(port.start())
    rng = random.Random(random.randrange(2**32))
    with Publisher(broker) as other:
        other.subscribe(f"{BASE}/link/to")
        link.start(sink)
        try:
            sink.wait_for_phase(LinkPhase.STREAMING)
            other.wait_for(1)  # the link's greeting, which this client sees at its own time
            tag = other.received[0][1][:8].decode()
            for message in messages(rng, 300):
                other.publish(f"{BASE}/link/from/{tag}", message)
                other.publish(f"{BASE}/link/samples", message)
                other.publish(
                    f"{BASE}/link/to", rng.choice((b"", b"x", b"0123abcd", b"0123abcd\x01", b"XXXXXXXX")) + message
                )
                other.publish(f"{BASE}/bin", message)
            for _ in range(2):  # toggles, on and off again
                other.publish(f"{BASE}/config", rng.randbytes(100))
            sink.wait_for_phase(LinkPhase.STREAMING)
            sink.wait_for_blocks(20)
            count = len(sink.readings)
            other.publish(f"{BASE}/bin", encode_payload(sound_values()))
            sink.wait_for(lambda: len(sink.readings) > count)
            assert link.read_settings().result(30.0)["system"] == "3P+N"
        finally:
            link.stop()
            port.stop()
    assert sink.counters.frames_damaged > 100
