"""How the window comes to its Map page and to live sharing. Both load much: not before they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from app.module_session import ModuleSession
from app.preferences import Preferences
from device_io.source import ModuleInfo

if TYPE_CHECKING:
    from app.sharing_link import SharingLink


def sharing_may_stand() -> bool:
    """Whether there is a record of consent: then live sharing has to run though nobody opens the page."""
    from app.community.consent import FILE
    from app.community.folder import data_folder

    return (data_folder() / FILE).exists()


def make_sharing(session: ModuleSession, info: ModuleInfo | None, parent: QObject) -> SharingLink:
    """Live sharing beside the session, begun; sends nothing without consent. info: the module that is measured by now.
    End it with `close`."""
    from app.community.folder import data_folder
    from app.sharing_link import SharingLink

    return SharingLink(session, data_folder(), info, parent)


def make_map_page(sharing: SharingLink, preferences: Preferences) -> QWidget:
    """The page."""
    from app.map_page import MapPage

    return MapPage(sharing, preferences)
