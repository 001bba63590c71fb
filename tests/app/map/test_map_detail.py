"""From the map's answers and the own values to what is drawn."""

from __future__ import annotations

import pytest

from app.community.map_answers import MapCell, MapDetail, MapHarmonic, MapMetric, MapPoint
from app.map.cells import cell_columns
from app.map.detail import cell_detail, limit_pct, place_of, size_of
from app.map.own import ORDERS, Own, OwnPoint, OwnValues
from resources.geohash import bounds
from tests.fakes.community import measurement
from tests.fakes.map_server import cell_name
from widgets.map.cells import CellGrid, CellStatus
from widgets.map.model import Cause, verdict

T_S = 1_795_344_000.0


def detail(status: str | None = "warning", **changed) -> MapDetail:
    points = tuple(MapPoint(T_S + 4800 * n, 3.0 + n, 2.0, 5.0, 9) for n in (1, 0, 2))
    values = {
        "metrics": (
            MapMetric("THV", "THD", "%", status, 4.0, points),
            MapMetric("THI", "THD", "%", None, None, ()),
        ),
        "harmonics": (MapHarmonic(5, 2.0, 9.0), MapHarmonic(15, 0.45, None), MapHarmonic(39, None, None)),
        "text": "",
    } | changed
    return MapDetail("u82f", status, **values)


def shown(own: Own | None = None, own_cell: str = "u82f", around=(), **changed):
    return cell_detail(detail(**changed), own or Own(), own_cell, around)


@pytest.mark.parametrize("count", [0, 1, 3000])
def test_cells_lie_where_their_geohash_says(count: int) -> None:
    statuses = ("normal", "warning", "critical", None)
    cells = [MapCell(cell_name(n * 331 + 7), statuses[n % 4]) for n in range(count)]
    columns = cell_columns([*cells, MapCell("u8", "normal"), MapCell("u82f1", "normal")])
    assert columns.names == tuple(cell.geohash for cell in cells)
    for index, cell in enumerate(cells):
        box = bounds(cell.geohash)
        edges = (columns.south_deg[index], columns.west_deg[index], columns.north_deg[index], columns.east_deg[index])
        assert edges == pytest.approx(tuple(box))
        word = {2: "normal", 3: "warning", 4: "critical", 1: None}[int(columns.status[index])]
        assert word == cell.status
    assert len(CellGrid(*columns)) == count


def test_words_of_a_cell() -> None:
    assert size_of("u82f") == "27 × 20 km"
    assert size_of("s000") == "39 × 20 km"
    assert place_of("u82f") == "Cluj-Napoca"
    assert place_of("8000") == "", "nothing but sea"


def test_which_value_makes_the_status() -> None:
    assert limit_pct("1V15") == 0.5
    assert limit_pct("1V9") is None
    assert shown().status_text == "15th near its limit"
    over = shown(status="critical", harmonics=(MapHarmonic(5, 6.5, None),))
    assert over.status_text == "5th over its limit"
    assert over.status is CellStatus.CRITICAL
    assert shown(status="normal").status_text == ""
    assert shown(status="warning", metrics=(), harmonics=()).status_text == ""


def test_own_values_stand_at_the_times_of_the_map() -> None:
    trend = (
        OwnPoint(T_S - 9000, 9.0, 9.0),
        OwnPoint(T_S + 4500, 1.0, 10.0),
        OwnPoint(T_S + 5100, 2.0, None),
        OwnPoint(T_S + 9700, None, 12.0),
    )
    own = Own(2.0, 11.0, dict.fromkeys(ORDERS, 0.1), "mean of the last 10 minutes", trend)
    thv, thi = shown(own).trends
    assert list(thv.time_s) == [T_S, T_S + 4800, T_S + 9600], "sorted"
    assert list(thv.mean) == [3.0, 4.0, 5.0]
    assert list(thv.own) == [None, 1.5, None]
    assert thv.limit == 8.0
    assert list(thi.time_s) == []
    assert shown(own).text == "You: mean of the last 10 minutes."


def test_the_cells_around_are_averaged() -> None:
    other = detail(metrics=(MapMetric("THV", "", "%", None, 2.0, ()),), harmonics=(MapHarmonic(5, 1.0, None),))
    first, fifth, current = shown(
        around=[other, detail(metrics=(MapMetric("THV", "", "%", None, 3.0, ()),))]
    ).comparisons
    assert (first.cell, first.neighbours) == (4.0, 2.5)
    assert (fifth.cell, fifth.neighbours) == (2.0, 1.5)
    assert (current.cell, current.neighbours) == (None, None)


def test_the_last_of_a_trend_serves_where_there_is_no_present_value() -> None:
    points = (MapPoint(T_S, 3.0, None, None, None), MapPoint(T_S + 600, None, None, None, None))
    assert shown(metrics=(MapMetric("THV", "", "%", None, None, points),)).comparisons[0].cell == 3.0


def test_who_is_to_blame_is_said_of_the_own_cell_only() -> None:
    own = Own(8.0, 1.0, {}, "mean of the last 10 minutes")
    assert verdict(shown(own))[0] is Cause.HOUSE
    assert verdict(shown(own, "u82g")) == (Cause.UNKNOWN, "Not known. Your module is not in this cell.")
    assert verdict(shown(own, "")) == (Cause.UNKNOWN, "Not known. Say under Sharing where you are.")


class TestOwnValues:
    def values(self, thv: float | None, **more: float | None) -> dict[str, float | None]:
        return {"THV1": thv, "THV2": thv, "THV3": None, "1V5": 2.0, "2V5": 3.0, **more}

    def window(self, thv: float | None, flags: tuple[str, ...] = ()):
        return measurement(T_S, window="10/12-cycle", values=self.values(thv), flags=flags)

    def test_the_median_of_windows_until_there_are_ten_minutes(self) -> None:
        own = OwnValues()
        assert own.present(T_S).basis == ""
        for thv in (1.0, 2.0, 90.0):
            own.add(self.window(thv))
        own.add(self.window(50.0, ("gap",)))
        now = own.present(T_S + 1)
        assert (now.thv_pct, now.thi_pct, now.harmonics_pct[5]) == (2.0, None, 2.5)
        assert "median" in now.basis
        own.add(measurement(T_S, values=self.values(4.0)))
        assert own.present(T_S + 1).thv_pct == 4.0
        assert "10 minutes" in own.present(T_S + 1).basis
        assert own.present(T_S + 1000).thv_pct == 2.0, "ten minutes of long ago are not the present"
        assert own.present(T_S + 1000).trend[0].middle_s == T_S - 300

    def test_a_part_of_ten_minutes_is_not_taken_for_all_of_it(self) -> None:
        own = OwnValues()
        own.add(measurement(T_S, values=self.values(4.0), flags=("short",), completeness=0.3))
        assert own.present(T_S + 1).thv_pct is None

    def test_it_forgets_and_does_not_grow(self) -> None:
        own = OwnValues()
        for number in range(500):
            own.add(measurement(T_S + 600 * number, values=self.values(4.0)))
        assert len(own.present(T_S).trend) == 288
        own.clear()
        assert own.present(T_S).trend == ()
