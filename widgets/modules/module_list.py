"""The one list of modules."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from widgets.controls.painting import RADIUS_CONTROL, Themed, draw_focus, draw_frame, draw_icon, draw_text, font
from widgets.modules.link_chip import chip_width, chip_words, draw_link_chip
from widgets.modules.model import Module
from widgets.theme import Theme

ROW, ROW_COMPACT = 56, 78
EMPTY_TEXT = "No module was found yet. Connect one by USB, or search the other links."
MORE_TEXT = "Another module? On USB it shows here within seconds.\nFor RS485 and WiFi, search all links."
_NAME, _SYSTEM, _FIRMWARE = 0.30, 0.16, 0.13
_ROOM_FOR_MORE = 240


class ModuleList(Themed, QWidget):
    """A row a module. Arrow keys and clicks choose; Enter or a double click opens it.

    chosen(key), opened(key).
    """

    chosen = Signal(str)
    opened = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._modules: tuple[Module, ...] = ()
        self._key = ""
        self._hovered: int | None = None
        self._ring = self._compact = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAccessibleName("Modules")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    @property
    def modules(self) -> tuple[Module, ...]:
        """What it shows."""
        return self._modules

    @property
    def key(self) -> str:
        """Key of the chosen module, "" for none."""
        return self._key

    @property
    def module(self) -> Module | None:
        """The chosen module."""
        return next((module for module in self._modules if module.key == self._key), None)

    def set_modules(self, modules: Sequence[Module]) -> None:
        """Other modules; the choice stays while its module is there."""
        self._modules = tuple(modules)
        if self.module is None:
            self._key = ""
        self._hovered = None
        self._describe()
        self.updateGeometry()
        self.update()

    def choose(self, key: str) -> None:
        """Choose by code, without the signal."""
        self._key = key if any(module.key == key for module in self._modules) else ""
        self._describe()
        self.update()

    def _describe(self) -> None:
        module = self.module
        if module is None:
            self.setAccessibleDescription(f"{len(self._modules)} modules")
            return
        links = ", ".join(chip_words(link) for link in module.links)
        self.setAccessibleDescription(f"{module.name}, {module.system}, firmware {module.firmware}, {links}")

    def set_compact(self, compact: bool) -> None:
        """Links below the name, for a narrow list."""
        self._compact = compact
        self.updateGeometry()
        self.update()

    @property
    def row_height(self) -> int:
        """Px of a row."""
        return ROW_COMPACT if self._compact else ROW

    def sizeHint(self) -> QSize:
        return QSize(620, self.row_height * max(2, len(self._modules)))

    def minimumSizeHint(self) -> QSize:
        return QSize(360 if self._compact else 520, self.row_height * max(2, len(self._modules)))

    def _row_at(self, y: float) -> int | None:
        index = int(y) // self.row_height
        return index if 0 <= index < len(self._modules) else None

    def _take(self, index: int) -> None:
        if 0 <= index < len(self._modules) and self._modules[index].key != self._key:
            self._key = self._modules[index].key
            self._describe()
            self.update()
            self.chosen.emit(self._key)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self._row_at(event.position().y())
        if index is not None:
            self._take(index)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._row_at(event.position().y()) is not None and self._key:
            self.opened.emit(self._key)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        index = self._row_at(event.position().y())
        if index != self._hovered:
            self._hovered = index
            self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self.update()
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = [module.key for module in self._modules]
        current = keys.index(self._key) if self._key in keys else -1
        key = event.key()
        if key == Qt.Key.Key_Down:
            self._take(current + 1)
        elif key == Qt.Key.Key_Up:
            self._take(max(0, current - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._key:
            self.opened.emit(self._key)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._ring = False
        super().focusOutEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self._row_at(event.pos().y())
            lines = (
                []
                if index is None
                else [f"{chip_words(link)}: {link.detail}" for link in self._modules[index].links if link.detail]
            )
            QToolTip.showText(event.globalPos(), "\n".join(lines), self) if lines else QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        if not self._modules:
            draw_text(painter, self.rect().adjusted(16, 0, -16, 0), EMPTY_TEXT, "body", theme.colour("text3"))
        for index, module in enumerate(self._modules):
            row = QRect(0, index * self.row_height, self.width(), self.row_height)
            if module.key == self._key:
                draw_frame(painter, row.adjusted(4, 2, -4, -2), theme.colour("accentbg"), None, RADIUS_CONTROL)
            elif index == self._hovered:
                draw_frame(painter, row.adjusted(4, 2, -4, -2), theme.colour("surface2"), None, RADIUS_CONTROL)
            elif index:
                painter.fillRect(QRect(16, row.top(), row.width() - 32, 1), theme.colour("border"))
            self._draw_row(painter, row, module, theme)
        self._draw_rest(painter, self.rect().adjusted(16, len(self._modules) * self.row_height, -16, 0), theme)
        if self._ring:
            draw_focus(painter, self.rect(), theme, RADIUS_CONTROL)

    def _draw_rest(self, painter: QPainter, rest: QRect, theme: Theme) -> None:
        """Where much room is left below the rows: how other modules come here."""
        if not self._modules or rest.height() < _ROOM_FOR_MORE:
            return
        draw_icon(painter, "modules", theme.colour("border2"), rest.center().x() - 20, rest.center().y() - 50, 40)
        painter.setFont(font("body"))
        painter.setPen(theme.colour("text3"))
        words = QRect(rest.left(), rest.center().y() + 2, rest.width(), 60)
        painter.drawText(words, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, MORE_TEXT)

    def _draw_row(self, painter: QPainter, row: QRect, module: Module, theme: Theme) -> None:
        inner = row.adjusted(16, 0, -16, 0)
        draw_icon(painter, "modules", theme.colour("text2"), inner.left(), row.top() + 18, 20)
        # As wide as the widest, so that the columns of all rows agree.
        widest = max(sum(chip_width(link) + 6 for link in each.links) for each in self._modules)
        chips = 0 if self._compact else widest
        room = inner.width() - 32 - chips
        name_width = round(room * _NAME / (_NAME + _SYSTEM + _FIRMWARE))
        system_width = round(room * _SYSTEM / (_NAME + _SYSTEM + _FIRMWARE))
        left = inner.left() + 32
        upper, lower = row.top() + 10, row.top() + 29
        end = f"EUI …{module.eui_end}" if module.eui_end else "EUI n/a"
        about = f"{end}, {module.note}" if module.note else end
        columns = (
            (name_width, module.name, "label", about),
            (system_width, module.system or "n/a", "body", module.type),
            (room - name_width - system_width, module.firmware or "n/a", "body", "firmware"),
        )
        for width, first, role, second in columns:
            draw_text(painter, QRect(left, upper, width - 10, 18), first, role, theme.colour("text"))
            draw_text(painter, QRect(left, lower, width - 10, 16), second, "hint", theme.colour("text3"))
            left += width
        if self._compact:
            x = inner.left() + 32
            for link in module.links:
                x = draw_link_chip(painter, x, row.top() + 60, link, theme).right() + 7
            return
        x = inner.right() + 1
        for link in reversed(module.links):
            x -= chip_width(link)
            draw_link_chip(painter, x, row.center().y() + 1, link, theme)
            x -= 6
