"""Colours of the light and dark theme and the palettes of the phases, as plain text (`#RRGGBB`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _document() -> dict[str, Any]:
    text = Path(__file__).with_name("themes.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


def colours(theme: str) -> dict[str, str]:
    """{token: "#RRGGBB"} of "dark" or "light". KeyError for another name."""
    return dict(_document()["colours"][theme])


def palette(name: str, theme: str) -> dict[str, str]:
    """{"L1", "L2", "L3", "N": "#RRGGBB"} of the palette "iec", "us" or "colour-blind". KeyError for another name."""
    return dict(_document()["palettes"][name][theme])


def palettes() -> tuple[str, ...]:
    """Names of the palettes."""
    return tuple(_document()["palettes"])
