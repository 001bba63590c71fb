"""The boot log of the firmware page: what the module prints while it is measured with, and after a restart."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from app.background import Background
from app.firmware_page.modules import Connected
from app.firmware_page.words import shown_findings
from device_io.boot_log import explain
from device_io.flashing.listening import boot_lines
from device_io.port_lease import leased
from device_io.source import LinkError
from device_io.urls import parse_serial_url
from widgets.firmware.boot_log_card import BootLogCard
from widgets.firmware.model import Finding, Severity

LISTEN_S = 4.0
_MOST_LINES = 500


class BootLog(QObject):
    """Fills the card. borrow: takes the module's port for a while, None where that can't be; give_back: the end of it.

    Live lines stand in the box until a person puts something else there.
    """

    def __init__(
        self, card: BootLogCard, borrow: Callable[[], Connected | None], give_back: Callable[[], None], parent: QObject
    ) -> None:
        super().__init__(parent)
        self._card, self._borrow, self._give_back = card, borrow, give_back
        self._background = Background(self)
        self._cancelled = threading.Event()
        self._lines: deque[str] = deque(maxlen=_MOST_LINES)
        self._shown = ""
        self._soon = QTimer(self, singleShot=True, interval=500)
        self._soon.timeout.connect(self._show)
        card.explain_wanted.connect(self.explain)
        card.read_wanted.connect(self.read)

    def take(self, line: str) -> None:
        """The module printed a line."""
        self._lines.append(line)
        if not self._soon.isActive():
            self._soon.start()

    def forget(self) -> None:
        """Another module: its lines begin anew."""
        self._lines.clear()

    def put(self, lines: tuple[str, ...]) -> None:
        """Show these lines and what they mean, in place of all before."""
        self._lines = deque(lines, maxlen=_MOST_LINES)
        self._card.set_log(self._shown)  # they replace what a person had pasted
        self._show()

    def explain(self, text: str) -> None:
        """What a log means."""
        found = shown_findings(explain(text))
        nothing = Finding(Severity.INFO, "Nothing here is known", "These lines name no fault that is known.")
        self._card.set_findings(found or [nothing])

    def read(self) -> None:
        """Restart the module where its port can do that, and show what it prints."""
        module = self._borrow()
        if module is None:
            return
        url = parse_serial_url(module.url)
        self._cancelled = cancelled = threading.Event()

        def listen() -> list[str]:
            with leased(url.port) as lease:
                return boot_lines(url.port, LISTEN_S, lease=lease, cancelled=cancelled)

        self._card.set_findings([Finding(Severity.INFO, f"Listening for {LISTEN_S:.0f} s…")])
        self._background.run(listen, self._heard, self._failed, "read boot log")

    def end(self) -> None:
        """Nothing more is wanted."""
        self._cancelled.set()
        self._background.forget()

    def _heard(self, lines: list[str]) -> None:
        self._give_back()
        if lines:
            self.put(tuple(lines))
            return
        advice = "Press its RESET button while this page listens, or plug it in again and measure: its lines come here."
        self._card.set_findings([Finding(Severity.WARN, "The module printed nothing", advice)])

    def _failed(self, error: Exception) -> None:
        self._give_back()
        text = str(error) if isinstance(error, LinkError) else "The port could not be read. Plug the module in again."
        self._card.set_findings([Finding(Severity.BAD, "The log could not be read", text)])

    def _show(self) -> None:
        if self._card.box.text not in ("", self._shown):
            return
        self._shown = "\n".join(self._lines)
        self._card.set_log(self._shown)
        self._card.set_findings(shown_findings(explain(self._lines)))
