"""The part of the accuracy table that looks beyond a window: flicker, dips and swells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dsp.flicker import Flickermeter
from tests.fakes.accuracy_case import NOT_MEASURED, Error, Limit
from tests.fakes.event_bench import Bench, chips_of
from tests.fakes.event_signal import Disturbance, EventMains
from tests.fakes.flicker_signals import RECTANGULAR, mains, rectangular
from tests.fakes.mains_signal import blocks

PST = Limit("Pst at the seven test points of the four lamp and frequency pairs", 1.5, "%")
RESIDUAL = Limit("residual of dips and swells", 0.2, "% of U din")
DURATION = Limit("duration of dips and swells", 0.5, "cycles")

DECLARED_V = 230.0
SETTLING_S, SHORT_TERM_S, PIECE_S = 120, 600, 8
EVENT_CASES = 40
RECORD_S = 2.0


def flicker() -> Iterator[tuple[str, dict[Limit, Error]]]:
    """(case, errors) of each point: rectangular changes for which IEC 61000-4-15, table 5, asks a Pst of 1."""
    for (lamp, mains_hz), points in RECTANGULAR.items():
        for rate_hz in (4000.0, 8000.0) if (lamp, mains_hz) == (230, 50) else (4000.0,):
            meter = Flickermeter(len(points), rate_hz, lamp, mains_hz)
            for first_s in range(0, SETTLING_S + SHORT_TERM_S, PIECE_S):
                t = first_s + np.arange(round(PIECE_S * rate_hz)) / rate_hz
                carrier = mains(t, lamp, mains_hz)
                waves = [carrier * rectangular(t, cpm, change_pct) for cpm, change_pct in points.items()]
                meter.push(waves, [float(first_s)] * len(waves))
            found = meter.pst(float(SETTLING_S), float(SETTLING_S + SHORT_TERM_S))
            for cpm, pst in zip(points, found.tolist(), strict=True):
                size = 100.0 * abs(pst - 1.0)
                error = Error(size, f"{cpm} changes a minute") if np.isfinite(pst) else NOT_MEASURED
                yield f"{lamp} V, {mains_hz} Hz, fs {rate_hz:.0f}", {PST: error}


def dips_and_swells(rng: np.random.Generator) -> Iterator[tuple[str, dict[Limit, Error]]]:
    """(case, errors) of random dips and swells on one to three phases, against the rules of IEC 61000-4-30 applied to
    half-cycle values of the formula. Edges lie midway between samples: no sampler could tell where else."""
    keys = ("V1", "V2", "V3")
    for _ in range(EVENT_CASES):
        frequency_hz = float(rng.choice([50.0, 60.0, rng.uniform(42.5, 57.5), rng.uniform(51.0, 69.0)]))
        rate_hz = float(rng.choice([4000.0, 8000.0]))
        factor = float(rng.choice([rng.uniform(0.1, 0.88), rng.uniform(1.13, 1.6)]))
        start_s = (int(rng.uniform(0.7, 1.0) * rate_hz) + 0.5) / rate_hz
        end_s = start_s + int(rng.uniform(0.02, 0.6) * rate_hz) / rate_hz
        hit = tuple(str(key) for key in keys if rng.random() < 0.6) or keys[:1]
        shift_deg = float(rng.uniform(-60.0, 60.0))
        signal = EventMains(
            frequency_hz,
            harmonics={h: (0.03, float(rng.uniform(0.0, 360.0))) for h in (3, 5, 11)},
            disturbances=(Disturbance(start_s, end_s, factor, hit, shift_deg=shift_deg),),
            start_deg=float(rng.uniform(0.0, 360.0)),
        )
        chips = chips_of("3P", rate_hz)
        for chip in chips:
            chip.skew_s = 0.0
        bench = Bench(chips, "3P")
        bench.feed(blocks(signal, chips, RECORD_S, block=int(rate_hz / 10), whole_us=False))
        found, expected = bench.finish().events, signal.events(keys, RECORD_S)
        case = f"{frequency_hz:.2f} Hz, fs {rate_hz:.0f}, to {100 * factor:.0f} % for {1e3 * (end_s - start_s):.0f} ms"
        case += f", jump {shift_deg:.0f} deg"
        if [event.event for event in found] != [kind for kind, *_ in expected]:
            yield case, {RESIDUAL: NOT_MEASURED, DURATION: NOT_MEASURED}
            continue
        for event, (kind, begin_s, over_s, residual_v, _) in zip(found, expected, strict=True):
            off_cycles = abs(event.duration_s - (over_s - begin_s)) * frequency_hz
            yield (
                case,
                {
                    RESIDUAL: Error(100.0 * abs(event.residual_v - residual_v) / DECLARED_V, kind),
                    DURATION: Error(off_cycles, kind),
                },
            )
