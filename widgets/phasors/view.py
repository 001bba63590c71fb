"""The card of the phasor diagram, with the phase rotation as a chip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.pacing import Latest
from widgets.phasors.diagram import PhasorDiagram
from widgets.phasors.model import Phasors
from widgets.theme import Theme


class PhasorView(Card):
    """Fundamental phasors of all channels.

    rotation_changed(kind, text): "ok", "warn" or "waiting" with the words of the chip.
    """

    rotation_changed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Phasors", parent, hint=Phasors().subtitle)
        self._phasors = Phasors()
        self._rotation = ("", "")
        self._latest = Latest(self, self._show)
        self.diagram = PhasorDiagram(self)
        self._chip = Chip("waiting", "Rotation n/a")
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self._chip)
        self.body_layout.setContentsMargins(0, 0, 0, 0)
        self.body_layout.addWidget(self.diagram)
        self._show({})

    def set_system(self, channels: Sequence[str]) -> None:
        """Channels of the wiring system (V1 ... IN); old values are forgotten."""
        if tuple(channels) != self._phasors.channels:
            self._latest.clear()
            self._phasors = Phasors(tuple(channels))
            self._show({})

    def set_phasors(self, phasors: Mapping[str, complex]) -> None:
        """{channel: complex rms phasor}, shown at most four times a second; absent where not measurable."""
        self._latest.put(dict(phasors))

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        super().set_theme(theme)
        self._chip.set_theme(theme)
        self.diagram.set_theme(theme, text_scale)

    @property
    def rotation(self) -> tuple[str, str]:
        """Kind and words of the rotation chip."""
        return self._rotation

    def text(self) -> str:
        """Length and angle of every channel, one a line."""
        return self.diagram.text()

    def image(self) -> QImage:
        """The diagram as a picture, two pixels a px."""
        return self.diagram.image()

    def _show(self, values: Mapping[str, complex]) -> None:
        channels = self._phasors.channels
        self._phasors = Phasors(channels, {name: value for name, value in values.items() if name in channels})
        self.diagram.show_phasors(self._phasors)
        self.set_hint(self._phasors.subtitle)
        rotation = self._phasors.rotation()
        self._chip.setVisible(bool(self._phasors.channels))
        if rotation != self._rotation:
            self._rotation = rotation
            self._chip.set_state(*rotation)
            self.rotation_changed.emit(*rotation)
