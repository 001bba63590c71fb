"""What tests of the map and of sharing begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.sharing.link import SharingLink
from tests.fakes.session_signals import SessionSignals


@pytest.fixture
def session(qtbot: QtBot) -> SessionSignals:
    return SessionSignals()


@pytest.fixture
def link(session: SessionSignals, tmp_path: Path) -> Iterator[SharingLink]:
    made = SharingLink(session, tmp_path / "data", None)  # type: ignore[arg-type]
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_map_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSIX_MAP_URL", raising=False)
