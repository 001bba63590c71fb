"""Accuracy: the worst that was found, against what is asked

Clean signals in closed form, every order at 1 % with random phases, on three chips with clock errors up to 200 ppm
that the device clock tells in whole microseconds; a quarter of them through a front end that is divided out. Drawn at
random, with the corners of the ranges, then searched about the worst of each line. `python -m tests.benchmarks.accuracy
--keep` writes docs/accuracy.md.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from dsp.observers import WindowData
from dsp.ten_seconds import TenSecondFrequency, TenSeconds
from tests.benchmarks.accuracy_events import DURATION, PST, RESIDUAL, dips_and_swells, flicker
from tests.benchmarks.accuracy_report import Found, report, row
from tests.fakes.accuracy_case import (
    ANGLE,
    FREQUENCY,
    H1,
    HIGH,
    KEYS,
    LOW,
    NOT_MEASURED,
    POWER,
    RANGES_HZ,
    RATES_HZ,
    RMS,
    START_S,
    STEADY,
    THD,
    Case,
    Error,
    Limit,
    analyser_for,
    errors_of,
    largest,
    measured,
    worse,
)
from tests.fakes.grouping_truth import by_integral, by_transform, grouping_error
from tests.fakes.least_squares import tones_by_least_squares

REPORT = Path(__file__).resolve().parents[2] / "docs" / "accuracy.md"

RANDOM_CASES = 1200
SEARCH_STEPS = 60

SETTLED_S = 0.4
"""Time stamps of whole microseconds tell a rate to 2 ppm after so long."""

FIRST = Limit("rms, h1 in the first 0.4 s of a stream", 2.0, "ppm")
FREQUENCY_10_S = Limit("frequency, 10 s", 0.02, "mHz")
UNBALANCE = Limit("u2, u0, one clock", 0.002, "percentage points")
UNBALANCE_SKEWED = Limit("u2, u0, chips skewed by up to 100 us", 0.02, "percentage points")
ALIGNMENT = Limit("alignment of chips (goal: 1 us)", 10.0, "us")
ROCOF_H1 = Limit("h1 under 1 Hz/s", 10.0, "ppm")
ROCOF_H25 = Limit("h25 under 1 Hz/s", 20.0, "ppm of h1")
GROUPS = Limit("harmonic subgroups with 1 % interharmonics beside", 10.0, "ppm of h1")
GROUPS_DENSE = Limit("the same against a plain transform of 16384 points", 10.0, "ppm of h1")
GROUPS_CLOSE = Limit("the same with one or two tones at 0.6 to 1.4 of the fundamental", 10.0, "ppm of h1")
ORACLE = Limit("harmonics to 0.8 of Nyquist, against least squares", 10.0, "ppm of h1")
NOISE_RMS = Limit("80 dB noise, 210 windows: rms error of h1..0.95 of Nyquist", 1.5, "sigma of a bin")
NOISE_PEAK = Limit("80 dB noise: worst single error", 6.0, "sigma of a bin")


class Worst:
    """The worst found so far of every line, with the case that gave it."""

    def __init__(self) -> None:
        self.lines: dict[Limit, Found] = {}
        self.cases: dict[Limit, Case] = {}

    def add(self, case: Case | str, errors: dict[Limit, Error]) -> None:
        """Take the errors of one window, or of one event."""
        for limit, error in errors.items():
            found = self.lines.setdefault(limit, Found())
            found.windows += 1
            if error.size >= found.error.size:
                found.error, found.case = error, str(case)
                if isinstance(case, Case):
                    self.cases[limit] = case


def drawn(rng: np.random.Generator, **fixed: object) -> Case:
    """A case anywhere within the limits; one in eight at the end of a range."""
    nominal_hz = float(rng.choice([50.0, 60.0]))
    low, high = RANGES_HZ[nominal_hz]
    frequency_hz = float(rng.uniform(low, high))
    if rng.random() < 0.125:
        frequency_hz = float(rng.choice([low, high, nominal_hz]))
    choices: dict[str, object] = {
        "nominal_hz": nominal_hz,
        "frequency_hz": frequency_hz,
        "rate_hz": float(rng.choice(RATES_HZ)),
        "ppm": _triple(rng.choice([-200.0, 200.0], 3) if rng.random() < 0.25 else rng.uniform(-200.0, 200.0, 3)),
        "skew_us": _triple(rng.uniform(0.0, 250.0, 3)),
        "seed": int(rng.integers(1 << 30)),
        "alike": bool(rng.random() < 0.125),
        "response": bool(rng.random() < 0.25),
    }
    return Case(**(choices | fixed))  # type: ignore[arg-type]


def beside(case: Case, rng: np.random.Generator) -> Case:
    """A case next to another."""
    low, high = RANGES_HZ[case.nominal_hz]
    step_hz = float(rng.choice([2.0, 0.2, 0.02]) * rng.standard_normal())
    changes: dict[str, object] = {"frequency_hz": min(max(case.frequency_hz + step_hz, low), high)}
    if rng.random() < 0.5:
        changes["seed"] = int(rng.integers(1 << 30))
    if rng.random() < 0.3:
        changes["ppm"] = _triple(rng.uniform(-200.0, 200.0, 3))
        changes["skew_us"] = _triple(rng.uniform(0.0, 250.0, 3))
    return replace(case, **changes)  # type: ignore[arg-type]


def _triple(numbers: np.ndarray) -> tuple[float, float, float]:
    a, b, c = numbers.tolist()
    return a, b, c


def steady(worst: Worst, rng: np.random.Generator) -> None:
    """The table's first lines."""

    def hold(case: Case) -> None:
        windows = measured(case)
        for found in windows:
            errors = errors_of(case, found)
            if found.start_s < START_S + SETTLED_S:
                errors[FIRST] = worse(errors.pop(RMS), errors.pop(H1))
            worst.add(case, errors)
        if not windows:
            worst.add(case, dict.fromkeys(STEADY, NOT_MEASURED))

    for _ in range(RANDOM_CASES):
        hold(drawn(rng))
    for limit in (*STEADY, FIRST):
        for _ in range(SEARCH_STEPS):
            hold(beside(worst.cases[limit], rng))


def ramps(worst: Worst, rng: np.random.Generator) -> None:
    """Frequency that runs away by 1 Hz/s, up and down, inside the range all the time."""
    for _ in range(150):
        rocof_hz_s = float(rng.choice([-1.0, 1.0]))
        case = drawn(rng, rocof_hz_s=rocof_hz_s, response=False)
        low, high = RANGES_HZ[case.nominal_hz]
        case = replace(case, frequency_hz=min(max(case.frequency_hz, low + 1.0), high - 1.0))
        for found in measured(case):
            h1, h25 = [], []
            for key, tones in case.tones().items():
                off = 1e6 * (found.orders[key][1 : min(26, tones.size)] - np.abs(tones[1:26])) / abs(tones[1])
                h1.append(off[0])
                if off.size >= 25 and 25 * case.highest_hz <= 0.475 * case.rate_hz:
                    h25.append(off[24])
            error = {ROCOF_H1: largest(np.array(h1), lambda i: KEYS[i])}
            if h25:
                error[ROCOF_H25] = largest(np.array(h25), lambda i: KEYS[i])
            worst.add(case, error)


def interharmonics(worst: Worst, rng: np.random.Generator) -> None:
    """One, two or four tones of 1 % beside the harmonics; and one, or one on each side, close to the fundamental."""
    for number in range(240):
        case = drawn(rng, response=False, whole_us=False)
        top = 0.38 * case.rate_hz / case.frequency_hz
        count = int(rng.choice([1, 2, 4]))
        ratios, limit = rng.uniform(1.4, top, count), GROUPS
        if number % 4 == 1:  # on the lines right beside harmonics
            ratios = rng.integers(2, int(top), count) + rng.choice([-2, -1, 1, 2], count) / case.cycles
        if number % 4 == 2:
            apart, sides = rng.uniform(0.05, 0.4, 2), rng.choice([-1.0, 1.0], 1)
            if number % 12 == 2 and abs(apart[0] - apart[1]) > 0.02:
                sides = np.array([-1.0, 1.0])
            ratios, limit = 1.0 + sides * apart[: sides.size], GROUPS_CLOSE
        case = replace(case, interharmonics=tuple(float(ratio) for ratio in ratios))
        windows = measured(case)
        for found in windows:
            worst.add(case, {limit: grouping_error(case, found.orders, by_integral(case, found.start_s))})
        if limit is GROUPS:
            first = windows[0]
            worst.add(case, {GROUPS_DENSE: grouping_error(case, first.orders, by_transform(case, first.start_s))})


def unbalances(worst: Worst, rng: np.random.Generator) -> None:
    """Negative and zero sequences up to 5 %; of one chip, and of three that start up to 100 us apart."""
    for number in range(200):
        one_chip = number % 2 == 0
        skew_us = _triple(rng.permutation([0.0, 100.0, rng.uniform(0.0, 100.0)]))
        case = drawn(rng, one_chip=one_chip, skew_us=skew_us, unbalance=tuple(rng.uniform(0.0, 0.05, 2).tolist()))
        v1, v2, v3 = (complex(case.tones()[f"V{p}"][1]) for p in (1, 2, 3))
        a = complex(-0.5, math.sqrt(0.75))
        positive = abs(v1 + a * v2 + a * a * v3)
        true_u2, true_u0 = 100 * abs(v1 + a * a * v2 + a * v3) / positive, 100 * abs(v1 + v2 + v3) / positive
        for found in measured(case):
            off = [(found.values.get(key) or math.nan) - truth for key, truth in (("u2", true_u2), ("u0", true_u0))]
            limit = UNBALANCE if one_chip else UNBALANCE_SKEWED
            errors = {limit: largest(np.array(off), lambda i: ("u2", "u0")[i])}
            if not one_chip:
                late_rad = np.angle([found.phasors["V2"] * v1 / v2, found.phasors["V3"] * v1 / v3])
                late_us = 1e6 * late_rad / (2 * np.pi * case.frequency_hz)
                errors[ALIGNMENT] = largest(late_us, lambda i: ("V2", "V3")[i])
            worst.add(case, errors)


class _TenSecondsKept:
    """Observer that keeps the frequencies of 10 s."""

    def __init__(self) -> None:
        self._frequency = TenSecondFrequency()
        self.found: list[TenSeconds] = []

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        for data in windows:
            self.found += self._frequency.on_window(data)

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:
        self._frequency.on_gap()

    def on_restart(self) -> None:
        self._frequency.on_gap()


def long_frequency(worst: Worst, rng: np.random.Generator) -> None:
    """The first 10 s of a stream, which begins at their tick."""
    for _ in range(24):
        case, kept = drawn(rng, response=False), _TenSecondsKept()
        measured(case, 10.6, analyser=analyser_for(case, observers=[kept]))
        error = NOT_MEASURED
        if kept.found and kept.found[0].frequency_hz is not None:
            error = largest(np.array([1e3 * (kept.found[0].frequency_hz - case.frequency_hz)]), lambda _: "")
        worst.add(case, {FREQUENCY_10_S: error})


def noise(worst: Worst, rng: np.random.Generator) -> None:
    """White noise 80 dB under each fundamental. sigma of a bin: sigma_sample sqrt(2 / N) of its amplitude, thus
    sigma_sample / sqrt(N) of its rms, with N samples in a window."""
    for rate_hz in RATES_HZ:
        for nominal_hz in RANGES_HZ:
            case = drawn(
                rng, rate_hz=rate_hz, nominal_hz=nominal_hz, frequency_hz=nominal_hz + 0.3, noise=1e-4, response=False
            )
            windows = measured(case, 210 * case.cycles / case.frequency_hz + 0.2)
            last = min(40, int(0.475 * rate_hz / case.frequency_hz))
            bin_sigma = 1e-4 / math.sqrt(rate_hz * case.cycles / case.frequency_hz)
            spread, peak = NOT_MEASURED, NOT_MEASURED
            if len(windows) >= 200:
                spread = peak = Error(0.0, "")
            for key, tones in case.tones().items() if windows else ():
                levels = np.stack([found.orders[key][1 : last + 1] for found in windows])
                off = (levels - np.abs(tones[1 : last + 1])) / abs(tones[1]) / bin_sigma
                name = _order_of(key)
                spread = worse(largest(np.sqrt(np.mean(off**2, axis=0)), name), spread)
                peak = worse(largest(np.abs(off).max(axis=0), name), peak)
            worst.add(case, {NOISE_RMS: spread, NOISE_PEAK: peak})
            worst.lines[NOISE_RMS].windows += len(windows) - 1
            worst.lines[NOISE_PEAK].windows += len(windows) - 1


def _order_of(key: str) -> Callable[[int], str]:
    return lambda i: f"order {i + 1}, {key}"


def oracle(worst: Worst, rng: np.random.Generator) -> None:
    """The same samples by least squares, which knows no windows: frequency and all orders of each chip."""
    for _ in range(30):
        case = drawn(rng, response=False, rate_hz=float(rng.choice([4000.0, 4098.0])))
        windows = measured(case)
        for keys, rate_hz, first_s in case.chips():
            t = first_s + np.arange(800) / rate_hz
            samples = case.values_at(t, keys)
            frequency_hz, tones = tones_by_least_squares(t, samples, case.frequency_hz + 0.01, case.last_order)
            assert abs(frequency_hz - case.frequency_hz) < 1e-6
            last = int(0.4 * rate_hz / case.frequency_hz)
            for found in windows:
                for key, fitted in zip(keys, tones, strict=True):
                    off = found.orders[key][1 : last + 1] - np.abs(fitted[1 : last + 1])
                    worst.add(case, {ORACLE: largest(1e6 * off / abs(fitted[1]), _order_of(key))})


def events(worst: Worst, rng: np.random.Generator) -> None:
    """Flicker, dips and swells."""
    for case, errors in (*flicker(), *dips_and_swells(rng)):
        worst.add(case, errors)


PARTS = (steady, ramps, interharmonics, unbalances, long_frequency, noise, oracle, events)
ORDER = (
    RMS, H1, FIRST, LOW, HIGH, ANGLE, THD, POWER, FREQUENCY, FREQUENCY_10_S, UNBALANCE, UNBALANCE_SKEWED, ALIGNMENT,
    ROCOF_H1, ROCOF_H25, GROUPS, GROUPS_DENSE, GROUPS_CLOSE, ORACLE, NOISE_RMS, NOISE_PEAK, PST, RESIDUAL, DURATION,
)  # fmt: skip


def search(seed: int = 20) -> dict[Limit, Found]:
    """The worst of every line."""
    worst = Worst()
    for number, part in enumerate(PARTS):
        part(worst, np.random.default_rng([seed, number]))
    return {limit: worst.lines[limit] for limit in ORDER}


def run() -> list[dict[str, object]]:
    """Rows of the benchmark's report."""
    return [row(limit, found) for limit, found in search().items()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 when every limit holds."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks.accuracy")
    parser.add_argument("--keep", action="store_true", help="write docs/accuracy.md")
    parser.add_argument("--seed", type=int, default=20, help="of the random cases (default: 20)")
    args = parser.parse_args(arguments)
    since_s = time.perf_counter()
    lines = search(args.seed)
    text = report(lines, time.perf_counter() - since_s)
    print(text)
    if args.keep:
        REPORT.write_text(text, encoding="utf-8")
    return 0 if all(found.error.size <= limit.most for limit, found in lines.items()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
