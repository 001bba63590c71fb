"""mDNS on the loopback interface: what is announced is found, with its port, until it says goodbye."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from zeroconf import ServiceInfo, Zeroconf

from device_io.mqtt import dialling, mdns
from device_io.mqtt.mdns import Announcement, addresses_of, browse
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url

LOOPBACK = ["127.0.0.1"]


def test_the_embedded_broker_is_found_by_its_port() -> None:
    announcement = Announcement(18_883, name="Test broker", interfaces=LOOPBACK)
    announcement.start()
    try:
        found = next(service for service in browse(40.0, interfaces=LOOPBACK) if service.name == "Test broker")
    finally:
        announcement.stop()
        announcement.stop()
    assert (found.kind, found.port) == ("broker", 18_883)
    assert "127.0.0.1" in found.addresses  # other programs may announce addresses of this computer, too
    assert found.host.endswith(".local")


def test_a_module_tells_who_it_is() -> None:
    module = ServiceInfo(
        "_sensix._tcp.local.",
        "0253454E00000001._sensix._tcp.local.",
        port=80,
        addresses=[bytes([127, 0, 0, 1])],
        properties={"eui": "0253454E00000001", "system": "3P+N"},
        server="sensix-1.local.",
    )
    zeroconf = Zeroconf(interfaces=LOOPBACK)
    try:
        zeroconf.register_service(module)
        found = next(
            service
            for service in browse(40.0, interfaces=LOOPBACK)
            if service.properties.get("eui") == "0253454E00000001"
        )
    finally:
        zeroconf.unregister_all_services()
        zeroconf.close()
    assert found.properties == {"eui": "0253454E00000001", "system": "3P+N"}


def test_the_name_of_a_broker_is_looked_up_where_the_system_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    announcement = Announcement(18_884, name="Named broker", interfaces=LOOPBACK)
    announcement.start()
    try:
        found = next(service for service in browse(40.0, interfaces=LOOPBACK) if service.name == "Named broker")
        addresses = addresses_of(found.host, seconds=40.0, interfaces=LOOPBACK)
        assert "127.0.0.1" in addresses
        monkeypatch.setattr(mdns, "addresses_of", lambda host: addresses if host == found.host else ())
        monkeypatch.setattr(dialling.socket, "getaddrinfo", unknown_to_the_system)
        url = parse_url(f"mqtts://{found.host}:{found.port}")
        assert isinstance(url, MqttUrl)
        assert dialling.resolve(url) == [(int(socket.AF_INET), (address, 18_884)) for address in addresses]
    finally:
        announcement.stop()


@pytest.mark.parametrize("host", ["nobody-of-this-name.local", "broker.example"])
def test_a_name_that_nobody_has_is_told(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdns, "addresses_of", lambda host: addresses_of(host, seconds=0.3, interfaces=LOOPBACK))
    monkeypatch.setattr(dialling.socket, "getaddrinfo", unknown_to_the_system)
    url = parse_url(f"mqtts://{host}")
    assert isinstance(url, MqttUrl)
    with pytest.raises(LinkError) as caught:
        dialling.resolve(url)
    assert caught.value.kind == LinkErrorKind.NO_SUCH_HOST


def unknown_to_the_system(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_search_ends_when_cancelled() -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began_s = time.monotonic()
    list(browse(30.0, interfaces=LOOPBACK, cancel=cancel))
    assert time.monotonic() - began_s < 20.0
