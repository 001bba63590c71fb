"""What surrounds the oscilloscope on the Live page: spectrum, meters, phasors."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from dsp.measurement import Measurement
from resources.limits import harmonic_limits
from widgets.controls.card import Card
from widgets.meters import MeterPanel
from widgets.phasors import PhasorView
from widgets.spectrum import SpectrumView
from widgets.theme import Theme


class LiveFigures:
    """The three parts that show the figures of the latest window, each in a card of its own."""

    def __init__(self) -> None:
        self.spectrum = SpectrumView()
        self.spectrum.set_limits(harmonic_limits("en50160-lv"))
        self.meters = MeterPanel()
        self.meters_card = Card("Meters", header=False)
        self.meters_card.body_layout.setContentsMargins(0, 0, 0, 0)
        self.meters_card.body_layout.addWidget(self.meters)
        self.phasors = PhasorView()

    def cards(self) -> tuple[QWidget, QWidget, QWidget]:
        """Cards of spectrum, meters and phasors."""
        return self.spectrum, self.meters_card, self.phasors

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        for part in (self.spectrum, self.meters_card, self.meters, self.phasors):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self.spectrum.set_compact(compact)
        self.meters.set_compact(compact)

    def set_system(self, channels: Sequence[str]) -> None:
        """Channels of the wiring system; none says what to do next."""
        for part in (self.spectrum, self.meters, self.phasors):
            part.set_system(channels)

    def show_measurement(self, measurement: Measurement) -> None:
        """The latest window."""
        self.spectrum.set_orders(measurement.orders, measurement.band, measurement.values.get("Fqai"))
        self.meters.set_values(measurement.values, measurement.flags)
        self.phasors.set_phasors(measurement.phasors)
