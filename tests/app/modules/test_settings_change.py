from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.modules.settings import ModuleSettings, Target
from app.modules.settings_change import History, confirm, cuts, problems, write
from device_io.discovery.module_list import KnownLink, KnownModule, Presence
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


def test_a_link_that_the_same_change_cuts_is_no_way_back():
    wifi = KnownLink("mqtts://h/t/0253454E00000001", "wifi")
    both = {"rs485_unit": 7, "mqtt_host": "x"}
    assert "all links there are" in cuts(both, BUS.url, [BUS, wifi])
    assert "all links there are" in cuts(both, wifi.url, [BUS, wifi])
    assert cuts({"rs485_unit": 7}, BUS.url, [BUS, wifi]) is None
    assert cuts(both, BUS.url, [BUS, wifi, USB]) is None
    assert "the only one" in cuts(both, BUS.url, [BUS, KnownLink(wifi.url, "wifi", Presence.LOST)])


def test_a_value_between_two_that_a_register_holds_counts_as_kept():
    asked = SimpleNamespace(
        write_settings=lambda _: SimpleNamespace(result=lambda _: {}),
        read_settings=lambda: SimpleNamespace(result=lambda _: {"nominal_voltage_v": 230.0}),
    )
    assert write(asked, {"nominal_voltage_v": 230.05}).settings == {"nominal_voltage_v": 230.0}
    with pytest.raises(LinkError, match="did not keep Nominal voltage"):
        write(asked, {"nominal_voltage_v": 230.1})


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
    sink.wait_for(lambda: LinkPhase.STREAMING in sink.phases)
    yield module, link
    link.stop()
    port.stop()


def test_what_is_written_is_read_back_and_a_link_setting_waits_for_its_confirmation(module_and_link):
    module, link = module_and_link
    assert write(link, {"name": "Cellar"}).confirm_s == 0
    changed = write(link, {"rs485_unit": 7})
    assert 0 < changed.confirm_s <= 60
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


def test_a_history_that_was_cut_off_in_the_middle_goes_on(tmp_path):
    path = tmp_path / "changes.jsonl"
    history = History(path)
    history.note("A" * 16, USB.url, {}, {"name": "Käller"}, "written")
    path.write_bytes(path.read_bytes()[: path.read_bytes().index("ä".encode()) + 1])  # killed within a character
    assert history.entries() == []
    history.note("B" * 16, USB.url, {}, {"name": "b"}, "written")
    assert [entry["module"] for entry in history.entries()] == ["B" * 16]


def test_a_long_history_loses_its_older_half(tmp_path, monkeypatch):
    monkeypatch.setattr("app.modules.settings_change.LARGEST_HISTORY", 2000)
    path = tmp_path / "changes.jsonl"
    history = History(path)
    for n in range(60):
        history.note(f"{n:016X}", USB.url, {}, {"name": "x"}, "written")
        assert path.stat().st_size < 2400
    told = [int(str(entry["module"]), 16) for entry in history.entries()]
    assert told[0] == 59
    assert told == list(range(59, 59 - len(told), -1))
    assert len(told) > 4
    assert [file.name for file in tmp_path.iterdir()] == ["changes.jsonl"]


def test_a_change_stands_although_its_history_can_not_be_written(tmp_path, module_and_link):
    module, link = module_and_link
    (tmp_path / "no-folder").write_text("")
    info = module.info
    known = KnownModule(info.eui, info, (USB,))
    settings = ModuleSettings(History(tmp_path / "no-folder" / "x.jsonl"), lambda: Target(USB.url, info.eui, link))
    changed = settings.write(known, {}, {"rs485_unit": 9})
    assert module.settings["rs485_unit"] == 9
    assert changed.confirm_s > 0
    assert changed.remark.startswith("The history of changes can't be written")
    settings.confirm(known)
    assert module.settings["unconfirmed_s"] == 0
