"""The Map page: what others measure, whether it is me or the street, and sharing one's own values."""

from __future__ import annotations

import time

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from app.map.detail import size_of
from app.map.loader import MapLoader
from app.map.part import MapPart
from app.preferences import Preferences
from app.sharing.link import SharingLink
from app.sharing.service import SharingState
from app.sharing.setup import Setup, keep_setup, load_setup
from app.sharing.view import SharingView
from widgets.controls.segment import Segment
from widgets.map import SharingBanner
from widgets.theme import Theme

_EDGE, _EDGE_COMPACT = 12, 8


class MapPage(QWidget):
    """Nothing is asked of a map before it is shown. timeout_s: for one answer of the map."""

    def __init__(
        self, link: SharingLink, preferences: Preferences, parent: QWidget | None = None, *, timeout_s: float = 10.0
    ) -> None:
        super().__init__(parent)
        self._link, self._preferences = link, preferences
        setup = load_setup(preferences, link.service.given)
        self.banner = SharingBanner()
        self.choice = Segment([("map", "Map"), ("sharing", "Sharing")], name="Part of the page")
        self.loader = MapLoader(self, timeout_s=timeout_s)
        self.map = MapPart(self.loader, lambda: link.service.own.present(time.time()))
        self.sharing = SharingView(link, setup)
        self._top = QHBoxLayout()
        self._top.addWidget(self.choice, 0, Qt.AlignmentFlag.AlignVCenter)
        self._top.addWidget(self.banner, 1)
        below = QWidget()
        self._stack = QStackedLayout(below)
        self._stack.addWidget(self.map)
        self._stack.addWidget(self.sharing)
        self._outer = QVBoxLayout(self)
        self._outer.addLayout(self._top)
        self._outer.addWidget(below, 1)
        self._shown_setup = Setup()
        self.choice.changed.connect(lambda name: self.show_part(str(name)))
        self.banner.preview_wanted.connect(self._show_preview)
        self.banner.sharing_wanted.connect(lambda: self.show_part("sharing"))
        self.banner.consent_wanted.connect(lambda: self.show_part("sharing"))
        self.sharing.setup_changed.connect(self._on_setup)
        link.state_changed.connect(self._on_state)
        self._use(setup)
        self._on_state(link.service.state)
        self.set_compact(False)

    def show_part(self, name: str) -> None:
        """Bring "map" or "sharing" to the front. ValueError for another name."""
        self.choice.set_value(name)
        self._stack.setCurrentWidget(self.map if name == "map" else self.sharing)
        self._look()

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        for part in (self.banner, self.choice, self.map, self.sharing):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        edge = _EDGE_COMPACT if compact else _EDGE
        self._outer.setContentsMargins(edge, edge, edge, edge)
        self._outer.setSpacing(edge)
        self._top.setSpacing(edge)
        for part in (self.banner, self.map, self.sharing):
            part.set_compact(compact)

    def _show_preview(self) -> None:
        self.show_part("sharing")
        self.sharing.preview.box.edit.setFocus()

    def _on_setup(self, setup: Setup) -> None:
        keep_setup(self._preferences, setup)
        self._use(setup)

    def _use(self, setup: Setup) -> None:
        before, self._shown_setup = self._shown_setup, setup
        if (setup.map_url, setup.authorities) != (before.map_url, before.authorities):
            self.map.set_address(setup.map_url, setup.authorities)
        if setup.cell != before.cell:
            self.map.set_own_cell(setup.cell)
        self._tell_banner()

    def _on_state(self, state: SharingState) -> None:
        del state
        self._tell_banner()

    def _tell_banner(self) -> None:
        given, cell = self._link.service.state.given, self._shown_setup.cell
        size = {"size": size_of(cell)} if cell else {}
        self.banner.set_sharing(given is not None, given.choices.cell if given is not None else "", **size)

    def _look(self) -> None:
        if self.isVisible() and self._stack.currentWidget() is self.map:
            self.map.begin()
        else:
            self.map.pause()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.map.pause()
