"""The top bar: which module, over which link, and whether its values can be relied on."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from widgets import numbers
from widgets.chrome.indicators import LinkIndicator, ModuleSelector, StateIndicator
from widgets.controls.button import IconButton
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.controls.status_icon import Status
from widgets.pacing import Latest
from widgets.theme import Theme

_HEIGHT, _HEIGHT_COMPACT = 56, 48
NO_MODULE = "No module"
WHAT_TO_DO = "Plug a Sensix module into a USB port and choose it at the left, or try the virtual one."


class Sync(StrEnum):
    """How the windows of the measurement stand to the mains."""

    SYNCHRONISED = "synchronised"
    UNSYNCHRONISED = "unsynchronised"
    NO_FUNDAMENTAL = "no-fundamental"
    WAITING = "waiting"


_SYNC = {
    Sync.SYNCHRONISED: (Status.OK, "Synchronised", "Each window spans whole cycles of the mains."),
    Sync.UNSYNCHRONISED: (Status.WARN, "Not synchronised", "The window is not locked to the mains frequency."),
    Sync.NO_FUNDAMENTAL: (Status.WARN, "No mains frequency", "No fundamental between 42.5 and 69 Hz was found."),
    Sync.WAITING: (Status.WAITING, "Waiting for samples", ""),
}


class _Divider(Themed, QWidget):
    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedSize(1, 24)

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self.theme.colour("border"))


class TopBar(Themed, QWidget):
    """Module selector, link, synchronisation, flags; help at the right. Without a module it says what to do.

    module_pressed(): a person wants to choose a module (place a menu under `selector`). help_pressed(): wants help.
    """

    module_pressed = Signal()
    help_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Module and state")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._compact = False
        self._known = False
        self._linked = False
        self._measuring = False
        self._error: str | None = None
        self.selector = ModuleSelector()
        self.selector.clicked.connect(self.module_pressed)
        self._hint = Label("", "control", "text2")
        self._link = LinkIndicator()
        self._problem = StateIndicator()
        self._divider = _Divider()
        self._sync = StateIndicator()
        self._flags = StateIndicator()
        self._help = IconButton("help", "Help")
        self._help.clicked.connect(self.help_pressed)
        row = QHBoxLayout(self)
        row.setContentsMargins(16, 0, 16, 1)
        row.setSpacing(12)
        for widget in (
            self.selector,
            self._hint,
            self._link,
            self._divider,
            self._sync,
            self._flags,
            self._problem,
        ):
            row.addWidget(widget)
        row.addStretch(1)
        self.actions_layout = QHBoxLayout()
        """Place of further buttons, left of help."""
        row.addLayout(self.actions_layout)
        row.addWidget(self._help)
        self._latest_sync: Latest[tuple[Sync, float | None]] = Latest(self, self._show_sync)
        self.clear()

    def set_module(self, name: str, system: str, eui: str | None) -> None:
        """Show a module. system: wiring system; eui: 16 hex digits, the last four are shown, None for a file."""
        detail = f"{system} · EUI …{eui[-4:]}" if eui else system
        self.selector.set_texts(name or NO_MODULE, detail)
        self.selector.set_tip(f"EUI {eui}" if eui else "")
        self._known = True
        self._arrange()

    def set_link(self, kind: str, port: str, bars: int, word: str, error: str | None = None) -> None:
        """Show the link. kind: "USB"; bars: 0..4; word: how well it goes. `error`: one sentence that says
        what to do; without bars it takes the place of synchronisation and flags, beside some it stands after them."""
        self._linked, self._measuring, self._error = True, error is None or bars > 0, error
        self._link.set_link(kind, port, bars, word)
        self._link.setToolTip(f"{kind} {port}")
        if error is not None:
            self._problem.set_state(Status.WARN if self._measuring else Status.BAD, error)
        self._arrange()

    def set_sync(self, state: Sync | str, frequency_hz: float | None = None) -> None:
        """Show how windows stand to the mains, and the frequency. At most four times a second."""
        self._latest_sync.put((Sync(state), frequency_hz))

    def set_flags(self, flags: Sequence[str] | None, tip: str = "") -> None:
        """Show the flags of the latest values; none of them is good, None is not known yet."""
        if flags is None:
            self._flags.set_state(Status.WAITING, "No values yet", tip=tip)
        elif flags:
            self._flags.set_state(Status.WARN, f"Flagged: {', '.join(flags)}", tip=tip)
        else:
            self._flags.set_state(Status.OK, "Not flagged", tip=tip or "Nothing disturbs the values on screen.")

    def clear(self, what_to_do: str = WHAT_TO_DO) -> None:
        """No module: say what to do."""
        self._known, self._linked, self._error = False, False, None
        self.selector.set_texts(NO_MODULE, "choose one here")
        self.selector.set_tip("Choose a module")
        self._hint.set_text(what_to_do)
        self._latest_sync.clear()
        self.set_sync(Sync.WAITING)
        self.set_flags(None)
        self._arrange()

    def set_compact(self, compact: bool) -> None:
        """Draw it lower, for small windows."""
        self._compact = compact
        self.selector.set_compact(compact)
        self.updateGeometry()

    def set_theme(self, theme: Theme) -> None:
        for part in self.findChildren(QWidget):
            if isinstance(part, Themed):
                part.set_theme(theme)
        super().set_theme(theme)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), _HEIGHT_COMPACT if self._compact else _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), self.sizeHint().height())

    def _show_sync(self, latest: tuple[Sync, float | None]) -> None:
        state, frequency_hz = latest
        status, word, tip = _SYNC[state]
        value = f"{numbers.by_kind(frequency_hz, 'frequency')} Hz" if frequency_hz else ""
        self._sync.set_state(status, word, value if state is Sync.SYNCHRONISED else "", tip)

    def _arrange(self) -> None:
        self._hint.setVisible(not self._known and not self._linked)
        self._link.setVisible(self._linked)
        self._divider.setVisible(self._linked)
        self._problem.setVisible(self._error is not None)
        self._sync.setVisible(self._linked and self._measuring)
        self._flags.setVisible(self._linked and self._measuring)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        painter.fillRect(self.rect(), theme.colour("surface"))
        painter.fillRect(0, self.height() - 1, self.width(), 1, theme.colour("border"))
