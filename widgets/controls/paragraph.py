"""Text of several lines that takes the height it needs."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import Themed, font

_FLAGS = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop | Qt.TextFlag.TextWordWrap
_TALL = 10_000


class Paragraph(Themed, QWidget):
    """Words that wrap, in a role of the style and a colour token."""

    def __init__(self, text: str = "", role: str = "body", token: str = "text", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._role, self._token = "", role, token
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.set_text(text)

    @property
    def text(self) -> str:
        """All of it."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self.setAccessibleName(text)
            self.updateGeometry()
            self.update()

    def set_token(self, token: str) -> None:
        """Draw in another colour."""
        self._token = token
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        if not self._text:
            return 0
        metrics = QFontMetrics(font(self._role))
        return metrics.boundingRect(QRect(0, 0, max(1, width), _TALL), int(_FLAGS), self._text).height()

    def sizeHint(self) -> QSize:
        width = min(360, QFontMetrics(font(self._role)).horizontalAdvance(self._text) + 2)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(80, QFontMetrics(font(self._role)).height() if self._text else 0)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setFont(font(self._role))
        painter.setPen(self.theme.colour(self._token))
        # In the middle of what is higher than the text: beside a button.
        spare = max(0, self.height() - self.heightForWidth(self.width()))
        painter.drawText(self.rect().adjusted(0, spare // 2, 0, 0), int(_FLAGS), self._text)
