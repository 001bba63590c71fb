"""Icons as pixmaps."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QColor, QImage

from resources import icons
from widgets.icons import icon


def ink(image: QImage) -> list[tuple[int, int, QColor]]:
    """Pixels that are at least half covered."""
    pixels = ((x, y, image.pixelColor(x, y)) for y in range(image.height()) for x in range(image.width()))
    return [(x, y, colour) for x, y, colour in pixels if colour.alpha() > 127]


@pytest.mark.usefixtures("qapp")
@pytest.mark.parametrize("name", icons.names())
def test_every_icon_draws_inside_its_box_in_its_colour(name: str) -> None:
    image = icon(name, QColor("#20C040"), 40).toImage()
    pixels = ink(image)
    assert len(pixels) > 30
    wanted = [colour for _, _, colour in pixels if (colour.red(), colour.green(), colour.blue()) == (0x20, 0xC0, 0x40)]
    assert len(wanted) > len(pixels) / 3
    if name != "logo":
        assert all(1 <= x <= 38 and 1 <= y <= 38 for x, y, _ in pixels), "it is cut at the edge"


@pytest.mark.usefixtures("qapp")
def test_sharp_on_dense_screens() -> None:
    pixmap = icon("live", QColor("white"), 20, 2.0)
    assert (pixmap.width(), pixmap.height(), pixmap.devicePixelRatio()) == (40, 40, 2.0)
    assert pixmap.deviceIndependentSize().width() == 20


@pytest.mark.usefixtures("qapp")
def test_drawn_once() -> None:
    first = icon("map", QColor("red"), 20)
    assert icon("map", QColor("red"), 20).cacheKey() == first.cacheKey()
    assert icon("map", QColor("blue"), 20).cacheKey() != first.cacheKey()


@pytest.mark.usefixtures("qapp")
def test_unknown_icon() -> None:
    with pytest.raises(KeyError):
        icon("nosuch", QColor("red"))
