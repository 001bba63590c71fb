"""Who publishes at a broker: each module once, with the address that a link takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_io.mqtt.listening import listen_for_modules
from device_io.mqtt.payload import encode_payload
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url
from tests.fakes.certificates import make_ca
from tests.fakes.home_broker import embedded_broker
from tests.fakes.mosquitto import Mosquitto, free_port
from tests.fakes.mqtt_publisher import Place, Publisher, sound_values

READINGS = encode_payload(sound_values())
ONE, TWO, THREE, LAST = (f"0253454E000000D{n}" for n in "1234")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), tls=make_ca(tmp_path_factory.mktemp("ca"))) as running:
        yield running


def test_each_module_is_told_once(broker: Mosquitto) -> None:
    with Publisher(broker) as publisher:
        said = {
            f"v1/home/devices/{ONE}/0/bin": READINGS,
            f"v1/other/devices/{TWO.lower()}/0/bin": READINGS,
            "v1/home/devices/short/0/bin": READINGS,
            f"v1/home/devices/{THREE}/0/bin": b"no readings",
        }
        for topic, payload in said.items():
            publisher.repeat(topic, payload, every_s=0.05)
        found = []
        for module in listen_for_modules(f"{broker.url}?ca={broker.ca}", seconds=40.0):
            if module.eui == LAST:
                break
            found.append(module)
            if len(found) == 2:  # all go on for a while; then comes one that ends it
                for topic, payload in said.items():
                    publisher.publish(topic, payload)
                publisher.publish(f"v1/home/devices/{LAST}/0/bin", READINGS)
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
    assert time.monotonic() - began_s < 20.0


def test_a_broker_that_is_not_there() -> None:
    with pytest.raises(LinkError) as failure:
        list(listen_for_modules(f"mqtt://127.0.0.1:{free_port()}", seconds=40.0))
    assert failure.value.kind == LinkErrorKind.NO_CONNECTION


def test_without_rights_to_all_a_user_hears_its_own(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as broker:
        password = broker.add_module(ONE)
        base = f"mqtts://{ONE}@localhost:{broker.port}"
        with Publisher(Place(broker.port, broker.ca_file), ONE, password) as publisher:
            publisher.repeat(f"v1/home/devices/{ONE}/0/bin", READINGS, every_s=0.05)
            own = f"{base}/home/{ONE}?ca={broker.ca_file}"
            heard = listen_for_modules(own, seconds=40.0, prompt=lambda _: password)
            module = next(heard)
            heard.close()
        with pytest.raises(LinkError) as failure:
            list(listen_for_modules(f"{base}?ca={broker.ca_file}", seconds=40.0, prompt=lambda _: password))
    assert module.eui == ONE
    assert failure.value.kind == LinkErrorKind.TOPIC_REFUSED
