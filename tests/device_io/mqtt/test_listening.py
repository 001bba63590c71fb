"""Who publishes at a broker: each module once, with the address that a link takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_io.mqtt.embedded_broker import EmbeddedBroker
from device_io.mqtt.listening import listen_for_modules
from device_io.mqtt.payload import encode_payload
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url
from tests.fakes.certificates import make_ca
from tests.fakes.mosquitto import Mosquitto, free_port
from tests.fakes.mqtt_publisher import Place, Publisher, sound_values

READINGS = encode_payload(sound_values())
ONE, TWO, THREE = (f"0253454E000000D{n}" for n in "123")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), tls=make_ca(tmp_path_factory.mktemp("ca"))) as running:
        yield running


def test_each_module_is_told_once(broker: Mosquitto) -> None:
    with Publisher(broker) as publisher:
        for token, eui in (("home", ONE), ("other", TWO.lower())):
            publisher.repeat(f"v1/{token}/devices/{eui}/0/bin", READINGS, every_s=0.05)
        publisher.repeat("v1/home/devices/short/0/bin", READINGS, every_s=0.05)
        publisher.repeat(f"v1/home/devices/{THREE}/0/bin", b"no readings", every_s=0.05)
        found = list(listen_for_modules(f"{broker.url}?ca={broker.ca}", seconds=1.0))
    assert sorted((module.token, module.eui) for module in found) == [("home", ONE), ("other", TWO)]
    for module in found:
        url = parse_url(module.url)
        assert isinstance(url, MqttUrl)
        assert (url.token, url.eui, url.ca) == (
            module.token,
            module.eui if module.eui == ONE else TWO.lower(),
            str(broker.ca),
        )


def test_it_ends_when_cancelled(broker: Mosquitto) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began_s = time.monotonic()
    assert list(listen_for_modules(f"{broker.url}?ca={broker.ca}", seconds=None, cancel=cancel)) == []
    assert time.monotonic() - began_s < 5.0


def test_a_broker_that_is_not_there() -> None:
    with pytest.raises(LinkError) as failure:
        list(listen_for_modules(f"mqtt://127.0.0.1:{free_port()}", seconds=5.0))
    assert failure.value.kind == LinkErrorKind.NO_CONNECTION


def test_without_rights_to_all_a_user_hears_its_own(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, free_port(), "127.0.0.1")
    password = broker.add_module(ONE)
    broker.start()
    try:
        base = f"mqtts://{ONE}@localhost:{broker.port}"
        with Publisher(Place(broker.port, broker.ca_file), ONE, password) as publisher:
            publisher.repeat(f"v1/home/devices/{ONE}/0/bin", READINGS, every_s=0.05)
            own = f"{base}/home/{ONE}?ca={broker.ca_file}"
            found = list(listen_for_modules(own, seconds=0.5, prompt=lambda _: password))
        with pytest.raises(LinkError) as failure:
            list(listen_for_modules(f"{base}?ca={broker.ca_file}", seconds=5.0, prompt=lambda _: password))
    finally:
        broker.stop()
    assert [module.eui for module in found] == [ONE]
    assert failure.value.kind == LinkErrorKind.TOPIC_REFUSED
