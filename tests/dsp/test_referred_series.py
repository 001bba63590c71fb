"""Harmonics in % of the nominal voltage and the demand current where the load varies within an interval."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.channels import ChannelSpec, ChipSpec
from dsp.compliance import in_pct_of_demand, series_of
from dsp.measurement import Measurement
from dsp.monitor import Monitor

RATE_HZ = 4000.0


def three_seconds(load_a: np.ndarray, fifth_a: float) -> list[Measurement]:
    """150/180-cycle values of 230 V with 3 % of order 5 and a load (rms of each sample's fundamental) with a steady
    fifth harmonic."""
    turns = 2 * np.pi * 50.0 * np.arange(load_a.size) / RATE_HZ
    volts = 230.0 * np.sqrt(2) * (np.cos(turns) + 0.03 * np.cos(5 * turns))
    amperes = np.sqrt(2) * (load_a * np.cos(turns - 0.3) + fifth_a * np.cos(5 * turns + 1.0))
    chip = ChipSpec(RATE_HZ, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")), exact=True)
    monitor = Monitor("1P", [chip], every=("150/180-cycle",), events=False)
    monitor.push(0, 0, np.stack([volts, amperes], axis=1), 0.0, 10**18)
    return [found for found in [*monitor.pull(), *monitor.finish()] if isinstance(found, Measurement)]


def test_a_load_that_comes_and_goes_is_judged_by_its_amperes() -> None:
    switched = np.where(np.arange(int(6.1 * RATE_HZ)) // 2000 % 2 == 0, 10.0, 1.0)
    measured = three_seconds(switched, 0.5)
    series = series_of(measured[:2], nominal_voltage_v=240.0, demand_current_a=20.0)
    # The steps of the load have a little of every order; the fifth harmonic is 0.5 A throughout.
    assert series.values["1I5"] == pytest.approx(100 * 0.5 / 20.0, rel=0.05)
    assert series.values["1V5"] == pytest.approx(100 * 0.03 * 230.0 / 240.0, rel=1e-4)
    assert series.values["THV1"] == pytest.approx(series.values["1V5"], rel=1e-4)
    assert (in_pct_of_demand(series_of(measured[:2]), 20.0).values["1I5"] > 2 * series.values["1I5"]).all()
    for key in ("TDD1", "THI1"):
        orders = [series.values[f"1I{h}"] for h in range(2, 40)]
        assert series.values[key] == pytest.approx(np.sqrt(np.sum(np.square(orders), axis=0)))


def test_no_load_is_no_distortion_rather_than_no_value() -> None:
    series = series_of(three_seconds(np.zeros(12_400), 0.2)[:1], demand_current_a=20.0)
    assert series.values["1I5"] == pytest.approx(1.0, rel=1e-4)
    assert series.values["TDD1"] == pytest.approx(1.0, rel=1e-4)
    assert np.isnan(series_of(three_seconds(np.zeros(12_400), 0.2)[:1]).values["1I5"]).all()


@pytest.mark.parametrize("references", [{"demand_current_a": 0.0}, {"nominal_voltage_v": float("nan")}])
def test_a_reference_has_to_be_above_0(references: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        series_of([], **references)
