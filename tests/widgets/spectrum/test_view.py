"""The spectrum as it is drawn: pixels that mean something, keys, and what it tells others."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage

from resources.systems import channels_of
from widgets.spectrum import SpectrumView
from widgets.spectrum.layers import INDICATIVE_STRENGTH
from widgets.theme import Theme

THEME = Theme("dark")
LIMITS = SimpleNamespace(name="EN 50160", thd_pct=8.0, orders={3: 5.0, 5: 6.0, 15: 0.5, 24: 0.5, 25: 1.5})
AT_50_HZ = SimpleNamespace(trusted_to=32, indicative_to=39, thd_to=39, fundamental_hz=50.0)
AT_60_HZ = SimpleNamespace(trusted_to=26, indicative_to=33, thd_to=33, fundamental_hz=60.0)


def orders(**percents):
    row = np.full(41, 0.0005)
    row[1] = 1.0
    for name, percent in percents.items():
        row[int(name[1:])] = percent / 100.0
    return {channel: row * (230.0 if channel[0] == "V" else 10.0) for channel in channels_of("3P+N")}


@pytest.fixture
def view(qtbot):
    widget = SpectrumView()
    qtbot.addWidget(widget)
    widget.set_theme(THEME)
    widget.set_system(channels_of("3P+N"))
    widget.set_limits(LIMITS)
    widget.resize(894, 307)
    widget.layout().activate()
    return widget


def picture(widget):
    return widget.plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)


def column(image, x, top, bottom):
    return [image.pixelColor(round(x), y).name() for y in range(round(top), round(bottom))]


def bar_height(view, image, order, index, colour):
    """Height of a bar in px, measured in the picture, from the base line up."""
    geometry = view.plot.geometry_of_bars()
    x = geometry.group_left(order) + index * (geometry.bar_width + 1) + geometry.bar_width // 2
    pixels = column(image, x, geometry.rect.top(), geometry.rect.bottom())[::-1]
    return next((n for n, pixel in enumerate(pixels) if pixel != colour.name()), len(pixels))


def test_bar_heights_are_the_values(view):
    values = orders(h5=3.0, h7=1.5)
    values["V2"][5] = 230.0 * 0.0425
    view.set_orders(values, AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    assert geometry.scale.top == 7.0
    for order, index, percent in ((5, 0, 3.0), (5, 1, 4.25), (5, 2, 3.0), (7, 0, 1.5)):
        expected = percent / 7.0 * geometry.rect.height()
        colour = THEME.phase(f"L{index + 1}")
        assert bar_height(view, image, order, index, colour) == pytest.approx(expected, abs=0.51)


def test_logarithmic_heights(view):
    view.set_logarithmic(True)
    view.set_orders(orders(h5=1.0), AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    assert bar_height(view, image, 5, 0, THEME.phase("L1")) == pytest.approx(geometry.rect.height() / 2, abs=0.51)
    assert bar_height(view, image, 1, 0, THEME.phase("L1")) >= geometry.rect.height() - 3


def test_limit_column_ends_in_its_cap(view):
    view.set_orders(orders(), AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    pixels = column(image, geometry.centre(25), geometry.rect.top(), geometry.rect.bottom())
    cap = [y for y, pixel in enumerate(pixels) if pixel == THEME.colour("text3").name()]
    expected = geometry.rect.height() * (1 - 1.5 / 7.0)
    assert cap == [pytest.approx(expected, abs=0.51), pytest.approx(expected + 1, abs=0.51)]
    assert pixels[cap[-1] + 5] == THEME.colour("surface2").name()
    beyond = column(image, geometry.centre(26), geometry.rect.top(), geometry.rect.bottom())
    assert THEME.colour("surface2").name() not in beyond


def hatched(image, geometry, order):
    """Share of pixels in the upper quarter of an order that are neither ground nor grid."""
    rect = geometry.slot_rect(order, order)
    plain = {THEME.colour("plot").name(), THEME.colour("grid").name()}
    pixels = [
        pixel
        for x in range(round(rect.left()) + 3, round(rect.right()) - 3)
        for pixel in column(image, x, rect.top() + 25, rect.top() + rect.height() / 4)
    ]
    return sum(pixel not in plain for pixel in pixels) / len(pixels)


def test_order_40_is_hatched_at_50_hz_and_39_is_not(view):
    view.set_orders(orders(), AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    assert hatched(image, geometry, 40) > 0.2
    assert hatched(image, geometry, 39) < 0.02
    # One line every 6 px.
    row = round(geometry.rect.top() + 40)
    rect = geometry.slot_rect(40, 40)
    level = [image.pixelColor(x, row).lightness() for x in range(round(rect.left()), round(rect.right()) - 1)]
    peaks = [n for n in range(1, len(level) - 1) if level[n - 1] < level[n] >= level[n + 1] and level[n] > 40]
    assert {b - a for a, b in pairwise(peaks)} == {6}


def test_hatch_starts_at_34_at_60_hz(view):
    view.set_orders(orders(), AT_60_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    assert hatched(image, geometry, 33) < 0.02
    assert all(hatched(image, geometry, order) > 0.2 for order in (34, 36, 40))


def test_indicative_bars_are_lighter(view):
    view.set_orders(orders(h32=3.0, h33=3.0), AT_50_HZ)
    image = picture(view)
    light = THEME.blend(THEME.phase("L1"), "plot", INDICATIVE_STRENGTH)
    assert bar_height(view, image, 32, 0, THEME.phase("L1")) > 50
    assert bar_height(view, image, 33, 0, light) > 50


def test_measured_zero_is_a_line_and_unknown_is_none(view):
    values = orders(h26=0.0)
    values["V2"][26] = np.nan
    view.set_orders(values, AT_50_HZ)
    image = picture(view)
    assert bar_height(view, image, 26, 0, THEME.phase("L1")) == 1
    assert bar_height(view, image, 26, 1, THEME.phase("L2")) == 0


def test_fundamental_is_cut(view):
    view.set_orders(orders(), AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    pixels = column(image, geometry.group_left(1) + 2, geometry.rect.top() + 3, geometry.rect.bottom())
    assert pixels[0] == THEME.phase("L1").name() == pixels[-1]
    assert THEME.colour("plot").name() in pixels[:40]


def pixels_of(image, colour):
    return sum(
        image.pixelColor(x, y) == colour for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)
    )


def test_notice_and_callout(view, qtbot):
    said = []
    view.notice_changed.connect(lambda kind, text: said.append((kind, text)))
    view.set_orders(orders(), AT_50_HZ)
    assert pixels_of(picture(view), THEME.colour("warnbg")) == 0
    view._latest.clear()
    values = orders()
    values["V3"][15] = 230 * 0.0046
    view.set_orders(values, AT_50_HZ)
    assert pixels_of(picture(view), THEME.colour("warnbg")) > 100
    assert not view._chip.isHidden()
    view._latest.clear()
    values["V1"][3] = 230 * 0.06
    view.set_orders(values, AT_50_HZ)
    assert pixels_of(picture(view), THEME.colour("badbg")) > 100
    view.set_quantity("current")
    assert said == [("warn", "15th on L3 near limit"), ("bad", "3rd on L1 over limit"), ("", "")]
    assert view._chip.isHidden()


def test_callouts_do_not_overlap(view):
    from widgets.spectrum.layers import place_callouts

    picture(view)
    for first in range(3, 26):
        limits = SimpleNamespace(name="X", thd_pct=None, orders={first: 1.0, 12: 1.0})
        view.set_limits(limits)
        view._latest.clear()
        view.set_orders(orders(**{f"h{first}": 0.9, "h12": 0.95}), AT_50_HZ)
        geometry = view.plot.geometry_of_bars()
        placed = place_callouts(geometry, view.spectrum, "percent", view._findings, 1.0)
        plates = [plate for _, plate, _ in placed]
        assert 1 <= len(plates) <= 2
        assert all(geometry.rect.contains(plate) for plate in plates), (first, plates, geometry.rect)
        assert len(plates) == 1 or not plates[0].intersects(plates[1])


def test_pointer_and_keys_read_an_order(view, qtbot):
    view.set_orders(orders(h15=0.3), AT_50_HZ)
    with qtbot.waitExposed(view):
        view.show()
    plot = view.plot
    geometry = plot.geometry_of_bars()
    qtbot.mouseMove(plot, QPoint(round(geometry.centre(15)), round(geometry.rect.center().y())))
    qtbot.waitUntil(lambda: plot.order == 15, timeout=20_000)
    assert plot.accessibleDescription().startswith("15th order")
    box = picture(view)
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert plot.order == 16
    assert picture(view) != box
    qtbot.keyClick(plot, Qt.Key.Key_End)
    qtbot.keyClick(plot, Qt.Key.Key_Right)
    assert plot.order == 40
    qtbot.keyClick(plot, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text().startswith("40th order")
    qtbot.keyClick(plot, Qt.Key.Key_Home)
    qtbot.keyClick(plot, Qt.Key.Key_Left)
    assert plot.order == 1
    qtbot.keyClick(plot, Qt.Key.Key_Escape)
    assert plot.order is None


def test_only_the_keyboard_shows_the_ring(view, qtbot):
    view.set_orders(orders(), AT_50_HZ)
    view.show()
    accent = THEME.colour("accent")

    def focused(reason):
        view.activateWindow()
        view.plot.clearFocus()
        view.plot.setFocus(reason)
        return view.plot.hasFocus()

    for reason, shown in ((Qt.FocusReason.MouseFocusReason, False), (Qt.FocusReason.TabFocusReason, True)):
        qtbot.waitUntil(lambda reason=reason: focused(reason), timeout=20_000)
        image = picture(view)
        assert (image.pixelColor(image.width() // 2, 4) == accent) is shown


def test_header_chooses_quantity_and_form(view, qtbot):
    view.set_orders(orders(), AT_50_HZ)
    view._segment.changed.emit("current")
    assert view.spectrum.channels == ("I1", "I2", "I3", "IN")
    assert view._field.itemText(2) == "Amperes"
    view._field.setCurrentIndex(3)
    view._field.activated.emit(3)
    geometry = view.plot.geometry_of_bars()
    assert geometry.scale.logarithmic
    assert geometry.scale.top == pytest.approx(10.0)
    with pytest.raises(ValueError, match="voltage or current"):
        view.set_quantity("power")


def test_menu_copies_and_asks_to_save(view):
    def actions():
        return {action.text(): action for action in view.plot.menu().actions()}

    asked = []
    view.save_requested.connect(asked.append)
    assert not actions()["Copy picture"].isEnabled()
    view.set_orders(orders(), AT_50_HZ)
    actions()["Copy values as CSV"].trigger()
    assert QGuiApplication.clipboard().text() == view.csv_text()
    actions()["Save picture …"].trigger()
    actions()["Save values as CSV …"].trigger()
    assert asked == ["image", "csv"]


def test_absolute_limits_follow_each_phase(view):
    values = orders()
    values["V2"] = values["V2"] * 0.5
    view.set_unit("absolute")
    view.set_orders(values, AT_50_HZ)
    image, geometry = picture(view), view.plot.geometry_of_bars()
    for index, limit in ((0, 13.8), (1, 6.9)):
        x = geometry.group_left(5) + index * (geometry.bar_width + 1) + 2
        pixels = column(image, x, geometry.rect.top(), geometry.rect.bottom())
        cap = pixels.index(THEME.colour("text3").name())
        assert cap == pytest.approx(geometry.rect.height() * (1 - limit / geometry.scale.top), abs=0.51)


def test_legend_says_which_phase_has_no_numbers(view):
    values = orders()
    values["V3"] = values["V3"] * 1e-4
    view.set_orders(values, AT_50_HZ)
    assert view._legend.accessibleName() == "Legend: L1, L2, L3 n/a, EN 50160 limit"
    view.set_unit("absolute")
    assert view._legend.accessibleName() == "Legend: L1, L2, L3, EN 50160 limit"


def test_legend_gives_up_the_limit_before_a_phase(view):
    legend = view._legend
    full = legend.draw(None)
    short, none = legend.draw(None, full - 1), legend.draw(None, 10)
    assert none < short < full
    assert legend.minimumSizeHint().width() == round(none)
    legend.set_content(("V1", "V2", "V3"), "")
    assert legend.draw(None) == none


def test_still_layer_is_kept(view):
    view.set_orders(orders(), AT_50_HZ)
    picture(view)
    still, bars = view.plot._still, view.plot._bars
    picture(view)
    assert view.plot._still is still
    assert view.plot._bars is bars
    view._latest.clear()
    view.set_orders(orders(h5=2.0), AT_50_HZ)
    picture(view)
    assert view.plot._still is still
    assert view.plot._bars is not bars


def test_new_system_forgets_and_says_what_to_do(view):
    view.set_orders(orders(), AT_50_HZ)
    view.set_system(channels_of("1P"))
    assert not view.spectrum.has_data
    assert "Choose a module" in view.plot.accessibleDescription()
    ground = picture(view)
    assert ground.pixelColor(5, 5) == QColor(THEME.colour("surface"))


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize(("size", "compact", "scale"), [((802, 258), True, 1.0), ((300, 150), True, 1.5)])
def test_paints_at_any_size(view, name, size, compact, scale):
    view.set_theme(Theme(name), scale)
    view.set_compact(compact)
    view.resize(*size)
    view.layout().activate()
    values = orders(h15=0.49)
    values["V1"][:] = np.nan
    view.set_orders(values, AT_60_HZ)
    for quantity in ("voltage", "current"):
        view.set_quantity(quantity)
        for logarithmic in (False, True):
            view.set_logarithmic(logarithmic)
            view.plot._read(34)
            assert not picture(view).isNull()
    assert view.image().width() == 2 * view.plot.width()
    assert view.csv_text().startswith("order,")
