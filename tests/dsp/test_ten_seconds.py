"""10 s frequencies when the host's clock is set."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.channels import ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from dsp.monitor import Monitor

START_NS = 1_700_000_003 * 10**9
TEN_NS = 10 * 10**9


@pytest.mark.parametrize("leap_s", [3600, -3600, 56 * 365 * 86400, -56 * 365 * 86400])
def test_intervals_go_on_at_once_when_the_clock_is_set(leap_s: int) -> None:
    monitor = Monitor("1P", [ChipSpec(1000.0, (ChannelSpec("V1", "V"),))], every=("10s",), events=False)
    results = []
    for first in range(0, 61_000, 100):
        t = np.arange(first, first + 100) / 1000.0
        leap_ns = leap_s * 10**9 if first >= 24_000 else 0
        samples = 325.0 * np.cos(2 * np.pi * 50.02 * t)[:, None]
        monitor.push(0, first, samples, 1e3 * first, START_NS + first * 10**6 + leap_ns)
        results += monitor.pull()
    tens = [found for found in [*results, *monitor.finish()] if isinstance(found, Measurement)]
    whole = [found.end_ns for found in tens if not found.flags]
    before = START_NS // TEN_NS * TEN_NS + 2 * TEN_NS
    after = (START_NS + (24 + leap_s) * 10**9) // TEN_NS * TEN_NS + 2 * TEN_NS
    assert whole == [before, after, after + TEN_NS, after + 2 * TEN_NS]
    assert len(tens) == len(whole) + 4
    assert all(found.values["Fq10"] == pytest.approx(50.02, abs=2e-5) for found in tens)
