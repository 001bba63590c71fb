from __future__ import annotations

import os
import subprocess
import sys

import pytest

from device_io.discovery.identify import identify
from device_io.discovery.module_list import KnownLink, ModuleList, Presence, kind_of
from device_io.discovery.virtual_registry import announced, virtual_urls
from device_io.source import LinkError, LinkErrorKind, ModuleInfo
from device_io.usb_link import UsbLink
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort

STREAM = frozenset({"waveform-stream", "readings", "settings"})
USB, BUS, WIFI = "usb:COM5", "rs485:COM6?unit=3", "mqtts://host/home/0253454E00000001"


def info(eui: str, capabilities: frozenset[str] = STREAM, name: str = "") -> ModuleInfo:
    return ModuleInfo(eui, "3PN-PowerMonitor1", "3P+N", "1.0.0", (), capabilities, name=name)


def test_the_same_eui_on_two_links_is_one_module():
    modules = ModuleList()
    modules.see(BUS, info("A" * 16, frozenset({"readings"})))
    modules.see(USB, info("A" * 16, name="Cellar"))
    modules.see(WIFI, info("B" * 16))
    first, second = modules.modules()
    assert (first.eui, second.eui) == ("A" * 16, "B" * 16)
    assert [link.url for link in first.links] == [USB, BUS]
    assert first.info.name == "Cellar"
    assert modules.best_link("A" * 16) == KnownLink(USB, "usb", Presence.READY, True)


def test_what_streams_goes_before_what_does_not_and_a_lost_link_is_not_used():
    modules = ModuleList()
    modules.see(USB, info("A" * 16, frozenset({"readings"})))
    modules.see(WIFI, info("A" * 16))
    assert modules.best_link("A" * 16).url == WIFI
    modules.set_presence(WIFI, Presence.LOST, "The broker does not answer.")
    assert modules.best_link("A" * 16).url == USB
    assert modules.modules()[0].links[1].problem == "The broker does not answer."
    modules.set_presence(USB, Presence.LOST)
    assert modules.best_link("A" * 16) is None


def test_a_module_without_links_leaves_the_list():
    modules = ModuleList()
    modules.see(USB, info("A" * 16))
    modules.see(BUS, info("A" * 16))
    modules.forget(USB)
    assert [link.url for link in modules.modules()[0].links] == [BUS]
    modules.forget(BUS)
    assert modules.modules() == ()


def test_another_module_behind_the_same_port_takes_its_place():
    modules = ModuleList()
    modules.see(USB, info("A" * 16))
    modules.see(USB, info("B" * 16))
    assert [module.eui for module in modules.modules()] == ["B" * 16]


def test_one_place_is_one_link_however_its_line_is_set():
    modules = ModuleList()
    modules.see("rs485:COM6?baud=9600&unit=3", info("A" * 16))
    modules.see(BUS, info("A" * 16))
    modules.see("rs485:COM6?unit=4", info("B" * 16))
    assert [[link.url for link in module.links] for module in modules.modules()] == [[BUS], ["rs485:COM6?unit=4"]]


def test_one_place_is_one_link_however_its_address_is_written(tmp_path):
    port, name = tmp_path / "ttyUSB0", tmp_path / "by-id"
    port.touch()
    name.symlink_to(port)
    for one, other in (
        ("mqtts://anna@host:8883/home/0253454E00000001?ca=ca.pem", "mqtts://anna@HOST/home/0253454E00000001"),
        ("rs485:COM6?unit=1", "rs485:COM6"),
        (f"usb:{port}", f"usb:{name}?baud=115200"),
    ):
        modules = ModuleList()
        modules.see(one, info("A" * 16))
        modules.see(other, info("A" * 16))
        assert [link.url for link in modules.modules()[0].links] == [other]
    modules.see("mqtts://host/home/0253454E00000001", info("A" * 16))
    modules.see("mqtts://anna@host/home/0253454E00000001", info("A" * 16))
    assert len(modules.modules()[0].links) == 3


def test_kinds_of_links():
    assert [kind_of(url) for url in (USB, BUS, WIFI, "MQTT://x")] == ["usb", "rs485", "wifi", "wifi"]


def test_identify_takes_the_identity_and_lets_the_port_go():
    port = UsbPort(VirtualModule("clean"), transport="tcp")
    url = port.start()
    try:
        for _ in range(2):
            assert identify(UsbLink(url, reconnect=False, hello_timeout_s=25.0), 30.0).system == "3P+N"
    finally:
        port.stop()


def test_identify_says_why_there_is_no_module():
    with pytest.raises(LinkError) as caught:
        identify(UsbLink("usb:/dev/there-is-no-such-port", reconnect=False), 5.0)
    assert caught.value.kind is LinkErrorKind.NO_SUCH_PORT


def test_virtual_modules_announce_themselves_while_they_run(tmp_path):
    folder = tmp_path / "run"
    with announced([USB, WIFI], folder):
        assert virtual_urls(folder) == [USB, WIFI]
    assert virtual_urls(folder) == []


def test_what_a_killed_process_left_behind_is_removed(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(30)
    (tmp_path / f"{gone.pid}.json").write_text('["usb:x"]')
    (tmp_path / f"{os.getpid()}.json").write_text("no json")
    (tmp_path / "x.json").write_text("[]")
    assert virtual_urls(tmp_path) == []
    assert not (tmp_path / f"{gone.pid}.json").exists()


@pytest.mark.filterwarnings("ignore:set(Daemon|Name).*:DeprecationWarning")  # pyserial's client of RFC 2217
def test_identify_over_a_port_server():
    port = UsbPort(VirtualModule("clean"), transport="rfc2217")
    try:
        assert identify(UsbLink(port.start(), reconnect=False, hello_timeout_s=25.0), 40.0).system == "3P+N"
    finally:
        port.stop()
