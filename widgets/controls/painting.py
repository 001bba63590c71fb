"""What the controls share: their theme, frames on whole pixels, cached fonts, the ring of keyboard focus."""

from __future__ import annotations

from functools import cache
from math import ceil

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QFontMetricsF, QPainter, QPalette, QPen

from widgets.icons import icon
from widgets.theme import Theme
from widgets.theme import font as theme_font

CONTROL_HEIGHT = 28
RADIUS_CARD = 10
RADIUS_GROUP = 8
RADIUS_CONTROL = 6

DIMMED = 0.45
"""Strength of the text of a disabled control."""


@cache
def _default_theme() -> Theme:
    return Theme()


class Themed:
    """A widget that is drawn in a theme; the default one until its window sets another."""

    _theme: Theme | None = None

    @property
    def theme(self) -> Theme:
        """The theme it is drawn in."""
        return self._theme or _default_theme()

    def set_theme(self, theme: Theme) -> None:
        """Draw in another theme."""
        self._theme = theme
        self.update()  # type: ignore[attr-defined]


# Text inside a control is one step smaller than the same role on a card.
_SMALLER = {
    "control": ("field", 12 / 13),
    "control-medium": ("table", 12 / 13),
    "control-strong": ("label", 12 / 13),
    "hint-medium": ("table", 11 / 13),
}


@cache
def font(role: str) -> QFont:
    """Font of a role of the theme, or of "control" and "hint" with their weights. Do not change it."""
    return theme_font(*_SMALLER.get(role, (role,)))


def text_width(text: str, role: str) -> int:
    """Width of one line in logical pixels, rounded up."""
    return ceil(QFontMetricsF(font(role)).horizontalAdvance(text))


def elided(text: str, role: str, width: int) -> str:
    """`text`, shortened with an ellipsis where it is wider than `width`."""
    return QFontMetrics(font(role)).elidedText(text, Qt.TextElideMode.ElideRight, max(0, width))


def draw_text(
    painter: QPainter,
    rect: QRect,
    text: str,
    role: str,
    colour: QColor,
    align: Qt.AlignmentFlag = Qt.AlignmentFlag.AlignLeft,
) -> None:
    """One line, vertically centred, elided to `rect`."""
    painter.setFont(font(role))
    painter.setPen(colour)
    painter.drawText(rect, align | Qt.AlignmentFlag.AlignVCenter, elided(text, role, rect.width()))


def draw_icon(painter: QPainter, name: str, colour: QColor, x: float, y: float, size: float) -> None:
    """An icon with its top left corner at x, y."""
    ratio = painter.device().devicePixelRatioF()
    painter.drawPixmap(QRectF(x, y, size, size).topLeft(), icon(name, colour, size, ratio))


def draw_frame(
    painter: QPainter, rect: QRect, fill: QColor | None, border: QColor | None, radius: float, width: float = 1.0
) -> None:
    """A rounded box inside `rect`; a border of a whole width falls on whole pixels."""
    inset = width / 2 if border is not None else 0.0
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(border, width) if border is not None else Qt.PenStyle.NoPen)
    painter.setBrush(fill if fill is not None else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(QRectF(rect).adjusted(inset, inset, -inset, -inset), radius, radius)


def draw_focus(painter: QPainter, rect: QRect, theme: Theme, radius: float) -> None:
    """The ring of keyboard focus."""
    draw_frame(painter, rect, None, theme.colour("accent"), radius, 2.0)


def popup_palette(theme: Theme) -> QPalette:
    """Colours of what Qt draws itself: menus and the lists of fields."""
    palette = QPalette()
    for role, token in (
        (QPalette.ColorRole.Base, "surface"),
        (QPalette.ColorRole.Window, "surface"),
        (QPalette.ColorRole.Button, "surface"),
        (QPalette.ColorRole.Text, "text"),
        (QPalette.ColorRole.WindowText, "text"),
        (QPalette.ColorRole.ButtonText, "text"),
        (QPalette.ColorRole.Highlight, "accentbg"),
        (QPalette.ColorRole.HighlightedText, "accent"),
    ):
        palette.setColor(role, theme.colour(token))
    return palette
