"""The virtual module behind a real broker, as another program and as the WiFi link see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from device_io.mqtt.payload import decode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkError, LinkErrorKind, LinkPhase, SampleBlock
from device_io.urls import MqttUrl, parse_url
from device_io.virtual_module import wifi_port
from device_io.virtual_module.faults import Faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.wifi_port import WifiPort
from tests.fakes.certificates import make_ca
from tests.fakes.home_broker import embedded_broker
from tests.fakes.leftovers import Holdings
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Publisher
from tests.fakes.plug import Plug
from tests.fakes.recording_sink import RecordingSink


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = Holdings()
    yield
    before.check_threads()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker"), tls=make_ca(tmp_path_factory.mktemp("ca"))) as running:
        yield running


def parsed(text: str) -> MqttUrl:
    url = parse_url(text)
    assert isinstance(url, MqttUrl)
    return url


def broker_url(broker: Mosquitto) -> MqttUrl:
    return parsed(f"{broker.url}?ca={broker.ca}")


class Witness(VirtualModule):
    """Keeps every block that it makes; the same samples, asked for twice, have other noise."""

    def __init__(self, eui: str) -> None:
        super().__init__("office", eui=eui)
        self.made: dict[tuple[int, int], list[SampleBlock]] = {}

    def blocks(self, slot: int) -> list[SampleBlock]:
        blocks = super().blocks(slot)
        for block in blocks:
            self.made.setdefault((block.chip, block.first_index), []).append(block)
        return blocks


def test_the_url_names_the_module_and_the_authority(broker: Mosquitto) -> None:
    module = VirtualModule()
    port = WifiPort(module, broker_url(broker))
    url = parsed(port.start())
    try:
        assert port.wait(30.0) is None
    finally:
        port.stop()
    assert (url.token, url.eui, url.ca) == ("home", module.info.eui, str(broker.ca))


def test_another_program_sees_the_published_payload(broker: Mosquitto) -> None:
    module = VirtualModule("clean", "1P", eui="0253454E000000A1")
    port = WifiPort(module, broker_url(broker))
    with Publisher(broker) as other:
        other.subscribe("v1/home/devices/0253454E000000A1/0/bin")
        module.now_s()
        port.start()
        try:
            other.wait_for(2)
        finally:
            port.stop()
    payload = other.received[-1][1]
    assert len(payload) == 706
    decoded = decode_payload(payload)
    assert decoded.implausible == ""
    assert decoded.values["V1r"] == pytest.approx(230.0, abs=0.5)
    assert decoded.values["1V1"] == 100.0


def test_the_link_reads_identity_settings_and_every_sample(broker: Mosquitto) -> None:
    module = Witness("0253454E000000A2")
    port = WifiPort(module, broker_url(broker))
    sink = RecordingSink()
    link = WifiLink(port.start())
    link.start(sink)
    try:
        sink.wait_for(lambda: len(sink.blocks) >= 60 and len(sink.readings) >= 1)
        written = link.write_settings({"name": "Cellar", "mqtt_period_s": 3}).result(30.0)
        assert (written["name"], written["mqtt_period_s"]) == ("Cellar", 3)
        assert link.read_settings().result(30.0)["name"] == "Cellar"
        readings = link.read_readings().result(30.0)
        assert readings.device_time_us is not None
        refused = link.write_settings({"mqtt_period_s": 1})
        with pytest.raises(LinkError, match="Readings every") as failure:
            refused.result(30.0)
        assert failure.value.kind == LinkErrorKind.REFUSED
    finally:
        link.stop()
        port.stop()
    first, *again = sink.identities
    assert first == module.info._replace(name=first.name)
    assert {info.boot_id for info in again} <= {first.boot_id}
    assert sink.phases[:3] == [LinkPhase.OPENING, LinkPhase.CONNECTED, LinkPhase.STREAMING]
    for block in sink.blocks:
        made = module.made[block.chip, block.first_index]
        assert any(np.array_equal(block.counts, one.counts) for one in made)
    # A module on a computer that is seconds late leaves blocks out, and says how many, or is greeted anew.
    greeted_anew = len(sink.identities) > 1
    for chip in range(3):
        blocks = [block for block in sink.blocks if block.chip == chip]
        ends = [block.first_index + len(block.counts) for block in blocks]
        gaps = [block.first_index - end for block, end in zip(blocks[1:], ends[:-1], strict=True)]
        assert greeted_anew or any(gaps) <= bool(sink.counters.blocks_left_out), "a gap without loss"
    assert greeted_anew or sink.counters.samples_missing <= 101 * sink.counters.blocks_left_out
    assert set(sink.readings[-1].values) == set(decode_payload(bytes(704)).values)


def test_two_hosts_do_not_mix_their_replies(broker: Mosquitto) -> None:
    port = WifiPort(VirtualModule(eui="0253454E000000A3"), broker_url(broker))
    url = port.start()
    sinks = [RecordingSink(), RecordingSink()]
    links = [WifiLink(url, stream=False), WifiLink(url, stream=False)]
    for link, sink in zip(links, sinks, strict=True):
        link.start(sink)
    try:
        futures = [link.write_settings({"name": f"host {n}"}) for n, link in enumerate(links) for _ in range(5)]
        for n, future in enumerate(futures):
            assert future.result(30.0)["name"] == f"host {n // 5}"
    finally:
        for link in links:
            link.stop()
        port.stop()
    assert all(len({info.eui for info in sink.identities}) == 1 for sink in sinks)


def test_the_published_firmware_gives_readings_only(broker: Mosquitto) -> None:
    module = VirtualModule("clean", eui="0253454E000000A4")
    module.settings.restore({"mqtt_period_s": 0.2})
    port = WifiPort(module, broker_url(broker), published_firmware=True)
    sink = RecordingSink()
    link = WifiLink(port.start())
    link.start(sink)
    try:
        sink.wait_for(lambda: any("unreliable-firmware" in readings.flags for readings in sink.readings), 30.0)
        last = link.read_readings().result(30.0)
        with pytest.raises(LinkError, match="only sends readings over WiFi"):
            link.read_settings().result(30.0)
    finally:
        link.stop()
        port.stop()
    assert sink.identities[0].capabilities == {"readings"}
    assert not sink.blocks
    assert (last.values["PF2i"], last.values["SPc"]) == (0.0, last.values["Pc"])
    assert last.corrected["PF2i"] == pytest.approx(0.866, abs=0.005)
    assert last.corrected["SPc"] == pytest.approx(6900.0, rel=0.005)


def test_a_restarted_broker_brings_everything_back(broker: Mosquitto) -> None:
    module = Witness("0253454E000000A5")
    port = WifiPort(module, broker_url(broker))
    sink = RecordingSink()
    link = WifiLink(port.start())
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.STREAMING)
        sink.wait_for_blocks(10)
        states = len(sink.states)
        broker.restart()
        sink.wait_for_phase(LinkPhase.LOST, since=states)
        sink.wait_for_phase(LinkPhase.STREAMING)
        sink.wait_for_blocks(30)
    finally:
        link.stop()
        port.stop()
    assert sink.counters.reconnects == 1
    assert sink.counters.samples_missing > 0, "the time without a broker is a gap"
    assert len({info.boot_id for info in sink.identities}) == 1


def test_burst_mode_is_toggled_by_any_message(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wifi_port, "BURST_INTERVAL_S", 0.2)
    module = VirtualModule("clean", "1P", eui="0253454E000000A6")
    module.settings.restore({"mqtt_period_s": 600})
    config = "v1/home/devices/0253454E000000A6/0/config"
    port = WifiPort(module, broker_url(broker))
    with Publisher(broker) as other:
        other.subscribe("v1/home/devices/0253454E000000A6/0/bin")
        port.start()
        try:
            other.wait_for(1)
            other.publish(config, b"x")
            other.wait_for(5)
            other.publish(config, b"")
            other.wait_for_silence(1.0)
        finally:
            port.stop()


def test_a_wrong_broker_in_the_settings_takes_it_away_until_undone(broker: Mosquitto) -> None:
    module = VirtualModule(eui="0253454E000000A7")
    port = WifiPort(module, broker_url(broker))
    sink = RecordingSink()
    link = WifiLink(port.start(), silent_s=3.0)
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.STREAMING)
        link.write_settings({"mqtt_host": "elsewhere"}).result(30.0)
        assert sink.wait_for_phase(LinkPhase.LOST).error is not None
        module.settings.write({"mqtt_host": "localhost", "confirm": True})
        sink.wait_for_phase(LinkPhase.STREAMING, 30.0)
    finally:
        link.stop()
        port.stop()


def test_a_job_waits_for_a_module_that_is_away(broker: Mosquitto) -> None:
    module, plug = VirtualModule(eui="0253454E000000A9"), Plug()
    port = WifiPort(module, broker_url(broker), Faults(unplug=(plug,)))  # type: ignore[arg-type]
    sink = RecordingSink()
    link = WifiLink(port.start(), silent_s=3.0)
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.STREAMING)
        plug.out = True
        sink.wait_for_phase(LinkPhase.LOST, 30.0)
        job = link.read_settings()
        plug.out = False
        assert job.result(30.0)["system"] == "3P+N"
    finally:
        link.stop()
        port.stop()


def test_faults_unplug_and_drop(broker: Mosquitto) -> None:
    module, plug = VirtualModule(eui="0253454E000000A8"), Plug()
    port = WifiPort(module, broker_url(broker), Faults(unplug=(plug,), drop=0.05))  # type: ignore[arg-type]
    sink = RecordingSink()
    link = WifiLink(port.start(), silent_s=1.0)
    link.start(sink)
    try:
        sink.wait_for_phase(LinkPhase.STREAMING)
        sink.wait_for_blocks(3)
        plug.out = True
        time.sleep(1.0)  # that it is away
        plug.out = False
        back_us = module.device_time_us(module.now_s()) + 300_000
        sink.wait_for(lambda: sink.blocks[-1].device_time_us > back_us)
    finally:
        link.stop()
        port.stop()
    assert sink.counters.samples_missing > 4000, "a second of three chips away, and what was dropped"


def test_a_broker_that_is_not_there_is_told(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    port = WifiPort(VirtualModule(), parsed(broker.url))
    port.start()
    try:
        error = port.wait(30.0)
        assert error is not None
        assert error.kind == LinkErrorKind.NO_CONNECTION
        with broker:
            pass
    finally:
        port.stop()


def test_a_port_tells_what_the_broker_does_not_allow(tmp_path: Path) -> None:
    """The user of one module at the topics of another."""
    with embedded_broker(tmp_path) as broker:
        password = broker.add_module("0253454E000000E1")
        url = parsed(f"mqtts://0253454E000000E1@127.0.0.1:{broker.port}/home/0253454E000000E2?ca={broker.ca_file}")
        port = WifiPort(VirtualModule(eui="0253454E000000E2"), url, password=password)
        port.start()
        try:
            problem = port.wait(30.0)
        finally:
            port.stop()
    assert problem is not None
    assert problem.kind == LinkErrorKind.TOPIC_REFUSED


def test_a_port_waits_until_it_is_clear_why_the_broker_closes(tmp_path: Path) -> None:
    """With TLS 1.3 the refusal can be lost on the way."""
    ca = make_ca(tmp_path)
    with Mosquitto(tmp_path, tls=ca, require_certificate=True) as broker:
        port = WifiPort(VirtualModule(), parsed(f"{broker.url}?ca={ca.cert}"))
        port.start()
        try:
            problem = port.wait(30.0)
        finally:
            port.stop()
    assert problem is not None
    assert problem.kind == LinkErrorKind.CLIENT_CERTIFICATE
