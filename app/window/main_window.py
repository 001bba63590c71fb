"""The window: rail, top bar, page, status bar, and the one module behind them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QCloseEvent, QImage, QKeySequence, QPalette, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMessageBox, QVBoxLayout, QWidget

from app.data_folder import data_folder
from app.live.page import LivePage
from app.modules.home_broker import HomeBroker
from app.preferences import Preferences
from app.window.appearance_menu import AppearanceMenu
from app.window.broker_switch import BrokerSwitch
from app.window.link_words import link_kind, link_place, link_words
from app.window.module_menu import ModuleMenu
from app.window.module_session import ModuleSession
from app.window.page_stack import PageStack
from app.window.pages import RAIL, WindowPages
from app.window.password_prompt import PasswordPrompt
from device_io.source import LinkError, LinkPhase, LinkState, ModuleInfo
from device_io.waveform_store import WaveformStore
from dsp.measurement import FLAGS, Measurement
from widgets.chrome.navigation_rail import NavigationRail
from widgets.chrome.status_bar import StatusBar
from widgets.chrome.top_bar import Sync, TopBar
from widgets.theme import Theme

_COMPACT_BELOW = (1366, 800)
_PAUSED = "Measuring is paused: the module's port is in use on the Firmware page."
_METHOD = "Method of IEC 61000-4-30, not certified"


class MainWindow(QWidget):
    """Shows facts of the session on the page in front; asks the session for what a person wants.

    theme: "light" or "dark" for this start; None: as chosen last.
    """

    def __init__(self, preferences: Preferences, theme: str | None = None) -> None:
        super().__init__()
        self.setWindowTitle("Sensix")
        self.setMinimumSize(1024, 640)
        self._preferences = preferences
        self.session = ModuleSession(self)
        self.rail = NavigationRail()
        self.top_bar = TopBar()
        self.status_bar = StatusBar()
        self.live = LivePage()
        self._others = WindowPages(self.session, preferences, self)
        self.pages = PageStack({"live": self.live}, self._others.factories())
        self.rail.set_pages(RAIL)
        self._module_menu = ModuleMenu(self)
        self._home_broker = HomeBroker(data_folder() / "broker")
        self._broker_switch = BrokerSwitch(self._home_broker, self._module_menu, preferences, self)
        self.session.prompt = self._prompt = PasswordPrompt(self, self._home_broker.password)
        self._appearance = AppearanceMenu(self, preferences, theme)
        self._store: WaveformStore | None = None
        self._since = ""
        self._compact: bool | None = None
        self._lay_out()
        self._connect()
        self.set_theme(self._appearance.theme)
        self.live.scope.restore(preferences.get("oscilloscope", dict, {}))
        self._show_no_module()

    def _lay_out(self) -> None:
        right = QVBoxLayout()
        right.setSpacing(0)
        right.addWidget(self.top_bar)
        right.addWidget(self.pages, 1)
        right.addWidget(self.status_bar)
        whole = QHBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self.rail)
        whole.addLayout(right, 1)

    def _connect(self) -> None:
        self.rail.page_chosen.connect(self.show_page)
        self.top_bar.module_pressed.connect(self._open_module_menu)
        self.top_bar.help_pressed.connect(self._open_appearance_menu)
        self._appearance.theme_changed.connect(self.set_theme)
        self._module_menu.chosen.connect(self.connect_to)
        self._module_menu.demo_chosen.connect(self.session.start_demo)
        self._module_menu.disconnect_chosen.connect(self.session.disconnect_module)
        self._module_menu.wrong.connect(self._say)
        self._others.connect_wanted.connect(self._measure_with)
        self._others.say.connect(self._say)
        self._others.close_wanted.connect(self.close)
        self._broker_switch.say.connect(self._say)
        self.session.failed.connect(self._say)
        self.session.identified.connect(self._on_module)
        self.session.measured.connect(self._on_measurement)
        self.session.state_changed.connect(self._on_state)
        self.session.ended.connect(self._show_no_module)
        self.live.save_requested.connect(self._save)
        QShortcut(QKeySequence("Ctrl+O"), self, activated=self._open_module_menu)
        QShortcut(QKeySequence("Ctrl+T"), self, activated=self._appearance.toggle)

    # What is asked from outside

    def connect_to(self, url: str) -> None:
        """Leave the present module and use the one at this URL."""
        self.top_bar.set_link(link_kind(url), link_place(url), 0, "connecting", None)
        self.session.connect_to(url)

    def _measure_with(self, url: str) -> None:
        try:
            self.connect_to(url)
        except LinkError as error:
            self._say(str(error))
        else:
            self.show_page("live")

    def disconnect_module(self) -> None:
        """Let go of the module, if there is one."""
        self.session.disconnect_module()

    def end(self) -> None:
        """Let go of the module and end what the pages run."""
        self._prompt.end()
        self.session.disconnect_module()
        self._others.close()
        self._broker_switch.end()

    def show_page(self, name: str) -> None:
        """Bring a page to the front. KeyError for one that does not exist."""
        self.pages.show_page(name)
        self.rail.set_current(name)

    def set_theme(self, theme: Theme) -> None:
        """Draw everything in another theme."""
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, theme.colour("bg"))
        self.setPalette(palette)
        for part in (self.rail, self.top_bar, self.status_bar, self.pages):
            part.set_theme(theme)

    # What the session tells

    def _on_module(self, info: ModuleInfo, store: WaveformStore | None) -> None:
        if store is None or store is not self._store:
            self._store = store
            self._since = datetime.now().strftime("%H:%M:%S")
            self.live.set_module(info, store)
        self.top_bar.set_module(info.name or info.type, info.system, info.eui or "")
        if info.chips:
            self.status_bar.set_rate(info.chips[0].nominal_rate_hz, len(info.channels))
        self.status_bar.set_calibrated(info.calibrated or "")
        self.status_bar.set_method(_METHOD, "Calculated as the standard says; the instrument has no certificate.")

    def _on_measurement(self, measurement: Measurement) -> None:
        self.live.show_measurement(measurement)
        frequency_hz = measurement.values.get("Fqai")
        self.top_bar.set_sync(_sync(measurement.flags), frequency_hz)
        self.top_bar.set_flags(measurement.flags, "\n".join(FLAGS[flag] for flag in measurement.flags if flag in FLAGS))
        span_s = measurement.end_s - measurement.start_s
        if frequency_hz is not None and _sync(measurement.flags) is Sync.SYNCHRONISED:
            self.status_bar.set_window(f"{round(span_s * frequency_hz)} cycles, {span_s * 1000:.0f} ms")

    def _on_state(self, state: LinkState) -> None:
        bars, word, error = link_words(state)
        rate_hz = getattr(self.session.link, "rate_hz", 0.0)
        place = link_place(state.url) + (f", {rate_hz:.1f}/s" if rate_hz else "")
        self.top_bar.set_link(link_kind(state.url), place, bars, word, error)
        if state.phase in (LinkPhase.LOST, LinkPhase.FAILED):
            self.top_bar.set_sync(Sync.WAITING)
        if state.counters.blocks:
            lost = state.counters.samples_missing
            tip = (
                f"{state.counters.frames_damaged} damaged frames, {state.counters.blocks_left_out} blocks left out by "
                f"the module because the line was full, {state.counters.reconnects} reconnections"
            )
            self.status_bar.set_lost(lost, self._since, tip)

    def _show_no_module(self) -> None:
        self._store = None
        self.live.clear()
        self.top_bar.clear(*([_PAUSED] if self.session.is_paused else []))
        self.status_bar.clear()

    # What a person does

    def _open_module_menu(self) -> None:
        below = self.top_bar.mapToGlobal(QPoint(12, self.top_bar.height()))
        self._module_menu.open_at(below, self.session.is_connected)

    def _open_appearance_menu(self) -> None:
        self._appearance.open_at(self.top_bar.mapToGlobal(QPoint(self.top_bar.width() - 12, self.top_bar.height())))

    def _save(self, name: str, content: str | QImage) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save", name)
        if not path:
            return
        try:
            if isinstance(content, QImage):
                saved = content.save(path)
            else:
                Path(path).write_text(content, encoding="utf-8")
                saved = True
        except OSError:
            saved = False
        if not saved:
            self._say(f"{path} could not be written. Choose another folder, or check its rights and free space.")

    def _say(self, sentence: str) -> None:
        box = QMessageBox(QMessageBox.Icon.Warning, "Sensix", sentence, QMessageBox.StandardButton.Ok, self)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()

    def resizeEvent(self, event: QResizeEvent) -> None:
        compact = self.width() < _COMPACT_BELOW[0] or self.height() < _COMPACT_BELOW[1]
        if compact != self._compact:
            self._compact = compact
            for part in (self.rail, self.top_bar, self.status_bar, self.pages):
                part.set_compact(compact)
        super().resizeEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._others.may_close():
            event.ignore()
            return
        self._preferences.set("size", [self.width(), self.height()])
        self._preferences.set("oscilloscope", self.live.scope.state())
        self._preferences.save()
        self.end()
        super().closeEvent(event)


def _sync(flags: Sequence[str]) -> Sync:
    for flag, sync in (
        ("no-fundamental", Sync.NO_FUNDAMENTAL),
        ("unsynchronised", Sync.UNSYNCHRONISED),
        ("gap", Sync.WAITING),
    ):
        if flag in flags:
            return sync
    return Sync.SYNCHRONISED
