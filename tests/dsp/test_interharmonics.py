"""Whole windows with interharmonics beside the harmonics, against Fourier's integrals of the true signal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
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
