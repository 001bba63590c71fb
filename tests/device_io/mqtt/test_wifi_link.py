"""The WiFi link through a real broker with TLS: what a module publishes is what arrives."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from device_io.mqtt import module_client
from device_io.mqtt.payload import encode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkError, LinkErrorKind, LinkPhase
from tests.fakes.certificates import Authority, make_ca
from tests.fakes.leftovers import comes_true, open_handles
from tests.fakes.mosquitto import Mosquitto, free_port
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


def restart_again_and_again(folder: Path, authority: Authority, cycles: int) -> None:
    """The link comes back after every restart, also after a hard one; threads and file handles do not grow."""
    sink = RecordingSink()
    with Mosquitto(folder, tls=authority) as broker, Publisher(broker) as publisher:
        publisher.repeat(f"v1/home/devices/{EUI}/0/bin", encode_payload(sound_values()), every_s=0.05)
        link = WifiLink(url_of(broker))
        link.start(sink)
        try:
            sink.wait_for(lambda: len(sink.readings) >= 1)
            threads, files = threading.active_count(), open_handles()
            for cycle in range(cycles):
                if cycle % 2:
                    broker.kill()
                    broker.start()
                else:
                    broker.restart()
                reconnects = cycle + 1
                sink.wait_for(
                    lambda reconnects=reconnects: (
                        sink.states[-1].phase == LinkPhase.CONNECTED and sink.counters.reconnects >= reconnects
                    ),
                    30.0,
                )
                count = len(sink.readings)
                sink.wait_for(lambda count=count: len(sink.readings) > count, 30.0)
                assert comes_true(lambda: threading.active_count() <= threads)
                assert comes_true(lambda: open_handles() <= files + 2)
        finally:
            link.stop()
    assert sink.phases[-1] == LinkPhase.CLOSED


@pytest.mark.timeout(180)
def test_it_comes_back_after_every_restart_of_the_broker(tmp_path: Path, authority: Authority) -> None:
    restart_again_and_again(tmp_path, authority, 10)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_it_comes_back_after_a_thousand_restarts(tmp_path: Path, authority: Authority) -> None:
    restart_again_and_again(tmp_path, authority, 1000)


def test_links_to_one_broker_share_a_connection_and_part_one_by_one(broker: Mosquitto) -> None:
    euis = [f"0253454E0000{n:04X}" for n in range(20)]
    sinks = [RecordingSink() for _ in euis]
    links = [WifiLink(url_of(broker, eui), stream=False) for eui in euis]
    before = threading.active_count()
    with Publisher(broker) as publisher:
        for link, sink in zip(links, sinks, strict=True):
            link.start(sink)
        assert threading.active_count() - before <= 3, "two of the publisher, one for all links"
        for n, eui in enumerate(euis):
            publisher.repeat(f"v1/home/devices/{eui}/0/bin", encode_payload({"V1r": 100.0 + n}), every_s=0.2)
        for n, sink in enumerate(sinks):
            sink.wait_for(lambda sink=sink: len(sink.readings) >= 1)
            assert {readings.values["V1r"] for readings in sink.readings} == {100.0 + n}
        for link in links[:-1]:
            link.stop()
        counts = [len(sink.readings) for sink in sinks]
        sinks[-1].wait_for(lambda: len(sinks[-1].readings) >= counts[-1] + 2)
        assert [len(sink.readings) for sink in sinks[:-1]] == counts[:-1], "nothing is delivered after stop"
        links[-1].stop()


def test_messages_of_another_length_are_counted_and_told_once(broker: Mosquitto) -> None:
    sink = RecordingSink()
    link = WifiLink(url_of(broker), silent_s=1.0, stream=False)
    with Publisher(broker) as publisher:
        publisher.repeat(f"v1/home/devices/{EUI}/0/bin", b"21.5 degrees", every_s=0.1)
        link.start(sink)
        try:
            sink.wait_for(lambda: any(error.kind == LinkErrorKind.NOT_A_MODULE for error in errors(sink)))
            sink.wait_for(lambda: sink.counters.frames_damaged >= 5)
        finally:
            link.stop()
    assert "12 bytes" in str(errors(sink)[-1])
    assert len(sink.text) == 1


def volts(sink: RecordingSink) -> float | None:
    """The voltage of the last readings."""
    return sink.readings[-1].values["V1r"]


def errors(sink: RecordingSink) -> list[LinkError]:
    return [state.error for state in sink.states if state.error is not None]


def test_implausible_readings_are_flagged(broker: Mosquitto) -> None:
    sink = RecordingSink()
    link = WifiLink(url_of(broker), stream=False)
    link.start(sink)
    try:
        with Publisher(broker) as publisher:
            odd = encode_payload(sound_values() | {"P1": 1e6})
            publisher.repeat(f"v1/home/devices/{EUI}/0/bin", odd, every_s=0.1)
            sink.wait_for(lambda: len(sink.readings) >= 1)
    finally:
        link.stop()
    assert sink.readings[0].flags == ("suspect",)
    assert sink.readings[0].values["P1"] == 1e6


def test_burst_mode_is_asked_for_only_where_it_is_not_on(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the link is the test's: a message a minute, then one every five seconds."""
    now_s = 0.0
    monkeypatch.setattr(module_client, "time", SimpleNamespace(monotonic=lambda: now_s, time_ns=time.time_ns))
    topic, config = f"v1/home/devices/{EUI}/0/bin", f"v1/home/devices/{EUI}/0/config"
    sink = RecordingSink()
    link = WifiLink(url_of(broker), silent_s=1e6, stream=False)
    numbers = itertools.count(100)

    def send(after_s: float) -> float:
        """Publish something new; returns its voltage."""
        nonlocal now_s
        now_s += after_s
        u_v = float(next(numbers))
        publisher.publish(topic, encode_payload(sound_values(u_v=u_v)))
        return u_v

    with Publisher(broker) as publisher:
        publisher.subscribe(config)
        link.start(sink)
        try:
            while not sink.readings:  # until the link is there and knows that nobody answers it
                u_v = send(60.0)
                comes_true(lambda: bool(sink.readings), 0.5)
            sink.wait_for(lambda: volts(sink) == u_v)
            for _ in range(3):
                u_v = send(60.0)
                sink.wait_for(lambda u_v=u_v: volts(sink) == u_v)
            assert link.set_burst(True).result(30.0)
            publisher.wait_for(1)
            for _ in range(3):
                u_v = send(5.0)
                sink.wait_for(lambda u_v=u_v: volts(sink) == u_v)
            assert not link.set_burst(True).result(30.0)
            assert link.set_burst(False).result(30.0)
            publisher.wait_for(2)
        finally:
            link.stop()


def test_jobs_fail_with_the_reason_and_never_hang(broker: Mosquitto) -> None:
    link = WifiLink(url_of(broker))
    with pytest.raises(LinkError, match="not open"):
        link.read_settings().result(1.0)
    sink = RecordingSink()
    link.start(sink)
    waiting = [link.read_settings() for _ in range(30)]
    link.stop()
    for future in waiting:
        assert isinstance(future.exception(30.0), LinkError)
    # None if it was stopped before it came to them.
    assert sum("Too many" in str(future.exception()) for future in waiting) <= 14
    with pytest.raises(LinkError, match="closed"):
        link.read_readings().result(1.0)

    away = WifiLink(f"mqtt://127.0.0.1:{free_port()}/home/{EUI}", reconnect=False)
    away.start(RecordingSink())
    failure = away.read_settings().exception(30.0)
    away.stop()
    assert isinstance(failure, LinkError)
    assert failure.kind == LinkErrorKind.NO_CONNECTION


@pytest.mark.parametrize("url", ["usb:COM5", "mqtts://localhost", "mqtt://broker.example/home/0253454E00000001"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(LinkError) as failure:
        WifiLink(url)
    assert failure.value.kind == LinkErrorKind.BAD_URL


def test_a_person_is_asked_once_not_after_every_restart(tmp_path: Path, authority: Authority) -> None:
    asked: list[str] = []

    def ask(sentence: str) -> str:
        asked.append(sentence)
        return "right"

    sink = RecordingSink()
    with Mosquitto(tmp_path, tls=authority, passwords={"anna": "right"}) as broker:
        link = WifiLink(url_of(broker).replace("//", "//anna@", 1), prompt=ask)
        link.start(sink)
        try:
            for _ in range(2):
                with Publisher(broker, "anna", "right") as publisher:
                    publisher.repeat(f"v1/home/devices/{EUI}/0/bin", encode_payload(sound_values()), every_s=0.1)
                    count = len(sink.readings)
                    sink.wait_for(lambda count=count: len(sink.readings) > count)
                broker.restart()
        finally:
            link.stop()
    assert asked == [f"Password of anna@localhost:{broker.port}"]
    assert "right" not in broker.log


def test_nobody_is_asked_for_the_password_of_a_broker_that_is_not_there() -> None:
    asked: list[str] = []
    sink = RecordingSink()
    link = WifiLink(
        f"mqtts://anna@localhost:{free_port()}/home/{EUI}", reconnect=False, prompt=lambda text: asked.append(text)
    )
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.FAILED, 30.0)
    finally:
        link.stop()
    assert [error.kind for error in errors(sink)] == [LinkErrorKind.NO_CONNECTION]
    assert asked == []
