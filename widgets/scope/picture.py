"""The oscilloscope's picture: draws what the acquisition shows, with cursors and read-outs. No controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from PySide6.QtCore import QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QHideEvent, QImage, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from resources.systems import channels_of
from widgets.numbers import NOT_AVAILABLE, fixed, with_unit
from widgets.scope import measure
from widgets.scope.acquisition import Acquisition, Frame, RunMode
from widgets.scope.curve_item import BAND_STRENGTH, Curve
from widgets.scope.header import trigger_text
from widgets.scope.pane import time_step
from widgets.scope.plot_area import PlotArea
from widgets.scope.readout import Readout, ReadoutRow, value_text
from widgets.scope.scales import TIME_DIVISIONS, time_text
from widgets.scope.source import RAW_POINTS, Trace, WaveformSource
from widgets.scope.trigger import TriggerState
from widgets.theme import Theme

FRAME_MS = 16
TEXT_MS = 250
STALLED_TEXTS = 4
"""Updates of the text without a new sample after which the picture is no longer live."""
COMPACT_WIDTH_PX, COMPACT_HEIGHT_PX = 1366, 800
STRIP_MARGIN_PX = 12
EMPTY = "No module. Plug one in and choose it at the top left."
WAITING = "Waiting for samples ..."


def unit_of(channel: str) -> str:
    """V or A."""
    return "V" if channel.startswith("V") else "A"


def depth(trace: Trace) -> int:
    """Order of drawing: N lowest, then L3, L2, L1 on top."""
    return {"N": 0, "3": 1, "2": 2, "1": 3}.get(trace.key[-1], 0)


class ScopePicture(QWidget):
    """Panes, overlay and read-outs on a timer: at most 60 frames a second, only of what changed, and text at most four
    times a second."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = Theme()
        self._acquisition = Acquisition()
        self._channels: tuple[str, ...] = channels_of("3P+N")
        self._hidden: set[str] = set()
        self._selected = "V1"
        self._cursors = {"A": 4e-3, "B": 14e-3}
        self._cursors_shown = True
        self._cursor_selected = "A"
        self._compact: bool | None = None
        self._hover: QPointF | None = None
        self._frame: Frame | None = None
        self._drawn_view: tuple[object, ...] = ()
        self._seen_s: float | None = None
        self._idle_texts = 0
        self._skip = 0
        self._skipped = 0
        self._prepare_s = 0.0
        self.plot = PlotArea(self)
        self.readout = Readout(self)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 4, 0, 2)
        row.setSpacing(STRIP_MARGIN_PX)
        row.addWidget(self.plot, 1)
        row.addWidget(self.readout)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.plot.placed.connect(self._view_changed)
        self.plot.focus_changed.connect(self._draw_overlay)
        self.plot.left.connect(lambda: self._point(None))
        self.plot.scene().sigMouseMoved.connect(self._point)
        self._frame_timer = QTimer(self, interval=FRAME_MS, timerType=Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self._tick)
        self._text_timer = QTimer(self, interval=TEXT_MS)
        self._text_timer.timeout.connect(self._text_tick)

    def set_source(self, source: WaveformSource | None) -> None:
        """Show the samples of another source; None: there is no module."""
        self._acquisition.set_source(source)
        self._clear()
        for pane in self.plot.panes.values():
            pane.expect(None)
        self._view_changed()
        self.refresh()
        self.refresh_text()

    def set_system(self, channels: Sequence[str]) -> None:
        """Channels that exist, voltages first: "V1" ... "IN"."""
        self._channels = tuple(channels)
        self.plot.set_channels(self._channels)
        if self._selected not in self._channels and self._channels:
            self._selected = self._channels[0]
        trigger = self._acquisition.trigger.settings
        if trigger.channel not in self._channels and self._channels:
            self._acquisition.set_trigger(replace(trigger, channel=self._channels[0], level=0.0))
        self._acquisition.touch()
        self.refresh_text()

    def set_nominal(self, voltage_v: float, frequency_hz: float) -> None:
        """Scale to begin with, and how far back a period may lie (five periods are searched for a trigger)."""
        self.plot.panes["V"].expect(voltage_v * math.sqrt(2))
        self._acquisition.trigger.search_s = 5.0 / frequency_hz
        self._view_changed()

    def set_compact(self, compact: bool | None) -> None:
        """Leave the strip out, or show it; None: decide by the size of the window."""
        self._compact = compact
        self._place_readout()

    @property
    def mode(self) -> RunMode:
        """Run, single or stop."""
        return self._acquisition.mode

    @property
    def trigger_unit(self) -> str:
        """Unit of the pane that the trigger looks at."""
        return unit_of(self._acquisition.trigger.settings.channel)

    def csv_text(self) -> str:
        """The samples in view as a table (header line, then one line a sample); empty without a picture."""
        acquisition = self._acquisition
        if acquisition.source is None or acquisition.origin_s is None:
            return ""
        origin_s = acquisition.origin_s
        span = (origin_s + acquisition.start_s, origin_s + acquisition.stop_s)
        return measure.csv_text(acquisition.source, *span, origin_s, self._visible())

    def image(self) -> QImage:
        """The picture with its read-outs, in device pixels."""
        return self.grab().toImage()

    def paint_stats(self) -> dict[str, float]:
        """Frames painted, ticks left out because painting was slow, and the cost of the last frame in seconds."""
        return {
            "paints": self.plot.paints,
            "skipped": self._skipped,
            "paint_s": self.plot.paint_s,
            "prepare_s": self._prepare_s,
        }

    def refresh(self, force: bool = False) -> bool:
        """Draw the next frame if samples or view changed (or `force`); False where nothing did. The paint follows."""
        begun = perf_counter()
        if force:
            self._acquisition.touch()
        self._apply_view()
        frame = self._acquisition.frame(self.plot.columns, self._visible())
        if frame is None:
            self._show_words()
            return False
        if self._frame is None:
            self._drawn_view = ()  # cursors and trigger come back with the picture
        self._frame = frame
        self._autoscale(frame)
        self._apply_view()
        origin_s = frame.origin_s
        gaps = [(start - origin_s, stop - origin_s) for start, stop in frame.gaps]
        for unit, pane in self.plot.panes.items():
            curves = [
                self._curve(trace, origin_s)
                for trace in sorted(frame.traces, key=depth)
                if unit_of(trace.key) == unit and len(trace.time_s)
            ]
            pane.show(curves, gaps)
        self._show_words()
        self._prepare_s = perf_counter() - begun
        return True

    def _curve(self, trace: Trace, origin_s: float) -> Curve:
        colour = self._theme.phase(trace.key)
        return Curve(trace, origin_s, colour, self._theme.blend(colour, "plot", BAND_STRENGTH))

    def _autoscale(self, frame: Frame) -> None:
        # While the picture stands still no time passes: the scale grows where it must, and never shrinks.
        now_s = 0.0 if self.mode is RunMode.STOP else perf_counter()
        for unit, pane in self.plot.panes.items():
            pane.autoscale([trace for trace in frame.traces if unit_of(trace.key) == unit], now_s)

    def _tick(self) -> None:
        """Drawing takes at most half of the time: ticks are left out where a frame costs more."""
        if self._skip > 0:
            self._skip -= 1
            self._skipped += 1
            return
        if self.refresh():
            self._skip = min(30, int((self._prepare_s + self.plot.paint_s) / (FRAME_MS * 0.5e-3)))

    def _visible(self) -> tuple[str, ...]:
        return tuple(channel for channel in self._channels if channel not in self._hidden)

    def _view_changed(self) -> None:
        self._acquisition.touch()
        self._drawn_view = ()
        if not self._frame_timer.isActive():
            self._apply_view()

    def _apply_view(self) -> None:
        """Ranges, grid and labels, where they changed."""
        acquisition, panes = self._acquisition, self.plot.panes
        scales = [(pane.per_division, pane.offset) for pane in panes.values()]
        view = (acquisition.start_s, acquisition.stop_s, acquisition.rolled, *scales, self.plot.size())
        if view == self._drawn_view:
            return
        self._drawn_view = view
        start_s, stop_s = acquisition.start_s, acquisition.stop_s
        step_s = time_step(start_s, stop_s, acquisition.time_per_division_s, TIME_DIVISIONS)
        self.plot.set_view(start_s, stop_s, step_s)
        if not any(start_s <= time_s <= stop_s for time_s in self._cursors.values()) and self.mode is not RunMode.STOP:
            self._cursors = {"A": start_s + 0.28 * (stop_s - start_s), "B": start_s + 0.48 * (stop_s - start_s)}
        self._draw_overlay()

    def _draw_overlay(self) -> None:
        acquisition, plot = self._acquisition, self.plot
        start_s, stop_s = acquisition.start_s, acquisition.stop_s
        cursors = {
            name: plot.scene_x(start_s, stop_s, time_s)
            for name, time_s in self._cursors.items()
            if self._cursors_shown and self._frame is not None and start_s <= time_s <= stop_s
        }
        chosen = self._cursor_selected if plot.hasFocus() else None
        plot.overlay.set_cursors(cursors, chosen, self._cursors["B"] - self._cursors["A"], acquisition.span_s)
        settings = acquisition.trigger.settings
        if self._frame is None or acquisition.rolled:
            plot.overlay.set_trigger(None, None)
            return
        number = list(plot.panes).index(self.trigger_unit)
        pane = plot.panes[self.trigger_unit]
        height = pane.scene_rect().top() + pane.y_px(settings.level)
        instant = plot.scene_x(start_s, stop_s, 0.0) if start_s <= 0 <= stop_s else None
        plot.overlay.set_trigger((number, height, settings.level), instant)

    def _show_words(self) -> None:
        acquisition = self._acquisition
        words = ""
        if acquisition.source is None:
            words = EMPTY
        elif acquisition.origin_s is None:
            waiting = acquisition.source.latest_s() is not None
            condition = trigger_text(acquisition.trigger.settings)
            words = f"Waiting for a trigger: {condition}" if waiting else WAITING
        self.plot.overlay.set_words(words)
        if words and self._frame is not None:
            self._clear()

    def _clear(self) -> None:
        """No picture: no curves, cursors and trigger either."""
        self._frame = None
        for pane in self.plot.panes.values():
            pane.show([], [])
        self._draw_overlay()

    # Text

    @property
    def trigger_state(self) -> TriggerState:
        """What the picture shows at the moment; waiting, too, where samples stay out."""
        stalled = self._idle_texts > STALLED_TEXTS and self.mode is not RunMode.STOP
        return TriggerState.WAITING if stalled else self._acquisition.state

    def _text_tick(self) -> None:
        self._idle_texts += 1
        if self._acquisition.latest_s != self._seen_s:
            self._seen_s, self._idle_texts = self._acquisition.latest_s, 0
        self.refresh_text()

    def refresh_text(self) -> None:
        """Values at the cursors and figures of the selected channel; four times a second."""
        if not self.readout.isHidden():
            a, b = (self._values_at(self._cursors[name]) if self._cursors_shown else {} for name in "AB")
            rows = [
                ReadoutRow(key, self._theme.phase(key), key not in self._hidden, a.get(key), b.get(key))
                for key in self._channels
            ]
            self.readout.set_values(rows, self._selected, self._times(), self._figures())
        elif self._hover is not None:
            self._point(self._hover)

    def _values_at(self, time_s: float) -> dict[str, float | None]:
        acquisition = self._acquisition
        if acquisition.source is None or self._frame is None:
            return {}
        return measure.values_at(acquisition.source, self._frame.origin_s + time_s, self._visible())

    def _times(self) -> list[tuple[str, str]]:
        if not self._cursors_shown or self._frame is None:
            return []
        a_s, b_s, span_s = self._cursors["A"], self._cursors["B"], self._acquisition.span_s
        difference_s = b_s - a_s
        frequency_hz = None if abs(difference_s) < 1e-9 else 1 / difference_s
        return [
            ("Cursor A", time_text(a_s, span_s)),
            ("Cursor B", time_text(b_s, span_s)),
            ("B−A", time_text(difference_s, span_s)),
            ("1 / (B−A)", with_unit(frequency_hz, 2 if abs(difference_s) < 1 else 4, "Hz")),
        ]

    def _figures(self) -> list[tuple[str, str]]:
        acquisition, frame, key = self._acquisition, self._frame, self._selected
        swing: float | None = None
        crest: float | None = None
        if acquisition.source is None or frame is None:
            pass
        elif acquisition.span_s <= measure.STATISTICS_LONGEST_S:
            span = (frame.origin_s + acquisition.start_s, frame.origin_s + acquisition.stop_s)
            for trace in acquisition.source.read(*span, RAW_POINTS, channels=(key,)):
                swing, crest = measure.peak_to_peak_and_crest(trace)
        else:  # the extremes that are drawn hold the one, and nothing cheap the other
            swing = next((measure.swing(trace.value) for trace in frame.traces if trace.key == key), 0.0) or None
        swing_text = NOT_AVAILABLE if swing is None else f"{value_text(swing, unit_of(key))} {unit_of(key)}"
        return [("peak to peak", swing_text), ("crest factor", fixed(crest, 2))]

    def _point(self, place: QPointF | None) -> None:
        """Values under the pointer, where there is no strip for them."""
        panes = [pane.scene_rect() for pane in self.plot.panes.values()]
        inside = place is not None and any(pane.contains(place) for pane in panes)
        self._hover = place if inside and self.readout.isHidden() and self._frame is not None else None
        if self._hover is None:
            self.plot.overlay.set_hover(None)
            return
        acquisition = self._acquisition
        time_s = self.plot.time_at(acquisition.start_s, acquisition.stop_s, self._hover.x())
        lines: list[tuple[QColor | None, str, str]] = [(None, "t", time_text(time_s, acquisition.span_s))]
        for key, value in self._values_at(time_s).items():
            lines.append((self._theme.phase(key), key, with_unit(value, 1 if unit_of(key) == "V" else 2, unit_of(key))))
        self.plot.overlay.set_hover((self._hover, lines))

    def pause(self) -> None:
        """Draw and write only when told, until shown again: for who counts frames."""
        self._frame_timer.stop()
        self._text_timer.stop()

    # Events of Qt

    def _place_readout(self) -> None:
        window = self.window().size()
        small = window.width() < COMPACT_WIDTH_PX or window.height() < COMPACT_HEIGHT_PX
        self.readout.setVisible(not (small if self._compact is None else self._compact))
        self.refresh_text()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place_readout()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._place_readout()
        self._frame_timer.start()
        self._text_timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._frame_timer.stop()
        self._text_timer.stop()
