"""The map: pointer, keyboard, search, notices, pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from resources import geohash
from tests.fakes.map_cells import cells, edges
from tests.fakes.widget_probe import colours_in, picture, shown, tip_at
from widgets.map import MapView
from widgets.map.cells import CellStatus
from widgets.map.projection import x_of, y_of
from widgets.map.search import find
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"
Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot) -> MapView:
    made = shown(qtbot, MapView(), 900, 640)
    status = cells()
    made.set_cells(*edges(list(status)), [int(value) for value in status.values()], list(status))
    return made


def collected(signal) -> list:
    seen: list = []
    signal.connect(seen.append)
    return seen


def place_of(view: MapView, cell: str) -> QPoint:
    south, west, north, east = geohash.bounds(cell)
    x, y = view.canvas.window_seen.pixel(float(x_of((west + east) / 2)), float(y_of((south + north) / 2)))
    return QPoint(round(x), round(y))


def wheel(widget, notches: float, at: QPoint) -> None:
    position = QPointF(at)
    angle = QPoint(0, round(120 * notches))
    none = (Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)
    QApplication.sendEvent(widget, QWheelEvent(position, widget.mapToGlobal(position), QPoint(), angle, *none))


class TestPointer:
    def test_a_click_chooses_the_cell_under_it(self, view) -> None:
        seen = collected(view.cell_chosen)
        cell = view.canvas.grid.names[0]
        view.show_cell(cell)
        QTest.mouseClick(view.canvas, LEFT, pos=place_of(view, cell))
        assert seen == [cell]
        assert view.canvas.chosen == cell

    def test_a_click_beside_cells_says_nothing(self, view) -> None:
        seen = collected(view.cell_chosen)
        view.canvas.go_to(0.0, -140.0)
        QTest.mouseClick(view.canvas, LEFT, pos=view.canvas.rect().center())
        assert seen == []

    def test_a_drag_moves_the_map_and_chooses_nothing(self, view) -> None:
        seen = collected(view.cell_chosen)
        cell = view.canvas.grid.names[0]
        view.show_cell(cell)
        start = place_of(view, cell)
        QTest.mousePress(view.canvas, LEFT, pos=start)
        QTest.mouseMove(view.canvas, start + QPoint(60, -35))
        QTest.mouseRelease(view.canvas, LEFT, pos=start + QPoint(60, -35))
        assert place_of(view, cell) == start + QPoint(60, -35)
        assert seen == []

    def test_the_wheel_keeps_the_place_under_the_pointer(self, view) -> None:
        cell = view.canvas.grid.names[0]
        view.show_cell(cell)
        view.canvas.zoom(1.0)
        at = place_of(view, cell) + QPoint(90, 60)
        before = view.canvas.window_seen.world(at.x(), at.y())
        scale = view.canvas.window_seen.scale
        wheel(view.canvas, 2, at)
        after = view.canvas.window_seen.world(at.x(), at.y())
        assert view.canvas.window_seen.scale == pytest.approx(scale * 1.25**2)
        assert after == pytest.approx(before, abs=1.5 / scale)

    def test_a_double_click_comes_nearer(self, view) -> None:
        scale = view.canvas.window_seen.scale
        QTest.mouseDClick(view.canvas, LEFT, pos=view.canvas.rect().center())
        assert view.canvas.window_seen.scale == pytest.approx(2 * scale)

    def test_the_cell_under_the_pointer_is_told(self, view) -> None:
        seen = collected(view.canvas.hovered)
        cell = view.canvas.grid.names[1]
        view.canvas.go_to(*geohash.decode(cell))
        QTest.mouseMove(view.canvas, place_of(view, cell))
        assert seen[-1] == cell
        tip = tip_at(view.canvas)
        assert tip == f"{cell}: normal"

    def test_limits_of_the_scale(self, view) -> None:
        for _ in range(40):
            view.canvas.zoom(2.0)
        nearest = view.canvas.window_seen
        assert nearest.scale / 1024 == pytest.approx(256.0)  # px of a cell of four characters
        for _ in range(40):
            view.canvas.zoom(0.5)
        farthest = view.canvas.window_seen
        assert farthest.scale >= view.canvas.width()
        assert not picture(view.canvas).isNull()


class TestKeyboard:
    def test_arrows_and_signs(self, view) -> None:
        view.show_cell("u82f")
        canvas = view.canvas
        canvas.setFocus()
        before = place_of(view, "u82f")
        QTest.keyClick(canvas, Key.Key_Right)
        QTest.keyClick(canvas, Key.Key_Down)
        assert place_of(view, "u82f") == before - QPoint(80, 80)
        scale = canvas.window_seen.scale
        QTest.keyClick(canvas, Key.Key_Plus)
        assert canvas.window_seen.scale == pytest.approx(1.5 * scale)
        QTest.keyClick(canvas, Key.Key_Minus)
        assert canvas.window_seen.scale == pytest.approx(scale)

    def test_enter_takes_the_middle(self, view) -> None:
        cell = view.canvas.grid.names[2]
        view.show_cell(cell)
        seen = collected(view.cell_chosen)
        view.canvas.setFocus()
        QTest.keyClick(view.canvas, Key.Key_Return)
        assert seen == [cell]

    def test_home_shows_all_cells(self, view) -> None:
        view.show_cell("u82f", 200.0)
        view.canvas.setFocus()
        QTest.keyClick(view.canvas, Key.Key_Home)
        inside = view.canvas.rect()
        assert all(inside.contains(place_of(view, cell)) for cell in view.canvas.grid.names)

    def test_tab_goes_from_the_range_to_the_search_to_the_map(self, view) -> None:
        view.range.setFocus()
        reached = []
        for _ in range(8):
            QTest.keyClick(QApplication.focusWidget() or view, Key.Key_Tab)
            reached.append(QApplication.focusWidget())
        assert view.search in reached
        assert view.canvas in reached
        assert view.scale_buttons.nearer in reached


class TestSearch:
    @pytest.mark.parametrize(
        ("text", "first"),
        [
            ("iasi", "Iași, Romania"),
            ("Cluj", "Cluj-Napoca, Romania"),
            ("napoca", "Cluj-Napoca, Romania"),
            ("PARIS", "Paris, France"),
            ("london, can", "London, Canada"),
            ("u82f", "Cell u82f"),
        ],
    )
    def test_found(self, text, first) -> None:
        assert find(text)[0].text == first

    @pytest.mark.parametrize("text", ["", "   ", "qqqqqq aaa", ","])
    def test_not_found(self, text) -> None:
        assert find(text) == []

    def test_enter_goes_to_the_first_offer(self, view) -> None:
        view.search.setFocus()
        QTest.keyClicks(view.search, "timisoara")
        assert view.search.offers[0] == "Timișoara, Romania"
        QTest.keyClick(view.search, Key.Key_Return)
        middle = view.canvas.rect().center()
        assert (place_of(view, geohash.encode(45.75, 21.22)) - middle).manhattanLength() < 40

    def test_a_geohash_with_data_is_chosen(self, view) -> None:
        seen = collected(view.cell_chosen)
        cell = view.canvas.grid.names[0]
        view.search.setText(cell)
        QTest.keyClick(view.search, Key.Key_Return)
        assert seen == [cell]

    @pytest.mark.parametrize("further", ["j", "jx3k", "jx3k9qzz"])
    def test_a_finer_geohash_finds_its_cell(self, view, further) -> None:
        seen = collected(view.cell_chosen)
        cell = view.canvas.grid.names[0]
        view.search.setText(cell.upper() + further)
        QTest.keyClick(view.search, Key.Key_Return)
        assert seen == [cell]

    def test_what_is_not_found_is_marked_until_edited(self, view) -> None:
        view.search.setFocus()
        QTest.keyClicks(view.search, "oil aa")
        QTest.keyClick(view.search, Key.Key_Return)
        assert view.search.is_wrong
        assert "No place" in view.search.toolTip()
        QTest.keyClick(view.search, Key.Key_Backspace)
        assert not view.search.is_wrong


class TestParts:
    def test_the_time_range_is_told_once(self, view) -> None:
        seen = collected(view.range_chosen)
        view.set_hours(48)
        assert seen == []
        QTest.mouseClick(view.range.childAt(10, 14), LEFT)
        assert seen == [3]
        assert "last 3 h" in view.legend.lines[0]

    def test_the_legend_tells_of_joined_cells(self, view) -> None:
        view.show_cell("u82f")
        assert "Mean of a cell" in view.legend.lines[0]
        for _ in range(20):
            view.canvas.zoom(0.5)
        joined = view.canvas.grid.joined(view.canvas.window_seen)
        assert joined > 1
        assert f"{joined} × {joined} cells" in view.legend.lines[0]

    def test_buttons_and_inset(self, view) -> None:
        scale = view.canvas.window_seen.scale
        QTest.mouseClick(view.scale_buttons.nearer, LEFT)
        assert view.canvas.window_seen.scale == pytest.approx(1.5 * scale)
        QTest.mouseClick(view.inset, LEFT, pos=QPoint(view.inset.width() - 20, 30))
        assert view.canvas.window_seen.x > 0.85

    def test_a_notice_offers_to_try_again(self, view, qtbot) -> None:
        view.set_notice("The community map does not answer. Check the internet connection.", retry=True)
        assert view.notice.isVisible()
        with qtbot.waitSignal(view.retry_wanted, timeout=20_000):
            QTest.mouseClick(view.notice.retry, LEFT)
        view.set_cells(*edges([]), [], [])
        assert not view.notice.isVisible()

    def test_no_geohash_is_refused(self, view) -> None:
        with pytest.raises(ValueError, match="geohash"):
            view.set_own_cell("u82a")

    def test_every_status_has_its_colour_and_shape(self, qtbot) -> None:
        theme = Theme("dark")
        for status, token in (
            (CellStatus.CRITICAL, "bad"),
            (CellStatus.WARNING, "warnfill"),
            (CellStatus.NORMAL, "ok"),
        ):
            made = shown(qtbot, MapView(), 700, 500)
            made.set_theme(theme)
            made.set_cells(*edges(["u82f"]), [int(status)], ["u82f"])
            made.legend.hide()
            made.show_cell("u82f", 60.0)
            assert theme.colour(token).name() in colours_in(picture(made.canvas))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("size", "compact"), [((1440, 900), False), ((1024, 640), True)])
def test_pictures(view, theme, size, compact) -> None:
    PICTURES.mkdir(exist_ok=True)
    view.set_theme(Theme(theme))
    view.set_compact(compact)
    view.resize(*size)
    view.set_own_cell("u82f")
    view.set_chosen_cell("u82f")
    view.set_told("90 cells, updated 14:31:52")
    QApplication.processEvents()
    image = picture(view)
    assert image.save(str(PICTURES / f"map-{theme}-{size[0]}x{size[1]}.png"))
    assert {Theme(theme).colour(token).name() for token in ("bad", "ok")} <= colours_in(picture(view.legend))
