"""The trigger: which instant stands still on screen. Arrays in, instants out; no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from widgets.scope.source import RAW_POINTS, WaveformSource


class TriggerState(StrEnum):
    """What the picture shows at the moment; the words of the chip."""

    TRIGGERED = "Triggered"
    AUTO = "Auto"
    WAITING = "Waiting"
    ROLLING = "Rolling"
    STOPPED = "Stopped"


@dataclass(frozen=True)
class TriggerSettings:
    """channel: "V1" ... "IN". level: in V or A of that channel, 0 is the zero crossing. normal: without a trigger
    the last picture stays; otherwise (auto) the picture runs on freely."""

    channel: str = "V1"
    rising: bool = True
    level: float = 0.0
    normal: bool = False


HYSTERESIS = 0.04
"""Part of the signal's peak-to-peak value below the level that arms the trigger: more than the noise of any input."""


def crossings(
    time_s: ArrayLike, value: ArrayLike, level: float, rising: bool = True, hysteresis: float = 0.0
) -> NDArray[np.float64]:
    """Instants at which a sampled signal crosses `level` in one direction.

    time_s, value: [n], NaN where samples are missing. A crossing counts once the signal was at least `hysteresis`
    (in units of value) on the other side since the crossing before, so noise on a slow edge does not count twice; it
    stands where the straight line between the two samples around it meets the level. None is found across a gap.
    """
    time = np.asarray(time_s, dtype=np.float64)
    signal = np.asarray(value, dtype=np.float64)
    if len(signal) < 2:
        return np.empty(0)
    offset = signal - level if rising else level - signal
    index = np.arange(len(offset))
    # The latest sample that armed the trigger, and the latest that ended the wait; a missing one ends it too.
    armed = np.maximum.accumulate(np.where(offset <= -max(hysteresis, 1e-300), index, -1))
    ended = np.maximum.accumulate(np.where(offset < 0, -1, index))
    found = np.flatnonzero((offset[1:] >= 0) & (armed[:-1] > ended[:-1]))
    below, above = offset[found], offset[found + 1]
    return time[found] + (time[found + 1] - time[found]) * (below / (below - above))


def swing(value: NDArray[np.float32]) -> float:
    """Peak-to-peak value, NaN left out; 0 without a sample."""
    high, low = np.fmax.reduce(value, initial=-np.inf), np.fmin.reduce(value, initial=np.inf)
    return float(high - low) if high >= low else 0.0


class Trigger:
    """Finds the trigger in the newest samples and says what to show. Remembers the last one found.

    search_s: how far back the free-running search looks: some periods of the mains.
    """

    HOLD_S = 0.25
    """Without a trigger for so long, auto mode runs freely and normal mode says that it waits."""
    BACKLOG_S = 2.0
    """Normal and single mode look at every sample, but no further back than this."""

    def __init__(self, settings: TriggerSettings | None = None, search_s: float = 0.1) -> None:
        self.settings = settings or TriggerSettings()
        self.search_s = search_s
        self.instant_s: float | None = None
        self._seen_s: float | None = None

    def reset(self, from_s: float | None = None) -> None:
        """Forget the last trigger; look only at samples from `from_s` on (None: as usual)."""
        self.instant_s = None
        self._seen_s = from_s

    def find(self, source: WaveformSource, until_s: float, every: bool = False) -> float | None:
        """The newest trigger not later than `until_s`; with `every`, the first since the last look.

        None where there is no new one. `until_s` leaves the room that the picture needs to the right of it.
        """
        settings = self.settings
        start_s = until_s - self.search_s
        if (settings.normal or every) and self._seen_s is not None:
            start_s = max(min(self._seen_s, until_s), until_s - self.BACKLOG_S)
        elif every:
            start_s = until_s
        # One more stretch in front, so that the trigger can arm.
        traces = source.read(start_s - self.search_s, until_s, RAW_POINTS, channels=(settings.channel,))
        self._seen_s = until_s
        if not traces:
            return None
        trace = traces[0]
        instants = crossings(
            trace.time_s, trace.value, settings.level, settings.rising, HYSTERESIS * swing(trace.value)
        )
        instants = instants[(instants > start_s) & (instants <= until_s)]
        if not len(instants):
            return None
        self.instant_s = float(instants[0] if every else instants[-1])
        return self.instant_s

    def shown(self, until_s: float) -> tuple[float | None, TriggerState]:
        """(instant to stand at the trigger's place, state) after `find` was asked up to `until_s`.

        The instant is None where nothing can be shown yet. In auto mode without a trigger it is `until_s` itself.
        """
        if self.instant_s is not None and 0 <= until_s - self.instant_s <= self.HOLD_S + self.search_s:
            return self.instant_s, TriggerState.TRIGGERED
        if self.settings.normal:
            return self.instant_s, TriggerState.WAITING
        return until_s, TriggerState.AUTO
