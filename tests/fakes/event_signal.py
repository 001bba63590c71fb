"""Mains with dips, swells, interruptions and jumps of the phase in closed form, with its rms over any interval and
the events that follow from it by the rules of IEC 61000-4-30. Shares nothing with dsp."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from tests.fakes.mains_signal import flat


@dataclass(frozen=True)
class Disturbance:
    """From start_s to end_s the channels are multiplied by `factor` and their phase is shifted (each order h by h
    times the shift)."""

    start_s: float
    end_s: float
    factor: float
    keys: tuple[str, ...] = ("V1", "V2", "V3")
    shift_deg: float = 0.0


@dataclass
class EventMains:
    """rms_v: of the fundamental. harmonics: {order: (share, phase_deg)}, the same on every channel. Voltages lie 120
    degrees apart, V1 at start_deg; currents are a hundredth of the voltage of their phase."""

    frequency_hz: float = 50.0
    rms_v: float = 230.0
    harmonics: dict[int, tuple[float, float]] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()
    start_deg: float = 0.0

    def _at(self, key: str, since: float) -> tuple[float, float]:
        """Factor and shift (rad) just after a time."""
        factor, shift = 1.0, 0.0
        for d in self.disturbances:
            if key in d.keys and d.start_s <= since < d.end_s:
                factor, shift = factor * d.factor, shift + math.radians(d.shift_deg)
        return factor, shift

    def _tones(self, key: str) -> list[tuple[int, float, float]]:
        """(order, peak, phase in rad) without disturbances."""
        size = self.rms_v * (0.01 if key.startswith("I") else 1.0) * math.sqrt(2)
        number = 1 if key == "IN" else int(key[1])
        first = math.radians(self.start_deg - 120.0 * (number - 1))
        tones = [(1, size, first)]
        return tones + [(h, s * size, math.radians(p) + h * first) for h, (s, p) in self.harmonics.items()]

    def _edges(self, key: str) -> list[float]:
        return sorted({e for d in self.disturbances if key in d.keys for e in (d.start_s, d.end_s)})

    def sample(self, key: str, t: np.ndarray, response=flat) -> np.ndarray:
        """Values at the times t (s); the response acts as on steady tones."""
        factor, shift = np.ones_like(t), np.zeros_like(t)
        for d in self.disturbances:
            inside = (t >= d.start_s) & (t < d.end_s) & (key in d.keys)
            factor = np.where(inside, factor * d.factor, factor)
            shift = shift + np.where(inside, math.radians(d.shift_deg), 0.0)
        turn = 2 * math.pi * self.frequency_hz * t + shift
        result = np.zeros_like(t)
        for order, peak, phase in self._tones(key):
            gain = complex(response(np.array([order * self.frequency_hz]))[0])
            result += abs(gain) * peak * np.cos(order * turn + phase + np.angle(gain))
        return factor * result

    def rms(self, key: str, start_s: float, end_s: float) -> float:
        """Root of the mean square between two times, by the integral of the products of all tones."""
        cuts = [start_s, *(e for e in self._edges(key) if start_s < e < end_s), end_s]
        omega = 2 * math.pi * self.frequency_hz
        total = 0.0
        for a, b in itertools.pairwise(cuts):
            factor, shift = self._at(key, 0.5 * (a + b))
            tones = [(h, peak, phase + h * shift) for h, peak, phase in self._tones(key)]
            for h, peak, phase in tones:
                for k, other, turn in tones:
                    for order, angle in ((h + k, phase + turn), (h - k, phase - turn)):
                        if order == 0:
                            part = (b - a) * math.cos(angle)
                        else:
                            w = order * omega
                            part = (math.sin(w * b + angle) - math.sin(w * a + angle)) / w
                        total += 0.5 * factor * factor * peak * other * part
        return math.sqrt(max(total, 0.0) / (end_s - start_s))

    def half_cycles(self, key: str, until_s: float) -> list[tuple[float, float]]:
        """(end, rms) of each cycle that begins at a zero crossing of the undisturbed fundamental."""
        cycle = 1.0 / self.frequency_hz
        crossing = (0.5 * math.pi - self._tones(key)[0][2]) / (2 * math.pi * self.frequency_hz)
        number = math.ceil(-crossing / (0.5 * cycle))
        result = []
        while (start := crossing + number * 0.5 * cycle) + cycle <= until_s:
            result.append((start + cycle, self.rms(key, start, start + cycle)))
            number += 1
        return result

    def events(
        self, keys: tuple[str, ...], until_s: float, *, dip=0.9, swell=1.1, interruption=0.05, hysteresis=0.02
    ) -> list[tuple[str, float, float, float, set[str]]]:
        """(kind, start, end, residual, channels), by end: the rules of IEC 61000-4-30 read word by word."""
        moments = sorted((end, key, rms / self.rms_v) for key in keys for end, rms in self.half_cycles(key, until_s))
        now: dict[str, float] = {}
        open_: dict[str, list] = {}
        done = []
        for time, key, u in moments:
            now[key] = u
            for kind in ("dip", "swell", "interruption"):
                low = {"dip": dip, "swell": -swell, "interruption": interruption}[kind]
                sign = -1 if kind == "swell" else 1
                everyone = len(now) == len(keys)
                below = [k for k in now if sign * now[k] < low]
                back = [k for k in now if sign * now[k] >= low + hysteresis]
                if kind in open_:
                    over = bool(back) if kind == "interruption" else len(back) == len(keys)
                    if over:
                        start, worst, channels = open_.pop(kind)
                        done.append((kind, start, time, worst * self.rms_v, channels))
                        continue
                elif (len(below) == len(keys) and everyone) if kind == "interruption" else below:
                    open_[kind] = [time, u, set()]
                if kind in open_:
                    entry = open_[kind]
                    entry[1] = (max if kind == "swell" else min)(entry[1], u)
                    entry[2] |= set(below)
        return done
