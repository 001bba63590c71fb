"""The Qt application around the window: starting, ending, drawing to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.appearance import install_fonts
from app.main_window import MainWindow
from app.module_session import ModuleSession
from app.stopping import Stop
from widgets.theme import Theme

_LOOK_FOR_STOP_MS = 250


class Desktop:
    """One application with one window."""

    def __init__(self, *, theme: str | None, size: tuple[int, int] | None, page: str, stop: Stop) -> None:
        self._qt = QApplication.instance() or QApplication(sys.argv[:1])
        self._qt.setApplicationName("Sensix")
        self._qt.setApplicationDisplayName("Sensix")
        install_fonts()
        self.window = MainWindow(Theme(theme or _system_theme()))
        self.window.resize(QSize(*size) if size else _comfortable_size())
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
        self.window.disconnect_module()
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


def _system_theme() -> str:
    return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"


def _comfortable_size() -> QSize:
    screen = QGuiApplication.primaryScreen()
    wanted = QSize(1440, 900)
    return wanted if screen is None else wanted.boundedTo(screen.availableSize())
