"""The side panel of a cell: the answer first, then the plots."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedLayout, QVBoxLayout, QWidget

from widgets.controls.button import PushButton
from widgets.controls.card import Card
from widgets.controls.chip import Chip
from widgets.controls.label import Label
from widgets.controls.paragraph import Paragraph
from widgets.controls.scroll import ScrollColumn
from widgets.controls.status_icon import Status, StatusIcon
from widgets.map.cells import WORDS, CellStatus
from widgets.map.comparison import ComparisonBox
from widgets.map.harmonic_bars import HarmonicBars
from widgets.map.model import CellDetail
from widgets.map.trend_plot import TrendPlot
from widgets.theme import Theme

EMPTY_TEXT = (
    "Choose a cell on the map to see its trends. Opening a cell sends its geohash and those beside it, and nothing of "
    "yours."
)

_STATUSES = {
    CellStatus.NORMAL: Status.OK,
    CellStatus.WARNING: Status.WARN,
    CellStatus.CRITICAL: Status.BAD,
}
_GAP, _GAP_COMPACT = 14, 8


class CellPanel(Card):
    """States: empty, loading, error, detail. retry_wanted(geohash): load the cell again."""

    retry_wanted = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent, header=False)
        self.setAccessibleName("Cell")
        self._cell = ""
        self.heading = Label("", "card-title", "text")
        self.subheading = Label("", "hint", "text3")
        self.chip = Chip(Status.WAITING, "")
        self.comparison = ComparisonBox()
        self.text = Label("", "body", "text2")  # a line: words that wrap would take the plots' room
        self.trends: list[TrendPlot] = []
        self.bars = HarmonicBars()
        self._detail_box = QWidget()
        self._column = QVBoxLayout(self._detail_box)
        self._column.setContentsMargins(0, 0, 0, 0)
        head = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.heading)
        words.addWidget(self.subheading)
        head.addLayout(words, 1)
        head.addWidget(self.chip, 0, Qt.AlignmentFlag.AlignVCenter)
        self._column.addLayout(head)
        self._column.addWidget(self.text)
        self._column.addWidget(self.comparison)
        for _ in range(2):
            plot = TrendPlot()
            self.trends.append(plot)
            self._column.addWidget(plot, 10)
        self._column.addWidget(self.bars, 12)
        self._scroll = ScrollColumn(self._detail_box)
        self.notice = _Notice()
        self.notice.retry.clicked.connect(lambda: self.retry_wanted.emit(self._cell))
        self._stack = QStackedLayout()
        self._stack.addWidget(self.notice)
        self._stack.addWidget(self._scroll)
        self.body_layout.addLayout(self._stack)
        self.set_compact(False)
        self.show_empty()

    @property
    def cell(self) -> str:
        """Geohash of the cell that is shown or loaded, "" for none."""
        return self._cell

    def show_empty(self) -> None:
        """No cell is chosen."""
        self._cell = ""
        self.notice.set_content(Status.INFO, EMPTY_TEXT, retry=False)
        self._stack.setCurrentWidget(self.notice)

    def show_loading(self, cell: str) -> None:
        """The cell is being asked for."""
        self._cell = cell
        self.notice.set_content(Status.RUNNING, f"Loading {cell} ...", retry=False)
        self._stack.setCurrentWidget(self.notice)

    def show_error(self, cell: str, sentence: str) -> None:
        """It could not be had; the sentence says why and what to do."""
        self._cell = cell
        self.notice.set_content(Status.BAD, sentence, retry=True)
        self._stack.setCurrentWidget(self.notice)

    def show_detail(self, detail: CellDetail) -> None:
        """All that is known of a cell."""
        self._cell = detail.cell
        self.heading.set_text(f"{detail.cell}, near {detail.place}" if detail.place else detail.cell)
        size = f", {detail.size}" if detail.size else ""
        self.subheading.set_text(f"mean of all modules in the cell{size}")
        status = _STATUSES.get(detail.status, Status.WAITING)
        self.chip.set_state(status, detail.status_text or WORDS.get(detail.status, WORDS[CellStatus.NONE]))
        self.text.set_text(detail.text)
        self.text.setVisible(bool(detail.text))
        self.comparison.set_detail(detail)
        for plot, trend in zip(self.trends, detail.trends, strict=False):
            plot.set_trend(trend)
        for index, plot in enumerate(self.trends):
            plot.setVisible(index < len(detail.trends))
        self.bars.setVisible(detail.harmonics is not None)
        if detail.harmonics is not None:
            self.bars.set_harmonics(detail.harmonics)
        self._stack.setCurrentWidget(self._scroll)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.heading, self.subheading, self.chip, self.comparison, self.text, self.bars, self._scroll)
        for part in (*parts, self.notice, *self.trends):
            part.set_theme(theme)

    def set_compact(self, compact: bool) -> None:
        """The form for windows under 1366 x 800."""
        self._column.setSpacing(_GAP_COMPACT if compact else _GAP)
        self._column.setContentsMargins(0, 0, 4 if compact else 0, 0)  # off the scroll bar


class _Notice(QWidget):
    """One sentence in the middle, with a button to try again."""

    def __init__(self) -> None:
        super().__init__()
        self.icon = StatusIcon(Status.INFO, 28)
        self.text = Paragraph("", "lead", "text2")
        self.retry = PushButton("Try again")
        column = QVBoxLayout(self)
        column.addStretch(2)
        column.addWidget(self.icon)
        column.addSpacing(10)
        column.addWidget(self.text)
        column.addSpacing(12)
        column.addWidget(self.retry, 0, Qt.AlignmentFlag.AlignLeft)
        column.addStretch(3)

    def set_content(self, status: Status, text: str, *, retry: bool) -> None:
        self.icon.set_status(status)
        self.text.set_text(text)
        self.retry.setVisible(retry)

    def set_theme(self, theme: Theme) -> None:
        for part in (self.icon, self.text, self.retry):
            part.set_theme(theme)
