"""A link of a module as a chip: icon, word, state."""

from __future__ import annotations

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QPainter, QPen

from widgets.controls.painting import draw_frame, draw_icon, draw_text, text_width
from widgets.modules.model import LINK_WORDS, Link, LinkState
from widgets.theme import Theme

HEIGHT = 24
_ICON = 15

_LOOKS = {
    # state: ground, border, text
    LinkState.USED: ("okbg", "ok", "ok"),
    LinkState.READY: (None, "border2", "text2"),
    LinkState.LOST: (None, "border", "text3"),
}


def chip_words(link: Link) -> str:
    """ "USB used"."""
    return f"{LINK_WORDS[link.kind]} {link.state.value}"


def chip_width(link: Link) -> int:
    """Px of the chip."""
    return 8 + _ICON + 5 + text_width(chip_words(link), "chip") + 10


def draw_link_chip(painter: QPainter, left: int, middle: int, link: Link, theme: Theme) -> QRect:
    """Draw it with its left edge at `left` around the height `middle`; its box."""
    box = QRect(left, middle - HEIGHT // 2, chip_width(link), HEIGHT)
    ground, border, text = _LOOKS[link.state]
    edge = theme.colour(border)
    draw_frame(painter, box, theme.colour(ground) if ground else None, edge, HEIGHT / 2)
    draw_icon(painter, link.kind.value, theme.colour(text), box.left() + 8, box.top() + 4.5, _ICON)
    words = box.adjusted(8 + _ICON + 5, 0, 0, 0)
    draw_text(painter, words, chip_words(link), "chip", theme.colour(text))
    if link.state is LinkState.LOST:  # struck through, not by colour alone
        painter.setPen(QPen(theme.colour(text), 1, Qt.PenStyle.SolidLine))
        painter.drawLine(box.left() + 7, box.bottom() - 4, box.left() + 7 + _ICON, box.top() + 5)
    return box
