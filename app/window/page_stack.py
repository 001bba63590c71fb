"""The pages of the window: each is made when it is shown for the first time, so that a start pays for one only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, cast

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QStackedWidget, QWidget

from widgets.theme import Theme


class Page(Protocol):
    """What every page can."""

    def set_theme(self, theme: Theme) -> None:
        """Draw everything in another theme."""

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""


class PageStack(QStackedWidget):
    """Pages by name. factories: what makes the pages that are not there yet."""

    made = Signal(str)
    """A page was made: its name."""

    def __init__(self, ready: Mapping[str, QWidget], factories: Mapping[str, Callable[[], QWidget]]) -> None:
        super().__init__()
        self._pages = dict(ready)
        self._factories = dict(factories)
        self._theme = Theme()
        self._compact = False
        for page in self._pages.values():
            self.addWidget(page)

    def page(self, name: str) -> QWidget:
        """A page, made if need be. KeyError for one that does not exist."""
        if name not in self._pages:
            page = self._factories[name]()
            self._pages[name] = page
            cast(Page, page).set_theme(self._theme)
            cast(Page, page).set_compact(self._compact)
            self.addWidget(page)
            self.made.emit(name)
        return self._pages[name]

    def made_page(self, name: str) -> QWidget | None:
        """A page if it was made."""
        return self._pages.get(name)

    def show_page(self, name: str) -> None:
        """Bring a page to the front. KeyError for one that does not exist."""
        self.setCurrentWidget(self.page(name))

    def set_theme(self, theme: Theme) -> None:
        """Draw all pages in another theme."""
        self._theme = theme
        for page in self._pages.values():
            cast(Page, page).set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """Give all pages their form for small windows, or the usual one."""
        self._compact = compact
        for page in self._pages.values():
            cast(Page, page).set_compact(compact)
