"""The modules page: the one list left, what can be done with the chosen module right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.painting import Themed
from widgets.controls.scroll import ScrollColumn
from widgets.controls.segment import Segment
from widgets.modules.doctor_list import DoctorList
from widgets.modules.group_editor import GroupEditor
from widgets.modules.model import Check, Module, Search, Setting
from widgets.modules.module_list import ModuleList
from widgets.modules.search_bar import SearchBar
from widgets.modules.settings_form import SettingsForm
from widgets.theme import Theme

VIEWS = (("settings", "Settings"), ("doctor", "Doctor"), ("group", "Group"))


class ModulesPanel(Themed, QWidget):
    """module_chosen(key): show its settings. connect_wanted(key): measure with it. The parts have signals of their own:
    `search.search_wanted`, `search.cancel_wanted`, `search.add_wanted`, `settings.apply_wanted`,
    `settings.confirm_wanted`, `settings.undo_wanted`, `doctor.start_wanted`, `doctor.cancel_wanted`,
    `group.group_wanted`, `group.ungroup_wanted`.
    """

    module_chosen = Signal(str)
    connect_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.list, self.search = ModuleList(), SearchBar()
        self.settings, self.doctor, self.group = SettingsForm(), DoctorList(), GroupEditor()
        self.list_card, self.side = Card("Modules"), Card("")
        self.connect_button = PushButton("Measure with it", height=28)
        self.list_card.header_layout.addStretch(1)
        self.list_card.header_layout.addWidget(self.connect_button)
        self._scroll = ScrollColumn(self.list)
        self.list_card.body_layout.setContentsMargins(1, 4, 1, 10)
        self.list_card.body_layout.addWidget(self._scroll, 1)
        foot = QHBoxLayout()
        foot.setContentsMargins(13, 10, 13, 2)
        foot.addWidget(self.search)
        self.list_card.body_layout.addLayout(foot)
        self.views = Segment(VIEWS, name="View")
        self.side.header_layout.addStretch(1)
        self.side.header_layout.addWidget(self.views)
        self._stack = QStackedLayout()
        for part in (self.settings, self.doctor, self.group):
            self._stack.addWidget(part)
        self.side.body_layout.addLayout(self._stack)
        self._outer = QHBoxLayout(self)
        self._outer.addWidget(self.list_card, 54)
        self._outer.addWidget(self.side, 46)
        self.list.chosen.connect(self._on_chosen)
        self.list.opened.connect(self.connect_wanted)
        self.connect_button.clicked.connect(lambda: self.connect_wanted.emit(self.list.key))
        self.views.changed.connect(lambda view: self.show_view(str(view)))
        self.set_compact(False)
        self._fit()

    def set_modules(self, modules: Sequence[Module]) -> None:
        """All modules, each once."""
        self.list.set_modules(modules)
        self.group.set_modules(modules)
        self.list_card.set_hint(f"{len(modules)}" if modules else "")
        self._fit()

    def set_searches(self, searches: Sequence[Search]) -> None:
        """How far the search is on each kind of link."""
        self.search.set_searches(searches)

    def choose(self, key: str) -> None:
        """Choose a module by code, without the signal."""
        self.list.choose(key)
        self._fit()

    def set_settings(self, settings: Sequence[Setting]) -> None:
        """Settings of the chosen module."""
        self.settings.set_settings(settings)

    def set_checks(self, checks: Sequence[Check]) -> None:
        """What the doctor found so far."""
        self.doctor.set_checks(checks)

    def show_view(self, view: str) -> None:
        """ "settings", "doctor" or "group". ValueError for another."""
        self.views.set_value(view)
        self._stack.setCurrentIndex([name for name, _ in VIEWS].index(view))

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.list_card, self.side, self.list, self.search, self.connect_button, self.views, self._scroll)
        for part in (*parts, self.settings, self.doctor, self.group):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        edge = 8 if compact else 12
        self._outer.setContentsMargins(edge, edge, edge, edge)
        self._outer.setSpacing(edge)
        self.list.set_compact(compact)
        self.settings.set_compact(compact)
        self._outer.setStretch(0, 47 if compact else 54)
        self._outer.setStretch(1, 53 if compact else 46)

    def _on_chosen(self, key: str) -> None:
        self._fit()
        self.module_chosen.emit(key)

    def _fit(self) -> None:
        module = self.list.module
        self.side.set_title(module.name if module else "")
        end = f"EUI …{module.eui_end}" if module and module.eui_end else ""
        self.side.set_hint(end)
        self.connect_button.set_available(module is not None, "Choose a module first.")
        self.group.set_group(module.key if module is not None and module.is_group else "")

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self.theme.colour("bg"))
