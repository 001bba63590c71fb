"""The phase fit alone: clocks that err against each other, inputs of different rates, and what is too short."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.clock import SampleClock
from dsp.phase import PhaseInput, PhaseModel
from dsp.phase_fit import Centres, FitTask, PhaseFit, demodulate, fit_phases
from dsp.stream import Segment

HZ = 50.3
RMS_V = 230.0


def chip(rate_hz: float, phase_deg: float, *, off_ppm: float = 0.0, known_ppm: float = 12.0, noise: float = 0.0):
    """0.5 s of one voltage by a chip whose clock takes its rate for higher than it is by off_ppm."""
    count = int(0.5 * rate_hz)
    t = np.arange(count) / rate_hz
    samples = np.sqrt(2) * RMS_V * np.cos(2 * np.pi * HZ * t + np.radians(phase_deg))
    samples += noise * RMS_V * np.random.default_rng(round(rate_hz + phase_deg)).standard_normal(count)
    segment = Segment(0, 1, count)
    segment.append(samples[None])
    clock = SampleClock(rate_hz)
    clock.rate_hz, clock.uncertainty_ppm = rate_hz * (1.0 + 1e-6 * off_ppm), known_ppm
    return PhaseInput(segment, clock, (0,), (1.0,))


def fitted(inputs: list[PhaseInput]) -> PhaseFit:
    [fit] = fit_phases([FitTask(inputs, PhaseModel.of_frequency(0.1, HZ + 0.02), 0.1, 0.1 + 10 / HZ, (0.0, 0.499))])
    assert fit is not None
    assert fit.present
    return fit


def test_a_clock_that_errs_is_told_by_the_others() -> None:
    """Errors that add up to nothing: the group is right, and each chip is told how many more samples it takes."""
    off_ppm = (6.0, -2.0, -4.0)
    fit = fitted([chip(4000.0, -120.0 * p, off_ppm=off) for p, off in enumerate(off_ppm)])
    assert 1e6 * (np.array(fit.stretches) - 1.0) == pytest.approx([-off for off in off_ppm], abs=0.05)
    assert fit.frequencies_hz == pytest.approx([HZ * (1 + 1e-6 * off) for off in off_ppm], abs=2e-6)


def test_a_clock_is_not_corrected_beyond_its_uncertainty() -> None:
    fit = fitted([chip(4000.0, -120.0 * p, off_ppm=off, known_ppm=2.0) for p, off in enumerate((30.0, -15.0, -15.0))])
    assert np.abs(np.array(fit.stretches) - 1.0).max() <= 2.001e-6
    exact = fitted([chip(4000.0, -120.0 * p, off_ppm=off, known_ppm=0.0) for p, off in enumerate((30.0, -15.0, -15.0))])
    assert exact.stretches == (1.0, 1.0, 1.0)


def test_noise_is_no_error_of_a_clock() -> None:
    """Noise 40 dB below the fundamental; clocks that are right and known to 0.5 ppm stay as they are."""
    fit = fitted([chip(4000.0, -120.0 * p, known_ppm=0.5, noise=1e-2) for p in range(3)])
    assert np.abs(np.array(fit.stretches) - 1.0).max() < 0.05e-6


@pytest.mark.parametrize("rates_hz", [(4000.0, 4000.4, 3999.6), (4000.0, 8000.0, 4000.0), (4000.0, 4098.0, 2000.0)])
def test_inputs_keep_their_order_whatever_their_rates(rates_hz: tuple[float, ...]) -> None:
    inputs = [chip(rate, 30.0 * n - 40.0) for n, rate in enumerate(rates_hz)]
    model = PhaseModel.of_frequency(0.0, HZ)
    spacing_s = 41 / 4000.0
    [phasors] = demodulate([(inputs, model, Centres(0.1, spacing_s, 20, 1 / HZ))])
    assert phasors.shape == (3, 20)
    for n, row in enumerate(phasors):
        assert np.abs(row / (RMS_V * np.exp(1j * np.radians(30.0 * n - 40.0))) - 1.0).max() < 1e-4
    fit = fitted(inputs)
    assert fit.model.frequency_hz(0.2) == pytest.approx(HZ, abs=2e-5)
    assert fit.frequencies_hz == pytest.approx([HZ] * 3, abs=2e-5)


def test_too_few_samples_are_not_fitted() -> None:
    model = PhaseModel.of_frequency(0.0, HZ)
    assert fit_phases([FitTask([chip(4000.0, 0.0)], model, 0.0, 0.1, (0.0, 0.1))]) == [None]


def test_tasks_fitted_in_one_go_give_what_each_gives_alone() -> None:
    """Of like inputs, of others, and one that cannot be fitted."""
    model = PhaseModel.of_frequency(0.1, HZ + 0.02)
    inputs = [
        [chip(4000.0, -120.0 * p, noise=1e-3) for p in range(3)],
        [chip(4000.4, 30.0 - 120.0 * p, noise=1e-2) for p in range(3)],
        [chip(8000.0, 0.0)],
    ]
    tasks = [FitTask(own, model, 0.1, 0.1 + 10 / HZ, (0.0, 0.499)) for own in inputs]
    tasks.insert(1, FitTask(inputs[0], model, 0.0, 0.1, (0.0, 0.1)))
    together = fit_phases(tasks)
    assert [fit is None for fit in together] == [False, True, False, False]
    for task, fit in zip(tasks, together, strict=True):
        [alone] = fit_phases([task])
        if fit is None or alone is None:
            assert fit is alone
            continue
        assert fit.frequencies_hz == pytest.approx(alone.frequencies_hz, rel=1e-12)
        assert fit.model.frequency_hz(0.2) == pytest.approx(alone.model.frequency_hz(0.2), rel=1e-12)
        assert fit.residual_rad == pytest.approx(alone.residual_rad, rel=1e-6)
        assert (fit.support, fit.present) == (alone.support, alone.present)
