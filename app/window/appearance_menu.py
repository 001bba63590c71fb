"""The menu for theme and phase colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QActionGroup, QGuiApplication
from PySide6.QtWidgets import QMenu, QWidget

from app.preferences import Preferences
from app.window.appearance import theme_name
from resources.themes import palettes
from widgets.theme import Theme

_CHOICES = {"system": "As the system", "light": "Light", "dark": "Dark"}
_PALETTES = {
    "iec": "IEC: brown, black, grey, blue",
    "us": "US: black, red, blue",
    "colour-blind": "Safe for colour-blind eyes",
}


class AppearanceMenu(QObject):
    """Keeps the choice of theme and palette in the preferences, and follows the system where that is the choice.

    asked: "light" or "dark" for this start alone; None: what was chosen last.
    """

    theme_changed = Signal(object)
    """Theme."""

    def __init__(self, parent: QWidget, preferences: Preferences, asked: str | None) -> None:
        super().__init__(parent)
        self._parent = parent
        self._preferences = preferences
        self._choice = asked or preferences.get("theme", str, "system")
        palette = preferences.get("palette", str, "iec")
        self._palette = palette if palette in palettes() else "iec"
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow_system)

    @property
    def theme(self) -> Theme:
        """The theme that is due."""
        return Theme(theme_name(self._choice), self._palette)

    def open_at(self, top_right: QPoint) -> None:
        """Show the menu with its right upper corner at a point of the screen."""
        menu = self.build()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(top_right - QPoint(menu.sizeHint().width(), 0))

    def toggle(self) -> None:
        """From dark to light or back."""
        self.choose("light" if self.theme.is_dark else "dark")

    def choose(self, choice: str) -> None:
        """ "system", "light" or "dark", from now on."""
        self._choice = choice
        self._preferences.set("theme", choice)
        self.theme_changed.emit(self.theme)

    def choose_palette(self, name: str) -> None:
        """One of `resources.themes.palettes()`, from now on."""
        self._palette = name
        self._preferences.set("palette", name)
        self.theme_changed.emit(self.theme)

    def build(self) -> QMenu:
        """The menu as it is now."""
        menu = QMenu(self._parent)
        _add_group(menu, _CHOICES, self._choice, self.choose)
        menu.addSeparator()
        _add_group(menu, _PALETTES, self._palette, self.choose_palette)
        return menu

    def _follow_system(self) -> None:
        if self._choice not in ("light", "dark"):
            self.theme_changed.emit(self.theme)


def _add_group(menu: QMenu, choices: Mapping[str, str], current: str, choose: Callable[[str], None]) -> None:
    group = QActionGroup(menu)
    for name, text in choices.items():
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(name == current)
        action.triggered.connect(lambda _=False, name=name: choose(name))
        group.addAction(action)
