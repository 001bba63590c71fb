"""The stages of an update, one below the other, joined by a line."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import RADIUS_CONTROL, Themed, draw_frame, draw_text, text_width
from widgets.controls.status_icon import Status, draw_status
from widgets.firmware.model import STAGES, Stage, StageState

_ICON = 22
_ROW, _ROW_COMPACT = 70, 46
_RUNNING, _RUNNING_COMPACT = 104, 94
_LEAST = 38
_STATUS = {
    StageState.WAITING: Status.WAITING,
    StageState.RUNNING: Status.RUNNING,
    StageState.DONE: Status.OK,
    StageState.FAILED: Status.BAD,
    StageState.SKIPPED: Status.INFO,
}


class StageList(Themed, QWidget):
    """Done shows its time, running opens into a panel with a bar, waiting shows its estimate."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stages: tuple[Stage, ...] = STAGES
        self._compact = False
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self._describe()

    @property
    def stages(self) -> tuple[Stage, ...]:
        """What it shows."""
        return self._stages

    def set_stages(self, stages: Sequence[Stage]) -> None:
        """Other states."""
        self._stages = tuple(stages)
        self._describe()
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Lower rows."""
        self._compact = compact
        self.updateGeometry()
        self.update()

    def _describe(self) -> None:
        running = next((stage for stage in self._stages if stage.state is StageState.RUNNING), None)
        done = sum(stage.state is StageState.DONE for stage in self._stages)
        part = f", {running.title} {running.fraction or 0.0:.0%}" if running else ""
        self.setAccessibleName(f"{done} of {len(self._stages)} stages done{part}")

    def sizeHint(self) -> QSize:
        row, running = (_ROW_COMPACT, _RUNNING_COMPACT) if self._compact else (_ROW, _RUNNING)
        return QSize(520, sum(running if self._is_open(stage) else row for stage in self._stages))

    def minimumSizeHint(self) -> QSize:
        open_rows = sum(self._is_open(stage) for stage in self._stages)
        return QSize(300, _LEAST * (len(self._stages) - open_rows) + _RUNNING_COMPACT * open_rows)

    @staticmethod
    def _is_open(stage: Stage) -> bool:
        return stage.state is StageState.RUNNING and stage.fraction is not None

    def rows(self) -> list[QRect]:
        """The box of each stage in px."""
        open_rows = sum(self._is_open(stage) for stage in self._stages)
        tall = _RUNNING_COMPACT if self._compact else _RUNNING
        plain = len(self._stages) - open_rows
        least_last = 44  # below the last one is nothing but the card's edge
        room = self.height() - tall * open_rows
        row = max(_LEAST, min(_ROW, room // max(1, plain)))
        if self._compact:
            row = max(_LEAST, min(row, _ROW_COMPACT + 8))
        result, top = [], 0
        for index, stage in enumerate(self._stages):
            last = index == len(self._stages) - 1
            height = tall if self._is_open(stage) else min(row, least_last) if last else row
            result.append(QRect(0, top, self.width(), height))
            top += height
        return result

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        rows = self.rows()
        for stage, row in zip(self._stages, rows, strict=True):
            if self._is_open(stage):
                draw_frame(painter, row.adjusted(0, 2, 0, -4), theme.colour("accentbg"), None, RADIUS_CONTROL)
        for index in range(len(rows) - 1):
            done = self._stages[index].state is StageState.DONE
            x = 16 + _ICON // 2
            top = self._icon_top(index, rows[index]) + _ICON + 4
            bottom = self._icon_top(index + 1, rows[index + 1]) - 4
            painter.setPen(
                QPen(theme.colour("ok" if done else "border2"), 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
            )
            painter.drawLine(x, top, x, bottom)
        for index, (stage, row) in enumerate(zip(self._stages, rows, strict=True)):
            self._draw_stage(painter, index, stage, row)

    def _icon_top(self, index: int, row: QRect) -> int:
        return row.top() + (13 if self._is_open(self._stages[index]) else 4)

    def _draw_stage(self, painter: QPainter, index: int, stage: Stage, row: QRect) -> None:
        theme = self.theme
        top = self._icon_top(index, row)
        draw_status(painter, _STATUS[stage.state], theme, 16, top, _ICON)
        quiet = stage.state in (StageState.WAITING, StageState.SKIPPED)
        left, right = 52, 16
        line = QRect(left, top - 1, row.width() - left - right, 20)
        if self._is_open(stage):
            draw_text(painter, line, stage.title, "label", theme.colour("text"))
            self._draw_progress(painter, stage, QRect(left, line.bottom() + 8, line.width(), 24))
            return
        time = text_width(stage.time, "body")
        role = "table" if not quiet else "body"
        title = line.adjusted(0, 0, -time - 12 if time else 0, 0)
        draw_text(painter, title, stage.title, role, theme.colour("text3" if quiet else "text"))
        draw_text(painter, line, stage.time, "body", theme.colour("text3"), Qt.AlignmentFlag.AlignRight)
        token = "bad" if stage.state is StageState.FAILED else "text3" if quiet else "text2"
        draw_text(painter, line.translated(0, 18), stage.detail, "hint", theme.colour(token))

    def _draw_progress(self, painter: QPainter, stage: Stage, line: QRect) -> None:
        theme, fraction = self.theme, min(1.0, max(0.0, stage.fraction or 0.0))
        percent = f"{int(fraction * 100)} %"
        room = text_width("100 %", "h1") + 14
        bar = QRect(line.left(), line.center().y() - 4, line.width() - room, 9)
        draw_frame(painter, bar, theme.colour("surface"), None, 4.5)
        if fraction > 0:
            painter.setClipRect(QRect(bar.left(), bar.top(), round(bar.width() * fraction), bar.height()))
            draw_frame(painter, bar, theme.colour("accentfill"), None, 4.5)
            painter.setClipping(False)
        draw_text(painter, line, percent, "h1", theme.colour("accent"), Qt.AlignmentFlag.AlignRight)
        below = QRect(line.left(), line.bottom() + 4, line.width(), 18)
        left = text_width(stage.left, "hint")
        draw_text(painter, below.adjusted(0, 0, -left - 12, 0), stage.amount, "hint", theme.colour("text2"))
        draw_text(painter, below, stage.left, "hint", theme.colour("text2"), Qt.AlignmentFlag.AlignRight)
