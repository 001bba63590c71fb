"""Windows begin anew at each full ten minutes of UTC, live and in files."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from tests.fakes.mains_signal import Chip, blocks, three_phase

TICK_NS = 600 * 10**9
CHIPS = [Chip(("V1", "I1"), 4000.0, 90.0), Chip(("V2", "I2"), 4000.0, -50.0, 120e-6)]


def measured(before_tick_s: float, *, exact: bool, seconds: float = 3.0, jitter_ns: int = 0) -> list[Measurement]:
    """Windows of a signal that begins so long before a tick."""
    start_ns = 2_833_334 * TICK_NS - round(before_tick_s * 1e9)
    chips = [Chip(c.keys) for c in CHIPS] if exact else CHIPS
    engine = Analyser(
        "1P+N",
        [ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in c.keys), exact) for c in chips],
        nominal_frequency_hz=50.0,
    )
    rng = np.random.default_rng(3)
    found: list[Measurement] = []
    for chip, index, samples, stamp, _ in blocks(three_phase(49.93, 9), chips, seconds):
        late_ns = int(rng.integers(0, jitter_ns + 1))
        engine.push(chip, index, samples, stamp, start_ns + round(float(chips[chip].time_s(index)) * 1e9) + late_ns)
        found += engine.pull()
    return found + engine.finish()


def starts_ns(found: list[Measurement]) -> Iterator[float]:
    """Start of each interval against the tick, by its length."""
    for m in found:
        yield m.end_ns - round((m.end_s - m.start_s) * 1e9) - 2_833_334 * TICK_NS


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("before_tick_s", [0.93, 1.0014, 1.7001])
def test_a_window_starts_at_the_tick_and_the_one_in_progress_is_completed(before_tick_s: float, exact: bool) -> None:
    found = measured(before_tick_s, exact=exact)
    starts = list(starts_ns(found))
    restarted = int(np.argmin(np.abs(starts)))
    assert abs(starts[restarted]) < 3000
    old = found[restarted - 1]
    assert starts[restarted - 1] < 0.0
    assert old.end_s > found[restarted].start_s - 1e-9
    for i, m in enumerate(found):
        assert m.flags == ()
        assert (m.end_s - m.start_s) * 49.93 == pytest.approx(10.0, abs=3e-5)
        assert m.values["V1r"] == pytest.approx(found[0].values["V1r"], rel=1e-5)
        if 0 < i != restarted:
            assert m.start_s == pytest.approx(found[i - 1].end_s, abs=1e-9)


def test_the_overlap_is_counted_once_as_energy() -> None:
    found = measured(1.1, exact=True)
    last = found[-1]
    hours = (last.end_s - found[0].start_s) / 3600.0
    assert last.values["tAE1"] == pytest.approx(last.values["P1"] * hours, rel=1e-5)


def test_a_tick_at_the_very_start_and_a_clock_that_trembles_restart_once() -> None:
    found = measured(0.0, exact=True)
    assert all(after.start_s == pytest.approx(before.end_s) for before, after in pairwise(found))
    found = measured(1.0, exact=False, jitter_ns=2_000_000)
    overlaps = [b.end_s - a.start_s for b, a in pairwise(found) if b.end_s - a.start_s > 1e-6]
    assert len(overlaps) == 1
    assert 0.0 < overlaps[0] < 0.2003


def test_clipped_samples_are_counted() -> None:
    engine = Analyser("1P", [ChipSpec(4000.0, (ChannelSpec("V1", "V", 325.0), ChannelSpec("I1", "A", 100.0)))])
    found: list[Measurement] = []
    clipped = 0
    for chip, index, samples, stamp, utc in blocks(three_phase(50.0, 1), [Chip(("V1", "I1"))], 0.6):
        limited = np.clip(samples, -320.0, 320.0) if index < 80 else np.clip(samples, -325.0, 325.0)
        clipped += int((np.abs(limited) >= 325.0).sum())
        engine.push(chip, index, limited, stamp, utc)
        found += engine.pull()
    assert found
    assert all("clipped" in m.flags for m in found)
    per_cycle = [m.samples_clipped for m in found]
    assert 0 < sum(per_cycle) <= clipped
    assert per_cycle[-1] % 10 == 0  # 50 Hz at 4 ksps: every cycle alike
