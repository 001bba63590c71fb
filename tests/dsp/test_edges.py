"""What lies at an edge: dead channels, the cycles before a gap, windows longer than foreseen, the start of a file."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from dsp.channels import ChannelSpec, ChipSpec
from dsp.events import Event
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result


def monitored(
    samples: np.ndarray,
    keys: tuple[str, ...],
    rate_hz: float,
    *,
    exact: bool = True,
    lost: range = range(0),
    block: int = 80,
    **options,
) -> list[Result]:
    """What a monitor makes of samples [n, channels] that come in blocks, of which those in `lost` do not come."""
    chip = ChipSpec(rate_hz, tuple(ChannelSpec(key, "V" if key[0] == "V" else "A") for key in keys), exact=exact)
    monitor, results = Monitor("3P+N" if "V3" in keys else "1P", [chip], **options), []
    for first in range(0, len(samples), block):
        kept = [i for i in range(first, min(first + block, len(samples))) if i not in lost]
        if kept:
            monitor.push(0, kept[0], samples[kept], kept[0] / rate_hz * 1e6, 10**18 + round(kept[0] / rate_hz * 1e9))
            results += monitor.pull()
    return [*results, *monitor.finish()]


def windows(results: list[Result]) -> list[Measurement]:
    return [found for found in results if isinstance(found, Measurement) and found.window == "10/12-cycle"]


@pytest.mark.parametrize("voltage_hz", [0.0, 42.0])
def test_a_voltage_without_fundamental_beside_a_current_has_no_numbers_that_need_one(voltage_hz: float) -> None:
    t = np.arange(4000) / 4000.0
    voltage = 325.0 * np.sin(2 * np.pi * voltage_hz * t)
    found = windows(monitored(np.stack([voltage, 14.0 * np.cos(2 * np.pi * 50 * t)], axis=1), ("V1", "I1"), 4000.0))
    assert len(found) == 5
    for window in found:
        assert "dead-channel" in window.flags
        assert [key for key, value in window.values.items() if key.startswith("1V") and value is not None] == []
        assert window.values["1I1"] == pytest.approx(100.0)


def test_a_dip_between_the_last_window_and_a_gap_is_found() -> None:
    t = np.arange(16000) / 4000.0
    envelope = np.where((t >= 1.9) & (t < 1.96), 0.5, 1.0)
    samples = np.stack([325.27 * envelope * np.cos(2 * np.pi * (50 * t - p / 3)) for p in range(3)], axis=1)
    lost = range(8000, 9200)
    dips = [
        found
        for found in monitored(samples, ("V1", "V2", "V3"), 4000.0, exact=False, lost=lost)
        if isinstance(found, Event)
    ]
    assert [dip.event for dip in dips] == ["dip"]
    assert dips[0].start_s == pytest.approx(1.905, abs=0.01)
    assert dips[0].duration_s == pytest.approx(0.07, abs=0.011)
    assert dips[0].residual_v == pytest.approx(115.0, abs=0.5)


@pytest.mark.parametrize("rate_hz", [1000.0, 2000.0])
def test_twelve_cycles_of_a_slow_supply_end_the_band_before_the_lines(rate_hz: float) -> None:
    t = np.arange(int(2 * rate_hz)) / rate_hz
    wave = 325.0 * np.cos(2 * np.pi * 43 * t) + 3.25 * np.cos(2 * np.pi * 5 * 43 * t)
    found = windows(monitored(np.stack([wave, wave], axis=1), ("V1", "I1"), rate_hz, nominal_frequency_hz=60.0))
    assert found
    for window in found:
        assert window.values["1V5"] == pytest.approx(1.0, abs=1e-4)
        assert window.values["THV1"] == pytest.approx(1.0, abs=1e-4)
        assert window.values[f"1V{window.band.indicative_to}"] is not None


def test_the_first_window_of_a_file_with_orders_beyond_60() -> None:
    t = np.arange(8000) / 8000.0
    rng = np.random.default_rng(3)
    orders = np.arange(1, int(0.95 * 4000 / 43.7) + 1)
    sizes = np.where(orders == 1, 230.0, 2.3)
    wave = np.sqrt(2) * sizes @ np.cos(2 * np.pi * 43.7 * np.outer(orders, t) + rng.uniform(0, 7, (orders.size, 1)))
    first = windows(monitored(np.stack([wave, wave], axis=1), ("V1", "I1"), 8000.0))[0]
    assert first.values["V1r"] == pytest.approx(float(np.linalg.norm(sizes)), rel=2e-6)
    assert first.orders["V1"][1] == pytest.approx(230.0, rel=2e-6)


def test_inputs_that_never_move_are_dead_in_every_window() -> None:
    """Also in the first and the last of a file, beyond which the signal is continued."""
    results = windows(monitored(np.full((8000, 2), 3.0), ("V1", "I1"), 4000.0))
    assert len(results) == 10
    for found in results:
        assert {"no-fundamental", "dead-channel"} <= set(found.flags)


def test_windows_without_a_fundamental_do_not_depend_on_the_blocks() -> None:
    """A block that ends with a window is not the end of the record."""
    noise = np.random.default_rng(7).normal(0.0, 100.0, (4000, 2))
    whole, parted = (windows(monitored(noise, ("V1", "I1"), 4000.0, block=block)) for block in (4000, 800))
    assert len(whole) == len(parted) == 5
    for one, other in zip(whole, parted, strict=True):
        for key in ("V1r", "I1r", "P1"):
            assert one.values[key] == pytest.approx(other.values[key], rel=1e-9)


@pytest.mark.parametrize(("rate_hz", "frequency_hz"), [(200.0, 57.3), (200.0, 69.0), (250.0, 69.0)])
def test_a_fundamental_in_the_band_is_measured_where_no_second_order_is(rate_hz: float, frequency_hz: float) -> None:
    turns = 2 * np.pi * frequency_hz * np.arange(int(2 * rate_hz)) / rate_hz
    samples = np.stack([325.0 * np.cos(turns), 14.0 * np.cos(turns - 0.5)], axis=1)
    found = windows(monitored(samples, ("V1", "I1"), rate_hz))
    assert len(found) >= 9
    for window in found:
        assert window.flags == ()
        assert (window.band.trusted_to, window.band.indicative_to, window.band.thd_to) == (1, 1, 0)
        assert window.values["1V1"] == pytest.approx(100.0)
        assert window.values["Q11"] == pytest.approx(325.0 * 14.0 / 2.0 * np.sin(0.5), rel=1e-5)
        assert window.values["THV1"] is None


def test_split_phase_voltages_have_no_unbalance_by_chance() -> None:
    """Both sequences are alike: which is the greater, noise decides from window to window."""
    t = np.arange(16000) / 4000.0
    noise = np.random.default_rng(3).normal(0.0, 0.02, (t.size, 3))
    volts = 170.0 * np.cos(2 * np.pi * 60 * t)[:, None] * np.array([1.0, -1.0, 0.0]) + noise
    found = windows(monitored(volts, ("V1", "V2", "V3"), 4000.0, nominal_voltage_v=120.0))
    assert len(found) == 20
    assert {(window.values["u2"], window.values["u0"]) for window in found} == {(None, None)}


@pytest.mark.parametrize("rate_hz", [4000.0, 50_000.0])
@pytest.mark.parametrize(("peak_v", "clipped"), [(325.0, False), (330.0, True)])
def test_a_record_scaled_to_its_own_peak_is_not_clipped(rate_hz: float, peak_v: float, clipped: bool) -> None:
    """12 bits over 325 V: the crests of a sine of 325 V stand at the last step for a moment, those of 330 V stay."""
    turns = 2 * np.pi * 50.0 * np.arange(int(0.6 * rate_hz)) / rate_hz
    step_v = 325.0 / 2047
    volts = np.clip(np.rint(peak_v * np.cos(turns) / step_v), -2047, 2047) * step_v
    monitor = Monitor("1P", [ChipSpec(rate_hz, (ChannelSpec("V1", "V", 325.0),), exact=True)])
    monitor.push(0, 0, volts[:, None], 0.0, 10**18)
    found = windows([*monitor.pull(), *monitor.finish()])
    assert len(found) == 3
    for number, window in enumerate(found):
        first, stop = (round(k * 0.2 * rate_hz) for k in (number, number + 1))
        assert window.samples_clipped == (np.count_nonzero(np.abs(volts[first:stop]) > 324.99) if clipped else 0)
        assert ("clipped" in window.flags) == clipped


def test_a_record_of_a_high_rate_fits_into_memory() -> None:
    """What is worked out for a window grows with its samples, not with many times their number."""
    rate_hz = 400_000.0
    volts = 325.0 * np.cos(2 * np.pi * 50.0 * np.arange(100_000) / rate_hz)
    monitor = Monitor("1P", [ChipSpec(rate_hz, (ChannelSpec("V1", "V"),), exact=True)])
    tracemalloc.start()
    try:
        monitor.push(0, 0, volts[:, None], 0.0, 10**18)
        found = windows([*monitor.pull(), *monitor.finish()])
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [window.flags for window in found] == [()]
    assert found[0].values["V1r"] == pytest.approx(325.0 / np.sqrt(2), rel=1e-6)
    assert peak_bytes < 500e6


@pytest.mark.parametrize("length_s", [0.03, 0.04])
@pytest.mark.parametrize("of", ["ramp", "5 Hz"])
def test_a_short_record_of_no_mains_has_no_fundamental(of: str, length_s: float) -> None:
    t = np.arange(int(4000 * length_s)) / 4000.0
    volts = 325.0 * (t / length_s if of == "ramp" else np.cos(2 * np.pi * 5.0 * t + 2.0))
    (found,) = (r for r in monitored(volts[:, None], ("V1",), 4000.0) if isinstance(r, Measurement))
    assert {"short", "no-fundamental"} <= set(found.flags)
    assert found.values.get("Fqai") is None
    assert found.values.get("THV1") is None
