"""The pages beside Live: made when they are shown first, and joined with the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from app.map.pages import MapPages
from app.preferences import Preferences
from app.window.module_session import ModuleSession
from device_io.source import LinkError, LinkPhase, LinkState, ModuleInfo, ModuleLink

if TYPE_CHECKING:
    from app.firmware_page.page import FirmwarePage
    from app.modules.finder import ModuleFinder
    from app.modules.groups import Group
    from app.modules.settings import Target

RAIL = (
    ("live", "Live", "live", True, ""),
    ("modules", "Modules", "modules", True, ""),
    ("firmware", "Firmware", "firmware", True, ""),
    ("map", "Map", "map", True, ""),
)


LOST_MS = 3000
"""A link that is lost for so long is given up for another one of the same module."""


class WindowPages(QObject):
    """Makes pages and tells them of the session. `close` ends what they run."""

    connect_wanted = Signal(str)
    """URL of a module to measure with."""
    say = Signal(str)
    """One sentence for a person."""
    close_wanted = Signal()
    """The person wanted to close the window while a module was being flashed, which has ended since."""

    def __init__(self, session: ModuleSession, preferences: Preferences, parent: QObject) -> None:
        super().__init__(parent)
        self._session, self._preferences = session, preferences
        self._finder: ModuleFinder | None = None
        self._firmware: FirmwarePage | None = None
        self._map = MapPages(session, preferences, self)
        self._notified: list[Callable[[], None]] = []
        self._url = ""
        self._info: ModuleInfo | None = None
        self._patience = QTimer(self, singleShot=True, interval=LOST_MS)
        self._patience.timeout.connect(self._use_another_link)
        session.identified.connect(self._on_identity)
        session.state_changed.connect(self._on_state)
        session.ended.connect(self._on_end)

    def factories(self) -> dict[str, Callable[[], QWidget]]:
        """What makes each page."""
        return {"modules": self._make_modules, "firmware": self._make_firmware, "map": self._map.make}

    def may_close(self) -> bool:
        """Whether the window may close now; else a person is asked, and `close_wanted` comes when it may."""
        return self._firmware is None or self._firmware.may_close()

    def close(self) -> None:
        """End what the pages run."""
        if self._firmware is not None:
            self._firmware.end()
        self._map.close()
        if self._finder is not None:
            self._finder.stop()

    # Making pages

    def _make_modules(self) -> QWidget:
        from app.data_folder import data_folder
        from app.modules.groups import Groups
        from app.modules.page import ModulesPage
        from app.modules.search_places import search_places
        from app.modules.settings_change import History

        page = ModulesPage(
            self._modules(),
            Groups(self._preferences),
            History(data_folder() / "settings-history.jsonl"),
            places=lambda: search_places(self._preferences),
            used=self._target,
        )
        self._notified.append(page.notify)
        page.connect_wanted.connect(self.connect_wanted)
        page.group_wanted.connect(self._connect_group)
        return page

    def _make_firmware(self) -> QWidget:
        from app.firmware_page.facts import usual_keeping
        from app.firmware_page.modules import Used
        from app.firmware_page.page import FirmwarePage

        finder = self._modules()
        page = self._firmware = FirmwarePage(
            self._session,
            usual_keeping(),
            used=lambda: Used(self._url, self._info) if self._url else None,
            modules=finder.modules,
            silent=finder.silent,
        )
        self._notified.append(page.notify)
        page.close_wanted.connect(self.close_wanted)
        return page

    def _modules(self) -> ModuleFinder:
        """The list of modules, which is watched from now on."""
        from app.modules.finder import ModuleFinder

        if self._finder is None:
            told = self._notified

            def changed() -> None:
                for tell in tuple(told):
                    tell()

            self._finder = ModuleFinder(changed, prompt=self._session.prompt)
            self._finder.start()
            self._tell_finder(LinkPhase.STREAMING, None)
        return self._finder

    def _target(self) -> Target | None:
        from app.modules.settings import Target

        link = self._session.link
        if link is None or self._info is None or self._info.eui is None or not hasattr(link, "read_settings"):
            return None
        return Target(self._url, self._info.eui, cast(ModuleLink, link))

    def _connect_group(self, group: Group) -> None:
        finder = self._finder
        assert finder is not None
        urls = []
        for eui in group.members:
            module = finder.module(eui)
            if module is None or not module.links:
                self.say.emit(f"{group.name}: not all of its modules are found. Connect them, or search for them.")
                return
            urls.append(module.links[0].url)
        try:
            self._session.connect_group(urls)
        except LinkError as error:
            self.say.emit(str(error))

    # What the session tells

    def _on_identity(self, info: ModuleInfo, _store: object) -> None:
        self._info = info
        self._tell_finder(LinkPhase.STREAMING, None)

    def _on_state(self, state: LinkState) -> None:
        if state.url != self._url:
            self._release()
            self._url = state.url
        if state.phase in (LinkPhase.STREAMING, LinkPhase.LOST, LinkPhase.FAILED):
            self._tell_finder(state.phase, state.error)
        if state.phase is not LinkPhase.LOST:
            self._patience.stop()
        elif not self._patience.isActive():
            self._patience.start()

    def _use_another_link(self) -> None:
        """The link in use stays lost: measure over the next best one of the same module."""
        if self._finder is None or self._info is None or self._info.eui is None:
            return
        best = self._finder.best_link(self._info.eui)
        if best is not None and best.url != self._url:
            self.connect_wanted.emit(best.url)

    def _on_end(self) -> None:
        self._patience.stop()
        self._release()
        self._url, self._info = "", None

    def _release(self) -> None:
        if self._finder is not None:
            for url in self._url.split():
                self._finder.release(url)

    def _tell_finder(self, phase: LinkPhase, error: LinkError | None) -> None:
        from device_io.discovery.module_list import Presence

        if self._finder is None or not self._url:
            return
        if self._info is None:
            return
        presence = Presence.USED if phase is LinkPhase.STREAMING else Presence.LOST
        info = self._info if self._info.eui is not None else None  # a group has none: its members stay as they are
        for url in self._url.split():
            self._finder.use(url, info, presence, str(error) if error is not None else None)
