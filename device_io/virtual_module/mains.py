"""The mains as closed formulas of time: what the conductors of an installation carry.

Every quantity is a sum of tones, sqrt(2) X cos(2 pi (order turns(t) + frequency_hz t) + angle), times an envelope of
dips, swells, interruptions and flicker. `turns(t)` is the integral of the frequency, in closed form. Nothing is
filtered or integrated numerically, so that the truth of a preset follows from its numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Tone:
    """One sinusoid of a quantity: rms value and phase at t = 0 (cosine).

    order: multiple of the fundamental; it follows the mains frequency and need not be an integer (interharmonic).
    frequency_hz: a frequency of its own instead (ripple control, converters); order is then 0.
    """

    rms: float
    angle_deg: float = 0.0
    order: float = 0.0
    frequency_hz: float = 0.0

    @property
    def phasor(self) -> complex:
        """Rms phasor at t = 0."""
        angle = math.radians(self.angle_deg)
        return complex(self.rms * math.cos(angle), self.rms * math.sin(angle))


@dataclass(frozen=True)
class Wave:
    """Voltage of a conductor against neutral (V), or the current in it (A): tones and a constant part."""

    tones: tuple[Tone, ...] = ()
    dc: float = 0.0


def wave(
    rms: float,
    angle_deg: float = 0.0,
    harmonics: Mapping[int, tuple[float, float]] | None = None,
    *,
    others: Iterable[Tone] = (),
    dc: float = 0.0,
) -> Wave:
    """A wave from its fundamental (rms, angle) and its harmonics, {order: (% of the fundamental, angle in deg)}.

    A harmonic's angle counts from the fundamental's own zero of phase: cos(h psi + angle) with psi the phase of the
    fundamental. The same table on three phases therefore has the natural sequence of each order, and orders 3, 9, 15...
    are in phase on all of them. `others`: further tones as they are.
    """
    tones = [Tone(rms, angle_deg, 1.0)]
    for order, (percent, angle) in (harmonics or {}).items():
        tones.append(Tone(rms * percent / 100.0, order * angle_deg + angle, float(order)))
    return Wave((*tones, *others), dc)


@dataclass(frozen=True)
class Frequency:
    """f(t) = hz + wander_hz sin(2 pi t / wander_period_s)
    + ramp_hz_per_s clip(t - ramp_start_s, 0, ramp_duration_s)."""

    hz: float
    wander_hz: float = 0.0
    wander_period_s: float = 60.0
    ramp_hz_per_s: float = 0.0
    ramp_start_s: float = 0.0
    ramp_duration_s: float = 0.0

    @property
    def steady(self) -> bool:
        """Whether it never changes."""
        return self.wander_hz == 0.0 and (self.ramp_hz_per_s == 0.0 or self.ramp_duration_s == 0.0)

    def at(self, t: float) -> float:
        """Frequency in Hz at time t (s)."""
        ramp = min(max(t - self.ramp_start_s, 0.0), self.ramp_duration_s)
        wander = self.wander_hz * math.sin(2.0 * math.pi * t / self.wander_period_s)
        return self.hz + wander + self.ramp_hz_per_s * ramp

    def turns(self, t: Times) -> Times:
        """Cycles of the fundamental since t = 0: the integral of f."""
        turns = self.hz * t
        if self.wander_hz:
            scale = self.wander_hz * self.wander_period_s / (2.0 * math.pi)
            turns = turns + scale * (1.0 - np.cos((2.0 * math.pi / self.wander_period_s) * t))
        if self.ramp_hz_per_s:
            inside = np.clip(t - self.ramp_start_s, 0.0, self.ramp_duration_s)
            after = np.maximum(t - self.ramp_start_s - self.ramp_duration_s, 0.0)
            turns = turns + self.ramp_hz_per_s * (0.5 * inside * inside + self.ramp_duration_s * after)
        return turns


@dataclass(frozen=True)
class Event:
    """A dip, swell or interruption: the amplitude is multiplied by `factor` from start_s on, for duration_s.

    keys: the quantities it concerns. every_s: it comes again with this period; None: once. Its edges are steps.
    """

    keys: frozenset[str]
    factor: float
    start_s: float
    duration_s: float
    every_s: float | None = None

    def envelope(self, t: Times) -> Times | None:
        """Factor at each time, None when the event does not touch them (t ascending)."""
        since = t - self.start_s
        if self.every_s is not None:
            since = np.where(since < 0.0, -1.0, since % self.every_s)
        inside = (since >= 0.0) & (since < self.duration_s)
        return np.where(inside, self.factor, 1.0) if inside.any() else None


@dataclass(frozen=True)
class Flicker:
    """Modulation of the amplitude, 1 + depth_pct / 200 m(t), m = sin(2 pi frequency_hz t) or its sign (rectangular).

    depth_pct is dU/U in %, peak to peak, as in IEC 61000-4-15; frequency_hz = changes per minute / 120.
    """

    keys: frozenset[str]
    frequency_hz: float
    depth_pct: float
    rectangular: bool = False

    def envelope(self, t: Times) -> Times:
        """Factor at each time."""
        turns = (self.frequency_hz * t) % 1.0
        shape = np.where(turns < 0.5, 1.0, -1.0) if self.rectangular else np.sin(2.0 * math.pi * turns)
        return 1.0 + (self.depth_pct / 200.0) * shape


@dataclass(frozen=True)
class Mains:
    """An installation: waves of V1 V2 V3 (against neutral), I1 I2 I3 and IL (leaves through the neutral only).

    A quantity that is not named is zero. The neutral carries I1 + I2 + I3 + IL at every instant. noise_v, noise_a:
    white noise (rms) on top of each input, in the band of the sampler.
    """

    frequency: Frequency
    waves: Mapping[str, Wave]
    events: tuple[Event, ...] = ()
    flicker: tuple[Flicker, ...] = ()
    noise_v: float = 0.0
    noise_a: float = 0.0
    varying: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        changing = [*(event.keys for event in self.events), *(flicker.keys for flicker in self.flicker)]
        object.__setattr__(self, "varying", frozenset().union(*changing))

    def envelope(self, key: str, t: Times) -> Times | None:
        """Amplitude factor of a quantity at ascending times, None where it is 1 throughout."""
        if key not in self.varying:
            return None
        factor: Times | None = None
        items: tuple[Event | Flicker, ...] = (*self.events, *self.flicker)
        for item in items:
            part = item.envelope(t) if key in item.keys else None
            if part is not None:
                factor = part if factor is None else factor * part
        return factor

    def value(self, key: str, t: Times) -> Times:
        """Instantaneous value of a quantity (V or A): the defining formula, term by term, without noise."""
        total = np.zeros_like(t)
        if key == "IN":
            for part in ("I1", "I2", "I3", "IL"):
                total += self.value(part, t)
            return total
        source = self.waves.get(key, Wave())
        turns = self.frequency.turns(t)
        for tone in source.tones:
            phase = (tone.order * turns) % 1.0 + (tone.frequency_hz * t) % 1.0
            total += math.sqrt(2.0) * tone.rms * np.cos(2.0 * math.pi * phase + math.radians(tone.angle_deg))
        total += source.dc
        factor = self.envelope(key, t)
        return total if factor is None else total * factor
