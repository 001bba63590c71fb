"""The Map page with its Sharing part in front, beside a session that a test drives."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.map.page import MapPage
from app.preferences import Preferences
from app.sharing.link import SharingLink
from app.sharing.view import SharingView


@pytest.fixture
def preferences(tmp_path: Path) -> Preferences:
    return Preferences(tmp_path / "window.json")


@pytest.fixture
def page(qtbot: QtBot, link: SharingLink, preferences: Preferences) -> MapPage:
    made = MapPage(link, preferences)
    qtbot.addWidget(made)
    made.resize(1364, 816)
    made.show_part("sharing")
    made.show()
    return made


@pytest.fixture
def view(page: MapPage) -> SharingView:
    return page.sharing
