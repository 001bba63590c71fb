"""The common controls: keyboard, signals, tool tips, and what gives way when room is short."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainterPath, QPolygon, QRegion, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from tests.fakes.widget_probe import colours_in, picture, shown, tip_at
from widgets.controls.button import ButtonKind, IconButton, PushButton
from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.segment import Segment
from widgets.controls.status_icon import Status, StatusIcon
from widgets.theme import Theme

# What the offscreen platform says of every window; a real one has nothing to say.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")

Key = Qt.Key


def collected(signal) -> list:
    """Everything that a signal carries from now on."""
    seen: list = []
    signal.connect(seen.append)
    return seen


class TestSegment:
    def test_arrow_keys_move_the_choice(self, qtbot) -> None:
        segment = shown(qtbot, Segment(["Run", "Single", "Stop"], name="Acquisition"))
        seen = collected(segment.changed)
        QTest.keyClick(segment, Key.Key_Tab)
        assert QApplication.focusWidget().text() == "Run"
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Right)
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Right)
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Left)
        assert seen == ["Single", "Stop", "Single"]
        assert segment.value == "Single"

    def test_a_click_chooses_once(self, qtbot) -> None:
        segment = shown(qtbot, Segment([("v", "Voltage"), ("i", "Current")]))
        seen = collected(segment.changed)
        right = QPoint(segment.width() - 10, segment.height() // 2)
        cell = segment.childAt(right)
        QTest.mouseClick(cell, Qt.MouseButton.LeftButton)
        QTest.mouseClick(cell, Qt.MouseButton.LeftButton)
        assert seen == ["i"]

    def test_code_chooses_silently(self, qtbot) -> None:
        segment = Segment(["a", "b"])
        qtbot.addWidget(segment)
        seen = collected(segment.changed)
        segment.set_value("b")
        assert (segment.value, seen) == ("b", [])
        with pytest.raises(ValueError, match="list"):
            segment.set_value("c")

    def test_a_greyed_choice_says_why_and_cannot_be_taken(self, qtbot) -> None:
        segment = shown(qtbot, Segment(["L1", "N", "L2"]))
        seen = collected(segment.changed)
        segment.set_available("N", False, "This system has no neutral.")
        cell = segment.childAt(segment.width() // 2, 14)
        assert cell.toolTip() == "This system has no neutral."
        QTest.mouseClick(cell, Qt.MouseButton.LeftButton)
        QTest.keyClick(segment, Key.Key_Tab)
        QTest.keyClick(QApplication.focusWidget(), Key.Key_Right)
        assert seen == ["L2"]


class TestField:
    @pytest.fixture
    def field(self, qtbot) -> Field:
        return shown(qtbot, Field("Time/div", [(0.002, "2 ms"), (0.005, "5 ms"), (0.01, "10 ms")]))

    def test_keyboard(self, field) -> None:
        seen = collected(field.changed)
        field.setFocus()
        QTest.keyClick(field, Key.Key_Down)
        QTest.keyClick(field, Key.Key_End)
        QTest.keyClick(field, Key.Key_Down)
        QTest.keyClick(field, Key.Key_Up)
        assert seen == [0.005, 0.01, 0.005]
        assert field.value == 0.005

    def test_wheel(self, field) -> None:
        seen = collected(field.changed)
        middle = QPointF(field.rect().center())
        event = QWheelEvent(
            middle,
            field.mapToGlobal(middle),
            QPoint(),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(field, event)
        assert seen == [0.005]

    def test_code_sets_silently_and_the_keyboard_goes_on_from_there(self, field) -> None:
        seen = collected(field.changed)
        field.set_value(0.01)
        assert (field.value, seen) == (0.01, [])
        field.setFocus()
        QTest.keyClick(field, Key.Key_Up)
        assert seen == [0.005]
        with pytest.raises(ValueError, match="list"):
            field.set_value(1.0)

    def test_other_choices_keep_the_value_where_they_can(self, field) -> None:
        field.set_value(0.005)
        field.set_choices([(0.005, "5 ms"), (0.02, "20 ms")])
        assert field.value == 0.005
        field.set_choices([(0.02, "20 ms"), (0.05, "50 ms")])
        assert field.value == 0.02
        field.set_choices([])
        assert field.value is None

    def test_its_width_does_not_depend_on_the_value(self, field) -> None:
        before = field.sizeHint()
        field.set_value(0.01)
        assert field.sizeHint() == before

    def test_without_room_the_tool_tip_has_the_rest(self, qtbot, field) -> None:
        assert tip_at(field) == ""
        field.setFixedWidth(40)
        assert tip_at(field) == "Time/div 2 ms"

    def test_the_list_opens_by_key_in_the_theme(self, qtbot, field) -> None:
        theme = Theme("light")
        field.set_theme(theme)
        field.setFocus()
        QTest.keyClick(field, Key.Key_F4)
        qtbot.waitUntil(field.view().isVisible, timeout=20_000)
        assert field.view().palette().base().color() == theme.colour("surface")
        seen = collected(field.changed)
        QTest.keyClick(field.view(), Key.Key_Down)
        QTest.keyClick(field.view(), Key.Key_Return)
        assert seen == [0.005]
        assert not field.view().isVisible()

    def test_disabled_says_why(self, field) -> None:
        field.set_available(False, "Freeze first.")
        assert not field.isEnabled()
        assert field.toolTip() == "Freeze first."
        field.set_available(True)
        assert field.isEnabled()
        assert field.toolTip() == ""


class TestButtons:
    @pytest.mark.parametrize("key", [Key.Key_Space, Key.Key_Return, Key.Key_Enter])
    def test_keyboard(self, qtbot, key) -> None:
        button = shown(qtbot, PushButton("Install", ButtonKind.PRIMARY))
        with qtbot.waitSignal(button.clicked, timeout=20_000):
            QTest.keyClick(button, key)

    def test_the_ring_follows_the_keyboard_only(self, qtbot) -> None:
        window = QWidget()
        column = QVBoxLayout(window)
        first, second = PushButton("First"), PushButton("Second")
        column.addWidget(first)
        column.addWidget(second)
        shown(qtbot, window)
        QTest.mouseClick(first, Qt.MouseButton.LeftButton)
        assert first.hasFocus()
        assert not first.shows_focus
        QTest.keyClick(first, Key.Key_Tab)
        assert second.shows_focus
        assert Theme().colour("accent").name() in colours_in(picture(second))

    def test_disabled_says_why(self, qtbot) -> None:
        button = PushButton("Install")
        qtbot.addWidget(button)
        button.set_tip("Writes the firmware")
        button.set_available(False, "Connect a module first.")
        assert (button.isEnabled(), button.toolTip()) == (False, "Connect a module first.")
        button.set_available(True)
        assert (button.isEnabled(), button.toolTip()) == (True, "Writes the firmware")

    def test_an_icon_has_a_name(self, qtbot) -> None:
        button = IconButton("help", "Help")
        qtbot.addWidget(button)
        assert (button.accessibleName(), button.toolTip()) == ("Help", "Help")


class TestStatus:
    def test_every_status_has_a_shape_of_its_own(self, qtbot) -> None:
        icon = StatusIcon()
        qtbot.addWidget(icon)
        shapes = set()
        for status in Status:
            icon.set_status(status)
            image = picture(icon)
            ground = image.pixelColor(0, 0)
            # The shape alone, without its colour.
            shapes.add(tuple(image.pixelColor(x, y) != ground for y in range(20) for x in range(20)))
        assert len(shapes) == len(Status)

    def test_an_unknown_status_is_refused(self, qtbot) -> None:
        icon = StatusIcon("ok")
        qtbot.addWidget(icon)
        with pytest.raises(ValueError, match="fine"):
            icon.set_status("fine")
        with pytest.raises(ValueError, match="fine"):
            Chip("fine", "Good")

    def test_a_chip_says_what_it_shows(self, qtbot) -> None:
        chip = Chip("ok", "Triggered")
        qtbot.addWidget(chip)
        assert (chip.accessibleName(), chip.accessibleDescription()) == ("Triggered", "ok")
        narrow = chip.sizeHint().width()
        chip.set_state("warn", "15th on L3 near limit")
        assert (chip.status, chip.text) == (Status.WARN, "15th on L3 near limit")
        assert chip.sizeHint().width() > narrow

    def test_a_cut_chip_has_a_tool_tip(self, qtbot) -> None:
        chip = shown(qtbot, Chip("bad", "15th on L3 over limit"))
        assert tip_at(chip) == ""
        chip.setFixedWidth(60)
        assert tip_at(chip) == "15th on L3 over limit"

    def test_a_terse_chip_is_its_shape_and_says_the_word_on_asking(self, qtbot) -> None:
        chip = shown(qtbot, Chip("ok", "Triggered"))
        whole = chip.sizeHint().width()
        chip.set_terse(True)
        assert chip.sizeHint().width() < 0.5 * whole
        assert (tip_at(chip), chip.accessibleName()) == ("Triggered", "Triggered")
        chip.set_terse(False)
        assert chip.sizeHint().width() == whole


def test_a_cut_label_has_a_tool_tip(qtbot) -> None:
    label = shown(qtbot, Label("fundamental, V1 = 0°"), 300)
    assert tip_at(label) == ""
    label.setFixedWidth(50)
    assert tip_at(label) == "fundamental, V1 = 0°"


def rounded(rect: QRect, radius: float) -> QPolygon:
    """Outline of a rounded box."""
    path = QPainterPath()
    path.addRoundedRect(QRectF(rect), radius, radius)
    return path.toFillPolygon().toPolygon()


class TestCard:
    @pytest.fixture
    def card(self, qtbot) -> Card:
        card = Card("Oscilloscope")
        card.header_layout.addWidget(Segment(["Run", "Stop"]))
        for label in ("Time/div", "Trigger"):
            card.header_layout.addWidget(Field(label, ["10 ms", "V1 rising 100 V"]))
        card.header_layout.addStretch(1)
        card.header_layout.addWidget(Chip("ok", "Triggered"))
        card.body_layout.addWidget(QLabel("body"))
        return shown(qtbot, card, 900, 200)

    def test_labels_of_fields_give_way_from_the_right_and_come_back(self, qtbot, card) -> None:
        fields = card.header.findChildren(Field)
        states = []
        for width in (900, 470, 400, 900):
            card.resize(width, 200)
            QApplication.processEvents()
            states.append(tuple(field.label_shown for field in fields))
            needed = card.header_layout.minimumSize().width()
            assert needed <= width - 6 or width == 400
        assert states[0] == states[3] == (True, True)
        assert sorted({sum(state) for state in states}, reverse=True)[0] == 2
        assert states[2] == (False, False)
        assert all(state in {(True, True), (True, False), (False, False)} for state in states)

    def test_the_body_decides_how_narrow_it_can_be(self, card) -> None:
        assert card.minimumSizeHint().width() < 200

    def test_nothing_of_the_header_overlaps(self, card) -> None:
        for width in (900, 620, 480):
            card.resize(width, 200)
            QApplication.processEvents()
            ends = 0
            for index in range(card.header_layout.count()):
                widget = card.header_layout.itemAt(index).widget()
                if widget is not None and widget.isVisible():
                    assert widget.x() >= ends
                    ends = widget.x() + widget.width()
            assert ends <= width

    def test_content_with_a_ground_of_its_own_leaves_the_corners_round(self, card) -> None:
        ground = QWidget()
        ground.setAutoFillBackground(True)
        palette = ground.palette()
        palette.setColor(ground.backgroundRole(), "#ff00ff")
        ground.setPalette(palette)
        card.body_layout.setContentsMargins(0, 0, 0, 0)
        card.body_layout.addWidget(ground, 1)
        QApplication.processEvents()
        image = picture(card)
        outside = QRegion(card.rect()) - QRegion(rounded(card.rect(), 10))
        assert "#ff00ff" in colours_in(image)
        corners = (QPoint(x, y) for x in (*range(10), *range(890, 900)) for y in range(190, 200))
        assert all(image.pixelColor(point).name() != "#ff00ff" for point in corners if outside.contains(point))

    def test_title_and_hint_can_go(self, card) -> None:
        card.set_title("")
        card.set_hint("fundamental")
        assert card.title == ""
        assert card.accessibleName() == "Oscilloscope"


@pytest.mark.parametrize("name", ["dark", "light"])
def test_every_control_follows_the_theme(qtbot, name) -> None:
    theme = Theme(name)
    controls = [
        (Segment(["a", "b"]), "accentbg"),
        (Field("Label", ["value"]), "surface"),
        (Chip("warn", "near"), "warnbg"),
        (StatusIcon("bad"), "bad"),
        (PushButton("Go", "primary"), "accentfill"),
        (Card("Title"), "surface"),
    ]
    for control, token in controls:
        qtbot.addWidget(control)
        control.resize(control.sizeHint())
        control.set_theme(theme)
        assert theme.colour(token).name() in colours_in(picture(control)), type(control).__name__
