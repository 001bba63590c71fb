"""The firmware page: states, signals, keyboard, pictures."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.fakes.widget_probe import picture, shown
from widgets.controls.label import Label
from widgets.controls.status_icon import Status
from widgets.firmware import FirmwarePanel
from widgets.firmware.model import (
    STAGES,
    Backup,
    Change,
    Finding,
    Headline,
    Network,
    Phase,
    Provisioning,
    Severity,
    Stage,
    StageState,
    Version,
)
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"
LEFT = Qt.MouseButton.LeftButton
READY = Headline(Phase.READY, "Main panel can be updated to 2.0.1", "It takes about two minutes.")
RUNNING = Headline(Phase.RUNNING, "Updating Main panel", "Keep the USB cable in.")
FAILED = Headline(Phase.FAILED, "The update stopped", "Nothing is lost.", ("Plug in again.", "Press Try again."))
BACKUP = Backup("today 14:31", "whole flash", "ab" * 32, "Documents / Sensix / Backups", True)
OLDER = Backup("22 Nov 2025 09:12, with version 1.8.2", "whole flash, with calibration", "cd" * 32, "Sensix", True, "b")


def stages_at(index: int, state: StageState = StageState.RUNNING) -> list[Stage]:
    made = [replace(stage, state=StageState.DONE, time="0.4 s") for stage in STAGES[:index]]
    made.append(replace(STAGES[index], state=state, fraction=0.63, amount="1.13 of 1.79 MB", left="about 11 s left"))
    return made + [replace(stage, time="about 9 s") for stage in STAGES[index + 1 :]]


@pytest.fixture
def panel(qtbot) -> FirmwarePanel:
    return shown(qtbot, FirmwarePanel(), 1364, 800)


def pressed(panel: FirmwarePanel, button) -> list[str]:
    """Names of the wishes of the page when a button is pressed."""
    seen: list[str] = []
    wishes = {
        "update": panel.update_wanted,
        "retry": panel.retry_wanted,
        "repair": panel.repair_wanted,
        "back": panel.back_wanted,
        "stop": panel.stop_wanted,
        "image": panel.image_wanted,
        "folder": panel.backup.folder_wanted,
        "restore": panel.backup.restore_wanted,
        "changes": panel.changes.all_wanted,
    }
    for name, signal in wishes.items():
        signal.connect(lambda name=name: seen.append(name))
    QTest.mouseClick(button, LEFT)
    return seen


class TestPhases:
    @pytest.mark.parametrize(
        ("phase", "primary", "wish"),
        [
            (Phase.READY, "Update now", "update"),
            (Phase.FAILED, "Try again", "retry"),
            (Phase.RECOVERY, "Finish it", "repair"),
        ],
    )
    def test_one_primary_button(self, panel, phase, primary, wish) -> None:
        panel.set_headline(Headline(phase, "Title"))
        assert panel.primary.isVisible()
        assert panel.primary.text() == primary
        assert pressed(panel, panel.primary) == [wish]
        assert not panel.stop.isVisible()

    def test_what_was_broken_off_can_be_undone_where_there_is_a_backup(self, panel) -> None:
        panel.set_headline(Headline(Phase.RECOVERY, "Title"))
        assert pressed(panel, panel.back) == ["back"]
        panel.set_headline(Headline(Phase.RECOVERY, "Title", can_go_back=False))
        assert not panel.back.isEnabled()
        assert "No backup" in panel.back.toolTip()
        panel.set_headline(READY)
        assert not panel.back.isVisible()

    def test_a_headline_may_name_its_action_or_have_none(self, panel) -> None:
        panel.set_headline(replace(READY, action="Write it anyway"))
        assert panel.primary.text() == "Write it anyway"
        panel.set_headline(replace(READY, action=""))
        assert not panel.primary.isVisible()

    def test_without_a_module_there_is_nothing_to_press(self, panel) -> None:
        assert panel.phase is Phase.EMPTY
        assert not panel.primary.isVisible()
        assert not panel.stop.isVisible()
        assert not panel.backup.restore.isEnabled()
        assert "USB" in panel.lead.text

    def test_while_writing_only_stop_safely(self, panel) -> None:
        panel.set_backups([BACKUP])
        panel.show_view("wifi")
        panel.set_headline(RUNNING)
        assert panel.views.value == "update"
        assert not panel.primary.isVisible()
        assert not panel.choose.isVisible()
        assert not panel.backup.restore.isEnabled()
        assert "Stop safely" in panel.backup.restore.toolTip()
        assert pressed(panel, panel.stop) == ["stop"]
        panel.set_headline(Headline(Phase.STOPPING, "Stopping"))
        assert not panel.stop.isEnabled()
        assert panel.stop.toolTip() == "It stops within two seconds."

    def test_done(self, panel) -> None:
        panel.set_headline(Headline(Phase.DONE, "Main panel runs 2.0.1"))
        assert panel.icon.status is Status.OK
        assert pressed(panel, panel.choose) == ["image"]

    def test_a_failure_brings_its_guide(self, panel) -> None:
        panel.set_headline(FAILED)
        assert panel.guide.isVisible()
        assert panel.guide.steps == FAILED.guide
        assert not panel.changes.isVisible()
        panel.set_headline(READY)
        assert not panel.guide.isVisible()
        assert panel.changes.isVisible()

    def test_in_a_low_window_progress_comes_before_changes(self, panel) -> None:
        panel.set_compact(True)
        panel.set_headline(RUNNING)
        assert not panel.changes.isVisible()
        panel.set_headline(READY)
        assert panel.changes.isVisible()

    def test_unknown_view(self, panel) -> None:
        with pytest.raises(ValueError, match="list"):
            panel.show_view("nosuch")


class TestParts:
    def test_the_step_is_counted(self, panel) -> None:
        panel.set_stages(stages_at(3))
        assert panel._step.text == "Step 4 of 7"
        assert panel.stages.accessibleName() == "3 of 7 stages done, Write the new firmware 63%"
        panel.set_stages(STAGES)
        assert panel._step.text == ""

    @pytest.mark.parametrize("index", range(7))
    @pytest.mark.parametrize("state", [StageState.RUNNING, StageState.FAILED])
    def test_rows_fill_the_list_without_overlap(self, panel, index, state) -> None:
        panel.set_stages(stages_at(index, state))
        QApplication.processEvents()
        rows = panel.stages.rows()
        assert all(above.bottom() < below.top() for above, below in itertools.pairwise(rows))
        assert rows[-1].bottom() <= panel.stages.height()
        assert not picture(panel.stages).isNull()

    @pytest.mark.parametrize("fraction", [0.0, 1.0, 1.7, -0.2, None])
    def test_odd_fractions_are_drawn(self, panel, fraction) -> None:
        panel.set_stages([replace(stage, state=StageState.RUNNING, fraction=fraction) for stage in STAGES])
        assert not picture(panel.stages).isNull()

    def test_backup(self, panel) -> None:
        assert panel.backup.chip.text == "None yet"
        panel.set_backups([BACKUP])
        assert panel.backup.chip.text == "Saved and verified"
        assert pressed(panel, panel.backup.restore) == ["restore"]
        panel.set_backups([replace(BACKUP, verified=False)])
        assert panel.backup.chip.status is Status.WARN

    def test_one_of_several_backups_is_picked(self, panel) -> None:
        card, picked = panel.backup, []
        card.picked.connect(picked.append)
        assert not card.choice.isVisible()
        panel.set_backups([replace(BACKUP, key="a"), OLDER])
        assert [card.choice.itemText(row) for row in range(card.choice.count())] == ["today 14:31", OLDER.taken]
        card.choice.setFocus()
        QTest.keyClick(card.choice, Qt.Key.Key_Down)
        assert picked == ["b"]
        assert OLDER.content in [label.text for label in card.findChildren(Label) if label.isVisible()]
        assert pressed(panel, card.restore) == ["restore"]
        panel.set_backups([replace(BACKUP, key="a"), OLDER], 1)
        assert (card.choice.value, picked) == ("b", ["b"])
        panel.set_headline(RUNNING)
        assert not card.choice.isEnabled()
        panel.set_backups([BACKUP])
        assert not card.choice.isVisible()

    def test_where_newer_firmware_comes_from(self, panel) -> None:
        wanted = []
        panel.changes.source_wanted.connect(lambda: wanted.append(1))
        panel.changes.set_source("", "")
        assert not panel.changes.source_button.isVisible()
        panel.changes.set_source("example.org was asked at 14:31.", "Online source...")
        assert panel.changes.told.text == "example.org was asked at 14:31."
        QTest.mouseClick(panel.changes.source_button, LEFT)
        assert wanted == [1]

    def test_changes(self, panel) -> None:
        assert not panel.changes.all_button.isVisible()
        panel.set_changes([Change(f"Change {number}", "What it means.") for number in range(3)], 14)
        assert panel.changes.all_button.text() == "All 14 changes"
        assert pressed(panel, panel.changes.all_button)[-1] == "changes"

    @pytest.mark.parametrize(("signed", "text"), [(True, "Signed by Sensix"), (False, "Not signed")])
    def test_signature(self, panel, signed, text) -> None:
        panel.set_versions(Version("1.8.2"), Version("2.0.1", signed=signed))
        assert panel.versions.signature.text == text
        assert panel.versions.signature.isVisible()
        panel.set_versions(Version("1.8.2"), Version())
        assert not panel.versions.signature.isVisible()


class TestProvisioning:
    @pytest.fixture
    def wifi(self, panel):
        panel.set_headline(READY)
        panel.show_view("wifi")
        panel.wifi.set_networks([Network("Guests", 2, False), Network("Workshop", 3), Network("Home", 4)])
        return panel.wifi

    def test_the_strongest_comes_first_and_a_click_takes_it(self, wifi, qtbot) -> None:
        QTest.mouseClick(wifi.networks, LEFT, pos=QPoint(40, 12))
        assert wifi.name.text() == "Home"
        assert not wifi.provision.isEnabled()
        wifi.password.setText("correct horse")
        wifi.set_broker("mqtts://192.0.2.7:8883")
        with qtbot.waitSignal(wifi.provision_wanted, timeout=20_000) as told:
            QTest.mouseClick(wifi.provision, LEFT)
        assert told.args == [Provisioning("Home", "correct horse", "mqtts://192.0.2.7:8883")]
        assert wifi.password.text() == ""

    def test_keyboard(self, wifi) -> None:
        wifi.networks.setFocus()
        QTest.keyClick(wifi.networks, Qt.Key.Key_Down)
        wifi.networks.setFocus()
        QTest.keyClick(wifi.networks, Qt.Key.Key_Down)
        assert wifi.name.text() == "Workshop"

    def test_an_open_network_needs_no_password(self, wifi) -> None:
        QTest.mouseClick(wifi.networks, LEFT, pos=QPoint(40, 12 + 2 * 34))
        assert wifi.name.text() == "Guests"
        assert wifi.provision.isEnabled()

    def test_the_password_is_hidden_unless_asked_for(self, wifi) -> None:
        assert wifi.password.echoMode() is wifi.password.EchoMode.Password
        wifi.show_password.click()
        assert wifi.password.echoMode() is wifi.password.EchoMode.Normal

    def test_short_passwords_and_no_module(self, wifi, panel) -> None:
        wifi.name.setText("Home")
        wifi.password.setText("short")
        assert "at least 8" in wifi.provision.toolTip()
        wifi.password.setText("long enough")
        assert wifi.provision.isEnabled()
        wifi.set_available(False, "Connect a module with a USB cable.")
        assert wifi.provision.toolTip() == "Connect a module with a USB cable."


class TestBootLog:
    def test_a_log_is_explained(self, panel, qtbot) -> None:
        panel.set_headline(READY)
        panel.show_view("log")
        card = panel.boot_log
        assert not card.explain.isEnabled()
        card.set_log("rst:0x10 (RTCWDT_RTC_RESET)")
        with qtbot.waitSignal(card.explain_wanted, timeout=20_000) as told:
            QTest.mouseClick(card.explain, LEFT)
        assert told.args == ["rst:0x10 (RTCWDT_RTC_RESET)"]
        with qtbot.waitSignal(card.read_wanted, timeout=20_000):
            QTest.mouseClick(card.read, LEFT)
        card.set_findings([Finding(Severity.BAD, "No valid firmware", "Repair it."), Finding(Severity.OK, "Power on")])
        assert len(card._rows) == 2
        card.set_findings([])
        assert card._rows == []


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("size", "compact"), [((1440, 900), False), ((1024, 640), True)])
def test_pictures(panel, theme, size, compact) -> None:
    PICTURES.mkdir(exist_ok=True)
    panel.set_theme(Theme(theme))
    panel.set_compact(compact)
    panel.resize(*size)
    panel.set_versions(
        Version("1.8.2", "14 Mar 2026", "in slot A"), Version("2.0.1", "9 Nov 2026", "goes to slot B", True)
    )
    panel.set_changes([Change(f"Change {number}", "What it means.") for number in range(3)], 14)
    panel.set_backups([replace(BACKUP, key="a"), OLDER])
    panel.changes.set_source("example.org can't be reached. Check the network.", "Online source...")
    views = (
        ("ready", READY, "update"),
        ("running", RUNNING, "update"),
        ("failed", FAILED, "update"),
        ("wifi", READY, "wifi"),
        ("log", READY, "log"),
    )
    for name, headline, view in views:
        panel.set_stages(stages_at(3, StageState.FAILED if name == "failed" else StageState.RUNNING))
        panel.set_headline(headline)
        panel.show_view(view)
        QApplication.processEvents()
        image = picture(panel)
        assert image.pixelColor(2, 2) == Theme(theme).colour("bg")
        assert image.save(str(PICTURES / f"firmware-{name}-{theme}-{size[0]}x{size[1]}.png"))
