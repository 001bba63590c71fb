"""The published firmware is recognised by what only it sends, and never suspected in a sound module."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from device_io.mqtt.payload import decode_payload, encode_payload, pack_raw
from device_io.mqtt.published_firmware import (
    MESSAGES,
    FirmwareWatch,
    bears_signature,
    corrections,
    imitate,
    unreliable_keys,
)
from device_io.mqtt.readings import ReadingsDecoder
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.presets import preset_names
from device_io.virtual_module.readings import measure
from resources.systems import SYSTEMS, WiringSystem
from tests.fakes.mqtt_publisher import sound_values


def watched(*payloads: bytes) -> bool:
    watch = FirmwareWatch()
    for payload in payloads:
        watch.take(decode_payload(payload).head)
    return watch.recognised


@pytest.mark.parametrize("angle_deg", [-60.0, 0.0, 30.0, 150.0])
@pytest.mark.parametrize("system", ["3P+N", "1P"])
def test_five_messages_give_it_away(system: str, angle_deg: float) -> None:
    sent = imitate(sound_values(system, angle_deg=angle_deg))
    assert not watched(*[sent] * (MESSAGES - 1))
    assert watched(*[sent] * MESSAGES)


def test_it_is_seen_on_distorted_mains_too() -> None:
    """There Q is not P; the power factors and the sum of S still tell."""
    values = sound_values()
    head = decode_payload(encode_payload(values | {"PF2i": 0.0, "PF3i": 0.0, "SPc": values["Pc"]}))
    watch = FirmwareWatch()
    assert any(watch.take(head.head) for _ in range(MESSAGES))


def test_messages_without_load_tell_nothing() -> None:
    sent = imitate(sound_values())
    idle = imitate(sound_values(i_a=0.0))
    assert watched(*[idle, sent] * MESSAGES)
    assert not watched(*[idle] * 50)


def test_it_is_seen_where_one_phase_exports_what_the_others_use() -> None:
    """Then both sums are nothing, which no sum of the apparent powers can be."""
    values = sound_values()
    sent = imitate(values | {"P1": 460.0, "P2": -230.0, "P3": -230.0, "Pc": 0.0})
    assert watched(*[sent] * MESSAGES)


def test_a_new_firmware_is_trusted_again() -> None:
    watch = FirmwareWatch()
    old, new = imitate(sound_values()), encode_payload(sound_values())
    for payload in [old] * 20:
        watch.take(decode_payload(payload).head)
    assert watch.take(decode_payload(new).head), "one message is not enough"
    for payload in [new] * MESSAGES:
        watch.take(decode_payload(payload).head)
    assert not watch.recognised


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("system", ["1P", "1P+N", "3P", "3P+N"])
def test_no_sound_module_is_suspected(system: str, fine: bool) -> None:
    for angle_deg, i_a in itertools.product(range(-180, 181, 15), (0.0, 0.001, 0.01, 0.2, 5.0, 60.0)):
        payload = encode_payload(sound_values(system, i_a=i_a, angle_deg=float(angle_deg)), fine=fine)
        assert not watched(*[payload] * 10), (angle_deg, i_a)


def test_unequal_loads_of_a_sound_module_are_not_suspected() -> None:
    """Also where the sum of S is a vector's length, so that the reactive parts cancel."""
    rng = random.Random(3)
    for _ in range(400):
        values: dict[str, float] = {"Prot": 1.0}
        for p in "123":
            i_a, angle = rng.choice((0.0, 0.02, 0.3, 7.0)), math.radians(rng.choice((-90, -89.9, -45, 0, 45, 89.9, 90)))
            s = 230.0 * i_a
            values |= {f"V{p}r": 230.0, f"I{p}r": i_a, f"SP{p}": s, f"P{p}": s * math.cos(angle)}
            values |= {f"fSP{p}": s * math.sin(angle), f"PF{p}i": math.cos(angle) if s else 0.0}
        values["Pc"] = sum(values[f"P{p}"] for p in "123")
        values["fSPc"] = sum(values[f"fSP{p}"] for p in "123")
        for total in (sum(values[f"SP{p}"] for p in "123"), math.hypot(values["Pc"], values["fSPc"])):
            payload = encode_payload(values | {"SPc": total})
            assert not watched(*[payload] * 10), values


def test_a_module_with_one_resistive_load_is_not_suspected() -> None:
    payload = pack_raw({"V1r": 230_000, "I1r": 10_000, "P1": 2_300_000, "SP1": 2_300_000, "Pc": 2_300_000,
                        "SPc": 2_300_000, "PF1i": 100, "Prot": 1, "1V1": 100, "1I1": 100})  # fmt: skip
    assert not watched(*[payload] * 50)


def test_values_stay_as_sent_and_only_what_is_certain_is_corrected() -> None:
    truth = sound_values(angle_deg=-40.0)
    decoder = ReadingsDecoder()
    sent = imitate(truth)
    readings = [decoder.take(sent, 0) for _ in range(MESSAGES + 1)]
    assert readings[0].flags == ()
    assert readings[0].corrected == {}
    last = readings[-1]
    assert last.flags == ("unreliable-firmware",)
    assert last.values == readings[0].values
    assert last.values["PF2i"] == 0.0
    assert last.values["SPc"] == last.values["Pc"]
    assert set(last.corrected) == {"SP1", "SP2", "SP3", "SPc", "PF1i", "PF2i", "PF3i"}
    assert set(last.corrected) <= unreliable_keys()
    for key, value in last.corrected.items():
        assert value == pytest.approx(truth[key], rel=1e-4), key


def test_nothing_is_corrected_that_the_last_digit_decides() -> None:
    found = corrections(decode_payload(imitate(sound_values(i_a=0.004))).values)
    assert found == {}
    one_small = sound_values()
    one_small |= {"I2r": 0.004, "P2": 0.5}
    found = corrections(decode_payload(imitate(one_small)).values)
    assert {"SP2", "PF2i", "SPc"}.isdisjoint(found)
    assert {"SP1", "PF3i"} <= set(found)


def check_presets(cases: list[tuple[str, WiringSystem]]) -> None:
    """Sound readings pass in both forms; the same ones as the published firmware sends them are recognised, and what is
    corrected in them is what the module measured."""
    for name, system in cases:
        values = measure(VirtualModule(name, system), 6.0)
        for fine in (True, False):
            decoded = decode_payload(encode_payload(values, fine=fine))
            assert decoded.implausible == "", (name, system)
            assert not bears_signature(decoded.head), (name, system)
        sent = decode_payload(imitate(values))
        assert bears_signature(sent.head), (name, system)
        found = corrections(sent.values)
        assert found, (name, system)
        for key, value in found.items():
            assert value == pytest.approx(values[key], rel=0.02, abs=0.02), (name, system, key)


ALL = [(name, system) for name in preset_names() for system in SYSTEMS]


def test_some_presets() -> None:
    check_presets(random.sample(ALL, 6))


@pytest.mark.soak
def test_all_presets() -> None:
    check_presets(ALL)
