"""The controls in the header of the oscilloscope's card. They show the settings and tell what a person chose."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QPoint, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from widgets.controls.chip import Chip
from widgets.controls.field import Field
from widgets.controls.painting import popup_palette
from widgets.controls.segment import Segment
from widgets.controls.status_icon import Status
from widgets.scope.acquisition import RunMode
from widgets.scope.scales import STEPS, TIME_STEPS_S, per_division_text
from widgets.scope.trigger import TriggerSettings, TriggerState
from widgets.theme import Theme

AUTO = "auto"

_STATUS = {
    TriggerState.TRIGGERED: Status.OK,
    TriggerState.AUTO: Status.INFO,
    TriggerState.WAITING: Status.WAITING,
    TriggerState.ROLLING: Status.RUNNING,
    TriggerState.STOPPED: Status.INFO,
}


def trigger_text(settings: TriggerSettings) -> str:
    """The condition in words: "V1 rising 100 V"."""
    unit = "V" if settings.channel.startswith("V") else "A"
    slope = "rising" if settings.rising else "falling"
    return f"{settings.channel} {slope} {per_division_text(settings.level, unit)}"


def themed_menu(parent: QWidget, theme: Theme) -> QMenu:
    """A menu in the colours of the theme."""
    menu = QMenu(parent)
    menu.setPalette(popup_palette(theme))
    return menu


class ScaleField(Field):
    """Units per division. "Auto" is its first choice; the field itself always shows the scale that holds."""

    def __init__(self, label: str, unit: str) -> None:
        self._unit = unit
        self._shown = ""
        choices = [(AUTO, "Auto")] + [(step, per_division_text(step, unit)) for step in STEPS[unit]]
        super().__init__(label, choices)

    def show_scale(self, per_division: float, automatic: bool) -> None:
        """Show the scale that holds."""
        text = per_division_text(per_division, self._unit)
        if text != self._shown:
            self._shown = text
            self.update()
        wanted = AUTO if automatic else per_division
        if self.value != wanted:
            self.set_value(wanted)
        self.setToolTip("Scale follows the signal" if automatic else "")

    def currentText(self) -> str:
        return self._shown or super().currentText()


class TimeField(Field):
    """Time per division; a frozen view that was zoomed may stand between the steps."""

    def __init__(self) -> None:
        super().__init__("Time/div", [(step, per_division_text(step, "s")) for step in TIME_STEPS_S])
        self._free: float | None = None

    def show_scale(self, per_division_s: float) -> None:
        """Show the scale that holds."""
        step = next((step for step in TIME_STEPS_S if abs(step - per_division_s) < 1e-6 * step), None)
        free = None if step else float(f"{per_division_s:.3g}")
        if free != self._free:
            self._free = free
            extra = [] if free is None else [(free, per_division_text(free, "s"))]
            self.set_choices(extra + [(known, per_division_text(known, "s")) for known in TIME_STEPS_S])
        if self.value != (step or free):
            self.set_value(step or free)


class TriggerField(Field):
    """The condition as one line; its list is a menu of channel, slope, level and mode."""

    settings_changed = Signal(object)

    def __init__(self) -> None:
        self._settings = TriggerSettings()
        self._channels: tuple[str, ...] = ("V1",)
        super().__init__("Trigger", [trigger_text(self._settings)])

    def show_settings(self, settings: TriggerSettings, channels: tuple[str, ...]) -> None:
        """Show the condition that holds, and the channels to choose from."""
        self._settings, self._channels = settings, channels
        if self.itemText(0) != trigger_text(settings):
            self.set_choices([trigger_text(settings)])
            self.setToolTip("Level: drag the flag on the axis, or Shift with the arrow keys up and down")

    def menu(self) -> QMenu:
        """The choices, the present ones ticked."""
        settings = self._settings
        menu = themed_menu(self, self.theme)
        self._add(menu, [(key, replace(settings, channel=key, level=0.0)) for key in self._channels], settings.channel)
        slopes = [("Rising", replace(settings, rising=True)), ("Falling", replace(settings, rising=False))]
        self._add(menu, slopes, "Rising" if settings.rising else "Falling")
        zero = menu.addAction("Level: zero crossing")
        zero.triggered.connect(lambda: self.settings_changed.emit(replace(settings, level=0.0)))
        menu.addSeparator()
        modes = [
            ("Auto: run on without a trigger", replace(settings, normal=False)),
            ("Normal: wait for a trigger", replace(settings, normal=True)),
        ]
        self._add(menu, modes, modes[settings.normal][0])
        return menu

    def _add(self, menu: QMenu, entries: list[tuple[str, TriggerSettings]], chosen: str) -> None:
        group = QActionGroup(menu)
        for text, settings in entries:
            action = QAction(text, menu, checkable=True, checked=text == chosen)
            action.triggered.connect(lambda _=False, settings=settings: self.settings_changed.emit(settings))
            group.addAction(action)
            menu.addAction(action)
        menu.addSeparator()

    def showPopup(self) -> None:
        menu = self.menu()
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.mapToGlobal(QPoint(0, self.height() + 2)))


class ScopeHeader:
    """The header's widgets, in order; the chip stands at the right."""

    def __init__(self) -> None:
        self.run = Segment(
            [(RunMode.RUN, "Run"), (RunMode.SINGLE, "Single"), (RunMode.STOP, "Stop")],
            name="Run, single or stop",
            icons={RunMode.RUN: "run"},
        )
        self.time = TimeField()
        self.scales = {"V": ScaleField("V/div", "V"), "A": ScaleField("I/div", "A")}
        self.trigger = TriggerField()
        self.chip = Chip(Status.WAITING, TriggerState.WAITING.value)

    @property
    def widgets(self) -> list[QWidget]:
        """All but the chip."""
        return [self.run, self.time, *self.scales.values(), self.trigger]

    def set_theme(self, theme: Theme) -> None:
        """Draw all in another theme."""
        for widget in (*self.widgets, self.chip):
            widget.set_theme(theme)  # type: ignore[attr-defined]

    def set_narrow(self, narrow: bool) -> None:
        """Words of the run control without icon, the chip without its word."""
        self.run.show_icons(not narrow)
        self.chip.set_terse(narrow)

    def show_state(self, state: TriggerState) -> None:
        """The chip's word."""
        if self.chip.text != state.value:
            self.chip.set_state(_STATUS[state], state.value)
