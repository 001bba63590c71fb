"""The Qt application around the window: starting, ending, drawing to a file."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.appearance import install_fonts
from app.main_window import MainWindow
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

    def run(self, url: str | None) -> int:
        """Show the window until it is closed."""
        self._watch.start()
        if url is not None:
            self.window.connect_to(url)
        self.window.show()
        code = int(self._qt.exec())
        self.window.disconnect_module()
        return code

    def draw_to_file(self, url: str | None, path: Path, after_s: float) -> bool:
        """Show the window for `after_s` seconds, then save it as a PNG. False when the file can't be written."""
        saved = False

        def take() -> None:
            nonlocal saved
            saved = self.window.grab().save(str(path), "PNG")
            self._qt.quit()

        QTimer.singleShot(round(after_s * 1000), take)
        self.run(url)
        return saved

    def _end_when_asked(self) -> None:
        if self._stop.is_set():
            self._qt.quit()


def _system_theme() -> str:
    return "dark" if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else "light"


def _comfortable_size() -> QSize:
    screen = QGuiApplication.primaryScreen()
    wanted = QSize(1440, 900)
    return wanted if screen is None else wanted.boundedTo(screen.availableSize())
