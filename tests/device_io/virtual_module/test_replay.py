"""Replay of a recording: whole cycles, no seam, band-limited, scaled to fit."""

import math

import numpy as np
import pytest

from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.replay import Recording, ReplayError, make_loop


def _wave(t, f, volts=325.0):
    harmonics = 0.05 * np.cos(2 * math.pi * 5 * f * t + 1.0) + 0.02 * np.cos(2 * math.pi * 19 * f * t)
    return volts * (np.cos(2 * math.pi * f * t + 0.7) + harmonics)


@pytest.mark.parametrize("seconds", [0.05, 0.0667, 0.31, 3.0])
@pytest.mark.parametrize(("f", "rate"), [(50.0, 5000.0), (59.94, 30707.24), (49.9, 3200.0), (60.0, 15360.0)])
def test_the_loop_goes_on_as_the_wave_would(f, rate, seconds):
    t = np.arange(round(seconds * rate)) / rate
    loop = make_loop(Recording({"V1": _wave(t, f)}, rate))
    assert loop.cycles >= 1
    # Over three seams: the second difference of a sine of this size and rate, with its harmonics, has a bound.
    times = np.arange(0.0, 3.2 * loop.duration_s, 1.0 / 64000.0)
    curvature = np.abs(np.diff(loop.values(["V1"], times)[:, 0], n=2)) * 64000.0**2
    bound = 325.0 * (2 * math.pi * f) ** 2 * (1 + 0.05 * 25 + 0.02 * 361)
    assert curvature.max() < 1.35 * bound
    times = np.arange(30_000) / 10_000 * loop.duration_s
    found_rms = np.sqrt(np.mean(loop.values(["V1"], times) ** 2))
    assert found_rms == pytest.approx(325.0 * math.sqrt((1 + 0.05**2 + 0.02**2) / 2), rel=1e-3)


def test_a_synchronous_record_is_played_exactly():
    rate, f = 6400.0, 50.0
    t = np.arange(round(0.5 * rate)) / rate
    loop = make_loop(Recording({"V1": _wave(t, f), "I1": _wave(t, f, 10.0)}, rate))
    assert loop.cycles == 24  # one cycle blends the seam
    start = (len(t) - 24 * 128) / rate
    times = np.random.default_rng(1).uniform(0.0, 5.0, 500)
    played = loop.values(["I1", "V1", "I2"], times)
    assert np.abs(played[:, 1] - _wave(times + start, f)).max() < 1e-3
    assert np.abs(played[:, 0] - _wave(times + start, f, 10.0)).max() < 1e-4
    assert not played[:, 2].any()


def test_what_lies_above_half_the_chips_rate_is_left_out():
    rate = 20_000.0
    t = np.arange(10_000) / rate
    wave = _wave(t, 50.0) + 50.0 * np.cos(2 * math.pi * 3000.0 * t)
    loop = make_loop(Recording({"V1": wave}, rate))
    times = np.arange(1000) / 4000.0
    start = (len(t) - round(loop.duration_s * rate)) / rate
    assert np.abs(loop.values(["V1"], times)[:, 0] - _wave(times + start, 50.0)).max() < 0.05


def test_a_short_record_keeps_all_its_cycles_and_has_no_step():
    rate, f = 30_720.0, 60.0
    t = np.arange(2048) / rate  # exactly four cycles, as recorders store them, of a load that changes
    load = (1.0 + 3.0 * t) * _wave(t, f, 200.0) + 400.0 * t
    loop = make_loop(Recording({"V1": _wave(t, f), "I1": load}, rate))
    assert loop.cycles == 4
    assert loop.duration_s == pytest.approx(2048 / rate)
    times = np.arange(2048 * 2) / rate
    played = loop.values(["V1", "I1"], times)
    assert np.sqrt(np.mean(played[:, 1] ** 2)) == pytest.approx(np.sqrt(np.mean(load**2)), rel=0.01)
    assert np.abs(played[:, 0] - _wave(times, f)).max() < 0.3
    steps = np.abs(np.diff(played[:, 1]))
    assert steps[2030:2066].max() < steps[:2000].max()


@pytest.mark.parametrize(
    "recording",
    [
        Recording({}, 4000.0),
        Recording({"V1": np.zeros(4000)}, 4000.0),
        Recording({"V1": np.ones(30)}, 4000.0),
        Recording({"V1": np.full(4000, np.nan)}, 4000.0),
        Recording({"V1": np.cos(np.arange(90))}, 4000.0),
    ],
)
def test_what_cannot_be_played_is_said_in_a_sentence(recording):
    with pytest.raises(ReplayError, match=r"^The recording .*\.$"):
        make_loop(recording)


def test_module_plays_a_recording_scaled_to_fit():
    rate = 7680.0
    t = np.arange(round(1.0 * rate)) / rate
    channels = {"V1": _wave(t, 60.0, 1500.0), "I1": _wave(t, 60.0, 240.0), "I3": _wave(t, 60.0, 2.0)}
    module = VirtualModule("clean", "3P+N", replay=Recording(channels, rate))
    by_key = {channel.key: channel for channel in module.info.channels}
    assert by_key["V1"].full_scale == 2000.0
    assert by_key["I1"].full_scale == 500.0
    assert by_key["I3"].full_scale == 62.5
    assert all(channel.response == () for channel in by_key.values())
    assert set(module.truth.values()) == {None}
    counts = np.concatenate([block.counts for block in module.stream(2.0) if block.chip == 0])
    rms = np.sqrt(np.mean((counts[:8000] * [c.unit_per_count for c in module.info.chips[0].channels]) ** 2, axis=0))
    size = math.sqrt((1 + 0.05**2 + 0.02**2) / 2)
    assert rms[:2] == pytest.approx([1500.0 * size, 240.0 * size], rel=2e-4)
    assert rms[2] < 0.01
