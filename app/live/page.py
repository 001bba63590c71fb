"""The Live page: oscilloscope, spectrum, meters and phasors of one module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from device_io.source import ModuleInfo
from device_io.waveform_store import WaveformStore
from dsp.measurement import Measurement
from resources.systems import channels_of
from widgets.controls.card import Card
from widgets.scope import ScopeView
from widgets.theme import Theme

if TYPE_CHECKING:
    from app.live.figures import LiveFigures
    from widgets.spectrum import SpectrumView

_RIGHT_WIDTH, _RIGHT_WIDTH_COMPACT = 432, 386
_EDGE, _EDGE_COMPACT = 12, 8
_NARROW = 1100
"""Pixels of the page under which the oscilloscope's controls need less room."""


class LivePage(QWidget):
    """Curves first, their numbers beside them, spectrum under, meters and phasors right.

    Curves first also in time: the other parts are loaded when the oscilloscope has been painted once, or when they are
    needed; until then their cards are empty.
    """

    save_requested = Signal(str, object)
    """What ("oscilloscope.csv", "spectrum.png", ...) and its content: str or QImage."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = Theme()
        self._compact = False
        self._channels: tuple[str, ...] = ()
        self._source_hint = ""
        self._figures: LiveFigures | None = None
        self.scope = ScopeView()
        self.scope_card = Card("Oscilloscope")
        for control in self.scope.header_widgets():
            self.scope_card.header_layout.addWidget(control)
        self.scope_card.header_layout.addStretch(1)
        self.scope_card.header_layout.addWidget(self.scope.chip)
        self.scope_card.body_layout.setContentsMargins(0, 0, 12, 0)
        self.scope_card.body_layout.addWidget(self.scope)
        self._cards: tuple[QWidget, QWidget, QWidget] = (Card(), Card(header=False), Card())
        spectrum, meters, phasors = self._cards

        self._outer = QHBoxLayout(self)
        self._left, self._right = QVBoxLayout(), QVBoxLayout()
        self._left.addWidget(self.scope_card, 60)
        self._left.addWidget(spectrum, 40)
        self._right.addWidget(meters, 49)
        self._right.addWidget(phasors, 51)
        self._outer.addLayout(self._left, 1)
        self._outer.addLayout(self._right)
        self.scope.save_requested.connect(lambda what: self._save(self.scope, "oscilloscope", what))
        self.set_compact(False)

    @property
    def figures(self) -> LiveFigures:
        """Spectrum, meters and phasors; loaded when first asked for."""
        if self._figures is None:
            from app.live.figures import LiveFigures

            figures = self._figures = LiveFigures()
            figures.set_theme(self._theme)
            figures.set_compact(self._compact)
            figures.set_system(self._channels)
            figures.spectrum.save_requested.connect(lambda what: self._save(figures.spectrum, "spectrum", what))
            for empty, card in zip(self._cards, figures.cards(), strict=True):
                self._outer.replaceWidget(empty, card)
                empty.deleteLater()
            self._cards = figures.cards()
            self._fit_right_column()
        return self._figures

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        self._theme = theme
        self.scope_card.set_theme(theme)
        self.scope.set_theme(theme)
        for card in self._cards:
            card.set_theme(theme)
        if self._figures is not None:
            self._figures.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self._compact = compact
        edge = _EDGE_COMPACT if compact else _EDGE
        self._outer.setContentsMargins(edge, edge, edge, edge)
        for layout in (self._outer, self._left, self._right):
            layout.setSpacing(edge)
        self.scope_card.set_title("" if compact else "Oscilloscope")
        self._fit_hint()
        if self._figures is not None:
            self._figures.set_compact(compact)
        self._fit_right_column()

    def set_module(self, info: ModuleInfo, store: WaveformStore | None) -> None:
        """Show a module; what belonged to another one is forgotten. store: None where no waveform comes."""
        channels = channels_of(info.system)
        self._source_hint = _hint(info, store)
        self._fit_hint()
        self.scope.set_system(channels)
        self.scope.set_source(store)
        self._set_channels(channels)

    def clear(self) -> None:
        """No module: every part says what to do next."""
        self._source_hint = ""
        self._fit_hint()
        self.scope.set_source(None)
        self._set_channels(())

    def show_measurement(self, measurement: Measurement) -> None:
        """The latest window."""
        self.figures.show_measurement(measurement)

    def _fit_hint(self) -> None:
        self.scope_card.set_hint("" if self._compact else self._source_hint)
        self.scope_card.setToolTip(self._source_hint)

    def _set_channels(self, channels: tuple[str, ...]) -> None:
        self._channels = channels
        if self._figures is not None:
            self._figures.set_system(channels)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._figures is None:
            QTimer.singleShot(0, lambda: self.figures)  # behind this frame

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit_right_column()
        self.scope.header.set_narrow(self.width() < _NARROW)
        super().resizeEvent(event)

    def _fit_right_column(self) -> None:
        width = _RIGHT_WIDTH_COMPACT if self._compact else max(_RIGHT_WIDTH, round(0.23 * self.width()))
        for card in self._cards[1:]:
            card.setFixedWidth(width)

    def _save(self, part: ScopeView | SpectrumView, name: str, what: str) -> None:
        if what == "csv":
            self.save_requested.emit(f"{name}.csv", part.csv_text())
        else:
            self.save_requested.emit(f"{name}.png", part.image())


def _hint(info: ModuleInfo, store: WaveformStore | None) -> str:
    """What to know about the curves of this link."""
    if store is None:
        return "readings only: this link carries no waveform"
    return "" if "waveform-stream" in info.capabilities else "snapshots: the bus is too slow for a stream"
