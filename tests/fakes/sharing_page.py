"""What a person does on the Sharing page."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.sharing.link import SharingLink
from app.sharing.view import SharingView

LEFT = Qt.MouseButton.LeftButton
PLACE = "46.76543, 23.59321"


def type_into(entry, text: str) -> None:
    entry.setFocus()
    entry.selectAll()
    QTest.keyClicks(entry, text)


def fill(view: SharingView, broker: str, place: str = PLACE) -> None:
    type_into(view.addresses.broker, broker)
    type_into(view.consent.position, place)


def agree(qtbot: QtBot, view: SharingView, link: SharingLink) -> None:
    QTest.mouseClick(view.consent.agree, LEFT)
    qtbot.waitUntil(lambda: link.service.state.given is not None and view._state.given is not None, timeout=20_000)
