"""The table of parameters is complete, free of clashes, and says of every key where it exists."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from resources.parameters import PAYLOAD_BYTES, TYPE_BYTES, MapThreshold, keys_for, parameter, table
from resources.systems import SYSTEMS

ORDERS = range(1, 41)
PHASES = "123"

SCALARS = ["u2", "u0", "Fq10", "dPFc", "PFc", "Q1c", "Se", "PFe", "Sa", "THIN"]
PER_PHASE = "Pst Plt dPF Q1 CFV CFI KF TDD PWHV PWHI UU UO MSV DCV DCI"
PER_ORDER = [f"{{p}}{q}{kind}{{h}}" for q in "VI" for kind in ("", "A", "IH", "IHA")] + ["{p}P{h}"]
ENERGIES = [f"E{kind}{which}{sign}" for kind in "PQ" for which in "123c" for sign in "+-"]

EXPECTED_BEYOND_PAYLOAD = {
    *SCALARS,
    *ENERGIES,
    *(f"{name}{p}" for name in PER_PHASE.split() for p in PHASES),
    *(form.format(p=p, h=h) for form in PER_ORDER for p in PHASES for h in ORDERS),
    *(f"NI{h}" for h in ORDERS),
}


def test_payload_is_described_without_a_hole_or_an_overlap() -> None:
    fields = [entry.payload for entry in table().values() if entry.payload]
    assert len(fields) == 295
    position = 0
    for field in fields:  # table order is payload order
        assert field.offset == position
        position += field.size
    assert position == PAYLOAD_BYTES


@pytest.mark.parametrize(
    ("key", "offset", "kind", "scale", "fine"),
    [
        ("V1r", 0, "int32", 1000, None),
        ("Prot", 24, "int8", 1, None),
        ("ILr", 41, "int32", 1000, None),
        ("PF3i", 95, "int8", 100, None),
        ("tAE1", 96, "uint64", 1000, None),
        ("SEc", 152, "int64", 1000, None),
        ("Fqai", 198, "uint16", 1000, None),
        ("phi3", 210, "int16", 100, None),
        ("THV1", 212, "uint16", 1, 100),
        ("1V1", 224, "uint16", 1, 100),
        ("3I40", 702, "uint16", 1, 100),
    ],
)
def test_known_places_in_the_payload(key: str, offset: int, kind: str, scale: int, fine: int | None) -> None:
    field = parameter(key).payload
    assert field is not None
    assert (field.offset, field.type, field.scale, field.fine_scale) == (offset, kind, scale, fine)


def test_every_key_of_the_payload_and_beyond_is_there_and_no_other() -> None:
    beyond = {key for key, entry in table().items() if entry.payload is None}
    assert beyond == EXPECTED_BEYOND_PAYLOAD - {f"{p}{q}{h}" for p in PHASES for q in "VI" for h in ORDERS}
    assert len(table()) == 295 + len(beyond)


def test_no_two_rows_share_a_key() -> None:
    from importlib import resources

    lines = resources.files("resources").joinpath("parameters.csv").read_text(encoding="utf-8").splitlines()
    keys = [line.split(",", 1)[0] for line in lines[1:]]
    assert len(keys) == len(set(keys)) == len(table())
    # JSON readers and file systems that ignore case must not mix two keys up either.
    assert len({key.lower() for key in keys}) == len(keys)


def test_the_map_takes_123_keys() -> None:
    eligible = {key for key, entry in table().items() if entry.map_eligible}
    odd = {f"{p}{q}{h}" for p in PHASES for q in "VI" for h in range(3, 40, 2)}
    totals = {"Pc", "SPc", "fSPc"}
    assert eligible == odd | totals | {f"TH{q}{p}" for q in "VI" for p in PHASES}
    assert len(eligible) == 123


def test_map_thresholds() -> None:
    assert parameter("THV2").map_thresholds == (
        MapThreshold("critical", 8.0, 100.0, "Critical voltage waveform"),
        MapThreshold("normal", 0.0, 8.0, "Nominal voltage waveform"),
    )
    critical_from = {
        int(key[2:]): entry.map_thresholds[0].low
        for key, entry in table().items()
        if re.fullmatch(r"1V\d+", key) and entry.map_thresholds
    }
    assert critical_from == {3: 5, 5: 6, 7: 5, 11: 3.5, 13: 3, 15: 0.5, 17: 2, 21: 0.5}
    assert len(parameter("PF1i").map_thresholds) == 6
    assert parameter("1I5").map_thresholds == ()


def test_input_registers_do_not_overlap_and_are_aligned() -> None:
    taken: dict[int, str] = {}
    for key, entry in table().items():
        field = entry.modbus
        assert field is not None, key
        assert field.address % field.registers == 0, f"{key}: a reader would have to split it"
        assert field.scale > 0
        for register in range(field.address, field.address + field.registers):
            assert register not in taken, f"{key} and {taken.get(register)} share register {register}"
            taken[register] = key
    assert max(taken) < 65536


def test_registers_are_fine_enough() -> None:
    """A register keeps at least what the payload sends and what the screen shows."""
    for key, entry in table().items():
        field = entry.modbus
        assert field is not None
        assert field.scale >= 10**entry.decimals or entry.unit == "", key
        if entry.payload:
            assert field.scale >= entry.payload.scale, key
    assert parameter("THV1").modbus.scale == parameter("2I5").modbus.scale == 100  # type: ignore[union-attr]
    assert parameter("Fqai").modbus.scale == 1000  # type: ignore[union-attr]


@pytest.mark.parametrize(("key", "largest"), [("Fqai", 69.0), ("V1r", 600.0), ("1VA5", 180.0), ("PFc", 1.0)])
def test_registers_hold_the_range(key: str, largest: float) -> None:
    field = parameter(key).modbus
    assert field is not None
    bits = 8 * TYPE_BYTES[field.type]
    limit = 2**bits - 1 if field.type.startswith("u") else 2 ** (bits - 1) - 1
    assert largest * field.scale < limit


def test_units_are_spelt_the_fields_way() -> None:
    units = {entry.unit for entry in table().values()}
    assert units == {"", "V", "A", "W", "var", "VA", "Wh", "varh", "VAh", "Hz", "%", "deg"}


def test_decimals_follow_the_unit() -> None:
    wanted = {
        "V1r": 1,
        "I1r": 2,
        "Pc": 0,
        "fSPc": 0,
        "SPc": 0,
        "PF1i": 3,
        "Fqai": 3,
        "THV1": 2,
        "THI1": 1,
        "1I7": 2,
        "phi1": 1,
    }
    assert {key: parameter(key).decimals for key in wanted} == wanted


def test_systems() -> None:
    by_system = {system: set(keys_for(system)) for system in SYSTEMS}
    assert by_system["1P"] < by_system["1P+N"] < by_system["3P+N"]
    assert by_system["1P"] < by_system["3P"] < by_system["3P+N"]
    assert by_system["3P+N"] == set(table())
    assert by_system["3P+N"] - by_system["3P"] == {"u0", "INr", "THIN", *(f"NI{h}" for h in ORDERS)}
    assert {"Pc", "SPc", "fSPc", "tAEc", "PFc", "Fqai", "Fq10", "EPc+", "1V1", "1I40", "Q11", "Q1c"} <= by_system["1P"]
    three_phase = {"V2r", "I3r", "V12r", "V31a", "Prot", "u2", "P2", "2V1", "3IIH4", "Q12", "EQ3-", "THV2", "phi3"}
    assert three_phase <= by_system["3P"]
    assert not three_phase & by_system["1P+N"]
    assert "INr" in by_system["1P+N"]


def test_keys_come_in_table_order() -> None:
    order = list(table())
    assert [key for key in order if key in set(keys_for("1P"))] == list(keys_for("1P"))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        parameter("V4r")
    with pytest.raises(ValueError, match="choose one of 1P, 1P\\+N, 3P, 3P\\+N"):
        keys_for("2P")  # type: ignore[arg-type]


def test_import_reads_no_file() -> None:
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import resources.parameters as p\n"
        "assert not any(name.endswith('.csv') for name in opened), opened\n"
        "p.table(); assert any(name.endswith('parameters.csv') for name in opened)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=55)
