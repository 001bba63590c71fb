"""The Live page: oscilloscope, spectrum, meters and phasors of one module."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from device_io.source import ModuleInfo
from device_io.waveform_store import WaveformStore
from dsp.measurement import Measurement
from resources.limits import harmonic_limits
from resources.systems import channels_of
from widgets.controls.card import Card
from widgets.meters import MeterPanel
from widgets.phasors import PhasorView
from widgets.scope import ScopeView
from widgets.spectrum import SpectrumView
from widgets.theme import Theme

_RIGHT_WIDTH, _RIGHT_WIDTH_COMPACT = 432, 386
_EDGE, _EDGE_COMPACT = 12, 8


class LivePage(QWidget):
    """Curves first, their numbers beside them, spectrum under, meters and phasors right."""

    save_requested = Signal(str, object)
    """What ("oscilloscope.csv", "spectrum.png", ...) and its content: str or QImage."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scope = ScopeView()
        self.scope_card = Card("Oscilloscope")
        for control in self.scope.header_widgets():
            self.scope_card.header_layout.addWidget(control)
        self.scope_card.header_layout.addStretch(1)
        self.scope_card.header_layout.addWidget(self.scope.chip)
        self.scope_card.body_layout.setContentsMargins(0, 0, 12, 0)
        self.scope_card.body_layout.addWidget(self.scope)
        self.spectrum = SpectrumView()
        self.spectrum.set_limits(harmonic_limits("en50160-lv"))
        self.meters = MeterPanel()
        self.meters_card = Card("Meters", header=False)
        self.meters_card.body_layout.setContentsMargins(0, 0, 0, 0)
        self.meters_card.body_layout.addWidget(self.meters)
        self.phasors = PhasorView()

        self._outer = QHBoxLayout(self)
        self._left, self._right = QVBoxLayout(), QVBoxLayout()
        self._left.addWidget(self.scope_card, 60)
        self._left.addWidget(self.spectrum, 40)
        self._right.addWidget(self.meters_card, 49)
        self._right.addWidget(self.phasors, 51)
        self._outer.addLayout(self._left, 1)
        self._outer.addLayout(self._right)
        for part, name in ((self.scope, "oscilloscope"), (self.spectrum, "spectrum")):
            part.save_requested.connect(lambda what, part=part, name=name: self._save(part, name, what))
        self.set_compact(False)

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        for part in (self.scope_card, self.scope, self.spectrum, self.meters_card, self.meters, self.phasors):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        edge = _EDGE_COMPACT if compact else _EDGE
        self._outer.setContentsMargins(edge, edge, edge, edge)
        for layout in (self._outer, self._left, self._right):
            layout.setSpacing(edge)
        self.scope_card.set_title("" if compact else "Oscilloscope")
        self.spectrum.set_compact(compact)
        self.meters.set_compact(compact)
        self._fit_right_column()

    def set_module(self, info: ModuleInfo, store: WaveformStore) -> None:
        """Show a module; what belonged to another one is forgotten."""
        channels = channels_of(info.system)
        self.scope.set_system(channels)
        self.scope.set_source(store)
        for part in (self.spectrum, self.meters, self.phasors):
            part.set_system(channels)

    def clear(self) -> None:
        """No module: every part says what to do next."""
        self.scope.set_source(None)
        for part in (self.spectrum, self.meters, self.phasors):
            part.set_system(())

    def show_measurement(self, measurement: Measurement) -> None:
        """The latest window."""
        self.spectrum.set_orders(measurement.orders, measurement.band, measurement.values.get("Fqai"))
        self.meters.set_values(measurement.values, measurement.flags)
        self.phasors.set_phasors(measurement.phasors)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit_right_column()
        super().resizeEvent(event)

    def _fit_right_column(self) -> None:
        compact = self._outer.spacing() == _EDGE_COMPACT
        width = _RIGHT_WIDTH_COMPACT if compact else max(_RIGHT_WIDTH, round(0.23 * self.width()))
        self.meters_card.setFixedWidth(width)
        self.phasors.setFixedWidth(width)

    def _save(self, part: ScopeView | SpectrumView, name: str, what: str) -> None:
        if what == "csv":
            self.save_requested.emit(f"{name}.csv", part.csv_text())
        else:
            self.save_requested.emit(f"{name}.png", part.image())
