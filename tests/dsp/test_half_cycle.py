"""U rms(1/2) against the integral of the closed formula over the same cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.fakes.event_bench import Bench, chips_of, measure
from tests.fakes.event_signal import Disturbance, EventMains
from tests.fakes.mains_signal import Chip, Mains, Tone, blocks

RICH = {3: (0.05, 20.0), 5: (0.06, 70.0), 7: (0.03, 3.0), 11: (0.02, 99.0), 25: (0.01, 200.0)}


@pytest.mark.parametrize("rate_hz", [4000.0, 4098.0, 8000.0])
@pytest.mark.parametrize("frequency_hz", [42.5, 49.7, 50.0, 57.5, 60.0, 69.0])
def test_steady_voltage_gives_a_steady_value_each_half_cycle(frequency_hz, rate_hz):
    mains = EventMains(frequency_hz, harmonics=RICH, start_deg=17.0)
    found = measure(mains, 1.5, rate_hz=rate_hz, ppm=(150.0, -120.0, 30.0))
    truth = mains.rms("V1", 0.0, 1.0 / frequency_hz)
    for key in ("V1", "V2", "V3"):
        ends, values = found.series(key)
        assert ends.size > 2 * frequency_hz * 1.1
        assert np.diff(ends) * 2 * frequency_hz == pytest.approx(1.0, abs=1e-3)
        # The squares of harmonics above a quarter of the rate alias: a hundredth of what a dip may be off.
        assert values == pytest.approx(truth, rel=2e-5)
        # An end is a zero crossing of the channel's own fundamental.
        turns = 2 * frequency_hz * ends + (17.0 - 120.0 * (int(key[1]) - 1) - 90.0) / 180.0
        assert np.abs(turns - np.round(turns)).max() < 2e-3


@pytest.mark.parametrize("phase", [0.0, 0.003, 0.0071, 0.0113, 0.0178])
def test_every_value_of_a_dip_is_the_integral_over_its_cycle(phase):
    dip = Disturbance(0.8 + phase, 1.07 + phase, 0.4, ("V1", "V3"), shift_deg=-30.0)
    mains = EventMains(50.03, harmonics=RICH, disturbances=(dip,))
    found = measure(mains, 2.0, rate_hz=8000.0)
    for key in ("V1", "V2", "V3"):
        ends, values = found.series(key)
        truth = np.array([mains.rms(key, end - 1 / 50.03, end) for end in ends])
        # At an edge a sample is either before or after: at most half a period of samples of twice the mean square.
        edge = (np.abs(truth / truth[0] - 1) > 1e-9) & (np.abs(truth / truth[0] - 0.4) > 1e-9)
        assert edge.sum() <= 8
        assert values[~edge] == pytest.approx(truth[~edge], abs=2e-4 * 230)
        assert values[edge] == pytest.approx(truth[edge], abs=0.01 * 230)


def test_crossings_and_frequency_are_carried_through_an_interruption():
    out = Disturbance(0.9123, 3.4456, 0.0)
    mains = EventMains(49.2, disturbances=(out,))
    found = measure(mains, 5.0)
    for key in ("V1", "V2", "V3"):
        ends, values = found.series(key)
        assert np.diff(ends) * 2 * 49.2 == pytest.approx(1.0, abs=5e-3)
        inside = (ends > 0.9123 + 1 / 49.2 + 3e-4) & (ends < 3.4456 - 3e-4)
        assert inside.sum() >= 2 * 49.2 * 2.4
        assert values[inside] == pytest.approx(0.0, abs=1e-6)
        after = ends > 3.4456 + 1 / 49.2 + 3e-4
        assert values[after] == pytest.approx(230.0, rel=1e-4)


def test_a_changing_frequency_keeps_the_cycle_exact():
    tones = {f"{u}{p}": [Tone(1, 230.0, -120.0 * p), Tone(5, 12.0, 30.0)] for p in (1, 2, 3) for u in "VI"}
    mains = Mains(49.0, tones, drift_hz_s=1.0)
    found = measure(mains, 3.0)
    _, values = found.series("V2")
    assert values[40:] == pytest.approx(np.hypot(230.0, 12.0), rel=3e-5)


def test_a_jump_of_all_phases_does_not_stretch_the_cycle():
    jump = Disturbance(1.0137, 9.0, 1.0, shift_deg=60.0)
    found = measure(EventMains(50.0, disturbances=(jump,)), 2.0)
    for key in ("V1", "V2", "V3"):
        ends, values = found.series(key)
        clear = (ends < 1.0137 - 3e-4) | (ends > 1.0337 + 3e-4)
        assert values[clear] == pytest.approx(230.0, rel=3e-4)


@dataclass(frozen=True)
class LowPass:
    """First-order section, so low that it matters at the fundamental."""

    kind: str = "lowpass1"
    corner_hz: float = 200.0
    q: float = 0.0
    delay_us: float = 0.0


def test_the_front_end_is_divided_out_at_the_fundamental():
    def respond(frequency_hz):
        return 1.0 / (1.0 + 1j * frequency_hz / 200.0)

    chips = chips_of("3P", 4000.0)
    for chip in chips:
        chip.responses = dict.fromkeys(chip.keys, respond)
    bench = Bench(chips, response=(LowPass(),))
    bench.feed(blocks(EventMains(50.5), chips, 1.5, block=400))
    _, values = bench.finish().series("V1")
    assert values == pytest.approx(230.0, rel=2e-5)


def test_currents_are_given_over_the_cycles_of_their_voltage():
    found = measure(EventMains(50.0, start_deg=40.0), 1.0, "3P+N", currents=True)
    assert found.half_cycles[0].keys == ("V1", "V2", "V3", "I1", "I2", "I3", "IN")
    assert found.half_cycles[0].voltages == 3
    for key, phase in (("I1", "V1"), ("I3", "V3"), ("IN", "V1")):
        ends, values = found.series(key)
        assert values == pytest.approx(2.3, rel=1e-5)
        assert ends.tolist() == found.series(phase)[0].tolist()


@pytest.mark.parametrize("frequency_hz", [0.0, 20.0, 400.0])
def test_without_a_fundamental_values_are_marked(frequency_hz):
    """Not located: the nominal cycle stands in, and nobody may find a dip in it."""
    mains = Mains(frequency_hz, {key: [Tone(1, 230.0, 0.0)] for key in ("V1", "I1")})
    found = measure(mains, 1.0, "1P")
    assert found.half_cycles
    assert not any(values.located for values in found.half_cycles)
    assert found.events == []
    assert found.changes == []


def test_no_voltage_inputs_give_nothing():
    chips = [Chip(("I1",), 4000.0)]
    bench = Bench(chips, "1P")
    bench.feed(blocks(EventMains(), chips, 1.0, block=400))
    found = bench.finish()
    assert found.half_cycles == []
    assert found.events == []


def test_values_do_not_reach_over_a_gap():
    mains = EventMains(50.0)
    chips = chips_of("3P", 4000.0)
    bench = Bench(chips)
    bench.feed(block for block in blocks(mains, chips, 3.0, block=400) if block[1] != 4800)
    found = bench.finish()
    ends, values = found.series("V1")
    assert values == pytest.approx(230.0, rel=1e-5)
    assert not ((ends > 1.2 + 1e-3) & (ends < 1.3 + 0.0199)).any()
    assert (ends > 1.33).sum() > 100


def test_a_dip_between_the_last_window_and_a_gap_is_found():
    mains = EventMains(50.0, disturbances=(Disturbance(1.9, 1.96, 0.5),))
    chips = chips_of("3P", 4000.0)
    bench = Bench(chips)
    bench.feed(block for block in blocks(mains, chips, 4.0, block=80) if not 8000 <= block[1] < 9200)
    (dip,) = bench.finish().events
    assert (dip.event, dip.flags) == ("dip", ())
    assert dip.start_s == pytest.approx(1.907, abs=0.011)
    assert dip.duration_s == pytest.approx(0.077, abs=0.011)
    assert dip.residual_v == pytest.approx(115.0, rel=2e-3)
