"""Measuring: the whole set of seven channels, against pqopen-lib with all its features

Ours: three chips with clocks of their own, 7 channels at 4 ksps with a front end, windows, aggregates, flicker,
signalling and events, in the blocks of a module (100 samples), or as a file: one chip in blocks of 3.2 s, as `analyze`
reads it. Every value of every result is asked for. pqopen-lib: 6 channels of the same signal, 24 orders (it takes no
more at 4 ksps), flicker, signalling, deviations, energy, neutral current, six event detectors; once in the same blocks
of a module (25 ms) and once in blocks of 1 s, which suit it best but which no live view can wait for. Ours is held
against both. Processor time, matrix products in the calling thread as in the application; runs in turns, the best of
each. One module is the mean of 16 runs in a row, so that a busy machine slows it as it slows 16 modules at once.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from dsp.channels import ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result, pull_together

RATE_HZ = 4000.0
FREQUENCY_HZ = 49.8
SECONDS = 20.0
RUNS = 7
MODULES = 16
BLOCK, FILE_BLOCK = 100, 12_800
SIGNALLING_HZ = 316.67
KEYS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))
PPM = (40.0, -60.0, 150.0)
UTC_NS = 1_700_000_000_000_000_000
RESPONSE = (
    SimpleNamespace(kind="highpass1", corner_hz=0.3125, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass1", corner_hz=7200.0, q=0.0, delay_us=0.0),
)

Block = tuple[int, int, np.ndarray, float, int]


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    logging.getLogger("pqopen").setLevel(logging.ERROR)
    live = blocks(SECONDS, BLOCK, PPM)
    record, in_blocks = (blocks(SECONDS, size, (0.0, 0.0, 0.0)) for size in (4000, BLOCK))
    some, one_chip = blocks(SECONDS / 4, BLOCK, PPM), joined(blocks(SECONDS, FILE_BLOCK, (0.0, 0.0, 0.0)))
    works: dict[str, Callable[[], None]] = {
        "pqopen": partial(run_pqopen, record),
        "pqopen in blocks": partial(run_pqopen, in_blocks),
        "live": partial(run_ours, [live]),
        "file": partial(run_ours, [one_chip], exact=True),
        "quarter": partial(run_in_a_row, some),
        "modules": partial(run_ours, [some] * MODULES),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()  # plans and tables are made once
    for _ in range(RUNS):
        for name, work in works.items():
            since_s = time.process_time()
            work()
            times[name].append(time.process_time() - since_s)
    best = {name: min(found) for name, found in times.items()}
    best["quarter"] /= MODULES
    rows = []
    for what, name, other, least in (
        ("live, both fed the module's blocks of 25 ms", "live", "pqopen in blocks", 5.0),
        ("live, pqopen-lib in blocks of 1 s", "live", "pqopen", 5.0),
        ("whole set, file", "file", "pqopen", 8.0),
    ):
        ratio = best[other] / best[name]
        rows.append(
            {
                "what": what,
                "ours": f"{SECONDS / best[name]:.0f} times real time",
                "peer": f"{SECONDS / best[other]:.0f} times real time",
                "ratio": f"{ratio:.1f}",
                "limit": f">= {least:g}",
                "holds": ratio >= least,
            }
        )
    for what, ours, peer, most in (
        ("four times the time", "live", "quarter", 4.6),
        (f"{MODULES} modules at once", "modules", "quarter", 10.0),
    ):
        ratio = best[ours] / best[peer]
        rows.append(
            {
                "what": what,
                "ours": f"{1000 * best[ours]:.0f} ms",
                "peer": f"{1000 * best[peer]:.0f} ms (once)",
                "ratio": f"{ratio:.1f}",
                "limit": f"<= {most:g}",
                "holds": ratio <= most,
            }
        )
    return rows


def blocks(seconds: float, size: int, ppm: tuple[float, ...]) -> list[Block]:
    """Blocks of three chips in order of time: 24 orders at 1 %, noise 100 dB under."""
    rng = np.random.default_rng(1)
    count = int(seconds * RATE_HZ)
    result: list[Block] = []
    columns = []
    for phase, keys in enumerate(KEYS):
        t = np.arange(count) / (RATE_HZ * (1.0 + 1e-6 * ppm[phase]))
        angle = 2.0 * np.pi * (FREQUENCY_HZ * t - phase / 3.0)
        chip = []
        for key in keys:
            wave = np.cos(angle)
            for order in range(2, 25):
                wave += 0.01 * np.cos(order * angle + rng.uniform(0.0, 6.28))
            wave += 1e-5 * rng.standard_normal(count)
            chip.append(wave * np.sqrt(2.0) * (230.0 if key[0] == "V" else 10.0))
        columns.append((t, np.stack(chip, axis=1)))
    for start in range(0, count, size):
        for chip_number, (t, samples) in enumerate(columns):
            first_s = float(t[start])
            stamp_us = float(np.floor(1e6 * first_s))
            result.append((chip_number, start, samples[start : start + size], stamp_us, UTC_NS + round(1e9 * first_s)))
    return result


def joined(record: list[Block]) -> list[Block]:
    """The blocks of all chips as those of one."""
    chips = len(KEYS)
    together = [record[start : start + chips] for start in range(0, len(record), chips)]
    return [(0, part[0][1], np.concatenate([block[2] for block in part], axis=1), *part[0][3:]) for part in together]


def run_ours(modules: list[list[Block]], *, exact: bool = False) -> None:
    """Measure modules side by side, block by block. exact: as a file, whose blocks have all channels."""
    monitors = [Monitor("3P+N", specs(exact=exact), signalling_hz=SIGNALLING_HZ) for _ in modules]
    last_chip = 0 if exact else len(KEYS) - 1
    windows = 0
    for together in zip(*modules, strict=True):
        for monitor, block in zip(monitors, together, strict=True):
            monitor.push(*block)
        if together[0][0] == last_chip:
            windows += sum(map(take, pull_together(monitors)))
    for monitor in monitors:
        windows += take(monitor.finish())
    assert windows > 4 * len(modules)


def run_in_a_row(module: list[Block]) -> None:
    """Measure as many modules, one after another."""
    for _ in range(MODULES):
        run_ours([module])


def specs(*, exact: bool = False) -> list[ChipSpec]:
    """The chips of a module, or the one of a file."""
    chips = [
        tuple(
            ChannelSpec(k, *(("V", 500.0) if k[0] == "V" else ("A", 50.0)), response=() if exact else RESPONSE)
            for k in keys
        )
        for keys in KEYS
    ]
    return [ChipSpec(RATE_HZ, sum(chips, ()), exact)] if exact else [ChipSpec(RATE_HZ, chip) for chip in chips]


def take(results: list[Result]) -> int:
    """Ask for every value; the number of windows."""
    measurements = [result for result in results if isinstance(result, Measurement)]
    return sum(len(m.values.items()) > 0 and m.window == "10/12-cycle" for m in measurements)


def run_pqopen(record: list[Block]) -> None:
    """The same with pqopen-lib, fed as its documentation shows: buffers, process, event controller."""
    from daqopen.channelbuffer import AcqBuffer
    from pqopen.eventdetector import EventController, EventDetectorLevelHigh, EventDetectorLevelLow
    from pqopen.powersystem import PowerSystem

    size = 40_000
    clock = AcqBuffer(size, dtype=np.uint64)
    buffers = {key: AcqBuffer(size) for keys in KEYS for key in keys if key != "IN"}
    system = PowerSystem(zcd_channel=buffers["V1"], input_samplerate=RATE_HZ)
    for phase in "123":
        system.add_phase(u_channel=buffers[f"V{phase}"], i_channel=buffers[f"I{phase}"], name=phase)
    system.enable_harmonic_calculation(24)
    system.enable_nper_abs_time_sync(clock)
    system.enable_fluctuation_calculation(230.0)
    system.enable_mains_signaling_calculation(SIGNALLING_HZ)
    system.enable_under_over_deviation_calculation(230.0)
    system.enable_neutral_current_calculation()
    with tempfile.TemporaryDirectory() as folder:
        system.enable_energy_channels(Path(folder) / "energy.json")
        for keys, (chip, first, samples, _, utc_ns) in ((KEYS[block[0]], block) for block in record):
            for column, key in enumerate(keys):
                if key in buffers:
                    buffers[key].put_data(samples[:, column])
            if chip != len(KEYS) - 1:
                continue
            clock.put_data((utc_ns // 1000 + np.arange(len(samples)) * 1e6 / RATE_HZ).astype(np.uint64))
            system.process()
            if first == 0:
                events = EventController(clock, RATE_HZ)
                for phase in "123":
                    channel = system.output_channels[f"U{phase}_1p_hp_rms"]
                    events.add_event_detector(EventDetectorLevelLow(207.0, 4.6, channel))
                    events.add_event_detector(EventDetectorLevelHigh(253.0, 4.6, channel))
            events.process()
        assert abs(system.output_channels["U1_rms"].last_sample_value - 230.0) < 1.0
        del system  # writes its energy file
