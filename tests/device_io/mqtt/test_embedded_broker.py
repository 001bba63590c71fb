"""The broker of one's own: TLS that verifies, a password a module, rights to its own topics, a quick and quiet end."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from device_io.mqtt import broker_plugin
from device_io.mqtt.certificates import server_files
from device_io.mqtt.embedded_broker import BrokerFailure, EmbeddedBroker
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkErrorKind, LinkPhase
from device_io.urls import MqttUrl, parse_url
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.wifi_port import WifiPort
from tests.fakes.home_broker import embedded_broker
from tests.fakes.leftovers import comes_true
from tests.fakes.mosquitto import free_port
from tests.fakes.mqtt_publisher import Place, Publisher
from tests.fakes.recording_sink import RecordingSink

EUI, OTHER = "0253454E000000B1", "0253454E000000B2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture
def broker(folder: Path) -> Iterator[EmbeddedBroker]:
    with embedded_broker(folder) as running:
        yield running


def place(broker: EmbeddedBroker) -> Place:
    return Place(broker.port, broker.ca_file)


def module_url(broker: EmbeddedBroker, user: str) -> MqttUrl:
    url = parse_url(f"mqtts://{user}@localhost:{broker.port}/home/{EUI}?ca={broker.ca_file}")
    assert isinstance(url, MqttUrl)
    return url


def test_a_module_and_a_link_meet_there(broker: EmbeddedBroker) -> None:
    port = WifiPort(VirtualModule(eui=EUI), module_url(broker, EUI), password=broker.add_module(EUI))
    sink = RecordingSink()
    link = WifiLink(module_url(broker, "desktop"), prompt=lambda _: broker.desktop_password)
    port.start()
    assert port.wait() is None
    link.start(sink)
    try:
        sink.wait_for(lambda: len(sink.readings) >= 1 and len(sink.blocks) >= 30)
        assert link.write_settings({"name": "Attic"}).result(30.0)["name"] == "Attic"
    finally:
        link.stop()
        port.stop()
    # A module on a computer that is seconds late leaves blocks out, and says how many, or is greeted anew.
    greeted_anew = len(sink.identities) > 1
    assert greeted_anew or sink.counters.samples_missing <= 101 * sink.counters.blocks_left_out
    assert sink.phases[-1] == LinkPhase.CLOSED


def test_a_module_reaches_only_its_own_topics(broker: EmbeddedBroker) -> None:
    mine, theirs = f"v1/home/devices/{EUI}/0/bin", f"v1/home/devices/{OTHER}/0/bin"
    with (
        Publisher(place(broker), "desktop", broker.desktop_password) as desktop,
        Publisher(place(broker), EUI, broker.add_module(EUI)) as module,
    ):
        desktop.subscribe("v1/+/devices/+/0/bin")
        module.publish(theirs, b"not mine")
        module.publish(mine, b"mine")
        desktop.wait_for(1)
        assert [topic for topic, _ in desktop.received] == [mine]
        for topic in (theirs, "v1/home/devices/+/0/bin", "#", "$SYS/#"):
            assert module.is_refused(topic), topic
        assert not module.is_refused(f"v1/home/devices/{EUI}/0/config")


def test_wrong_users_and_passwords_are_refused(broker: EmbeddedBroker) -> None:
    broker.add_module(EUI)
    for user in (EUI, OTHER, "desktop"):
        sink = RecordingSink()
        link = WifiLink(module_url(broker, user), prompt=lambda _: "guessed", reconnect=False)
        link.start(sink)
        state = sink.wait_for_phase(LinkPhase.FAILED)
        link.stop()
        assert state.error is not None
        assert state.error.kind == LinkErrorKind.LOGIN_REFUSED


def test_passwords_outlive_the_broker_and_can_be_replaced(folder: Path) -> None:
    first = EmbeddedBroker(folder, free_port(), "127.0.0.1")
    password = first.add_module(OTHER)
    assert password not in (folder / "accounts.json").read_text()
    again = EmbeddedBroker(folder, free_port(), "127.0.0.1")
    assert again.accounts.is_right(OTHER, password)
    newer = again.add_module(OTHER)
    assert again.accounts.is_right(OTHER.lower(), newer)
    assert not again.accounts.is_right(OTHER, password)
    again.accounts.remove(OTHER)
    assert not again.accounts.is_right(OTHER, newer)
    assert not again.accounts.is_right(None, None)
    assert first.desktop_password != again.desktop_password


def test_secrets_are_the_owners_alone(broker: EmbeddedBroker, folder: Path) -> None:
    broker.add_module(EUI)
    for name in ("ca.key", "broker.key", "accounts.json"):
        # Windows knows only read-only and not; there the folder of the user protects them.
        mode = stat.S_IMODE(os.stat(folder / name).st_mode)
        assert mode == (0o666 if sys.platform == "win32" else 0o600), name


def test_the_certificate_follows_the_names_and_the_authority_stays(tmp_path: Path) -> None:
    first = server_files(tmp_path, ["localhost"])
    before = (first.ca.read_bytes(), first.cert.read_bytes())
    assert server_files(tmp_path, ["localhost"]).cert.read_bytes() == before[1]
    more = server_files(tmp_path, ["localhost", "10.1.2.3"])
    assert more.ca.read_bytes() == before[0]
    assert more.cert.read_bytes() != before[1]


def test_it_starts_and_stops_often_and_quickly_with_clients_on_it(folder: Path) -> None:
    for _ in range(3):
        with (
            embedded_broker(folder) as broker,
            Publisher(place(broker), "desktop", broker.desktop_password) as client,
        ):
            client.subscribe("v1/#")
            began_s = time.monotonic()
            broker.stop()
            assert time.monotonic() - began_s < 6.0, "2 s on a computer that has the time"
            assert comes_true(lambda broker=broker: nobody_listens(broker.port))


def nobody_listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20.0).close()
    except OSError:
        return True
    return False


def test_a_port_in_use_is_told(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = EmbeddedBroker(folder, taken.getsockname()[1], "127.0.0.1")
        with pytest.raises(BrokerFailure, match="Another broker may run"):
            broker.start()


def test_what_clients_do_wrong_is_not_logged(broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for rubbish in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(100)):
        with socket.create_connection(("127.0.0.1", broker.port), timeout=30.0) as plain:
            plain.sendall(rubbish)
    strangers = ssl.create_default_context()
    with socket.create_connection(("127.0.0.1", broker.port), timeout=30.0) as raw, pytest.raises(ssl.SSLError):
        strangers.wrap_socket(raw, server_hostname="localhost")
    trusting = ssl.create_default_context(cafile=str(broker.ca_file))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=30.0) as raw,
        trusting.wrap_socket(raw, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"\x10\x05rubbish")
    with Publisher(place(broker), "desktop", broker.desktop_password):
        pass
    assert not [
        record for record in caplog.records if record.name.startswith(("amqtt", "asyncio")) and record.levelno > 10
    ]


def test_mqtt_5_is_refused_not_crashed(broker: EmbeddedBroker) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.tls_set(ca_certs=str(broker.ca_file))
    ends: list[str] = []
    client.on_connect = lambda *args: ends.append(str(args[3]))
    client.on_disconnect = lambda *args: ends.append("gone")
    client.connect("localhost", broker.port)
    deadline_s = time.monotonic() + 30.0
    while not ends and time.monotonic() < deadline_s:
        client.loop(0.1)
    client.disconnect()
    assert ends
    assert ends[0] != "Success"


def test_the_system_looks_whether_a_client_is_still_there(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that loses its power says no farewell, and the library does not look at MQTT's keep alive."""
    looked_at: list[int] = []
    notice = broker_plugin._notice_its_end

    def spy(connection: socket.socket) -> None:
        notice(connection)
        looked_at.append(connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    monkeypatch.setattr(broker_plugin, "_notice_its_end", spy)
    with Publisher(place(broker), "desktop", broker.desktop_password):
        assert len(looked_at) == 1
        assert looked_at[0] != 0


def a_client_that_reads_nothing(broker: EmbeddedBroker) -> ssl.SSLSocket:
    """It logs in as `desktop`, subscribes to everything, and never reads again."""
    context = ssl.create_default_context(cafile=str(broker.ca_file))
    plain = socket.create_connection(("127.0.0.1", broker.port), timeout=30.0)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf = context.wrap_socket(plain, server_hostname="localhost")

    def text(value: str) -> bytes:
        return len(value).to_bytes(2, "big") + value.encode()

    def packet(kind: int, body: bytes) -> bytes:
        assert len(body) < 128
        return bytes([kind, len(body)]) + body

    flags = 0xC2  # user, password, clean session; keep alive 0: for ever
    deaf.sendall(
        packet(
            0x10,
            text("MQTT") + bytes([4, flags, 0, 0]) + text("deaf") + text("desktop") + text(broker.desktop_password),
        )
    )
    assert deaf.recv(4) == b"\x20\x02\x00\x00"
    deaf.sendall(packet(0x82, b"\0\1" + text("v1/+/devices/+/0/bin") + b"\0"))
    assert deaf.recv(5)[:1] == b"\x90"
    return deaf


@pytest.mark.timeout(180)
@pytest.mark.parametrize("reason", ["too long", "too much"])
def test_a_client_that_reads_nothing_is_cut_off_and_others_go_on(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    caplog.set_level(logging.INFO, broker_plugin.__name__)
    monkeypatch.setattr(broker_plugin, "SLOW_S", 3.0 if reason == "too long" else 1e9)
    monkeypatch.setattr(broker_plugin, "MOST_MESSAGES", 10**9 if reason == "too long" else 100)
    topic = f"v1/home/devices/{EUI}/0/bin"
    deaf = a_client_that_reads_nothing(broker)
    with (
        Publisher(place(broker), "desktop", broker.desktop_password) as other,
        Publisher(place(broker), EUI, broker.add_module(EUI)) as module,
    ):
        other.subscribe(topic)
        sent = 0
        deadline_s = time.monotonic() + 90.0
        while not caplog.records:
            assert time.monotonic() < deadline_s, "it was never cut off"
            module.publish(topic, bytes(60_000))
            sent += 1
            assert comes_true(lambda sent=sent: len(other.received) >= sent or bool(caplog.records), 30.0)
        # A message that is sent at most once may be lost in the moment of the cut; those behind it are not.
        for _ in range(10):
            module.publish(topic, b"last")
            if comes_true(lambda: (topic, b"last") in other.received, 3.0):
                break
        assert (topic, b"last") in other.received
    deaf.close()
    assert "reads too slowly" in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    ("host", "words"), [("192.0.2.77", "no address 192.0.2.77"), ("nowhere.invalid", "no address nowhere.invalid")]
)
def test_an_address_of_another_computer_is_told(tmp_path: Path, host: str, words: str) -> None:
    with pytest.raises(BrokerFailure, match=words):
        EmbeddedBroker(tmp_path, free_port(), host).start()


def test_an_address_of_the_newer_kind_is_told_and_taken(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, 18_883, "::1")
    url = parse_url(broker.url)
    assert isinstance(url, MqttUrl)
    assert (url.host, url.port) == ("::1", 18_883)
    bound = broker_plugin.BoundedBroker._split_bindaddr_port
    assert bound("[::1]:18883", 1) == ("::1", 18_883)
    assert bound("127.0.0.1:18883", 1) == ("127.0.0.1", 18_883)


def test_a_damaged_certificate_or_key_is_made_anew(tmp_path: Path) -> None:
    first = server_files(tmp_path, ["localhost"])
    authority = first.ca.read_bytes()
    for path, content in ((first.cert, b"rubbish"), (first.key, b"rubbish"), (first.key, other_key(tmp_path))):
        path.write_bytes(content)
        files = server_files(tmp_path, ["localhost"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key)
        context.load_verify_locations(files.ca)
    assert first.ca.read_bytes() == authority, "the modules know it"


@pytest.mark.parametrize("content", ["rubbish", "other"])
def test_a_damaged_key_of_the_authority_is_told(tmp_path: Path, content: str) -> None:
    server_files(tmp_path, ["localhost"])
    key = tmp_path / "ca.key"
    key.write_bytes(other_key(tmp_path) if content == "other" else b"rubbish")
    with pytest.raises(BrokerFailure, match=r"ca\.key is damaged\. Remove the folder"):
        EmbeddedBroker(tmp_path, free_port(), "127.0.0.1").start()


def other_key(folder: Path) -> bytes:
    return server_files(folder / "other", ["localhost"]).key.read_bytes()
