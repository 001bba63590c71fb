from __future__ import annotations

import pytest

from resources.settings import link_settings, modbus_settings, settings_table


def test_every_default_can_be_written():
    for spec in settings_table().values():
        if spec.access != "ro" and spec.key != "mqtt_token":
            assert spec.problem(spec.default) is None, spec.key


def test_no_two_settings_share_a_register():
    taken: dict[int, str] = {}
    for spec in modbus_settings().values():
        for register in range(spec.modbus_address, spec.modbus_address + spec.modbus_registers):
            assert register not in taken, (spec.key, taken.get(register))
            taken[register] = spec.key


def test_texts_fit_their_registers():
    for spec in modbus_settings().values():
        if spec.kind == "text":
            assert spec.high <= 2 * spec.modbus_registers


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("name", "x" * 33, "0 to 32 bytes; this has 33"),
        ("name", "ä" * 17, "this has 34"),
        ("name", "a\nb", "printable"),
        ("name", 7, "text"),
        ("nominal_voltage_v", 401, "50 to 400 V"),
        ("nominal_voltage_v", float("nan"), "50 to 400 V"),
        ("nominal_voltage_v", True, "number"),
        ("nominal_frequency_hz", 55, "50, 60"),
        ("rs485_unit", 248, "1 to 247"),
        ("rs485_unit", 2.5, "whole number"),
        ("rs485_parity", "mark", "none, even, odd"),
        ("mqtt_fine_percent", 1, "on or off"),
        ("system", "1P", "can't be changed"),
    ],
)
def test_a_wrong_value_gets_one_sentence(key: str, value: object, says: str) -> None:
    problem = settings_table()[key].problem(value)
    assert problem is not None
    assert says in problem
    assert "\n" not in problem


def test_links_know_their_settings():
    assert link_settings("rs485") == ("rs485_baud", "rs485_parity", "rs485_unit")
    assert "wifi_password" in link_settings("wifi")
