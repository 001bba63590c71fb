"""How each quantity of the table is brought together over a longer interval (IEC 61000-4-30, 4.4 and 4.5).

The standard takes the root of the mean of the squares for magnitudes; powers lie outside of it and are averaged, so
that energy is kept. What follows from other aggregates (apparent powers, factors) is computed from them.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from resources.parameters import keys_for, parameter
from resources.systems import WiringSystem


class Rule(IntEnum):
    """How the values of the shorter intervals make one of a longer interval.

    RMS: root of the mean of squares. MEAN: arithmetic mean. UNDER, OVER: root mean square of the voltage limited at
    the declared one, as a deviation in % (annex D). CYCLES: frequency, all cycles over their whole duration. ANGLE:
    direction of the mean unit vector, nothing where the angles have no common direction. LAST: the latest value
    (registers, states). DERIVED: from other aggregates. OWN: has a procedure of its own (10 s frequency, flicker) and
    is no aggregate of windows.
    """

    RMS = 0
    MEAN = 1
    UNDER = 2
    OVER = 3
    CYCLES = 4
    ANGLE = 5
    LAST = 6
    DERIVED = 7
    OWN = 8


_BY_PREFIX = (
    ("Pst", Rule.OWN),
    ("Plt", Rule.OWN),
    ("Fq10", Rule.OWN),
    ("PF", Rule.DERIVED),
    ("dPF", Rule.DERIVED),
    ("phi", Rule.DERIVED),
    ("UU", Rule.UNDER),
    ("UO", Rule.OVER),
    ("DC", Rule.MEAN),
    ("Prot", Rule.LAST),
)
_BY_UNIT = {
    "V": Rule.RMS,
    "A": Rule.RMS,
    "%": Rule.RMS,
    "W": Rule.MEAN,
    "var": Rule.MEAN,
    "VA": Rule.DERIVED,
    "Hz": Rule.CYCLES,
    "deg": Rule.ANGLE,
    "Wh": Rule.LAST,
    "VAh": Rule.LAST,
    "varh": Rule.LAST,
}


def rule_of(key: str) -> Rule:
    """The rule of a key of the table; MEAN for numbers without a unit (crest factor, K-factor). KeyError for an
    unknown one."""
    unit = parameter(key).unit
    return next((rule for prefix, rule in _BY_PREFIX if key.startswith(prefix)), _BY_UNIT.get(unit, Rule.MEAN))


@cache
def rules_for(system: WiringSystem) -> dict[str, Rule]:
    """{key: rule} of all keys of a wiring system, in table order."""
    return {key: rule_of(key) for key in keys_for(system)}
