"""Controls to type into, to tick, and to read long text in."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget

from tests.fakes.widget_probe import colours_in, picture, shown
from widgets.controls.checkbox import CheckBox, Switch
from widgets.controls.entry import Entry
from widgets.controls.link_button import LinkButton
from widgets.controls.paragraph import Paragraph
from widgets.controls.progress_bar import ProgressBar
from widgets.controls.scroll import ScrollColumn
from widgets.controls.text_box import TextBox
from widgets.theme import Theme

Key = Qt.Key
WORDS = "A sentence that is long enough to need several lines in a narrow column, as sentences of help often are. "


class TestEntry:
    def test_typing_and_marks(self, qtbot) -> None:
        entry = shown(qtbot, Entry("Address", "1 to 247"), 220)
        QTest.keyClicks(entry, "41")
        assert entry.text() == "41"
        entry.mark_wrong("There is no such address.")
        assert entry.toolTip() == "There is no such address."
        assert Theme().colour("bad").name() in colours_in(picture(entry))
        entry.mark_wrong("")
        assert not entry.is_wrong
        assert Theme().colour("bad").name() not in colours_in(picture(entry))

    def test_the_ground_is_that_of_the_theme(self, qtbot) -> None:
        entry = shown(qtbot, Entry("Address"), 220)
        for name in ("light", "dark"):
            entry.set_theme(Theme(name))
            assert picture(entry).pixelColor(110, 14) == Theme(name).colour("surface")


class TestTicks:
    @pytest.mark.parametrize("make", [lambda: CheckBox("Power of the house"), lambda: Switch("Encrypted")])
    def test_space_and_click_toggle(self, qtbot, make) -> None:
        box = shown(qtbot, make())
        seen: list[bool] = []
        box.toggled.connect(seen.append)
        box.setFocus()
        QTest.keyClick(box, Key.Key_Space)
        QTest.mouseClick(box, Qt.MouseButton.LeftButton)
        assert seen == [True, False]
        assert box.accessibleName()

    def test_it_is_seen(self, qtbot) -> None:
        box = shown(qtbot, CheckBox("Power"))
        fill = Theme().colour("accentfill").name()
        assert fill not in colours_in(picture(box))
        box.setChecked(True)
        assert fill in colours_in(picture(box))

    def test_a_link_is_pressed_by_enter(self, qtbot) -> None:
        link = shown(qtbot, LinkButton("All 14 changes"))
        link.setFocus()
        with qtbot.waitSignal(link.clicked, timeout=20_000):
            QTest.keyClick(link, Key.Key_Return)


class TestParagraph:
    @pytest.mark.parametrize("width", [120, 300, 900])
    def test_it_takes_the_height_it_needs(self, qtbot, width) -> None:
        holder = QWidget()
        column = QVBoxLayout(holder)
        text = Paragraph(WORDS * 2)
        column.addWidget(text)
        column.addStretch(1)
        shown(qtbot, holder, width, 900)
        assert text.height() == text.heightForWidth(text.width())
        assert text.accessibleName() == WORDS * 2

    def test_empty_takes_none(self) -> None:
        assert Paragraph().heightForWidth(200) == 0


class TestLongText:
    def test_a_text_box_scrolls_and_keeps_line_ends(self, qtbot) -> None:
        box = shown(qtbot, TextBox("Boot log", monospace=True), 300, 100)
        box.set_text("\n".join(f"line {number}" for number in range(100)))
        assert box.text.count("\n") == 99
        assert box.edit.verticalScrollBar().maximum() > 0
        QTest.keyClick(box.edit, Key.Key_End, Qt.KeyboardModifier.ControlModifier)
        assert box.edit.textCursor().blockNumber() == 99
        assert box.edit.viewport().rect().contains(box.edit.cursorRect())
        assert not picture(box).isNull()

    def test_read_only_takes_no_letters(self, qtbot) -> None:
        box = shown(qtbot, TextBox("Preview", read_only=True), 300, 100)
        box.set_text("bytes")
        QTest.keyClicks(box.edit, "x")
        assert box.text == "bytes"

    def test_a_column_scrolls_to_what_has_the_focus(self, qtbot) -> None:
        content = QWidget()
        column = QVBoxLayout(content)
        entries = [Entry(f"Field {number}") for number in range(30)]
        for entry in entries:
            column.addWidget(entry)
        scroll = shown(qtbot, ScrollColumn(content), 300, 200)
        entries[0].setFocus()
        for _ in range(25):
            QTest.keyClick(QApplication.focusWidget(), Key.Key_Tab)
        assert scroll.verticalScrollBar().value() > 0
        assert not entries[25].visibleRegion().isEmpty()


def test_progress_stays_within_its_ends(qtbot) -> None:
    bar = shown(qtbot, ProgressBar("Writing"), 200)
    for fraction, kept in ((-1.0, 0.0), (0.63, 0.63), (7.0, 1.0)):
        bar.set_fraction(fraction)
        assert bar.fraction == kept
    assert bar.accessibleDescription() == "100%"
    assert picture(bar).pixelColor(190, 4) == Theme().colour("accentfill")
