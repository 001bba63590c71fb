"""Runs spoilt samples through the analyser and holds every measurement against what must be true of all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator

import numpy as np

from app.measurement_json import to_json
from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import FLAGS, Measurement
from tests.fakes.accuracy_case import CHIPS, Case

CASE = Case(50.2, ppm=(30.0, -80.0, 120.0), skew_us=(0.0, 90.0, 210.0), seed=4)
Block = tuple[int, int, np.ndarray, float, int]


def engine(full_scale_v: float | None = 500.0) -> Analyser:
    """Inputs with a range, as a module has them."""
    specs = [
        ChipSpec(
            4000.0,
            tuple(ChannelSpec(k, "V", full_scale_v) if k[0] == "V" else ChannelSpec(k, "A", 60.0) for k in keys),
        )
        for keys in CHIPS
    ]
    return Analyser("3P+N", specs)


def analysed(blocks: Iterator[Block], analyser: Analyser | None = None, *, finish: bool = True) -> list[Measurement]:
    """All measurements; each must be sound."""
    analyser = analyser or engine()
    results = []
    for block in blocks:
        analyser.push(*block)
        results += analyser.pull()
    results += analyser.finish() if finish else []
    for found in results:
        sound(found)
    return results


def sound(found: Measurement) -> None:
    """What holds for every measurement, whatever came in."""
    assert set(found.flags) <= set(FLAGS)
    assert len(set(found.flags)) == len(found.flags)
    text = json.dumps(to_json(found), allow_nan=False)
    assert "NaN" not in text
    assert "Infinity" not in text
    for phasor in found.phasors.values():
        assert math.isfinite(abs(phasor))
    assert found.samples_lost >= 0
    if "gap" in found.flags:
        assert measured_values(found) == {}


def measured_values(found: Measurement) -> dict[str, float]:
    """What the interval itself gave: energy registers go on through gaps and are left out."""
    registers = ("tAE", "SE1", "SE2", "SE3", "SEc", "fQE", "EP", "EQ")
    values = to_json(found)["values"].items()
    return {key: value for key, value in values if value is not None and not key.startswith(registers)}


def changed(change: Callable[[int, int, np.ndarray], np.ndarray], seconds: float = 2.0, case: Case = CASE):
    """The blocks of a case with their samples changed: change(chip, first index, samples) -> samples."""
    for chip, first, samples, time_us, utc_ns in case.blocks(seconds):
        yield chip, first, change(chip, first, samples.copy()), time_us, utc_ns


def good(results: list[Measurement]) -> list[Measurement]:
    return [found for found in results if found.flags == () and found.window == "10/12-cycle"]


def true_rms(key: str, case: Case = CASE) -> float:
    return float(np.sqrt(np.sum(np.abs(case.tones()[key]) ** 2)))
