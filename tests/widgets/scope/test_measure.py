"""Numbers read off the curves."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from tests.fakes.scope_signals import CHANNELS, SyntheticSource, SyntheticTrace
from widgets.scope import measure


def trace_of(wave, rate_hz=4000.0):
    return SyntheticTrace("V1", np.arange(len(wave)) / rate_hz, np.asarray(wave, dtype=np.float32))


def test_values_lie_on_the_line_between_samples():
    source = SyntheticSource(now_s=2.0)
    found = measure.values_at(source, 1.00013, CHANNELS)
    assert set(found) == set(CHANNELS)
    for key, value in found.items():
        assert value == pytest.approx(float(source.value(key, np.array(1.00013))), abs=1.0 if key[0] == "V" else 0.3)


def test_values_in_a_gap_and_outside_are_not_measurable():
    source = SyntheticSource(now_s=2.0, missing=[(1.0, 1.1)])
    assert set(measure.values_at(source, 1.05, CHANNELS).values()) == {None}
    assert all(value is None for value in measure.values_at(source, 5.0, CHANNELS).values())
    assert measure.values_at(source, 0.9, ("V1",))["V1"] is not None


@pytest.mark.parametrize("frequency_hz", [49.5, 50.0, 60.0])
def test_crest_factor_of_a_sine_is_the_root_of_two(frequency_hz):
    time_s = np.arange(800) / 4000.0
    swing, crest = measure.peak_to_peak_and_crest(trace_of(325.0 * np.sin(2 * np.pi * frequency_hz * time_s + 0.3)))
    assert swing == pytest.approx(650.0, rel=3e-3)
    assert crest == pytest.approx(math.sqrt(2), rel=3e-3)


def test_crest_factor_needs_a_whole_cycle_and_no_gap():
    time_s = np.arange(60) / 4000.0
    wave = np.sin(2 * np.pi * 50.0 * time_s)
    assert measure.peak_to_peak_and_crest(trace_of(wave))[1] is None
    long = np.sin(2 * np.pi * 50.0 * np.arange(800) / 4000.0)
    long[400:410] = np.nan
    swing, crest = measure.peak_to_peak_and_crest(trace_of(long))
    assert swing == pytest.approx(2.0, rel=1e-3)
    assert crest is None
    assert measure.peak_to_peak_and_crest(trace_of([np.nan] * 10)) == (None, None)
    assert measure.peak_to_peak_and_crest(trace_of([])) == (None, None)


def test_csv_holds_the_samples_in_view_with_a_time_for_each_chip():
    source = SyntheticSource(now_s=2.0, missing=[(1.01, 1.012)])
    rows = list(csv.reader(io.StringIO(measure.csv_text(source, 1.0, 1.05, 1.0, CHANNELS))))
    assert rows[0] == [
        "time_s", "V1_v", "time_2_s", "V2_v", "time_3_s", "V3_v", "I1_a", "I2_a", "I3_a", "IN_a",
    ]  # fmt: skip
    assert len(rows) == 1 + 200
    assert float(rows[1][0]) == pytest.approx(0.0, abs=1e-7)
    assert float(rows[1][2]) == pytest.approx(20e-6, abs=1e-7)
    assert float(rows[5][1]) == pytest.approx(float(source.value("V1", np.array(1.001))), rel=1e-5)
    gap = [row for row in rows[1:] if 0.0101 < float(row[0]) < 0.0119]
    assert gap
    assert all(row[1] == "" for row in gap)


def test_csv_of_a_long_span_holds_extremes(monkeypatch):
    monkeypatch.setattr(measure, "CSV_LONGEST_POINTS", 200)
    source = SyntheticSource(now_s=10.0)
    rows = list(csv.reader(io.StringIO(measure.csv_text(source, 1.0, 9.0, 1.0, ("V1",)))))
    assert rows[0] == ["time_s", "V1_low_v", "V1_high_v"]
    assert 50 < len(rows) <= 101
    assert all(float(low) < -320 and float(high) > 320 for _, low, high in rows[2:-1])


def test_csv_without_samples_is_a_header():
    assert measure.csv_text(SyntheticSource(now_s=None), 0.0, 1.0, 0.0, CHANNELS) == "\n"
