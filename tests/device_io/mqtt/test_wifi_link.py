"""The WiFi link through a real broker with TLS: what a module publishes is what arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from device_io.mqtt.payload import encode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkPhase
from tests.fakes.certificates import Authority, make_ca
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Publisher, sound_values
from tests.fakes.recording_sink import RecordingSink

EUI = "0253454E00000001"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), tls=authority) as running:
        yield running


def url_of(broker: Mosquitto, eui: str = EUI) -> str:
    return f"{broker.url}/home/{eui}" + (f"?ca={broker.ca}" if broker.ca else "")


def test_readings_of_a_published_payload_arrive(broker: Mosquitto) -> None:
    sink = RecordingSink()
    link = WifiLink(url_of(broker))
    values = sound_values()
    link.start(sink)
    try:
        with Publisher(broker) as publisher:
            publisher.repeat(f"v1/home/devices/{EUI}/0/bin", encode_payload(values), every_s=0.2)
            sink.wait_for(lambda: len(sink.readings) >= 2)
    finally:
        link.stop()
    assert sink.identities[0].eui == EUI
    assert sink.identities[0].chips == ()
    assert sink.identities[0].capabilities == {"readings"}
    assert sink.readings[0].flags == ()
    for key, value in values.items():
        assert sink.readings[0].values[key] == pytest.approx(value, abs=0.0051), key
    assert sink.phases == [LinkPhase.OPENING, LinkPhase.CONNECTED, LinkPhase.CLOSED]
