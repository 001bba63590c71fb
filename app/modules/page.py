"""The Modules page: the one list, settings, doctor and groups of modules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.background import Background
from app.modules.doctors import examine
from app.modules.finder import ModuleFinder
from app.modules.groups import Group, Groups
from app.modules.rows import checks_of, module_rows, searches_of
from app.modules.setting_rows import rows, to_values
from app.modules.settings import ModuleSettings, Target
from app.modules.settings_change import Changed, History
from device_io.discovery.module_list import KnownModule
from device_io.discovery.search import Place
from device_io.doctor import Check
from device_io.source import Setting
from widgets.controls.status_icon import Status
from widgets.modules.model import Check as ShownCheck
from widgets.modules.model import CheckState, LinkState, SettingValue
from widgets.modules.modules_panel import ModulesPanel
from widgets.theme import Theme


class ModulesPage(QWidget):
    """Holds the panel; asks the finder for modules and the modules for their settings.

    finder: started and stopped by whoever made it. places: where "Search all links" looks. used: the link in use, as
    (url, ModuleLink), None where nothing is connected.
    """

    connect_wanted = Signal(str)
    """URL of a module to measure with."""
    group_wanted = Signal(object)
    """Group to measure with."""

    _changed = Signal()

    def __init__(
        self,
        finder: ModuleFinder,
        groups: Groups,
        history: History,
        *,
        places: Callable[[], list[Place]],
        used: Callable[[], Target | None],
    ) -> None:
        super().__init__()
        self._finder, self._groups = finder, groups
        self._places = places
        self._settings = ModuleSettings(history, used, finder.prompt)
        self._background = Background(self)
        self._doctor_stop = threading.Event()
        self._values: Mapping[str, Setting] = {}
        self._before: Mapping[str, Setting] = {}  # what the last change of the module that is shown replaced
        self.panel = ModulesPanel()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.panel)
        self._refresh_soon = QTimer(self, singleShot=True, interval=100)
        self._refresh_soon.timeout.connect(self.refresh)
        self._countdown = QTimer(self, interval=500)
        self._countdown.timeout.connect(self._count_down)
        self._left_s = 0.0
        self._rates = QTimer(self, interval=2000)  # how often the units of a bus are read changes unasked
        self._rates.timeout.connect(self._show_rates)
        self._rates.start()
        self._changed.connect(self._refresh_soon.start, Qt.ConnectionType.QueuedConnection)
        self._connect()
        self.refresh()

    def _connect(self) -> None:
        panel = self.panel
        panel.connect_wanted.connect(self._measure)
        panel.module_chosen.connect(self._show_settings)
        panel.search.search_wanted.connect(self._search)
        panel.search.cancel_wanted.connect(lambda _kind: self._finder.cancel())
        panel.search.add_wanted.connect(self._add)
        panel.settings.apply_wanted.connect(self._apply)
        panel.settings.confirm_wanted.connect(self._confirm)
        panel.settings.undo_wanted.connect(self._undo)
        panel.doctor.start_wanted.connect(self._examine)
        panel.doctor.cancel_wanted.connect(lambda: self._doctor_stop.set())
        panel.group.group_wanted.connect(self._group)
        panel.group.ungroup_wanted.connect(self._ungroup)

    def notify(self) -> None:
        """The finder's list has changed; may be called on any thread."""
        self._changed.emit()

    def refresh(self) -> None:
        """Show the list and the search as they are."""
        modules = module_rows(self._finder.modules(), self._groups.all())
        self.panel.set_modules(modules)
        if modules and not self.panel.list.key:
            used = next((m for m in modules if any(link.state is LinkState.USED for link in m.links)), modules[0])
            self.panel.choose(used.key)
            self._show_settings(used.key)
        self.panel.set_searches(searches_of(self._finder.progress()))

    def _show_rates(self) -> None:
        if self.isVisible() and any(link.kind == "rs485" for m in self._finder.modules() for link in m.links):
            self.refresh()

    def set_theme(self, theme: Theme) -> None:
        """Draw all of it in another theme."""
        self.panel.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self.panel.set_compact(compact)

    # Choosing and searching

    def _measure(self, key: str) -> None:
        group = self._groups.get(key)
        if group is not None:
            self.group_wanted.emit(group)
            return
        module = self._finder.module(key)
        if module is not None and module.links:
            self.connect_wanted.emit(module.links[0].url)

    def _search(self) -> None:
        self._finder.search(self._places())
        self._finder.listen_to_network()

    def _add(self, text: str) -> None:
        self.panel.search.set_address_problem(self._finder.add(text) or "")

    def _group(self, name: str, members: tuple[str, ...]) -> None:
        group = self._groups.add(name or "Group", members)
        self.refresh()
        self.panel.choose(group.key)

    def _ungroup(self, key: str) -> None:
        self._groups.remove(key)
        self.refresh()

    def _module(self) -> KnownModule | None:
        chosen = self.panel.list.module
        return self._finder.module(chosen.key) if chosen is not None else None

    # Settings

    def _show_settings(self, _key: str) -> None:
        self._background.forget()
        self._doctor_stop.set()
        self._stop_counting()
        self._before = {}
        self.panel.set_settings(())
        self.panel.set_checks(())
        module = self._module()
        if module is None:
            return
        self.panel.settings.set_told(Status.RUNNING, "Reading the settings…")
        self._run(lambda: self._settings.read(module), self._settings_read, "read settings")

    def _settings_read(self, values: Mapping[str, Setting]) -> None:
        module = self._module()
        if module is None:
            return
        self._values = values
        self.panel.set_settings(rows(values, self._settings.url_for(module) or ""))
        self.panel.settings.set_told(None, "")
        left_s = values.get("unconfirmed_s")
        if isinstance(left_s, (int, float)) and left_s > 0:
            self._begin_counting(float(left_s))
        else:
            self._stop_counting()

    def _apply(self, edited: Mapping[str, SettingValue]) -> None:
        module = self._module()
        changes = to_values(edited)
        if module is None or not changes:
            return
        wrong = self._settings.problems(module, changes)
        for key, sentence in wrong.items():
            if key:
                self.panel.settings.set_problem(key, sentence)
        if wrong:
            self.panel.settings.set_told(Status.BAD, wrong.get("") or "Nothing was written: look at the marked lines.")
            return
        self._before = {key: self._values.get(key) for key in changes}
        self.panel.settings.set_told(Status.RUNNING, "Writing…")
        before = self._values
        self._run(lambda: self._settings.write(module, before, changes), self._written, "write settings")

    def _written(self, changed: Changed) -> None:
        self._settings_read(changed.settings)
        if changed.confirm_s:
            told = f"Written. Confirm it when the module can still be reached. {changed.remark}"
            self.panel.settings.set_told(Status.WARN, told.rstrip())
            self._begin_counting(changed.confirm_s)
        else:
            told = f"Written, read back and compared. {changed.remark}"
            self.panel.settings.set_told(Status.WARN if changed.remark else Status.OK, told.rstrip())

    def _confirm(self) -> None:
        module = self._module()
        if module is not None:
            self._run(lambda: self._settings.confirm(module), self._confirmed, "confirm settings")

    def _confirmed(self, _nothing: object) -> None:
        self._stop_counting()
        self.panel.settings.set_told(Status.OK, "The change stands.")

    def _undo(self) -> None:
        module, back, values = self._module(), self._before, self._values
        if not back or None in back.values():  # what a password was is known to the module alone
            self.panel.settings.set_told(Status.WARN, "The module itself goes back when the time is up. Just wait.")
        elif module is not None:
            self._run(lambda: self._settings.write(module, values, {**back, "confirm": True}), self._written, "undo")

    def _begin_counting(self, left_s: float) -> None:
        self._left_s = left_s
        self._countdown.start()
        self.panel.settings.set_countdown(left_s)

    def _stop_counting(self) -> None:
        self._countdown.stop()
        self.panel.settings.set_countdown(None)

    def _count_down(self) -> None:
        self._left_s -= self._countdown.interval() / 1000.0
        if self._left_s > 0:
            self.panel.settings.set_countdown(self._left_s)
            return
        self._stop_counting()
        module = self._module()
        if module is not None:
            self._run(lambda: self._settings.read(module), self._gone_back, "read settings")

    def _gone_back(self, values: Mapping[str, Setting]) -> None:
        self._settings_read(values)
        if not self._countdown.isActive():
            self.panel.settings.set_told(Status.WARN, "Nobody confirmed: the module has gone back.")

    # The doctor

    def _examine(self) -> None:
        module = self._module()
        if module is None or not module.links:
            return
        used = self._settings.used_url(module)
        link = next((link for link in module.links if link.url != used), None)
        if link is None:
            text = "The window measures over this link: it works. Disconnect it to look at each part."
            self.panel.set_checks(checks_of([Check("Link", "ok", text)]))
            return
        stop, prompt = threading.Event(), self._finder.prompt
        self._doctor_stop = stop
        self.panel.set_checks([ShownCheck("Looking at every part of the way…", CheckState.RUNNING, link.url)])
        self._run(
            lambda: examine(link.url, stop, prompt), lambda checks: self.panel.set_checks(checks_of(checks)), "doctor"
        )

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None], name: str) -> None:
        self._background.run(work, done, self._failed, name)

    def _failed(self, error: Exception) -> None:
        self.panel.settings.set_told(Status.BAD, str(error))
        if self.panel.doctor.is_running:
            self.panel.set_checks(checks_of([Check("Doctor", "bad", str(error))]))


__all__ = ["Group", "ModulesPage"]
