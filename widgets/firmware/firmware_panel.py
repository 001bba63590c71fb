"""The firmware page: calm under risk."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.card import Card
from widgets.controls.label import Label
from widgets.controls.painting import Themed
from widgets.controls.paragraph import Paragraph
from widgets.controls.scroll import ScrollColumn
from widgets.controls.segment import Segment
from widgets.controls.status_icon import Status, StatusIcon
from widgets.firmware.backup_card import BackupCard
from widgets.firmware.boot_log_card import BootLogCard
from widgets.firmware.cards import NOTHING_SAID, ChangesCard, SafetyPanel, VersionPair
from widgets.firmware.guide_card import GuideCard
from widgets.firmware.model import EMPTY, STAGES, Backup, Change, Headline, Phase, Stage, StageState, Version
from widgets.firmware.provisioning_card import ProvisioningCard
from widgets.firmware.stage_list import StageList
from widgets.theme import Theme

_ICONS = {
    Phase.EMPTY: Status.INFO,
    Phase.READY: Status.INFO,
    Phase.RUNNING: Status.RUNNING,
    Phase.STOPPING: Status.RUNNING,
    Phase.DONE: Status.OK,
    Phase.FAILED: Status.BAD,
    Phase.RECOVERY: Status.WARN,
}
_PRIMARY = {
    Phase.READY: "Update now",
    Phase.FAILED: "Try again",
    Phase.RECOVERY: "Finish it",
}
_BUSY = (Phase.RUNNING, Phase.STOPPING)


class FirmwarePanel(Themed, QWidget):
    """Update, WiFi and boot log of the module on the USB cable.

    update_wanted(): begin. retry_wanted(): begin again after a failure. repair_wanted(): finish what was broken off.
    back_wanted(): put back what was there before it. stop_wanted(): stop. image_wanted(): choose another image.
    view_shown(name): "update", "wifi" or "log". The cards have signals of their own: `changes.all_wanted`,
    `changes.source_wanted`, `backup.folder_wanted`, `backup.restore_wanted`, `backup.picked`, `wifi.search_wanted`,
    `wifi.provision_wanted`, `boot_log.explain_wanted`, `boot_log.read_wanted`.
    """

    update_wanted = Signal()
    retry_wanted = Signal()
    repair_wanted = Signal()
    back_wanted = Signal()
    stop_wanted = Signal()
    image_wanted = Signal()
    view_shown = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._headline = EMPTY
        self._compact = False
        self.icon, self.title, self.lead = StatusIcon(Status.INFO, 40), Label("", "h1"), Paragraph("", "lead", "text2")
        self.choose = PushButton("Choose an image...")
        self.back = PushButton("Go back")
        self.primary = PushButton("Update now", ButtonKind.PRIMARY)
        self.stop = PushButton("Stop safely")
        self.views = Segment([("update", "Update"), ("wifi", "WiFi"), ("log", "Boot log")], name="View")
        self.versions, self.changes, self.backup = VersionPair(), ChangesCard(), BackupCard()
        self.guide = GuideCard()
        self.stages = StageList()
        self.progress = Card("Progress")
        self._step = Label("", "body", "text2")
        self.progress.header_layout.addStretch(1)
        self.progress.header_layout.addWidget(self._step)
        self.progress.body_layout.setContentsMargins(9, 16, 9, 10)
        self.progress.body_layout.addWidget(self.stages)
        self.safety = SafetyPanel()
        self.wifi, self.boot_log = ProvisioningCard(), BootLogCard()
        self._assemble()
        self.views.changed.connect(self._on_view)
        self.choose.clicked.connect(self.image_wanted)
        self.back.clicked.connect(self.back_wanted)
        self.stop.clicked.connect(self.stop_wanted)
        self.primary.clicked.connect(self._on_primary)
        self.set_compact(False)
        self.set_headline(EMPTY)
        self.set_stages(STAGES)
        self.set_safety("The module is safe", "Before anything is written, the whole of its flash is read and kept.")

    def _assemble(self) -> None:
        self._outer = QVBoxLayout(self)
        head = QHBoxLayout()
        head.setSpacing(14)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.lead)
        head.addWidget(self.icon, 0, Qt.AlignmentFlag.AlignVCenter)
        head.addLayout(words, 1)
        for control in (self.views, self.choose, self.back, self.primary, self.stop):
            head.addWidget(control, 0, Qt.AlignmentFlag.AlignVCenter)
        self._outer.addLayout(head)
        update = QWidget()
        self._update = QVBoxLayout(update)
        self._update.setContentsMargins(0, 0, 0, 0)
        self._columns, self._left = QHBoxLayout(), QVBoxLayout()
        self._left.addWidget(self.versions)
        self._left.addWidget(self.guide, 5)
        self._left.addWidget(self.changes, 5)
        self._left.addWidget(self.backup, 4)
        self._left.addStretch(0)
        self._columns.addLayout(self._left, 100)
        self._columns.addWidget(self.progress, 130)
        self._update.addLayout(self._columns, 1)
        self._scroll = ScrollColumn(update)
        first = QWidget()
        self._first = QVBoxLayout(first)
        self._first.setContentsMargins(0, 0, 0, 0)
        self._first.addWidget(self._scroll, 1)
        self._first.addWidget(self.safety)
        wifi = QWidget()
        row = QHBoxLayout(wifi)
        row.setContentsMargins(0, 0, 0, 0)
        row.addStretch(1)
        row.addWidget(self.wifi, 4, Qt.AlignmentFlag.AlignTop)
        row.addStretch(1)
        self.wifi.setMaximumWidth(640)
        self._stack = QStackedLayout()
        for page in (first, wifi, self.boot_log):
            self._stack.addWidget(page)
        self._outer.addLayout(self._stack, 1)

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return self._headline.phase

    def set_headline(self, headline: Headline) -> None:
        """The sentence at the top; it decides which buttons there are."""
        self._headline = headline
        phase = headline.phase
        self.icon.set_status(_ICONS[phase])
        self.title.set_text(headline.title)
        self.lead.set_text(headline.lead)
        self.guide.set_steps(headline.guide)
        self.guide.setVisible(bool(headline.guide))
        words = _PRIMARY.get(phase, "") if headline.action is None else headline.action
        self.primary.setVisible(bool(words))
        self.primary.setText(words)
        self.primary.setAccessibleName(words)
        self.primary.updateGeometry()
        self.choose.setVisible(phase in (Phase.READY, Phase.DONE, Phase.FAILED, Phase.RECOVERY))
        self.back.setVisible(phase is Phase.RECOVERY)
        self.back.set_available(headline.can_go_back, "No backup was made before. Finish it instead.")
        self.stop.setVisible(phase in _BUSY)
        self.stop.setText("Stopping..." if phase is Phase.STOPPING else "Stop safely")
        self.stop.set_available(phase is Phase.RUNNING, "It stops within two seconds.")
        busy = phase in _BUSY
        self._fit_changes()
        self.backup.set_busy(busy)
        for view in ("wifi", "log"):
            self.views.set_available(view, not busy, "The module is being written.")
        if busy:
            self.show_view("update")
        there = phase is not Phase.EMPTY and not busy
        self.wifi.set_available(there, EMPTY.lead if not busy else "The module is being written.")
        self.boot_log.set_available(there, EMPTY.lead if not busy else "The module is being written.")

    def set_versions(self, installed: Version, available: Version) -> None:
        """The version pair."""
        self.versions.set_versions(installed, available)

    def set_changes(self, changes: Sequence[Change], total: int | None = None, nothing: str = NOTHING_SAID) -> None:
        """What changes; total: how many changes there are in all; nothing: the words where there are none."""
        self.changes.set_changes(changes, total, nothing)
        self._share_height(self.changes, 5 if changes else 0)

    def set_backups(self, backups: Sequence[Backup], picked: int = 0) -> None:
        """The backups of this module, the newest first, and which of them is shown."""
        self.backup.set_backups(backups, picked)
        self._share_height(self.backup, 4 if backups else 0)

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """The stages and how far they are."""
        self.stages.set_stages(stages)
        current = next(
            (index for index, stage in enumerate(stages) if stage.state in (StageState.RUNNING, StageState.FAILED)),
            None,
        )
        self._step.set_text("" if current is None else f"Step {current + 1} of {len(stages)}")

    def set_safety(self, title: str, text: str, *, safe: bool = True) -> None:
        """Why it is safe: the slots where the module has two, else what the backup does."""
        self.safety.set_words(title, text, safe=safe)

    def show_view(self, view: str) -> None:
        """ "update", "wifi" or "log". ValueError for another."""
        self.views.set_value(view)
        self._on_view(view)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.icon, self.title, self.lead, self.choose, self.back, self.primary, self.stop, self.views)
        cards = (self.versions, self.changes, self.backup, self.guide, self.progress, self.stages, self._step)
        for part in (*parts, *cards, self._scroll, self.safety, self.wifi, self.boot_log):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        edge, gap = (10, 8) if compact else (20, 14)
        self._outer.setContentsMargins(edge, edge, edge, edge)
        for layout in (self._outer, self._first, self._columns, self._left):
            layout.setSpacing(gap)
        self._compact = compact
        self.progress.body_layout.setContentsMargins(9, 8 if compact else 16, 9, 4 if compact else 10)
        self.stages.set_compact(compact)
        self.changes.set_compact(compact)
        self._fit_changes()

    def _fit_changes(self) -> None:
        """In a low window progress and backup come before what changes."""
        low = self._compact and self.phase in (*_BUSY, Phase.DONE)
        self.changes.setVisible(not self._headline.guide and not low)

    def _share_height(self, card: QWidget, share: int) -> None:
        """An empty card takes no more than it needs; where all are, the rest of the column stays free."""
        self._left.setStretchFactor(card, share)
        last = self._left.count() - 1
        self._left.setStretch(last, 0 if any(self._left.stretch(row) for row in range(last) if row != 1) else 1)

    def _on_view(self, view: object) -> None:
        self._stack.setCurrentIndex(("update", "wifi", "log").index(str(view)))
        self.view_shown.emit(str(view))

    def _on_primary(self) -> None:
        signals = {Phase.FAILED: self.retry_wanted, Phase.RECOVERY: self.repair_wanted}
        signals.get(self.phase, self.update_wanted).emit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), self.theme.colour("bg"))
