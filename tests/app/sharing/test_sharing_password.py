"""The broker's password on the Sharing page: asked for, asked for again, written nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from app.preferences import Preferences
from app.sharing.link import SharingLink
from app.sharing.view import SharingView
from tests.fakes.community import last_end_s
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.session_signals import SessionSignals
from tests.fakes.sharing_page import LEFT, fill
from tests.fakes.unused_port import unused_port


def test_a_password_in_an_address_is_remembered_nowhere(
    qtbot: QtBot, view: SharingView, preferences: Preferences, tmp_path: Path
) -> None:
    fill(view, "mqtts://me:sesame@broker.example")
    QTest.keyClick(view.consent.position, Qt.Key.Key_Tab)
    QTest.mouseClick(view.consent.agree, LEFT)
    qtbot.waitUntil(lambda: "holds no password" in view.addresses.state.text, timeout=20_000)
    assert "sesame" not in view.addresses.state.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "window.json" for path in files)
    assert not any(b"sesame" in path.read_bytes() for path in files)


def test_a_password_is_asked_for_and_not_written(
    qtbot: QtBot, view: SharingView, link: SharingLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    before = keyring.get_keyring()
    keyring.set_keyring(Keyring())  # a computer without one
    try:
        fill(view, f"mqtt://me@127.0.0.1:{unused_port()}")
        QTest.mouseClick(view.consent.agree, LEFT)
        qtbot.waitUntil(lambda: view.findChild(QInputDialog) is not None, timeout=20_000)
        dialog = view.findChild(QInputDialog)
        dialog.setTextValue("open sesame")
        dialog.accept()
        qtbot.waitUntil(lambda: view._state.given is not None, timeout=20_000)
        qtbot.waitUntil(lambda: view._state.phase is not None, timeout=20_000)
        assert "wants a password" not in (view._state.error or "")
        link.close()  # what is read below comes and goes while it works
        for path in (tmp_path / "data").iterdir():
            assert b"sesame" not in path.read_bytes()
    finally:
        keyring.set_keyring(before)


def test_a_password_that_is_refused_is_asked_for_again(
    qtbot: QtBot,
    view: SharingView,
    session: SessionSignals,
    link: SharingLink,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import keyring
    from keyring.backends.fail import Keyring

    monkeypatch.setattr(keyring.core, "_keyring_backend", Keyring())

    def answer(password: str) -> None:
        qtbot.waitUntil(lambda: view.findChild(QInputDialog) is not None, timeout=20_000)
        dialog = view.findChild(QInputDialog)
        dialog.setTextValue(password)
        dialog.accept()
        qtbot.waitUntil(lambda: view.findChild(QInputDialog) is None, timeout=20_000)

    with Mosquitto(tmp_path, passwords={"me": "right horse"}) as broker:
        session.connect_module()
        fill(view, f"mqtt://me@127.0.0.1:{broker.port}")
        QTest.mouseClick(view.addresses.backdated, LEFT)
        QTest.mouseClick(view.consent.agree, LEFT)
        answer("wrong horse")
        session.measure(last_end_s() - 1200, 301)
        qtbot.waitUntil(lambda: view._state.is_login_refused, timeout=20_000)
        qtbot.waitUntil(lambda: "refuses this user or password" in view.addresses.state.text, timeout=20_000)
        QTest.mouseClick(view.consent.agree, LEFT)
        answer("right horse")
        qtbot.waitUntil(lambda: view._state.counts.sent >= 1, timeout=20_000)
        assert not view._state.is_login_refused
