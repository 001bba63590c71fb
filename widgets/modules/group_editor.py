"""Three single-phase modules as one three-phase system."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.entry import Entry
from widgets.controls.field import Field
from widgets.controls.label import Label
from widgets.controls.painting import Themed, draw_text
from widgets.controls.paragraph import Paragraph
from widgets.modules.model import Module
from widgets.theme import Theme

PHASES = ("L1", "L2", "L3")
EXPLAINED = (
    "Three 1P modules, one a phase, are measured as one 3P system. Voltages, currents, powers and harmonics of each "
    "phase are as exact as of one module. Angles between phases, line-to-line voltages and unbalance need clocks that "
    "agree to 50 µs; where the modules do not keep them so well, these read n/a."
)


class GroupEditor(Themed, QWidget):
    """group_wanted(name, (key of L1, of L2, of L3)). ungroup_wanted(key): take a group apart."""

    group_wanted = Signal(str, tuple)
    ungroup_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = ""
        self.text = Paragraph(EXPLAINED, "body", "text2")
        self.fields = {phase: Field("", [("", "Choose a module")]) for phase in PHASES}
        self._swatches = {phase: _Phase(phase) for phase in PHASES}
        self.name = Entry("Name of the group", "Name of the group")
        self._name_label = Label("Name", "body", "text2")
        self.problem = Paragraph("", "body", "text3")
        self.ungroup = PushButton("Take apart")
        self.join = PushButton("Form a 3P system", ButtonKind.PRIMARY)
        grid = QGridLayout()
        grid.setHorizontalSpacing(12)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        for row, (phase, field) in enumerate(self.fields.items()):
            field.setAccessibleName(f"Module on {phase}")
            grid.addWidget(self._swatches[phase], row, 0)
            grid.addWidget(field, row, 1)
            field.changed.connect(lambda _value: self._fit())
        grid.addWidget(self._name_label, len(PHASES), 0)
        grid.addWidget(self.name, len(PHASES), 1)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.problem, 1)
        foot.addWidget(self.ungroup)
        foot.addWidget(self.join)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(14)
        column.addWidget(self.text)
        column.addLayout(grid)
        column.addStretch(1)
        column.addLayout(foot)
        self.name.textChanged.connect(lambda _text: self._fit())
        self.join.clicked.connect(lambda: self.group_wanted.emit(self.name.text().strip(), self.members))
        self.ungroup.clicked.connect(lambda: self.ungroup_wanted.emit(self._group))
        self.set_modules(())
        self.set_group("")

    @property
    def members(self) -> tuple[str, ...]:
        """Keys of the modules on L1, L2 and L3, "" where none is chosen."""
        return tuple(str(field.value or "") for field in self.fields.values())

    def set_modules(self, modules: Sequence[Module]) -> None:
        """All modules; those that can join are offered."""
        offers = [(module.key, f"{module.name} (…{module.eui_end})") for module in modules if module.can_join]
        for field in self.fields.values():
            field.set_choices([("", "Choose a module"), *offers])
        self._fit()

    def set_group(self, key: str) -> None:
        """Key of the group that is chosen in the list, "" for none: it can be taken apart."""
        self._group = key
        self.ungroup.setVisible(bool(key))

    def set_theme(self, theme: Theme) -> None:
        parts = (self.text, self.name, self._name_label, self.problem, self.ungroup, self.join)
        for part in (*parts, *self.fields.values(), *self._swatches.values()):
            part.set_theme(theme)
        super().set_theme(theme)

    def _fit(self) -> None:
        members = self.members
        offered = self.fields["L1"].count() - 1
        why = ""
        if offered < len(PHASES):
            why = f"Three single-phase modules are needed, {offered} can join."
        elif "" in members:
            why = "Choose a module for each phase."
        elif len(set(members)) < len(PHASES):
            why = "A module can be on one phase only."
        elif not self.name.text().strip():
            why = "Give the group a name."
        self.problem.set_text(why)
        self.join.set_available(not why, why)


class _Phase(Themed, QWidget):
    """Swatch and name of a phase."""

    def __init__(self, phase: str) -> None:
        super().__init__()
        self._phase = phase
        self.setFixedSize(52, 28)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.phase(self._phase))
        painter.drawRoundedRect(QRect(0, 9, 10, 10), 2, 2)
        draw_text(painter, QRect(18, 0, 34, 28), self._phase, "label", theme.colour("text"))
