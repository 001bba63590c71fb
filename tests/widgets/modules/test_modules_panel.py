"""The modules page: list, search, settings, doctor, groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.fakes.widget_probe import picture, shown, tip_at
from widgets.modules import ModulesPanel
from widgets.modules.model import (
    Check,
    CheckState,
    Link,
    LinkKind,
    LinkState,
    Module,
    Search,
    Setting,
    SettingKind,
)
from widgets.modules.module_list import ModuleList
from widgets.modules.setting_row import SettingRow, number_of
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"
LEFT = Qt.MouseButton.LeftButton
Key = Qt.Key

MODULES = (
    Module(
        "a",
        "Main panel",
        "3F0A",
        "3PN",
        "3P+N",
        "2.0.1",
        (Link(LinkKind.USB, LinkState.USED, "COM5"), Link(LinkKind.RS485, LinkState.READY, "COM7, address 3")),
    ),
    *(Module(f"w{n}", f"Workshop L{n}", f"0A1{n}", "1P", "1P", "1.8.2", can_join=True) for n in (1, 2, 3)),
    Module("lost", "Cellar", links=(Link(LinkKind.WIFI, LinkState.LOST, "no answer since 14:02"),)),
)
SETTINGS = (
    Setting("name", "Name", SettingKind.TEXT, "Main panel", section="Module"),
    Setting("system", "Wiring system", SettingKind.CHOICE, "3P", choices=(("3P", "3P"), ("3P+N", "3P+N"))),
    Setting("unit", "Address", SettingKind.NUMBER, 3.0, minimum=1, maximum=247, section="RS485", cuts_link=True),
    Setting("ratio", "Transformer ratio", SettingKind.NUMBER, 1.5, "A/A", 0.1, 5000, 2),
    Setting("tls", "Encrypted", SettingKind.SWITCH, True, section="WiFi"),
    Setting("calibrated", "Calibrated", SettingKind.TEXT, None, read_only=True),
)
CHECKS = (
    Check("USB cable", CheckState.OK, "COM5"),
    Check("Module answers", CheckState.BAD, "No answer.", "Swap A and B at the module."),
    Check("Readings"),
)


@pytest.fixture
def panel(qtbot) -> ModulesPanel:
    made = shown(qtbot, ModulesPanel(), 1364, 800)
    made.set_modules(MODULES)
    return made


def collected(signal) -> list:
    seen: list = []
    signal.connect(seen.append)
    return seen


class TestList:
    def test_a_click_and_the_keyboard_choose(self, panel) -> None:
        seen = collected(panel.module_chosen)
        QTest.mouseClick(panel.list, LEFT, pos=QPoint(60, 20))
        panel.list.setFocus()
        QTest.keyClick(panel.list, Key.Key_Down)
        QTest.keyClick(panel.list, Key.Key_Down)
        QTest.keyClick(panel.list, Key.Key_Up)
        assert seen == ["a", "w1", "w2", "w1"]
        assert panel.side.title == "Workshop L1"

    def test_enter_double_click_and_button_connect(self, panel) -> None:
        seen = collected(panel.connect_wanted)
        assert not panel.connect_button.isEnabled()
        QTest.mouseClick(panel.list, LEFT, pos=QPoint(60, 20))
        QTest.keyClick(panel.list, Key.Key_Return)
        QTest.mouseDClick(panel.list, LEFT, pos=QPoint(60, 20))
        QTest.mouseClick(panel.connect_button, LEFT)
        assert seen == ["a", "a", "a"]

    def test_the_choice_stays_while_its_module_is_there(self, panel) -> None:
        panel.choose("w2")
        panel.set_modules(MODULES[::-1])
        assert panel.list.key == "w2"
        panel.set_modules(MODULES[:1])
        assert panel.list.key == ""
        assert not panel.connect_button.isEnabled()

    def test_the_tip_tells_of_the_links(self, qtbot) -> None:
        rows = shown(qtbot, ModuleList(), 600, 112)
        rows.set_modules([MODULES[1], MODULES[-1]])
        assert tip_at(rows) == "WiFi lost: no answer since 14:02"

    def test_what_is_chosen_can_be_heard(self, panel) -> None:
        panel.choose("a")
        assert panel.list.accessibleDescription() == "Main panel, 3P+N, firmware 2.0.1, USB used, RS485 ready"

    def test_empty(self, panel) -> None:
        panel.set_modules(())
        assert not picture(panel.list).isNull()


class TestSearch:
    def test_progress_and_cancel(self, panel) -> None:
        seen = collected(panel.search.cancel_wanted)
        panel.set_searches(
            [Search(LinkKind.USB, 1.0, "3 ports", running=False), Search(LinkKind.RS485, 0.2, "address 41")]
        )
        rows = panel.search.rows
        assert [rows[kind].isVisible() for kind in LinkKind] == [True, True, False]
        assert not rows[LinkKind.USB].cancel.isVisible()
        QTest.mouseClick(rows[LinkKind.RS485].cancel, LEFT)
        assert seen == [LinkKind.RS485]
        assert not panel.search.search.isEnabled()
        panel.set_searches([])
        assert panel.search.search.isEnabled()

    def test_an_address_is_added_by_enter_or_button(self, panel) -> None:
        seen = collected(panel.search.add_wanted)
        assert not panel.search.add.isEnabled()
        QTest.keyClicks(panel.search.address, " usb:COM5 ")
        QTest.keyClick(panel.search.address, Key.Key_Return)
        QTest.mouseClick(panel.search.add, LEFT)
        assert seen == ["usb:COM5", "usb:COM5"]
        panel.search.set_address_problem("There is no port COM5.")
        assert panel.search.address.toolTip() == "There is no port COM5."
        QTest.keyClicks(panel.search.address, "1")
        assert not panel.search.address.is_wrong


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("1,5", 1.5),
        ("1.5", 1.5),
        ("\u22122", -2.0),
        ("10\u2009000", 10_000.0),
        ("x", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_numbers_as_people_type_them(text, value) -> None:
    assert number_of(text) == value


class TestSettings:
    @pytest.fixture
    def form(self, panel):
        panel.choose("a")
        panel.set_settings(SETTINGS)
        return panel.settings

    def test_nothing_is_changed_at_first(self, form) -> None:
        assert form.changes() == {}
        assert not form.apply.isEnabled()
        assert form.apply.toolTip() == "Nothing was changed."
        assert not form.warning.isVisible()

    def test_only_what_changed_is_applied(self, form, qtbot) -> None:
        form.rows["ratio"].editor.setText("2,25")
        form.rows["tls"].editor.click()
        field = form.rows["system"].editor
        field.setFocus()
        QTest.keyClick(field, Key.Key_Down)
        with qtbot.waitSignal(form.apply_wanted, timeout=20_000) as told:
            QTest.mouseClick(form.apply, LEFT)
        assert told.args == [{"system": "3P+N", "ratio": 2.25, "tls": False}]

    @pytest.mark.parametrize("text", ["0", "248", "3.5", "abc", ""])
    def test_values_that_the_module_cannot_take(self, form, text) -> None:
        form.rows["unit"].editor.setText(text)
        assert form.rows["unit"].problem
        assert form.rows["unit"].editor.is_wrong
        assert not form.apply.isEnabled()
        assert form.apply.toolTip().startswith("Address: ")
        form.rows["unit"].editor.setText("3")
        assert form.rows["unit"].problem == ""
        assert not form.rows["unit"].is_changed

    def test_cutting_the_link_is_said_before(self, form) -> None:
        form.rows["name"].editor.setText("Other")
        assert not form.warning.isVisible()
        form.rows["unit"].editor.setText("4")
        assert form.warning.isVisible()
        QTest.mouseClick(form.revert, LEFT)
        assert not form.warning.isVisible()
        assert form.rows["name"].value == "Main panel"

    def test_countdown(self, form, qtbot) -> None:
        form.rows["unit"].editor.setText("4")
        form.set_countdown(41.2)
        assert "42 s" in form.countdown.text.text
        assert form.countdown.bar.fraction == pytest.approx(41.2 / 60)
        assert not form.apply.isEnabled()
        with qtbot.waitSignal(form.confirm_wanted, timeout=20_000):
            QTest.mouseClick(form.countdown.keep, LEFT)
        with qtbot.waitSignal(form.undo_wanted, timeout=20_000):
            QTest.mouseClick(form.countdown.undo, LEFT)
        form.set_countdown(None)
        assert form.apply.isEnabled()

    def test_what_the_module_says_is_shown_at_the_setting(self, form) -> None:
        form.set_problem("unit", "Address 3 is taken by another module.")
        assert form.rows["unit"].editor.toolTip() == "Address 3 is taken by another module."
        with pytest.raises(KeyError):
            form.set_problem("nosuch", "x")

    def test_unknown_values_are_not_changes(self, form) -> None:
        assert not form.rows["calibrated"].editor.isEnabled()
        assert form.rows["calibrated"].editor.placeholderText() == "n/a"
        form.set_settings(
            [
                Setting("k", "K", SettingKind.NUMBER, None),
                Setting("s", "S", SettingKind.CHOICE, "odd", choices=(("a", "A"),)),
            ]
        )
        assert form.changes() == {}
        form.rows["k"].editor.setText("7")
        assert form.changes() == {"k": 7.0}

    def test_other_settings_forget_edits(self, form) -> None:
        form.rows["name"].editor.setText("Other")
        form.set_settings(SETTINGS)
        assert form.changes() == {}


class TestDoctor:
    def test_the_first_break_is_named(self, panel) -> None:
        panel.show_view("doctor")
        panel.set_checks(CHECKS)
        assert panel.doctor.verdict.text == "It breaks here: Module answers."
        assert panel.doctor.start.text() == "Check again"
        panel.set_checks([Check("USB cable", CheckState.OK)])
        assert panel.doctor.verdict.text == "Every link works."
        panel.set_checks([Check("USB cable", CheckState.OK), Check("Clock", CheckState.WARN)])
        assert panel.doctor.verdict.text == "It works; 1 to look at."

    def test_start_and_stop(self, panel) -> None:
        asked: list[str] = []
        panel.doctor.start_wanted.connect(lambda: asked.append("start"))
        panel.doctor.cancel_wanted.connect(lambda: asked.append("cancel"))
        panel.show_view("doctor")
        QTest.mouseClick(panel.doctor.start, LEFT)
        panel.set_checks([Check("USB cable", CheckState.RUNNING)])
        QTest.mouseClick(panel.doctor.start, LEFT)
        assert asked == ["start", "cancel"]


class TestGroup:
    def test_three_different_modules_and_a_name(self, panel) -> None:
        editor = panel.group
        seen: list[tuple] = []
        editor.group_wanted.connect(lambda name, members: seen.append((name, members)))
        panel.show_view("group")
        assert editor.join.toolTip() == "Choose a module for each phase."
        for _ in range(2):
            QTest.keyClick(editor.fields["L2"], Key.Key_Down)
        QTest.keyClick(editor.fields["L1"], Key.Key_Down)
        QTest.keyClick(editor.fields["L3"], Key.Key_Down)
        assert editor.join.toolTip() == "A module can be on one phase only."
        QTest.keyClick(editor.fields["L3"], Key.Key_End)
        assert editor.join.toolTip() == "Give the group a name."
        QTest.keyClicks(editor.name, "Workshop")
        QTest.mouseClick(editor.join, LEFT)
        assert seen == [("Workshop", ("w1", "w2", "w3"))]

    def test_too_few_modules(self, panel) -> None:
        panel.set_modules(MODULES[:2])
        assert panel.group.problem.text == "Three single-phase modules are needed, 1 can join."

    def test_a_group_is_taken_apart(self, panel, qtbot) -> None:
        panel.show_view("group")
        panel.set_modules([Module("g", "Workshop", type="3 x 1P", system="3P", is_group=True)])
        assert not panel.group.ungroup.isVisible()
        panel.choose("g")
        with qtbot.waitSignal(panel.group.ungroup_wanted, timeout=20_000) as told:
            QTest.mouseClick(panel.group.ungroup, LEFT)
        assert told.args == ["g"]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("size", "compact"), [((1440, 900), False), ((1024, 640), True)])
def test_pictures(panel, theme, size, compact) -> None:
    PICTURES.mkdir(exist_ok=True)
    panel.set_theme(Theme(theme))
    panel.set_compact(compact)
    panel.resize(*size)
    panel.choose("a")
    panel.set_settings(SETTINGS)
    panel.settings.rows["unit"].editor.setText("4")
    panel.set_checks(CHECKS)
    panel.set_searches([Search(LinkKind.RS485, 0.2, "address 41 of 247")])
    for view in ("settings", "doctor", "group"):
        panel.show_view(view)
        QApplication.processEvents()
        image = picture(panel)
        assert image.pixelColor(2, 2) == Theme(theme).colour("bg")
        assert image.save(str(PICTURES / f"modules-{view}-{theme}-{size[0]}x{size[1]}.png"))


def test_numbers_of_something_are_in_one_piece_and_quantities_are_not(qapp):
    port = SettingRow(Setting("port", "Port", SettingKind.NUMBER, 18883, minimum=1, maximum=65535))
    assert (port.editor.text(), port.range.text, port.value) == ("18883", "1 to 65535", 18883.0)
    turns = SettingRow(Setting("turns", "Turns", SettingKind.NUMBER, 18883, "A", minimum=1, maximum=65535))
    assert (turns.editor.text(), turns.range.text, turns.value) == ("18\u2009883", "1 to 65\u2009535", 18883.0)
