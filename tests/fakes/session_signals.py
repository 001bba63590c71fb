"""The signals of the window's session without a module behind them."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QObject, Signal

from device_io.source import ModuleInfo
from tests.fakes.window_series import windows

EUI = "2462ABFFFE1A2B3C"
VALUES: dict[str, float | None] = {
    **{f"THV{phase}": 3.0 + 0.1 * phase for phase in (1, 2, 3)},
    **{f"THI{phase}": 24.0 for phase in (1, 2, 3)},
    **{f"{phase}V{order}": 5.5 / order for phase in (1, 2, 3) for order in range(3, 38, 2)},
    **{f"{phase}I{order}": 9.0 / order for phase in (1, 2, 3) for order in range(3, 38, 2)},
    "Pc": 2345.0,
}


class SessionSignals(QObject):
    """Tells what a test wants it to tell."""

    measured = Signal(object)
    identified = Signal(object, object)
    ended = Signal()

    def connect_module(self, *capabilities: str) -> None:
        """A module with a name is there."""
        names = frozenset(capabilities or ("waveform-stream",))
        self.identified.emit(ModuleInfo(EUI, "3PN-PowerMonitor1", "3P+N", "1.4.0", (), names), None)

    def measure(
        self, first_s: float, count: int, length_s: float = 2.0, values: Mapping[str, float | None] = VALUES
    ) -> None:
        """So many windows from an instant on (epoch seconds)."""
        for measurement in windows(round(first_s * 1e9), count, lambda _n: values, length_ns=round(length_s * 1e9)):
            self.measured.emit(measurement)
