"""From lines to the values of the table: each key against its definition, on lines set by hand."""

from __future__ import annotations

import cmath
import json
import math

import numpy as np
import pytest

from dsp.channels import ChannelSpec
from dsp.energy import EnergyMeter
from dsp.measurement import Band
from dsp.quantities import Quantities, QuantityTable
from dsp.spectrum import Spectrum
from dsp.values import Layout, Values
from resources.parameters import keys_for
from resources.systems import SYSTEMS, channels_of

BETWEEN = {"1V": 2.0, "3I": 1.5}
"""Interharmonics, % of the fundamental, in the middle after order 4."""


def lines_of(keys: tuple[str, ...], cycles: int, count: int, seed: int = 3) -> np.ndarray:
    """Every order at about 1 %, random angles; 2 % of direct current."""
    rng = np.random.default_rng(seed)
    lines = np.zeros((len(keys), count + 1), dtype=complex)
    for row, key in enumerate(keys):
        size = {"V": 230.0, "I": 10.0}[key[0]] * rng.uniform(0.9, 1.1)
        phase = int(key[1]) - 1 if key[1] != "N" else 0
        for h in range(2, 41):
            if h * cycles < count:
                lines[row, h * cycles] = 0.01 * size * rng.uniform(0.5, 1.5) * cmath.exp(2j * math.pi * rng.random())
        lines[row, cycles] = size * cmath.exp(1j * (rng.uniform(-0.3, 0.3) - 2 * math.pi / 3 * phase))
        lines[row, 0] = 0.02 * size
        share = BETWEEN.get(f"{key[1]}{key[0]}", 0.0) / 100
        lines[row, 4 * cycles + cycles // 2] = share * abs(lines[row, cycles]) * cmath.exp(1j * (1.0 + row))
    return lines


def spectrum(lines: np.ndarray, cycles: int, band: Band, blocked: tuple[int, ...] = ()) -> Spectrum:
    measured = np.ones(lines.shape, dtype=bool)
    measured[list(blocked), 0] = False
    lines[list(blocked), 0] = 0.0
    return Spectrum(lines, measured, 0.2, cycles, lines.shape[1] - 1, band)


def specs(keys: tuple[str, ...]) -> list[ChannelSpec]:
    return [ChannelSpec(key, "V" if key[0] == "V" else "A") for key in keys]


def measure(system: str, cycles: int = 10, **options: float) -> tuple[np.ndarray, Quantities, int]:
    keys, last = channels_of(system), {10: 39, 12: 33}[cycles]
    lines = lines_of(keys, cycles, 397)
    table = QuantityTable(system, specs(keys), **options)
    return lines, table.measure(spectrum(lines, cycles, Band(32, last, last))), last


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("cycles", [10, 12])
def test_every_key_against_its_definition(system: str, cycles: int) -> None:
    lines, found, last = measure(system, cycles, demand_current_a=20.0)
    keys, v = channels_of(system), found.values
    turn = np.conj(lines[0, cycles]) / abs(lines[0, cycles])
    truth: dict[str, float | None] = {}
    for row, key in enumerate(keys):
        x = lines[row, :397]
        one = abs(x[cycles])
        rms = math.sqrt(float(np.sum(np.abs(x) ** 2)))
        shares = {h: abs(x[h * cycles]) / one for h in range(2, last + 1)}
        truth[f"{key}r"] = rms
        truth[f"TH{key}"] = 100 * math.sqrt(sum(s**2 for s in shares.values()))
        name = "NI" if key == "IN" else key[1] + key[0]
        for h in range(1, 41):
            truth[f"{name}{h}"] = 100 * abs(x[h * cycles]) / one if h <= last else None
        if key == "IN":
            continue
        for h in range(1, 41):
            inside = (h + 1) * cycles - 2 < 397 and h < last
            truth[f"{name}IH{h}"] = (BETWEEN.get(name, 0.0) if h == 4 else 0.0) if inside else None
            line = 4 * cycles + cycles // 2  # half a turn of V1 more than whole ones: its angle counts from -180 to 180
            there = h == 4 and name in BETWEEN
            since_crest = cmath.phase(turn) * line / cycles
            truth[f"{name}IHA{h}"] = math.degrees(cmath.phase(x[line] * cmath.exp(1j * since_crest))) if there else None
            angle = math.degrees(cmath.phase(x[h * cycles] * turn**h)) if h <= last else None
            truth[f"{name}A{h}"] = angle
        truth[f"PWH{key}"] = 100 * math.sqrt(sum(h * shares[h] ** 2 for h in range(14, last + 1)))
        truth[f"DC{key}"] = x[0].real
        if key[0] == "I":
            squares = {h: abs(x[h * cycles]) ** 2 for h in range(1, last + 1)}
            truth[f"KF{key[1]}"] = sum(h**2 * s for h, s in squares.items()) / sum(squares.values())
            truth[f"TDD{key[1]}"] = truth[f"TH{key}"] * one / 20.0
    for p in "123" if len(keys) > 3 else "1":
        a, b = lines[keys.index(f"V{p}"), :397], lines[keys.index(f"I{p}"), :397]
        active = float(np.sum((a * b.conj()).real))
        first = a[cycles] * b[cycles].conj()
        truth |= {f"P{p}": active, f"Q1{p}": first.imag, f"fSP{p}": first.imag, f"dPF{p}": first.real / abs(first)}
        truth[f"SP{p}"] = truth[f"V{p}r"] * truth[f"I{p}r"]
        truth[f"PF{p}i"] = active / truth[f"SP{p}"]
        truth[f"phi{p}"] = math.degrees(cmath.phase(first))
        for h in range(1, 41):
            truth[f"{p}P{h}"] = (a[h * cycles] * b[h * cycles].conj()).real if h <= last else None
    assert {key for key in truth if v[key] is None} == {key for key, value in truth.items() if value is None}
    numbers = {key: value for key, value in truth.items() if value is not None}
    assert {key: v[key] for key in numbers} == pytest.approx(numbers, rel=1e-9, abs=1e-9)
    assert set(v) <= set(keys_for(system))
    elsewhere = ("Fq", "Pst", "Plt", "UU", "UO", "MSV", "EP", "EQ", "tAE", "SE", "fQE", "ILr")
    assert {key for key in set(keys_for(system)) - set(v) if not key.startswith(elsewhere)} == set()


def test_three_phases_together() -> None:
    for system in ("3P", "3P+N"):
        lines, found, _ = measure(system)
        keys, v = channels_of(system), found.values
        a = [lines[keys.index(f"V{p}"), :397] for p in "123"]
        turn = cmath.exp(2j * math.pi / 3)
        one, two, zero = (abs(a[0][10] + turn**m * a[1][10] + turn ** (2 * m) * a[2][10]) for m in (1, 2, 0))
        assert v["u2"] == pytest.approx(100 * two / one)
        assert v.get("u0") == (pytest.approx(100 * zero / one) if system == "3P+N" else None)
        assert v["Prot"] == 1.0
        between = []
        for p, q in ((0, 1), (1, 2), (2, 0)):
            rms = math.sqrt(float(np.sum(np.abs(a[p] - a[q]) ** 2)))
            between.append(rms)
            assert v[f"V{p + 1}{q + 1}r"] == pytest.approx(rms)
            assert v[f"V{p + 1}{q + 1}a"] == pytest.approx(math.degrees(cmath.phase(a[p][10] / a[q][10])))
        star = sum(v[f"V{p}r"] ** 2 for p in "123")
        currents = sum(v[f"I{p}r"] ** 2 for p in "123")
        if system == "3P":
            se = 3 * math.sqrt(sum(x**2 for x in between) / 9 * currents / 3)
        else:
            se = 3 * math.sqrt((3 * star + sum(x**2 for x in between)) / 18 * (currents + v["INr"] ** 2) / 3)
        assert v["Se"] == pytest.approx(se)
        assert v["PFe"] == pytest.approx(v["Pc"] / se)
        for name in ("P", "SP", "fSP", "Q1"):
            assert v[f"{name}c"] == pytest.approx(sum(v[f"{name}{p}"] for p in "123"))
        p1 = sum(v[f"{p}P1"] for p in "123")
        assert v["dPFc"] == pytest.approx(p1 / math.hypot(p1, v["Q1c"]))
        assert v["Sa"] == v["SPc"]
        assert v["PFc"] == pytest.approx(v["Pc"] / v["SPc"])


def test_no_demand_current_gives_no_tdd_and_a_blocked_front_end_no_direct_current() -> None:
    keys = channels_of("1P+N")
    lines = lines_of(keys, 10, 397)
    found = QuantityTable("1P+N", specs(keys)).measure(spectrum(lines, 10, Band(32, 39, 39), blocked=(1,))).values
    assert found["TDD1"] is None
    assert found["DCI1"] is None
    assert found["DCV1"] == pytest.approx(lines[0, 0].real)
    for wrong in (0.0, -5.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="demand current"):
            QuantityTable("1P", specs(("V1", "I1")), demand_current_a=wrong)


def test_line_voltages_alone_give_their_unbalance() -> None:
    star = [cmath.rect(s, math.radians(d)) for s, d in ((230.0, 3.0), (224.0, -122.0), (235.0, 118.0))]
    keys = ("V12", "V23", "V31", "I1", "I2", "I3")
    lines = np.zeros((6, 398), dtype=complex)
    for row in range(3):
        lines[row, 10] = star[row] - star[(row + 1) % 3]
        lines[row + 3, 10] = 5.0
    found = QuantityTable("3P", specs(keys)).measure(spectrum(lines, 10, Band(32, 39, 39))).values
    turn = cmath.exp(2j * math.pi / 3)
    one, two = (abs(star[0] + turn**m * star[1] + turn ** (2 * m) * star[2]) for m in (1, 2))
    assert found["u2"] == pytest.approx(100 * two / one, rel=1e-6)
    assert found["V23r"] == pytest.approx(abs(star[1] - star[2]))
    assert "u0" not in found
    assert "P1" not in found


def test_without_a_fundamental_only_what_needs_none() -> None:
    keys = channels_of("3P+N")
    lines = lines_of(keys, 10, 397)
    found = QuantityTable("3P+N", specs(keys)).measure(spectrum(lines, 0, Band(0, 0, 0)))
    numbers = {key for key, value in found.values.items() if value is not None}
    assert {key[:2] for key in numbers} == {"V1", "V2", "V3", "I1", "I2", "I3", "IN", "P1", "P2", "P3", "SP", "Se",
                                            "Pc", "Sa", "DC"}  # fmt: skip
    assert found.phasors == {}
    assert not found.lit.any()
    assert np.isnan(found.powers[2]).all()


def test_direction_of_harmonic_power() -> None:
    """The fundamental comes in, the fifth goes out."""
    lines = np.zeros((2, 398), dtype=complex)
    lines[0, [10, 50]] = 230.0, 5.0
    lines[1, [10, 50]] = 10.0, -2.0
    found = QuantityTable("1P", specs(("V1", "I1"))).measure(spectrum(lines, 10, Band(32, 39, 39))).values
    assert (found["1P1"], found["1P5"], found["1P7"]) == pytest.approx((2300.0, -10.0, 0.0))
    assert found["P1"] == pytest.approx(2290.0)


def test_energy_counts_quadrants_and_leaves_out_what_is_unknown() -> None:
    meter = EnergyMeter(["1"])
    assert meter.registers() == {}
    for p, q in ((3600.0, 1800.0), (-7200.0, 900.0), (-3600.0, -3600.0), (360.0, -720.0)):
        meter.add(np.array([[p, p], [5000.0, 5000.0], [q, q]]), 2.0)
    meter.add(np.array([[3600.0, 3600.0], [math.nan, math.nan], [math.nan, math.nan]]), 1.0)
    found = meter.registers()
    for p in "1c":
        assert found[f"EP{p}+"] == pytest.approx(2.2 + 1.0)
        assert found[f"EP{p}-"] == pytest.approx(6.0)
        assert found[f"tAE{p}"] == pytest.approx(3.2 - 6.0)
        assert found[f"EQ{p}+"] == pytest.approx(1.5)
        assert found[f"EQ{p}-"] == pytest.approx(2.4)
        assert found[f"fQE{p}"] == pytest.approx(1.5 - 2.4)
        assert found[f"SE{p}"] == pytest.approx(4 * 5000 * 2 / 3600)
        assert meter.quadrants_varh()[p] == pytest.approx((1.0, 0.5, 2.0, 0.4))


def test_energy_of_all_phases_follows_the_sign_of_their_sum() -> None:
    meter = EnergyMeter(["1", "2", "3"])
    each, unknown = [1000.0, -400.0, -300.0], [math.nan] * 4
    meter.add(np.array([[*each, sum(each)], unknown, unknown]), 3600.0)
    found = meter.registers()
    assert (found["EP1+"], found["EP2-"], found["EP3-"], found["EPc+"], found["EPc-"]) == (1000, 400, 300, 300, 0)
    assert not [key for key in found if key.startswith(("SE", "EQ", "fQE"))]


def test_values_are_as_good_as_a_dict() -> None:
    layout = Layout()
    first, second = layout.add(["a", "b"]), layout.add(["c"])
    numbers = layout.empty()
    numbers[first], numbers[second] = (1.5, math.nan), math.inf
    values, plain = Values(layout.place, numbers), {"a": 1.5, "b": None, "c": None}
    assert (values["a"], values["b"], values["c"], values.get("d")) == (1.5, None, None, None)
    assert "b" in values
    assert "d" not in values
    with pytest.raises(KeyError):
        values["d"]
    assert values == plain
    assert {**values} == dict(values) == dict(values.items()) == plain
    assert list(values) == list(values.keys()) == ["a", "b", "c"]
    assert list(values.values()) == [1.5, None, None]
    assert len(values) == 3
    assert json.loads(json.dumps(dict(values))) == plain
    assert type(values["a"]) is type(Values(layout.place, numbers)["a"]) is float
    assert repr(values) == repr(plain)
    with pytest.raises(ValueError, match="twice"):
        layout.add(["a"])


def test_numbers_beyond_all_bounds_give_null() -> None:
    lines = lines_of(channels_of("3P+N"), 10, 397) * 1e200
    found = QuantityTable("3P+N", specs(channels_of("3P+N"))).measure(spectrum(lines, 10, Band(32, 39, 39)))
    assert found.values["V1r"] is None
    assert not np.isinf(found.values.numbers).any()
    silent = np.zeros((7, 398), dtype=complex)
    found = QuantityTable("3P+N", specs(channels_of("3P+N"))).measure(spectrum(silent, 10, Band(32, 39, 39)))
    assert found.values["V1r"] == 0.0
    assert (found.values["THV1"], found.values["PFc"], found.values["u2"], found.values["CFV1"]) == (None,) * 4
