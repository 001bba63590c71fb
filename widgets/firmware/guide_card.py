"""What to do after a failure, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.card import Card
from widgets.controls.painting import Themed, draw_frame, draw_text
from widgets.controls.paragraph import Paragraph
from widgets.theme import Theme


class GuideCard(Card):
    """Numbered steps."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What to do now", parent)
        self._steps: list[tuple[_Number, Paragraph]] = []
        self._column = QVBoxLayout()
        self._column.setSpacing(10)
        self.body_layout.addLayout(self._column)
        self.body_layout.addStretch(1)

    @property
    def steps(self) -> tuple[str, ...]:
        """Its words."""
        return tuple(text.text for _, text in self._steps)

    def set_steps(self, steps: Sequence[str]) -> None:
        """Other steps."""
        if tuple(steps) == self.steps:
            return
        while (item := self._column.takeAt(0)) is not None:
            row = item.widget()
            if row is not None:
                row.setParent(None)
                row.deleteLater()
        self._steps = []
        for index, step in enumerate(steps):
            row, number, text = QWidget(), _Number(index + 1), Paragraph(step)
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.setSpacing(10)
            line.addWidget(number, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(text, 1)
            self._column.addWidget(row)
            self._steps.append((number, text))
        self.set_theme(self.theme)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for number, text in self._steps:
            number.set_theme(theme)
            text.set_theme(theme)


class _Number(Themed, QWidget):
    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.setFixedSize(20, 20)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("accentbg"), None, 10)
        box = QRect(0, 0, 20, 20)
        draw_text(painter, box, str(self._number), "chip", theme.colour("accent"), Qt.AlignmentFlag.AlignHCenter)
