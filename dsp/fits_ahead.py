"""Fits of the windows to come: where the frequency is steady several are made in one go, which costs less."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dsp.phase import PhaseModel
from dsp.phase_fit import FitTask, PhaseFit

MOST_AHEAD = 16
SAME_PLACE = 0.02
"""Cycles that a window may start off the place for which its fit was made: phasors are taken from the samples next to
their places, hardly closer than that."""


class FitsAhead:
    """What was fitted for windows that were foreseen, oldest first.

    As long as windows come where they were foreseen, twice as many are foreseen each time; after one that did not, one.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """The phase does not go on as foreseen."""
        self.drop()
        self._most = 1

    def drop(self) -> None:
        """Forget what was made."""
        self._made: deque[tuple[FitTask, PhaseFit | None]] = deque()

    def take(self, start_s: float, cycle_s: float) -> tuple[FitTask, PhaseFit | None] | None:
        """The fit of the window that starts at start_s; None where there is none."""
        if not self._made:
            return None
        task, fit = self._made.popleft()
        if abs(task.start_s - start_s) <= SAME_PLACE * cycle_s:
            return task, fit
        self.clear()
        return None

    def foresee(self, task: FitTask, cycles: int, latest_s: float) -> list[FitTask]:
        """A task, and those of the windows behind it that end before latest_s, at its mean frequency."""
        length_s = task.end_s - task.start_s
        count = min(self._most, 1 + int(max(0.0, latest_s - task.end_s) / length_s))
        self._most = min(2 * self._most, MOST_AHEAD)
        model = PhaseModel.of_frequency(task.end_s, cycles / length_s)
        ends_s = [task.end_s + number * length_s for number in range(count)]
        return [
            task,
            *(task._replace(model=model, start_s=end_s, end_s=end_s + length_s) for end_s in ends_s[:-1]),
        ]

    def keep(self, tasks: Sequence[FitTask], fits: Sequence[PhaseFit | None]) -> None:
        """Keep what was made of the tasks behind the first."""
        self._made.extend(zip(tasks[1:], fits[1:], strict=True))
