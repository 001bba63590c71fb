"""The navigation rail: one item a page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QSizePolicy, QWidget

from widgets.controls.button import FlatButton
from widgets.controls.painting import (
    DIMMED,
    Themed,
    draw_focus,
    draw_frame,
    draw_icon,
    draw_text,
)
from widgets.theme import Theme

AT_BOTTOM = "settings"
"""The page whose item stands at the lower end of the rail."""


class RailPage(NamedTuple):
    """A page: name in code, word on the rail, icon; `why` it is disabled, as tool tip."""

    name: str
    label: str
    icon: str
    enabled: bool = True
    why: str = ""


class _Measures(NamedTuple):
    """Pixels of one size of the rail. pitch: from item to item."""

    width: int
    logo_y: int
    first_y: int
    pitch: int
    item: int
    icon_y: int
    label_y: int
    edge: int


_NORMAL = _Measures(width=76, logo_y=13, first_y=64, pitch=60, item=56, icon_y=11, label_y=31, edge=6)
_COMPACT = _Measures(width=68, logo_y=9, first_y=52, pitch=53, item=50, icon_y=7, label_y=28, edge=2)
_LOGO, _ICON, _LABEL_HEIGHT, _BOTTOM = 30, 20, 18, 12


class _Item(FlatButton):
    def __init__(self, page: RailPage, parent: QWidget) -> None:
        super().__init__(page.label, parent)
        self.page = page
        self.measures = _NORMAL
        self.setCheckable(True)
        self.set_tip(page.label)
        self.set_available(page.enabled, page.why)

    def sizeHint(self) -> QSize:
        return QSize(self.measures.width, self.measures.item)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, measures = QPainter(self), self.theme, self.measures
        pill = self.rect().adjusted(measures.edge, 0, -measures.edge, 0)
        colour = theme.colour("text3")
        if self.isChecked():
            colour = theme.colour("accent")
            draw_frame(painter, pill, theme.colour("accentbg"), None, 10)
            bar = QRect(-3, (self.height() - 32) // 2, 6, 32)
            draw_frame(painter, bar, colour, None, 3)
        elif not self.isEnabled():
            colour = theme.blend(colour, "rail", DIMMED)
        elif self.underMouse():
            colour = theme.colour("text")
            draw_frame(painter, pill, theme.colour("surface2"), None, 10)
        draw_icon(painter, self.page.icon, colour, (self.width() - _ICON) / 2, measures.icon_y, _ICON)
        label = QRect(2, measures.label_y, self.width() - 4, _LABEL_HEIGHT)
        draw_text(painter, label, self.text(), "hint", colour, Qt.AlignmentFlag.AlignHCenter)
        if self.shows_focus:
            draw_focus(painter, pill, theme, 10)


class NavigationRail(Themed, QWidget):
    """One item a page, 76 px wide (68 compact). Tab reaches the rail, arrow keys move along it, so does the page.

    page_chosen(name): a person chose a page; setting it by code says nothing.
    """

    page_chosen = Signal(str)

    def __init__(self, pages: Iterable[tuple[str, str, str, bool, str]] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Pages")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)
        self._measures = _NORMAL
        self._group = QButtonGroup(self)
        self._items: dict[str, _Item] = {}
        self._shown: str | None = None
        self._by_code = False
        self._group.buttonToggled.connect(self._on_toggled)
        self.set_pages(pages)

    @property
    def current(self) -> str | None:
        """Name of the page that is marked, None where there is none."""
        return self._shown

    def set_pages(self, pages: Iterable[tuple[str, str, str, bool, str]]) -> None:
        """Offer other pages: `RailPage` or its plain tuple. The marked page stays where it is among them."""
        for item in self._items.values():
            self._group.removeButton(item)
            item.deleteLater()
        self._items = {}
        for page in map(RailPage._make, pages):
            item = _Item(page, self)
            item.set_theme(self.theme)
            item.measures = self._measures
            self._items[page.name] = item
            self._group.addButton(item)
            item.show()
        kept, self._shown = self._shown, None
        if kept in self._items:
            self.set_current(kept)
        self._place()

    def set_current(self, name: str) -> None:
        """Mark a page, without the signal. KeyError for one that is not on the rail."""
        self._by_code = True
        try:
            self._items[name].setChecked(True)
        finally:
            self._by_code = False

    def set_compact(self, compact: bool) -> None:
        """Draw it narrow and low, for small windows."""
        self._measures = _COMPACT if compact else _NORMAL
        self.updateGeometry()
        self._place()

    def set_theme(self, theme: Theme) -> None:
        for item in self._items.values():
            item.set_theme(theme)
        super().set_theme(theme)

    def sizeHint(self) -> QSize:
        return QSize(self._measures.width, self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:
        measures = self._measures
        return QSize(measures.width, measures.first_y + len(self._items) * measures.pitch + _BOTTOM)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        measures, top = self._measures, self._measures.first_y
        for name, item in self._items.items():
            item.measures = measures
            if name == AT_BOTTOM:
                y = self.height() - _BOTTOM - measures.item
            else:
                y, top = top, top + measures.pitch
            item.setGeometry(0, y, measures.width, measures.item)
        self.update()

    def _on_toggled(self, item: _Item, checked: bool) -> None:
        if checked and item.page.name != self._shown:
            self._shown = item.page.name
            if not self._by_code:
                self.page_chosen.emit(self._shown)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        painter.fillRect(self.rect(), theme.colour("rail"))
        painter.fillRect(self.width() - 1, 0, 1, self.height(), theme.colour("border"))
        x = (self._measures.width - _LOGO) / 2
        draw_icon(painter, "logo", theme.colour("accentfill"), x, self._measures.logo_y, _LOGO)
