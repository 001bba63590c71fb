"""The numbers behind the spectrum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from resources.systems import channels_of
from widgets.numbers import THIN_SPACE
from widgets.spectrum.model import build, channels_shown
from widgets.spectrum.scale import SHRINK_AFTER, ScaleChooser, largest_value, linear, logarithmic


@dataclass(frozen=True)
class Band:
    trusted_to: int = 32
    indicative_to: int = 39
    thd_to: int = 39


@dataclass(frozen=True)
class Limits:
    name: str = "EN 50160"
    orders: dict = field(default_factory=lambda: {3: 5.0, 5: 6.0, 15: 0.5, 25: 1.5})
    thd_pct: float | None = 8.0


CHANNELS = channels_of("3P+N")


def orders(fundamental=230.0, **percents):
    """Every channel of 3P+N: 0.1 % in each order, and what `h5=2.0` says."""
    row = np.full(41, 0.001)
    row[1] = 1.0
    for name, percent in percents.items():
        row[int(name[1:])] = percent / 100.0
    return {channel: row * (fundamental if channel[0] == "V" else 10.0) for channel in CHANNELS}


def spectrum(values, quantity="voltage", band=None, limits=Limits(), fundamental_hz=50.0):
    return build(CHANNELS, quantity, values, band or Band(), fundamental_hz, limits)


def test_percent_is_of_the_own_fundamental():
    values = orders(h5=2.0)
    values["V2"] = values["V2"] * 0.5
    result = spectrum(values)
    assert result.percent["V2"][5] == pytest.approx(2.0)
    assert result.absolute["V2"][5] == pytest.approx(2.3)
    assert result.percent["V1"][1] == pytest.approx(100.0)


def test_nothing_beyond_the_band_is_kept():
    result = spectrum(orders(), band=Band(26, 33, 33))
    assert np.isnan(result.absolute["V1"][34:]).all()
    assert result.not_available == ((34, 40),)
    assert [result.knowledge(order) for order in (26, 27, 33, 34)] == ["trusted", "indicative", "indicative", "n/a"]
    assert "n/a: beyond" in result.readout(40).text
    assert result.readout(40).rows[0][1:] == ("n/a", "n/a")


def test_gaps_inside_the_band_are_runs_of_their_own():
    values = orders()
    for channel in ("V1", "V2", "V3"):
        values[channel][[7, 8, 20]] = np.nan
    assert spectrum(values).not_available == ((7, 8), (20, 20), (40, 40))
    one = orders()
    one["V1"][7] = np.nan
    assert spectrum(one).knowledge(7) == "trusted"
    assert spectrum(one).readout(7).rows[0][1] == "n/a"


def test_without_a_fundamental_nothing_is_known():
    dead = orders()
    dead["V1"][1] = 0.0
    assert np.isnan(spectrum(dead).percent["V1"]).all()
    nothing = build(CHANNELS, "voltage", orders(), Band(0, 0, 0), None, Limits())
    assert nothing.not_available == ((1, 40),)
    assert nothing.findings() == ()
    assert "no fundamental" in nothing.readout(5).text


def test_noise_of_a_dead_input_has_no_percentages():
    values = orders()
    values["V3"] = np.full(41, 0.01)
    values["I3"] = np.full(41, 0.05)
    result = spectrum(values)
    assert np.isnan(result.percent["V3"]).all()
    assert result.findings() == ()
    assert result.readout(5).rows[2] == ("V3", "n/a", f"0.01{THIN_SPACE}V")
    assert not result.has_values("V3", "percent")
    assert result.has_values("V3", "absolute")
    assert np.isfinite(spectrum(values, "current").percent["I3"][5])


def test_short_and_infinite_rows_are_taken_as_not_measurable():
    values = {"V1": np.array([0.0, 230.0, np.inf, 2.3])}
    result = spectrum(values)
    assert np.isnan(result.absolute["V1"][2])
    assert result.percent["V1"][3] == pytest.approx(1.0)
    assert result.not_available == ((2, 2), (4, 40))


def test_findings_worst_first_one_an_order():
    values = orders(h15=0.46, h3=5.5)
    values["V3"][15] = 0.0049 * 230
    found = spectrum(values).findings()
    assert [(entry.order, entry.channel, entry.kind) for entry in found[:2]] == [(3, "V1", "bad"), (15, "V3", "warn")]
    assert found[0].notice == "3rd on L1 over limit"
    assert found[1].notice == "15th on L3 near limit"
    assert found[1].callout == f"15th 0.49 of 0.50{THIN_SPACE}%"
    assert found[0].callout == f"3rd 5.50 over 5.00{THIN_SPACE}%"


@pytest.mark.parametrize(("percent", "count"), [(0.399, 0), (0.401, 1), (0.5, 1)])
def test_callout_starts_at_80_percent(percent, count):
    found = spectrum(orders(h15=percent)).findings()
    assert len(found) == count
    assert all(entry.kind == "warn" for entry in found)


def test_a_finding_stays_until_it_is_clearly_lower():
    before = spectrum(orders(h15=0.41)).findings()
    assert spectrum(orders(h15=0.39)).findings() == ()
    assert len(spectrum(orders(h15=0.39)).findings(before)) == 1
    assert spectrum(orders(h15=0.38)).findings(before) == ()


def test_thd_is_found_and_indicative_orders_are_not_judged():
    heavy = spectrum(orders(h7=6.0, h11=6.0), limits=Limits(orders={}))
    assert [entry.notice for entry in heavy.findings()] == ["THD on L1 over limit"]
    beyond = spectrum(orders(h25=3.0), band=Band(20, 30, 30), limits=Limits(thd_pct=None))
    assert beyond.findings() == ()


def test_limits_are_for_voltages():
    assert spectrum(orders(h5=50.0), quantity="current").findings() == ()
    assert channels_shown(CHANNELS, "current") == ("I1", "I2", "I3", "IN")


def test_readout_has_frequency_values_limit_and_band():
    result = spectrum(orders(h15=0.46), fundamental_hz=49.98)
    readout = result.readout(15)
    assert readout.title == f"15th order, 749.7{THIN_SPACE}Hz"
    assert readout.rows[0] == ("V1", f"0.46{THIN_SPACE}%", f"1.06{THIN_SPACE}V")
    assert readout.notes == (f"EN 50160 limit 0.50{THIN_SPACE}%",)
    assert "Indicative" in result.readout(35).text


def test_csv_has_a_line_an_order_and_empty_cells():
    lines = spectrum(orders(h5=2.0)).csv_text().splitlines()
    assert lines[0] == "order,frequency_hz,band,V1_v,V1_pct,V2_v,V2_pct,V3_v,V3_pct,limit_pct"
    assert lines[5] == "5,250.000,trusted,4.6,2,4.6,2,4.6,2,6"
    assert lines[40] == "40,2000.000,n/a,,,,,,,"
    assert len(lines) == 41


@pytest.mark.parametrize(
    ("largest", "unit", "top", "decimals"),
    [(6.0, "%", 7.0, 0), (0.0, "%", 0.5, 1), (34.0, "%", 40.0, 0), (13.9, "V", 16.0, 0), (0.2, "A", 0.25, 2)],
)
def test_linear_scale_is_nice_and_holds_the_largest(largest, unit, top, decimals):
    scale = linear(largest, unit)
    assert scale.top == pytest.approx(top)
    assert scale.decimals == decimals
    assert scale.fraction(largest) <= 1.0
    assert 3 <= len(scale.ticks) <= 9


def test_logarithmic_scale_has_whole_decades():
    scale = logarithmic(100.0, "%")
    assert [scale.label(tick) for tick in scale.ticks] == ["0.01", "0.1", "1", "10", "100"]
    assert scale.fraction(1.0) == pytest.approx(0.5)
    assert scale.fraction(0.001) == 0.0
    assert logarithmic(101.0, "%").top == pytest.approx(1000.0)


def test_scale_grows_at_once_and_shrinks_late():
    chooser = ScaleChooser()

    def choose(percent, new_data=True):
        return chooser.choose(spectrum(orders(h5=percent), "current"), "percent", False, 8, new_data=new_data).top

    assert choose(20.0) == 25.0
    assert choose(30.0) == 35.0
    # Repaints do not count, and one large window starts the waiting anew.
    assert {choose(5.0, new_data=False) for _ in range(100)} == {35.0}
    assert {choose(5.0) for _ in range(SHRINK_AFTER - 1)} == {35.0}
    assert choose(32.0) == 35.0
    assert {choose(5.0) for _ in range(SHRINK_AFTER - 2)} == {35.0}
    assert choose(10.0) == 35.0
    assert choose(5.0) == 12.0


def test_noise_of_an_idle_phase_does_not_rule_the_scale():
    values = orders(h5=20.0)
    values["I3"] = np.full(41, 0.001)
    values["IN"] = np.full(41, 0.001)
    values["IN"][1], values["IN"][3] = 1.0, 4.0
    result = spectrum(values, "current")
    assert largest_value(result, "percent", False) == pytest.approx(40.0)
    assert largest_value(result, "absolute", False) == pytest.approx(4.0)
