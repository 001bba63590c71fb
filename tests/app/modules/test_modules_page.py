from __future__ import annotations

import pytest

from app.modules.finder import ModuleFinder
from app.modules.groups import Groups
from app.modules.page import ModulesPage
from app.modules.settings import Target
from app.modules.settings_change import History
from app.preferences import Preferences
from device_io.discovery.module_list import Presence
from device_io.source import LinkPhase
from device_io.usb_link import UsbLink
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.recording_sink import RecordingSink
from widgets.modules.model import CheckState, LinkState


class Bench:
    """A page, and a virtual module on USB and RS485."""

    def __init__(self, folder, qtbot) -> None:
        self.present: frozenset[str] = frozenset()
        self.used: Target | None = None
        self.pages: list[ModulesPage] = []
        self.finder = ModuleFinder(lambda: [page.notify() for page in self.pages], places=lambda: self.present)
        self.history = History(folder / "history.jsonl")
        self.groups = Groups(Preferences(folder / "window.json"))
        self.page = ModulesPage(self.finder, self.groups, self.history, places=list, used=lambda: self.used)
        self.pages.append(self.page)
        qtbot.addWidget(self.page)
        self.page.resize(1364, 800)
        self.page.show()
        self.qtbot = qtbot
        self.finder.start()
        self.module = VirtualModule("clean")
        self.usb, self.bus = UsbPort(self.module, transport="tcp"), Rs485Port(self.module, transport="tcp")
        self.usb_url, self.bus_url = self.usb.start(), self.bus.start()

    def wait(self, condition, timeout_ms: int = 30_000) -> None:
        self.qtbot.waitUntil(condition, timeout=timeout_ms)

    def close(self) -> None:
        self.finder.stop()
        self.usb.stop()
        self.bus.stop()

    @property
    def rows(self):
        return self.page.panel.settings.rows

    def plugged_in(self):
        """On USB, its settings read; the form that shows them."""
        self.present = frozenset({self.usb_url})
        self.wait(lambda: "name" in self.rows)
        return self.page.panel.settings

    def change(self, settings) -> None:
        """Apply settings that have to be confirmed; returns when that is asked for."""
        form = self.page.panel.settings
        form.apply_wanted.emit(settings)
        self.wait(lambda: form.countdown.isVisible())


@pytest.fixture
def bench(tmp_path, qtbot):
    bench = Bench(tmp_path, qtbot)
    yield bench
    bench.close()


def test_the_list_shows_one_module_with_its_links_and_reads_its_settings(bench):
    bench.present = frozenset({bench.usb_url})
    bench.page.panel.search.add_wanted.emit(bench.bus_url)
    bench.wait(lambda: bool(bench.page.panel.list.modules) and len(bench.page.panel.list.modules[0].links) == 2)
    (row,) = bench.page.panel.list.modules
    assert (row.system, row.eui_end) == ("3P+N", bench.module.info.eui[-4:])
    assert [link.state for link in row.links] == [LinkState.READY, LinkState.READY]
    bench.wait(lambda: "name" in bench.rows)
    assert bench.rows["name"].value == "clean"
    assert bench.rows["nominal_frequency_hz"].value == "50"
    with bench.qtbot.waitSignal(bench.page.connect_wanted) as told:
        bench.page.panel.connect_button.click()
    assert told.args == [bench.usb_url]


def test_a_wrong_address_is_marked(bench):
    bench.page.panel.search.add_wanted.emit("COM5")
    assert bench.finder.modules() == ()


def test_settings_are_written_read_back_and_noted(bench):
    form = bench.plugged_in()
    form.apply_wanted.emit({"rs485_unit": 300.0})
    assert bench.history.entries() == []
    bench.change({"name": "Cellar", "rs485_unit": 7.0})
    assert bench.module.settings["rs485_unit"] == 7
    assert bench.history.entries()[0]["outcome"] == "to be confirmed"
    form.confirm_wanted.emit()
    bench.wait(lambda: not form.countdown.isVisible())
    assert bench.module.settings["unconfirmed_s"] == 0
    assert bench.module.settings["name"] == "Cellar"


def test_undo_puts_back_what_was_before(bench):
    form = bench.plugged_in()
    bench.change({"rs485_unit": 7.0})
    form.undo_wanted.emit()
    bench.wait(lambda: not form.countdown.isVisible())
    assert bench.module.settings["rs485_unit"] == 1
    assert bench.module.settings["unconfirmed_s"] == 0


def test_undo_leaves_a_password_to_the_module_which_goes_back_by_itself(bench):
    """What it was is not told: to put the rest back and confirm would make the new password stand."""
    form = bench.plugged_in()
    bench.change({"wifi_ssid": "Attic", "wifi_password": "new"})
    form.undo_wanted.emit()
    assert "goes back" in form.told.text
    assert form.countdown.isVisible()
    bench.module.settings._clock = lambda: float("inf")
    bench.module.settings.tick()
    assert bench.module.settings.secret("wifi_password") != "new"
    assert bench.module.settings["wifi_ssid"] != "Attic"


def test_it_is_told_that_nobody_confirmed(bench):
    form = bench.plugged_in()
    bench.change({"rs485_unit": 7.0})
    bench.module.settings._clock = lambda: float("inf")
    bench.module.settings.tick()
    bench.page._left_s = 0.1
    bench.wait(lambda: "gone back" in form.told.text and bench.rows["rs485_unit"].value == 1)


def test_undo_of_one_module_is_not_for_another(bench):
    form, key = bench.plugged_in(), bench.page.panel.list.key
    bench.change({"rs485_unit": 7.0})
    bench.page.panel.module_chosen.emit(key)  # another one, or this one again after a while: nobody knows
    bench.wait(lambda: form.countdown.isVisible())
    bench.module.settings.write({"rs485_unit": 9})
    form.undo_wanted.emit()
    assert "goes back" in form.told.text
    assert bench.module.settings["rs485_unit"] == 9


def test_a_change_that_cuts_the_only_link_is_refused(bench):
    bench.page.panel.search.add_wanted.emit(bench.bus_url)
    bench.wait(lambda: "rs485_unit" in bench.rows)
    bench.page.panel.settings.apply_wanted.emit({"rs485_unit": 7.0})
    assert bench.module.settings["rs485_unit"] == 1
    assert "USB as well" in bench.page.panel.settings.told.text


def test_settings_go_over_the_link_in_use(bench):
    link, sink = UsbLink(bench.usb_url), RecordingSink()
    link.start(sink)
    sink.wait_for(lambda: LinkPhase.STREAMING in sink.phases)
    bench.used = Target(bench.usb_url, bench.module.info.eui, link)
    bench.finder.use(bench.usb_url, bench.module.info, Presence.USED)
    try:
        bench.wait(lambda: "name" in bench.rows)
        bench.page.panel.settings.apply_wanted.emit({"name": "In use"})
        bench.wait(lambda: bench.module.settings["name"] == "In use")
        bench.page.panel.doctor.start_wanted.emit()
        bench.wait(lambda: not bench.page.panel.doctor.is_running)
    finally:
        link.stop()


def test_the_doctor_looks_at_the_link(bench):
    bench.present = frozenset({bench.usb_url})
    bench.wait(lambda: "name" in bench.rows)
    told: list = []
    set_checks = bench.page.panel.set_checks
    bench.page.panel.set_checks = lambda checks: (told.append(list(checks)), set_checks(checks))
    bench.page.panel.doctor.start_wanted.emit()
    bench.wait(lambda: len(told) >= 2)
    assert [check.state for check in told[1]] == [CheckState.OK] * 3


def test_groups_are_formed_kept_and_taken_apart(bench, tmp_path):
    bench.page.panel.group.group_wanted.emit("House", ("A" * 16, "B" * 16, "C" * 16))
    (row,) = bench.page.panel.list.modules
    assert row.is_group
    assert "3 of its modules" in row.note
    (kept,) = Groups(Preferences(tmp_path / "window.json")).all()
    assert kept.name == "House"
    with bench.qtbot.waitSignal(bench.page.group_wanted) as told:
        bench.page.panel.connect_wanted.emit(row.key)
    assert told.args[0].members == ("A" * 16, "B" * 16, "C" * 16)
    bench.page.panel.group.ungroup_wanted.emit(row.key)
    assert bench.page.panel.list.modules == ()
