"""The parts by themselves: response, clock, resampler, band rule, keys."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.clock import SampleClock
from dsp.measurement import Band
from dsp.resample import MARGIN, gain, resample
from dsp.response import transfer
from dsp.spectrum import band_of
from resources.parameters import keys_for
from resources.systems import SYSTEMS, channels_of
from tests.fakes.mains_signal import Chip, blocks, three_phase


def section(kind: str, corner_hz: float = 0.0, q: float = 0.0, delay_us: float = 0.0) -> SimpleNamespace:
    return SimpleNamespace(kind=kind, corner_hz=corner_hz, q=q, delay_us=delay_us)


def test_response_at_its_corners() -> None:
    at = np.array([0.0, 100.0])
    assert transfer((), at) == pytest.approx([1, 1])
    assert transfer([section("highpass1", 100.0)], at) == pytest.approx([0, (1 + 1j) / 2])
    assert transfer([section("lowpass1", 100.0)], at) == pytest.approx([1, (1 - 1j) / 2])
    assert transfer([section("lowpass2", 100.0, 0.7)], at) == pytest.approx([1, -0.7j])
    assert transfer([section("delay", delay_us=2500.0)], at) == pytest.approx([1, -1j])
    both = [section("lowpass1", 100.0), section("delay", delay_us=5000.0)]
    assert transfer(both, at)[1] == pytest.approx(-(1 - 1j) / 2)


@pytest.mark.parametrize("bad", [section("notch", 50.0), section("lowpass1"), section("lowpass2", 100.0)])
def test_a_senseless_response_is_refused(bad: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match=r"[Rr]esponse section"):
        transfer([bad], np.array([50.0]))


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 37.0, 200.0])
def test_clock_finds_rate_and_offset_from_whole_microseconds(ppm: float) -> None:
    clock = SampleClock(4000.0)
    rate = 4000.0 * (1 + ppm * 1e-6)
    for index in range(0, 20_000, 87):
        assert clock.stamp(index, 1e-6 * math.floor(1e6 * (0.3 + index / rate)))
    assert clock.rate_hz == pytest.approx(rate, rel=2e-7)
    assert clock.time_s(15_000) == pytest.approx(0.3 + 15_000 / rate, abs=1.1e-6)
    assert clock.index_at(clock.time_s(12_345)) == pytest.approx(12_345)


def test_clock_begins_anew_when_the_time_jumps() -> None:
    clock = SampleClock(4000.0)
    assert clock.stamp(0, 5.0)
    assert clock.stamp(4000, 6.0)
    assert not clock.stamp(8000, 7.5)
    assert clock.time_s(8000) == 7.5


@pytest.mark.parametrize("frequency", [0.0, 0.0125, 0.2, 0.4, 0.48])
def test_resampled_tone_has_the_gain_that_is_told(frequency: float) -> None:
    n = np.arange(1200)
    positions = MARGIN + 0.123 + np.arange(1024) * 0.871
    tone = np.cos(2 * np.pi * frequency * n + 0.4)[None]
    expected = gain(np.array([frequency])) * np.cos(2 * np.pi * frequency * positions + 0.4)
    assert resample([[tone]], [0], positions[None, None])[0, 0] == pytest.approx(expected, abs=1.5e-5)


@pytest.mark.parametrize(
    ("rate_hz", "frequency_hz", "band"),
    [
        (4000.0, 50.0, Band(32, 39, 39)),
        (4000.0, 60.0, Band(26, 33, 33)),
        (3999.8, 60.0, Band(26, 33, 33)),
        (4000.0, 49.4, Band(32, 40, 40)),
        (1200.0, 60.0, Band(8, 9, 9)),
        (30707.24, 60.0, Band(40, 40, 40)),
        (100.0, 50.0, Band(0, 0, 0)),
    ],
)
def test_band_rule(rate_hz: float, frequency_hz: float, band: Band) -> None:
    assert band_of(rate_hz, frequency_hz) == band


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_key_is_one_of_the_parameter_table(system: str) -> None:
    known = set(keys_for(system))
    keys = channels_of(system)
    engine = Analyser(system, [ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in keys))])
    for block in blocks(three_phase(50.0, 5), [Chip(keys)], 0.5):
        engine.push(*block)
    found = engine.pull()[0]
    assert set(found.values) - known == set()


def test_a_wrong_shape_is_refused() -> None:
    engine = Analyser("1P", [ChipSpec(4000.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))])
    with pytest.raises(ValueError, match="2 channels"):
        engine.push(0, 0, np.zeros((80, 3)), 0.0, 0)
