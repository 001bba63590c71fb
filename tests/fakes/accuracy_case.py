"""A clean three-phase signal in closed form, what an analyser makes of it, and how far that is from the truth.

Formulas of its own throughout; shares nothing with dsp but the analyser under test. Samples of a chip are one matrix
product (orders by channels), so that hundreds of cases take seconds.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import Measurement

CHIPS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))
KEYS = tuple(key for keys in CHIPS for key in keys)
RATES_HZ = (4000.0, 4098.0, 8000.0)
RANGES_HZ = {50.0: (42.5, 57.5), 60.0: (51.0, 69.0)}
BLOCK_S = 0.02
START_S = 1000.0
START_UTC_NS = 1_700_000_000_000_000_000

RESPONSE = (
    SimpleNamespace(kind="highpass1", corner_hz=0.3125, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass1", corner_hz=7200.0, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass2", corner_hz=1600.0, q=0.8, delay_us=0.0),
    SimpleNamespace(kind="delay", corner_hz=0.0, q=0.0, delay_us=310.0),
)


def front_end(frequency_hz: np.ndarray) -> np.ndarray:
    """The response of RESPONSE, written out."""
    s = 2j * np.pi * np.asarray(frequency_hz, dtype=float)
    w1, w2, w3 = 2 * np.pi * 0.3125, 2 * np.pi * 7200.0, 2 * np.pi * 1600.0
    return s / (s + w1) * w2 / (s + w2) * w3**2 / (s**2 + s * w3 / 0.8 + w3**2) * np.exp(-s * 310e-6)


@dataclass(frozen=True)
class Case:
    """One signal and one module.

    nominal_hz: 50 or 60, which decides between 10 and 12 cycles. ppm, skew_us: clock error and start of each chip.
    seed: phases. alike: all tones start at the phase 0 (the largest crest) instead. interharmonics: further tones of
    1 % at these ratios to the fundamental, on every channel. noise: rms of a channel's noise, as a share of its
    fundamental. whole_us: stamps are cut to microseconds, as modules send them. one_chip: all channels on one chip.
    unbalance: negative and zero sequence of the voltages (shares of the positive one), else nearly balanced ones.
    """

    frequency_hz: float
    nominal_hz: float = 50.0
    rate_hz: float = 4000.0
    ppm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    skew_us: tuple[float, float, float] = (0.0, 0.0, 0.0)
    seed: int = 0
    rocof_hz_s: float = 0.0
    share: float = 0.01
    alike: bool = False
    interharmonics: tuple[float, ...] = ()
    noise: float = 0.0
    response: bool = False
    whole_us: bool = True
    one_chip: bool = False
    unbalance: tuple[float, float] | None = None

    def __str__(self) -> str:
        parts = [f"{self.frequency_hz:.3f} Hz", f"fs {self.rate_hz:.0f}"]
        parts.append("ppm " + "/".join(f"{p:+.0f}" for p in (self.ppm[:1] if self.one_chip else self.ppm)))
        if any(self.skew_us) and not self.one_chip:
            parts.append("skew " + "/".join(f"{s:.0f}" for s in self.skew_us) + " us")
        if self.rocof_hz_s:
            parts.append(f"{self.rocof_hz_s:+.2f} Hz/s")
        if self.interharmonics:
            parts.append("tones at " + ", ".join(f"{ratio:.3f} f1" for ratio in self.interharmonics))
        if self.response:
            parts.append("front end")
        return ", ".join(parts)

    @property
    def cycles(self) -> int:
        return 12 if self.nominal_hz == 60.0 else 10

    @property
    def last_order(self) -> int:
        """Every order that all chips can tell: up to 0.495 of the slowest rate."""
        return int(0.495 * self.rate_hz * (1.0 + 1e-6 * min(self.ppm)) / self.highest_hz)

    @property
    def highest_hz(self) -> float:
        return self.frequency_hz + max(0.0, 1.5 * self.rocof_hz_s)

    def tones(self) -> dict[str, np.ndarray]:
        """{channel: complex rms [last_order + 1], index = order}: cosine phases at time 0."""
        rng = np.random.default_rng(self.seed)
        orders = np.arange(self.last_order + 1)
        start, a = rng.uniform(0.0, 360.0), cmath.exp(2j * math.pi / 3)
        sizes = {"V": (230.0, 229.0, 231.5), "I": (10.0, 7.0, 12.0)}
        tones = {}
        for key in KEYS:
            phase = 0 if key == "IN" else int(key[1]) - 1
            size = 3.0 if key == "IN" else sizes[key[0]][phase]
            lag = 0.0 if key[0] == "V" else -25.0 + 20.0 * phase
            angles = np.zeros(orders.size) if self.alike else rng.uniform(0.0, 360.0, orders.size)
            angles[1] = start - 120.0 * phase + lag
            values = self.share * size * np.exp(1j * np.radians(angles))
            values[0] = 0.0
            values[1] /= self.share
            if self.unbalance is not None and key[0] == "V":
                negative, zero = self.unbalance
                turn = [a ** (-phase), a**phase * cmath.exp(0.7j), cmath.exp(-1.1j)]
                values[1] = (
                    230.0 * cmath.exp(1j * math.radians(start)) * (turn[0] + negative * turn[1] + zero * turn[2])
                )
            tones[key] = values
        return tones

    def cycles_at(self, time_s: np.ndarray) -> np.ndarray:
        """Turns of the fundamental since time 0."""
        return self.frequency_hz * time_s + 0.5 * self.rocof_hz_s * time_s * time_s

    def values_at(self, time_s: np.ndarray, keys: tuple[str, ...], *, through: bool = False) -> np.ndarray:
        """Values [n, channels] at true times; through: as the front end passes them (steady frequency only)."""
        tones = self.tones()
        orders = np.arange(self.last_order + 1)
        turns = self.cycles_at(time_s)
        turning = np.exp(2j * np.pi * (turns % 1.0))
        powers = np.empty((orders.size, time_s.size), dtype=complex)
        powers[0] = 1.0
        for order in orders[1:]:
            np.multiply(powers[order - 1], turning, out=powers[order])
        table = np.stack([tones[key] for key in keys])
        if through:
            table = table * front_end(np.maximum(orders, 1e-9) * self.frequency_hz)
        values = math.sqrt(2.0) * (table.real @ powers.real - table.imag @ powers.imag)
        for number, ratio in enumerate(self.interharmonics):
            gain = complex(front_end(np.array([ratio * self.frequency_hz]))[0]) if through else 1.0
            for row, key in enumerate(keys):
                size = math.sqrt(2.0) * 0.01 * abs(tones[key][1]) * abs(gain)
                angle = 2 * np.pi * ratio * turns + 1.0 + number + 0.5 * KEYS.index(key) + cmath.phase(gain)
                values[row] += size * np.cos(angle)
        return values.T

    def chips(self) -> list[tuple[tuple[str, ...], float, float]]:
        """(keys, true rate in Hz, true time of its first sample) of each chip."""
        if self.one_chip:
            return [(KEYS, self.rate_hz * (1 + 1e-6 * self.ppm[0]), 0.0)]
        return [
            (keys, self.rate_hz * (1 + 1e-6 * ppm), 1e-6 * skew)
            for keys, ppm, skew in zip(CHIPS, self.ppm, self.skew_us, strict=True)
        ]

    def blocks(self, seconds: float) -> Iterator[tuple[int, int, np.ndarray, float, int]]:
        """(chip, first index, samples [n, channels], device time us, utc ns) in order of time."""
        rng = np.random.default_rng(self.seed + 1)
        tones = self.tones()
        size = round(BLOCK_S * self.rate_hz)
        count = int(seconds * self.rate_hz / size) * size
        whole = []
        for keys, rate_hz, first_s in self.chips():
            values = self.values_at(first_s + np.arange(count) / rate_hz, keys, through=self.response)
            if self.noise:
                spread = self.noise * np.array([abs(tones[key][1]) for key in keys])
                values = values + spread * rng.standard_normal(values.shape)
            whole.append(values)
        for first in range(0, count, size):
            for number, (_, rate_hz, first_s) in enumerate(self.chips()):
                since_s = first_s + first / rate_hz
                stamp_us = 1e6 * (START_S + since_s)
                yield (
                    number,
                    first,
                    whole[number][first : first + size],
                    math.floor(stamp_us) if self.whole_us else stamp_us,
                    START_UTC_NS + round(1e9 * since_s),
                )


def analyser_for(case: Case, **options: object) -> Analyser:
    """An analyser that knows what a module tells of itself."""
    response = RESPONSE if case.response else ()
    specs = [
        ChipSpec(case.rate_hz, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A", response=response) for k in keys))
        for keys, _, _ in case.chips()
    ]
    return Analyser("3P+N", specs, nominal_frequency_hz=case.nominal_hz, **options)  # type: ignore[arg-type]


def measured(case: Case, seconds: float = 0.9, *, analyser: Analyser | None = None) -> list[Measurement]:
    """All windows of so many seconds."""
    engine = analyser or analyser_for(case)
    results: list[Measurement] = []
    for block in case.blocks(seconds):
        engine.push(*block)
        results += engine.pull()
    return results


@dataclass(frozen=True)
class Limit:
    """What is asked: at most so much, in a unit."""

    quantity: str
    most: float
    unit: str


RMS = Limit("rms", 2.0, "ppm")
H1 = Limit("h1", 2.0, "ppm")
LOW = Limit("harmonics to 0.8 of Nyquist", 10.0, "ppm of h1")
HIGH = Limit("harmonics from 0.8 to 0.95 of Nyquist", 20.0, "ppm of h1")
ANGLE = Limit("angle of harmonics against the fundamental, to 0.8 of Nyquist", 0.05, "deg")
THD = Limit("THD", 0.002, "percentage points")
POWER = Limit("P, Q1, S", 10.0, "ppm of S")
FREQUENCY = Limit("frequency, one window", 0.5, "mHz")
STEADY = (RMS, H1, LOW, HIGH, ANGLE, THD, POWER, FREQUENCY)


@dataclass(frozen=True)
class Error:
    """How far a measurement is off at worst, and where: channel and order, as text."""

    size: float
    where: str


NOTHING = Error(0.0, "")
NOT_MEASURED = Error(math.inf, "null")


def largest(errors: np.ndarray, where: Callable[[int], str]) -> Error:
    """The largest of some errors; what is no number counts as infinitely wrong."""
    if errors.size == 0:
        return Error(0.0, "")
    sizes = np.where(np.isfinite(errors), np.abs(errors), math.inf)
    at = int(sizes.argmax())
    return Error(float(sizes[at]), where(at))


def worse(one: Error, other: Error) -> Error:
    """The larger of two."""
    return one if one.size >= other.size else other


def errors_of(case: Case, found: Measurement) -> dict[Limit, Error]:
    """Every line of the accuracy table that one window can be held against (steady tones, no interharmonics)."""
    worst = dict.fromkeys(STEADY, Error(0.0, ""))

    def note(limit: Limit, error: Error) -> None:
        worst[limit] = worse(error, worst[limit])

    tones = case.tones()
    values = {key: math.nan if value is None else value for key, value in found.values.items()}
    keys_rates = {key: rate_hz for keys, rate_hz, _ in case.chips() for key in keys}
    listed = min(40, case.last_order)
    h = np.arange(1, listed + 1)
    for key, truth in tones.items():
        one, rms = abs(truth[1]), math.sqrt(float(np.sum(np.abs(truth) ** 2)))
        note(RMS, largest(np.array([1e6 * (values.get(f"{key}r", math.nan) / rms - 1.0)]), lambda _, k=key: k))
        name = "NI" if key == "IN" else key[1] + key[0]
        share = np.abs(truth[1 : listed + 1]) / one
        in_units = (found.orders[key][1 : listed + 1] / one - share) if key in found.orders else np.full(listed, np.nan)
        in_percent = np.array([values.get(f"{name}{order}", math.nan) / 100.0 for order in h]) - share
        deviation = 1e6 * np.where(np.abs(in_units) > np.abs(in_percent), in_units, in_percent)
        part = h * case.highest_hz / (keys_rates[key] / 2.0)
        bands = ((H1, h == 1), (LOW, (h > 1) & (part <= 0.8)), (HIGH, (part > 0.8) & (part <= 0.95)))
        for limit, band in bands:
            orders = h[band]
            note(limit, largest(deviation[band], lambda i, k=key, o=orders: f"order {o[i]}, {k}"))
        last = found.band.thd_to
        distortion = 100.0 * math.sqrt(float(np.sum(np.abs(truth[2 : last + 1]) ** 2))) / one
        note(THD, largest(np.array([values.get(f"TH{key}", math.nan) - distortion]), lambda _, k=key: k))
        if key != "IN":
            # Against the chip's own voltage: what is left of the skew between chips is held against u2 and u0.
            own = f"V{key[1]}"
            band = part <= 0.8
            angles = np.array([values.get(f"{name}A{order}", math.nan) for order in h[band]])
            turned = angles - h[band] * values.get(f"{key[1]}VA1", math.nan)
            truth_deg = np.degrees(np.angle(truth[1 : listed + 1]))[band] - h[band] * math.degrees(
                cmath.phase(tones[own][1])
            )
            off = (turned - truth_deg + 180.0) % 360.0 - 180.0
            note(ANGLE, largest(off, lambda i, k=key, o=h[band]: f"order {o[i]}, {k}"))
    for p in "123":
        voltage, current = tones[f"V{p}"], tones[f"I{p}"]
        s = math.sqrt(float(np.sum(np.abs(voltage) ** 2) * np.sum(np.abs(current) ** 2)))
        active = float(np.sum(voltage * current.conj()).real)
        reactive = complex(voltage[1] * current[1].conjugate()).imag
        truth_of = {f"P{p}": active, f"Q1{p}": reactive, f"SP{p}": s}
        off = np.array([values.get(key, math.nan) - truth for key, truth in truth_of.items()])
        note(POWER, largest(1e6 * off / s, lambda i, t=tuple(truth_of): t[i]))
    true_hz = case.frequency_hz + case.rocof_hz_s * (0.5 * (found.start_s + found.end_s) - START_S)
    names = ("Fqai", "Fq1i", "Fq2i", "Fq3i")
    off = np.array([values.get(name, math.nan) - true_hz for name in names])
    note(FREQUENCY, largest(1e3 * off, lambda i: names[i]))
    return worst
