"""One virtual module on USB, RS485 and WiFi at once: found once, and the same over each link."""

from __future__ import annotations

import threading
from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest

from device_io.discovery.search import Place, Search
from device_io.source import LinkErrorKind
from tests.fakes.certificates import make_ca
from tests.fakes.command_line import Simulation, json_lines, run_verb
from tests.fakes.mosquitto import Mosquitto

pytestmark = pytest.mark.timeout(300)

RESOLUTION = 2e-5
"""Of a voltage of 230 V: a millivolt on the bus and in the payload, and four times what noise leaves of a window."""


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
    done = run_verb("read", three[link], "--count", "6", "--json")
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    assert len(lines) == 6
    whole = [line for line in lines if "gap" not in line["flags"]]  # a busy computer loses blocks, as it may
    assert whole
    for line in whole:
        assert line["module"] == three["eui"]
        assert line["system"] == "3P+N"
        assert line["values"]["THV1"] == pytest.approx(three["truth"]["THV1"], abs=0.02)
    for key in ("V1r", "V2r", "V3r", "V12r"):
        mean = fmean(line["values"][key] for line in whole)
        assert mean == pytest.approx(three["truth"][key], rel=RESOLUTION)


def discover(*arguments: str, until: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Look again where a unit answered too late for a search, as that of a busy computer may."""
    for _ in range(4):
        done = run_verb("discover", "--only", *arguments, "--json")
        if until(json_lines(done.stdout)):
            return
    raise AssertionError(done)


def test_it_is_one_module_with_three_links(three) -> None:
    def is_it(modules: list[dict[str, Any]]) -> bool:
        links = [three["usb"], three["wifi"], three["rs485"]]
        return [(module["eui"], module["links"]) for module in modules] == [(three["eui"], links)]

    discover(three["wifi"], three["rs485"], three["usb"], until=is_it)


def test_a_broker_and_a_bus_are_searched(three) -> None:
    broker = three["wifi"].replace(f"/home/{three['eui']}", "")
    bus = three["rs485"].partition("?")[0]

    def are_found(modules: list[dict[str, Any]]) -> bool:
        links = {link for module in modules for link in module["links"]}
        found = any(link.startswith(f"{bus}?baud=19200&") and link.endswith("unit=1") for link in links)
        return found and three["wifi"] in links

    discover(broker, bus, "--listen", "5", "--seconds", "20", until=are_found)


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
    assert search.wait(60.0)
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
        assert kept.began.wait(30.0)
        search.cancel()
    assert not any(url.startswith("rs485") for url, _ in kept.nothing)
