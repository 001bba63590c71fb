"""Damage shows in what can't be true and in what a module never did before; what really happens is not suspected."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from device_io.mqtt.payload import LEAD, decode_payload, encode_payload, pack_raw
from device_io.mqtt.payload_layout import payload_keys
from device_io.mqtt.published_firmware import imitate
from device_io.mqtt.readings import SUSPECT, ReadingsDecoder
from device_io.virtual_module.presets import Preset, preset_names
from resources.systems import SYSTEMS, WiringSystem
from tests.fakes.mqtt_publisher import sound_values
from tests.fakes.readings_stream import FORMS, Sent, damaged, sent, some_mains, windows

WARM_UP = 20
SECOND_NS = 1_000_000_000


def raw(payload: bytes) -> dict[str, int]:
    head = decode_payload(payload).head
    keys = payload_keys()
    numbers = [number for part in head for number in part]
    tail = [int.from_bytes(payload[2 + at : 4 + at], "big") for at in range(212, 704, 2)]
    return dict(zip(keys, [*numbers, *tail], strict=True))


def told(decoder: ReadingsDecoder, payload: bytes, time_ns: int = 0) -> str:
    """Why the next message is suspect, "" if it is not."""
    flags = decoder.take(payload, time_ns).flags
    assert (SUSPECT in flags) == bool(decoder.why_suspect)
    return decoder.why_suspect


SOUND = raw(encode_payload(sound_values(angle_deg=25.0) | {"tAE1": 5e3, "tAEc": 5e3, "SE1": 6e3, "SEc": 6e3}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SP1": 2_500_000}, "voltage times current"),
        ({"V12r": 1_000, "V1r": 100_000}, "less than what the phases differ by"),
        ({"V23r": 480_000}, "more than those of the phases together"),
        ({"fSPc": 5_000_000}, "active and reactive power"),
        ({"1V7": 400}, "the harmonics of V1 are more than its THD"),
        ({"I2r": -2}, "a current is below 0"),
        ({"fQE2": -(10**16)}, "an energy"),
    ],
)
def test_what_no_firmware_can_mean_is_noticed_at_once(change: dict[str, int], words: str) -> None:
    assert decode_payload(pack_raw(SOUND)).implausible == ""
    assert words in decode_payload(pack_raw(SOUND | change)).implausible


@pytest.mark.parametrize("lead", [b"\0\1", b"\x80\0"])
def test_the_two_bytes_in_front_are_looked_at(lead: bytes) -> None:
    data = pack_raw(SOUND)
    assert decode_payload(data).implausible == ""
    assert decode_payload(lead + data[len(LEAD) :]).implausible != ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"SP2": SOUND["SP2"] - 64}, "apparent powers do not add up"),
        ({"V3r": SOUND["V3r"] + 64}, "apparent power of L3"),
        ({"I3r": SOUND["I3r"] - 2}, "apparent power of L3"),
        ({"P1": SOUND["P1"] + 64}, "active powers"),
        ({"PF2i": SOUND["PF2i"] - 4}, "power factor of L2"),
        ({"fSPc": SOUND["fSPc"] ^ 32}, "reactive powers"),
        ({"phi1": 100}, "reactive power of L1"),
        ({"THV2": SOUND["THV2"] + 16}, "harmonics of V2"),
        ({"3I9": 256}, "harmonics of I3"),
        ({"Fq2i": SOUND["Fq2i"] + 8192}, "frequencies"),
        ({"V23a": SOUND["V23a"] + 8}, "angles"),
        ({"Prot": 0}, "phase sequence"),
        ({"SEc": SOUND["SEc"] - 16}, "apparent energies"),
        ({"tAEc": SOUND["tAEc"] - 2048}, "energ"),
        ({"tAE1": SOUND["tAE1"] + 2**40}, "energ"),
        ({"fQE3": 2**41, "fQEc": 2**41}, "energ"),
    ],
)
def test_what_a_module_never_did_is_noticed_once_it_is_known(change: dict[str, int], words: str) -> None:
    decoder, odd = ReadingsDecoder(), pack_raw(SOUND | change)
    for _ in range(WARM_UP):
        assert told(decoder, pack_raw(SOUND)) == ""
    sound = decoder.take(pack_raw(SOUND), 0).values
    assert words in told(decoder, odd)
    values = decoder.take(odd, 0).values
    changed = {key for key in payload_keys() if values[key] != sound[key]}
    assert changed == set(change), "values stay as they were sent"
    assert told(decoder, pack_raw(SOUND)) == "", "nothing of the damage stays"


def test_a_phase_that_is_not_there_stays_empty() -> None:
    decoder = ReadingsDecoder()
    alone = raw(encode_payload(sound_values("1P")))
    for _ in range(WARM_UP):
        assert told(decoder, pack_raw(alone)) == ""
    for change in ({"P2": 300}, {"Fq3i": 50_000}, {"2V11": 8}, {"THI3": 1}):
        assert told(decoder, pack_raw(alone | change)) != "", change


@pytest.mark.parametrize(
    "habit",
    [
        {"SPc": 7_000_000},  # the effective one
        {"THV1": 400, "THV2": 400, "THV3": 400},  # with what is between the harmonics
        {"V31a": 24_000},
        {"PF1i": -91},  # the sign tells what leads
        {"SEc": 12_345},
    ],
)
def test_a_firmware_that_works_in_another_way_is_not_suspected(habit: dict[str, int]) -> None:
    decoder = ReadingsDecoder()
    for _ in range(50):
        assert told(decoder, pack_raw(SOUND | habit)) == ""


def test_a_firmware_that_begins_to_is_suspected_twice_at_most() -> None:
    decoder = ReadingsDecoder()
    for _ in range(WARM_UP):
        told(decoder, pack_raw(SOUND))
    suspected = [bool(told(decoder, pack_raw(SOUND | {"SPc": 7_000_000}))) for _ in range(50)]
    assert suspected == [True, True] + 48 * [False]


def energies(factor: float) -> bytes:
    keys = ("tAE1", "tAE2", "tAE3", "SE1", "SE2", "SE3")
    counted = {key: int(factor * 10**6) for key in keys} | {key: int(3 * factor * 10**6) for key in ("tAEc", "SEc")}
    return pack_raw(SOUND | counted)


def warmed_up() -> ReadingsDecoder:
    decoder = ReadingsDecoder()
    for second in range(WARM_UP):
        assert told(decoder, energies(10.0 + second), second * SECOND_NS) == ""
    return decoder


@pytest.mark.parametrize("factor", [0.0, 0.001, 25.0])
def test_a_restarted_module_is_not_suspected(factor: float) -> None:
    decoder = warmed_up()
    assert told(decoder, energies(factor), 60 * SECOND_NS) == ""
    assert told(decoder, energies(factor + 1.0), 62 * SECOND_NS) == ""


def test_a_restart_that_keeps_one_kind_of_energy_is_none_either() -> None:
    decoder = warmed_up()
    numbers = raw(energies(31.0))
    assert told(decoder, pack_raw(numbers | dict.fromkeys(("SE1", "SE2", "SE3", "SEc"), 0)), 60 * SECOND_NS) == ""


def test_another_module_in_its_place_is_believed_the_third_time() -> None:
    """Its energies are far above those before."""
    decoder = warmed_up()
    assert [bool(told(decoder, energies(1e5 + n), 60 * SECOND_NS)) for n in range(5)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_energies_may_grow_as_long_as_nothing_was_heard() -> None:
    decoder = warmed_up()
    assert told(decoder, energies(300.0), 3600 * SECOND_NS) == ""


def test_small_damage_that_was_not_seen_does_not_make_the_next_message_suspect() -> None:
    decoder = warmed_up()
    numbers = raw(energies(30.0))
    assert told(decoder, pack_raw(numbers | {"tAE1": numbers["tAE1"] + 40_000}), 30 * SECOND_NS) == ""
    for second in range(31, 40):
        assert told(decoder, energies(float(second) - 0.99), second * SECOND_NS) == ""


def test_a_module_may_change_its_form() -> None:
    decoder = ReadingsDecoder()
    values = sound_values(angle_deg=25.0)
    for fine in 20 * [True] + 20 * [False] + 20 * [True]:
        assert told(decoder, encode_payload(values, fine=fine)) == ""


@pytest.mark.parametrize(
    "nonsense",
    [
        {"Fq1i": 4_464, "Fq2i": 0, "Fq3i": 65_535, "Fqai": 17},
        {"phi1": -32_768, "V12a": 32_767, "phi3": 11},
        {"tAE1": 2**63, "SE2": -(2**62)},
        {"THV1": 2_100, "1V5": 900, "THI2": 0, "2I3": 65_535},
    ],
)
def test_what_the_published_firmware_gets_wrong_does_not_hide_it(nonsense: dict[str, int]) -> None:
    """Its frequencies and angles mean nothing, its energies are counted with a factor, half a spectral line is used."""
    decoder = ReadingsDecoder()
    numbers = raw(imitate(sound_values())) | nonsense
    flags = [decoder.take(pack_raw(numbers), 0).flags for _ in range(6)]
    assert flags[0] == ()
    assert flags[-1] == ("unreliable-firmware",)
    assert decoder.take(pack_raw(numbers), 0).corrected["PF2i"] == pytest.approx(3**0.5 / 2, rel=1e-3)


def test_the_noise_of_the_published_firmware_is_not_suspected() -> None:
    """Its THD and harmonics are noise; in some messages they fit each other by chance."""
    decoder, rng = ReadingsDecoder(), random.Random(11)
    numbers = raw(imitate(sound_values()))
    for _ in range(300):
        noise = {f"TH{kind}{p}": rng.randrange(2, 22) for kind in "VI" for p in "123"}
        noise |= {f"{p}{kind}{order}": rng.randrange(4) for p in "123" for kind in "VI" for order in range(2, 20)}
        assert told(decoder, pack_raw(numbers | noise)) == ""


class Campaign:
    """Messages of modules, some of them damaged: false alarms, and damage that nobody saw."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.sound = self.damaged = self.unseen = 0

    def run(self, preset: str | Preset, system: WiringSystem, seconds: float, every: int) -> None:
        measured = windows(preset, system, seconds)
        for form in FORMS:
            decoder = ReadingsDecoder()
            for number, message in enumerate(sent(measured, self.rng, form)):
                self.sound += 1
                assert not told(decoder, message.payload, message.time_ns), (preset, system, form, decoder.why_suspect)
                if number > WARM_UP and number % every == 0:
                    self.damaged += 1
                    self.unseen += not told(decoder, damaged(message.payload, self.rng), message.time_ns)


ALL = [(name, system) for name in preset_names() for system in SYSTEMS]


@pytest.mark.timeout(300)
def test_undamaged_messages_are_not_suspected_and_damaged_ones_are() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    campaign = Campaign(seed)
    for name, system in campaign.rng.sample(ALL, 4):
        campaign.run(name, system, 30.0, 8)
    for _ in range(3):
        campaign.run(some_mains(campaign.rng), campaign.rng.choice(SYSTEMS), 30.0, 8)
    print(f"{campaign.sound} sound; {campaign.unseen} of {campaign.damaged} damaged were not seen")
    assert campaign.sound > 1000
    assert campaign.unseen < 0.15 * campaign.damaged


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_two_hundred_thousand_undamaged_messages_are_not_suspected() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    campaign = Campaign(seed)
    for name, system in ALL:
        campaign.run(name, system, 120.0, 20)
    while campaign.sound < 200_000:
        campaign.run(some_mains(campaign.rng), campaign.rng.choice(SYSTEMS), 60.0, 20)
    print(f"{campaign.sound} sound; {campaign.unseen} of {campaign.damaged} damaged were not seen")
    assert campaign.unseen < 0.09 * campaign.damaged


def test_streams_are_as_modules_send_them() -> None:
    """The messages that the campaign takes for sound are: energies add up to what the powers make."""
    stream: Iterator[Sent] = sent(windows("clean", "3P+N", 4.0), random.Random(5), "fine")
    first, *_, last = [(message.time_ns, raw(message.payload)) for message in stream]
    hours = (last[0] - first[0]) / 3.6e12
    assert last[1]["SEc"] - first[1]["SEc"] == pytest.approx(6.9e6 * hours, rel=0.2)
