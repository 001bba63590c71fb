"""Whole windows against closed-form truth: clocks off in rate and offset, a frequency response, every order."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from tests.fakes.mains_signal import Chip, Mains, Tone, blocks, flat, three_phase

SECTIONS = (
    SimpleNamespace(kind="highpass1", corner_hz=0.3125, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass1", corner_hz=7200.0, q=0.0, delay_us=0.0),
    SimpleNamespace(kind="lowpass2", corner_hz=1600.0, q=0.8, delay_us=0.0),
    SimpleNamespace(kind="delay", corner_hz=0.0, q=0.0, delay_us=310.0),
)


def front_end(f: np.ndarray) -> np.ndarray:
    """The same response, written out."""
    s = 2j * np.pi * np.asarray(f, dtype=float)
    w1, w2, w3 = 2 * np.pi * 0.3125, 2 * np.pi * 7200.0, 2 * np.pi * 1600.0
    return s / (s + w1) * w2 / (s + w2) * w3**2 / (s**2 + s * w3 / 0.8 + w3**2) * np.exp(-s * 310e-6)


def module(response: bool = True, rate_hz: float = 4000.0) -> list[Chip]:
    keys = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))
    clocks = ((40.0, 0.0), (-60.0, 131e-6), (180.0, 250e-6))
    shape: Callable[[np.ndarray], np.ndarray] = front_end if response else flat
    return [
        Chip(k, rate_hz, ppm, skew, responses=dict.fromkeys(k, shape))
        for k, (ppm, skew) in zip(keys, clocks, strict=True)
    ]


def analyse(
    mains: Mains, chips: list[Chip], seconds: float, system: str = "3P+N", finish: bool = False, whole_us: bool = True
) -> list[Measurement]:
    specs = [
        ChipSpec(
            chip.rate_hz,
            tuple(
                ChannelSpec(
                    k, "V" if k[0] == "V" else "A", response=SECTIONS if chip.responses.get(k) is front_end else ()
                )
                for k in chip.keys
            ),
        )
        for chip in chips
    ]
    analyser = Analyser(system, specs)
    results = []
    for block in blocks(mains, chips, seconds, whole_us=whole_us):
        analyser.push(*block)
        results += analyser.pull()
    return results + (analyser.finish() if finish else [])


def worst_errors(mains: Mains, found: Measurement, rate_hz: float) -> dict[str, float]:
    """Largest deviation of each kind: ratios of the quantity or the fundamental; Hz; degrees."""
    values = found.values
    errors: dict[str, list[float]] = {name: [0.0] for name in ("rms", "h1", "trusted", "indicative", "angle", "p", "q")}
    for key in mains.channels:
        one = abs(mains.tone(key, 1))
        errors["rms"].append(abs(values[f"{key}r"] / mains.rms(key) - 1))
        for h in range(1, found.band.indicative_to + 1):
            kind = "h1" if h == 1 else "trusted" if h <= found.band.trusted_to else "indicative"
            errors[kind].append(abs(found.orders[key][h] - abs(mains.tone(key, h))) / one)
            name = f"NI{h}" if key == "IN" else f"{key[1]}{key[0]}{h}"
            errors[kind].append(abs(values[name] / 100 - abs(mains.tone(key, h)) / one))
            own = f"V{key[1]}"
            if key != "IN" and abs(mains.tone(key, h)) and h <= found.band.trusted_to:
                # against the chip's own voltage: free of what is left of the skew
                measured = values[f"{key[1]}{key[0]}A{h}"] - h * values[f"{key[1]}VA1"]
                truth = math.degrees(cmath.phase(mains.tone(key, h)) - h * cmath.phase(mains.tone(own, 1)))
                errors["angle"].append(abs(math.remainder(measured - truth, 360)))
    for p in "123":
        s = mains.rms(f"V{p}") * mains.rms(f"I{p}")
        errors["p"].append(abs(values[f"P{p}"] - mains.power(f"V{p}", f"I{p}")) / s)
        q = (mains.tone(f"V{p}", 1) * mains.tone(f"I{p}", 1).conjugate()).imag
        errors["q"].append(abs(values[f"fSP{p}"] - q) / s)
        errors["p"].append(abs(values[f"SP{p}"] / s - 1))
    result = {name: max(found) for name, found in errors.items()}
    result["line"] = max(
        abs(values[f"V{a}{b}r"] / mains.difference_rms(f"V{a}", f"V{b}") - 1) for a, b in ("12", "23", "31")
    )
    distortion = [
        math.sqrt(sum(abs(mains.tone(k, h)) ** 2 for h in range(2, found.band.thd_to + 1))) / abs(mains.tone(k, 1))
        for k in ("V1", "I3")
    ]
    result["thd"] = max(abs(values[f"TH{k}"] / 100 - d) for k, d in zip(("V1", "I3"), distortion, strict=True))
    return result


def check(errors: dict[str, float]) -> None:
    """Ten times what was reached when this was written, 30 times under what is asked of the measurement."""
    limits = {"rms": 1e-5, "h1": 1e-5, "trusted": 3e-5, "indicative": 3e-4, "angle": 0.05, "p": 1e-5, "q": 1e-5}
    limits |= {"line": 1e-4, "thd": 2e-5}
    assert {k: v for k, v in errors.items() if not v <= limits[k]} == {}


@pytest.mark.parametrize("frequency_hz", [42.5, 49.5, 50.0, 57.45, 60.0, 69.0])
def test_every_order_with_clocks_and_response(frequency_hz: float) -> None:
    mains = three_phase(frequency_hz, int(0.495 * 4000 / frequency_hz), seed=int(frequency_hz))
    results = analyse(mains, module(), 1.1)
    assert len(results) >= 4
    for found in results:
        assert found.flags == ()
        assert found.window == "10/12-cycle"
        check(worst_errors(mains, found, 4000.0))
        for name in ("Fqai", "Fq1i", "Fq2i", "Fq3i"):
            assert found.values[name] == pytest.approx(frequency_hz, abs=2e-4)


@settings(max_examples=12, deadline=None)
@given(
    st.floats(42.5, 57.5) | st.floats(51.0, 69.0),
    st.sampled_from([4000.0, 4098.0, 8000.0]),
    st.integers(0, 10_000),
)
def test_search_for_the_worst_case(frequency_hz: float, rate_hz: float, seed: int) -> None:
    mains = three_phase(frequency_hz, min(45, int(0.49 * rate_hz / frequency_hz)), seed=seed)
    results = analyse(mains, module(rate_hz=rate_hz), 0.6)
    assert results
    for found in results:
        check(worst_errors(mains, found, rate_hz))


def test_windows_are_gapless_and_whole() -> None:
    results = analyse(three_phase(49.87, 5), module(), 3.0)
    for before, after in pairwise(results):
        assert after.start_s == pytest.approx(before.end_s, abs=1e-9)
    for found in results:
        assert (found.end_s - found.start_s) * 49.87 == pytest.approx(10.0, abs=2e-5)
        # true UTC of the end: the mains began at 1000 s of the module's clock
        assert found.end_ns == pytest.approx(1_700_000_000e9 + (found.end_s - 1000.0) * 1e9, abs=3e3)


def test_a_window_comes_out_within_60_ms_of_its_end() -> None:
    mains, chips = three_phase(50.0, 3), module(False)
    analyser = Analyser(
        "3P+N", [ChipSpec(4000.0, tuple(ChannelSpec(k, k[0].replace("I", "A")) for k in c.keys)) for c in chips]
    )
    for block in blocks(mains, chips, 1.5, block=20):
        analyser.push(*block)
        for found in analyser.pull():
            newest = block[3] * 1e-6 + 20 / 4000
            assert newest - found.end_s <= 0.060


def test_drifting_frequency() -> None:
    mains = three_phase(49.6, 25, drift_hz_s=1.0)
    for found in analyse(mains, module(), 1.6):
        errors = worst_errors(mains, found, 4000.0)
        assert errors["rms"] < 2e-5
        assert errors["h1"] < 2e-5
        assert errors["trusted"] < 1e-4
        middle = 0.5 * (found.start_s + found.end_s) - 1000.0
        assert found.values["Fqai"] == pytest.approx(49.6 + middle, abs=5e-4)


def test_interharmonics_beside_the_harmonics_fall_into_their_subgroups() -> None:
    mains = three_phase(50.0, 1)
    mains.channels["V1"] += [Tone(5, 4.0, 10.0), Tone(5.1, 3.0, 77.0), Tone(6.5, 2.3, 20.0), Tone(1.5, 2.3, 0.0)]
    for found in analyse(mains, module(), 1.2):
        assert found.orders["V1"][5] == pytest.approx(5.0, abs=2e-3)  # sqrt(4^2 + 3^2)
        assert found.orders["V1"][6] == pytest.approx(0.0, abs=5e-3)
        assert found.orders["V1"][1] == pytest.approx(230.0, abs=2e-3)
        assert found.values["V1r"] == pytest.approx(mains.rms("V1"), rel=2e-5)


def test_noise_does_not_shift_the_result() -> None:
    mains, chips = three_phase(50.02, 20), module(False)
    for chip in chips:
        chip.noise_rms = 0.0
    chips[1].noise_rms = 0.023  # 80 dB under 230 V
    results = analyse(mains, chips, 6.0)
    level = np.array([found.orders["V2"][1] for found in results])
    sigma = 0.023 * math.sqrt(2 / 800) / math.sqrt(2)
    assert np.abs(level - abs(mains.tone("V2", 1))).max() < 6 * sigma
    assert math.sqrt(np.mean((level - abs(mains.tone("V2", 1))) ** 2)) < 1.5 * sigma + 0.5e-6 * 230


def test_unbalance_with_skewed_chips() -> None:
    angles = (20.0, -103.0, 137.5)
    channels = {f"V{p + 1}": [Tone(1, (230.0, 222.0, 236.0)[p], angles[p])] for p in range(3)}
    channels |= {f"I{p + 1}": [Tone(1, 5.0, angles[p])] for p in range(3)} | {"IN": [Tone(1, 1.0, 0.0)]}
    mains = Mains(49.9, channels)
    a = cmath.exp(2j * math.pi / 3)
    v = [mains.tone(f"V{p}", 1) for p in (1, 2, 3)]
    one, two, zero = (v[0] + a * v[1] + a**2 * v[2], v[0] + a**2 * v[1] + a * v[2], sum(v))
    for found in analyse(mains, module(), 1.0):
        assert found.values["u2"] == pytest.approx(100 * abs(two / one), abs=0.02)
        assert found.values["u0"] == pytest.approx(100 * abs(zero / one), abs=0.02)
        assert found.values["V12a"] == pytest.approx(123.0, abs=0.03)
        assert found.values["V31a"] == pytest.approx(117.5, abs=0.03)
        assert found.values["Prot"] == 1
