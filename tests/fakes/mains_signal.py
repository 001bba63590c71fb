"""A mains signal in closed form, sampled by chips with clocks of their own, and its truth. Shares nothing with dsp."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

Response = Callable[[np.ndarray], np.ndarray]


def flat(frequency_hz: np.ndarray) -> np.ndarray:
    return np.ones(np.shape(frequency_hz), dtype=complex)


@dataclass
class Tone:
    """rms at a multiple of the fundamental (any real number), phase in degrees of its cosine at phase 0."""

    order: float
    rms: float
    phase_deg: float


@dataclass
class Mains:
    """channels: {key: tones}. Fundamental phase: 2 pi (f t + drift t^2 / 2)."""

    frequency_hz: float
    channels: dict[str, list[Tone]]
    drift_hz_s: float = 0.0

    def sample(self, key: str, t: np.ndarray, response: Response = flat) -> np.ndarray:
        """Values at the times t (s). The response acts as on steady tones of the momentary frequency."""
        phase = 2 * np.pi * (self.frequency_hz * t + 0.5 * self.drift_hz_s * t * t)
        speed = self.frequency_hz + self.drift_hz_s * t
        result = np.zeros_like(t)
        for tone in self.channels[key]:
            h = response(tone.order * (speed if self.drift_hz_s else np.array([self.frequency_hz])))
            angle = tone.order * phase + math.radians(tone.phase_deg) + np.angle(h)
            result += math.sqrt(2) * tone.rms * np.abs(h) * np.cos(angle)
        return result

    def rms(self, key: str, below: float = math.inf) -> float:
        return math.sqrt(sum(tone.rms**2 for tone in self.channels[key] if tone.order <= below))

    def tone(self, key: str, order: float) -> complex:
        return sum(cmath.rect(t.rms, math.radians(t.phase_deg)) for t in self.channels[key] if t.order == order)

    def power(self, voltage: str, current: str) -> float:
        orders = {tone.order for tone in self.channels[voltage]}
        return sum((self.tone(voltage, h) * self.tone(current, h).conjugate()).real for h in orders)

    def difference_rms(self, a: str, b: str) -> float:
        orders = {tone.order for key in (a, b) for tone in self.channels[key]}
        return math.sqrt(sum(abs(self.tone(a, h) - self.tone(b, h)) ** 2 for h in orders))


@dataclass
class Chip:
    """A sampler: true rate = rate_hz (1 + ppm 1e-6), first sample at skew_s of the module's clock."""

    keys: tuple[str, ...]
    rate_hz: float = 4000.0
    ppm: float = 0.0
    skew_s: float = 0.0
    noise_rms: float = 0.0
    responses: dict[str, Response] = field(default_factory=dict)

    def time_s(self, index: np.ndarray | int) -> np.ndarray:
        return self.skew_s + np.asarray(index, dtype=float) / (self.rate_hz * (1 + self.ppm * 1e-6))


def blocks(
    mains: Mains, chips: list[Chip], seconds: float, block: int = 80, seed: int = 0, whole_us: bool = True
) -> Iterator[tuple[int, int, np.ndarray, float, int]]:
    """(chip, first index, samples, device time us, utc ns) in order of time, as a module delivers them."""
    rng = np.random.default_rng(seed)
    for number in range(int(seconds * max(c.rate_hz for c in chips) / block)):
        for which, chip in enumerate(chips):
            index = np.arange(number * block, (number + 1) * block)
            t = chip.time_s(index)
            samples = np.stack([mains.sample(k, t, chip.responses.get(k, flat)) for k in chip.keys], axis=1)
            if chip.noise_rms:
                samples = samples + chip.noise_rms * rng.standard_normal(samples.shape)
            stamp = 1e6 * (1000.0 + float(t[0]))
            yield (
                which,
                int(index[0]),
                samples,
                math.floor(stamp) if whole_us else stamp,
                1_700_000_000_000_000_000 + round(float(t[0]) * 1e9),
            )


def three_phase(
    frequency_hz: float,
    last_order: int,
    *,
    share: float = 0.01,
    seed: int = 1,
    drift_hz_s: float = 0.0,
    neutral: bool = True,
    export: bool = False,
) -> Mains:
    """230 V and about 10 A on three phases, every order 2..last_order at `share` with random phases."""
    rng = np.random.default_rng(seed)
    channels: dict[str, list[Tone]] = {}
    for p in range(3):
        start = rng.uniform(0, 360) if p == 0 else start  # noqa: F821
        for unit, size, angle in (
            ("V", (230.0, 229.0, 231.5)[p], 0.0),
            ("I", (10.0, 7.0, 12.0)[p], -25.0 + 20 * p + 180 * export),
        ):
            tones = [Tone(1, size, start - 120 * p + angle)]
            tones += [Tone(h, share * size, rng.uniform(0, 360)) for h in range(2, last_order + 1)]
            channels[f"{unit}{p + 1}"] = tones
    if neutral:
        channels["IN"] = [Tone(1, 3.0, 10.0), Tone(3, 2.0, 50.0)]
    return Mains(frequency_hz, channels, drift_hz_s)
