"""Fits and half cycles of windows to come: the same results as window by window, with fewer fits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import dsp.together
from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.fits_ahead import MOST_AHEAD, FitsAhead
from dsp.half_cycle import HalfCycleMeter, HalfCycles
from dsp.measurement import Measurement
from dsp.observers import WindowData
from dsp.phase import PhaseModel
from dsp.phase_fit import FitTask

RATE_HZ, SECONDS = 4000.0, 8.0
KEYS = ("V1", "V2", "V3", "I1", "I2", "I3")


class Listener:
    """Keeps the half-cycle values."""

    def __init__(self) -> None:
        self.found: list[HalfCycles] = []

    def on_half_cycles(self, values: HalfCycles, data: WindowData) -> None:
        self.found.append(values)

    def on_gap(self, start_s: float, /) -> None: ...

    def on_restart(self) -> None: ...

    def series(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        ends = np.concatenate([values.ends_s[row] for values in self.found])
        rms = np.concatenate([values.rms[row] for values in self.found])
        return ends[np.isfinite(rms)], rms[np.isfinite(rms)]


def record(kind: str) -> np.ndarray:
    """Samples [n, channels] of three phases with a fifth harmonic; what happens to them by its name."""
    t = np.arange(int(SECONDS * RATE_HZ)) / RATE_HZ
    frequency = np.full(t.size, 49.83)
    size = np.full(t.size, 325.0)
    if kind == "ramp":
        frequency += 0.8 * np.clip(t - 3.0, 0.0, 1.5)
    elif kind == "step":
        frequency[t >= 4.1] += 0.4
    elif kind == "wobble":
        frequency += 0.05 * np.sin(2.0 * np.pi * 0.7 * t)
    elif kind == "dip":
        size[(t >= 4.03) & (t < 4.37)] *= 0.5
    turns = np.cumsum(frequency) / RATE_HZ
    waves = []
    for phase in (0, 1, 2, 0, 1, 2):
        angle = 2.0 * np.pi * (turns - phase / 3.0)
        waves.append(size * (np.cos(angle) + 0.03 * np.cos(5.0 * angle + 0.4)))
    return np.stack(waves, axis=1)


def measured(samples: np.ndarray, block: int) -> tuple[list[Measurement], Listener, int]:
    """Windows, half-cycle values and how often the phase was fitted."""
    channels = tuple(ChannelSpec(key, "V" if key[0] == "V" else "A") for key in KEYS)
    listener = Listener()
    meter = HalfCycleMeter(channels, [listener])
    engine = Analyser("3P", [ChipSpec(RATE_HZ, channels, exact=True)], observers=[meter])
    calls, fit_phases = [], dsp.together.fit_phases
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dsp.together, "fit_phases", lambda tasks: (calls.append(len(tasks)), fit_phases(tasks))[1])
        results = []
        for first in range(0, len(samples), block):
            engine.push(0, first, samples[first : first + block], None, 1_700_000_000_000_000_000)
            results += engine.pull()
        results += engine.finish()
    meter.finish()
    return results, listener, sum(count > 0 for count in calls)


@pytest.mark.parametrize("kind", ["steady", "ramp", "step", "wobble", "dip"])
def test_a_record_in_large_blocks_gives_what_it_gives_window_by_window(kind: str) -> None:
    samples = record(kind)
    (one, listened, fits), (other, heard, more) = measured(samples, len(samples)), measured(samples, 400)
    assert len(one) == len(other) > 35
    assert fits < more
    assert kind != "steady" or fits <= 10
    for a, b in zip(one, other, strict=True):
        calm = kind in ("steady", "wobble") or not 3.8 < b.start_s < 4.8
        assert a.flags == b.flags
        assert a.end_s == pytest.approx(b.end_s, abs=1e-6 if calm else 1e-4)
        for key in ("V1r", "V2r", "Pc", "1V5", "Fqai", "THI3") if calm else ():
            assert a.values[key] == pytest.approx(b.values[key], rel=2e-6, abs=2e-5), key
    for row in range(3):
        (ends, rms), (true_ends, true_rms) = listened.series(row), heard.series(row)
        assert abs(ends.size - true_ends.size) <= 1
        assert all(later - sooner == pytest.approx(0.01, abs=2e-3) for sooner, later in pairwise(ends.tolist()))
        count = min(ends.size, true_ends.size)
        quiet = np.abs(ends[:count] - 4.2) > 0.6
        assert ends[:count][quiet] == pytest.approx(true_ends[:count][quiet], abs=2e-5)
        assert rms[:count][quiet] == pytest.approx(true_rms[:count][quiet], rel=1e-4)


def test_more_is_foreseen_the_longer_it_comes_true() -> None:
    ahead = FitsAhead()
    start_s, length_s, counts = 5.0, 0.2, []
    for _ in range(6):
        task = FitTask([], PhaseModel.of_frequency(start_s, 50.0), start_s, start_s + length_s, (0.0, 100.0))
        tasks = ahead.foresee(task, 10, 90.0)
        counts.append(len(tasks))
        ahead.keep(tasks, [None] * len(tasks))
        for follower in tasks[1:]:
            found = ahead.take(follower.start_s + 1e-4, 0.02)
            assert found is not None
            assert found[0] is follower
        start_s = tasks[-1].end_s
    assert counts == [1, 2, 4, 8, 16, MOST_AHEAD]


def test_what_was_foreseen_elsewhere_is_dropped() -> None:
    ahead = FitsAhead()
    task = FitTask([], PhaseModel.of_frequency(0.0, 50.0), 0.0, 0.2, (0.0, 10.0))
    ahead.foresee(task, 10, 9.0)
    tasks = ahead.foresee(task, 10, 9.0)
    ahead.keep(tasks, [None] * len(tasks))
    assert ahead.take(0.201, 0.02) is None
    assert len(ahead.foresee(task, 10, 9.0)) == 1  # begins anew
    assert len(FitsAhead().foresee(task, 10, 0.1)) == 1  # nothing is there yet
