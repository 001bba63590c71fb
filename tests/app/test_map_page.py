"""The Map page against a map server with the faults that a real one has, and its pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QTimer, Signal
from pytestqt.qtbot import QtBot

from app.map_page import MapPage
from app.map_part import NO_ADDRESS, NO_CELLS
from app.preferences import Preferences
from app.sharing_link import SharingLink
from device_io.source import ModuleInfo
from tests.fakes.community import last_end_s
from tests.fakes.map_country import CountryMap
from tests.fakes.map_server import MapServer, cell_name
from tests.fakes.window_series import windows
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[2] / "screenshots"
BLOCKED_MS = 200
VALUES: dict[str, float | None] = {
    **{f"THV{phase}": 3.0 + 0.1 * phase for phase in (1, 2, 3)},
    **{f"THI{phase}": 24.0 for phase in (1, 2, 3)},
    **{f"{phase}V{order}": 5.5 / order for phase in (1, 2, 3) for order in range(3, 38, 2)},
    "Pc": 2345.0,
}


class Session(QObject):
    """The signals of a session."""

    measured = Signal(object)
    identified = Signal(object, object)
    ended = Signal()

    def connect_module(self, *capabilities: str) -> None:
        names = frozenset(capabilities or ("waveform-stream",))
        self.identified.emit(ModuleInfo("0253454E00001234", "3PN-PowerMonitor1", "3P+N", "1.4.0", (), names), None)

    def measure(self, first_s: float, count: int, length_s: float = 2.0) -> None:
        series = windows(round(first_s * 1e9), count, lambda _n: VALUES, length_ns=round(length_s * 1e9))
        for measurement in series:
            self.measured.emit(measurement)


@pytest.fixture
def session(qtbot: QtBot) -> Session:
    return Session()


@pytest.fixture
def link(session: Session, tmp_path: Path) -> Iterator[SharingLink]:
    made = SharingLink(session, tmp_path / "data", None)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_map_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSIX_MAP_URL", raising=False)


def preferences(url: str = "", cell: str = "") -> Preferences:
    made = Preferences(None)
    made.set("community", {"map_url": url, "cell": cell})
    return made


def page(qtbot: QtBot, link: SharingLink, made: Preferences, *, timeout_s: float = 10.0, show: bool = True) -> MapPage:
    shown = MapPage(link, made, timeout_s=timeout_s)
    shown.set_theme(Theme("dark"))
    shown.resize(1360, 820)
    qtbot.addWidget(shown)
    if show:
        shown.show()
    return shown


def loaded(qtbot: QtBot, shown: MapPage, number: int) -> None:
    qtbot.waitUntil(lambda: len(shown.map.view.canvas.grid) == number, timeout=15_000)


def test_pictures_first(qtbot: QtBot, session: Session, link: SharingLink) -> None:
    with CountryMap() as server:
        shown = page(qtbot, link, preferences(server.url, "u82f"))
        session.connect_module()
        session.measure(last_end_s(), 30)
        loaded(qtbot, shown, 104)
        shown.map.open_cell("u82f")
        qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith("u82f, near"), timeout=5000)
        qtbot.wait(700)
        PICTURES.mkdir(exist_ok=True)
        for theme in ("dark", "light"):
            shown.set_theme(Theme(theme))
            for size, compact in (((1364, 816), False), ((952, 556), True)):
                shown.resize(*size)
                shown.set_compact(compact)
                for part in ("map", "sharing"):
                    shown.show_part(part)
                    qtbot.wait(800)
                    shown.grab().save(str(PICTURES / f"mappage-{part}-{theme}-{size[0]}.png"))
