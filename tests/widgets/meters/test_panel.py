"""The meter panel: what it writes, when, and what leaves with the clipboard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage

from resources.parameters import keys_for, parameter
from resources.systems import SYSTEMS, channels_of
from widgets.meters import MeterPanel, rows
from widgets.numbers import MINUS, THIN_SPACE
from widgets.pacing import TEXT_INTERVAL_MS
from widgets.theme import Theme

VALUES = {"V1r": 231.6, "V2r": 229.9, "V3r": None, "I1r": 14.46, "INr": 7.53, "P1": 3184.0, "P2": -2576.0, "Pc": 7924.0}
VALUES |= {"PFc": -0.932, "Fqai": 49.982, "u2": 0.23, "THV1": 3.62, "THI1": 19.2}


@pytest.fixture
def panel(qtbot):
    widget = MeterPanel()
    qtbot.addWidget(widget)
    widget.resize(432, 383)
    widget.set_system(channels_of("3P+N"))
    return widget


def lines(widget):
    return {line.split("\t")[0]: line.split("\t")[1:] for line in widget.text_table().splitlines()}


def picture(widget):
    return widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def test_text_has_decimals_na_and_empty_cells(panel):
    panel.set_values(VALUES)
    table = lines(panel)
    assert table["Quantity"] == ["L1", "L2", "L3", "N", "Total", "Unit"]
    assert table["Voltage"] == ["231.6", "229.9", "n/a", "", "", "V"]
    assert table["Current"] == ["14.46", "n/a", "n/a", "7.53", "", "A"]
    assert table["Frequency"] == ["49.982", "Hz"]
    assert text_of_kpi("Power factor", VALUES) == (f"{MINUS}0.93", "")
    assert text_of_kpi("Active power", VALUES) == ("7.92", "kW")
    assert table["Active power"] == ["3184", f"{MINUS}2576", "n/a", "", "7924", "W"]


def text_of_kpi(name, values):
    kpi = next(kpi for kpi in rows.kpis(channels_of("3P+N")) if kpi.name == name)
    return rows.kpi_text(kpi, values)


def test_a_row_of_large_powers_turns_to_kw_as_one(panel):
    panel.set_values({"P1": 99_999.4, "P2": 12.0, "Pc": 99_999.4})
    assert lines(panel)["Active power"] == [f"99{THIN_SPACE}999", "12", "n/a", "", f"99{THIN_SPACE}999", "W"]
    panel._latest.clear()
    panel.set_values({"P1": 50_000.0, "P2": 12.0, "Pc": 100_000.0})
    assert lines(panel)["Active power"] == ["50.00", "0.01", "n/a", "", "100.00", "kW"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_cell_exists_in_the_parameter_table(system):
    channels = channels_of(system)
    shown = rows.columns(channels)
    for row in rows.rows_that_exist(shown):
        keys = [row.keys[column] for column in shown if column in row.keys]
        assert set(keys) <= set(keys_for(system)), row.name
        assert len({parameter(key).unit for key in keys}) == 1, row.name
    for kpi in rows.kpis(channels):
        assert kpi.key in keys_for(system)


def test_one_phase_shows_one_column_and_thd_for_unbalance():
    assert rows.columns(channels_of("1P")) == ("L1",)
    assert rows.columns(channels_of("1P+N")) == ("L1", "N")
    assert [kpi.key for kpi in rows.kpis(channels_of("1P"))] == ["P1", "Fqai", "THV1", "PF1i"]
    assert "V12, V23, V31" not in {row.name for row in rows.rows_that_exist(("L1", "N"))}


def test_rows_follow_the_height(panel):
    assert panel.shown_rows() == tuple(row.name for row in rows.ROWS if row.base)
    panel.resize(432, 520)
    assert panel.shown_rows() == tuple(row.name for row in rows.ROWS)
    panel.set_compact(True)
    panel.resize(386, 312)
    assert panel.shown_rows() == tuple(row.name for row in rows.ROWS if row.base and row.name != "Displacement PF")
    panel.resize(386, 250)
    assert panel.shown_rows()[:3] == ("Voltage", "Current", "Active power")


def test_text_changes_at_most_four_times_a_second(panel, qtbot):
    panel.set_values({"V1r": 1.0})
    panel.set_values({"V1r": 2.0})
    panel.set_values({"V1r": 3.0})
    assert lines(panel)["Voltage"][0] == "1.0"
    assert TEXT_INTERVAL_MS == 250
    qtbot.waitUntil(lambda: lines(panel)["Voltage"][0] == "3.0", timeout=20_000)


def test_keyboard_reads_and_copies(panel, qtbot):
    panel.set_values(VALUES, ["dip"])
    with qtbot.waitExposed(panel):
        panel.show()
    panel.setFocus()
    panel._select(0, 0)
    qtbot.keyClick(panel, Qt.Key.Key_Right)
    assert panel.accessibleDescription() == "Voltage L2: 229.9 V"
    qtbot.keyClick(panel, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "229.9 V"
    qtbot.keyClick(panel, Qt.Key.Key_Right)
    assert panel.accessibleDescription() == "Voltage L3: n/a"
    qtbot.keyClick(panel, Qt.Key.Key_Right)
    assert panel.accessibleDescription() == "Voltage N: does not exist"
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(panel, Qt.Key.Key_C, both)
    assert QGuiApplication.clipboard().text() == panel.text_table()
    assert panel.text_table().endswith("Flags\tdip\n")


def test_click_selects_the_cell_under_the_pointer(panel, qtbot):
    panel.set_values(VALUES)
    rect = panel._placed().cell_rect(1, "N")
    qtbot.mouseClick(panel, Qt.MouseButton.LeftButton, pos=rect.center())
    assert panel.accessibleDescription() == "Current N: 7.53 A"


def test_digits_stand_still(panel):
    """The unit after a large number does not move when only digits change."""
    panel.set_values({"Fqai": 49.982})
    before = picture(panel)
    panel._latest.clear()
    panel.set_values({"Fqai": 51.111})
    after = picture(panel)
    left = max(x for x in range(100, 240) if any(before.pixel(x, y) != after.pixel(x, y) for y in range(30, 60)))
    panel._latest.clear()
    panel.set_values({"Fqai": 48.888})
    again = picture(panel)
    changed = [x for x in range(left + 1, 432) for y in range(383) if again.pixel(x, y) != after.pixel(x, y)]
    assert changed == []


def test_values_are_right_aligned(panel):
    panel.set_values({"V1r": 231.6, "I1r": 1.23})
    image = picture(panel)
    layout = panel._placed()
    right = layout.column_right["L1"]
    for row in (0, 1):
        rect = layout.row_rect(row)
        ys = range(int(rect.top()) + 4, int(rect.bottom()) - 2)
        background = image.pixel(right + 4, ys[0])
        last = max(x for x in range(right - 40, right + 4) for y in ys if image.pixel(x, y) != background)
        assert right - 3 <= last <= right


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_paints_in_every_theme_and_without_a_module(qtbot, name, scale):
    widget = MeterPanel()
    qtbot.addWidget(widget)
    widget.set_theme(Theme(name), scale)
    widget.resize(widget.sizeHint())
    assert "Choose a module" in widget.accessibleDescription()
    picture(widget)
    widget.set_system(channels_of("1P"))
    widget.set_values({})
    assert lines(widget)["Voltage"] == ["n/a", "V"]
    image = picture(widget)
    assert len({image.pixel(x, y) for x in range(0, 400, 3) for y in range(0, 300, 3)}) > 3
