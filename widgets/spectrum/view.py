"""The card of the harmonic spectrum: choices, legend and notice above the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QWidget

from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.field import Field
from widgets.controls.segment import Segment
from widgets.pacing import Latest
from widgets.spectrum.legend import Legend
from widgets.spectrum.model import BandLike, Finding, LimitsLike, Quantity, Spectrum, Unit, build
from widgets.spectrum.plot import SpectrumPlot
from widgets.theme import Theme, font

_FORMS: tuple[tuple[str, Unit, bool], ...] = (
    ("% of fundamental", "percent", False),
    ("% logarithmic", "percent", True),
    ("{unit}", "absolute", False),
    ("{unit} logarithmic", "absolute", True),
)
_UNIT_NAMES = {"voltage": "Volts", "current": "Amperes"}


class SpectrumView(Card):
    """Orders 1..40 of voltage or current. Values come in absolute rms; limits count for voltages.

    notice_changed(kind, text): "warn" or "bad" with the worst finding ("15th on L3 near limit"), or "", "".
    """

    notice_changed = Signal(str, str)
    save_requested = Signal(str)
    """"csv" or "image": a person wants a file of `csv_text()` or `image()`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Harmonic spectrum", parent)
        self._channels: tuple[str, ...] = ()
        self._orders: Mapping[str, NDArray[np.float64]] = {}
        self._band: BandLike | None = None
        self._fundamental_hz: float | None = None
        self._limits: LimitsLike | None = None
        self._quantity: Quantity = "voltage"
        self._unit: Unit = "percent"
        self._logarithmic = False
        self._compact = False
        self._text_scale = 1.0
        self._spectrum = Spectrum("voltage", ())
        self._findings: tuple[Finding, ...] = ()
        self._notice = ("", "")
        self._latest = Latest(self, self._show_orders)

        self.plot = SpectrumPlot(self)
        self._segment = Segment([("voltage", "Voltage"), ("current", "Current")], name="Quantity of the spectrum")
        self._field = Field("")
        self._field.setAccessibleName("Unit of the spectrum")
        self._legend = Legend()
        self._chip = Chip("warn", "")
        self._chip.hide()
        for control in (self._segment, self._field):
            self.header_layout.addWidget(control)
        self.header_layout.addStretch(1)
        for mark in (self._legend, self._chip):
            self.header_layout.addWidget(mark)
        # The plot paints all of its ground; the card keeps it clear of its round corners.
        self.body_layout.setContentsMargins(0, 0, 0, 0)
        self.body_layout.addWidget(self.plot)
        self._segment.changed.connect(lambda value: self.set_quantity(value))
        self._field.changed.connect(self._on_form)
        self.plot.picture_to_copy = self.image
        self.plot.save_requested.connect(self.save_requested)
        self._refresh()

    # What it shows

    def set_system(self, channels: Sequence[str]) -> None:
        """Channels of the wiring system (V1 ... IN); old values are forgotten."""
        if tuple(channels) != self._channels:
            self._channels = tuple(channels)
            self._orders, self._band, self._fundamental_hz, self._findings = {}, None, None, ()
            self._latest.clear()
            self._refresh()

    def set_orders(
        self, orders: Mapping[str, NDArray[np.float64]], band: BandLike, fundamental_hz: float | None = None
    ) -> None:
        """New values, shown at most four times a second.

        orders: {channel: float64 [41] rms of each order in V or A, index = order, NaN where not measurable}; what lies
        beyond band.indicative_to is never shown. fundamental_hz: else that of the band, where it has one.
        """
        if fundamental_hz is None:
            fundamental_hz = getattr(band, "fundamental_hz", None)
        self._latest.put((dict(orders), band, fundamental_hz))

    def set_limits(self, limits: LimitsLike | None) -> None:
        """The limit table drawn behind the voltages; None draws none."""
        self._limits = limits
        self._refresh()

    def set_quantity(self, quantity: Quantity) -> None:
        """ "voltage" or "current"."""
        if quantity not in _UNIT_NAMES:
            raise ValueError(f'"{quantity}" is no quantity of the spectrum; choose voltage or current.')
        self._quantity = quantity
        self._findings = ()
        self._refresh()

    def set_unit(self, unit: Unit) -> None:
        """ "percent" of the fundamental or "absolute" (V, A)."""
        if unit not in ("percent", "absolute"):
            raise ValueError(f'"{unit}" is no unit of the spectrum; choose percent or absolute.')
        self._unit = unit
        self._refresh()

    def set_logarithmic(self, logarithmic: bool) -> None:
        """Four or five decades instead of a linear scale."""
        self._logarithmic = logarithmic
        self._refresh()

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        super().set_theme(theme)
        self._text_scale = text_scale
        for control in (self._segment, self._field, self._chip):
            control.set_theme(theme)
        self._legend.set_theme(theme, text_scale)
        self.plot.set_theme(theme, text_scale)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800: short title and legend, no chip, half of the order numbers."""
        self._compact = compact
        self.set_title("Harmonics" if compact else "Harmonic spectrum")
        self.plot.set_compact(compact)
        self._refresh()

    @property
    def notice(self) -> tuple[str, str]:
        """The present notice: kind ("warn", "bad" or "") and text."""
        return self._notice

    @property
    def spectrum(self) -> Spectrum:
        """What is drawn at present."""
        return self._spectrum

    def csv_text(self) -> str:
        """The shown quantity, absolute and in percent, as comma-separated values."""
        return self._spectrum.csv_text()

    def image(self, ratio: float = 2.0) -> QImage:
        """The plot under a line with its title and legend, `ratio` pixels a px."""
        plot, head = self.plot.image(ratio), round(36 * self._text_scale)
        image = QImage(round(self.plot.width() * ratio), round((self.plot.height() + head) * ratio), plot.format())
        image.setDevicePixelRatio(ratio)
        image.fill(self.theme.colour("surface"))
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.drawImage(QPointF(0, head), plot)
        painter.setFont(font("card-title", self._text_scale))
        painter.setPen(self.theme.colour("text"))
        title = f"Harmonic spectrum, {self._quantity}, {self._field.currentText()}"
        painter.drawText(QRectF(16, 0, self.plot.width(), head), Qt.AlignmentFlag.AlignVCenter, title)
        legend = self._legend.sizeHint()
        painter.translate(self.plot.width() - 16 - legend.width(), (head - self._legend.height()) / 2)
        self._legend.draw(painter)
        painter.end()
        return image

    # Inside

    def _on_form(self, index: object) -> None:
        _, self._unit, self._logarithmic = _FORMS[int(str(index))]
        self._refresh()

    def _show_orders(self, update: tuple[Mapping[str, NDArray[np.float64]], BandLike, float | None]) -> None:
        self._orders, self._band, self._fundamental_hz = update
        self._rebuild()

    def _refresh(self) -> None:
        self._segment.set_value(self._quantity)
        unit = _UNIT_NAMES[self._quantity]
        self._field.set_choices([(index, text.format(unit=unit)) for index, (text, _, _) in enumerate(_FORMS)])
        self._field.set_value(2 * (self._unit == "absolute") + self._logarithmic)
        self.plot.set_unit(self._unit, self._logarithmic)
        self._rebuild()

    def _rebuild(self) -> None:
        self._spectrum = build(
            self._channels, self._quantity, self._orders, self._band, self._fundamental_hz, self._limits
        )
        self._findings = self._spectrum.findings(self._findings)
        self.plot.show_spectrum(self._spectrum, self._findings)
        limit = "" if self._spectrum.limits is None else self._spectrum.limits.name
        suffix = "" if self._compact or not limit else " limit"
        missing = [name for name in self._spectrum.channels if not self._spectrum.has_values(name, self._unit)]
        self._legend.set_content(self._spectrum.channels, limit + suffix, missing if self._spectrum.has_data else ())
        worst = self._findings[0] if self._findings else None
        notice = (worst.kind, worst.notice) if worst is not None else ("", "")
        self._chip.setVisible(worst is not None and not self._compact)
        if notice != self._notice:
            self._notice = notice
            if worst is not None:
                self._chip.set_state(*notice)
            self.notice_changed.emit(*notice)
