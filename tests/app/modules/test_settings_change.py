from __future__ import annotations

import pytest

from app.modules.settings_change import History, confirm, cuts, problems, write
from device_io.discovery.module_list import KnownLink, Presence
from device_io.source import LinkError, LinkPhase
from device_io.usb_link import UsbLink
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.recording_sink import RecordingSink

USB, BUS = KnownLink("usb:COM5", "usb"), KnownLink("rs485:COM6?unit=3", "rs485")


def test_a_change_of_the_link_in_use_needs_another_one_that_works():
    change = {"rs485_unit": 7}
    assert "USB as well" in cuts(change, BUS.url, [BUS])
    assert "USB as well" in cuts(change, BUS.url, [BUS, KnownLink(USB.url, "usb", Presence.LOST)])
    assert cuts(change, BUS.url, [BUS, USB]) is None
    assert cuts(change, USB.url, [USB]) is None
    assert cuts({"name": "x"}, BUS.url, [BUS]) is None
    assert "WiFi" in cuts({"mqtt_host": "x"}, "mqtts://h/t/0253454E00000001", [])


def test_every_wrong_value_is_named():
    found = problems({"name": "x", "rs485_unit": 0, "colour": "red"})
    assert found.keys() == {"rs485_unit", "colour"}


@pytest.fixture
def module_and_link():
    module = VirtualModule("clean")
    port = UsbPort(module, transport="tcp")
    link = UsbLink(port.start())
    sink = RecordingSink()
    link.start(sink)
    sink.wait_for(lambda: LinkPhase.STREAMING in sink.phases, 10.0)
    yield module, link
    link.stop()
    port.stop()


def test_what_is_written_is_read_back_and_a_link_setting_waits_for_its_confirmation(module_and_link):
    module, link = module_and_link
    assert write(link, {"name": "Cellar"}).confirm_s == 0
    changed = write(link, {"rs485_unit": 7})
    assert 55 <= changed.confirm_s <= 60
    assert changed.settings["rs485_unit"] == 7
    confirm(link)
    assert module.settings["unconfirmed_s"] == 0
    with pytest.raises(LinkError):
        write(link, {"rs485_unit": 0})
    assert module.settings["rs485_unit"] == 7


def test_the_history_shows_changes_but_no_secrets(tmp_path):
    history = History(tmp_path / "state" / "changes.jsonl")
    history.note("A" * 16, USB.url, {"name": "a"}, {"name": "b", "wifi_password": "open sesame"}, "written")
    history.note("B" * 16, BUS.url, {}, {"rs485_unit": 3}, "undone")
    with open(tmp_path / "state" / "changes.jsonl", "a", encoding="utf-8") as file:
        file.write('{"module": "cut')
    latest, first = history.entries()
    assert (latest["module"], latest["outcome"]) == ("B" * 16, "undone")
    assert first["changes"]["name"] == {"from": "a", "to": "b"}
    assert "sesame" not in (tmp_path / "state" / "changes.jsonl").read_text()
    assert history.entries("A" * 16) == [first]
