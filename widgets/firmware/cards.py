"""Cards of the firmware page: the version pair, what changes, and why it is safe."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.label import Label
from widgets.controls.link_button import LinkButton
from widgets.controls.painting import RADIUS_CARD, Themed, draw_frame, draw_icon, draw_text, text_width
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status
from widgets.firmware.model import Change, Version
from widgets.theme import Theme

NOTHING_SAID = "Nothing is said about changes."


class VersionPair(Card):
    """Installed, arrow, available."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, header=False)
        self.setAccessibleName("Versions")
        self._face = _VersionFace()
        self.signature = Chip(Status.OK, "Signed by Sensix", self._face)
        self.body_layout.addWidget(self._face)
        self.body_layout.setContentsMargins(13, 12, 13, 12)
        self.set_versions(Version(), Version())

    def set_versions(self, installed: Version, available: Version) -> None:
        """Both versions; an empty one is "n/a"."""
        self._face.installed, self._face.available = installed, available
        signed = available.signed
        self.signature.setVisible(signed is not None and bool(available.version))
        words = available.signature or ("Signed by Sensix" if signed else "Not signed")
        self.signature.set_state(Status.OK if signed else Status.WARN, words)
        self.setAccessibleDescription(f"installed {installed.version or 'n/a'}, available {available.version or 'n/a'}")
        self._face.place(self.signature)
        self._face.update()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        self._face.set_theme(theme)
        self.signature.set_theme(theme)


class _VersionFace(Themed, QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.installed = self.available = Version()
        self.chip: Chip | None = None
        self.setFixedHeight(72)

    def place(self, chip: Chip) -> None:
        self.chip = chip
        hint = chip.sizeHint()
        chip.setGeometry(self.half + self._version_width + 12, 27, hint.width(), hint.height())

    @property
    def _version_width(self) -> int:
        return text_width(self.available.version or "n/a", "kpi")

    @property
    def half(self) -> int:
        """Where the right half begins: it has room for version and chip."""
        chip = self.chip.sizeHint().width() if self.chip is not None else 0
        return max(80, min(round(self.width() * 0.57), self.width() - self._version_width - 12 - chip))

    def resizeEvent(self, _event) -> None:  # type: ignore[no-untyped-def]
        if self.chip is not None:
            self.place(self.chip)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        for left, title, version, token in (
            (0, "Installed", self.installed, "text"),
            (self.half, "Available", self.available, "accent"),
        ):
            width = self.half - 10 if left == 0 else self.width() - left
            draw_text(painter, QRect(left, 0, width, 16), title, "hint", theme.colour("text3"))
            known = token if version.version else "text3"
            draw_text(painter, QRect(left, 20, width, 34), version.version or "n/a", "kpi", theme.colour(known))
            told = ", ".join(part for part in (version.date, version.slot) if part)
            draw_text(painter, QRect(left, 55, width, 16), told, "hint", theme.colour("text2"))
        draw_icon(painter, "arrow-right", theme.colour("text2"), self.half - 44, 26, 22)


class ChangesCard(Card):
    """Three lines of what changes, and where they come from. all_wanted(): show all of them. source_wanted(): choose
    where newer firmware comes from."""

    all_wanted = Signal()
    source_wanted = Signal()
    _SHOWN = 3

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("What changes", parent)
        self._face = _ChangeFace()
        self.all_button = LinkButton("All changes")
        self.all_button.clicked.connect(self.all_wanted)
        self.nothing = Paragraph(NOTHING_SAID, "body", "text3")
        self.body_layout.addWidget(self.nothing)
        self.body_layout.addWidget(self._face, 1)
        self.told = Label("", "hint", "text3", align=Qt.AlignmentFlag.AlignRight)
        self.source_button = LinkButton("Look online...")
        self.source_button.clicked.connect(self.source_wanted)
        self.header_layout.setSpacing(12)
        self.header_layout.addWidget(self.told, 1)
        self.header_layout.addWidget(self.source_button)
        self.body_layout.addWidget(self.all_button, 0, Qt.AlignmentFlag.AlignLeft)
        self.set_changes(())

    def set_source(self, told: str, action: str) -> None:
        """What came of looking for newer firmware online, and the words that lead to its address."""
        self.told.set_text(told)
        self.source_button.setVisible(bool(action))
        self.source_button.setText(action)
        self.source_button.setAccessibleName(action)
        self.source_button.updateGeometry()

    def set_changes(self, changes: Sequence[Change], total: int | None = None, nothing: str = NOTHING_SAID) -> None:
        """The first three are shown; total: how many there are; nothing: the words where there are none."""
        count = len(changes) if total is None else total
        self._face.set_changes(tuple(changes[: self._SHOWN]))
        self.nothing.set_text("" if changes else nothing)
        self.body_layout.setContentsMargins(13, 4 if changes else 14, 13, 8 if changes else 14)
        self._face.setVisible(bool(changes))
        self.nothing.setVisible(not changes)
        self.all_button.setVisible(count > self._SHOWN)
        self.all_button.setText(f"All {count} changes")
        self.all_button.setAccessibleName(self.all_button.text())

    def set_compact(self, compact: bool) -> None:
        """Only the titles; the tool tip has the rest."""
        self._face.set_compact(compact)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        for part in (self._face, self.nothing, self.all_button, self.told, self.source_button):
            part.set_theme(theme)


class _ChangeFace(Themed, QWidget):
    def __init__(self) -> None:
        super().__init__()
        self._changes: tuple[Change, ...] = ()
        self._compact = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    def set_changes(self, changes: tuple[Change, ...]) -> None:
        self._changes = changes
        self.setAccessibleName("; ".join(f"{change.title}. {change.detail}" for change in changes))
        self.setToolTip("\n".join(f"{change.title}: {change.detail}" for change in changes))
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        self._compact = compact
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, max(1, len(self._changes)) * (28 if self._compact else 54))

    def minimumSizeHint(self) -> QSize:
        return QSize(200, max(1, len(self._changes)) * (28 if self._compact else 42))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        row = min(28 if self._compact else 54, self.height() // max(1, len(self._changes)))
        for index, change in enumerate(self._changes):
            top = index * row
            if index:
                painter.fillRect(QRect(0, top, self.width(), 1), theme.colour("border"))
            middle = top + row // 2
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.colour("accent"))
            width = self.width() - 18
            title = middle - (9 if self._compact else 19)
            painter.drawEllipse(0, title + 6, 6, 6)
            draw_text(painter, QRect(18, title, width, 18), change.title, "label", theme.colour("text"))
            if self._compact:
                continue
            draw_text(painter, QRect(18, middle, width, 18), change.detail, "body", theme.colour("text2"))


class SafetyPanel(Themed, QWidget):
    """Why nothing can be lost, on green; or what is at stake, on amber."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._safe = True
        self.title, self.text = Label("", "label", "text"), Paragraph("", "body", "text2")
        column = QVBoxLayout(self)
        column.setContentsMargins(68, 14, 20, 14)
        column.setSpacing(2)
        column.addWidget(self.title)
        column.addWidget(self.text)

    def set_words(self, title: str, text: str, *, safe: bool = True) -> None:
        """The words; `safe` False draws them on amber."""
        self._safe = safe
        self.title.set_text(title)
        self.text.set_text(text)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        self.title.set_theme(theme)
        self.text.set_theme(theme)
        super().set_theme(theme)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        token = "ok" if self._safe else "warn"
        draw_frame(painter, self.rect(), theme.colour(f"{token}bg"), None, RADIUS_CARD)
        draw_icon(painter, "shield", theme.colour(token), 22, (self.height() - 32) / 2, 32)
