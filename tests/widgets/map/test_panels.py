"""The side panel of a cell, the banner, consent and preview."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.fakes.widget_probe import picture, shown
from widgets.map import CellPanel, ConsentPanel, PreviewPanel, SharingBanner
from widgets.map.cells import CellStatus
from widgets.map.harmonic_bars import HarmonicBars
from widgets.map.model import (
    Cause,
    CellDetail,
    Comparison,
    ConsentChoice,
    ConsentSection,
    Harmonics,
    Preview,
    SentSoFar,
    Trend,
    verdict,
)
from widgets.map.trend_plot import TrendPlot, nice_top, runs
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"
LEFT = Qt.MouseButton.LeftButton
ORDERS = tuple(range(3, 41, 2))


def trend(**changed) -> Trend:
    count = 48
    mean = [3.0 + 0.05 * index for index in range(count)]
    values = {
        "time_s": [1_795_344_230.0 + 1800 * index for index in range(count)],
        "mean": [None if 20 <= index < 25 else value for index, value in enumerate(mean)],
        "low": [value - 0.4 for value in mean],
        "high": [value + 0.6 for value in mean],
        "own": mean[::-1],
        "limit": 8.0,
    } | changed
    return Trend("THV", "voltage distortion, %", **values)


def detail(own=3.6, cell=4.1, status=CellStatus.WARNING, **changed) -> CellDetail:
    rows = (Comparison("THV, voltage", own, cell, 2.6), Comparison("THI, current", 26.0, 21.0, None, 0))
    bars = Harmonics("Odd harmonics of the voltage", ORDERS, [2.0] * 18 + [None], [1.0] * 19, [6.0] * 19)
    values = {"trends": (trend(), trend(limit=None)), "harmonics": bars} | changed
    return CellDetail("u82f", "Cluj-Napoca", "27 × 20 km", status, "Near a limit", "", rows, **values)


def hatched(widget) -> int:
    """Number of px nearly in the colour of hatches, in the upper part of a plot where no curve runs."""
    wanted, image = Theme().colour("hatch"), picture(widget)
    area = widget.plot_rect()
    pixels = (
        image.pixelColor(x, y)
        for x in range(area.left() + 2, area.right() - 1)
        for y in range(area.top() + 2, area.top() + 15)
    )
    return sum(
        max(abs(pixel.red() - wanted.red()), abs(pixel.green() - wanted.green()), abs(pixel.blue() - wanted.blue()))
        < 10
        for pixel in pixels
    )


@pytest.mark.parametrize(
    ("own", "cell", "status", "cause"),
    [
        (3.6, 4.1, CellStatus.WARNING, Cause.STREET),
        (6.0, 3.0, CellStatus.WARNING, Cause.HOUSE),
        (6.0, 3.0, CellStatus.NORMAL, Cause.HOUSE),
        (1.0, 6.0, CellStatus.CRITICAL, Cause.STREET),
        (2.0, 2.1, CellStatus.NORMAL, Cause.NEITHER),
        (0.2, 0.4, CellStatus.NORMAL, Cause.NEITHER),
        (None, 4.0, CellStatus.WARNING, Cause.UNKNOWN),
        (float("nan"), 4.0, CellStatus.WARNING, Cause.UNKNOWN),
        (3.0, None, CellStatus.NONE, Cause.UNKNOWN),
    ],
)
def test_me_or_the_street(own, cell, status, cause) -> None:
    assert verdict(detail(own, cell, status))[0] is cause


def test_nothing_to_compare() -> None:
    assert verdict(CellDetail("u82f"))[0] is Cause.UNKNOWN


def test_another_cell_is_no_street_of_mine() -> None:
    cause, sentence = verdict(detail(6.0, 3.0, CellStatus.WARNING, elsewhere="Your module is not in this cell."))
    assert (cause, sentence) == (Cause.UNKNOWN, "Not known. Your module is not in this cell.")


class TestCellPanel:
    @pytest.fixture
    def panel(self, qtbot) -> CellPanel:
        return shown(qtbot, CellPanel(), 430, 760)

    def test_states(self, panel, qtbot) -> None:
        assert "Choose a cell" in panel.notice.text.text
        panel.show_loading("u82f")
        assert panel.notice.isVisible()
        assert not panel.notice.retry.isVisible()
        panel.show_error("u82f", "The community map did not answer within 10 s. Try again.")
        assert panel.notice.retry.isVisible()
        with qtbot.waitSignal(panel.retry_wanted, timeout=20_000) as told:
            QTest.mouseClick(panel.notice.retry, LEFT)
        assert told.args == ["u82f"]
        panel.show_detail(detail())
        assert panel.heading.text == "u82f, near Cluj-Napoca"
        assert panel.comparison.sentence == "The street. Your voltage follows the cell."
        assert panel.trends[0].isVisible()
        panel.show_empty()
        assert panel.cell == ""

    def test_a_long_error_is_not_cut(self, panel) -> None:
        panel.show_error("u82f", "The community map did not answer. " * 12)
        QApplication.processEvents()
        text = panel.notice.text
        assert text.height() >= text.heightForWidth(text.width())

    @pytest.mark.parametrize(
        "made",
        [
            CellDetail("u82g"),
            CellDetail("u82g", trends=(Trend("THV", ""), Trend("THI", ""))),
            detail(trends=(trend(mean=[None] * 48, own=()), trend(mean=[], low=[], high=[], own=[], time_s=[]))),
            detail(trends=(trend(time_s=[1.0], mean=[2.0], low=[1.0], high=[3.0], own=[2.0]),)),
            detail(trends=(trend(mean=[0.0] * 48, low=[0.0] * 48, high=[0.0] * 48, own=[], limit=None),)),
            detail(harmonics=Harmonics("Odd harmonics", ORDERS, [None] * 19)),
            detail(harmonics=Harmonics("Odd harmonics")),
            detail(own=None, cell=None),
            detail(own=1e9, cell=1e-9),
        ],
    )
    def test_odd_data_is_drawn(self, panel, made) -> None:
        panel.show_detail(made)
        assert not picture(panel).isNull()

    def test_a_gap_is_hatched_and_no_data_too(self, qtbot) -> None:
        plot = shown(qtbot, TrendPlot(), 380, 140)
        whole = [3.0 + 0.01 * index for index in range(48)]
        plot.set_trend(trend(mean=whole))
        assert hatched(plot) == 0
        plot.set_trend(trend())
        in_gap = hatched(plot)
        assert in_gap > 50
        plot.set_trend(trend(mean=[None] * 48))
        assert hatched(plot) > 4 * in_gap

    def test_a_harmonic_near_its_limit_is_pointed_out(self, qtbot) -> None:
        bars = shown(qtbot, HarmonicBars(), 400, 160)
        bars.set_harmonics(Harmonics("", (3, 5, 7), (1.0, 2.0, 0.44), (), (5.0, 6.0, 0.50)))
        assert bars.nearest_limit() == 2
        bars.set_harmonics(Harmonics("", (3, 5, 7), (1.0, 2.0, None), (), (5.0, 6.0, 0.50)))
        assert bars.nearest_limit() is None


@pytest.mark.parametrize(
    ("largest", "top", "step"), [(4.7, 5.0, 1.0), (8.4, 10.0, 2.0), (33.0, 40.0, 10.0), (0.3, 0.3, 0.1)]
)
def test_ends_of_an_axis(largest, top, step) -> None:
    assert nice_top(largest) == pytest.approx((top, step))


def test_runs() -> None:
    import numpy as np

    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.array([], bool)) == []


class TestBanner:
    def test_it_never_says_that_nothing_leaves(self, qtbot) -> None:
        banner = shown(qtbot, SharingBanner(), 1200)
        assert "no measurement leaves this computer" in banner.text
        assert "nothing leaves" not in banner.text
        assert "address" not in banner.text, "the operator sees the one of the network"
        asked = []
        banner.sharing_wanted.connect(lambda: asked.append("on"))
        banner.consent_wanted.connect(lambda: asked.append("consent"))
        banner.preview_wanted.connect(lambda: asked.append("preview"))
        QTest.mouseClick(banner.button, LEFT)
        QTest.mouseClick(banner.preview, LEFT)
        banner.set_sharing(True, "u82f")
        assert "u82f" in banner.text
        assert "no measurement leaves" not in banner.text
        QTest.mouseClick(banner.button, LEFT)
        assert asked == ["on", "preview", "consent"]


class TestConsent:
    @pytest.fixture
    def panel(self, qtbot) -> ConsentPanel:
        made = ConsentPanel()
        made.set_sections([ConsentSection("What is sent", ("Means of ten minutes.", "The cell."))])
        return shown(qtbot, made, 640, 700)

    def test_no_consent_without_a_position(self, panel, qtbot) -> None:
        assert not panel.agree.isEnabled()
        assert panel.agree.toolTip() == "Say where the module is."
        panel.set_position("46.77, 23.59")
        with qtbot.waitSignal(panel.agreed, timeout=20_000) as told:
            QTest.mouseClick(panel.agree, LEFT)
        assert told.args == [("harmonics",), "46.77, 23.59"]

    def test_only_what_tells_least_is_ticked_beforehand(self, panel) -> None:
        assert panel.chosen == ("harmonics",)

    def test_a_wrong_position_or_no_choice_is_not_agreed_to(self, panel) -> None:
        panel.set_position("north pole")
        panel.set_position_problem("Type latitude and longitude, such as 46.77, 23.59.")
        assert panel.position.is_wrong
        assert not panel.agree.isEnabled()
        panel.set_position_problem("", "u82f")
        assert panel.agree.isEnabled()
        assert "u82f" in panel.position_hint.text
        seen = []
        panel.choices_changed.connect(lambda keys, _position: seen.append(keys))
        box = panel._boxes["harmonics"]
        box.setFocus()
        QTest.keyClick(box, Qt.Key.Key_Space)
        assert seen == [()]
        assert panel.agree.toolTip() == "Choose at least one thing to share."

    def test_what_is_part_of_every_message_is_not_to_be_chosen(self, panel) -> None:
        panel.set_choices([ConsentChoice("harmonics", "Harmonics", always=True), ConsentChoice("power", "Power")])
        assert panel.chosen == ("harmonics",)
        QTest.mouseClick(panel._boxes["harmonics"], LEFT)
        assert panel.chosen == ("harmonics",)
        assert panel._boxes["harmonics"].toolTip() == "Part of every message."

    def test_what_is_too_late_is_told(self, panel) -> None:
        panel.set_sharing(True, SentSoFar(1, 2000, "14:31", late=3))
        assert "3 too late" in panel.sent.text

    def test_withdrawal(self, panel, qtbot) -> None:
        assert not panel.withdraw.isVisible()
        panel.set_sharing(True, SentSoFar(12_345, 2_000_000, "14:31", 2))
        assert "12\u2009345 messages" in panel.sent.text
        with qtbot.waitSignal(panel.withdrawn, timeout=20_000):
            QTest.mouseClick(panel.withdraw, LEFT)


class TestPreview:
    def test_it_shows_and_copies_every_byte(self, qtbot) -> None:
        panel = shown(qtbot, PreviewPanel(), 500, 400)
        assert not panel.copy_button.isEnabled()
        payload = '{"type":"1P-PowerMonitor1","note":"é"}'.encode()
        panel.set_preview(Preview(payload, "v1/x/devices/y/data", ("Waits for ten minutes.",)))
        assert panel.chip.text == "Not sendable yet"
        assert panel.box.text.encode() == payload
        assert f"{len(payload)} bytes" in panel.bytes_told.text
        with qtbot.waitSignal(panel.copy_wanted, timeout=20_000) as told:
            QTest.mouseClick(panel.copy_button, LEFT)
        assert told.args == [payload.decode()]
        panel.set_preview(Preview(payload, "v1/x/devices/y/data"))
        assert panel.chip.text == "As it is sent"


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_pictures(qtbot, theme) -> None:
    PICTURES.mkdir(exist_ok=True)
    for name, panel, size in (
        ("cell", CellPanel(), (438, 740)),
        ("consent", ConsentPanel(), (640, 640)),
        ("preview", PreviewPanel(), (640, 640)),
    ):
        shown(qtbot, panel, *size)
        panel.set_theme(Theme(theme))
        if isinstance(panel, CellPanel):
            panel.show_detail(detail())
        QApplication.processEvents()
        image = picture(panel)
        assert image.pixelColor(image.width() // 2, image.height() - 6) == Theme(theme).colour("surface")
        assert image.save(str(PICTURES / f"map-{name}-{theme}.png"))
