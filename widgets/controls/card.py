"""A card: the frame around everything on a page, with a header for its title and controls."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.painting import RADIUS_CARD, Themed, draw_frame
from widgets.theme import Theme

HEADER_HEIGHT = 44
PADDING = 16
_INSET = 3
"""Content that paints its own ground keeps so far from the edge that it leaves the round corners whole."""


class Card(Themed, QWidget):
    """Put controls into `header_layout` (after the title) and content into `body_layout`. Without a title and header
    controls (`header=False`) there is only the body."""

    def __init__(self, title: str = "", parent: QWidget | None = None, *, hint: str = "", header: bool = True) -> None:
        super().__init__(parent)
        self.setAccessibleName(title)
        self._title = Label(title, "card-title", "text", gives_way=False)
        self._hint = Label(hint, "body", "text2")
        self.header = QWidget(self)
        self.header.setFixedHeight(HEADER_HEIGHT)
        # The body decides how narrow the card can be; in the header the labels of fields give way first.
        self.header.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.header.setVisible(header)
        self.header_layout = QHBoxLayout(self.header)
        self.header_layout.setContentsMargins(PADDING - 1 - _INSET, 0, 11 - _INSET, 0)
        self.header_layout.setSpacing(8)
        self.header_layout.addWidget(self._title)
        self.header_layout.addWidget(self._hint)
        self._title.setVisible(bool(title))
        self._hint.setVisible(bool(hint))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(_INSET, 1, _INSET, _INSET)
        outer.setSpacing(0)
        outer.addWidget(self.header)
        self.body = QWidget(self)
        self.body.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.body_layout = QVBoxLayout(self.body)
        self.body_layout.setContentsMargins(PADDING - _INSET, 12, PADDING - _INSET, 13 - _INSET)
        self.body_layout.setSpacing(0)
        outer.addWidget(self.body, 1)

    @property
    def title(self) -> str:
        """The title."""
        return self._title.text

    def set_title(self, title: str) -> None:
        """Show another title; an empty one leaves its place to the controls."""
        self._title.set_text(title)
        self._title.setVisible(bool(title))
        if title:
            self.setAccessibleName(title)

    def set_hint(self, hint: str) -> None:
        """Show another quiet text beside the title."""
        self._hint.set_text(hint)
        self._hint.setVisible(bool(hint))

    def set_theme(self, theme: Theme) -> None:
        self._title.set_theme(theme)
        self._hint.set_theme(theme)
        super().set_theme(theme)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._fit_header()
        return super().event(event)

    def _fit_header(self) -> None:
        fields = self.header.findChildren(Field)
        needed = self.header_layout.minimumSize().width()
        needed -= sum(field.label_width for field in fields if field.label_shown)
        for field in fields:
            needed += field.label_width
            field.set_label_shown(needed <= self.width() - 2 * _INSET)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface"), theme.colour("border"), RADIUS_CARD)
        if not self.header.isHidden():
            line = QRect(1, HEADER_HEIGHT, self.width() - 2, 1)
            painter.fillRect(line, theme.colour("border"))
