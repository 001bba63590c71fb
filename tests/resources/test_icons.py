"""Icons: every drawing keeps to the rules of the set."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from resources import icons

NEEDED = {
    *("overview", "live", "harmonics", "phasors", "trends", "events", "modules", "firmware", "map", "settings"),
    *("status-ok", "status-warn", "status-bad", "status-info", "status-waiting", "status-running"),
    *("usb", "run", "single", "stop", "help", "chevron-down", "logo"),
    *("search", "lock", "shield", "arrow-right", "rs485", "wifi", "plus", "minus", "house", "street", "copy", "close"),
}


def test_the_set_is_complete() -> None:
    assert set(icons.names()) >= NEEDED


@pytest.mark.parametrize("name", icons.names())
def test_every_icon_is_a_20_px_drawing_in_the_callers_colour(name: str) -> None:
    source = icons.svg(name)
    root = ET.fromstring(source)
    assert root.get("viewBox") == "0 0 20 20"
    assert "currentColor" in source
    other_colours = set(re.findall(r"#[0-9A-Fa-f]{3,8}", source))
    assert other_colours == ({"#FFFFFF"} if name == "logo" else set())


@pytest.mark.parametrize("name", ["", "nosuch", "../parameters", "Live.svg"])
def test_an_unknown_icon_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        icons.svg(name)
