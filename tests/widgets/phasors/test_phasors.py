"""The phasor diagram: angles, lengths, rotation, and names that do not overlap."""

from __future__ import annotations

import cmath
import math
import random

import pytest
from PySide6.QtCore import QPointF, QSizeF, Qt
from PySide6.QtGui import QGuiApplication, QImage

from resources.systems import channels_of
from widgets.numbers import MINUS, THIN_SPACE
from widgets.phasors import PhasorView
from widgets.phasors.labels import place_labels, tip_of
from widgets.phasors.model import Arrow, Phasors
from widgets.theme import Theme

THEME = Theme("dark")


def phasor(rms, angle_deg):
    return cmath.rect(rms, math.radians(angle_deg))


NORMAL = {
    "V1": complex(231.6, 0),
    "V2": phasor(229.9, -119.8),
    "V3": phasor(230.8, 120.1),
    "I1": phasor(14.46, -14.0),
    "I2": phasor(12.2, -138.8),
    "I3": phasor(10.17, 109.1),
    "IN": phasor(3.4, -70.0),
}


@pytest.fixture
def view(qtbot):
    widget = PhasorView()
    qtbot.addWidget(widget)
    widget.set_theme(THEME)
    widget.resize(431, 394)
    widget.set_system(channels_of("3P+N"))
    return widget


def picture(widget):
    widget.grab()  # lays the card out
    return widget.diagram.image(1.0).convertToFormat(QImage.Format.Format_RGB32)


def test_angles_and_lengths():
    phasors = Phasors(channels_of("3P+N"), NORMAL)
    texts = [phasors.angle_text(channel) for channel in phasors.channels]
    assert texts == ["0.0°", f"{MINUS}119.8°", "120.1°", f"{MINUS}14.0°", f"{MINUS}138.8°", "109.1°", f"{MINUS}70.0°"]
    lengths = {arrow.channel: arrow.length for arrow in phasors.arrows}
    assert lengths["V1"] == pytest.approx(0.94)
    assert lengths["V2"] == pytest.approx(0.94 * 229.9 / 231.6)
    assert lengths["I1"] == pytest.approx(0.69)
    assert lengths["IN"] == pytest.approx(0.69 * 3.4 / 14.46)
    assert phasors.subtitle == "fundamental, V1 = 0°"
    assert phasors.describe("V2") == f"V2 229.9{THIN_SPACE}V at {MINUS}119.8°"


def test_absent_dead_and_broken_channels_are_na():
    values = {**NORMAL, "V3": phasor(0.05, 70.0), "I2": complex(math.nan, 0), "I3": 0j}
    del values["V2"]
    phasors = Phasors(channels_of("3P+N"), values)
    assert [arrow.channel for arrow in phasors.arrows] == ["V1", "I1", "IN"]
    assert [phasors.angle_text(name) for name in ("V2", "V3", "I2", "I3")] == ["n/a"] * 4
    assert phasors.describe("V2") == "V2 n/a"
    assert Phasors(channels_of("1P"), {"V1": 0j, "I1": 0j}).arrows == ()


def test_reference_moves_when_v1_is_missing():
    values = {"V2": complex(230, 0), "I2": phasor(5, -20)}
    assert Phasors(channels_of("3P"), values).subtitle == "fundamental, V2 = 0°"
    assert Phasors(channels_of("3P"), {"V2": phasor(230, 30)}).subtitle == "fundamental, no reference"


@pytest.mark.parametrize(
    ("v2", "v3", "expected"),
    [
        (phasor(230, -120), phasor(230, 120), ("ok", "Rotation L1 L2 L3")),
        (phasor(230, 120), phasor(230, -120), ("warn", "Rotation L1 L3 L2")),
        (phasor(150, -120), phasor(180, 110), ("ok", "Rotation L1 L2 L3")),
        (phasor(230, 0), phasor(230, 0), ("waiting", "Rotation n/a")),
        (phasor(230, 180), phasor(230, 0), ("waiting", "Rotation n/a")),
        (phasor(5, -120), phasor(230, 120), ("waiting", "Rotation n/a")),
        (None, phasor(230, 120), ("waiting", "Rotation n/a")),
        (complex(math.nan, 0), phasor(230, 120), ("waiting", "Rotation n/a")),
    ],
)
def test_rotation(v2, v3, expected):
    values = {"V1": complex(230, 0), "V2": v2, "V3": v3}
    values = {name: value for name, value in values.items() if value is not None}
    assert Phasors(channels_of("3P"), values).rotation() == expected


def test_rotation_is_told_once(view):
    said = []
    view.rotation_changed.connect(lambda *state: said.append(state))
    view.set_phasors(NORMAL)
    view._latest.clear()
    view.set_phasors(NORMAL)
    view._latest.clear()
    view.set_phasors({**NORMAL, "V2": NORMAL["V3"], "V3": NORMAL["V2"]})
    view.set_system(channels_of("1P"))
    assert said == [("ok", "Rotation L1 L2 L3"), ("warn", "Rotation L1 L3 L2"), ("waiting", "Rotation n/a")]
    view._latest.clear()
    view.set_phasors(NORMAL)
    assert view.rotation == ("waiting", "Rotation n/a")


def test_arrows_are_drawn_where_the_angles_say(view):
    view.set_phasors({"V1": complex(230, 0), "V2": phasor(230, -90), "V3": phasor(230, 120)})
    image = picture(view)
    centre, radius = view.diagram.circle()
    for channel, angle in (("V1", 0), ("V2", -90), ("V3", 120)):
        for share in (0.3, 0.6, 0.9):
            tip = tip_of(Arrow(channel, share, angle), centre, radius)
            near = [
                image.pixelColor(round(tip.x()) + dx, round(tip.y()) + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)
            ]
            assert THEME.phase(channel) in near, (channel, share)
    beyond = tip_of(Arrow("V1", 0.97, 0), centre, radius)
    assert image.pixelColor(round(beyond.x()), round(beyond.y())) != THEME.phase("V1")


def test_current_is_dashed_and_voltage_is_not(view):
    view.set_phasors({"V1": complex(230, 0), "I1": phasor(10, 180)})
    image = picture(view)
    centre, radius = view.diagram.circle()

    # A dash of 1.6 px covers no pixel wholly.
    half = (THEME.phase("L1").red() + THEME.colour("plot").red()) / 2

    def inked(direction, reach):
        y = round(centre.y())
        xs = [round(centre.x() + direction * step) for step in range(8, int(reach * radius))]
        return [any(image.pixelColor(x, y + dy).red() > half for dy in (-1, 0, 1)) for x in xs]

    assert all(inked(1, 0.85))
    dashed = inked(-1, 0.55)
    assert 0.4 < sum(dashed) / len(dashed) < 0.75
    gaps = "".join("x" if ink else " " for ink in dashed)
    assert "xxxx" in gaps
    assert "xxxxxxxx" not in gaps


@pytest.mark.parametrize("seed", range(12))
def test_names_do_not_overlap(seed):
    chance = random.Random(seed)
    arrows = [Arrow(f"V{n}", 0.94, 120.0 * n + chance.uniform(-20, 20)) for n in (1, 2, 3)]
    arrows += [Arrow(f"I{n}", chance.uniform(0.3, 0.69), 120.0 * n + chance.uniform(-60, 60)) for n in (1, 2, 3)]
    arrows.append(Arrow("IN", chance.uniform(0.1, 0.4), chance.uniform(-180, 180)))
    sizes = {arrow.channel: QSizeF(17, 13) for arrow in arrows}
    rects, places = place_labels(arrows, sizes, QPointF(156, 176), 120.0, {})
    names = list(rects)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert not rects[first].intersects(rects[second]), (first, second)
    again, _ = place_labels(arrows, sizes, QPointF(156, 176), 120.0, places)
    assert again == rects


def test_names_do_not_jump_with_noise():
    chance = random.Random(5)
    sizes = {name: QSizeF(17, 13) for name in NORMAL}
    places: dict = {}
    seen = set()
    for _ in range(200):
        values = {name: value * cmath.exp(1j * chance.gauss(0, 0.004)) for name, value in NORMAL.items()}
        arrows = Phasors(channels_of("3P+N"), values).arrows
        _, places = place_labels(arrows, sizes, QPointF(156, 176), 120.0, places)
        seen.add(tuple(sorted(places.items())))
    assert len(seen) <= 3


def test_keys_read_and_copy(view, qtbot):
    view.set_phasors(NORMAL)
    diagram = view.diagram
    qtbot.keyClick(diagram, Qt.Key.Key_Down)
    qtbot.keyClick(diagram, Qt.Key.Key_Down)
    assert diagram.accessibleDescription() == f"V2 229.9{THIN_SPACE}V at {MINUS}119.8°"
    qtbot.keyClick(diagram, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == view.text()
    assert len(view.text().splitlines()) == 7


def test_tab_reaches_it_and_shows_where(view, qtbot):
    view.set_phasors(NORMAL)
    view.show()

    def focused():
        view.activateWindow()
        view.diagram.clearFocus()
        view.diagram.setFocus(Qt.FocusReason.TabFocusReason)
        return view.diagram.hasFocus()

    qtbot.waitUntil(focused, timeout=20_000)
    assert view.diagram.accessibleDescription().startswith("V1 231.6")
    image = view.grab().toImage()
    accent = THEME.colour("accent")
    assert any(image.pixelColor(x, y) == accent for x in range(290, 431) for y in range(50, 394))


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("system", ["", "1P", "1P+N", "3P", "3P+N"])
def test_paints_for_every_system(view, name, system):
    view.set_system(channels_of(system) if system else ())
    view.set_theme(Theme(name), 1.25)
    view.set_phasors(NORMAL)
    view.resize(320, 260)
    image = view.grab().toImage()
    assert len({image.pixel(x, y) for x in range(0, 320, 3) for y in range(60, 260, 3)}) > 3
    if not system:
        assert "Choose a module" in view.diagram.accessibleDescription()
