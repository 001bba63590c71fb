"""How the window comes to its Map page and to live sharing. Both load much: not before they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from app.preferences import Preferences
from app.window.module_session import ModuleSession
from device_io.source import ModuleInfo

if TYPE_CHECKING:
    from app.sharing.link import SharingLink

RESUME_MS = 3000
"""Live sharing goes on so long after the window has been made: the first picture comes first."""


class MapPages(QObject):
    """Makes the page, and goes on with sharing where consent stands though nobody opens it. `close` ends it."""

    def __init__(self, session: ModuleSession, preferences: Preferences, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._preferences = session, preferences
        self._info: ModuleInfo | None = None
        self._sharing: SharingLink | None = None
        self._resume = QTimer(self, singleShot=True, interval=RESUME_MS)
        self._resume.timeout.connect(self._go_on)
        self._resume.start()
        session.identified.connect(self._on_identity)
        session.ended.connect(self._on_end)

    def share(self) -> SharingLink:
        """Live sharing beside the session, begun if it was not; it sends nothing without consent."""
        if self._sharing is None:
            from app.data_folder import data_folder
            from app.sharing.link import SharingLink

            self._sharing = SharingLink(self._session, data_folder(), self._info, self)
        return self._sharing

    def make(self) -> QWidget:
        """The page."""
        from app.map.page import MapPage

        return MapPage(self.share(), self._preferences)

    def close(self) -> None:
        """End sharing within 2 s. What waits stays."""
        self._resume.stop()
        if self._sharing is not None:
            self._sharing.close()

    def _go_on(self) -> None:
        from app.community.consent import FILE
        from app.data_folder import data_folder

        if (data_folder() / FILE).exists():
            self.share()

    def _on_identity(self, info: ModuleInfo, _store: object) -> None:
        self._info = info

    def _on_end(self) -> None:
        self._info = None
