"""The chips: response, scale, noise, clipping and clocks, each against a formula written out here."""

import cmath
import math

import numpy as np
import pytest

from device_io.virtual_module.front_end import RESPONSE, ChipClock, MainsInputs, Quantiser, input_channel, response_at
from device_io.virtual_module.mains import Event, Frequency, Mains, Tone, Wave, wave
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.presets import Preset


def _response(f: float) -> complex:
    high = 1j * f / 0.3125 / (1 + 1j * f / 0.3125)
    s = 1j * f / 1581.32
    return high / (1 + s / 0.716418 + s * s)


def test_the_low_pass_meets_the_two_points_of_the_data_sheet():
    gain_db = 20 * np.log10(np.abs(response_at(RESPONSE, np.array([50.0, 672.0, 1600.0]))))
    assert gain_db == pytest.approx([0.0, -0.1, -3.0], abs=2e-3)


def test_every_tone_has_gain_and_phase_of_the_response_at_its_frequency():
    tones = [(50.2, 230.0, 0.0), (150.6, 8.0, 77.0), (1907.6, 3.0, -50.0), (120.48, 2.0, 15.0), (333.0, 1.0, 5.0)]
    given = (Tone(230.0, 0.0, 1), Tone(8.0, 77.0, 3), Tone(3.0, -50.0, 38), Tone(2.0, 15.0, 2.4))
    mains = Mains(Frequency(50.2), {"V1": Wave((*given, Tone(1.0, 5.0, 0.0, 333.0)), dc=2.0)})
    t = ChipClock(12.0, 83.0).times(4000, 800)
    values = MainsInputs(mains, [{"V1": -1.0}], [input_channel("V1")]).values(t)[:, 0]
    expected = np.zeros_like(t)
    for hz, rms, angle in tones:
        size, turned = cmath.polar(_response(hz))
        expected -= math.sqrt(2) * rms * size * np.cos(2 * math.pi * hz * t + math.radians(angle) + turned)
    assert np.abs(values - expected).max() < 1e-6  # the high-pass has taken the 2 V


def test_sums_of_conductors_follow_their_own_envelopes():
    dip = Event(frozenset({"I2"}), 0.5, start_s=0.01, duration_s=0.01)
    mains = Mains(Frequency(50.0), {f"I{n}": wave(float(n), 40.0 * n, {3: (20.0, 0.0)}) for n in (1, 2, 3)}, (dip,))
    t = np.arange(0.0, 0.04, 1.0 / 4000.0)
    row = {"I1": 1.0, "I2": 1.0, "I3": 1.0}
    flat = [input_channel("IN", flat=True)]
    assert MainsInputs(mains, [row], flat).values(t)[:, 0] == pytest.approx(mains.value("IN", t), abs=1e-9)


def test_a_drifting_frequency_takes_its_own_phase():
    mains = Mains(Frequency(50.0, wander_hz=0.5, wander_period_s=3.0), {"V1": wave(230.0, 20.0, {5: (4.0, 10.0)})})
    t = ChipClock().times(11_000, 100)
    values = MainsInputs(mains, [{"V1": 1.0}], [input_channel("V1", flat=True)]).values(t)[:, 0]
    assert values == pytest.approx(mains.value("V1", t), abs=1e-6)


def test_counts_are_the_register_shifted_by_four_bits_and_clip_at_full_scale():
    channel = input_channel("V1")
    assert channel.unit_per_count == pytest.approx(1000.0 / 74.56e6 * 16.0)
    quantiser = Quantiser([channel], [0.0], np.random.default_rng(1))
    volts = np.array([0.0, 999.99, 1500.0, -1500.0, 230.0, -1e-3])
    counts = quantiser.counts(volts[:, None])[:, 0]
    assert counts.dtype == np.int32
    assert counts[2] == 4_660_000
    assert counts[3] == -4_660_000
    assert counts[4] == math.floor(round(230.0 / 1000.0 * 74.56e6) / 16)
    assert counts[5] == -5  # -75 codes / 16, toward minus infinity as a shift does
    assert np.abs(counts).max() < 2**23


def test_noise_is_88_db_under_full_scale():
    quiet = Preset("quiet", "", 230.0, 50.0, Mains(Frequency(50.0), {}))
    module = VirtualModule(quiet, "3P+N", seed=3)
    counts = np.concatenate([block.counts for block in module.stream(10.0) if block.chip == 0])
    for column, channel in enumerate(module.info.chips[0].channels):
        rms = np.std(counts[:, column]) * channel.unit_per_count
        full_scale_rms = channel.full_scale / math.sqrt(2)
        assert 20 * math.log10(full_scale_rms / rms) == pytest.approx(88.0, abs=0.15)


def test_a_chip_samples_on_its_own_clock():
    clock = ChipClock(ppm=100.0, skew_us=171.0)
    times = clock.times(10, 3)
    assert times == pytest.approx(171e-6 + np.array([10, 11, 12]) / 4000.4, abs=1e-15)
    for index in (0, 1, 4001, 123_456_789):
        t = float(clock.times(index, 1)[0])
        assert clock.first_index_at(t) == index
        assert clock.first_index_at(t + 1e-6) == index + 1
