"""The window with a virtual module behind a real serial line, and its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from pytestqt.qtbot import QtBot

from app.preferences import Preferences
from app.window.main_window import MainWindow
from device_io.source import LinkPhase
from device_io.virtual_module.faults import Faults, parse_faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.plug import Plug
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def window(qtbot: QtBot) -> Iterator[MainWindow]:
    made = MainWindow(Preferences(None), "dark")
    made.resize(QSize(1440, 900))
    qtbot.addWidget(made)
    made.show()
    made.show_page("live")
    yield made
    made.disconnect_module()


@pytest.fixture
def office() -> Iterator[str]:
    port = UsbPort(VirtualModule("office"), parse_faults(""))
    yield port.start()
    port.stop()


def measured(window: MainWindow, qtbot: QtBot, count: int = 1) -> None:
    for _ in range(count):
        with qtbot.waitSignal(window.session.measured, timeout=30_000):
            pass


def test_three_phases_move_and_are_measured(window: MainWindow, qtbot: QtBot, office: str) -> None:
    window.connect_to(office)
    measured(window, qtbot, 3)
    figures = window.live.figures
    for part in ("231.6", "49.98"):
        qtbot.waitUntil(lambda part=part: part in figures.meters.text_table(), timeout=20_000)
    qtbot.waitUntil(lambda: figures.spectrum.notice == ("warn", "15th on L3 near limit"), timeout=20_000)
    store = window.session._connection.store  # type: ignore[union-attr]
    before_s = store.latest_s()
    qtbot.waitUntil(lambda: store.latest_s() > before_s + 0.2, timeout=20_000)


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("size", [(1440, 900), (1280, 720), (1920, 1080), (1024, 640)])
def test_pictures_of_the_live_page(
    window: MainWindow, qtbot: QtBot, office: str, theme: str, size: tuple[int, int]
) -> None:
    window.set_theme(Theme(theme))
    window.resize(*size)
    window.connect_to(office)
    measured(window, qtbot, 3)
    picture = window.grab().toImage()
    assert (picture.width(), picture.height()) == size
    colours = {picture.pixelColor(x, y).name() for x in range(0, size[0], 7) for y in range(0, size[1], 7)}
    assert len(colours) > 30
    run = window.live.scope.header.run
    assert run.width() >= run.sizeHint().width(), "no word of the run control is cut"
    PICTURES.mkdir(exist_ok=True)
    assert picture.save(str(PICTURES / f"live-{theme}-{size[0]}x{size[1]}.png"))


def test_without_a_module_the_window_says_what_to_do(window: MainWindow, qtbot: QtBot) -> None:
    PICTURES.mkdir(exist_ok=True)
    for theme in ("dark", "light"):
        window.set_theme(Theme(theme))
        assert window.grab().save(str(PICTURES / f"live-empty-{theme}.png"))
    assert not window.session.is_connected


def test_an_absent_port_is_told_and_does_not_end_the_window(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(
        window.session.state_changed, timeout=30_000, check_params_cb=lambda state: state.error is not None
    ) as heard:
        window.connect_to("usb:/dev/ttyNOPE")
    assert "ttyNOPE" in str(heard.args[0].error)
    window.disconnect_module()
    assert not window.session.is_connected


def test_unplugging_shows_a_gap_and_resumes(window: MainWindow, qtbot: QtBot) -> None:
    plug = Plug()
    port = UsbPort(VirtualModule("clean"), Faults(unplug=(plug,)))
    try:
        window.connect_to(port.start())
        measured(window, qtbot, 2)
        with qtbot.waitSignal(
            window.session.state_changed, timeout=30_000, check_params_cb=lambda state: state.phase is LinkPhase.LOST
        ):
            plug.out = True
        qtbot.wait(500)  # so long nothing comes
        with qtbot.waitSignal(window.session.measured, timeout=30_000, check_params_cb=lambda m: "gap" in m.flags):
            plug.out = False
        measured(window, qtbot, 3)
        store = window.session._connection.store  # type: ignore[union-attr]
        gaps = store.gaps(store.oldest_s(), store.latest_s())
        # A computer that can't keep up loses samples besides.
        assert len([1 for start_s, end_s in gaps if end_s - start_s > 0.5]) == 1
        window.grab().save(str(PICTURES / "live-gap-dark.png"))
    finally:
        window.disconnect_module()
        port.stop()


def test_changing_from_one_module_to_another_forgets_the_first(window: MainWindow, qtbot: QtBot, office: str) -> None:
    house = VirtualModule("us-house", "1P+N")
    other = UsbPort(house, parse_faults(""))
    try:
        window.connect_to(office)
        measured(window, qtbot)
        window.connect_to(other.start())
        measured(window, qtbot, 3)
        meters = window.live.figures.meters
        qtbot.waitUntil(lambda: f"Voltage\t{house.truth['V1r']:.1f}" in meters.text_table(), timeout=20_000)
        assert "L3" not in meters.text_table()
        window.grab().save(str(PICTURES / "live-1p-dark.png"))
    finally:
        window.disconnect_module()
        other.stop()


def test_the_window_remembers_how_it_looked(qtbot: QtBot, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "window.json"
    first = MainWindow(Preferences(path))
    qtbot.addWidget(first)
    first.resize(1300, 820)
    first._appearance.choose("dark")
    first._appearance.choose_palette("us")
    first.live.scope.set_time_per_division(0.02)
    first.close()
    kept = Preferences(path)
    assert kept.get("theme", str) == "dark"
    assert kept.get("palette", str) == "us"
    assert kept.get("size", list) == [1300, 820]
    second = MainWindow(kept)
    qtbot.addWidget(second)
    assert second.live.scope.state() == first.live.scope.state()
    assert second._appearance.theme == Theme("dark", "us")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"schema": 99}', '{"schema": 1, "oscilloscope": 7, "size": "x", "theme": []}']
)
def test_broken_preferences_count_as_none(qtbot: QtBot, tmp_path: Path, text: str) -> None:
    path = tmp_path / "window.json"
    path.write_text(text, encoding="utf-8")
    window = MainWindow(Preferences(path))
    qtbot.addWidget(window)
    assert Preferences(path).get("size", list) is None


def test_the_virtual_module_is_chosen_from_the_menu(window: MainWindow, qtbot: QtBot) -> None:
    menu = window._module_menu.build([("/dev/ttyUSB7", "CP2102 bridge")], connected=True)
    texts = [action.text() for action in menu.actions()]
    assert "/dev/ttyUSB7  (CP2102 bridge)" in texts
    assert "Disconnect" in texts
    demo = next(action.menu() for action in menu.actions() if action.text() == "Virtual module")
    clean = next(action for action in demo.actions() if action.text() == "clean")
    clean.trigger()
    measured(window, qtbot)
    process = window.session._demo._process  # type: ignore[union-attr]
    window.disconnect_module()
    assert process.poll() is not None
    assert "No serial port found" in window._module_menu.build([], connected=False).actions()[0].text()


def test_the_theme_is_changed_by_menu_and_key(window: MainWindow, qtbot: QtBot) -> None:
    themes: list[Theme] = []
    window._appearance.theme_changed.connect(themes.append)
    qtbot.keyClick(window, "t", Qt.KeyboardModifier.ControlModifier)
    assert [theme.name for theme in themes] == ["light"]
    menu = window._appearance.build()
    next(action for action in menu.actions() if action.text().startswith("US")).trigger()
    assert themes[-1] == Theme("light", "us")
