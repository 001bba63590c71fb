"""The energies of one module from message to message: they do not fall, and grow by no more than a load can use."""

from __future__ import annotations

from typing import NamedTuple

from device_io.mqtt.payload_layout import Head
from device_io.mqtt.plausibility import MAX_W

SLACK_S = 60.0
"""Messages may have waited on their way and arrive at once."""
AGREED = 3
"""So many messages in a row that follow each other count, whatever was before."""

_MILLIWH_PER_W_S = 1000.0 / 3600.0
_GROWING = 8  # active and apparent
_LOST_MILLIWH = 1000  # what a module may forget when it is restarted at once: too little to tell that by


class _Moment(NamedTuple):
    """energies: mWh; active, apparent and reactive of L1 L2 L3 and their sum."""

    time_s: float
    energies: tuple[int, ...]


class Counters:
    """Not safe for use from several threads."""

    def __init__(self) -> None:
        self._last: _Moment | None = None
        self._before: _Moment | None = None
        self._other: _Moment | None = None
        self._agreed = 0

    def take(self, head: Head, time_s: float) -> bool | None:
        """Whether these energies follow from those before; None where nothing was before, or where all begin anew (the
        module was restarted). What does not follow counts only when it goes on so."""
        now = _Moment(time_s, (*head.active_energy, *head.apparent_energy, *head.reactive_energy))
        last, before = self._last, self._before
        # The last one may have been damaged by so little that it was not seen.
        if last is not None and (_follow(last, now) or (before is not None and _follow(before, now))):
            self._adopt(now)
            return True
        if last is None or _begin_anew(last, now):
            self._adopt(now)
            return None
        self._agreed = self._agreed + 1 if self._other is not None and _follow(self._other, now) else 1
        self._other = now
        if self._agreed >= AGREED:
            self._adopt(now)
        return False

    def _adopt(self, now: _Moment) -> None:
        self._before, self._last, self._other = self._last, now, None


def _follow(before: _Moment, now: _Moment) -> bool:
    grown = [other - one for one, other in zip(before.energies, now.energies, strict=True)]
    most = _most(before, now)
    # Reactive energy goes either way.
    return max(grown) <= most and min(grown[:_GROWING]) >= -_LOST_MILLIWH and min(grown) >= -most


def _begin_anew(before: _Moment, now: _Moment) -> bool:
    """Whether the energies that only grow have fallen, to nothing or to what was last stored: half of them, or all of
    one kind (not every firmware stores both)."""
    grown = [other - one for one, other in zip(before.energies[:_GROWING], now.energies, strict=False)]
    fallen = [one < 0 for one in grown]
    counted = [one > 0 for one in before.energies[:_GROWING]]
    kinds = (slice(0, _GROWING // 2), slice(_GROWING // 2, _GROWING))
    half = any(fallen) and 2 * sum(fallen) >= sum(counted)
    one_kind = any(any(counted[kind]) and fallen[kind] == counted[kind] for kind in kinds)
    return (half or one_kind) and max(grown) <= _most(before, now)


def _most(before: _Moment, now: _Moment) -> float:
    """What any load can use in between, mWh."""
    return (max(now.time_s - before.time_s, 0.0) + SLACK_S) * MAX_W * _MILLIWH_PER_W_S
