"""Numbers read off the curves: value at an instant, peak to peak, crest factor; and the table for a file. No Qt."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from widgets.scope.source import RAW_POINTS, Trace, WaveformSource
from widgets.scope.trigger import HYSTERESIS, crossings, swing

NEIGHBOURS_S = 5e-3
"""How far around an instant samples are asked for; lower rates than 400 Hz have no waveform."""
STATISTICS_LONGEST_S = 20.0
CSV_LONGEST_POINTS = 100_000
"""Beyond it a file holds the extremes that are drawn."""


def values_at(source: WaveformSource, time_s: float, channels: Sequence[str]) -> dict[str, float | None]:
    """Value of each channel on the straight line between the two samples around an instant; None across a gap."""
    traces = source.read(time_s - NEIGHBOURS_S, time_s + NEIGHBOURS_S, RAW_POINTS, channels=tuple(channels))
    return {trace.key: value_of(trace, time_s) for trace in traces}


def value_of(trace: Trace, time_s: float) -> float | None:
    """Value of one trace of samples at an instant; None outside it and across a gap."""
    after = int(np.searchsorted(trace.time_s, time_s))
    if after < len(trace.time_s) and trace.time_s[after] == time_s:
        value = float(trace.value[after])
        return value if math.isfinite(value) else None
    if not 0 < after < len(trace.time_s):
        return None
    value = float(np.interp(time_s, trace.time_s[after - 1 : after + 1], trace.value[after - 1 : after + 1]))
    return value if math.isfinite(value) else None


def peak_to_peak_and_crest(trace: Trace) -> tuple[float | None, float | None]:
    """(peak to peak, crest factor) of a trace of samples.

    Crest factor: largest magnitude by rms (IEC 61000-4-30 annex), both over the whole cycles in view, counted from
    crossing to crossing of the mean. None where there is no whole cycle or a gap lies in it.
    """
    whole = swing(trace.value)
    if whole == 0.0:
        return None, None
    mean = float(np.nanmean(trace.value))
    instants = crossings(trace.time_s, trace.value, mean, hysteresis=max(HYSTERESIS, 0.1) * whole)
    if len(instants) < 2:
        return whole, None
    first, last = np.searchsorted(trace.time_s, instants[[0, -1]])
    cycles = trace.value[first:last].astype(np.float64)
    rms = math.sqrt(float(np.mean(cycles**2)))
    return whole, float(np.max(np.abs(cycles))) / rms if math.isfinite(rms) and rms > 0 else None


def csv_text(source: WaveformSource, start_s: float, stop_s: float, origin_s: float, channels: Sequence[str]) -> str:
    """The samples from start to stop as a table; times in seconds relative to `origin_s`.

    One column of time for all channels that were sampled at the same instants (each front-end chip has its own). Where
    a channel has more than 100 000 samples: least and largest value of each bin instead. A missing value is empty.
    """
    traces = source.read(start_s, stop_s, CSV_LONGEST_POINTS, channels=tuple(channels))
    names: list[str] = []
    columns: list[list[str]] = []
    times: list[Trace] = []
    for trace in traces:
        unit = "v" if trace.key.startswith("V") else "a"
        step = 2 if trace.envelope else 1
        if not any(np.array_equal(trace.time_s, known.time_s) for known in times):
            times.append(trace)
            names.append("time_s" if len(times) == 1 else f"time_{len(times)}_s")
            columns.append([f"{time:.7f}" for time in (trace.time_s[::step] - origin_s).tolist()])
        if trace.envelope and trace.low is not None and trace.high is not None:
            names += [f"{trace.key}_low_{unit}", f"{trace.key}_high_{unit}"]
            columns += [_texts(trace.low), _texts(trace.high)]
        else:
            names.append(f"{trace.key}_{unit}")
            columns.append(_texts(trace.value))
    rows = max((len(column) for column in columns), default=0)
    padded = [column + [""] * (rows - len(column)) for column in columns]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(zip(*padded, strict=True))
    return text.getvalue()


def _texts(values: np.ndarray) -> list[str]:
    return [f"{value:.7g}" if math.isfinite(value) else "" for value in values.tolist()]
