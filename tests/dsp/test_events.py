"""Dips, swells and interruptions against the rules applied to half-cycle values from the closed formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resources.event_thresholds import default_thresholds
from tests.fakes.event_bench import Bench, chips_of, measure
from tests.fakes.event_signal import Disturbance, EventMains
from tests.fakes.mains_signal import blocks

UDIN = 230.0
THREE = ("V1", "V2", "V3")
RESIDUAL_V = 0.002 * UDIN


def compare(found, mains, keys, seconds):
    """Kinds, channels, residual to 0.2 % of U din, start and duration to half a cycle."""
    expected = mains.events(keys, seconds)
    half = 0.5 / mains.frequency_hz + 1e-5
    assert [event.event for event in found.events] == [kind for kind, *_ in expected]
    for event, (_, start, end, residual, channels) in zip(found.events, expected, strict=True):
        assert event.residual_v == pytest.approx(residual, abs=RESIDUAL_V)
        assert event.depth_pct == pytest.approx(100 * (1 - residual / UDIN), abs=0.2)
        assert event.start_s == pytest.approx(start, abs=half)
        assert event.duration_s == pytest.approx(end - start, abs=half)
        assert set(event.channels) == channels
        assert event.flags == ()
        assert event.start_ns == pytest.approx(1_700_000_000_000_000_000 + event.start_s * 1e9, abs=1e6)
    return expected


@pytest.mark.parametrize("seed", range(24))
def test_any_dip_or_swell(seed):
    """Point on wave, depth, phases, jump, duration, frequency, harmonics and system at random. Edges lie midway between
    samples: no sampler could tell where else between them."""
    rng = np.random.default_rng(seed)
    system = ("1P", "3P", "3P+N")[seed % 3]
    keys = THREE if system != "1P" else ("V1",)
    frequency = rng.choice([50.0, 60.0, rng.uniform(42.5, 57.5), rng.uniform(51.0, 69.0)])
    rate = float(rng.choice([4000.0, 8000.0]))
    factor = rng.choice([rng.uniform(0.1, 0.88), rng.uniform(1.13, 1.6)])
    hit = tuple(str(key) for key in keys if rng.random() < 0.6) or keys[:1]
    start = (int(rng.uniform(0.7, 1.1) * rate) + 0.5) / rate
    end = start + int(rng.choice([0.01, 0.02, rng.uniform(0.03, 0.5)]) * rate) / rate
    mains = EventMains(
        float(frequency),
        harmonics={3: (0.03, rng.uniform(0, 360)), 5: (0.04, rng.uniform(0, 360)), 11: (0.02, rng.uniform(0, 360))},
        disturbances=(Disturbance(start, end, float(factor), hit, shift_deg=float(rng.uniform(-60, 60))),),
        start_deg=float(rng.uniform(0, 360)),
    )
    chips = chips_of(system, rate)
    for chip in chips:
        chip.skew_s = 0.0
    bench = Bench(chips, system)
    bench.feed(blocks(mains, chips, 2.0, block=int(rate / 10), whole_us=False))
    compare(bench.finish(), mains, keys, 2.0)


@pytest.mark.parametrize(("duration_s", "seconds"), [(0.1, 2.0), (1.0, 3.0), (12.0, 14.0)])
@pytest.mark.parametrize("frequency_hz", [49.2, 60.0])
def test_chips_with_clocks_of_their_own(duration_s, seconds, frequency_hz):
    dip = Disturbance(0.9517, 0.9517 + duration_s, 0.55, ("V2", "V3"), shift_deg=0.0)
    mains = EventMains(frequency_hz, harmonics={5: (0.05, 40.0)}, disturbances=(dip,))
    found = measure(mains, seconds, "3P+N", ppm=(200.0, -150.0, 80.0))
    compare(found, mains, THREE, seconds)
    (event,) = found.events
    assert event.residual_v == pytest.approx(0.55 * mains.rms("V1", 0, 1 / frequency_hz), abs=RESIDUAL_V)
    assert event.duration_s == pytest.approx(duration_s, abs=1.0 / frequency_hz + 1e-3)  # half a cycle at either end


def test_a_minute_long_dip():
    mains = EventMains(50.0, disturbances=(Disturbance(1.002, 61.002, 0.7, ("V1",)),))
    found = measure(mains, 63.0, "1P")
    (event,) = found.events
    assert event.residual_v == pytest.approx(161.0, abs=0.01)
    assert event.duration_s == pytest.approx(60.0, abs=0.01 + 1e-3)
    traces = [trace for trace in event.excerpt if trace.key == "V1"]
    assert len(traces) == 2
    assert sum(trace.values.size for trace in event.excerpt) < 2 * 14 * 81 + 20


def test_a_dip_that_becomes_an_interruption_is_both():
    mains = EventMains(
        50.0,
        disturbances=(Disturbance(0.8, 2.4, 0.5), Disturbance(1.1, 1.9, 0.02), Disturbance(1.0, 1.2, 0.9, ("V2",))),
    )
    found = measure(mains, 3.0)
    compare(found, mains, THREE, 3.0)
    inner, outer = found.events
    assert (inner.event, outer.event) == ("interruption", "dip")
    assert inner.residual_v == pytest.approx(0.01 * UDIN, abs=RESIDUAL_V)
    assert outer.residual_v == pytest.approx(inner.residual_v)
    assert outer.start_s < inner.start_s < inner.end_s < outer.end_s


def test_one_dead_phase_is_a_dip_and_no_interruption():
    mains = EventMains(50.0, disturbances=(Disturbance(0.8, 1.4, 0.0, ("V3",)),))
    found = measure(mains, 2.0)
    compare(found, mains, THREE, 2.0)
    assert [(event.event, event.channels) for event in found.events] == [("dip", ("V3",))]
    alone = measure(EventMains(50.0, disturbances=(Disturbance(0.8, 1.4, 0.0, ("V1",)),)), 2.0, "1P")
    assert [event.event for event in alone.events] == ["interruption", "dip"]


def test_phases_that_follow_each_other_are_one_dip():
    mains = EventMains(
        50.0,
        disturbances=(
            Disturbance(0.8, 1.0, 0.7, ("V1",)),
            Disturbance(0.95, 1.3, 0.6, ("V2",)),
            Disturbance(1.25, 1.6, 0.8, ("V3",)),
        ),
    )
    found = measure(mains, 2.2)
    compare(found, mains, THREE, 2.2)
    (event,) = found.events
    assert event.channels == THREE
    assert event.residual_v == pytest.approx(138.0, abs=RESIDUAL_V)
    assert event.duration_s == pytest.approx(0.8, abs=0.011)


def test_dip_and_swell_at_once():
    mains = EventMains(
        60.0, disturbances=(Disturbance(0.8021, 1.2043, 0.6, ("V1",)), Disturbance(0.8, 1.5, 1.3, ("V2",)))
    )
    found = measure(mains, 2.2)
    compare(found, mains, THREE, 2.2)
    assert {event.event: event.channels for event in found.events} == {"dip": ("V1",), "swell": ("V2",)}
    swell = next(event for event in found.events if event.event == "swell")
    assert swell.residual_v == pytest.approx(299.0, abs=RESIDUAL_V)
    assert swell.depth_pct == pytest.approx(-30.0, abs=0.2)


def test_hysteresis_holds_an_event_between_threshold_and_end():
    steps = [(0.8, 1.2, 0.88), (1.2, 1.6, 0.91), (1.6, 2.0, 0.89)]
    mains = EventMains(50.0, disturbances=tuple(Disturbance(a, b, f, ("V1",)) for a, b, f in steps))
    (event,) = measure(mains, 2.6, "1P").events
    assert event.duration_s == pytest.approx(1.2, abs=0.021)
    tight = replace(default_thresholds(), hysteresis_pct=0.5)
    assert len(measure(mains, 2.6, "1P", thresholds=tight).events) == 2


def test_other_thresholds():
    mains = EventMains(50.0, disturbances=(Disturbance(0.8, 1.2, 0.88, ("V1",)), Disturbance(1.5, 1.8, 0.07, ("V1",))))
    limits = replace(default_thresholds(), dip_pct=85.0, interruption_pct=10.0)
    found = measure(mains, 2.4, "1P", thresholds=limits)
    assert [event.event for event in found.events] == ["interruption", "dip"]
    with pytest.raises(ValueError, match="follow each other"):
        replace(default_thresholds(), dip_pct=3.0)


def test_windows_are_flagged_while_an_event_lasts():
    mains = EventMains(50.0, disturbances=(Disturbance(0.85, 1.35, 0.6, ("V1",)), Disturbance(2.05, 2.1, 1.2, ("V1",))))
    found = measure(mains, 3.0, "1P")
    for measurement, flags in found.flagged:
        dip = measurement.start_s - 1000.0 < 1.35 and measurement.end_s - 1000.0 > 0.87
        swell = measurement.start_s - 1000.0 < 2.1 and measurement.end_s - 1000.0 > 2.08
        assert flags == ("dip",) * dip + ("swell",) * swell, measurement.start_s


def test_excerpt_holds_the_samples_about_start_and_end():
    mains = EventMains(50.0, harmonics={5: (0.04, 10.0)}, disturbances=(Disturbance(0.995, 1.033, 0.4, ("V2",)),))
    found = measure(mains, 2.0, "3P+N", ppm=(100.0, 0.0, -100.0))
    (event,) = found.events
    assert [trace.key for trace in event.excerpt] == ["V1", "I1", "V2", "I2", "V3", "I3", "IN"]
    for number, trace in enumerate(event.excerpt):
        ppm = {0: 100.0, 1: 100.0, 2: 0.0, 3: 0.0}.get(number, -100.0)
        first = (trace.start_ns - 1_700_000_000_000_000_000) * 1e-9
        assert first == pytest.approx(event.start_s - 0.04, abs=1.5 / 4000)
        assert first + trace.values.size / 4000 == pytest.approx(event.end_s + 0.1, abs=2.5 / 4000)
        chip = chips_of("3P+N", 4000.0, (100.0, 0.0, -100.0))[min(number // 2, 2)]
        index = round((first - chip.skew_s) * 4000 * (1 + ppm * 1e-6))
        truth = mains.sample(trace.key, chip.time_s(np.arange(index, index + trace.values.size)))
        assert trace.values == pytest.approx(truth, abs=1e-3)


def test_a_gap_ends_an_event():
    mains = EventMains(50.0, disturbances=(Disturbance(0.9, 2.5, 0.6),))
    chips = chips_of("3P", 4000.0)
    bench = Bench(chips)
    bench.feed(block for block in blocks(mains, chips, 3.5, block=400) if not 6400 <= block[1] < 6800)
    first, second = bench.finish().events
    assert first.flags == ("gap",)
    assert second.flags == ()
    assert 1.3 < first.end_s <= 1.6
    assert second.start_s > 1.7
    assert first.residual_v == pytest.approx(138.0, abs=RESIDUAL_V)
    assert second.residual_v == pytest.approx(138.0, abs=RESIDUAL_V)


def test_the_end_of_a_record_and_a_restart_end_an_event():
    mains = EventMains(50.0, disturbances=(Disturbance(0.9, 9.0, 0.6),))
    (event,) = measure(mains, 2.0).events
    assert event.flags == ("unfinished",)
    assert event.duration_s == pytest.approx(1.1, abs=0.25)
    chips = chips_of("3P", 4000.0)
    bench = Bench(chips)
    bench.feed(blocks(mains, chips, 2.0, block=400))
    bench.analyser.restart()
    bench.feed(blocks(EventMains(50.0), chips, 1.0, block=400))
    found = bench.finish()
    assert [event.flags for event in found.events] == [("gap",)]
    assert found.flagged[-1][1] == ()


def test_a_sliding_reference_follows_the_voltage():
    mains = EventMains(50.0, rms_v=215.0, disturbances=(Disturbance(60.0, 60.5, 0.93, ("V1",)),))
    assert [e.event for e in measure(mains, 62.0, "1P").events] == ["dip"]  # 200 V: under 207
    slid = measure(mains, 62.0, "1P", sliding_reference=True)
    assert slid.events == []  # the reference fell to 220.5 V, its 90 % to 198.5
    deeper = replace(mains, disturbances=(Disturbance(60.0, 60.5, 0.8, ("V1",)),))
    (event,) = measure(deeper, 62.0, "1P", sliding_reference=True).events
    windows = 300 - 1
    assert event.reference_v == pytest.approx(215.0 + 15.0 * (1 - 0.0033) ** windows, abs=0.1)
    assert event.depth_pct == pytest.approx(100 * (1 - 172.0 / event.reference_v), abs=0.2)


def test_silence_is_an_interruption_from_the_first_value():
    found = measure(EventMains(50.0, disturbances=(Disturbance(0.0, 1.5, 0.0),)), 3.0)
    assert [event.event for event in found.events] == ["interruption", "dip"]
    assert found.events[0].end_s == pytest.approx(1.5, abs=0.03)
    assert found.events[0].start_s < 0.05


def test_a_record_that_begins_in_a_dip():
    (event,) = measure(EventMains(50.0, disturbances=(Disturbance(0.0, 0.5, 0.6, ("V2",)),)), 1.5).events
    assert event.start_s < 0.05
    assert event.residual_v == pytest.approx(138.0, abs=RESIDUAL_V)


def test_a_sound_voltage_has_no_events():
    mains = EventMains(49.9, harmonics={3: (0.08, 0.0), 5: (0.1, 90.0), 37: (0.02, 11.0)})
    assert measure(mains, 4.0, "3P+N").events == []


def test_a_nominal_voltage_of_nothing_is_refused():
    from dsp.events import EventDetector

    with pytest.raises(ValueError, match="above 0 V"):
        EventDetector((), 0.0)


@pytest.mark.parametrize("rate", [4000.0, 8000.0])
@pytest.mark.parametrize("frequency", [43.0, 50.0, 59.0])
@pytest.mark.parametrize(("factor", "hit"), [(0.5, THREE), (0.0, THREE), (1.3, ("V2",)), (0.86, ("V1", "V3"))])
def test_events_behind_the_last_window(rate, frequency, factor, hit):
    """A change that begins and ends in what is left behind the last window is found."""
    chips = chips_of("3P", rate)
    for chip in chips:
        chip.skew_s = 0.0
    bench = Bench(chips, "3P")
    probe = Bench(chips, "3P")
    probe.feed(blocks(EventMains(frequency), chips, 2.0, block=int(rate / 10), whole_us=False))
    rest_s = probe.finish().measurements[-1].end_s - 1000.0
    assert 0.07 < 2.0 - rest_s < 12 / 50
    start = (int((rest_s + 0.002) * rate) + 0.5) / rate
    mains = EventMains(
        frequency,
        harmonics={5: (0.03, 50.0)},
        disturbances=(Disturbance(start, start + 1.5 / frequency, factor, hit),),
        start_deg=33.0,
    )
    bench.feed(blocks(mains, chips, 2.0, block=int(rate / 10), whole_us=False))
    found = bench.finish()
    assert compare(found, mains, THREE, 2.0)
    assert all(event.start_s > rest_s for event in found.events)


def test_an_event_under_way_behind_the_last_window_is_unfinished():
    mains = EventMains(disturbances=(Disturbance(1.9, 9.0, 0.5),))
    found = measure(mains, 2.0)
    (event,) = found.events
    assert (event.event, event.flags) == ("dip", ("unfinished",))
    assert event.start_s == pytest.approx(1.91, abs=0.011)
    assert event.end_s == pytest.approx(2.0, abs=1e-3)
    assert {trace.key for trace in event.excerpt} >= {"V1", "V2", "V3"}
