"""Asks for a password in the window, for threads that wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QInputDialog, QLineEdit, QWidget

WAIT_S = 120.0
"""Nobody answers for so long: the question counts as refused."""


class PasswordPrompt(QObject):
    """Call it on any thread but the window's: it returns what a person typed, None for no answer.

    known: asked first, for passwords that nobody has to type."""

    _asked = Signal(object)

    def __init__(self, parent: QWidget, known: Callable[[str], str | None] = lambda _: None) -> None:
        super().__init__(parent)
        self._window = parent
        self._known = known
        self._one = threading.Lock()  # one question at a time
        self._ended = threading.Event()
        self._asked.connect(self._ask, Qt.ConnectionType.QueuedConnection)

    def __call__(self, sentence: str) -> str | None:
        """The password, or None."""
        password = self._known(sentence)
        if password is not None:
            return password
        with self._one:
            if self._ended.is_set():
                return None
            question = _Question(sentence)
            self._asked.emit(question)
            question.answered.wait(WAIT_S)
            return question.answer

    def end(self) -> None:
        """Nobody is asked any more."""
        self._ended.set()

    def _ask(self, question: _Question) -> None:
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle("Sensix")
        dialog.setLabelText(f"{question.sentence}:")
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

        def done(accepted: int) -> None:
            question.answer = dialog.textValue() if accepted and dialog.textValue() else None
            question.answered.set()

        dialog.finished.connect(done)
        dialog.open()


class _Question:
    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        self.answer: str | None = None
        self.answered = threading.Event()
