"""A column of content that scrolls when the window is too low for it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QScrollBar, QSizePolicy, QWidget

from widgets.controls.painting import Themed, draw_frame
from widgets.theme import Theme


class SlimBar(Themed, QScrollBar):
    """A slim handle without a groove."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.setFixedWidth(10)

    def paintEvent(self, _event: QPaintEvent) -> None:
        length = self.maximum() - self.minimum() + self.pageStep()
        if self.maximum() <= self.minimum():
            return
        size = max(24, self.height() * self.pageStep() // length)
        way = self.height() - size
        top = way * (self.value() - self.minimum()) // (self.maximum() - self.minimum())
        handle = self.rect().adjusted(2, 0, -2, 0)
        handle.setTop(top)
        handle.setHeight(size)
        painter = QPainter(self)
        draw_frame(painter, handle, self.theme.colour("text3" if self.isSliderDown() else "border2"), None, 3)


class ScrollColumn(QScrollArea):
    """Scrolls its content up and down; it is never narrower than the content needs."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._bar = SlimBar(self)
        self.setVerticalScrollBar(self._bar)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.viewport().setAutoFillBackground(False)
        content.setAutoFillBackground(False)
        self.setWidget(content)
        content.setAutoFillBackground(False)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def set_theme(self, theme: Theme) -> None:
        """Colours of the scroll bar; the content is themed by its owner."""
        self._bar.set_theme(theme)

    def focusNextPrevChild(self, forward: bool) -> bool:
        moved = super().focusNextPrevChild(forward)
        focused = self.focusWidget()
        if moved and focused is not None:
            self.ensureWidgetVisible(focused)
        return moved
