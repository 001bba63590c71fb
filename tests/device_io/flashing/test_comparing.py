"""What a module keeps for itself, before and after."""

from __future__ import annotations

import pytest

from device_io.flashing.comparing import differences, eui_of
from device_io.flashing.told import Told
from device_io.virtual_module.module import VirtualModule


def told(**changes) -> Told:
    module = VirtualModule("clean", seed=5)
    told = Told()
    told.info = module.info._replace(calibrated=changes.pop("calibrated", "2026-01-05"))
    told.settings = dict(module.settings) | changes.pop("settings", {})
    told.readings = {"tAEc": 1000.0, "fQEc": -20.0, "V1r": 230.0} | changes.pop("readings", {})
    for key in changes.pop("without", ()):
        told.settings.pop(key)
    return told


def test_the_same_is_the_same():
    assert differences(told().as_json(), told()) == ()
    assert eui_of(told().as_json()) == VirtualModule("clean", seed=5).info.eui


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"nominal_voltage_v": 120.0}}, "Nominal voltage was 230.0 and is 120.0 now."),
        ({"settings": {"name": "?"}}, "Name was 'clean' and is '?' now."),
        ({"without": ["mqtt_period_s"]}, "the firmware does not know this setting"),
        ({"calibrated": None}, "The calibration was of 2026-01-05 and is of no date now."),
        ({"readings": {"tAEc": 0.0}}, "Cumulated Active Energy went back from 1000 to 0 Wh."),
    ],
)
def test_what_changed_is_told(changes, words):
    (difference,) = differences(told().as_json(), told(**changes))
    assert words in difference


def test_what_may_change_is_not():
    after = told(readings={"tAEc": 1003.5, "fQEc": -19.9, "V1r": 110.0}, settings={"unconfirmed_s": 7})
    assert differences(told().as_json(), after) == ()


def test_what_was_not_told_is_not_compared():
    silent = Told()
    assert differences(silent.as_json(), told()) == ()
    assert differences(told().as_json(), silent) == ()
    assert eui_of(silent.as_json()) is None
    assert eui_of({"identity": "{"}) is None
