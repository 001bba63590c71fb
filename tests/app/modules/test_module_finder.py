from __future__ import annotations

import pytest

from app.modules.finder import ModuleFinder
from device_io.discovery.module_list import Presence
from device_io.virtual_module.faults import parse_faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.community import wait_for


class Watched:
    """A finder and the places that are there."""

    def __init__(self) -> None:
        self.present: frozenset[str] = frozenset()
        self.finder = ModuleFinder(lambda: None, places=lambda: self.present)


@pytest.fixture
def watched():
    watched = Watched()
    watched.finder.start()
    yield watched
    watched.finder.stop()


def test_plugging_in_and_out_shows_in_the_list(watched):
    finder = watched.finder
    module = VirtualModule("clean")
    usb, bus = UsbPort(module, transport="tcp"), Rs485Port(module, transport="tcp")
    try:
        usb_url, bus_url = usb.start(), bus.start()
        watched.present = frozenset({usb_url})
        wait_for(lambda: bool(finder.modules()))
        assert finder.modules()[0].links[0].url == usb_url
        assert finder.add(bus_url) is None
        wait_for(lambda: len(finder.modules()[0].links) == 2)
        assert [link.kind for link in finder.modules()[0].links] == ["usb", "rs485"]
        watched.present = frozenset()
        wait_for(lambda: len(finder.modules()[0].links) == 1)
    finally:
        usb.stop()
        bus.stop()


def test_a_module_that_still_boots_is_waited_for(watched):
    port = UsbPort(VirtualModule("clean"), parse_faults("stall@0:2.5"), transport="tcp")
    try:
        watched.present = frozenset({port.start()})
        wait_for(lambda: bool(watched.finder.modules()))
    finally:
        port.stop()


def test_a_link_in_use_is_not_asked_and_stays_in_the_list(watched):
    finder = watched.finder
    info = VirtualModule("clean").info
    finder.use("usb:COM5", info, Presence.USED)
    watched.present = frozenset({"usb:COM5"})
    finder.add("usb:COM5")
    assert finder.progress() == []
    assert finder.modules()[0].links[0].presence is Presence.USED
    watched.present = frozenset()
    finder.use("usb:COM5", None, Presence.LOST, "Unplugged.")
    assert finder.modules()[0].links[0].problem == "Unplugged."
    finder.release("usb:COM5")


def test_a_module_pulled_out_while_it_was_being_found_leaves_no_trace(watched):
    """Between its answer and the end of the search its link is closed, which takes a while."""
    finder = watched.finder
    info = VirtualModule("clean").info
    watched.present = frozenset({"usb:/dev/there-is-none"})
    wait_for(lambda: finder.problem_of("usb:/dev/there-is-none") is not None)
    watched.present = frozenset()
    wait_for(lambda: finder.problem_of("usb:/dev/there-is-none") is None)
    finder.on_found("usb:/dev/there-is-none", info)
    assert finder.modules() == ()
    finder.add("usb:/dev/there-is-none")  # somebody says that it is there
    finder.on_found("usb:/dev/there-is-none", info)
    assert [module.eui for module in finder.modules()] == [info.eui]


def test_a_module_pulled_out_while_it_was_measured_with_is_gone_when_it_is_let_go(watched):
    finder = watched.finder
    watched.present = frozenset({"usb:/dev/there-is-none"})
    wait_for(lambda: finder.problem_of("usb:/dev/there-is-none") is not None)
    finder.use("usb:/dev/there-is-none", VirtualModule("clean").info, Presence.USED)
    watched.present = frozenset()
    wait_for(lambda: finder.problem_of("usb:/dev/there-is-none") is None)
    finder.use("usb:/dev/there-is-none", None, Presence.LOST, "Unplugged.")
    assert len(finder.modules()) == 1
    finder.release("usb:/dev/there-is-none")
    assert finder.modules() == ()


def test_an_address_that_is_none_gets_a_sentence(watched):
    assert "usb:PORT" in watched.finder.add("COM5")


def test_searching_is_cancelled_and_goes_on_afterwards(watched):
    from tests.fakes.pty_device import PtyDevice

    finder = watched.finder
    with PtyDevice() as silent:
        finder.add(f"rs485:{silent.port}")
        wait_for(lambda: any(p.running for p in finder.progress()))
        finder.cancel()
        assert finder.progress() == []
    port = UsbPort(VirtualModule("clean"), transport="tcp")
    try:
        finder.add(port.start())
        wait_for(lambda: bool(finder.modules()))
    finally:
        port.stop()


def test_a_module_that_boots_is_found_although_the_search_is_cancelled(watched):
    """Somebody ends the scan of a bus; what was plugged in meanwhile has nothing to do with that."""
    port = UsbPort(VirtualModule("clean"), parse_faults("stall@0:3"))
    try:
        watched.present = frozenset({port.start()})
        wait_for(lambda: bool(watched.finder.progress()))
        watched.finder.cancel()
        wait_for(lambda: bool(watched.finder.modules()))
    finally:
        port.stop()
