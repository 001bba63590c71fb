"""The indicators of the top bar: the module selector, the link, and states as shape and word."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.button import FlatButton
from widgets.controls.painting import (
    RADIUS_GROUP,
    Themed,
    draw_focus,
    draw_frame,
    draw_icon,
    draw_text,
    text_width,
)
from widgets.controls.status_icon import Status, draw_status
from widgets.controls.tips import show_full_text

_ICON, _GAP = 20, 7

BARS = 4

_LINK_ICONS = {"USB": "usb", "RS485": "rs485", "WiFi": "wifi"}


class ModuleSelector(FlatButton):
    """The module on screen: its name, under it the wiring system and the end of its EUI. Press it to choose another."""

    _TEXT_X, _RIGHT, _CHEVRON = 41, 38, 16

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._detail = ""
        self._compact = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def detail(self) -> str:
        """The second line."""
        return self._detail

    def set_texts(self, name: str, detail: str) -> None:
        """Show another module."""
        self._detail = detail
        self.setText(name)
        self.setAccessibleName(f"Module: {name}")
        self.setAccessibleDescription(detail)
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Draw it 36 px high instead of 40."""
        self._compact = compact
        self.updateGeometry()

    def _text_width(self) -> int:
        return max(text_width(self.text(), "label"), text_width(self._detail, "hint"))

    def sizeHint(self) -> QSize:
        whole = self._TEXT_X + self._text_width() + self._RIGHT
        return QSize(max(192, min(whole, 360)), 36 if self._compact else 40)

    def minimumSizeHint(self) -> QSize:
        return QSize(150, self.sizeHint().height())

    def event(self, event: QEvent) -> bool:
        return show_full_text(self, event, self._hidden_text) or super().event(event)

    def _hidden_text(self) -> str:
        cut = self.width() < self._TEXT_X + self._text_width() + self._RIGHT
        return f"{self.text()}\n{self._detail}" if cut else ""

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, middle = QPainter(self), self.theme, self.height() // 2
        ground = "surface2" if self.underMouse() and self.isEnabled() else "surface"
        draw_frame(painter, self.rect(), theme.colour(ground), theme.colour("border"), RADIUS_GROUP)
        draw_icon(painter, "modules", theme.colour("text2"), 10, middle - _ICON / 2, _ICON)
        width = self.width() - self._TEXT_X - self._RIGHT
        name, detail = QRect(self._TEXT_X, middle - 15, width, 16), QRect(self._TEXT_X, middle + 1, width, 14)
        draw_text(painter, name, self.text(), "label", theme.colour("text"))
        draw_text(painter, detail, self._detail, "hint", theme.colour("text3"))
        chevron = (self.width() - 27, middle - self._CHEVRON / 2)
        draw_icon(painter, "chevron-down", theme.colour("text2"), *chevron, self._CHEVRON)
        if self.shows_focus:
            draw_focus(painter, self.rect(), theme, RADIUS_GROUP)


class _Line(Themed, QWidget):
    """A line of drawn parts that elides its text when it is short of room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._width = 0
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)

    def sizeHint(self) -> QSize:
        return QSize(self._width, 24)

    def minimumSizeHint(self) -> QSize:
        return QSize(min(self._width, 64), 24)

    def full_text(self) -> str:
        """What it says, for the tool tip and the screen reader."""
        raise NotImplementedError

    def _changed(self, width: int) -> None:
        self.setAccessibleName(self.full_text())
        if width != self._width:
            self._width = width
            self.updateGeometry()
        self.update()

    def event(self, event: QEvent) -> bool:
        return show_full_text(self, event, self._hidden_text) or super().event(event)

    def _hidden_text(self) -> str:
        return self.full_text() if self.width() < self._width else ""

    def _text(self, painter: QPainter, x: int, text: str, role: str, token: str) -> int:
        """Draw text at x, return where it ends."""
        width = text_width(text, role)
        room = QRect(x, 0, min(width, max(0, self.width() - x)), self.height())
        draw_text(painter, room, text, role, self.theme.colour(token))
        return x + width


class LinkIndicator(_Line):
    """Kind and port of the link, four bars and a word for how well it goes."""

    _BARS_WIDTH = 16

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = self._port = self._word = ""
        self._bars = 0

    @property
    def bars(self) -> int:
        """Bars that are lit, 0..4."""
        return self._bars

    def set_link(self, kind: str, port: str, bars: int, word: str) -> None:
        """Show another link. bars: 0..4 (others are brought into it)."""
        self._kind, self._port, self._word = kind, port, word
        self._bars = max(0, min(BARS, bars))
        self._changed(self._before_bars() + self._BARS_WIDTH + (_GAP + text_width(word, "control") if word else 0))

    def full_text(self) -> str:
        return " ".join(part for part in (self._kind, self._port, self._word) if part)

    def _before_bars(self) -> int:
        icon = _ICON + _GAP if self._kind in _LINK_ICONS else 0
        port = text_width(f" {self._port}", "control") if self._port else 0
        return icon + text_width(self._kind, "control-strong") + port + _GAP + 1

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme, x = QPainter(self), self.theme, 0
        if self._kind in _LINK_ICONS:
            draw_icon(painter, _LINK_ICONS[self._kind], theme.colour("text2"), 0, (self.height() - _ICON) / 2, _ICON)
            x = _ICON + _GAP
        x = self._text(painter, x, self._kind, "control-strong", "text")
        # The bars and their word stay whole: a long port name gives way.
        behind = self._width - self._before_bars()
        port = QRect(x, 0, max(0, self.width() - behind - _GAP - 1 - x), self.height())
        if self._port:
            draw_text(painter, port, f" {self._port}", "control", theme.colour("text2"))
        x = min(self._before_bars(), max(x + _GAP, self.width() - behind))
        lit = "ok" if self._bars >= 3 else "warnfill" if self._bars == 2 else "bad"
        base = self.height() // 2 + 7
        for index in range(BARS):
            height = 4 + 3 * index
            token = lit if index < self._bars else "border2"
            painter.fillRect(x + 4 * index, base - height, 3, height, theme.colour(token))
        self._text(painter, x + self._BARS_WIDTH + _GAP, self._word, "control", "text2")


class StateIndicator(_Line):
    """The shape of a status, its word, and a value in bold behind it."""

    _SHAPE = 16

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._status, self._word, self._value = Status.WAITING, "", ""

    @property
    def status(self) -> Status:
        """Its status."""
        return self._status

    def set_state(self, status: Status, word: str, value: str = "", tip: str = "") -> None:
        """Show another state."""
        self._status, self._word, self._value = status, word, value
        self.setToolTip(tip)
        text = text_width(word, "control") + (text_width(f" {value}", "control-strong") if value else 0)
        self._changed(self._SHAPE + _GAP + text)

    def full_text(self) -> str:
        return f"{self._word} {self._value}".strip()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        draw_status(painter, self._status, self.theme, 0, (self.height() - self._SHAPE) / 2, self._SHAPE)
        token = self._status.value if self._status in (Status.WARN, Status.BAD) else "text2"
        x = self._text(painter, self._SHAPE + _GAP, self._word, "control", token)
        if self._value:
            self._text(painter, x, f" {self._value}", "control-strong", "text")
