"""The status bar: how the values on screen come about, and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, QTimer
from PySide6.QtGui import QHelpEvent, QHideEvent, QPainter, QPaintEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets import numbers
from widgets.controls.painting import Themed, draw_text, text_width
from widgets.controls.tips import show_full_text
from widgets.pacing import Latest

_HEIGHT, _HEIGHT_COMPACT = 28, 24
_EDGE, _GAP = 16, 19
_VALUE, _QUIET, _ALARM = ("hint-medium", "text2"), ("hint", "text3"), ("chip", "warn")

_FACTS = ("rate", "window", "lost", "calibrated")
"""From the left; the method and the time stand at the right."""

Run = tuple[str, tuple[str, str]]
"""Text and its (role, colour token)."""


class _Item(NamedTuple):
    """One fact: as it is drawn, drawn in a compact bar (empty: left out there), and its tool tip."""

    runs: tuple[Run, ...]
    compact: tuple[Run, ...]
    tip: str = ""


def _text(runs: tuple[Run, ...]) -> str:
    return "".join(text for text, _ in runs)


def _width(runs: tuple[Run, ...]) -> int:
    return sum(text_width(text, style[0]) for text, style in runs)


def _now() -> datetime:
    return datetime.now().astimezone()


class StatusBar(Themed, QWidget):
    """One line of facts; what is not known is left out. Whatever does not fit is elided, the tool tip has all of it."""

    def __init__(self, parent: QWidget | None = None, *, clock: Callable[[], datetime] = _now) -> None:
        super().__init__(parent)
        self._clock = clock
        self._compact = False
        self._items: dict[str, _Item] = {}
        self._places: list[tuple[QRect, _Item]] = []
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Status")
        self._lost: Latest[tuple[int, str, str]] = Latest(self, self._show_lost)
        self._second = QTimer(self)
        self._second.setSingleShot(True)
        self._second.setTimerType(Qt.TimerType.PreciseTimer)
        self._second.timeout.connect(self._tick)

    def set_rate(self, rate_hz: float | None, channels: int = 0) -> None:
        """Samples a second and how many channels; None while nothing is sampled."""
        if rate_hz is None:
            self._set("rate", None)
            return
        number, _, unit = numbers.sample_rate(rate_hz).partition(" ")
        quiet = f" {unit} × {channels}"
        word = " channel" if channels == 1 else " channels"
        self._set("rate", _Item(((number, _VALUE), (quiet + word, _QUIET)), ((number, _VALUE), (quiet, _QUIET))))

    def set_window(self, text: str | None, tip: str = "") -> None:
        """The interval of the values, such as "10 cycles, 200 ms"."""
        runs = (("Window ", _QUIET), (text or "", _VALUE))
        self._set("window", _Item(runs, runs, tip) if text else None)

    def set_lost(self, count: int | None, since: str = "", tip: str = "") -> None:
        """Samples lost since a local time such as "14:19:20"; None while nothing is sampled. Paced."""
        if count is None:
            self._lost.clear()
            self._set("lost", None)
        else:
            self._lost.put((count, since, tip))

    def _show_lost(self, state: tuple[int, str, str]) -> None:
        count, since, tip = state
        number = (numbers.count(count), _ALARM if count else _VALUE)
        what = " sample lost" if count == 1 else " samples lost"
        long = f"{what} since {since}" if since else what
        self._set("lost", _Item((number, (long, _QUIET)), (number, (what, _QUIET)), tip))

    def set_calibrated(self, text: str | None, tip: str = "") -> None:
        """Date of the calibration; an empty one reads "Not calibrated", None leaves it out."""
        if text is None:
            self._set("calibrated", None)
        elif text:
            self._set("calibrated", _Item((("Calibrated ", _QUIET), (text, _VALUE)), (), tip))
        else:
            runs = (("Not calibrated", _QUIET),)
            self._set("calibrated", _Item(runs, runs, tip))

    def set_method(self, text: str | None, tip: str = "") -> None:
        """How it is measured, at the right; None leaves it out."""
        self._set("method", _Item(((text, _QUIET),), (), tip) if text else None)

    def clear(self) -> None:
        """No module: the time alone."""
        self.set_lost(None)
        for name in ("rate", "window", "calibrated", "method"):
            self._set(name, None)

    def set_compact(self, compact: bool) -> None:
        """Draw it low and short, for small windows."""
        self._compact = compact
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(480, _HEIGHT_COMPACT if self._compact else _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, self.sizeHint().height())

    def text(self) -> str:
        """All facts, one a line, with the time last."""
        ordered = [self._items[name] for name in (*_FACTS, "method") if name in self._items]
        return "\n".join(_text(item.runs) for item in [*ordered, self._time()])

    def _set(self, name: str, item: _Item | None) -> None:
        if item == self._items.get(name):
            return
        if item is None:
            del self._items[name]
        else:
            self._items[name] = item
        self.setAccessibleDescription(self.text())
        self.update()

    def _time(self) -> _Item:
        now = self._clock()
        offset = now.strftime("%z")
        runs: tuple[Run, ...] = (
            (now.strftime("%Y-%m-%d %H:%M:%S"), _VALUE),
            (f" UTC{offset[:3].replace('-', numbers.MINUS)}:{offset[3:5]}" if offset else "", _QUIET),
        )
        return _Item(runs, runs, "Local time of this computer")

    def _tick(self) -> None:
        self.update()
        self._second.start(1000 - self._clock().microsecond // 1000)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._tick()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._second.stop()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        painter.fillRect(self.rect(), theme.colour("surface"))
        painter.fillRect(0, 0, self.width(), 1, theme.colour("border"))
        self._places = []
        facts = [item for name in _FACTS if (item := self._items.get(name)) and self._runs(item)]
        left = _EDGE
        right = self._draw_before(painter, self._time(), self.width() - _EDGE) - _GAP
        method = self._items.get("method")
        # The method gives way to the facts.
        needed = left + sum(_width(self._runs(item)) + _GAP for item in facts)
        if method and self._runs(method) and needed + _width(self._runs(method)) <= right:
            right = self._draw_before(painter, method, right) - _GAP
        for item in facts:
            width = _width(self._runs(item))
            if left < right:
                self._draw(painter, item, left, min(left + width, right))
            left += width + _GAP

    def _runs(self, item: _Item) -> tuple[Run, ...]:
        return item.compact if self._compact else item.runs

    def _draw_before(self, painter: QPainter, item: _Item, end: int) -> int:
        left = end - _width(self._runs(item))
        self._draw(painter, item, left, end)
        return left

    def _draw(self, painter: QPainter, item: _Item, left: int, end: int) -> None:
        self._places.append((QRect(left, 0, end - left, self.height()), item))
        for text, (role, token) in self._runs(item):
            width = text_width(text, role)
            room = QRect(left, 1, min(width, end - left), self.height() - 1)
            draw_text(painter, room, text, role, self.theme.colour(token))
            left += width

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            return show_full_text(self, event, lambda: self._tip_at(event.pos()))
        return super().event(event)

    def _tip_at(self, position: QPoint) -> str:
        for place, item in self._places:
            if place.contains(position):
                return f"{_text(item.runs)}\n{item.tip}" if item.tip else _text(item.runs)
        return self.text()
