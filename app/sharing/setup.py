"""What a person has set up for the community map beside their consent: addresses and the own cell. Stays here."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from app.community.broker import BrokerError, parse_broker
from app.community.consent import Given
from app.preferences import Preferences
from resources.geohash import CELL_LENGTH, PositionError, bounds

MAP_URL = "SENSIX_MAP_URL"
"""Names a map in the environment; it wins over what is remembered."""
_KEY = "community"


@dataclass(frozen=True)
class Setup:
    """Addresses as typed, "" for none. cell: geohash of 4 letters, never finer, "" where it is not known."""

    broker: str = ""
    map_url: str = ""
    accepts_backdated: bool = False
    cell: str = ""

    @property
    def authorities(self) -> tuple[Path, ...]:
        """Certificates that the broker's address names; they serve for the map too."""
        try:
            return parse_broker(self.broker).ca if self.broker else ()
        except BrokerError:
            return ()


def load_setup(preferences: Preferences, given: Given | None) -> Setup:
    """As remembered, and as consented to where consent stands."""
    kept = preferences.get(_KEY, dict, {})
    words = {name: kept[name] for name in ("broker", "map_url", "cell") if isinstance(kept.get(name), str)}
    setup = Setup(**words, accepts_backdated=kept.get("accepts_backdated") is True)
    if given is not None:
        choices = given.choices
        setup = Setup(choices.broker, setup.map_url or choices.map_url, choices.accepts_backdated, choices.cell)
    if not _is_cell(setup.cell):
        setup = replace(setup, cell="")
    return replace(setup, map_url=os.environ.get(MAP_URL) or setup.map_url)


def keep_setup(preferences: Preferences, setup: Setup) -> None:
    """Remember it."""
    preferences.set(
        _KEY,
        {
            "broker": setup.broker,
            "map_url": setup.map_url,
            "accepts_backdated": setup.accepts_backdated,
            "cell": setup.cell,
        },
    )
    preferences.save()


def _is_cell(text: str) -> bool:
    try:
        bounds(text)
    except PositionError:
        return False
    return len(text) == CELL_LENGTH and text == text.lower()
