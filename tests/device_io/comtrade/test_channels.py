"""Which channels are recognised, and what is asked where it can't be told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from device_io.comtrade.channels import Assignment, assign_channels
from device_io.comtrade.config import AnalogChannel
from device_io.comtrade.errors import FileError
from device_io.comtrade.units import parse_unit


def channels(*described: str) -> list[AnalogChannel]:
    """From "name[:unit[:phase[:component]]]"; without a unit V for names that begin with U or V, else A."""
    made = []
    for index, text in enumerate(described):
        name, unit, phase, component = (text.split(":") + [""] * 3)[:4]
        if ":" not in text:
            unit = "V" if name[:1].upper() in "UV" else "A"
        made.append(
            AnalogChannel(index, index + 1, name, phase, component, parse_unit(unit)[0], unit, 1.0, 0.0, 0.0, 0.0, 0.0)
        )
    return made


def names(assignment: Assignment) -> dict[str, str]:
    return {key: channel.name for key, channel in assignment.assigned.items()}


def expected(text: str) -> dict[str, str]:
    return dict(zip(("V1", "V2", "V3", "I1", "I2", "I3", "IN"), text.split("|"), strict=False))


@pytest.mark.parametrize(
    "written",
    [
        "VA|VB|VC|IA|IB|IC|IN",
        "Va|Vb|Vc|Ia|Ib|Ic|In",
        "UL1|UL2|UL3|IL1|IL2|IL3|IN",
        "U_L1|U_L2|U_L3|I_L1|I_L2|I_L3|I_N",
        "UL1-N|UL2-N|UL3-N|IL1|IL2|IL3|IN",
        "V1|V2|V3|I1|I2|I3|IN",
        "VR|VS|VT|IR|IS|IT|IN",
        "VR|VY|VB|IR|IY|IB|IN",
        "VAN|VBN|VCN|IA|IB|IC|Neutral current:A",
        "Voltage phase A:kV|Voltage phase B:kV|Voltage phase C:kV|"
        "Current phase A:A|Current phase B:A|Current phase C:A|Current neutral:A",
        "U L1:V|U L2:V|U L3:V|I L1:A|I L2:A|I L3:A|I N:A",
        "Spannung L1:V|Spannung L2:V|Spannung L3:V|Strom L1:A|Strom L2:A|Strom L3:A|Strom N:A",
        "Bus 1 VA:V|Bus 1 VB:V|Bus 1 VC:V|Line 7 IA|Line 7 IB|Line 7 IC|Line 7 IN",
        "Bus A UL1:V|Bus A UL2:V|Bus A UL3:V|IL1|IL2|IL3|IN",
        "Line 1 voltage A:V|Line 1 voltage B:V|Line 1 voltage C:V|Line 1 current A:A|Line 1 current B:A|"
        "Line 1 current C:A|Line 1 current N:A",
        "A-N:V|B-N:V|C-N:V|A:A|B:A|C:A|N:A",
        "VA (kV):kV|VB (kV):kV|VC (kV):kV|IA (A):A|IB (A):A|IC (A):A|IN (A):A",
        "CH1:V:A|CH2:V:B|CH3:V:C|CH4:A:A|CH5:A:B|CH6:A:C|CH7:A:N",
        "CT:V:L1|CT:V:L2|CT:V:L3|CT:A:L1|CT:A:L2|CT:A:L3|CT:A:N",
        "first:volt:V1|second:volt:V2|third:volt:V3|fourth:ampere:I1|fifth:ampere:I2|sixth:ampere:I3|last:ampere:IN",
        "VA:|VB:|VC:|IA:|IB:|IC:|IN:",
        "U:V:PhsA|U:V:PhsB|U:V:PhsC|I:A:PhsA|I:A:PhsB|I:A:PhsC|I:A:PhsN",
        "TVTR1.VolSv.PhsA:V|TVTR1.VolSv.PhsB:V|TVTR1.VolSv.PhsC:V|Ia|Ib|Ic|Ineutral",
        "L1_U:V|L2_U:V|L3_U:V|L1_I:A|L2_I:A|L3_I:A|N_I:A",
        "Tension phase 1:V|Tension phase 2:V|Tension phase 3:V|Courant 1:A|Courant 2:A|Courant 3:A|Courant N:A",
        "Uan|Ubn|Ucn|Ia (CT1):A|Ib (CT1):A|Ic (CT1):A|In (CT1):A",
        "U1 CH1|U2 CH2|U3 CH3|I1 CH4|I2 CH5|I3 CH6|IN CH7",
        "VT VA|VT VB|VT VC|CT IA:A|CT IB:A|CT IC:A|CT IN:A",
    ],
)
def test_recognised(written: str) -> None:
    listed = written.split("|")
    for order in (listed, listed[::-1]):
        assignment = assign_channels(channels(*order))
        assert names(assignment) == expected("|".join(text.split(":")[0] for text in listed))
        assert list(assignment.assigned) == ["V1", "V2", "V3", "I1", "I2", "I3", "IN"]


def test_numbers_of_phases_win_over_order() -> None:
    found = assign_channels(channels("u:V:C", "u:V:A", "u:V:B", "i:A:B", "i:A:C", "i:A:A")).assigned
    assert {key: channel.number for key, channel in found.items()} == {
        "V1": 2, "V2": 3, "V3": 1, "I1": 6, "I2": 4, "I3": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    "pairs", [("VAB", "VBC", "VCA"), ("U12", "U23", "U31"), ("UL1-L2", "UL2-L3", "UL3-L1"), ("V A-B", "V B-C", "V C-A")]
)
def test_line_to_line_voltages_are_no_phase_voltages(pairs: Sequence[str]) -> None:
    assignment = assign_channels(channels(*pairs, "VA", "VB", "VC", "IA", "IB", "IC"))
    assert names(assignment) == expected("VA|VB|VC|IA|IB|IC")
    assert any("Line-to-line" in note for note in assignment.notes)
    assert not assignment.between
    alone = assign_channels(channels(*pairs[::-1], "IA", "IB", "IC"))
    assert (names(alone), alone.between) == (expected("|".join([*pairs, "IA", "IB", "IC"])), True)
    with pytest.raises(FileError, match="No phase voltage"):
        assign_channels(channels(*pairs[:2], "IA", "IB", "IC"))


def test_a_voltage_between_lines_may_be_written_the_other_way_round() -> None:
    found = assign_channels(channels("UL1L2", "UL2L3", "UL1L3")).assigned
    assert [(channel.name, channel.scale) for channel in found.values()] == [
        ("UL1L2", 1.0),
        ("UL2L3", 1.0),
        ("UL1L3", -1.0),
    ]


def test_what_is_no_phase_is_left_out() -> None:
    noise = ("3I0:A", "3U0:V", "IBIAS:A", "IDL1:none", "P:W", "VA rms:V", "VB rms:V", "VC rms:V", "f:Hz", "VN")
    assignment = assign_channels(channels(*noise, "VA", "VB", "VC", "IA", "IB", "IC"))
    assert names(assignment) == expected("VA|VB|VC|IA|IB|IC")


def test_component_parts_equal_names() -> None:
    with pytest.raises(FileError, match="2 sets of three voltages"):
        assign_channels(channels(*(f"V{p}:V::{bus}" for bus in ("North", "South") for p in "ABC")))


@pytest.mark.parametrize(
    ("listed", "system"),
    [
        ("U|I", "V1 I1"),
        ("VA|IA", "V1 I1"),
        ("VB|IB", "V1 I1"),
        ("L1:V|L1:A|N:A", "V1 I1 IN"),
        ("V1|V2|V3", "V1 V2 V3"),
        ("V1", "V1"),
    ],
)
def test_other_systems(listed: str, system: str) -> None:
    assert list(assign_channels(channels(*listed.split("|"))).assigned) == system.split()


def test_a_fourth_current_is_left_to_evidence() -> None:
    assignment = assign_channels(channels("I1", "I2", "I3", "I4", "U1", "U2", "U3", "U4"))
    assert "IN" not in assignment.assigned
    assert assignment.fourth_current is not None
    assert assignment.fourth_current.name == "I4"
    assert assign_channels(channels("I1", "I2", "I3", "I4:A:N", "U1", "U2", "U3")).assigned["IN"].name == "I4"


@pytest.mark.parametrize(
    "listed",
    [
        "HV IR|HV IS|HV IT|LV IR|LV IS|LV IT|Bus VR:V|Bus VS:V|Bus VT:V",
        "VA|VB|VC|Backup VA:V|Backup VB:V|Backup VC:V|IA|IB|IC",
        "VA|VB|IA|IB",
        "x:V|y:V|z:V",
        "VA|VA|VB|VC",
        "VA|VB|VC|IA|IB",
    ],
)
def test_doubt_asks_and_lists(listed: str) -> None:
    with pytest.raises(FileError) as refusal:
        assign_channels(channels(*listed.split("|")))
    sentence = str(refusal.value)
    assert "--channels V1=NAME" in sentence
    assert "\n" not in sentence
    for text in listed.split("|"):
        assert text.split(":")[0] in sentence


OITA = channels("HV IR", "HV IS", "HV IT", "LV IR", "LV IS", "LV IT", "LV IN", "Bus VR:V", "Bus VS:V", "Bus VT:V")


def test_mapping_by_name_and_number() -> None:
    found = names(assign_channels(OITA, {"I1": "lv ir", "i2": "LV IS", "I3": "6"}))
    assert found == expected("Bus VR|Bus VS|Bus VT|LV IR|LV IS|LV IT")
    found = names(assign_channels(OITA, {"V1": "Bus VS", "I1": "LV IS", "IN": "LV IN"}))
    assert found == {"V1": "Bus VS", "I1": "LV IS", "IN": "LV IN"}
    voltages = {"V1": "Bus VR", "V2": "Bus VS", "V3": "Bus VT"}
    assignment = assign_channels(OITA, voltages)
    assert names(assignment) == voltages
    assert any("currents are not measured" in note for note in assignment.notes)
    found = names(assign_channels(channels("VA", "VB", "VC", "IA", "IB", "IC", "Earth:A"), {"IN": "Earth"}))
    assert found["IN"] == "Earth"
    assert found["I3"] == "IC"


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"V4": "Bus VR"}, '"V4" is no input'),
        ({"V1": "Bus VQ"}, 'no channel "Bus VQ". Near to it: "Bus VT", "Bus VS", "Bus VR"'),
        ({"V1": "zzzzzz"}, "The channels are: 1 HV IR"),
        ({"V1": "99"}, 'no channel "99"'),
        ({"V1": "LV IR"}, "it can't be V1"),
        ({"V1": "Bus VR", "V2": "Bus VR", "V3": "Bus VT"}, "given to both V1 and V2"),
        ({"V1": "Bus VR", "V2": "Bus VS", "I1": "1"}, "One or three voltages"),
        ({"V1": "Bus VR", "I2": "1"}, "has to be I1"),
        ({"V1": ""}, 'no channel ""'),
    ],
)
def test_mapping_that_makes_no_sense(mapping: dict[str, str], sentence: str) -> None:
    with pytest.raises(FileError) as refusal:
        assign_channels(OITA, mapping)
    assert sentence in str(refusal.value)


def test_a_name_that_two_channels_have_needs_the_number() -> None:
    twins = channels("VA", "VA", "VB", "VC")
    with pytest.raises(FileError, match="one of 1, 2"):
        assign_channels(twins, {"V1": "VA"})
    assert assign_channels(twins, {"V1": "2"}).assigned["V1"].number == 2


@pytest.mark.parametrize(
    ("text", "unit", "factor"),
    [
        ("V", "V", 1.0), ("kV", "V", 1e3), ("KV", "V", 1e3), ("mV", "V", 1e-3), ("MV", "V", 1e6), ("uV", "V", 1e-6),
        ("A", "A", 1.0), ("kA", "A", 1e3), ("mA", "A", 1e-3), ("a", "A", 1.0), ("[kV]", "V", 1e3), (" V ", "V", 1.0),
        ("volt", "V", 1.0), ("Volts", "V", 1.0), ("VOLT", "V", 1.0), ("kilovolt", "V", 1e3), ("kVolts", "V", 1e3),
        ("ampere", "A", 1.0), ("Amps", "A", 1.0), ("Amperes", "A", 1.0), ("milliamp", "A", 1e-3), ("amp", "A", 1.0),
        ("V pri", "V", 1.0), ("kV (pri)", "V", 1e3), ("A(SEC)", "A", 1.0), ("V-sec", "V", 1.0), ("(kA)", "A", 1e3),
        ("VA", None, 1.0), ("W", None, 1.0), ("", None, 1.0), ("none", None, 1.0), ("Hz", None, 1.0),
        ("var", None, 1.0), ("deg", None, 1.0), ("%", None, 1.0), ("V/A", None, 1.0),
    ],
)  # fmt: skip
def test_units(text: str, unit: str | None, factor: float) -> None:
    assert parse_unit(text) == (unit, factor)
