"""The oscilloscope: the picture, the controls of its header, and what keys and pointer do to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication, QWidget

from widgets.scope.acquisition import RunMode
from widgets.scope.header import AUTO, ScopeHeader
from widgets.scope.interaction import context_menu, handle_key
from widgets.scope.picture import ScopePicture
from widgets.scope.scales import STEPS, TIME_DIVISIONS, TIME_STEPS_S, move_step
from widgets.scope.state import scope_state, settings_from
from widgets.scope.trigger import TriggerSettings
from widgets.theme import Theme


class ScopeView(ScopePicture):
    """What stands in the card "Oscilloscope"; `header_widgets()` and `chip` belong into the card's header.

    It pulls its samples from a `WaveformSource`. `save_requested("csv" | "image")`: the user wants a file; `csv_text()`
    and `image()` give its content. `settings_changed`: `state()` would tell something new.
    """

    save_requested = Signal(str)
    settings_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._notches = 0.0
        self.header = ScopeHeader()
        header, plot = self.header, self.plot
        header.run.changed.connect(self.set_mode)
        header.time.changed.connect(self.set_time_per_division)
        for unit, field in header.scales.items():
            field.changed.connect(lambda value, unit=unit: self.set_per_division(unit, value))
        header.trigger.settings_changed.connect(self.set_trigger)
        plot.overlay.cursor_moved.connect(self._drag_cursor)
        plot.overlay.cursor_pressed.connect(self._select_cursor)
        plot.overlay.level_moved.connect(self._drag_level)
        for unit, pane in plot.panes.items():
            pane.view_box.panned.connect(lambda dt, dv, unit=unit: self._pan(unit, dt, dv))
            pane.view_box.zoomed.connect(lambda n, axis, at, unit=unit: self._zoom(unit, n, axis, at))
            pane.view_box.menu_requested.connect(self._open_menu)
            pane.view_box.reset_requested.connect(self.reset_view)
        self.readout.toggled.connect(self.toggle_channel)
        self.readout.selected.connect(self.select_channel)
        self.set_theme(self._theme)

    # For the page

    def header_widgets(self) -> list[QWidget]:
        """Controls for the card's header, left to right. The chip (`chip`) belongs at its right end."""
        return self.header.widgets

    @property
    def chip(self) -> QWidget:
        """Triggered, Auto, Waiting, Rolling or Stopped."""
        return self.header.chip

    def set_theme(self, theme: Theme) -> None:
        """Draw all in another theme."""
        self._theme = theme
        self.header.set_theme(theme)
        self.plot.set_theme(theme)
        self.readout.set_theme(theme)
        self._view_changed()
        self.refresh_text()

    def refresh_text(self) -> None:
        """All text: read-outs, and the controls of the header."""
        super().refresh_text()
        header, acquisition = self.header, self._acquisition
        header.show_state(self.trigger_state)
        header.run.set_value(acquisition.mode)
        header.time.show_scale(acquisition.time_per_division_s)
        for unit, pane in self.plot.panes.items():
            header.scales[unit].show_scale(pane.per_division, pane.automatic)
        header.trigger.show_settings(acquisition.trigger.settings, self._channels)

    def state(self) -> dict[str, Any]:
        """Settings to keep, as plain values."""
        return scope_state(
            self._acquisition.time_per_division_s,
            {unit: None if pane.automatic else pane.per_division for unit, pane in self.plot.panes.items()},
            self._acquisition.trigger.settings,
            self._hidden,
            self._cursors,
            self._cursors_shown,
        )

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over settings that were kept; what makes no sense is left as it is."""
        kept = settings_from(state)
        if kept.time_per_division_s is not None:
            self._acquisition.set_time_per_division(kept.time_per_division_s)
        for unit, per_division in kept.per_division.items():
            self.set_per_division(unit, AUTO if per_division is None else per_division)
        if kept.trigger is not None and kept.trigger.channel in self._channels:
            self._acquisition.set_trigger(kept.trigger)
        self._hidden = kept.hidden
        self._cursors.update(kept.cursors)
        self._cursors_shown = kept.cursors_shown
        self._view_changed()
        self.refresh_text()

    # What a person does

    def set_mode(self, mode: RunMode) -> None:
        """Run, single or stop (freeze)."""
        self._acquisition.set_mode(RunMode(mode))
        self._changed()

    def set_time_per_division(self, step_s: float) -> None:
        """Seconds per division."""
        self._acquisition.set_time_per_division(step_s)
        self._changed()

    def set_per_division(self, unit: str, value: float | str) -> None:
        """Volts ("V") or amperes ("A") per division; "auto" lets the signal decide."""
        self.plot.panes[unit].set_scale(None if value == AUTO else float(value))
        self._changed()

    def set_trigger(self, settings: TriggerSettings) -> None:
        """Another trigger condition."""
        self._acquisition.set_trigger(settings)
        self._changed()

    def toggle_channel(self, channel: str) -> None:
        """Show or hide a channel."""
        self._hidden ^= {channel}
        self._changed()

    def select_channel(self, channel: str) -> None:
        """Show the figures of a channel."""
        self._selected = channel
        self.refresh_text()

    def reset_view(self) -> None:
        """Trigger in its usual place, scales automatic."""
        if self._acquisition.mode is not RunMode.STOP:
            self._acquisition.reset_view()
        for unit in self.plot.panes:
            self.set_per_division(unit, AUTO)

    def show_cursors(self, shown: bool) -> None:
        """Show or hide A and B."""
        self._cursors_shown = shown
        self._changed()

    # What keys and pointer do

    @property
    def has_picture(self) -> bool:
        """True where there is something to copy or save."""
        return self._frame is not None

    @property
    def cursors_shown(self) -> bool:
        """True while A and B are drawn."""
        return self._cursors_shown

    def copy_image(self) -> None:
        """Put the picture on the clipboard."""
        QApplication.clipboard().setImage(self.image())

    def pan_time(self, divisions: float) -> None:
        """Move the view by parts of a division; positive: later."""
        self._pan(None, divisions * self._acquisition.span_s / TIME_DIVISIONS, 0.0)

    def zoom_time(self, notches: float, at_s: float | None = None) -> None:
        """Closer (positive) or further: by steps while running, freely around `at_s` when stopped."""
        acquisition = self._acquisition
        if acquisition.mode is RunMode.STOP:
            middle_s = (acquisition.start_s + acquisition.stop_s) / 2
            acquisition.zoom(0.8**notches, middle_s if at_s is None else at_s)
        else:
            self._notches += notches
            count = int(self._notches)
            self._notches -= count
            if not count:
                return
            step_s = move_step(TIME_STEPS_S, acquisition.time_per_division_s, -count)
            acquisition.set_time_per_division(step_s)
        self._changed()

    def zoom_value(self, unit: str, notches: float) -> None:
        """Finer (positive) or coarser by steps; from then on the scale is no longer automatic."""
        self._notches += notches
        count = int(self._notches)
        self._notches -= count
        if count:
            self.set_per_division(unit, move_step(STEPS[unit], self.plot.panes[unit].per_division, -count))

    def step_cursor(self, pixels: int) -> None:
        """Move the chosen cursor."""
        step_s = self._acquisition.span_s / max(1.0, self.plot.width_px)
        self._move_cursor(self._cursor_selected, self._cursors[self._cursor_selected] + pixels * step_s)

    def fetch_cursor(self, name: str) -> None:
        """Choose a cursor; one that is out of sight comes to the middle."""
        acquisition = self._acquisition
        self._cursors_shown, self._cursor_selected = True, name
        if not acquisition.start_s <= self._cursors[name] <= acquisition.stop_s:
            self._cursors[name] = (acquisition.start_s + acquisition.stop_s) / 2
        self._changed()

    def step_level(self, steps: int) -> None:
        """Move the trigger level by fifths of a division."""
        self._set_level(self._acquisition.trigger.settings.level, steps)

    def _set_level(self, value: float, steps: int = 0) -> None:
        step = self.plot.panes[self.trigger_unit].per_division / 5
        level = round((round(value / step) + steps) * step, 9)
        self.set_trigger(replace(self._acquisition.trigger.settings, level=level))

    def _drag_level(self, scene_y: float) -> None:
        pane = self.plot.panes[self.trigger_unit]
        edge = 0.98 * pane.half_range
        self._set_level(min(max(pane.value_at(scene_y), pane.offset - edge), pane.offset + edge))

    def _select_cursor(self, name: str) -> None:
        self._cursor_selected = name
        self._draw_overlay()

    def _drag_cursor(self, name: str, scene_x: float) -> None:
        acquisition = self._acquisition
        self._move_cursor(name, self.plot.time_at(acquisition.start_s, acquisition.stop_s, scene_x))

    def _move_cursor(self, name: str, time_s: float) -> None:
        acquisition = self._acquisition
        self._cursors[name] = min(max(time_s, acquisition.start_s), acquisition.stop_s)
        self._draw_overlay()
        self.settings_changed.emit()

    def _pan(self, unit: str | None, shift_s: float, shift_value: float) -> None:
        self._acquisition.pan(shift_s)
        if unit is not None and abs(shift_value) > 0 and not self.plot.panes[unit].automatic:
            pane = self.plot.panes[unit]
            limit = pane.half_range
            pane.offset = min(max(pane.offset + shift_value, -limit), limit)
        self._view_changed()

    def _zoom(self, unit: str, notches: float, axis: int, at_s: float) -> None:
        if axis == 0:
            self.zoom_time(notches, at_s)
        else:
            self.zoom_value(unit, notches)

    def _open_menu(self, place: QPoint) -> None:
        menu = context_menu(self, self._theme)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not handle_key(self, event):
            super().keyPressEvent(event)

    def _changed(self) -> None:
        self._view_changed()
        self.refresh_text()
        self.settings_changed.emit()
