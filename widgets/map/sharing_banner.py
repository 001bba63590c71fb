"""The line above the map that says what leaves the computer, before any button."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from widgets.controls.button import PushButton
from widgets.controls.link_button import LinkButton
from widgets.controls.painting import RADIUS_CARD, Themed, draw_frame, draw_icon, draw_text, text_width
from widgets.theme import Theme

LOOKING = "You only look. Sharing is off, no measurement leaves this computer."
LOOKING_MORE = "If you share: a cell of {size}, nothing nearer."
SHARING = "You share: values of your module and its cell {cell}, nothing nearer."


class _Words(Themed, QWidget):
    """A strong sentence and a quiet one on a line; the quiet one gives way."""

    def __init__(self) -> None:
        super().__init__()
        self._strong = self._quiet = ""
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_words(self, strong: str, quiet: str) -> None:
        self._strong, self._quiet = strong, quiet
        self.setAccessibleName(f"{strong} {quiet}".strip())
        self.setToolTip(f"{strong} {quiet}".strip())
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(text_width(f"{self._strong}  {self._quiet}", "label"), 36)

    def minimumSizeHint(self) -> QSize:
        return QSize(180, 36)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        width = min(self.width(), text_width(self._strong, "label") + 1)
        line = QRect(0, 0, width, self.height())
        draw_text(painter, line, self._strong, "label", theme.colour("text"))
        rest = QRect(width + 6, 0, self.width() - width - 6, self.height())
        if rest.width() >= text_width(self._quiet, "body"):
            draw_text(painter, rest, self._quiet, "body", theme.colour("text2"))


class SharingBanner(Themed, QWidget):
    """preview_wanted(): read what would be sent. sharing_wanted(): turn sharing on. consent_wanted(): see or withdraw
    the consent that was given."""

    preview_wanted = Signal()
    sharing_wanted = Signal()
    consent_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shares = False
        self.setFixedHeight(52)
        self.words = _Words()
        self.preview = LinkButton("Read what would be sent")
        self.button = PushButton("Turn on sharing...")
        row = QHBoxLayout(self)
        row.setContentsMargins(48, 0, 10, 0)
        row.setSpacing(16)
        row.addWidget(self.words, 1)
        row.addWidget(self.preview)
        row.addWidget(self.button)
        self.preview.clicked.connect(self.preview_wanted)
        self.button.clicked.connect(lambda: (self.consent_wanted if self._shares else self.sharing_wanted).emit())
        self.set_sharing(False)

    @property
    def text(self) -> str:
        """All of its words."""
        return self.words.accessibleName()

    def set_sharing(self, shares: bool, cell: str = "", size: str = "27 × 20 km") -> None:
        """Whether values are shared, with which cell, and its size in words."""
        self._shares = shares
        if shares:
            self.words.set_words(SHARING.format(cell=cell or "of your place"), "")
        else:
            self.words.set_words(LOOKING, LOOKING_MORE.format(size=size))
        self.preview.setText("Read what is sent" if shares else "Read what would be sent")
        self.button.setText("Sharing..." if shares else "Turn on sharing...")
        for button in (self.preview, self.button):
            button.setAccessibleName(button.text())
            button.updateGeometry()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        for part in (self.words, self.preview, self.button):
            part.set_theme(theme)
        super().set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self.setFixedHeight(44 if compact else 52)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface"), theme.colour("border"), RADIUS_CARD)
        name = "street" if self._shares else "lock"
        draw_icon(painter, name, theme.colour("text2"), 17, (self.height() - 20) / 2, 20)
