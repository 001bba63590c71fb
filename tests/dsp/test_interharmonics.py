"""Whole windows with interharmonics beside the harmonics, against Fourier's integrals of the true signal."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.sidebands import phase_without_tones
from tests.fakes.accuracy_case import KEYS, START_S, Case, measured
from tests.fakes.grouping_truth import by_integral, by_transform, grouping_error
from tests.fakes.mains_signal import Chip, Tone, blocks, three_phase


@pytest.mark.parametrize("rate_hz", [4000.0, 8000.0])
@pytest.mark.parametrize("frequency_hz", [49.9, 60.0])
@pytest.mark.parametrize("ratios", [(2.5,), (2.37,), (11.45,), (3.2, 6.9), (2.37, 5.13, 7.5, 11.45, 19.83)])
def test_groups_with_one_percent_beside(rate_hz: float, frequency_hz: float, ratios: tuple[float, ...]) -> None:
    mains = three_phase(frequency_hz, 25, seed=round(10 * ratios[0]))
    for key in ("V1", "I1"):
        size = abs(mains.tone(key, 1))
        mains.channels[key] += [Tone(ratio, 0.01 * size, 37.0 * ratio) for ratio in ratios]
    chip = Chip(("V1", "I1"), rate_hz, ppm=120.0)
    engine = Analyser("1P", [ChipSpec(rate_hz, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))])
    results = []
    for block in blocks(mains, [chip], 0.9):
        engine.push(*block)
        results += engine.pull()
    assert len(results) >= 2
    cycles, points = (12 if frequency_hz > 55 else 10), 8192
    for found in results:
        t = found.start_s - 1000.0 + np.arange(points + 1) / points * cycles / frequency_hz
        for key in ("V1", "I1"):
            wave, one = mains.sample(key, t), abs(mains.tone(key, 1))
            wave[0] = 0.5 * (wave[0] + wave[-1])
            c = math.sqrt(2) * np.abs(np.fft.rfft(wave[:-1])) / points
            for h in range(1, 27):
                subgroup = math.sqrt(sum(c[cycles * h + k] ** 2 for k in (-1, 0, 1)))
                assert found.orders[key][h] == pytest.approx(subgroup, abs=1e-5 * one)
                between = math.sqrt(sum(c[cycles * h + k] ** 2 for k in range(2, cycles - 1)))
                measured = found.values[f"1{key[0]}IH{h}"]
                base = math.sqrt(sum(c[cycles + k] ** 2 for k in (-1, 0, 1)))
                assert measured == pytest.approx(100 * between / base, abs=3e-3)


@pytest.mark.parametrize("rate_hz", [4000.0, 4098.0, 8000.0])
@pytest.mark.parametrize("ratios", [(0.6,), (0.87,), (0.95,), (1.05,), (1.23,), (1.4,), (0.78, 1.31)])
def test_tones_next_to_the_fundamental_do_not_pull_its_phase(rate_hz: float, ratios: tuple[float, ...]) -> None:
    nominal_hz = 60.0 if ratios[0] > 1.0 else 50.0
    case = Case(
        nominal_hz + 0.37,
        nominal_hz,
        rate_hz,
        ppm=(180.0, -150.0, 20.0),
        skew_us=(0.0, 130.0, 250.0),
        seed=round(100 * ratios[0]),
        interharmonics=ratios,
        whole_us=False,
    )
    windows = measured(case)
    assert len(windows) >= 3
    for found in windows:
        assert grouping_error(case, found.orders, by_integral(case, found.start_s)).size <= 10.0
        for key in ("Fqai", "Fq1i", "Fq2i", "Fq3i"):
            assert found.values[key] == pytest.approx(case.frequency_hz, abs=5e-4)


def angle_and_order(case: Case, key: str, turns: float, phasor: complex, start_s: float) -> tuple[int, float]:
    """Order of the interharmonic subgroup in which a tone of so many turns in a window has its strongest line, and that
    line's angle (deg) at the crest of V1's fundamental next to start_s; by Fourier's integral in closed form."""
    n, line = case.cycles, round(turns)
    begin = 2j * math.pi * case.frequency_hz * (start_s - START_S)
    reference = cmath.phase(case.tones()["V1"][1] * cmath.exp(begin))
    tone = phasor * cmath.exp(begin * turns / n)
    at_start = sum(
        own * cmath.exp(1j * math.pi * (p - line)) * np.sinc(p - line)
        for own, p in ((tone, turns), (tone.conjugate(), -turns))
    )
    return line // n, math.degrees(cmath.phase(at_start * cmath.exp(-1j * reference * line / n)))


def test_angles_of_interharmonic_subgroups() -> None:
    """Tones anywhere but midway between two lines, so that it is clear which one is the strongest."""
    rng = np.random.default_rng(7)
    for number in range(60):
        nominal_hz, rate_hz = float(rng.choice([50.0, 60.0])), float(rng.choice([4000.0, 4098.0, 8000.0]))
        n = 10 if nominal_hz == 50.0 else 12
        order = int(rng.integers(1, min(41, int(0.35 * rate_hz / nominal_hz))))
        turns = order * n + int(rng.integers(2, n - 1)) + (rng.uniform(-0.4, 0.4) if number % 2 else 0.0)
        case = Case(
            nominal_hz * rng.uniform(0.97, 1.03),
            nominal_hz,
            rate_hz,
            seed=number,
            whole_us=False,
            one_chip=True,
            interharmonics=(turns / n,),
        )
        for found in measured(case):
            for key in ("V1", "I2"):
                phasor = cmath.rect(0.01, 1.0 + 0.5 * KEYS.index(key))
                after, angle = angle_and_order(case, key, turns, phasor, found.start_s)
                assert after == order
                seen = found.values[f"{key[1]}{key[0]}IHA{order}"]
                assert seen is not None
                assert -180.0 < seen <= 180.0
                assert abs(math.remainder(seen - angle, 360.0)) <= 0.05, (str(case), key)


def test_no_angle_where_there_is_no_interharmonic() -> None:
    for found in measured(Case(49.9, seed=2)):
        angles = {key: value for key, value in found.values.items() if "IHA" in key}
        assert len(angles) == 240
        assert set(angles.values()) == {None}


@pytest.mark.parametrize("ratios", [(), (2.37,), (7.5, 19.83)])
def test_both_truths_agree(ratios: tuple[float, ...]) -> None:
    """Closed form and plain transform: alike but for the step between the ends, over the number of samples."""
    case = Case(49.9, interharmonics=ratios, seed=4)
    integral = by_integral(case, 1000.123)
    for points, most in ((4096, 12e-6), (65536, 0.8e-6)):
        transform = by_transform(case, 1000.123, points)
        for key, groups in transform.items():
            off = np.abs(groups - integral[key])[1:].max() / abs(case.tones()[key][1])
            assert off <= (most * len(ratios) if ratios else 1e-9)


def sequence(
    size: Callable[[np.ndarray], np.ndarray], phase_rad: Callable[[np.ndarray], np.ndarray], tones: tuple = ()
) -> np.ndarray:
    """[1, 27] phasors at x from -1 to 1 that cover 13 cycles; tones: (rate in cycles per cycle, size)."""
    x = np.linspace(-1.0, 1.0, 27)
    values = size(x) * np.exp(1j * phase_rad(x))
    for rate, share in tones:
        values = values + share * np.exp(1j * (np.pi * 13.0 * rate * x + 1.0))
    return values[None]


def test_a_phase_is_found_apart_from_tones() -> None:
    for tones in [((0.05, 0.01),), ((-0.3, 0.003),), ((-0.2, 0.01), (0.33, 0.005)), ((0.1, 0.02), (0.3, 0.02))]:
        found = phase_without_tones(
            sequence(lambda x: 1.0 + 1e-3 * x, lambda x: 2e-3 * x - 1e-3 * x * x, tones), 13.0, 0.0
        )
        assert found is not None
        phase, rest = found
        assert phase[1, 0] == pytest.approx(2e-3, abs=3e-5)
        assert phase[2, 0] == pytest.approx(-1e-3, abs=3e-5)
        assert rest < 3e-5


def test_what_is_no_tone_is_left_in_the_phase() -> None:
    rng = np.random.default_rng(3)
    swings = [
        sequence(np.ones_like, lambda x: 0.15 * np.sin(3.5 * x)),
        sequence(np.ones_like, lambda x: 0.01 * np.sin(11.0 * x + 1.0)),
        sequence(lambda x: 1.0 + 0.01 * np.cos(11.0 * x), lambda x: 0.01 * np.sin(9.0 * x)),
        sequence(lambda x: 1.0 - 0.1 * (x > 0.1), lambda x: 0.3 * (x > 0.1)),
        sequence(np.ones_like, lambda x: np.abs(x) * x),
        sequence(np.ones_like, np.zeros_like) + 1e-3 * (rng.standard_normal((1, 27)) + 1j * rng.standard_normal(27)),
    ]
    for phasors in swings:
        assert phase_without_tones(phasors, 13.0, 0.0) is None
