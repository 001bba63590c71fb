"""Truth against brute force: the mains formulas integrated over whole windows at a high rate."""

import cmath
import math

import numpy as np
import pytest

from device_io.virtual_module.front_end import noise_rms
from device_io.virtual_module.mains import Frequency, Mains, Tone, wave
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.presets import Preset, UnknownPreset, preset, preset_names
from device_io.virtual_module.wiring import Wiring
from resources.parameters import keys_for
from resources.systems import SYSTEMS, channels_of, phases_of

STEADY = [name for name in preset_names() if name not in ("flicker", "dip", "solar")]


def _terminals(name, system, t):
    """Values of the inputs, written out without the module's own tables."""
    mains = preset(name).mains
    lines = {f"L{n}": mains.value(f"V{n}", t) for n in (1, 2, 3)} | {"N": np.zeros_like(t)}
    volts = {key: lines[f"L{key[1]}"] for key in ("V1", "V2", "V3")} | {"N": lines["N"]}
    flows = {f"I{n}": mains.value(f"I{n}", t) for n in (1, 2, 3)}
    if system == "3P":
        mean = sum(flows.values()) / 3.0
        flows = {key: value - mean for key, value in flows.items()}
    phases = phases_of(system)
    amps = {**flows, "IN": sum(flows[f"I{n}"] for n in phases)}
    fault = name.removeprefix("wiring-") if name.startswith("wiring-") else ""
    if fault == "voltage-swap":
        volts["V2"], volts["V3"] = volts["V3"], volts["V2"]
    elif fault == "rotation":
        volts["V1"], volts["V2"], volts["V3"] = volts["V2"], volts["V3"], volts["V1"]
    elif fault == "current-reversed":
        amps["I2"] = -amps["I2"]
    elif fault == "all-currents-reversed":
        amps |= {key: -amps[key] for key in ("I1", "I2", "I3")}
    elif fault == "current-swap":
        amps["I1"], amps["I2"] = amps["I2"], amps["I1"]
    elif fault == "current-rotation":
        amps["I1"], amps["I2"], amps["I3"] = amps["I2"], amps["I3"], amps["I1"]
    elif fault == "current-swap-reversed":
        amps["I1"], amps["I3"] = -amps["I3"], amps["I1"]
    elif fault == "neutral-on-phase":
        volts["V1"], volts["N"] = volts["N"], volts["V1"]
    elif fault == "duplicate-phase":
        volts["V2"] = volts["V1"]
    elif fault == "neutral-reversed":
        amps["IN"] = -amps["IN"]
    connected = ["V1", "V2"] if fault == "missing-phase" else ["V1", "V2", "V3"]
    reference = sum(volts[key] for key in connected) / len(connected) if system == "3P" else volts["N"]
    result = {key: volts[key] - reference for key in ("V1", "V2", "V3")} | amps
    if fault == "missing-phase":
        result["V3"] = np.zeros_like(t)
    return {key: result[key] for key in channels_of(system)}


def _close(value, expected, scale, slack=0.0):
    assert value is not None
    assert value == pytest.approx(expected, abs=2e-9 * scale + 1e-9 + slack, rel=1e-9)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", STEADY)
def test_truth_is_what_numerical_integration_finds(name, system):
    module = VirtualModule(name, system)
    f = module.preset.mains.frequency.hz
    cycles = 12 if f > 55 else 10
    count = 20_000
    t = np.arange(count) / count * cycles / f
    inputs = _terminals(name, system, t)
    sigma = {c.key: noise_rms(c) for c in module.info.channels}
    if name == "workshop":
        sigma = {key: math.hypot(value, 0.05 if key[0] == "V" else 0.01) for key, value in sigma.items()}
    # Noise referred to the terminals: white up to 1980 Hz, behind a low-pass with power gain 1 / (1 + u f2 + w f4).
    f2 = 1980.0**2
    gain = 0.99 * (1.0 - 2.0640e-8 * f2 / 3.0 + 1.59928e-13 * f2**2 / 5.0)
    sigma = {key: value * math.sqrt(gain) for key, value in sigma.items()}
    truth = module.truth
    assert list(truth) == list(keys_for(system))
    last = min(40, math.floor(0.495 * 4000.0 / f))
    rms = {}
    slack = {}  # the noise is known to 0.3 % only: lines of 5 Hz here, an integral there
    phasor = {}
    for key, values in inputs.items():
        rms[key] = math.sqrt(np.mean(values**2) + sigma[key] ** 2)
        slack[key] = 3e-3 * sigma[key] ** 2 / rms[key]
        _close(truth[f"{key}r"], rms[key], 400.0, slack[key])
        bins = np.fft.rfft(values) / count * math.sqrt(2.0)
        phasor[key] = bins[cycles]
        listed = "NI" if key == "IN" else f"{key[1]}{key[0]}"
        if abs(bins[cycles]) < 1e-9:
            assert truth[f"{listed}1"] is None
            continue
        groups = [math.hypot(*np.abs(bins[cycles * h - 1 : cycles * h + 2])) for h in range(41)]
        for order in range(1, 41):
            if order > last:
                assert truth[f"{listed}{order}"] is None
            else:
                _close(truth[f"{listed}{order}"], 100.0 * groups[order] / groups[1], 100.0)
        distortion = 100.0 * math.hypot(*groups[2 : last + 1]) / groups[1]
        _close(truth["THIN" if key == "IN" else f"TH{key}"], distortion, 100.0)
    active = {}
    for p in phases_of(system):
        v, i = inputs[f"V{p}"], inputs[f"I{p}"]
        active[p] = float(np.mean(v * i))
        _close(truth[f"P{p}"], active[p], 1e4)
        both = slack[f"V{p}"] * rms[f"I{p}"] + slack[f"I{p}"] * rms[f"V{p}"]
        _close(truth[f"SP{p}"], rms[f"V{p}"] * rms[f"I{p}"], 1e4, both)
        product = phasor[f"V{p}"] * np.conj(phasor[f"I{p}"])
        _close(truth[f"fSP{p}"], product.imag, 1e4)
        if abs(product) > 1e-6:
            apparent = rms[f"V{p}"] * rms[f"I{p}"]
            _close(truth[f"PF{p}i"], active[p] / apparent, 1.0, both / apparent)
            _close(truth[f"{p}P1"], product.real, 1e4)
            turned = math.radians(truth[f"phi{p}"]) - cmath.phase(product)
            assert math.cos(turned) == pytest.approx(1.0, abs=1e-12)
    _close(truth["Pc"], sum(active.values()), 1e5)
    if len(active) == 3:
        for a, b in ((1, 2), (2, 3), (3, 1)):
            between = inputs[f"V{a}"] - inputs[f"V{b}"]
            square = np.mean(between**2) + sigma[f"V{a}"] ** 2 + sigma[f"V{b}"] ** 2
            noise = 3e-3 * (sigma[f"V{a}"] ** 2 + sigma[f"V{b}"] ** 2) / math.sqrt(square)
            _close(truth[f"V{a}{b}r"], math.sqrt(square), 400.0, noise)
        a = cmath.exp(2j * math.pi / 3)
        one, two, three = (phasor[f"V{p}"] for p in (1, 2, 3))
        positive, negative = one + a * two + a * a * three, one + a * a * two + a * three
        if min(abs(one), abs(two), abs(three)) < 1e-9:
            assert truth["u2"] is None
        elif abs(positive) > 1.0:
            _close(truth["u2"], 100.0 * abs(negative / positive), 1e6)
            if system == "3P+N":
                _close(truth["u0"], 100.0 * abs((one + two + three) / positive), 1e6)
        if abs(abs(positive) - abs(negative)) > 1.0:
            assert truth["Prot"] == (1.0 if abs(positive) > abs(negative) else 0.0)


def test_office_is_the_office_it_claims_to_be():
    truth = VirtualModule("office").truth
    for key, value in {"V1r": 231.6, "V2r": 229.9, "V3r": 230.8, "I1r": 14.5, "I2r": 12.2, "I3r": 10.2}.items():
        assert truth[key] == pytest.approx(value, abs=1e-3)
    assert truth["Fqai"] == 49.98
    assert truth["INr"] == pytest.approx(7.5, abs=0.1)
    assert truth["3V15"] == pytest.approx(0.46)
    assert [truth[f"THI{p}"] for p in (1, 2, 3)] == pytest.approx([19, 24, 34], abs=0.1)
    assert truth["V12a"] == pytest.approx(120.0)


def test_signs_import_and_inductive_are_positive():
    clean = VirtualModule("clean").truth
    assert clean["P1"] == pytest.approx(2300 * math.cos(math.radians(30)))
    assert clean["fSP1"] == pytest.approx(1150.0)
    assert clean["phi1"] == pytest.approx(30.0)
    for key in ("dPFc", "PFc", "PF1i"):
        assert clean[key] == pytest.approx(math.cos(math.radians(30)), abs=1e-6)
    assert clean["dPF1"] == pytest.approx(math.cos(math.radians(30)))
    solar = VirtualModule("solar").truth
    assert solar["Pc"] < -8000
    assert solar["PF1i"] < -0.99


@pytest.mark.parametrize("name", ["flicker", "dip"])
def test_what_varies_has_no_truth(name):
    truth = VirtualModule(name).truth
    assert truth["V1r"] is None
    assert truth["P1"] is None
    assert truth["Pc"] is None
    assert truth["Fqai"] == 50.0


def test_a_wandering_frequency_has_no_truth():
    truth = VirtualModule("solar").truth
    assert truth["Fqai"] is None
    assert truth["V1r"] == pytest.approx(238.2, abs=1e-3)


def test_a_tone_between_the_bins_beats_and_has_no_truth():
    waves = {"V1": wave(230.0, others=[Tone(1.0, frequency_hz=183.0)]), "I1": wave(5.0)}
    truth = VirtualModule(Preset("x", "", 230.0, 50.0, Mains(Frequency(50.0), waves)), "1P").truth
    assert truth["V1r"] is None
    assert truth["I1r"] == pytest.approx(5.0, abs=1e-6)
    assert truth["P1"] is None


def test_energies_have_no_truth():
    truth = VirtualModule("clean").truth
    assert all(truth[key] is None for key in ("tAE1", "SEc", "fQE2", "EPc+"))


def test_broken_neutral_moves_the_star_point_only():
    truth = VirtualModule("broken-neutral").truth
    assert truth["V1r"] > 264.5
    assert truth["V3r"] < 195.5
    for pair in ("V12r", "V23r", "V31r"):
        assert truth[pair] == pytest.approx(230.0 * math.sqrt(3.0), abs=1e-2)
    assert truth["u2"] < 1e-9
    assert truth["INr"] < 0.01


def test_us_house_has_two_legs():
    truth = VirtualModule("us-house").truth
    assert truth["V12r"] == pytest.approx(truth["V1r"] + truth["V2r"], abs=0.01)
    assert abs(truth["V12a"]) == pytest.approx(180.0)
    assert truth["V3r"] < 0.05
    assert truth["Fqai"] == 60.0
    assert truth["1V33"] is not None
    assert truth["1V34"] is None


def test_an_unknown_preset_lists_those_there_are():
    with pytest.raises(UnknownPreset, match=r"'offfice'.*clean, office, workshop.*wiring-voltage-swap"):
        preset("offfice")
    with pytest.raises(UnknownPreset):
        preset("wiring-")


def test_wiring_says_what_an_input_carries():
    wiring = Wiring({"V3": None}, {"I1": "-L2"})
    assert wiring.conductor("V1") == "L1"
    assert wiring.conductor("V3") is None
    assert wiring.conductor("I1") == "-L2"
    assert wiring.conductor("IN") == "N"
    assert wiring.rows("3P+N")["I1"] == {"I2": -1.0}
