"""Mains signalling voltage and deviations, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.analyser import Analyser
from dsp.channels import ChannelSpec, ChipSpec
from dsp.deviation import deviations_pct
from dsp.signalling import SignalRecorder, signalling_voltage
from dsp.supply_terms import SupplyTerms
from tests.fakes.mains_signal import Chip, Mains, Tone, blocks


def spectrum(tones: list[tuple[float, float]], step_hz: float, points: int = 1024) -> np.ndarray:
    """Complex rms lines [1, points / 2] of tones (Hz, V rms), sampled directly at `points` instants."""
    t = np.arange(points) / (points * step_hz)
    wave = sum(math.sqrt(2) * rms * np.cos(2 * np.pi * f * t + 0.7 * f) for f, rms in tones)
    return np.fft.rfft(np.asarray(wave)[None], axis=1)[:, : points // 2] * (math.sqrt(2) / points)


@pytest.mark.parametrize(("step_hz", "frequency_hz"), [(5.0, 175.0), (4.99, 20 * 4.99), (5.013, 5.013 * 63)])
def test_signal_on_a_line_is_that_line(step_hz: float, frequency_hz: float) -> None:
    lines = spectrum([(10 * step_hz, 230.0), (frequency_hz, 4.2), (frequency_hz + 2 * step_hz, 3.0)], step_hz)
    assert signalling_voltage(lines, step_hz, frequency_hz) == pytest.approx([4.2], rel=1e-9)


@pytest.mark.parametrize("part", [0.03, 0.1, 0.25, 0.5, 0.66, 0.9, 0.97])
def test_signal_between_lines_is_the_sum_of_the_four_nearest(part: float) -> None:
    lines = spectrum([((63 + part) * 5.0, 2.0)], 5.0)
    expected = 2.0 * math.sqrt(sum(np.sinc(part - k) ** 2 for k in (-1, 0, 1, 2)))
    found = float(signalling_voltage(lines, 5.0, (63 + part) * 5.0)[0])
    assert found == pytest.approx(expected, rel=2e-3)
    assert found == pytest.approx(2.0, rel=0.052)


def test_signal_beyond_the_band_is_not_measured() -> None:
    lines = spectrum([(1600.0, 2.0)], 5.0)
    assert signalling_voltage(lines, 5.0, 1600.0, in_band=321) == pytest.approx([2.0])
    assert np.isnan(signalling_voltage(lines, 5.0, 1600.0, in_band=320)).all()
    assert np.isnan(signalling_voltage(lines, 5.0, 2800.0)).all()
    assert np.isnan(signalling_voltage(lines, 5.0, 2.0)).all()
    for bad in (0.0, -175.0, 3000.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="between 0 and 3000 Hz"):
            signalling_voltage(lines, 5.0, bad)


def test_recording_begins_above_the_threshold_and_lasts_its_time() -> None:
    recorder = SignalRecorder(1.0, 2.0)
    for n in range(40):
        value = 3.0 + n if 5 <= n < 9 else 0.2
        recorder.push(0.2 * n, 0.2 * (n + 1), {"V1": value, "V2": None})
    (signal,) = recorder.signals
    assert (signal.start_s, signal.end_s) == pytest.approx((1.0, 3.0))
    assert signal.values_v["V1"] == (8.0, 9.0, 10.0, 11.0, *[0.2] * 6)
    assert signal.values_v["V2"] == (None,) * 10
    assert signal.peak_v == 11.0


def test_recording_never_exceeds_two_minutes_and_ends_at_a_gap() -> None:
    recorder = SignalRecorder(1.0)
    for n in range(900):
        recorder.push(0.2 * n, 0.2 * (n + 1), {"V1": 2.0})
    assert [s.end_s - s.start_s for s in recorder.signals] == pytest.approx([120.0])
    recorder.close()
    assert [len(s.values_v["V1"]) for s in recorder.signals] == [600, 300]
    recorder.close()
    recorder.push(0.0, 0.2, {"V1": math.nan})
    recorder.close()
    assert len(recorder.signals) == 2
    for threshold, duration in ((0.0, 10.0), (1.0, 0.0), (1.0, 121.0), (math.nan, 1.0)):
        with pytest.raises(ValueError, match="threshold"):
            SignalRecorder(threshold, duration)


def test_deviations_of_single_windows_and_of_many() -> None:
    under, over = deviations_pct([207.0], 230.0)
    assert (float(under), float(over)) == pytest.approx((10.0, 0.0))
    values = np.array([[230.0, 253.0, 207.0], [184.0, 276.0, 253.0]])
    under, over = deviations_pct(values, 230.0)
    half = [100 - 100 * math.sqrt((1 + 0.8**2) / 2), 0.0, 100 - 100 * math.sqrt((0.9**2 + 1) / 2)]
    above = [0.0, 100 * math.sqrt((1.1**2 + 1.2**2) / 2) - 100, 100 * math.sqrt((1 + 1.1**2) / 2) - 100]
    assert under == pytest.approx(half)
    assert over == pytest.approx(above)


def test_deviations_leave_out_what_was_not_measured() -> None:
    under, over = deviations_pct([[220.0, math.nan], [math.nan, math.nan]], 230.0)
    assert under[0] == pytest.approx(100 * (1 - 220 / 230))
    assert over[0] == 0.0
    assert np.isnan([under[1], over[1]]).all()
    with pytest.raises(ValueError, match="declared voltage"):
        deviations_pct([230.0], 0.0)


def test_windows_tell_deviations_and_signalling() -> None:
    """Through the analyser: 175 Hz on a line at 50 Hz, and between lines at 49.7 Hz, where the window does not hold
    whole cycles of it: its product with the fundamental then adds to the rms."""
    for fundamental_hz, tolerance, deviation_pct in ((50.0, 1e-4, 1e-3), (49.7, 0.05, 0.02)):
        phases = {f"V{p}": [Tone(1, 230.0 * k, -120.0 * p)] for p, k in ((1, 1.02), (2, 0.97), (3, 1.0))}
        phases["V2"].append(Tone(175.0 / fundamental_hz, 4.0, 33.0))
        for p in (1, 2, 3):
            phases[f"I{p}"] = [Tone(1, 5.0, -120.0 * p)]
        channels = tuple(ChannelSpec(key, "V" if key[0] == "V" else "A") for key in phases)
        engine = Analyser("3P", [ChipSpec(4000.0, channels, exact=True)], signalling_hz=175.0)
        for block in blocks(Mains(fundamental_hz, phases), [Chip(tuple(phases))], 2.0):
            engine.push(*block)
        found = engine.pull()
        assert len(found) >= 8
        for measurement in found:
            values = measurement.values
            assert values["MSV2"] == pytest.approx(4.0, rel=tolerance)
            assert max(values["MSV1"], values["MSV3"]) < 2e-3
            low = math.sqrt(0.97**2 + (4 / 230) ** 2)
            assert (values["UU1"], values["UU2"]) == pytest.approx((0.0, 100 * (1 - low)), abs=deviation_pct)
            assert (values["UO1"], values["UO2"]) == pytest.approx((2.0, 0.0), abs=deviation_pct)


def test_terms_of_the_supply_are_checked_and_told_only_where_they_apply() -> None:
    chip = ChipSpec(4000.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))
    assert SupplyTerms({"V1": 0, "I1": 1}, ["1"], 230.0, None).keys == ("UU1", "UO1")
    assert SupplyTerms({"I1": 0}, ["1"], 230.0, 175.0).keys == ()
    with pytest.raises(ValueError, match="signalling frequency"):
        Analyser("1P", [chip], signalling_hz=3000.0)
    with pytest.raises(ValueError, match="declared voltage"):
        Analyser("1P", [chip], nominal_voltage_v=0.0)
