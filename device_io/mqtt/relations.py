"""What the values of one message have to do with each other, as far as that is a matter of how a firmware works them
out: to the last digit with one, not at all with another. `habits.py` learns which a module keeps."""

from __future__ import annotations

import math

from device_io.mqtt.payload_layout import CHANNELS, COARSE, FINE, Distortion, Head
from device_io.mqtt.plausibility import may_be_published

RELATIONS = (
    *(f"the apparent power of L{p} is not U times I" for p in "123"),
    *(f"the power factor of L{p} is not P over S" for p in "123"),
    *(f"the reactive power of L{p} does not fit its angle" for p in "123"),
    *(f"L{p} has neither voltage nor current, and yet other values" for p in "123"),
    "the active powers do not add up",
    "the apparent powers do not add up",
    "the reactive powers do not add up",
    "the apparent energies do not add up",
    "the reactive energies do not add up",
    "the active energy of all phases is more than those of the phases",
    "the frequencies differ",
    "the angles between the phases do not add up",
    "an angle is beyond 180 degrees",
    "the phase sequence does not fit the angles",
    *(f"the harmonics of {channel} do not make its THD" for channel in CHANNELS),
    *(f"{channel} has no fundamental, and yet harmonics" for channel in CHANNELS),
    "the energies have fallen, or grown by more than any load uses",
)
"""What is wrong where a relation is broken, in the order of the bits of `look`."""
CONTINUITY = 1 << (len(RELATIONS) - 1)
"""The bit of the last one, which takes two messages: `counters.py`."""

(
    _S,
    _PF,
    _Q,
    _EMPTY,
    _SUM_P,
    _SUM_S,
    _SUM_Q,
    _SUM_SE,
    _SUM_QE,
    _SUM_AE,
    _HZ,
    _TURN,
    _HALF_TURN,
    _SEQUENCE,
    _THD,
    _NO_FUNDAMENTAL,
) = (1 << n for n in (0, 3, 6, 9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 28))

_FAULTY = 7 * (_S | _PF | _Q) | _SUM_S | _SUM_SE | _HZ | _TURN | _HALF_TURN | _SEQUENCE
"""Nobody knows whether the published firmware keeps these."""

_SPREAD_MILLIHZ = 5000  # in an event phases may differ by half of it
_LOWEST_MILLIHZ = 40_000
_THIRD_CDEG, _HALF_CDEG, _TURN_CDEG = 12_000, 18_000, 36_000
_ROUGH_CDEG = 4000  # further off, it may be open which sequence it is
_RAD_PER_CDEG = math.pi / _HALF_CDEG


def look(head: Head, distortion: Distortion) -> tuple[int, int]:
    """(kept, broken): the relations that this message keeps and breaks, a bit each as in RELATIONS; where it says
    nothing about one (all of its values are 0, too), the bit is in neither. Every number may have been rounded to the
    nearest or cut."""
    kept, broken = _powers(head)
    kept_2, broken_2 = _sums(head)
    kept_3, broken_3 = _angles(head)
    kept_4, broken_4 = _distortions(distortion)
    told = ~_FAULTY if may_be_published(head) else ~0
    return (kept | kept_2 | kept_3 | kept_4) & told, (broken | broken_2 | broken_3 | broken_4) & told


def _powers(head: Head) -> tuple[int, int]:
    kept = broken = 0
    for n, (v, i, p, s, q, pf, phi, hz) in enumerate(
        zip(head.v, head.i, head.p, head.s, head.q, head.pf, head.phi, head.hz, strict=False)  # the phases
    ):
        if not v and not i:
            if p or s or q or pf or phi or hz:
                broken |= _EMPTY << n
            else:
                kept |= _EMPTY << n
            continue
        if v and i:
            if abs(1000 * s - v * i) <= v + i + 2001:
                kept |= _S << n
            else:
                broken |= _S << n
        if pf:
            if abs(abs(pf * s) - abs(100 * p)) <= abs(s) + 201:
                kept |= _PF << n
            else:
                broken |= _PF << n
        if phi:
            # |Q| = S1 |sin(phi)|, and S1 <= S.
            if abs(q) <= abs(s) * (abs(math.sin(phi * _RAD_PER_CDEG)) + _RAD_PER_CDEG) + 2:
                kept |= _Q << n
            else:
                broken |= _Q << n
    return kept, broken


def _sums(head: Head) -> tuple[int, int]:
    kept = broken = 0
    for bit, (one, two, three, total) in (
        (_SUM_P, head.p),
        (_SUM_S, head.s),
        (_SUM_Q, head.q),
        (_SUM_SE, head.apparent_energy),
        (_SUM_QE, head.reactive_energy),
    ):
        if one or two or three or total:
            # Readings may have seven digits, and energies be counted from such.
            if abs(one + two + three - total) <= 4 + 1e-6 * (abs(one) + abs(two) + abs(three)):
                kept |= bit
            else:
                broken |= bit
    one, two, three, total = head.active_energy  # what one phase exports counts for the sum alone
    if one or two or three or total:
        if total <= 4 + (1.0 + 1e-6) * (one + two + three):
            kept |= _SUM_AE
        else:
            broken |= _SUM_AE
    return kept, broken


def _angles(head: Head) -> tuple[int, int]:
    kept = broken = 0
    hz = [one for one in head.hz if one]
    if hz:
        if max(hz) - min(hz) <= _SPREAD_MILLIHZ and min(hz) >= _LOWEST_MILLIHZ:
            kept |= _HZ
        else:
            broken |= _HZ
    angles = (*head.between, *head.phi)
    if any(angles):
        if max(angles) <= _HALF_CDEG and min(angles) >= -_HALF_CDEG:
            kept |= _HALF_TURN
        else:
            broken |= _HALF_TURN
    if all(head.between):
        if (sum(head.between) + _HALF_CDEG) % _TURN_CDEG - _HALF_CDEG in range(-3, 4):
            kept |= _TURN
        else:
            broken |= _TURN
        forward = head.between[0] > 0
        wanted = _THIRD_CDEG if forward else -_THIRD_CDEG
        if max(abs(one - wanted) for one in head.between) <= _ROUGH_CDEG and 10 * min(head.v) >= 7 * max(head.v):
            if forward == bool(head.sequence[0]):
                kept |= _SEQUENCE
            else:
                broken |= _SEQUENCE
    return kept, broken


def _distortions(distortion: Distortion) -> tuple[int, int]:
    kept = broken = 0
    for n, (fundamental, thd, total, squares) in enumerate(zip(*distortion, strict=True)):
        if not fundamental:
            if thd or total:
                broken |= _NO_FUNDAMENTAL << n
            else:
                kept |= _NO_FUNDAMENTAL << n
        elif fundamental in (COARSE, FINE):
            # THD^2 = sum of h^2, each of them from half a step below to one above what is written.
            most, least = thd + 1.0, thd - 0.5
            if squares - total <= most * most and (squares + 2.0 * total + 39.0 >= least * least or least < 0.0):
                kept |= _THD << n
            else:
                broken |= _THD << n
    return kept, broken
