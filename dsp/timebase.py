"""Sample rate from arrival times alone: the earliest arrivals of a stream lie on a straight line."""

from __future__ import annotations

import math

CELL_S = 0.25
LONGEST_CELL_S = 4.0
CELLS = 64
FEWEST_CELLS = 8
STEP_S = 0.1
"""Arrivals so far off the line for a second mean that the host's clock was set or the path changed."""
STEPPED_CELLS = 4


class ArrivalFit:
    """The line under the arrival times of blocks, which come late but never early.

    Of each cell of time the least delayed arrival counts; the line is the edge of their lower convex hull under the
    middle of the span, which has the least total distance of all lines below the points (Moon, Skelly, Towsley 1999).
    O(1) a block; 64 cells, that grow to 4 s, so that the last four minutes count.

    A delay that grows evenly over the whole span can't be told from a clock that errs.

    slope: excess of the host's time over the stream's own, s/s; uncertainty: of the slope (about 95 %), inf until the
    arrivals span two seconds.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget every arrival."""
        self.slope = 0.0
        self.uncertainty = math.inf
        self._cells: list[tuple[float, float]] = []
        self._cell_s = CELL_S
        self._cell_end = -math.inf
        self._least: tuple[float, float] | None = None
        self._line = (0.0, 0.0)
        self._off = 0
        self._restarted = False

    def note(self, x_s: float, late_s: float) -> None:
        """An arrival: x_s on the stream's own (nominal) time, late_s = host time - x_s; x_s must not go back."""
        if x_s < self._cell_end:
            if self._least is None or late_s - self.slope * x_s < self._least[1] - self.slope * self._least[0]:
                self._least = (x_s, late_s)
            return
        if self._least is not None:
            self._close(self._least)
        self._least = (x_s, late_s)
        self._cell_end = x_s + self._cell_s

    def at(self, x_s: float) -> float:
        """Lateness on the line (s)."""
        return self._line[1] + self.slope * (x_s - self._line[0])

    def _close(self, cell: tuple[float, float]) -> None:
        if math.isfinite(self.uncertainty) and abs(cell[1] - self.at(cell[0])) > STEP_S:
            self._off += 1
            if self._off >= STEPPED_CELLS:
                # What was found stays in force until the new arrivals tell more.
                self._cells, self._cell_s, self._off = [cell], CELL_S, 0
                self._line, self._restarted = cell, True
            return
        self._off = 0
        self._cells.append(cell)
        if len(self._cells) > CELLS:
            if self._cell_s < LONGEST_CELL_S:
                self._cell_s *= 2.0
                pairs = zip(self._cells[::2], self._cells[1::2], strict=False)
                last = self._cells[-1]
                self._cells = [min(pair, key=lambda c: c[1] - self.slope * c[0]) for pair in pairs]
                if self._cells[-1][0] < last[0]:
                    self._cells.append(last)
            else:
                del self._cells[0]
        if len(self._cells) >= FEWEST_CELLS:
            self._fit(self._cells[-1][0] - self._cells[0][0])

    def _fit(self, span_s: float) -> None:
        hull: list[tuple[float, float]] = []
        for point in self._cells:
            while len(hull) > 1 and _turn(hull[-2], hull[-1], point) <= 0.0:
                hull.pop()
            hull.append(point)
        middle = self._cells[0][0] + 0.5 * span_s
        right = next((i for i in range(1, len(hull)) if hull[i][0] >= middle), len(hull) - 1)
        (x0, y0), (x1, y1) = hull[right - 1], hull[right]
        slope = (y1 - y0) / (x1 - x0)
        above = sorted(y - y0 - slope * (x - x0) for x, y in self._cells)
        # The spread of the cells bounds what both ends may be off. Few cells may have missed every early arrival:
        # the second factor was found by simulation with exponential, even, log-normal and bursty delays.
        spread = above[len(above) // 2] + 2e-6
        uncertainty = 2.0 * spread / span_s * (1.0 + (20.0 / len(above)) ** 2)
        if self._restarted and uncertainty > self.uncertainty:
            return
        self._restarted = False
        self.slope, self.uncertainty, self._line = slope, uncertainty, (x0, y0)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Positive where b lies under the line from a to c."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
