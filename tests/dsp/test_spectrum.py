"""Lines of a window against Fourier's integral, through responses, at rates and frequencies that drift."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from dsp.analyser import Analyser
from dsp.channels import ChannelSpec, ChipSpec
from dsp.phase import PhaseModel
from dsp.resample import gain
from dsp.spectrum import STEADY, FrontEnd, Spectrum, spectra_of
from dsp.waveform import REACH, Waveforms
from dsp.window import Window

SECTIONS = (
    SimpleNamespace(kind="highpass1", corner_hz=1.25, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass2", corner_hz=1581.0, q=0.72, delay_us=0.0),
    SimpleNamespace(kind="delay", corner_hz=0.0, q=0.0, delay_us=310.0),
)
CHANNELS = [
    ChannelSpec("V1", "V", response=SECTIONS),
    ChannelSpec("I1", "A"),
    ChannelSpec("V2", "V", response=SECTIONS),
]
POINTS = 1024


def response(f: np.ndarray) -> np.ndarray:
    x = np.asarray(f, dtype=float)
    low = 1 / (1 - (x / 1581.0) ** 2 + 1j * x / 1581.0 / 0.72)
    return 1j * x / 1.25 / (1 + 1j * x / 1.25) * low * np.exp(-2j * math.pi * x * 310e-6)


def spectrum(samples: np.ndarray, rates_hz: tuple[float, ...], front_end: FrontEnd, duration_s: float) -> Spectrum:
    """Of 10 cycles."""
    waveforms = Waveforms(samples[None], np.zeros((1, len(samples)), bool), np.array([rates_hz]), [0], [False])
    window = Window(0.0, duration_s, 10, PhaseModel.of_frequency(0.0, 10 / duration_s), {}, True)
    return spectra_of(waveforms, [window], [front_end])[0]


def test_front_end_and_resampler_are_divided_out_while_frequency_and_rates_drift() -> None:
    front_end, t = FrontEnd(CHANNELS), np.arange(-REACH, POINTS + REACH + 1) / POINTS
    rng = np.random.default_rng(1)
    for step in range(40):
        hz = 5.0 * (1 + 3e-5 * step)
        rates = tuple(4000.0 * (1 + 1e-6 * rng.uniform(-150, 150)) for _ in CHANNELS)
        for line, angle in ((10, 0.4), (250, -1.0), (390, 2.0)):
            rows = []
            for channel, rate in zip(CHANNELS, rates, strict=True):
                through = gain(np.array([line * hz / rate]))[0] * (response(line * hz) if channel.response else 1.0)
                rows.append(math.sqrt(2) * (through * np.exp(1j * (2 * math.pi * line * t + angle))).real)
            found = spectrum(np.array(rows), rates, front_end, 1 / hz)
            # At 390 the resampler's gain has begun to fall: 1e-4 of a harmonic of 1 % is 1 ppm of the fundamental.
            assert np.abs(found.lines[:, line] - np.exp(1j * angle)).max() < (1e-4 if line == 390 else 1e-5)


def test_what_a_response_does_not_pass_is_not_measured() -> None:
    found = spectrum(np.ones((3, POINTS + 2 * REACH + 1)), (4000.0,) * 3, FrontEnd(CHANNELS), 0.2)
    assert found.measured[:, 0].tolist() == [False, True, False]
    assert found.lines[:, 0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-5)
    assert found.measured[:, 1:].all()


@pytest.mark.parametrize("ratio", [0.237, 5.13, 11.45, 18.83])
def test_a_tone_between_lines_gives_the_integral(ratio: float) -> None:
    """Closed form: a line of the tone a exp(j (w t + phi)) over T is a exp(j phi) (exp(j x) - 1) / (j x), x = w T -
    2 pi k; the conjugate tone adds its own."""
    t, phi, rms = np.arange(-REACH, POINTS + REACH + 1) / POINTS, 0.7, 2.0
    turns = 10 * ratio
    wave = math.sqrt(2) * rms * np.cos(2 * math.pi * turns * t + phi)
    flat = [ChannelSpec("V1", "V")]
    # A rate far above: the resampler's gain is the same for the tone and for all lines that it leaks into.
    found = spectrum(wave[None], (100_000.0,), FrontEnd(flat), 0.2)
    k = np.arange(1, 400)
    up, down = 2 * math.pi * (turns - k), 2 * math.pi * (turns + k)
    truth = rms * np.exp(1j * phi) * (np.exp(1j * up) - 1) / (1j * up)
    truth = truth + rms * np.exp(-1j * phi) * (1 - np.exp(-1j * down)) / (1j * down)
    assert np.abs(found.lines[0, 1:400] - truth).max() < 5e-5 * rms
    plain = math.sqrt(2) * np.fft.rfft(wave[REACH : REACH + POINTS])[1:400] / POINTS
    assert np.abs(plain - truth).max() > 1e-3 * rms


def test_responses_are_worked_out_anew_only_when_the_frequency_has_moved() -> None:
    front_end = FrontEnd(CHANNELS)
    rates = np.full(3, 4000.0)
    first, _ = front_end.at(5.0, rates, 397)
    moved = 5.0 * (1 + 0.9 * STEADY)
    carried, _ = front_end.at(moved, rates, 397)
    exact, _ = FrontEnd(CHANNELS).at(moved, rates, 397)
    assert np.abs(carried[:, 1:] / exact[:, 1:] - 1).max() < 1e-4
    assert np.abs(carried[:, 1:380] / exact[:, 1:380] - 1).max() < 1e-5
    assert np.abs(first[0, 1:] / exact[0, 1:] - 1).max() > 1e-5


@pytest.mark.parametrize("rate_hz", [1000.0, 2000.0, 4000.0])
def test_twelve_cycles_of_a_frequency_far_below_their_system(rate_hz: float) -> None:
    """More lines than a window has points for: the band ends with the points."""
    channels = (ChannelSpec("V1", "V"), ChannelSpec("I1", "A"))
    engine = Analyser("1P", [ChipSpec(rate_hz, channels, exact=True)], nominal_frequency_hz=60.0)
    t = np.arange(int(2.0 * rate_hz)) / rate_hz
    engine.push(0, 0, np.stack([325.0 * np.cos(2 * np.pi * 43.0 * t)] * 2, axis=1), None, 0)
    for found in engine.finish():
        assert found.values["Fqai"] == pytest.approx(43.0, abs=1e-3)
        last = found.band.indicative_to
        assert found.values[f"1V{last}"] is not None
        assert found.values.get(f"1V{last + 1}") is None
