"""What a flasher tells, as the stages of the firmware page: time, rate, what is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from device_io.flashing.result import FlashProgress, FlashResult
from device_io.flashing.result import Stage as Step
from widgets.firmware.model import STAGES, Stage, StageState


class Kind(StrEnum):
    """What a job does."""

    UPDATE = "update"
    RESTORE = "restore"
    FINISH = "finish"
    GO_BACK = "go-back"


_ROW = {
    Step.CHECK: 0,
    Step.RELEASE: 1,
    Step.IDENTIFY: 1,
    Step.BACKUP: 2,
    Step.WRITE: 3,
    Step.VERIFY: 4,
    Step.RESET: 5,
    Step.CONFIRM: 6,
}
_BACKUP, _WRITE, _COMPARE, _CONFIRM = 2, 3, 4, 6
_WRITING = {
    Kind.RESTORE: ("Write the backup", "Only where the flash differs from it"),
    Kind.GO_BACK: ("Write what was there before", "Only where the flash differs from it"),
    Kind.FINISH: ("Write what is missing", "Only where the flash differs"),
}
_HEARING = {
    Kind.RESTORE: ("Hear from the module", "Its version; settings and calibration compared with the backup"),
    Kind.GO_BACK: ("Hear from the module", "Its version; settings and calibration compared with the backup"),
    Kind.FINISH: ("Hear from the module", "Its version"),
}
_USUAL_S = {1: 3.0, 4: 2.0, 5: 1.0, 6: 5.0}
"""What stages without a length take, until they have begun."""
_LEAST_S = 0.5
"""A rate over less than that is none."""


@dataclass
class _Row:
    begun_s: float | None = None
    ended_s: float | None = None
    first_s: float = 0.0  # when the first count came, and what it was
    first: int = 0
    done: int = 0
    total: int = 0
    left_s: float | None = None


class StageBoard:
    """Takes the progress of one job. bytes_to_write, flash_size: where known, 0 else. baud: of the loader. backs_up:
    whether a backup is wanted. clock: s."""

    def __init__(
        self,
        kind: Kind,
        *,
        bytes_to_write: int = 0,
        flash_size: int = 0,
        baud: int = 460_800,
        backs_up: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._sizes = {_BACKUP: flash_size, _WRITE: bytes_to_write}
        self._rate = baud / 10.0  # bytes a second: a byte takes ten bits on the line
        self._backs_up = backs_up
        self._clock = clock
        self._rows = [_Row() for _ in STAGES]
        self._current: int | None = None
        self._result: FlashResult | None = None

    @property
    def writing(self) -> bool:
        """Whether a byte may have been written."""
        return self._current is not None and self._current >= _WRITE

    def take(self, progress: FlashProgress) -> None:
        """The flasher goes on."""
        now_s, index = self._clock(), _ROW[progress.stage]
        row = self._rows[index]
        if index != self._current:
            if self._current is not None:
                self._rows[self._current].ended_s = now_s
            self._current = index
            row.begun_s = now_s
        if progress.total:
            if not row.total or progress.done < row.done:
                row.first_s, row.first = now_s, progress.done
            row.done, row.total, row.left_s = progress.done, progress.total, progress.eta_s
            self._rate = _rate(row, now_s) or self._rate if index in self._sizes else self._rate

    def end(self, result: FlashResult) -> None:
        """The flasher has ended."""
        self._result = result
        if self._current is not None:
            self._rows[self._current].ended_s = self._clock()

    def left_s(self) -> float | None:
        """Seconds until it is done, about; None where they can't be told yet."""
        if self._current is None or self._result is not None:
            return None
        running = self._rows[self._current]
        left_s = running.left_s if running.total else self._expected_s(self._current)
        later = [self._expected_s(index) for index in range(self._current + 1, len(STAGES))]
        if left_s is None or None in later:
            return None
        return left_s + sum(part for part in later if part is not None)

    def stages(self) -> tuple[Stage, ...]:
        """All of them, as they stand."""
        return tuple(self._stage(index) for index in range(len(STAGES)))

    def _stage(self, index: int) -> Stage:
        stage, row = self._named(index), self._rows[index]
        if row.begun_s is None:
            if self._current is not None and index < self._current:
                why = "The backup made before stays the way back" if self._backs_up else "Left out"
                return replace(stage, state=StageState.SKIPPED, detail=why if index == _BACKUP else "")
            expected_s = None if self._result is not None else self._expected_s(index)
            return replace(stage, time=about(expected_s) if expected_s is not None else "")
        now_s = self._clock() if row.ended_s is None else row.ended_s
        spent = in_time(now_s - row.begun_s)
        if index != self._current or (self._result is not None and self._result.result == "ok"):
            return replace(stage, state=StageState.DONE, time=spent, detail=self._done(index, stage.detail))
        if self._result is not None:
            return replace(stage, state=StageState.FAILED, time=spent, detail="It stopped here")
        if not row.total:
            return replace(stage, state=StageState.RUNNING, time=spent)
        left = f", {about(row.left_s)} left" if row.left_s is not None else ""
        return replace(
            stage,
            state=StageState.RUNNING,
            fraction=row.done / row.total,
            amount=self._amount(row, now_s),
            left=f"{spent} gone{left}",
        )

    def _named(self, index: int) -> Stage:
        stage = STAGES[index]
        title, detail = {_WRITE: _WRITING, _CONFIRM: _HEARING}.get(index, {}).get(
            self._kind, (stage.title, stage.detail)
        )
        return replace(stage, title=title, detail=detail)

    def _done(self, index: int, detail: str) -> str:
        total = self._rows[index].total
        if not total:
            return detail
        rest = {_BACKUP: "read, its digest is right", _WRITE: "written", _COMPARE: "as they should be"}[index]
        return f"{grouped(total)} bytes {rest}"

    def _amount(self, row: _Row, now_s: float) -> str:
        bytes_a_second = _rate(row, now_s)
        rate = f", {bytes_a_second / 1000:.0f} kB/s" if bytes_a_second else ""
        unit, name, digits = (1e6, "MB", 2) if row.total >= 1e6 else (1e3, "kB", 0) if row.total >= 1e4 else (1, "B", 0)
        return f"{row.done / unit:.{digits}f} of {row.total / unit:.{digits}f} {name}{rate}"

    def _expected_s(self, index: int) -> float | None:
        if self._kind is not Kind.UPDATE and index in (_BACKUP, _WRITE):
            return 0.0 if index == _BACKUP and self._kind is not Kind.RESTORE else None
        if index in self._sizes:
            return self._sizes[index] / self._rate if self._sizes[index] else None
        return _USUAL_S.get(index)


def _rate(row: _Row, now_s: float) -> float:
    """Bytes a second since the first count, 0 where it is too early to tell."""
    spent_s = now_s - row.first_s
    return (row.done - row.first) / spent_s if spent_s > _LEAST_S else 0.0


def in_time(seconds: float) -> str:
    """ "0.4 s", "12 s", "1 min 12 s"."""
    if seconds < 9.95:
        return f"{max(0.1, seconds):.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def about(seconds: float) -> str:
    """An estimate: "about 2 s"."""
    return f"about {in_time(max(10.0, seconds))}" if seconds >= 9.5 else f"about {max(1, round(seconds))} s"


def grouped(number: int) -> str:
    """ "4 194 304"."""
    return f"{number:,}".replace(",", " ")
