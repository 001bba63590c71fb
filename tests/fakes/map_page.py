"""A Map page in a window of its own, and what a test looks at."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.map.page import MapPage
from app.preferences import Preferences
from app.sharing.link import SharingLink
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[2] / "screenshots"


def preferences(url: str = "", cell: str = "") -> Preferences:
    made = Preferences(None)
    made.set("community", {"map_url": url, "cell": cell})
    return made


class Watch:
    """How often the window's thread looks at its events, and how long it works (its CPU time) between two looks."""

    def __init__(self) -> None:
        self.looks = 0
        self.longest_work_s = 0.0
        self._work_s = time.thread_time()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        work_s = time.thread_time()
        self.looks += 1
        self.longest_work_s = max(self.longest_work_s, work_s - self._work_s)
        self._work_s = work_s


def page(qtbot: QtBot, link: SharingLink, made: Preferences, *, timeout_s: float = 10.0, show: bool = True) -> MapPage:
    frame = QWidget()
    link.frame = frame  # type: ignore[attr-defined]  # else it ends with this function
    shown = MapPage(link, made, frame, timeout_s=timeout_s)
    column = QHBoxLayout(frame)
    column.setContentsMargins(0, 0, 0, 0)
    column.addWidget(shown)
    frame.resize(1364, 816)
    qtbot.addWidget(frame)
    if show:
        frame.show()
    return shown


def paint(shown: MapPage, name: str, size: tuple[int, int] = (1364, 816)) -> None:
    """Pictures of the page, dark and light, as they are in a window of 1440x900 or 1024x640."""
    PICTURES.mkdir(exist_ok=True)
    frame = shown.window()
    frame.resize(*size)
    shown.set_compact(size[0] < 1290)
    QApplication.processEvents()
    for theme in ("light", "dark"):
        palette = frame.palette()
        palette.setColor(frame.backgroundRole(), Theme(theme).colour("bg"))
        frame.setPalette(palette)
        shown.set_theme(Theme(theme))
        picture = frame.grab().toImage()
        assert (picture.width(), picture.height()) == size
        assert picture.save(str(PICTURES / f"map-page-{name}-{theme}-{size[0]}.png"))


def loaded(qtbot: QtBot, shown: MapPage, number: int) -> None:
    qtbot.waitUntil(lambda: len(shown.map.view.canvas.grid) == number, timeout=45_000)


def opened(qtbot: QtBot, shown: MapPage, cell: str) -> None:
    shown.map.open_cell(cell)
    qtbot.waitUntil(lambda: shown.map.panel.heading.text.startswith(cell), timeout=20_000)


def notice(shown: MapPage) -> str:
    """The sentence over the map, "" where there is none."""
    return shown.map.view.notice.text.text if not shown.map.view.notice.isHidden() else ""
