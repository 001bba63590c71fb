"""From the threads of a connection to the window: queued Qt signals, for facts only."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from device_io.source import LinkState, ModuleInfo
from dsp.measurement import Measurement


class Bridge(QObject):
    """A connection's listener whose signals arrive on the thread that made it."""

    identified = Signal(object)
    measured = Signal(object)
    state_changed = Signal(object)
    text_printed = Signal(str)

    def on_identity(self, info: ModuleInfo) -> None:
        """Signal who the module is."""
        self.identified.emit(info)

    def on_measurement(self, measurement: Measurement) -> None:
        """Signal a measurement."""
        self.measured.emit(measurement)

    def on_state(self, state: LinkState) -> None:
        """Signal the link's state."""
        self.state_changed.emit(state)

    def on_text(self, line: str) -> None:
        """Signal a line of log text."""
        self.text_printed.emit(line)
