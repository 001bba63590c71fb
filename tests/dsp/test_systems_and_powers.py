"""Wiring systems, direction of power, no load, files; the values beside rms and orders."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.measurement import Measurement
from resources.systems import SYSTEMS, channels_of
from tests.fakes.mains_signal import Chip, Mains, Tone, blocks, three_phase


def run(
    mains: Mains, system: str, seconds: float = 0.9, full_scale: bool = False, noise: float = 0.0
) -> list[Measurement]:
    keys = [k for k in channels_of(system) if k in mains.channels]
    chip = Chip(tuple(keys), ppm=30.0, noise_rms=noise)
    specs = tuple(
        ChannelSpec(k, "V", 450.0 if full_scale else None)
        if k[0] == "V"
        else ChannelSpec(k, "A", 80.0 if full_scale else None)
        for k in keys
    )
    analyser = Analyser(system, [ChipSpec(4000.0, specs)], module="00112233AABBCCDD")
    results = []
    for block in blocks(mains, [chip], seconds):
        analyser.push(*block)
        results += analyser.pull()
    assert results
    return results


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("frequency_hz", [50.0, 60.0])
def test_each_wiring_system(system: str, frequency_hz: float) -> None:
    mains = three_phase(frequency_hz, 20, share=0.02)
    for found in run(mains, system):
        v = found.values
        assert found.flags == ()
        assert found.system == system
        assert found.module == "00112233AABBCCDD"
        phases = "1" if system.startswith("1P") else "123"
        for key in channels_of(system):
            assert v[f"{key}r"] == pytest.approx(mains.rms(key), rel=1e-5)
        total = sum(mains.power(f"V{p}", f"I{p}") for p in phases)
        apparent = sum(mains.rms(f"V{p}") * mains.rms(f"I{p}") for p in phases)
        assert v["Pc"] == pytest.approx(total, rel=1e-5)
        assert v["SPc"] == pytest.approx(apparent, rel=1e-5)
        assert v.get("Sa") == (v["SPc"] if len(phases) == 3 else None)
        assert v["PFc"] == pytest.approx(total / apparent, rel=2e-5)
        for p in phases:
            theta = np.angle(mains.tone(f"V{p}", 1) / mains.tone(f"I{p}", 1))
            assert v[f"phi{p}"] == pytest.approx(math.degrees(theta), abs=1e-3)
            assert v[f"dPF{p}"] == pytest.approx(math.cos(theta), abs=1e-5)
            s = mains.rms(f"V{p}") * mains.rms(f"I{p}")
            assert v[f"PF{p}i"] == pytest.approx(mains.power(f"V{p}", f"I{p}") / s, rel=2e-5)
            assert v[f"{p}P7"] == pytest.approx(
                (mains.tone(f"V{p}", 7) * mains.tone(f"I{p}", 7).conjugate()).real, abs=1e-3
            )
            assert v[f"{p}V1"] == pytest.approx(100.0)
        assert ("V12r" in v) == ("Prot" in v) == ("u2" in v) == (len(phases) == 3)
        assert ("u0" in v) == (system == "3P+N")
        assert ("INr" in v) == ("NI3" in v) == ("THIN" in v) == system.endswith("+N")
        if system.endswith("+N"):
            assert v["NI3"] == pytest.approx(100 * 2.0 / 3.0, rel=1e-4)
        assert found.phasors["V1"].imag == pytest.approx(0.0, abs=1e-9)


def test_effective_apparent_power_of_four_and_three_wires() -> None:
    """One loaded phase: Se = 3 Ve Ie, by hand after IEEE 1459."""
    mains = Mains(50.0, {f"V{p + 1}": [Tone(1, 230.0, -120.0 * p)] for p in range(3)})
    mains.channels |= {"I1": [Tone(1, 10.0, 0.0)], "I2": [Tone(1, 1e-9, 0.0)], "I3": [Tone(1, 1e-9, 0.0)]}
    mains.channels["IN"] = [Tone(1, 10.0, 0.0)]
    values = run(mains, "3P+N")[-1].values
    assert values["Se"] == pytest.approx(3 * 230.0 * math.sqrt(200.0 / 3), rel=1e-5)
    assert values["PFe"] == pytest.approx(2300.0 / values["Se"], rel=1e-6)
    values = run(mains, "3P")[-1].values
    assert values["Se"] == pytest.approx(3 * 230.0 * math.sqrt(100.0 / 3), rel=1e-5)


def test_export_and_capacitive_load() -> None:
    mains = Mains(50.0, {"V1": [Tone(1, 230.0, 0.0)], "I1": [Tone(1, 8.0, 180.0 - 20.0)]})
    found = run(mains, "1P")[-1].values
    assert found["P1"] == pytest.approx(-230 * 8 * math.cos(math.radians(20)), rel=1e-5)
    assert found["PF1i"] == pytest.approx(-math.cos(math.radians(20)), rel=1e-5)
    assert found["fSP1"] == pytest.approx(230 * 8 * math.sin(math.radians(-160)), rel=1e-4)
    assert found["phi1"] == pytest.approx(-160.0, abs=1e-3)
    assert found["EP1+"] == 0.0
    assert found["EP1-"] > 0.0
    leading = Mains(50.0, {"V1": [Tone(1, 230.0, 0.0)], "I1": [Tone(1, 8.0, 60.0)]})
    found = run(leading, "1P")[-1].values
    assert found["fSP1"] == pytest.approx(-230 * 8 * math.sin(math.radians(60)), rel=1e-5)


def test_energies_are_power_times_true_time() -> None:
    mains = three_phase(50.1, 5)
    results = run(mains, "3P+N", seconds=3.0)
    hours = (results[-1].end_s - results[0].start_s) / 3600
    total = sum(mains.power(f"V{p}", f"I{p}") for p in "123")
    assert results[-1].values["tAEc"] == pytest.approx(total * hours, rel=2e-5)
    assert results[-1].values["EPc+"] == pytest.approx(total * hours, rel=2e-5)
    assert results[-1].values["EPc-"] == 0.0
    reactive = sum(float((mains.tone(f"V{p}", 1) * mains.tone(f"I{p}", 1).conjugate()).imag) for p in "123")
    assert results[-1].values["fQEc"] == pytest.approx(reactive * hours, rel=2e-5, abs=1e-4)


@pytest.mark.parametrize("noise", [0.0, 3e-4])
def test_no_load_gives_no_factor_angle_or_harmonics(noise: float) -> None:
    mains = three_phase(50.0, 7)
    for key in ("I1", "I2", "I3", "IN"):
        mains.channels[key] = []
    found = run(mains, "3P+N", full_scale=True, noise=noise)[-1]
    v = found.values
    assert v["V1r"] == pytest.approx(mains.rms("V1"), rel=1e-5)
    assert v["I1r"] == pytest.approx(0.0, abs=1e-3)
    assert v["P1"] == pytest.approx(0.0, abs=1e-1)
    for key in ("PF1i", "phi1", "dPF1", "PFc", "PFe", "dPFc"):
        assert v.get(key) is None
    for key in ("THI1", "1I1", "1I5", "NI3", "THIN", "1IA3", "CFI1", "KF1"):
        assert v[key] is None
    assert v["1V5"] == pytest.approx(1.0, rel=0.01)
    if noise:
        assert found.flags == ()
    assert "I1" not in found.phasors


def test_reverse_rotation_and_a_missing_phase() -> None:
    reverse = Mains(50.0, {f"V{p + 1}": [Tone(1, 230.0, 120.0 * p)] for p in range(3)})
    reverse.channels |= {f"I{p + 1}": [Tone(1, 5.0, 120.0 * p)] for p in range(3)}
    found = run(reverse, "3P")[-1].values
    assert found["Prot"] == 0.0
    assert found.get("u2") is None
    assert found["V12a"] == pytest.approx(-120.0, abs=1e-3)
    reverse.channels["V2"] = []
    missing = run(reverse, "3P")[-1]
    assert missing.values.get("Prot") is None
    assert missing.values.get("V12a") is None
    assert missing.values["V2r"] == 0.0
    assert missing.values["1V3"] is not None
    assert missing.values["2V3"] is None
    assert "dead-channel" in missing.flags


def test_crest_and_k_factor() -> None:
    mains = Mains(50.0, {"V1": [Tone(1, 230.0, 0.0)], "I1": [Tone(1, 10.0, 0.0), Tone(5, 2.0, 0.0)]})
    found = run(mains, "1P")[-1].values
    assert found["CFV1"] == pytest.approx(math.sqrt(2), rel=1e-4)
    assert found["CFI1"] == pytest.approx(math.sqrt(2) * 12 / math.sqrt(104), rel=2e-3)
    assert found["KF1"] == pytest.approx((100 + 25 * 4) / 104, rel=1e-4)


def test_currents_alone_carry_the_windows() -> None:
    mains = three_phase(51.3, 9)
    mains.channels = {k: t for k, t in mains.channels.items() if k[0] == "I"}
    for found in run(mains, "3P+N"):
        assert found.values["Fqai"] == pytest.approx(51.3, abs=1e-3)
        assert found.values["Fq2i"] == pytest.approx(51.3, abs=1e-3)
        assert found.values["I2r"] == pytest.approx(mains.rms("I2"), rel=1e-5)
        assert "P1" not in found.values
        assert "Pc" not in found.values


def test_nominal_frequency_decides_between_ten_and_twelve_cycles() -> None:
    mains, chip = three_phase(54.0, 3), Chip(("V1", "I1"))
    lengths = []
    for nominal in (None, 50.0, 60.0):
        spec = ChipSpec(4000.0, (ChannelSpec("V1", "V"), ChannelSpec("I1", "A")))
        analyser = Analyser("1P", [spec], nominal_frequency_hz=nominal)
        for block in blocks(mains, [chip], 0.8):
            analyser.push(*block)
        found = analyser.pull()[0]
        lengths.append(round((found.end_s - found.start_s) * 54.0, 3))
    assert lengths == [10.0, 10.0, 12.0]
