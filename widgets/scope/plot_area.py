"""The two panes, their time axis and the overlay in one graphics view; measures what painting costs."""

from __future__ import annotations

from time import perf_counter

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QPainter, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import QFrame, QWidget

from widgets.scope.cursors import Overlay
from widgets.scope.pane import OVERHANG_PX, TIME_AXIS_PX, Pane, ScopeAxis, time_labels
from widgets.theme import Theme

TOP_PX = 22
PANE_GAP_PX = 8
SHARES = {"V": 8, "A": 7}


class PlotArea(pg.GraphicsView):
    """Panes "V" and "A", one above the other on one time axis."""

    placed = Signal()
    """The panes have another size or place."""
    left = Signal()
    focus_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(240, 160)
        self.setAccessibleName("Voltage and current over time")
        self.setAccessibleDescription(
            "Left and right move the cursor, A and B choose it, plus and minus change the time scale, up and down the "
            "value scale, with Shift the trigger level; Space runs and stops, Home resets the view"
        )
        self.paint_s = 0.0
        self.paints = 0
        self._theme = Theme()
        layout = pg.GraphicsLayout()
        layout.setContentsMargins(0, TOP_PX, OVERHANG_PX, 0)
        layout.setSpacing(0)
        self.setCentralItem(layout)
        self._layout = layout
        self.panes = {
            "V": Pane(layout, 0, "V", "Voltage, V"),
            "A": Pane(layout, 2, "A", "Current, A"),
        }
        self.time_axis = ScopeAxis("bottom")
        self.time_axis.linkToView(self.panes["A"].view_box)
        layout.addItem(self.time_axis, 3, 1)
        layout.layout.setRowFixedHeight(1, PANE_GAP_PX)
        self.overlay = Overlay()
        self.scene().addItem(self.overlay)
        for pane in self.panes.values():
            pane.view_box.sigResized.connect(self._place_overlay)

    def set_theme(self, theme: Theme) -> None:
        """Colours of everything but the curves."""
        self._theme = theme
        for pane in self.panes.values():
            pane.set_theme(theme)
        self.time_axis.set_theme(theme)
        self.overlay.set_theme(theme)

    def set_channels(self, channels: tuple[str, ...]) -> None:
        """A pane without a channel gives its place to the other."""
        for unit, pane in self.panes.items():
            present = any(channel.startswith("V") == (unit == "V") for channel in channels)
            pane.view_box.setVisible(present)
            pane.axis.setVisible(present)
        self._share_height()

    @property
    def width_px(self) -> float:
        """Width of a pane in logical pixels."""
        return float(self.panes["V"].view_box.width())

    @property
    def columns(self) -> int:
        """Width of a pane in device pixels."""
        return max(1, round(self.width_px * self.devicePixelRatioF()))

    def set_view(self, start_s: float, stop_s: float, step_s: float) -> None:
        """Show that span of relative time, with a grid line every `step_s`."""
        for pane in self.panes.values():
            pane.set_view(start_s, stop_s, step_s)
        self.time_axis.set_labels(time_labels(start_s, stop_s, step_s, self.width_px))

    def scene_x(self, start_s: float, stop_s: float, time_s: float) -> float:
        """Place of a relative time in the scene."""
        pane = self.panes["V"].scene_rect()
        return pane.left() + (time_s - start_s) / (stop_s - start_s) * pane.width()

    def time_at(self, start_s: float, stop_s: float, scene_x: float) -> float:
        """Relative time at a place in the scene."""
        pane = self.panes["V"].scene_rect()
        return start_s + (scene_x - pane.left()) / max(1.0, pane.width()) * (stop_s - start_s)

    def _share_height(self) -> None:
        """Rows of the panes by the share of each; the layout's own stretch factors follow them only roughly."""
        room = max(2.0, self.height() - TOP_PX - PANE_GAP_PX - TIME_AXIS_PX)
        shares = {unit: share if self.panes[unit].view_box.isVisible() else 0 for unit, share in SHARES.items()}
        for row, unit in ((0, "V"), (2, "A")):
            height = room * shares[unit] / max(1, sum(shares.values()))
            self._layout.layout.setRowFixedHeight(row, round(height))
        self._layout.layout.activate()
        self._place_overlay()

    def _place_overlay(self) -> None:
        shown = [pane.scene_rect() for pane in self.panes.values() if pane.view_box.isVisible()]
        self.overlay.set_places(shown, self.sceneRect())
        self.placed.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if hasattr(self, "overlay"):
            self._share_height()

    def paintEvent(self, event: QPaintEvent) -> None:
        begun = perf_counter()
        super().paintEvent(event)
        self.paint_s = perf_counter() - begun
        self.paints += 1

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        """Each pixel once: two full fills a frame would cost as much as a curve."""
        around = QRegion(rect.toAlignedRect())
        for pane in self.panes.values():
            if not pane.view_box.isVisible():
                continue
            inside = pane.scene_rect().toAlignedRect()
            around -= inside
            painter.fillRect(inside, self._theme.colour("plot"))
        surface = self._theme.colour("surface")
        for part in around:
            painter.fillRect(part, surface)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self.left.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        event.ignore()  # the whole oscilloscope handles them

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.focus_changed.emit()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.focus_changed.emit()
