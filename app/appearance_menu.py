"""The menu for theme and phase colours."""

from __future__ import annotations

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from widgets.theme import Theme

_THEMES = {"light": "Light", "dark": "Dark"}
_PALETTES = {
    "iec": "IEC: brown, black, grey, blue",
    "us": "US: black, red, blue",
    "colour-blind": "Safe for colour-blind eyes",
}


class AppearanceMenu(QObject):
    """Keeps the chosen theme and palette."""

    theme_chosen = Signal(object)

    def __init__(self, parent: QWidget, theme: Theme) -> None:
        super().__init__(parent)
        self._parent = parent
        self._theme = theme

    def open_at(self, top_right: QPoint) -> None:
        """Show the menu with its right upper corner at a point of the screen."""
        menu = self.build()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(top_right - QPoint(menu.sizeHint().width(), 0))

    def toggle(self) -> None:
        """From dark to light or back."""
        self._choose(Theme("light" if self._theme.is_dark else "dark", self._theme.palette))

    def build(self) -> QMenu:
        """The menu as it is now."""
        menu = QMenu(self._parent)
        self._add_group(menu, _THEMES, self._theme.name, lambda name: Theme(name, self._theme.palette))
        menu.addSeparator()
        self._add_group(menu, _PALETTES, self._theme.palette, lambda name: Theme(self._theme.name, name))
        return menu

    def _add_group(self, menu: QMenu, choices: dict[str, str], current: str, make) -> None:  # type: ignore[no-untyped-def]
        group = QActionGroup(menu)
        for name, text in choices.items():
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(name == current)
            action.triggered.connect(lambda _=False, name=name: self._choose(make(name)))
            group.addAction(action)

    def _choose(self, theme: Theme) -> None:
        self._theme = theme
        self.theme_chosen.emit(theme)
