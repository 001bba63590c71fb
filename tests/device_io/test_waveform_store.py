"""The store against a plain model: a dictionary of samples a chip."""

from __future__ import annotations

import math
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, SampleBlock
from device_io.waveform_store import Trace, WaveformStore

RATE_HZ = 4000.0
HOST_NS = 1_790_000_000_000_000_000


def module(widths: tuple[int, ...] = (1,), scale: float = 0.5, boot_id: int = 1) -> ModuleInfo:
    names = iter(("V1", "I1", "IN", "V2", "I2", "V3", "I3"))
    chips = tuple(
        ChipInfo(RATE_HZ, tuple(ChannelInfo(next(names), "V", scale, 800.0) for _ in range(width))) for width in widths
    )
    return ModuleInfo("0011223344556677", "test", "3P+N", "1", chips, boot_id=boot_id)


def block(
    first: int, counts: object, chip: int = 0, device_time_us: int | None = None, host_time_ns: int | None = None
) -> SampleBlock:
    array = np.asarray(counts, np.int32)
    if array.ndim == 1:
        array = array[:, None]
    if device_time_us is None:
        device_time_us = round(first / RATE_HZ * 1e6)
    if host_time_ns is None:
        host_time_ns = HOST_NS + round((first + len(array)) / RATE_HZ * 1e9)
    return SampleBlock(chip, first, RATE_HZ, array, device_time_us, host_time_ns)


def ramp(first: int, n: int, chip: int = 0) -> SampleBlock:
    """Every sample's count tells its index."""
    return block(first, np.arange(first, first + n), chip)


def only(traces: list[Trace]) -> Trace:
    assert len(traces) == 1
    return traces[0]


def test_an_empty_store_has_no_time_and_empty_traces() -> None:
    store = WaveformStore(module((3, 2)))
    assert (store.latest_s(), store.oldest_s(), store.utc_ns(0.0), store.gaps(-1e9, 1e9)) == (None, None, None, [])
    traces = store.read(0.0, 1.0, 100)
    assert [trace.key for trace in traces] == ["V1", "I1", "IN", "V2", "I2"]
    assert all(len(trace.value) == len(trace.time_s) == 0 and not trace.envelope for trace in traces)
    assert np.isnan(store.samples(1, 0, 10)).all()


def test_samples_come_back_calibrated_at_their_times() -> None:
    store = WaveformStore(module((2,), scale=0.25))
    store.append([block(1000, [[4, -8], [12, 16]], device_time_us=77_000_000)])
    first, second = store.read(-1.0, 1.0, 100)
    assert first.value.tolist() == [1.0, 3.0]
    assert second.value.tolist() == [-2.0, 4.0]
    assert first.value.dtype == np.float32
    assert first.time_s.dtype == np.float64
    assert first.time_s == pytest.approx([0.0, 1 / RATE_HZ], abs=1e-9)
    assert store.oldest_s() == pytest.approx(0.0, abs=1e-12)
    assert store.latest_s() == pytest.approx(1 / RATE_HZ, abs=1e-9)
    assert store.samples(0, 999, 4)[:, 0].tolist() == pytest.approx([math.nan, 1.0, 3.0, math.nan], nan_ok=True)


def test_the_window_is_half_open_and_channels_can_be_chosen() -> None:
    store = WaveformStore(module((3, 2)))
    store.append([block(0, np.ones((400, 3))), block(0, np.ones((400, 2)), chip=1)])
    traces = store.read(10 / RATE_HZ, 20 / RATE_HZ, 100, ["I2", "IN"])
    assert [trace.key for trace in traces] == ["IN", "I2"]
    assert all(len(trace.value) == 10 for trace in traces)


def test_a_gap_stays_a_gap() -> None:
    store = WaveformStore(module())
    store.append([ramp(0, 80), ramp(80, 80), ramp(400, 80)])
    trace = only(store.read(-1, 1, 1000))
    assert len(trace.value) == 480
    assert np.isnan(trace.value[160:400]).all()
    assert np.isfinite(trace.value[:160]).all()
    assert np.isfinite(trace.value[400:]).all()
    (gap,) = store.gaps(-1.0, 1.0)
    assert gap == pytest.approx((160 / RATE_HZ, 400 / RATE_HZ), abs=2e-6)
    assert store.gaps(0.0, 0.03) == []
    assert len(store.gaps(0.05, 0.06)) == 1


def test_gaps_of_chips_are_joined() -> None:
    store = WaveformStore(module((1, 1)))
    store.append([ramp(0, 80), ramp(160, 80), ramp(0, 120, chip=1), ramp(280, 80, chip=1)])
    assert len(store.gaps(-1.0, 1.0)) == 1
    assert store.gaps(-1.0, 1.0)[0] == pytest.approx((80 / RATE_HZ, 280 / RATE_HZ), abs=2e-6)


def test_repeated_and_overlapping_samples_are_left_out() -> None:
    store = WaveformStore(module())
    store.append([ramp(0, 80), block(40, np.full(80, -1)), ramp(0, 80), block(60, np.full(20, -5))])
    value = only(store.read(-1, 1, 1000)).value
    assert value.tolist() == [0.5 * i for i in range(80)] + [-0.5] * 40


def test_blocks_that_do_not_fit_are_left_out() -> None:
    store = WaveformStore(module((2,)))
    store.append([block(0, np.ones((10, 3))), block(0, np.ones((10, 2)), chip=7), block(0, np.ones((0, 2)))])
    assert store.latest_s() is None
    store.append([block(0, np.ones((10, 2))), block(10, np.ones((10, 3))), block(10, np.ones((10, 2)))])
    assert store.latest_s() == pytest.approx(19 / RATE_HZ, abs=1e-9)


def test_a_gap_of_hours_costs_no_more_than_the_ring() -> None:
    store = WaveformStore(module((3,)), seconds=2)
    store.append([block(0, np.ones((8000, 3)))])
    far = 10 * 3600 * 4000
    began = time.perf_counter()
    store.append([block(far, np.full((80, 3), 2))])
    assert time.perf_counter() - began < 30.0  # not a benchmark: walking through the hours would take minutes
    latest_s = store.latest_s()
    assert latest_s == pytest.approx((far + 79) / RATE_HZ, abs=1e-4)
    assert latest_s is not None
    low = store.read(latest_s - 2, latest_s + 1, 40)[0].low
    assert low is not None
    assert np.nanmin(low) == 1.0  # nothing of what was before
    assert store.gaps(0.0, latest_s)[0] == pytest.approx((2.0, far / RATE_HZ), abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_stream_reads_back_like_a_plain_list(data: st.DataObject) -> None:
    store = WaveformStore(module(), seconds=0.4)  # 1600 samples: wraps often
    capacity = 1600
    model: dict[int, float] = {}
    position = data.draw(st.integers(0, 300))
    start: int | None = None
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for _ in range(data.draw(st.integers(1, 25))):
        position += data.draw(st.sampled_from([0, 0, 0, 1, 63, 64, 130, 1599, 1600, 5000]))
        start = position if start is None else start
        batch = []
        for _ in range(data.draw(st.integers(1, 4))):
            n = data.draw(st.sampled_from([1, 5, 64, 80, 127, 800, 2000]))
            counts = rng.integers(-(2**23), 2**23, n)
            batch.append(block(position, counts))
            model.update({position + i: float(np.float32(0.5) * np.float32(c)) for i, c in enumerate(counts)})
            position += n
        store.append(batch)
    assert start is not None
    oldest = max(start, position - capacity)
    expected = np.array([model.get(i, math.nan) for i in range(oldest, position)])
    whole = only(store.read(-1e6, 1e6, 10**6))
    np.testing.assert_array_equal(whole.value, expected.astype(np.float32))
    # Envelopes of any window: bins are anchored to the position, whole, and hold exactly the extremes.
    a = data.draw(st.integers(oldest, position - 1))
    b = data.draw(st.integers(a + 1, position))
    points = data.draw(st.integers(2, 60))
    base = start
    trace = only(store.read((a - base) / RATE_HZ, (b - base) / RATE_HZ, points))
    if not trace.envelope:
        assert len(trace.value) <= points
        np.testing.assert_array_equal(trace.value, [model.get(i, math.nan) for i in range(a, b)])
        return
    assert trace.low is not None
    assert trace.high is not None
    assert len(trace.value) == 2 * len(trace.low) == 2 * len(trace.high)
    width = (b - base) / RATE_HZ - (a - base) / RATE_HZ
    size = max(2, math.ceil(width * RATE_HZ / max(points // 2 - 1, 1) - 1e-6))
    if size >= 128:
        size = -(-size // 64) * 64
    bins = range(a // size, -(-b // size))
    assert len(trace.low) == len(bins)
    for j, low, high in zip(bins, trace.low, trace.high, strict=True):
        present = [model[i] for i in range(max(j * size, oldest), min((j + 1) * size, position)) if i in model]
        if size % 64 == 0 and j == bins[0] and oldest % 64:
            continue  # the level has dropped the bin of 64 that is partly overwritten
        if not present:
            assert math.isnan(low)
            assert math.isnan(high)
        else:
            assert (low, high) == (min(present), max(present))


def test_bins_do_not_move_with_the_window() -> None:
    rng = np.random.default_rng(1)
    store = WaveformStore(module(), seconds=20)
    store.append([block(0, rng.integers(-1000, 1000, 60_000))])
    seen: dict[float, tuple[float, float]] = {}
    for width_s in (1.0, 5.0):
        seen.clear()
        for step in range(60):
            start_s = 4.0 + step * 37 / RATE_HZ
            trace = only(store.read(start_s, start_s + width_s, 1200))
            assert trace.envelope
            assert len(trace.value) <= 1200
            assert trace.low is not None
            assert trace.high is not None
            for time_s, low, high in zip(trace.time_s[::2].tolist(), trace.low, trace.high, strict=True):
                assert seen.setdefault(round(time_s, 9), (low, high)) == (low, high)
        assert len(seen) > 600


def test_the_polyline_of_an_envelope_meets_the_extremes_in_order() -> None:
    store = WaveformStore(module())
    store.append([block(0, [0, 1, 2, 3, 4, 5, 6, 7, 7, 6, 5, 4, 3, 2, 1, 0] * 100)])
    trace = only(store.read(0.0, 0.4, 402))
    assert trace.envelope
    assert trace.value[:4].tolist() == [0.0, 3.5, 3.5, 0.0]
    assert np.all(np.diff(trace.time_s) >= 0)
    assert trace.time_s[:4] == pytest.approx(np.array([3.5, 3.5, 11.5, 11.5]) / RATE_HZ, abs=1e-9)


def test_copies_do_not_change_when_the_ring_goes_on() -> None:
    store = WaveformStore(module(), seconds=0.1)
    store.append([ramp(0, 400)])
    trace, samples = only(store.read(0, 1, 1000)), store.samples(0, 0, 400)
    store.append([block(400, np.full(4000, -1))])
    assert trace.value.tolist() == [0.5 * i for i in range(400)]
    assert samples[:, 0].tolist() == trace.value.tolist()


def test_reading_while_another_thread_writes() -> None:
    """Every value read tells its own position: a torn read would show."""
    store = WaveformStore(module(scale=1.0), seconds=0.5)
    stop = threading.Event()

    def write() -> None:
        first = 0
        while not stop.is_set() and first < 16_000_000:  # as far as float32 is exact
            store.append([ramp(first, 80)])
            first += 80

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reads = 0
        while reads < 200:
            latest_s = store.latest_s()
            if latest_s is not None:
                value = only(store.read(latest_s - 0.3, latest_s, 5000)).value
                assert np.all(np.diff(value) == 1.0)
                reads += 1
    finally:
        stop.set()
        writer.join()


@pytest.mark.parametrize("skew_ppm", [-80.0, 35.0])
def test_chips_line_up_on_the_modules_clock(skew_ppm: float) -> None:
    """Two crystals, 250 us apart, stamps that scatter by 3 us: equal times within 10 us after the first second."""
    rng = np.random.default_rng(3)
    store = WaveformStore(module((1, 1), scale=1.0))
    rates = (RATE_HZ * (1 + skew_ppm * 1e-6), RATE_HZ * (1 - 20e-6))
    starts = (5.0, 5.000_25)
    for n in range(6000):
        blocks = []
        for chip in (0, 1):
            true_s = starts[chip] + n * 80 / rates[chip]
            stamp_us = round(true_s * 1e6 + rng.normal(0.0, 3.0)) + (5000 if n % 701 == 700 else 0)
            blocks.append(block(n * 80, np.arange(n * 80, n * 80 + 80), chip, stamp_us))
        store.append(blocks)
    for window_s in (1.5, 30.0, 119.0):
        for chip, trace in enumerate(store.read(window_s, window_s + 0.05, 1000)):
            index = trace.value.astype(np.float64)
            true_s = starts[chip] + index / rates[chip] - starts[0]
            error_s = trace.time_s - true_s
            assert np.abs(error_s - 0.0).max() < 10e-6


def test_the_clock_follows_a_step_of_the_stamps() -> None:
    store = WaveformStore(module())
    for n in range(200):
        stamp_us = n * 20_000 + (3_000_000 if n >= 100 else 0)
        store.append([block(n * 80, np.zeros(80), device_time_us=stamp_us)])
    assert store.latest_s() == pytest.approx(7.0, abs=0.03)
    assert np.all(np.diff(only(store.read(0, 10, 20_000)).time_s) > 0)


def test_stamps_that_scatter_much_are_averaged() -> None:
    rng = np.random.default_rng(9)
    store = WaveformStore(module())
    for n in range(3000):
        store.append([block(n * 80, np.zeros(80), device_time_us=max(0, round(n * 20_000 + rng.normal(0, 200))))])
    trace = only(store.read(40.0, 41.0, 5000))
    steps = np.diff(trace.time_s)
    assert steps.max() / steps.min() < 1.001
    assert abs(store.latest_s() - 59.99975) < 150e-6  # type: ignore[operator]


def test_a_restart_goes_on_behind_the_elapsed_time() -> None:
    store = WaveformStore(module((1, 1), boot_id=1))
    for n in range(150):
        store.append([ramp(n * 80, 80), ramp(n * 80, 80, chip=1)])
    before = store.latest_s()
    assert before is not None
    old = only(store.read(2.5, 2.6, 1000, ["V1"]))
    store.restart(module((1, 1), scale=2.0, boot_id=2), elapsed_s=2.0)
    assert store.info.boot_id == 2
    assert store.latest_s() == before
    store.append([ramp(0, 80, chip=1), block(0, np.arange(80), 0, device_time_us=200)])
    after = store.latest_s()
    assert after == pytest.approx(before + 2.0 + 80 / RATE_HZ, abs=1e-3)
    new = store.read(before + 1.0, before + 3.0, 9000)
    finite = [trace.value[np.isfinite(trace.value)] for trace in new]
    assert [values.tolist() for values in finite] == [[2.0 * i for i in range(80)]] * 2
    first_times = [trace.time_s[np.isfinite(trace.value)][0] for trace in new]
    assert first_times[0] - first_times[1] == pytest.approx(200e-6, abs=2e-6)  # chips line up after it, too
    (gap,) = store.gaps(0.0, 100.0)
    assert gap[1] - gap[0] == pytest.approx(2.0, abs=1e-3)
    again = only(store.read(2.5, 2.6, 1000, ["V1"]))
    np.testing.assert_allclose(again.time_s, old.time_s, rtol=0, atol=1e-6)


def test_another_modules_channels_need_another_store() -> None:
    store = WaveformStore(module((1,)))
    with pytest.raises(ValueError, match="new store"):
        store.restart(module((2,)), 1.0)


def test_utc_is_that_of_the_quickest_block() -> None:
    rng = np.random.default_rng(5)
    store = WaveformStore(module())
    for n in range(1000):
        delay_ns = round(2e6 + rng.exponential(5e6))
        arrival_ns = HOST_NS + (n + 1) * 20_000_000 + delay_ns
        store.append([block(n * 80, np.zeros(80), host_time_ns=arrival_ns)])
    utc_ns = store.utc_ns(15.0)
    assert utc_ns is not None
    assert abs(utc_ns - (HOST_NS + 15_000_000_000) - 2_000_000) < 500_000


@pytest.mark.parametrize("window", [(math.nan, 1.0), (0.0, math.nan), (1.0, 0.0), (-math.inf, math.inf), (5e9, 6e9)])
def test_odd_windows_do_not_raise(window: tuple[float, float]) -> None:
    store = WaveformStore(module())
    store.append([ramp(0, 4000)])
    for points in (0, 1, 2, 100, 10**6):
        store.read(*window, points)
