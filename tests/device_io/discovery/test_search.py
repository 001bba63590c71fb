"""The search of a broker: many modules at once, and those that publish too seldom to be asked more."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends.null import Keyring

from device_io.discovery import search as searching
from device_io.discovery.search import Place, Search, SearchProgress
from device_io.modbus.scan import FoundUnit
from device_io.mqtt.payload import encode_payload
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.urls import RS485_BAUDS
from device_io.virtual_module.module import VirtualModule
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.mqtt_publisher import Publisher, sound_values

READINGS = encode_payload(sound_values())


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mosquitto]:
    monkeypatch.setattr(keyring.core, "_keyring_backend", Keyring())
    with Mosquitto(tmp_path) as running:
        yield running


class Heard:
    def __init__(self) -> None:
        self.found: dict[str, ModuleInfo] = {}
        self.listening = threading.Event()

    def on_found(self, _url: str, info: ModuleInfo) -> None:
        self.found[str(info.eui)] = info

    def on_progress(self, _progress: SearchProgress) -> None:
        self.listening.set()

    def on_nothing(self, url: str, error: LinkError) -> None:
        """Not looked at."""


@pytest.mark.timeout(180)
def test_one_module_does_not_wait_for_the_other_to_be_known(broker: Mosquitto) -> None:
    """Each takes 1.5 s to show that it does not speak Sensix Link; they are heard for 12 s."""
    euis = {f"0253454E0000{n:04X}" for n in range(12)}
    heard = Heard()
    search = Search(heard, broker_s=12.0)
    with Publisher(broker) as publisher:
        for eui in euis:
            publisher.repeat(f"v1/home/devices/{eui}/0/bin", READINGS, every_s=0.5)
        search.look_at([Place(broker.url)])
        done = search.wait(60.0)
        search.cancel()
    assert done
    assert set(heard.found) == euis


@pytest.mark.timeout(180)
def test_a_module_that_was_heard_once_is_found(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "HELLO_S", 2.0)
    eui = "0253454E000000E1"
    heard = Heard()
    search = Search(heard, broker_s=12.0)
    with Publisher(broker) as publisher:
        search.look_at([Place(broker.url)])
        deadline_s = time.monotonic() + 30.0
        while "v1/+/devices/+/0/bin (QoS 0)" not in broker.log and time.monotonic() < deadline_s:
            time.sleep(0.02)
        publisher.publish(f"v1/home/devices/{eui}/0/bin", READINGS)
        done = search.wait(60.0)
        search.cancel()
    assert done
    assert heard.found[eui].type == "PowerMonitor1, wiring unknown"


@pytest.mark.parametrize("kind", [LinkErrorKind.NO_PERMISSION, LinkErrorKind.PORT_BUSY])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_port_that_was_just_plugged_in_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, kind: LinkErrorKind, fresh: bool
) -> None:
    asked: list[object] = []

    def identify(*link: object) -> ModuleInfo:
        asked.append(link)
        if len(asked) < 3:
            raise LinkError(kind, "Not yet.")
        return VirtualModule().info

    monkeypatch.setattr(searching, "identify", identify)
    monkeypatch.setattr(searching, "AGAIN_S", 0.01)
    heard = Heard()
    search = Search(heard)
    search.look_at([Place("usb:COM9", fresh=fresh)])
    done = search.wait(30.0)
    search.cancel()
    assert done
    assert (len(heard.found), len(asked)) == ((1, 3) if fresh else (0, 1))


@pytest.mark.parametrize(
    ("url", "bauds", "parities"),
    [
        ("rs485:COM9", RS485_BAUDS, ("E", "N", "O")),
        ("rs485:COM9?baud=9600", (9600,), ("E", "N", "O")),
        ("rs485:COM9?parity=n", RS485_BAUDS, ("N",)),
        ("rs485:COM9?baud=1200&parity=O", (1200,), ("O",)),
        ("usb:COM9?baud=115200", RS485_BAUDS, ("E", "N", "O")),
    ],
)
def test_a_bus_is_scanned_at_the_settings_that_its_address_gives(
    monkeypatch: pytest.MonkeyPatch, url: str, bauds: Sequence[int], parities: Sequence[str]
) -> None:
    asked: list[dict[str, Any]] = []

    def scan(_port: str, **options: Any) -> Iterator[FoundUnit]:
        asked.append(options)
        yield from ()

    def identify(*_link: object) -> ModuleInfo:
        raise LinkError(LinkErrorKind.SILENT, "Nobody.")

    monkeypatch.setattr("device_io.modbus.scan.scan", scan)
    monkeypatch.setattr(searching, "identify", identify)
    search = Search(Heard())
    search.look_at([Place(url, scan=True)])
    done = search.wait(30.0)
    search.cancel()
    assert done
    assert [(tuple(options["bauds"]), tuple(options["parities"])) for options in asked] == [(bauds, parities)]
