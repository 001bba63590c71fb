"""Fonts and Qt settings that must stand before the first window is drawn."""

from __future__ import annotations

import os
from pathlib import Path

FONT_FOLDER = Path(__file__).resolve().parents[2] / "resources" / "third_party" / "inter"


def prepare_environment() -> None:
    """Set what Qt reads from the environment. Call before QApplication is made.

    QT_NO_GUI_THREADPOOL: handing translucent spans to a pool of threads costs more than drawing them.
    """
    os.environ.setdefault("QT_NO_GUI_THREADPOOL", "1")


def install_fonts() -> None:
    """Load the bundled typeface; Qt falls back to the system's where a file is missing."""
    from PySide6.QtGui import QFont, QFontDatabase, QPixmapCache

    from widgets.theme import FAMILY

    for path in sorted(FONT_FOLDER.glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))
    QFont.insertSubstitutions(FAMILY, ["Noto Sans", "DejaVu Sans"])
    # Cached grids of large screens do not fit the 10 MB that Qt allows by itself.
    QPixmapCache.setCacheLimit(128 * 1024)


def theme_name(choice: str) -> str:
    """ "light" or "dark"; "system" (or anything else) is what the system prefers."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QGuiApplication

    if choice in ("light", "dark"):
        return choice
    return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"
