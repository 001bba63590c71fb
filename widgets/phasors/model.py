"""What the phasor diagram knows: lengths, angles, reference, rotation. No Qt."""

from __future__ import annotations

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from widgets import numbers

SMALLEST_SHARE = 1e-3
"""Below this share of the longest of its kind the angle of a phasor is noise: "n/a"."""

VOLTAGE_RADIUS = 0.94
CURRENT_RADIUS = 0.69
"""Length of the longest voltage and of the longest current, as shares of the circle's radius."""

_ORDER = ("V1", "V2", "V3", "I1", "I2", "I3", "IN")


@dataclass(frozen=True)
class Arrow:
    """A phasor that can be drawn. length: share of the radius; angle_deg: positive anticlockwise from the right."""

    channel: str
    length: float
    angle_deg: float

    @property
    def is_voltage(self) -> bool:
        """Solid with a filled head, else dashed with an open one."""
        return self.channel.startswith("V")


@dataclass(frozen=True)
class Phasors:
    """Phasors of a wiring system. values: {channel: complex rms}; a channel that is missing is not measurable."""

    channels: tuple[str, ...] = ()
    values: Mapping[str, complex] = field(default_factory=dict)

    @property
    def arrows(self) -> tuple[Arrow, ...]:
        """What is drawn, voltages first; those too short to have an angle are left out."""
        result = []
        for kind, radius in (("V", VOLTAGE_RADIUS), ("I", CURRENT_RADIUS)):
            lengths = {channel: abs(self.values[channel]) for channel in self._measured(kind)}
            longest = max(lengths.values(), default=0.0)
            result += [
                Arrow(channel, radius * length / longest, math.degrees(cmath.phase(self.values[channel])))
                for channel, length in lengths.items()
                if longest > 0.0 and length >= SMALLEST_SHARE * longest
            ]
        return tuple(result)

    @property
    def reference(self) -> str | None:
        """The channel at 0 degrees: V1, else the first one that stands there."""
        angles = {arrow.channel: arrow.angle_deg for arrow in self.arrows}
        return next((name for name in _ORDER if name in angles and abs(angles[name]) < 1e-6), None)

    @property
    def subtitle(self) -> str:
        """ "fundamental, V1 = 0°"."""
        reference = self.reference or ("V1" if not self.values else None)
        return f"fundamental, {reference} = 0°" if reference else "fundamental, no reference"

    def angle_text(self, channel: str) -> str:
        """The angle of a channel, or "n/a"."""
        angle = next((arrow.angle_deg for arrow in self.arrows if arrow.channel == channel), None)
        return numbers.angle(angle)

    def describe(self, channel: str) -> str:
        """ "V2 229.9 V at −119.8°"."""
        value = self.values.get(channel)
        if value is None or not cmath.isfinite(value):
            return f"{channel} n/a"
        unit, decimals = ("V", 1) if channel.startswith("V") else ("A", 2)
        return f"{channel} {numbers.with_unit(abs(value), decimals, unit)} at {self.angle_text(channel)}"

    def rotation(self) -> tuple[str, str]:
        """(kind, text) of the chip: "ok" for L1 L2 L3, "warn" for L1 L3 L2, "waiting" where there is none to tell.

        Told from the symmetrical components: the positive or the negative sequence has to be twice the other.
        """
        phases = [self.values.get(name) for name in ("V1", "V2", "V3")]
        known = [value for value in phases if value is not None and cmath.isfinite(value)]
        if len(known) == 3 and min(map(abs, known)) > 0.1 * max(map(abs, known)):
            turn = cmath.rect(1.0, math.radians(120.0))
            positive = abs(known[0] + turn * known[1] + turn**2 * known[2])
            negative = abs(known[0] + turn**2 * known[1] + turn * known[2])
            if positive > 2.0 * negative:
                return "ok", "Rotation L1 L2 L3"
            if negative > 2.0 * positive:
                return "warn", "Rotation L1 L3 L2"
        return "waiting", "Rotation n/a"

    def _measured(self, kind: str) -> Sequence[str]:
        return [
            name
            for name in self.channels
            if name.startswith(kind) and name in self.values and cmath.isfinite(self.values[name])
        ]
