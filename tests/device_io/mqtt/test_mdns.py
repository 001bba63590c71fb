"""mDNS on the loopback interface: what is announced is found, with its port, until it says goodbye."""

from __future__ import annotations

import threading
import time

from zeroconf import ServiceInfo, Zeroconf

from device_io.mqtt.mdns import Announcement, browse

LOOPBACK = ["127.0.0.1"]


def test_the_embedded_broker_is_found_by_its_port() -> None:
    announcement = Announcement(18_883, name="Test broker", interfaces=LOOPBACK)
    announcement.start()
    try:
        found = next(service for service in browse(10.0, interfaces=LOOPBACK) if service.kind == "broker")
    finally:
        announcement.stop()
        announcement.stop()
    assert (found.name, found.port, found.addresses) == ("Test broker", 18_883, ("127.0.0.1",))
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
        found = next(service for service in browse(10.0, interfaces=LOOPBACK) if service.kind == "module")
    finally:
        zeroconf.unregister_all_services()
        zeroconf.close()
    assert found.properties == {"eui": "0253454E00000001", "system": "3P+N"}


def test_a_search_ends_when_cancelled() -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began_s = time.monotonic()
    list(browse(30.0, interfaces=LOOPBACK, cancel=cancel))
    assert time.monotonic() - began_s < 5.0
