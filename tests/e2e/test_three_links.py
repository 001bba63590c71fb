"""One virtual module on USB, RS485 and WiFi at once: found once, and the same over each link."""

from __future__ import annotations

import json
import threading

import pytest

from device_io.discovery.search import Place, Search
from device_io.source import LinkErrorKind
from tests.fakes.certificates import make_ca
from tests.fakes.command_line import Simulation, run_verb
from tests.fakes.mosquitto import Mosquitto

RESOLUTION = {"usb": 2e-5, "rs485": 2e-5, "wifi": 2e-5}
"""Of a voltage of 230 V: a millivolt on the bus and in the payload, and what noise leaves of a window."""


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broker")
    ca = make_ca(folder)
    with (
        Mosquitto(folder, tls=ca) as broker,
        Simulation(
            "--usb", "--rs485", "--wifi", f"mqtts://127.0.0.1:{broker.port}?ca={broker.ca}", "--preset", "office"
        ) as module,
    ):
        yield module.told


@pytest.mark.parametrize("link", ["usb", "rs485", "wifi"])
def test_each_link_gives_the_same_voltages(three, link: str) -> None:
    done = run_verb("read", three[link], "--count", "3", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 3
    for line in lines:
        assert line["module"] == three["eui"]
        assert line["system"] == "3P+N"
        for key in ("V1r", "V2r", "V3r", "V12r"):
            assert line["values"][key] == pytest.approx(three["truth"][key], rel=RESOLUTION[link])
        assert line["values"]["THV1"] == pytest.approx(three["truth"]["THV1"], abs=0.02)


def test_it_is_one_module_with_three_links(three) -> None:
    done = run_verb("discover", "--only", three["wifi"], three["rs485"], three["usb"], "--json")
    assert done.returncode == 0, done.stderr
    (module,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert module["eui"] == three["eui"]
    assert module["links"] == [three["usb"], three["wifi"], three["rs485"]]


def test_a_broker_and_a_bus_are_searched(three) -> None:
    broker = three["wifi"].replace(f"/home/{three['eui']}", "")
    bus = three["rs485"].partition("?")[0]
    done = run_verb("discover", "--only", broker, bus, "--listen", "5", "--seconds", "20", "--json")
    links = {link for line in done.stdout.splitlines() for link in json.loads(line)["links"]}
    assert three["wifi"] in links
    assert any(link.startswith(f"{bus}?baud=19200&") and link.endswith("unit=1") for link in links)


class Kept:
    def __init__(self) -> None:
        self.found, self.nothing, self.progress = [], [], []
        self.began = threading.Event()

    def on_found(self, url, info) -> None:
        self.found.append(url)

    def on_progress(self, progress) -> None:
        self.progress.append(progress)
        self.began.set()

    def on_nothing(self, url, error) -> None:
        self.nothing.append((url, error.kind))


def test_places_without_a_module_say_why() -> None:
    kept = Kept()
    search = Search(kept)
    search.look_at(
        [Place("usb:/dev/there-is-none"), Place("nonsense"), Place("mqtts://127.0.0.1:1/home/0253454E00000001")]
    )
    assert search.wait(20.0)
    search.cancel()
    kinds = dict(kept.nothing)
    assert kinds["usb:/dev/there-is-none"] is LinkErrorKind.NO_SUCH_PORT
    assert kinds["nonsense"] is LinkErrorKind.BAD_URL
    assert kinds["mqtts://127.0.0.1:1/home/0253454E00000001"] is LinkErrorKind.NO_CONNECTION
    assert kept.found == []


def test_a_search_is_cancelled_at_once() -> None:
    from tests.fakes.pty_device import PtyDevice

    kept = Kept()
    search = Search(kept)
    with PtyDevice() as silent:
        search.look_at([Place(f"rs485:{silent.port}", scan=True), Place(f"usb:{silent.port}x")])
        assert kept.began.wait(5.0)
        search.cancel()
    assert not any(url.startswith("rs485") for url, _ in kept.nothing)
