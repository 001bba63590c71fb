"""Modules that say nothing, say it seldom, or said it long ago, and brokers that are gone without a word."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from device_io.mqtt import connection, doctor, module_client
from device_io.mqtt.burst import BURST_INTERVAL_S
from device_io.mqtt.doctor import examine_broker
from device_io.mqtt.listening import listen_for_modules
from device_io.mqtt.payload import encode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkErrorKind, LinkPhase, Readings
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Publisher, sound_values
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.tcp_line import TcpLine

EUI = "0253454E000000D1"
READINGS, CONFIG = f"v1/home/devices/{EUI}/0/bin", f"v1/home/devices/{EUI}/0/config"


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


def keep(broker: Mosquitto, payload: bytes) -> None:
    """Have the broker keep a message, as a wrongly set up module or bridge does."""
    with Publisher(broker) as other:
        other._client.publish(READINGS, payload, qos=1, retain=True).wait_for_publish(30.0)


def test_an_old_message_that_the_broker_keeps_is_no_sign_of_life(broker: Mosquitto) -> None:
    keep(broker, encode_payload(sound_values(u_v=111.0)))
    sink = RecordingSink()
    link = WifiLink(f"{broker.url}/home/{EUI}", silent_s=2.0)
    link.start(sink)
    try:
        error = sink.wait_for_phase(LinkPhase.LOST).error
        assert error is not None
        assert error.kind == LinkErrorKind.SILENT
        assert "only keeps an old message" in str(error)
        with Publisher(broker) as module:
            module.repeat(READINGS, encode_payload(sound_values(u_v=230.0)), every_s=0.1)
            sink.wait_for(lambda: len(sink.readings) >= 2)
    finally:
        link.stop()
    assert {readings.values["V1r"] for readings in sink.readings} == {230.0}


def test_the_doctor_and_the_list_of_modules_do_not_take_it_for_one(broker: Mosquitto) -> None:
    keep(broker, encode_payload(sound_values()))
    check = examine_broker(f"{broker.url}/home/{EUI}", listen_s=3.0)[-1]
    assert check.state == "bad"
    assert "keeps an old one" in check.text
    assert list(listen_for_modules(broker.url, seconds=0.5)) == []


def speak_when_asked(module: Publisher) -> threading.Thread:
    """Publish once somebody has toggled burst mode, as a module with a period of ten minutes does."""
    module.subscribe(CONFIG)

    def run() -> None:
        module.wait_for(1)
        module.publish(READINGS, encode_payload(sound_values()))

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_module_that_publishes_seldom_is_asked_to_do_so_more_often(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module_client, "QUIET_S", 0.3)
    sink = RecordingSink()
    link = WifiLink(f"{broker.url}/home/{EUI}")
    with Publisher(broker) as module:
        thread = speak_when_asked(module)
        link.start(sink)
        try:
            sink.wait_for(lambda: len(sink.readings) >= 1)
            module.wait_for_silence(0.7)
        finally:
            link.stop()
            thread.join(30.0)
        assert [topic for topic, _ in module.received] == [CONFIG], "one toggle; a second would end it"


def test_a_module_that_speaks_is_not_asked(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_client, "QUIET_S", 2.0)
    sink = RecordingSink()
    link = WifiLink(f"{broker.url}/home/{EUI}")
    with Publisher(broker) as module:
        module.subscribe(CONFIG)
        module.repeat(READINGS, encode_payload(sound_values()), every_s=0.1)
        link.start(sink)
        try:
            sink.wait_for(lambda: seconds_between(sink.readings) > 2.5)
        finally:
            link.stop()
        assert module.received == []


def seconds_between(readings: list[Readings]) -> float:
    """From the first of them to the last."""
    return (readings[-1].host_time_ns - readings[0].host_time_ns) * 1e-9 if readings else 0.0


def test_the_doctor_asks_it_too(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_QUIET_S", 0.5)
    with Publisher(broker) as module:
        thread = speak_when_asked(module)
        check = examine_broker(f"{broker.url}/home/{EUI}", listen_s=30.0)[-1]
        thread.join(30.0)
    assert check.state == "ok"
    assert "publishes seldom" in check.text


def test_the_doctor_ends_no_burst_mode() -> None:
    assert doctor._QUIET_S > BURST_INTERVAL_S
    assert doctor.LISTEN_S - doctor._QUIET_S > BURST_INTERVAL_S


def test_a_broker_that_is_gone_without_a_word_is_found_out_and_used_again(
    broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "KEEP_ALIVE_S", 1)
    sink = RecordingSink()
    with TcpLine(broker.port) as proxy, Publisher(broker) as module:
        module.repeat(READINGS, encode_payload(sound_values()), every_s=0.1)
        link = WifiLink(f"mqtt://127.0.0.1:{proxy.port}/home/{EUI}")
        link.start(sink)
        try:
            sink.wait_for(lambda: len(sink.readings) >= 2)
            proxy.freeze()
            error = sink.wait_for_phase(LinkPhase.LOST).error
            assert error is not None
            assert error.kind == LinkErrorKind.NO_CONNECTION, "not the module's fault"
            count = len(sink.readings)
            sink.wait_for(lambda: len(sink.readings) > count)
        finally:
            link.stop()


def test_the_way_to_the_broker_is_suspected_before_the_module() -> None:
    assert 2 * connection.KEEP_ALIVE_S < 15.0, "a link waits 15 s for a module unless told otherwise"


@pytest.mark.parametrize("reconnect", [True, False])
def test_a_port_that_closes_every_connection_is_told(reconnect: bool) -> None:
    """Nobody waits for ever: after three attempts it is clear enough."""
    listener = socket.create_server(("127.0.0.1", 0))

    def close_all() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    thread = threading.Thread(target=close_all)
    thread.start()
    url = f"mqtt://127.0.0.1:{listener.getsockname()[1]}/home/{EUI}"
    sink = RecordingSink()
    link = WifiLink(url, reconnect=reconnect)
    link.start(sink)
    try:
        error = sink.wait_for_phase(LinkPhase.LOST if reconnect else LinkPhase.FAILED).error
        check = next(check for check in examine_broker(url, listen_s=0.1) if check.state == "bad")
    finally:
        link.stop()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(30.0)
    assert error is not None
    assert "closes every connection" in str(error)
    assert "closes every connection" in check.text
