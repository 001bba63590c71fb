"""The Qt application around the window: starting, ending, drawing to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, QStandardPaths, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.preferences import Preferences
from app.stopping import Stop
from app.window.appearance import install_fonts
from app.window.main_window import MainWindow
from app.window.module_session import ModuleSession

_LOOK_FOR_STOP_MS = 250


class Desktop:
    """One application with one window."""

    def __init__(
        self, *, theme: str | None, size: tuple[int, int] | None, page: str, stop: Stop, remember: bool = False
    ) -> None:
        self._qt = QApplication.instance() or QApplication(sys.argv[:1])
        self._qt.setApplicationName("Sensix")
        self._qt.setApplicationDisplayName("Sensix")
        install_fonts()
        preferences = Preferences(_preferences_path() if remember else None)
        self.window = MainWindow(preferences, theme)
        self.window.resize(QSize(*size) if size else _size(preferences))
        self.window.show_page(page)
        self._stop = stop
        self._watch = QTimer()
        self._watch.setInterval(_LOOK_FOR_STOP_MS)
        self._watch.timeout.connect(self._end_when_asked)

    def run(self, begin: Callable[[ModuleSession], None]) -> int:
        """Let the session begin with a module (or none) and show the window until it is closed."""
        self._watch.start()
        begin(self.window.session)
        self.window.show()
        code = int(self._qt.exec())
        self.window.end()
        return code

    def draw_to_file(self, begin: Callable[[ModuleSession], None], path: Path, after_s: float) -> str | None:
        """Show the window for `after_s` seconds, then save it as a PNG. Returns what failed, None when it is saved."""
        failure: str | None = "The window was closed before the picture was taken."

        def fail(sentence: str) -> None:
            nonlocal failure
            failure = sentence
            self._qt.quit()

        def take() -> None:
            nonlocal failure
            saved = self.window.grab().save(str(path), "PNG")
            failure = None if saved else f"{path} can't be written; check the folder's rights and free space."
            self._qt.quit()

        self.window.session.failed.connect(fail)
        QTimer.singleShot(round(after_s * 1000), take)
        self.run(begin)
        return failure

    def _end_when_asked(self) -> None:
        if self._stop.is_set():
            self._qt.quit()


def _preferences_path() -> Path:
    folder = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppConfigLocation)
    return Path(folder) / "window.json"


def _size(preferences: Preferences) -> QSize:
    kept = preferences.get("size", list)
    wanted = QSize(1440, 900)
    if kept is not None and len(kept) == 2 and all(isinstance(length, int) and length > 0 for length in kept):
        wanted = QSize(*kept)
    screen = QGuiApplication.primaryScreen()
    return wanted if screen is None else wanted.boundedTo(screen.availableSize())
